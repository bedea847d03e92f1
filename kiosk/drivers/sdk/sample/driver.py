"""SMP 样例, vendor code 00F0: the sample driver in Python, from contract 1 alone. The sample in C is the same.

Copy the folder (``python -m kiosk driver new``), run the check, then change what is yours: first the part called "your
card", then what your meter does otherwise. The card is an SLE4442 that counts money:

    32  mark             53 4D 50 01
    36  header           kind 1 · region 9 · customer 21 · meter 21 · base count 4 · hoard limit 4 · CRC 2 · seal 1
    99  purchase slot A  count 4 · fen 4 · 0.01 kWh 4 · sale id 16 · CRC 2 · seal 1;  130  slot B, the same
   161  write-back       count 4 · remaining 4 · total 8 · CRC 2 · seal 1; the meter's, and nobody else's

Numbers are high byte first. A digit string is a byte that says how many digits there are, then ASCII, filled up with
FF. The base count is the count the card was issued with, less one where a purchase came with it.

The laws of this file, all of them for the money's sake:

1. A record counts when its seal is A5 and its CRC holds. The seal is its last byte; it is taken off first and put on
   last. So a card pulled at any byte has the old record, or none, or the new one. A seal torn on its way to A5 has all
   the ones of A5 and some more: no seal, and no damage.
2. A purchase goes into the slot that does not hold the newest one: until its seal is on, the card says what it said.
3. A card whose header has no seal is blank, whatever stands behind it. OPEN writes all of that first, the header's
   seal last; CLEAR takes the header's seal off.
4. Nobody but the meter writes the write-back. Before it credits a purchase it spoils the seal, after that it writes
   the record, its seal last. So a write-back that is neither whole nor empty means: nobody can tell whether the meter
   has the purchase. Then nothing is sold on this card or taken back (0209 = 3) until the meter has seen it again.
5. Everything is checked before anything is written, in the order of contract §4.9, and read back before success is
   told. No byte of a card is trusted: CRC, then every length, before a value is used.
"""

import re
from binascii import crc_hqx
from typing import Any, NamedTuple

from kiosk.drivers.sdk import CardPortError

Items = dict[int, bytes]  # DI → value, on the card as in a frame
Step = tuple[int, bytes]  # one write: address, bytes

DESCRIBE, READ, OPEN, PURCHASE, REISSUE, CLEAR, SET, CHECK, REVERSE = range(0x10, 0x19)
KIND, REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY, STATE = (*range(0x0201, 0x0205), *range(0x0206, 0x020A))
REMAINING, METER_COUNT, TOTAL, HOARD_LIMIT = 0x0301, 0x0302, 0x0303, 0x0401
WHEN, TERMINAL, SALE, INSIST = 0x0501, 0x0502, 0x0504, 0x0505
NONE, PENDING, TAKEN, UNSURE = range(4)  # 0209
SEAL = 0xA5

# ---- your card -------------------------------------------------------------------------------------------------------

FAMILY, SIZE, FIRST = 21, 256, 32  # SLE4442: code of contract §7, bytes of zone 0, the first that is not the maker's
MARK = b"SMP\x01"  # at FIRST; as in vendor.toml
VALUE = AMOUNT  # what the card counts: AMOUNT for money, ENERGY for energy
DESCRIPTION = {0x0101: b"00F0", 0x0102: b"1.0", 0x0103: bytes(range(DESCRIBE, REVERSE + 1)), 0x0104: bytes((FAMILY,))}
DESCRIPTION |= {0x0105: b"\1" if VALUE == AMOUNT else b"\2", 0x0106: b"\0"}
BASE = 1  # not an item of the contract: the count the card was issued with


class Record(NamedTuple):
    """``fields`` from ``at`` on, DI → bytes; behind them the CRC, at ``seal_at`` the seal."""

    at: int
    fields: dict[int, int]
    seal_at: int


PURCHASE_FIELDS = {COUNT: 4, AMOUNT: 4, ENERGY: 4, SALE: 16}
HEADER = Record(36, {KIND: 1, REGION: 9, CUSTOMER: 21, METER: 21, BASE: 4, HOARD_LIMIT: 4}, seal_at=98)
SLOTS = Record(99, PURCHASE_FIELDS, seal_at=129), Record(130, PURCHASE_FIELDS, seal_at=160)
BACK = Record(161, {METER_COUNT: 4, REMAINING: 4, TOTAL: 8}, seal_at=179)
BLANKED: list[Step] = [(HEADER.seal_at, b"\xff")]
SETTINGS = (HOARD_LIMIT,)  # the 04xx this card can hold; any other is 0E
PASSWORD = re.compile("[0-9A-Fa-f]{6}")  # its form: the PSC in hex

# ---- requests: what may stand in them, what must (contract §1 to §3) ------------------------------------------------

DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), 0x0306: (14, 14), 0x0412: (14, 14), WHEN: (14, 14)}
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, *range(0x0301, 0x0308)), 4)
WIDTHS |= dict.fromkeys((0x0105, 0x0106, KIND, STATE, INSIST), 1) | dict.fromkeys(range(0x0401, 0x0407), 4)
WIDTHS[TOTAL], WIDTHS[SALE], STAMP, WHO = 8, 16, (WHEN, TERMINAL), (CUSTOMER, METER)
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (), READ: (), OPEN: (REGION, *WHO, *STAMP), PURCHASE: (*WHO, COUNT, AMOUNT, ENERGY, SALE, *STAMP),
    REISSUE: (REGION, *WHO, COUNT, *STAMP), CLEAR: (*WHO, COUNT, *STAMP), SET: (REGION, *STAMP), CHECK: STAMP,
    REVERSE: (*WHO, COUNT, AMOUNT, ENERGY, *STAMP),
}  # fmt: skip
TOGETHER = {OPEN: (COUNT, AMOUNT, ENERGY, SALE), REISSUE: (AMOUNT, ENERGY, SALE)}  # all of them or none
KINDS = {OPEN: 1, REISSUE: 3, SET: 5, CHECK: 6}
TEXTS = {
    0x01: b"malformed item", 0x02: b"no such command", 0x03: b"no card", 0x04: b"wrong chip", 0x05: b"not our card",
    0x06: b"secret refused or malformed", 0x07: b"less than two tries left", 0x08: b"other region",
    0x09: b"other customer or meter", 0x0A: b"not a customer's card", 0x0B: b"not blank", 0x0C: b"not taken yet",
    0x0D: b"count or value is not the card's", 0x0E: b"over a limit, or no room for it", 0x0F: b"read failed",
    0x10: b"write failed, card as before", 0x11: b"write broke off", 0x12: b"read-back differs", 0x13: b"card damaged",
    0x16: b"item missing", 0x17: b"the meter has it",
}  # fmt: skip


class Refused(Exception):
    """An error answer: FF01, and behind it FF03 where that is not 0 (the card is as before) but 2 (nobody knows)."""


def _number(value: bytes) -> int:
    return int.from_bytes(value)


def _framed(command: int, data: bytes) -> bytes:
    body = bytes((command,)) + len(data).to_bytes(2) + data
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _take_items(command: int, data: bytes) -> Items:
    """The request's items. Refused 01 malformed, 16 one is missing."""
    items, at = Items(), 0
    while at < len(data):
        di, size = _number(data[at : at + 2]), _number(data[at + 2 : at + 4])
        value = data[at + 4 : at + 4 + size]
        if at + 4 > len(data) or len(value) != size or di in items or not _well_formed(di, value):
            raise Refused(0x01)
        items[di] = value
        at += 4 + size
    half = len({di in items for di in TOGETHER.get(command, ())}) == 2
    sets = command != SET or any(di >> 8 == 0x04 for di in items)
    if half or not sets or any(di not in items for di in MUST[command]):
        raise Refused(0x16)
    return items


def _well_formed(di: int, value: bytes) -> bool:
    if di in DIGITS:
        return DIGITS[di][0] <= len(value) <= DIGITS[di][1] and value.isdigit()
    if di in WIDTHS:
        return len(value) == WIDTHS[di]
    if di == 0x0410:  # tariff rows of 8, unique by their first two bytes
        return 0 < len(value) == 8 * len({value[at : at + 2] for at in range(0, len(value), 8)})
    if di == 0x0411:  # ladder bounds of 4, ascending
        bounds = [value[at : at + 4] for at in range(0, len(value), 4)]
        return bool(value) and len(value) % 4 == 0 and bounds == sorted(set(bounds))
    return bool(value) or di not in (0x0103, 0x0104, 0x0205)  # texts, and what nobody knows, may be empty


# ---- records ---------------------------------------------------------------------------------------------------------


def _crc(content: bytes) -> bytes:
    """CRC-16/CCITT-FALSE: polynomial 1021, begins with FFFF."""
    return crc_hqx(content, 0xFFFF).to_bytes(2)


def _pack(record: Record, values: Items) -> bytes:
    """Content and CRC; the seal is put on by itself. Refused 0E where a digit string does not fit."""
    content = b""
    for di, width in record.fields.items():
        value = values.get(di, b"" if di in DIGITS else bytes(width))
        if di in DIGITS:
            value = bytes((len(value),)) + value.ljust(width - 1, b"\xff")
        if len(value) > width:
            raise Refused(0x0E)
        content += value
    return content + _crc(content)


def _unpack(record: Record, image: bytes) -> Items | None:
    """What stands in a record; None where there is none. Refused 13 where it is damaged (laws 1 and 5)."""
    seal, content, check = image[record.seal_at], image[record.at : record.seal_at - 2], image[: record.seal_at][-2:]
    if seal == 0 or (seal != SEAL and seal & SEAL == SEAL):
        return None
    values, at, sound = Items(), 0, seal == SEAL and check == _crc(content)
    for di, width in record.fields.items():
        values[di] = field = content[at : at + width]
        if di in DIGITS:
            values[di] = digits = field[1 : 1 + field[0]]
            sound = sound and field[0] < width and not digits.strip(b"0123456789")
        at += width
    if not sound:
        raise Refused(0x13)
    return values


def _writing(record: Record, values: Items) -> list[Step]:
    """The seal off, everything else, the seal on (law 1)."""
    return [(record.seal_at, b"\xff"), (record.at, _pack(record, values)), (record.seal_at, bytes((SEAL,)))]


# ---- what the card says ----------------------------------------------------------------------------------------------


class Card:
    """The card's bytes, understood. Refused 13 where they are damaged; a damaged write-back is state 3 instead."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        header = _unpack(HEADER, image)
        self.header: Items = header or {KIND: b"\0", REGION: b"", CUSTOMER: b"", METER: b"", BASE: bytes(4)}
        self.kind = self.header[KIND][0]
        if header is not None and self.kind not in KINDS.values():
            raise Refused(0x13)
        self.is_customers = self.kind in (1, 3)
        slots = [_unpack(slot, image) or Items() for slot in SLOTS] if self.is_customers else [Items(), Items()]
        counts = [_number(slot.get(COUNT, b"")) for slot in slots]
        self.newest_slot = counts.index(max(counts))
        self.back, self.met = self._write_back() if self.is_customers else (None, False)
        self.meter_count = _number(self.back[METER_COUNT]) if self.back else 0
        self.last = max(_number(self.header[BASE]), *counts, self.meter_count)  # §4.2
        self.record = slots[self.newest_slot] if max(counts) == self.last else {}  # the last purchase, if still here
        self.bought_on = max(counts) > 0
        in_doubt, pending = self.met and not self.back, max(counts) > self.meter_count
        taken = 0 < self.last <= self.meter_count
        self.state = UNSURE if in_doubt else PENDING if pending else TAKEN if taken else NONE

    def _write_back(self) -> tuple[Items | None, bool]:
        """Its content if it is whole, and whether the meter has begun to write there at all (law 4)."""
        met = self.image[BACK.at : BACK.seal_at + 1].strip(b"\xff") != b""
        try:
            return _unpack(BACK, self.image), met
        except Refused:
            return None, met

    def items(self) -> Items:
        """What READ says."""
        found = {
            KIND: bytes((2 if self.met else self.kind,)),
            COUNT: self.last.to_bytes(4),
            STATE: bytes((self.state,)),
        }
        found |= {di: self.header[di] for di in (REGION, CUSTOMER, METER)}
        if self.is_customers or self.kind == KINDS[SET]:
            found |= {di: self.header[di] for di in SETTINGS}
        return found | self.record | (self.back or {})

    def plan(self, command: int, items: Items) -> list[Step]:
        """What is to be written, in order; no steps where nothing is. Checks from the kind on, Refused as §4.9 says."""
        if command in KINDS:
            return self._make(command, items)
        if command == CLEAR:
            return self._clear(items) if self.kind else []
        if not self.is_customers:
            raise Refused(0x0A)
        self._check_numbers(items)
        return self._purchase(items) if command == PURCHASE else self._reverse(items)

    def _check_numbers(self, items: Items) -> None:
        """Region, then customer and meter, where both card and request have them."""
        for di, code in ((REGION, 0x08), (CUSTOMER, 0x09), (METER, 0x09)):
            if self.header[di] and items.get(di, self.header[di]) != self.header[di]:
                raise Refused(code)

    def _check_value(self, items: Items, hoard_limit: int) -> None:
        """Above 0, and what the meter will then have within the limit (§4.14)."""
        remaining = int.from_bytes(self.back[REMAINING], signed=True) if self.back else 0
        value = _number(items[VALUE])
        if value == 0 or (hoard_limit and remaining + value > hoard_limit):
            raise Refused(0x0E)

    def _is_there(self, items: Items) -> bool:
        """Whether that purchase, with its value, is the last one and still on the card."""
        return all(self.record.get(di) == items[di] for di in (COUNT, AMOUNT, ENERGY))

    def _purchase(self, items: Items) -> list[Step]:
        if self._is_there(items):
            return []  # the kiosk was unsure and asks again: success, and nothing is written (§4.3)
        if _number(items[COUNT]) != self.last + 1:
            raise Refused(0x0D)
        if self.state in (PENDING, UNSURE):
            raise Refused(0x0C)
        if any(items[di] != self.header.get(di) for di in items if di >> 8 == 0x04):
            raise Refused(0x0E)  # they would have to become valid by the same last byte; this layout cannot do that
        self._check_value(items, _number(self.header[HOARD_LIMIT]))
        return _writing(SLOTS[1 - self.newest_slot if self.bought_on else 0], items)  # law 2

    def _reverse(self, items: Items) -> list[Step]:
        count = _number(items[COUNT])
        if self.back and count <= self.meter_count:
            raise Refused(0x17)
        absent = count == self.last + 1 and self.state != PENDING
        if not absent and not self._is_there(items):
            raise Refused(0x0D)
        if self.state == UNSURE:
            raise Refused(0x0C)  # the meter may have it; paying it back would pay twice
        return [] if absent else [(SLOTS[self.newest_slot].seal_at, b"\xff")]

    def _clear(self, items: Items) -> list[Step]:
        self._check_numbers(items)
        if self.is_customers and _number(items[COUNT]) != self.last:
            raise Refused(0x0D)
        if self.state in (PENDING, UNSURE) and items.get(INSIST) != b"\1":
            raise Refused(0x0C)
        return BLANKED

    def _make(self, command: int, items: Items) -> list[Step]:
        """OPEN, REISSUE, SET, CHECK: all else first, then the header, its seal last (law 3)."""
        buys, count = AMOUNT in items and command in (OPEN, REISSUE), _number(items.get(COUNT, b""))
        kept = {SET: (REGION, METER, *SETTINGS), CHECK: (REGION,)}.get(command, tuple(HEADER.fields))
        base = count - buys if command in (OPEN, REISSUE) else 0
        header = {di: items[di] for di in kept if di in items}
        header |= {KIND: bytes((KINDS[command],)), BASE: (base & 0xFFFFFFFF).to_bytes(4)}
        foreign = command != CHECK and any(di >> 8 == 0x04 and di not in SETTINGS for di in items)
        if self.kind:
            if command == CHECK and self.kind == KINDS[CHECK]:
                self._check_numbers(items)
                return []
            made = self.image[HEADER.at : HEADER.seal_at] == _pack(HEADER, header) and not foreign
            if made and not self.met and (self._is_there(items) if buys else not self.bought_on):
                return []  # the same command again, before the meter has seen the card
            raise Refused(0x0B)
        if buys and (base < 0 or (command == OPEN and count != 1)):
            raise Refused(0x0D)
        if foreign:
            raise Refused(0x0E)
        if buys:
            self._check_value(items, _number(items.get(HOARD_LIMIT, b"")))
        clean = [*((slot.seal_at, b"\xff") for slot in SLOTS), (BACK.at, b"\xff" * (BACK.seal_at + 1 - BACK.at))]
        return [*clean, *(_writing(SLOTS[0], items) if buys else []), *_writing(HEADER, header)]


# ---- the driver ------------------------------------------------------------------------------------------------------


class Driver:
    """Contract §6, the Python side."""

    def icard(self, icdev: Any, send: bytes, password: str) -> bytes:
        """One frame in, one frame out; b"" where the outer frame is wrong."""
        if not 6 <= len(send) <= 2054 or send[1] > 0x3F or send != _framed(send[1], send[4:-2]):
            return b""
        try:
            code, items = send[1] | 0x80, self._act(icdev, send[1], send[4:-2], password)
        except Refused as fault:
            error, after = (*fault.args, 0)[:2]
            code, items = send[1] | 0xC0, {0xFF01: bytes((error,)), 0xFF02: TEXTS[error], 0xFF03: bytes((after,))}
        return _framed(code, b"".join(di.to_bytes(2) + len(item).to_bytes(2) + item for di, item in items.items()))

    def _act(self, icdev: Any, command: int, data: bytes, password: str) -> Items:
        if command not in MUST:
            raise Refused(0x02)
        items = _take_items(command, data)
        if command == DESCRIBE:
            return DESCRIPTION
        image = self._read(icdev)
        steps = self._marking(command, image)
        try:
            card = Card(image)
        except Refused:
            if command != CLEAR or items.get(INSIST) != b"\1":
                raise
            # damaged, and staff insist: nothing is compared, and nothing is known of what was there
            return Card(self._write(icdev, password, image, BLANKED)).items()
        planned = card.plan(command, items) if command != READ else []
        if not planned:
            return card.items()
        after = Card(self._write(icdev, password, image, [*steps, *planned]))
        return card.items() if command == CLEAR else after.items()

    def _read(self, icdev: Any) -> bytes:
        """Zone 0. Refused 03, 04, 0F."""
        try:
            family = icdev.card_type()
            if family != FAMILY:
                raise Refused(0x04 if family else 0x03)
            return bytes(icdev.read(0, 0, SIZE))
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x0F) from fault

    def _marking(self, command: int, image: bytes) -> list[Step]:
        """Nothing on a card of ours; the mark first on one nobody has used (§5). Refused 05."""
        end = FIRST + len(MARK)
        if image[FIRST:end] == MARK:
            return []
        begun = all(byte in (0x00, 0xFF, mark) for byte, mark in zip(image[FIRST:end], MARK, strict=True))
        if command not in KINDS or not begun or image[end:].strip(b"\0\xff"):
            raise Refused(0x05)
        return [(FIRST, MARK)]

    def _unlock(self, icdev: Any, password: str) -> None:
        """Presents the PSC, but never risks the last try. Refused 03, 06, 07."""
        try:
            if icdev.tries_left(0) < 2:
                raise Refused(0x07)
            if not PASSWORD.fullmatch(password):
                raise Refused(0x06)
            icdev.verify(0, bytes.fromhex(password))
        except CardPortError as fault:
            raise Refused({-1: 0x03, -3: 0x06}.get(fault.code, 0x07)) from fault

    def _write(self, icdev: Any, password: str, image: bytes, steps: list[Step]) -> bytes:
        """Carries out the steps, reads back, tells the truth (§4.8). Refused 03, 06, 07, 10, 11, 12."""
        self._unlock(icdev, password)
        wanted, failed = bytearray(image), False
        try:
            for at, data in steps:
                changed = [place for place, byte in enumerate(data, at) if wanted[place] != byte]
                wanted[at : at + len(data)] = data
                if changed:
                    first, end = changed[0], changed[-1] + 1
                    icdev.write(0, first, bytes(wanted[first:end]))
        except CardPortError:
            failed = True
        try:
            found = self._read(icdev)
        except Refused as fault:
            raise Refused(0x11, 2) from fault
        if failed or found != wanted:
            raise Refused(0x10) if failed and found == image else Refused(0x11 if failed else 0x12, 2)
        return found
