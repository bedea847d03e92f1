"""OPG, vendor code 0009: meters with a keypad, by OpenPAYGO tokens. A sample driver, from contract 1 alone; copy it.

There is no card: PURCHASE answers the digits to type (0507), everything but DESCRIBE and PURCHASE is 02 (§8). The token
is an extended ADD token of OpenPAYGO, 12 digits (EnAccess, "OpenPAYGO Token"; vectors in its test/test_tokens.jsonl)::

    base    = (starting code + value) mod 1 000 000          value: 0.01 kWh
    code    = starting code, its last six digits replaced by base
    2n times: code = SipHash-2-4(key, code as 8 bytes) / 2^24, less 99 511 627 777 where it has 13 digits
    token   = code, its last six digits replaced by base, zeros in front

Key and starting code are each meter's own: ``d = HMAC-SHA256(master key, "OPG" 00, meter number)``, the key is the
first 16 bytes of d, the starting code 1 + (the next 8 bytes mod 999 999 999). The master key is the password:
``key=`` and 32 hex digits.

The laws of this file:

1. It remembers nothing. Purchase n of a meter (0206) is token count 2n, for ADD tokens have even counts; so count and
   value alone make the token, the same one for ever. A token that was shown can be made again after a power cut, and
   no second one for the same purchase: the meter takes each count once.
2. A token gives exactly what was asked, with two exceptions: 9.98 and 9.99 kWh become 10.00. Decoders take the numbers
   998 and 999 for commands to the meter and accept 999 any number of times. Never less than was asked; 0208 in the
   answer is what the token gives. More than 9999.99 kWh, or a count above 5000, is 0E: hashing 2n times takes time.
3. Checks come in the order of contract §4.9: items, count (0D), what a token cannot hold (0E), then the password (06).
"""

import hashlib
import hmac
from typing import Any

Items = dict[int, bytes]

DESCRIBE, PURCHASE = 0x10, 0x13
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY, TOKEN = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208, 0x0507
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (),
    PURCHASE: (CUSTOMER, METER, COUNT, AMOUNT, ENERGY, 0x0501, 0x0502, 0x0504),
}
DESCRIPTION = {0x0101: b"0009", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"", 0x0105: b"\x02", 0x0106: b"\x00"}
SETTINGS = (*range(0x0401, 0x0407), 0x0410, 0x0411, 0x0412)
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), TOKEN: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, 0x0412, 0x0501), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(range(0x0401, 0x0407), 4) | {0x0303: 8, 0x0504: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, 0x0505, 0xFF01, 0xFF03), 1)
ERRORS = {
    0x01: b"malformed item", 0x02: b"no such command: a meter with a keypad", 0x06: b"the password is not key=<32 hex>",
    0x0D: b"the first purchase has count 1", 0x0E: b"more than a token can hold", 0x16: b"item missing",
}  # fmt: skip
COUNT_MAX, VALUE_MAX, BASES = 5000, 999_999, 1_000_000
COMMANDS, NEXT_VALUE = (998, 999), 1000  # 998 disables, 999 sets the counter, as decoders read them
LOW64 = (1 << 64) - 1


class Refused(Exception):
    """An error answer, FF01."""


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4 of Aumasson and Bernstein, 64 bits; ``key``: 16 bytes."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes((len(message) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        a, b, c, d = _rounds(2, a, b, c, d ^ word)
        a ^= word
    a, b, c, d = _rounds(4, a, b, c ^ 0xFF, d)
    return a ^ b ^ c ^ d


def _rounds(times: int, a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    for _ in range(times):
        a, b, c, d = _half_round(a, b, c, d, 13, 16)
        c, b, a, d = _half_round(c, b, a, d, 17, 21)
    return a, b, c, d


def _half_round(a: int, b: int, c: int, d: int, left: int, right: int) -> tuple[int, int, int, int]:
    a, c = (a + b) & LOW64, (c + d) & LOW64
    return _turned(a, 32), _turned(b, left) ^ a, c, _turned(d, right) ^ c


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & LOW64


def meter_secrets(master: bytes, meter: bytes) -> tuple[bytes, int]:
    """Key, 16 bytes, and starting code, 1 … 999 999 999, of the meter with that number (ASCII digits)."""
    digest = hmac.digest(master, b"OPG\0" + meter, hashlib.sha256)
    return digest[:16], 1 + int.from_bytes(digest[16:24]) % 999_999_999


def add_token(key: bytes, starting_code: int, count: int, value: int) -> str:
    """The extended ADD token with token count 2 × ``count``, 12 digits; ``value``: 0.01 kWh, 0 … 999 999."""
    base = (starting_code + value) % BASES
    code = starting_code - starting_code % BASES + base
    for _ in range(2 * count):
        code = siphash(key, code.to_bytes(8)) >> 24
        if code > 999_999_999_999:
            code -= 99_511_627_777
    return f"{code - code % BASES + base:012d}"


def given(asked: int) -> int:
    """What a token gives where ``asked`` is to be given, 0.01 kWh (law 2). Refused 0E."""
    if not 0 < asked <= VALUE_MAX:
        raise Refused(0x0E)
    return NEXT_VALUE if asked in COMMANDS else asked


def _master_key(password: str) -> bytes:
    """Refused 06."""
    name, _, digits = password.partition("=")
    if name != "key" or len(digits) != 32 or digits.strip("0123456789abcdefABCDEF"):
        raise Refused(0x06)
    return bytes.fromhex(digits)


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
        count, asked = int.from_bytes(items[COUNT]), int.from_bytes(items[ENERGY])
        if count == 0:
            raise Refused(0x0D)
        if count > COUNT_MAX or any(di in items for di in SETTINGS):
            raise Refused(0x0E)
        value = given(asked)
        key, starting_code = meter_secrets(_master_key(password), items[METER])
        token = add_token(key, starting_code, count, value)
        return {METER: items[METER], COUNT: items[COUNT], ENERGY: value.to_bytes(4), TOKEN: token.encode()}
