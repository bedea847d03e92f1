"""TLY 泰立仪, vendor code 0005: an SLE4428 card that counts energy and takes a purchase while others wait on it.

A sample driver, from contract 1 alone; copy it. docs/sample-vendors/tly.md has the card as tables. All that is written
on it are frames as GB/T 18460.2 has them, ``68 · code 1 · length 2 · content · CS 1 · 16``, CS the sum of code, length
and content; numbers are high byte first, digit strings packed BCD filled up with F::

     32  mark           54 4C 59 01
     36  header         frame 01: kind 1 · region 4 · customer 10 · meter 10 · base count 4 · settings 25
     96  13 purchases   frame 02: count 4 · 0.01 kWh 4 · fen 4 · time 7 · sale id 16 · settings 25; 66 bytes each
    954  write-back     frame 11: count 4 · remaining 4 · total 8 · overdraft 4 · illegal 4 · time 7 · status 4
    995  announcement   frame 12: count 4                            settings: which are set 1 · 0401 to 0406, 4 each

The laws of this file:

1. A frame is there when its last byte is 16; then it must be whole, else the card is damaged. A 16 torn on its way from
   or to FF has all its ones and more: no frame, no damage. No header: a blank card, whatever stands behind it.
2. The purchases are a ring: count n stands in slot n mod 13, so what is written never touches the twelve before it.
   Those above the meter's count wait for the meter, which takes them in their order; no more than twelve may wait.
3. READ sums up what waits (020A, 020B), and the hoard limit leaves room for all of it. REVERSE takes back the newest
   and no other, for the meter would stop at a count that is missing.
4. A purchase carries all settings, those of the newest hold: they become the card's by the same last byte.
5. The meter announces the count it is going to have, takes purchases, and writes back last. Where the two do not agree
   nobody can tell what it took (0209 = 3).
6. Everything is checked first, in the order of contract §4.9, then written, then read back. What stands there already
   is not written again: a byte takes 5 ms.
"""

import re
from collections import namedtuple
from typing import Any

from kiosk.drivers.sdk import CardPortError

Items = dict[int, bytes]
Step = tuple[int, bytes]  # where, and what is to stand there
Record = namedtuple("Record", "count value when sale settings")  # value: 0.01 kWh and fen, 4 bytes each

DESCRIBE, READ, OPEN, PURCHASE, REISSUE, CLEAR, SET, CHECK, REVERSE = range(0x10, 0x19)
KINDS = {OPEN: 1, REISSUE: 3, SET: 5, CHECK: 6}
SLE4428, MARK, MARK_AT, END = 31, bytes.fromhex("544C5901"), 32, 1021
HEADER, HEADER_END, RING, BACK, ANNOUNCED, METER_END = 36, 95, 96, 954, 995, 1005
SLOTS, SLOT_BYTES, SEAL_AT, WAITING_MOST = 13, 66, 65, 12
SEAL, NO_SEAL, EMPTY = 0x16, b"\xff", b"\x00\xff"
MOST, U4 = 2**31 - 1, 0xFFFFFFFF  # 0.01 kWh that remaining can say; what four bytes hold
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208
WHEN, TERMINAL, SALE, INSIST, HOARD = 0x0501, 0x0502, 0x0504, 0x0505, 0x0401
HELD = range(0x0401, 0x0407)
TARIFF = {0x0410, 0x0411, 0x0412}  # a card that counts energy has no use for it: 0E
SETTINGS = {*HELD, *TARIFF}
TOLD = {0x0302: (0, 4), 0x0301: (4, 8), 0x0303: (8, 16), 0x0304: (16, 20), 0x0305: (20, 24), 0x0307: (31, 35)}
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), 0x0507: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, 0x0412, WHEN), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(HELD, 4) | {0x0303: 8, SALE: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, INSIST, 0xFF01, 0xFF03), 1)
WHO, STAMP = (CUSTOMER, METER), (WHEN, TERMINAL)
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (), READ: (), OPEN: (REGION, *WHO, *STAMP), PURCHASE: (*WHO, COUNT, AMOUNT, ENERGY, SALE, *STAMP),
    REISSUE: (REGION, *WHO, COUNT, *STAMP), CLEAR: (*WHO, COUNT, *STAMP), SET: (REGION, *STAMP), CHECK: STAMP,
    REVERSE: (*WHO, COUNT, AMOUNT, ENERGY, *STAMP),
}  # fmt: skip
DESCRIPTION = {0x0101: b"0005", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"\x1f", 0x0105: b"\x02", 0x0106: b"\x01"}
TOGETHER = {OPEN: (COUNT, AMOUNT, ENERGY, SALE), REISSUE: (AMOUNT, ENERGY, SALE)}  # all of them or none
ERRORS = (  # 00, 01, 02 …
    b"", b"malformed item", b"no such command", b"no card", b"not an SLE4428", b"not a TLY card", b"PSC refused",
    b"one try left, or none", b"other region", b"other customer or meter", b"not a customer's card", b"not blank",
    b"last purchase not taken or in doubt", b"count or value is not the card's", b"over a limit", b"read failed",
    b"write failed", b"write broke off", b"read-back differs", b"card damaged", b"", b"", b"item missing", b"taken",
)  # fmt: skip


class Refused(Exception):
    """An error answer: FF01, and behind it FF03 where that is not 0 (the card is unchanged) but 2 (unknown)."""


def _frame(code: int, content: bytes) -> bytes:
    """One form for the card's frames and for those between kiosk and driver."""
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, SEAL))


def _content(code: int, frame: bytes) -> bytes | None:
    """What stands in a frame, None when it is not whole."""
    return frame[4:-2] if frame == _frame(code, frame[4:-2]) else None


def _sealed(code: int, frame: bytes) -> bytes | None:
    """What stands in a frame of the card, None when there is none (law 1). Refused 13."""
    content, last = _content(code, frame), frame[-1]
    if content is None and (last == SEAL or last & SEAL != SEAL):
        raise Refused(0x13)
    return content


def _digits(field: bytes) -> bytes:
    """BCD digits up to the first F. Refused 13."""
    text = field.hex().rstrip("f")
    if text and not text.isdigit():
        raise Refused(0x13)
    return text.encode()


def _bcd(text: bytes, width: int) -> bytes:
    return bytes.fromhex(text.decode().ljust(2 * width, "f"))


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
    half = len({di in items for di in TOGETHER.get(command, ())}) == 2
    if half or any(di not in items for di in MUST[command]) or (command == SET and not items.keys() & SETTINGS):
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


def _packed(settings: Items) -> bytes:
    given = sum(1 << di - HELD.start for di in settings)
    return bytes((given,)) + b"".join(settings.get(di, bytes(4)) for di in HELD)


def _unpacked(packed: bytes) -> Items:
    held = {di: packed[1 + 4 * nth : 5 + 4 * nth] for nth, di in enumerate(HELD) if packed[0] >> nth & 1}
    if _packed(held) != packed:
        raise Refused(0x13)
    return held


def _slot(count: int) -> int:
    return RING + count % SLOTS * SLOT_BYTES


def _record(items: Items, settings: Items) -> Step:
    content = items[COUNT] + items[ENERGY] + items[AMOUNT] + _bcd(items[WHEN], 7) + items[SALE] + _packed(settings)
    return _slot(int.from_bytes(items[COUNT])), _frame(0x02, content)


def _header_of(command: int, items: Items, base: int) -> bytes:
    """What the header of a new card says."""
    names = {SET: (REGION, METER), CHECK: (REGION,)}.get(command, (REGION, *WHO))
    who = b"".join(_bcd(items.get(di, b"") if di in names else b"", 4 if di == REGION else 10) for di in (REGION, *WHO))
    settings = {di: items[di] for di in HELD if di in items and command != CHECK}
    return bytes((KINDS[command],)) + who + base.to_bytes(4) + _packed(settings)


def _unused(image: bytes) -> bool:
    """Every byte of the user's FF or 00, mark bytes may be the mark's already (§5)."""
    marked = image[MARK_AT:HEADER]
    return not image[HEADER:].strip(EMPTY) and all(byte in (*EMPTY, MARK[at]) for at, byte in enumerate(marked))


class Card:
    """Zone 0, understood. Refused 13 when it is damaged; a damaged write-back is state 3 instead."""

    def __init__(self, image: bytes) -> None:
        self.image, self.region, self.customer, self.meter = image, b"", b"", b""
        self.kind = self.base = self.meter_count = self.remaining = 0  # remaining: 0.01 kWh, below 0 when overdrawn
        self.settings: Items = {}
        self.records: dict[int, Record] = {}  # by count
        self.back, self.met = b"", False  # what a write-back says that can be trusted; whether a meter wrote anything
        self.header = None if _unused(image) else _sealed(0x01, image[HEADER : HEADER_END + 1])
        if self.header is not None:
            self._header(self.header)
        if self.kind in (1, 3):
            self._purchases()
            self._write_back()
        self.last = max(self.base, self.meter_count, *self.records)
        self.newest = self.records.get(self.last)
        in_doubt = self.met and not self.back
        floor = self.last if in_doubt else max(self.base, self.meter_count)
        counts = range(floor + 1, self.last + 1)[: SLOTS + 1]
        waiting = [self.records[count].value for count in counts if count in self.records]
        if len(waiting) != len(counts):
            raise Refused(0x13)  # the meter would stop at the count that is missing
        taken, self.waiting = self.back and 0 < self.last <= self.meter_count, len(waiting)
        self.state = 3 if in_doubt else 1 if waiting else 2 if taken else 0  # 0209
        self.energy, self.amount = (sum(int.from_bytes(value[at : at + 4]) for value in waiting) for at in (0, 4))

    def _header(self, content: bytes) -> None:
        self.kind, self.base, self.settings = content[0], int.from_bytes(content[25:29]), _unpacked(content[29:])
        self.region, self.customer, self.meter = map(_digits, (content[1:5], content[5:15], content[15:25]))
        if self.kind not in KINDS.values() or (self.kind < 5 and not (self.region and self.customer and self.meter)):
            raise Refused(0x13)

    def _purchases(self) -> None:
        for slot in range(RING, BACK, SLOT_BYTES):
            if content := _sealed(0x02, self.image[slot : slot + SLOT_BYTES]):
                count, when = int.from_bytes(content[:4]), _digits(content[12:19])
                if _slot(count) != slot or count <= self.base or len(when) != 14:
                    raise Refused(0x13)
                self.records[count] = Record(count, content[4:12], when, content[19:35], _unpacked(content[35:]))
        if self.records:
            self.settings = self.records[max(self.records)].settings

    def _write_back(self) -> None:
        """Law 5. Record and announcement each tell the meter's count: last does not fall when one is damaged."""
        back, announced = _content(0x11, self.image[BACK:ANNOUNCED]), _content(0x12, self.image[ANNOUNCED:METER_END])
        counts = [int.from_bytes(content[:4]) for content in (back, announced) if content]
        self.met = bool(self.image[BACK:METER_END].strip(EMPTY))
        self.meter_count = max(counts, default=0)
        if back and announced and back[:4] == announced:
            self.back, self.remaining = back, int.from_bytes(back[4:8], signed=True)

    def items(self) -> Items:
        """What READ says."""
        found = {
            0x0201: bytes((2 if self.met else self.kind,)), REGION: self.region, CUSTOMER: self.customer,
            METER: self.meter, COUNT: self.last.to_bytes(4), 0x0209: bytes((self.state,)), **self.settings,
        }  # fmt: skip
        if self.newest:
            _count, value, when, sale, _settings = self.newest
            found |= {AMOUNT: value[4:], ENERGY: value[:4], WHEN: when, SALE: sale}
        if self.kind in (1, 3) and self.state != 3:
            found |= {0x020A: min(self.amount, U4).to_bytes(4), 0x020B: min(self.energy, U4).to_bytes(4)}
        if self.back:
            found |= {di: self.back[start:end] for di, (start, end) in TOLD.items()}
            if self.back[24:31].hex().isdigit():  # FF while the meter's clock is unset
                found[0x0306] = self.back[24:31].hex().encode()
        return found

    def plan(self, command: int, items: Items) -> list[Step]:
        """Every check of §4.9 from the kind on, then what is to be written; no steps where nothing is. Refused."""
        if command in KINDS:
            return self._new(command, items)
        if command == CLEAR:
            return self._clear(items) if self.kind else []
        if self.kind not in (1, 3):
            raise Refused(0x0A)
        self._same(items)
        count, value = int.from_bytes(items[COUNT]), items[ENERGY] + items[AMOUNT]
        there = bool(self.newest and (self.newest.count, self.newest.value) == (count, value))
        return self._purchase(items, count, there) if command == PURCHASE else self._reverse(count, there)

    def _same(self, items: Items) -> None:
        """Region, customer and meter, where both card and request have them."""
        for di, held in ((REGION, self.region), (CUSTOMER, self.customer), (METER, self.meter)):
            if held and items.get(di, held) != held:
                raise Refused(0x08 if di == REGION else 0x09)

    def _purchase(self, items: Items, count: int, there: bool) -> list[Step]:
        """On top of what waits (0106 bit 0); only a write-back in doubt is 0C."""
        if there:
            return []
        if count != self.last + 1:
            raise Refused(0x0D)
        if self.state == 3:
            raise Refused(0x0C)
        if self.waiting >= WAITING_MOST or items.keys() & TARIFF:
            raise Refused(0x0E)
        settings = self.settings | {di: items[di] for di in HELD if di in items}
        self._check_value(items, settings)
        return [(_slot(count) + SEAL_AT, NO_SEAL), _record(items, settings)]

    def _reverse(self, count: int, there: bool) -> list[Step]:
        """The newest alone (law 3). Not there is success only where nothing waits (§4.5)."""
        if self.back and count <= self.meter_count:
            raise Refused(0x17)
        if not there and (count != self.last + 1 or self.state == 1):
            raise Refused(0x0D)
        if self.state == 3:
            raise Refused(0x0C)
        return [(_slot(count) + SEAL_AT, NO_SEAL)] if there else []

    def _clear(self, items: Items) -> list[Step]:
        self._same(items)
        if self.kind in (1, 3) and int.from_bytes(items[COUNT]) != self.last:
            raise Refused(0x0D)
        if self.state in (1, 3) and items.get(INSIST) != b"\x01":
            raise Refused(0x0C)
        return [(HEADER_END, NO_SEAL)]

    def _check_value(self, items: Items, settings: Items) -> None:
        energy, amount = int.from_bytes(items[ENERGY]), self.amount + int.from_bytes(items[AMOUNT])
        limit = int.from_bytes(settings.get(HOARD, b"")) or MOST
        if energy == 0 or self.remaining + self.energy + energy > min(limit, MOST) or amount > U4:
            raise Refused(0x0E)

    def _new(self, command: int, items: Items) -> list[Step]:
        """OPEN, REISSUE, SET and CHECK; the same once more while neither meter nor purchase has come between."""
        if command == CHECK and self.kind == KINDS[CHECK]:
            self._same({REGION: items.get(REGION, self.region)})
            return []
        bought = command in TOGETHER and AMOUNT in items
        count = int.from_bytes(items.get(COUNT, b"")) if command in TOGETHER else 0
        header = _header_of(command, items, max(0, count - bought))
        foreign = command != CHECK and items.keys() & TARIFF
        if self.kind:
            made = {count: items[ENERGY] + items[AMOUNT]} if bought else {}
            same = made == {record.count: record.value for record in self.records.values()} and not self.met
            if not same or foreign or header != self.header or _packed(self.settings) != header[29:]:
                raise Refused(0x0B)
            return []
        if bought and (count == 0 or (command == OPEN and count != 1)):
            raise Refused(0x0D)
        if foreign:
            raise Refused(0x0E)
        seals = range(RING + SEAL_AT, BACK, SLOT_BYTES)
        steps = [(HEADER_END, NO_SEAL), (MARK_AT, MARK), *((seal, NO_SEAL) for seal in seals)]
        if self.image[BACK:METER_END].strip(EMPTY):
            steps.append((BACK, b"\xff" * (METER_END - BACK)))  # of whoever had the card before
        if bought:
            self._check_value(items, _unpacked(header[29:]))
            steps.append(_record(items, _unpacked(header[29:])))
        return [*steps, (HEADER, _frame(0x01, header))]


class Driver:
    """Contract 1 §6, the Python side."""

    def icard(self, icdev: Any, send: bytes, password: str) -> bytes:
        """One frame in, one frame out; b"" when the outer frame is wrong."""
        if not 6 <= len(send) <= 2054 or send[1] > 0x3F or (data := _content(send[1], send)) is None:
            return b""
        try:
            code, items = send[1] | 0x80, self._act(icdev, send[1], data, password)
        except Refused as fault:
            error, after = (*fault.args, 0)[:2]
            code, items = send[1] | 0xC0, {0xFF01: bytes((error,)), 0xFF02: ERRORS[error], 0xFF03: bytes((after,))}
        return _frame(code, b"".join(di.to_bytes(2) + len(item).to_bytes(2) + item for di, item in items.items()))

    def _act(self, icdev: Any, command: int, data: bytes, password: str) -> Items:
        if command not in MUST:
            raise Refused(0x02)
        items = _unpack(command, data)
        if command == DESCRIBE:
            return DESCRIPTION
        image = self._read(icdev)
        if image[MARK_AT:HEADER] != MARK and not (_unused(image) and command in KINDS):
            raise Refused(0x05)
        try:
            card = Card(image)
        except Refused:
            if command != CLEAR or items.get(INSIST) != b"\x01":
                raise
            return Card(self._write(icdev, password, image, [(HEADER_END, NO_SEAL)])).items()
        steps = card.plan(command, items) if command != READ else []
        after = Card(self._write(icdev, password, image, steps)) if steps else card
        return card.items() if command == CLEAR else after.items()

    def _read(self, icdev: Any) -> bytes:
        """Zone 0 up to the counter. Refused 03, 04, 0F."""
        try:
            if (family := icdev.card_type()) != SLE4428:
                raise Refused(0x04 if family else 0x03)
            return bytes(icdev.read(0, 0, END))
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x0F) from fault

    def _unlock(self, icdev: Any, password: str) -> None:
        """The PSC, given as ``psc=`` and four hex digits. Refused 03, 06, 07, 0F."""
        codes, other = {-1: 0x03}, 0x07
        try:
            if icdev.tries_left(0) < 2:
                raise Refused(0x07)
            codes, other = {-1: 0x03, -2: 0x0F, -5: 0x07}, 0x06
            if not re.fullmatch("psc=[0-9A-Fa-f]{4}", password):
                raise Refused(0x06)
            icdev.verify(0, bytes.fromhex(password[4:]))
        except CardPortError as fault:
            raise Refused(codes.get(fault.code, other)) from fault

    def _write(self, icdev: Any, password: str, image: bytes, steps: list[Step]) -> bytes:
        """Carries out the steps but for bytes that stand there already, and reads back. Refused 06, 07, 10, 11, 12."""
        self._unlock(icdev, password)
        wanted, failed = bytearray(image), False
        try:
            for at, data in steps:
                differ = bytes(old ^ new for old, new in zip(wanted[at:], data, strict=False))
                for run in re.finditer(b"[^\\0]+", differ):
                    start, end = run.span()
                    wanted[at + start : at + end] = data[start:end]
                    icdev.write(0, at + start, data[start:end])
        except CardPortError:
            failed = True
        try:
            found = self._read(icdev)
        except Refused as fault:
            raise Refused(0x11, 2) from fault
        if failed or found != wanted:
            raise Refused(0x10) if failed and found == image else Refused(0x11 if failed else 0x12, 2)
        return found
