"""STS, vendor code 000A: meters with a keypad, by tokens in the shape of IEC 62055-41. A sample driver; copy it.

There is no card: PURCHASE answers the digits to type (0507), everything but DESCRIBE and PURCHASE is 02 (§8). The token
is a credit token, class 0, subclass 0 (electricity), 66 bits written as 20 digits, zeros in front::

    block     subclass 4 · RND 4 · TID 24 · amount 16 · CRC 16, high bits first: 64 bits
    TID       minutes since the base date 2014-01-01; 00:01 of any day belongs to special tokens and becomes 00:02
    amount    exponent e 2 · mantissa m 14: m · 10^e + 16384 · (10^e - 1) / 9, in 0.1 kWh
    CRC       CRC-16 (from FFFF, polynomial A001) over class and block in 7 bytes, its two bytes swapped
    token     the block enciphered; its bits 28 and 27 moved to bits 65 and 64, the class (2 bits) put in their place

The cipher is a **key module**, a port: ``encipher(meter, block)``. A real one holds the vending keys of a supply group,
licensed by the STS Association, in a security module; it is not here, and nothing here may take its place:

- ``keymodule``: the real one is wanted; PURCHASE answers 14.
- ``test-key=`` and 16 hex digits: TestKeys below, the Standard Transfer Algorithm (EA07) under keys of our own making,
  so that tokens can be made and tried at a desk. No real meter has such a key, not even if a real vending key were put
  in here, for a decoder key is made of it by HMAC and not by the standard's DKGA.

EA07 and the block are held against the test vectors of STS 531-1; docs/sample-vendors/sts.md says which and from where.

The laws of this file:

1. It remembers nothing. Meter, time (0501), value and sale id (0504) make the token, RND too: the same request gives
   the same token for ever. Who asks again must give the time of the first request, never a fresh one.
2. The meter takes each TID once, and the count (0206) does not stand in a token. So two purchases of one meter must lie
   apart in 0501, and two minutes are always enough; the caller sees to it.
3. A token never gives less than was asked: a value it cannot say is rounded **up** as the standard does, by less than
   0.1 kWh up to 1638.3 kWh, less than 1 kWh up to 18022.3. 0208 in the answer is what the token gives.
4. Checks come in the order of contract §4.9: items, count (0D), what a token cannot hold (0E), then password and key
   module (06, 14).
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any, Protocol

Items = dict[int, bytes]

DESCRIBE, PURCHASE = 0x10, 0x13
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208
WHEN, TERMINAL, SALE, TOKEN = 0x0501, 0x0502, 0x0504, 0x0507
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (),
    PURCHASE: (CUSTOMER, METER, COUNT, AMOUNT, ENERGY, WHEN, TERMINAL, SALE),
}
DESCRIPTION = {0x0101: b"000A", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"", 0x0105: b"\x02", 0x0106: b"\x00"}
SETTINGS = (*range(0x0401, 0x0407), 0x0410, 0x0411, 0x0412)
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), TOKEN: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, 0x0412, WHEN), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(range(0x0401, 0x0407), 4) | {0x0303: 8, SALE: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, 0x0505, 0xFF01, 0xFF03), 1)
ERRORS = {
    0x01: b"malformed item", 0x02: b"no such command: a meter with a keypad",
    0x06: b"the password is neither keymodule nor test-key=<16 hex>", 0x0D: b"the first purchase has count 1",
    0x0E: b"more than a token can hold", 0x14: b"the STS key module is not here", 0x16: b"item missing",
}  # fmt: skip
BASE_DATE = datetime(2014, 1, 1)  # noqa: DTZ001 — civil time, as meters keep it
TIME_PARTS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
MINUTE, TID_BITS, RESERVED_MINUTE = timedelta(minutes=1), 24, 1
ELECTRICITY = 0  # the subclass
MANTISSAS, STEPS, ALL64 = 1 << 14, (1, 10, 100, 1000), (1 << 64) - 1
# EA07: a nibble's substitute, by a bit of the key; where each bit goes
SUBSTITUTES = (
    (14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11),
    (12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14),
)
PLACES = (
    55, 42, 10, 18, 24, 21, 44, 35, 2, 22, 56, 43, 27, 58, 9, 50,
    6, 36, 12, 61, 37, 38, 53, 16, 62, 3, 7, 4, 32, 20, 63, 25,
    51, 52, 54, 33, 49, 19, 46, 29, 48, 31, 23, 30, 41, 28, 13, 5,
    40, 60, 39, 11, 15, 17, 1, 0, 57, 34, 59, 8, 47, 14, 45, 26,
)  # fmt: skip


class Refused(Exception):
    """An error answer, FF01."""


class KeyModule(Protocol):
    """Where the keys live."""

    def encipher(self, meter: bytes, block: int) -> int:
        """The 64-bit block under the key of the meter with that number (ASCII digits)."""


class TestKeys:
    """EA07 under decoder keys that are HMAC-SHA256(test key, "STS" 00, meter number), the first 8 bytes."""

    def __init__(self, test_key: bytes) -> None:
        self._test_key = test_key

    def encipher(self, meter: bytes, block: int) -> int:
        """See KeyModule."""
        return ea07(hmac.digest(self._test_key, b"STS\0" + meter, hashlib.sha256)[:8], block)


def key_module(password: str) -> KeyModule:
    """The key module the password names. Refused 06; 14 for the real one, which is not here."""
    if password == "keymodule":
        raise Refused(0x14)
    name, _, digits = password.partition("=")
    if name != "test-key" or len(digits) != 16 or digits.strip("0123456789abcdefABCDEF"):
        raise Refused(0x06)
    return TestKeys(bytes.fromhex(digits))


def ea07(decoder_key: bytes, block: int) -> int:
    """The Standard Transfer Algorithm: 16 rounds of substitution and permutation of 64 bits; bit 0 is the lowest."""
    key = _turned_left(~int.from_bytes(decoder_key) & ALL64, 64 - 12)
    for _ in range(16):
        moved = 0
        for nibble in range(0, 64, 4):
            substitute = SUBSTITUTES[key >> nibble + 3 & 1][block >> nibble & 0xF]
            for bit in range(4):
                moved |= (substitute >> bit & 1) << PLACES[nibble + bit]
        block, key = moved, _turned_left(key, 1)
    return block


def _turned_left(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & ALL64


def token_identifier(when: datetime, base_date: datetime = BASE_DATE) -> int:
    """TID: whole minutes since the base date. Refused 0E where 24 bits do not hold it."""
    minutes = (when - base_date) // MINUTE
    if minutes % (24 * 60) == RESERVED_MINUTE:
        minutes += 1
    if not 0 <= minutes < 1 << TID_BITS:
        raise Refused(0x0E)
    return minutes


def amount_code(tenths: int) -> int:
    """The 16 bits that say 0.1 kWh × ``tenths``, or the next more they can say. Refused 0E."""
    for exponent in range(len(STEPS)):
        mantissa = max(0, -(-(tenths - _smallest(exponent)) // STEPS[exponent]))
        if mantissa < MANTISSAS:
            return exponent << 14 | mantissa
    raise Refused(0x0E)


def amount_of(code: int) -> int:
    """0.1 kWh that those 16 bits say."""
    exponent = code >> 14
    return (code & MANTISSAS - 1) * STEPS[exponent] + _smallest(exponent)


def _smallest(exponent: int) -> int:
    """0.1 kWh said with that exponent and mantissa 0."""
    return MANTISSAS * (STEPS[exponent] // 9)


def credit_block(random: int, identifier: int, code: int, subclass: int = ELECTRICITY) -> int:
    """The 64 bits to be enciphered, of a credit token (class 0)."""
    content = ((subclass << 4 | random) << TID_BITS | identifier) << 16 | code
    return content << 16 | _crc(content.to_bytes(7))


def _crc(content: bytes) -> int:
    crc = 0xFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return int.from_bytes(crc.to_bytes(2, "little"))


def digits_of(enciphered: int) -> str:
    """The token's 20 digits: class 0 among the enciphered bits, the two bits it displaces in front."""
    displaced = enciphered >> 27 & 3
    return f"{displaced << 64 | enciphered & ~(3 << 27):020d}"


def _time(digits: bytes) -> datetime:
    """0501. Refused 01 for a time that there is not."""
    year, month, day, hour, minute, second = (int(digits[at:end]) for at, end in TIME_PARTS)
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 — civil time, as meters keep it
    except ValueError as fault:
        raise Refused(0x01) from fault


def _frame(code: int, content: bytes) -> bytes:
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _unpack(command: int, data: bytes) -> Items:
    """The request's items, those it must have among them. Refused 01, 16."""
    items, at = Items(), 0
    while at < len(data):
        di, size = int.from_bytes(data[at : at + 2]), int.from_bytes(data[at + 2 : at + 4])
        value = data[at + 4 : at + 4 + size]
        if at + 4 > len(data) or len(value) != size or di in items or not _well_formed(di, value):
            raise Refused(0x01)
        items[di] = value
        at += 4 + size
    if any(di not in items for di in MUST[command]):
        raise Refused(0x16)
    return items


def _well_formed(di: int, value: bytes) -> bool:
    if di in DIGITS:
        return DIGITS[di][0] <= len(value) <= DIGITS[di][1] and value.isdigit()
    if di == 0x0410 and value:  # rows of 8, unique by their first two bytes
        return len(value) == 8 * len({value[at : at + 2] for at in range(0, len(value), 8)})
    if di == 0x0411 and value:
        bounds = [value[at : at + 4] for at in range(0, len(value), 4)]
        return len(value) % 4 == 0 and bounds == sorted(set(bounds))
    if di in WIDTHS:
        return len(value) == WIDTHS[di]
    return bool(value) or di not in (0x0103, 0x0104, 0x0205, 0x0410, 0x0411)  # texts and unknown items may be empty


class Driver:
    """Contract 1 §6, the Python side."""

    def icard(self, _icdev: Any, send: bytes, password: str) -> bytes:
        """One frame in, one frame out; b"" when the outer frame is wrong. No card is touched."""
        if not 6 <= len(send) <= 2054 or send[1] > 0x3F or send != _frame(send[1], send[4:-2]):
            return b""
        try:
            code, items = send[1] | 0x80, self._act(send[1], send[4:-2], password)
        except Refused as fault:
            error: int = fault.args[0]
            code, items = send[1] | 0xC0, {0xFF01: bytes((error,)), 0xFF02: ERRORS[error], 0xFF03: b"\0"}
        return _frame(code, b"".join(di.to_bytes(2) + len(item).to_bytes(2) + item for di, item in items.items()))

    def _act(self, command: int, data: bytes, password: str) -> Items:
        if command not in MUST:
            raise Refused(0x02)
        items = _unpack(command, data)
        if command == DESCRIBE:
            return DESCRIPTION
        when, asked = _time(items[WHEN]), int.from_bytes(items[ENERGY])
        if not any(items[COUNT]):
            raise Refused(0x0D)
        if asked == 0 or any(di in items for di in SETTINGS):
            raise Refused(0x0E)
        code = amount_code(-(-asked // 10))
        random = hashlib.sha256(items[SALE]).digest()[0] & 0xF
        block = credit_block(random, token_identifier(when), code)
        token = digits_of(key_module(password).encipher(items[METER], block))
        given = (10 * amount_of(code)).to_bytes(4)
        return {METER: items[METER], COUNT: items[COUNT], ENERGY: given, TOKEN: token.encode()}
