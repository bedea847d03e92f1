"""MFC 明方, vendor code 0007: a MIFARE Classic 1K that counts money. A sample driver, from contract 1 alone; copy it.

The card (docs/sample-vendors/mfc.md has the same as tables; layout and codes are our own). Each sector is read with the
public MAD key A and written with the secret key B. Numbers are high byte first, digit strings packed BCD filled up with
F; each line is one block of 16 bytes or several, and a CRC stands in the last two bytes of what it is over::

    0  16  mark             4D 46 43 01
    0  32  seal of the card
    1   0  header           kind 1 · region 4 · customer 10 · meter 10 · base count 4 · settings 1 + 4 × 4 · CRC 2
    2   0  purchase, slot A count 4 · fen 4 · 0.01 kWh 4 · time 7 · sale id 16 · 11 unused · CRC 2
    3   0  purchase, slot B the same
    4   0  seal of slot A   16 seal of slot B   32 birthmark
    5   0  write-back       count 4 · remaining 4 · total 8 · overdraft 4 · illegal 2 · time 6 · status 2 · CRC 2
    5  32  announcement     count 4 · 10 unused · CRC 2

The laws of this file:

1. The chip writes blocks, and one cut off is garbage, all 16 bytes of it. What makes valid is a block of its own that
   says nothing else, the seal: only 00 and FF mean “no”. Garbage means “yes” where what it seals is sound, else damage.
   A seal cut off on its way up or down stands beside sound content: the card reads as before or as after.
2. A purchase goes into the slot that does not hold the newest: seal 00, content, seal. REVERSE writes one seal.
3. No seal of the card: it is blank, whatever stands elsewhere. OPEN writes all else first, CLEAR that seal alone.
4. A card without the mark gets the birthmark first, so that the mark, cut off, is known for ours (contract §5).
5. The meter announces the count it is going to have, takes the purchase, and writes back. Where the two do not agree
   nobody can tell what it took (0209 = 3).
6. Everything is checked first, in the order of contract §4.9; then key B of every sector in question is presented, then
   written, then read back. Blocks that stand there already are not written again.
"""

import re
from binascii import crc_hqx
from collections import namedtuple
from typing import Any

from kiosk.drivers.sdk import CardPortError

Items = dict[int, bytes]
Sectors = dict[int, bytes]  # sector → its 48 bytes of data
Step = tuple[int, int, bytes]  # sector, where, whole blocks
Record = namedtuple("Record", "slot count value when sale")  # value: fen and 0.01 kWh, 4 bytes each

DESCRIBE, READ, OPEN, PURCHASE, REISSUE, CLEAR, SET, CHECK, REVERSE = range(0x10, 0x19)
KINDS = {OPEN: 1, REISSUE: 3, SET: 5, CHECK: 6}
MIFARE, BLOCK, EMPTY = 70, 16, b"\x00\xff"
OURS, ALL = range(6), range(16)
HEADER, SLOTS, SEALS, METER_S = 1, (2, 3), 4, 5
MARK, SEALED, NO_SEAL, BIRTH = b"MFC\x01".ljust(16, b"\0"), b"\xa5" * 16, bytes(16), b"MFC BIRTHMARK 01"
CARD_SEAL, MARK_AT, BIRTH_AT, TOLD_AT = (0, 32), (0, 16), (4, 32), 32
MOST = 2**31 - 1  # fen; what remaining can say
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208
WHEN, TERMINAL, SALE, INSIST, HOARD = 0x0501, 0x0502, 0x0504, 0x0505, 0x0401
HELD = range(0x0401, 0x0405)
SETTINGS = (*range(0x0401, 0x0407), 0x0410, 0x0411, 0x0412)
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), 0x0507: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, 0x0412, WHEN), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(range(0x0401, 0x0407), 4) | {0x0303: 8, SALE: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, INSIST, 0xFF01, 0xFF03), 1)
WHO, STAMP = (CUSTOMER, METER), (WHEN, TERMINAL)
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (), READ: (), OPEN: (REGION, *WHO, *STAMP), PURCHASE: (*WHO, COUNT, AMOUNT, ENERGY, SALE, *STAMP),
    REISSUE: (REGION, *WHO, COUNT, *STAMP), CLEAR: (*WHO, COUNT, *STAMP), SET: (REGION, *STAMP), CHECK: STAMP,
    REVERSE: (*WHO, COUNT, AMOUNT, ENERGY, *STAMP),
}  # fmt: skip
DESCRIPTION = {0x0101: b"0007", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"\x46", 0x0105: b"\x01", 0x0106: b"\x00"}
TOGETHER = {OPEN: (COUNT, AMOUNT, ENERGY, SALE), REISSUE: (AMOUNT, ENERGY, SALE)}  # all of them or none
ERRORS = (  # 00, 01, 02 …
    b"", b"malformed item", b"no such command", b"no card", b"not a MIFARE 1K", b"not an MFC card", b"key B refused",
    b"no try left", b"other region", b"other customer or meter", b"not a customer's card", b"not blank",
    b"last purchase not taken or in doubt", b"count or value is not the card's", b"over a limit", b"read failed",
    b"write failed", b"write broke off", b"read-back differs", b"card damaged", b"", b"", b"item missing", b"taken",
)  # fmt: skip


class Refused(Exception):
    """An error answer: FF01, and behind it FF03 where that is not 0 (the card is unchanged) but 2 (unknown)."""


def _frame(code: int, content: bytes) -> bytes:
    """The frame between kiosk and driver."""
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _sealed(content: bytes, size: int) -> bytes:
    """Content filled up to whole blocks, a CRC-16/CCITT-FALSE at their end."""
    body = content.ljust(size - 2, b"\0")
    return body + crc_hqx(body, 0xFFFF).to_bytes(2)


def _sound(raw: bytes) -> bool:
    return raw == _sealed(raw[:-2], len(raw)) and bool(raw.strip(EMPTY))


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


def _header_of(command: int, items: Items, base: int) -> bytes:
    """The header of a new card."""
    names = {SET: (REGION, METER), CHECK: (REGION,)}.get(command, (REGION, *WHO))
    who = b"".join(_bcd(items.get(di, b"") if di in names else b"", 4 if di == REGION else 10) for di in (REGION, *WHO))
    held = {di: items[di] for di in HELD if di in items and command != CHECK}
    settings = bytes((sum(1 << di - HELD.start for di in held),)) + b"".join(held.get(di, bytes(4)) for di in HELD)
    return _sealed(bytes((KINDS[command],)) + who + base.to_bytes(4) + settings, 48)


def _record(items: Items) -> bytes:
    return _sealed(items[COUNT] + items[AMOUNT] + items[ENERGY] + _bcd(items[WHEN], 7) + items[SALE], 48)


def _block(sectors: Sectors, place: tuple[int, int]) -> bytes:
    return sectors[place[0]][place[1] : place[1] + BLOCK]


def _unused(sectors: Sectors) -> bool:
    """Every byte of the vendor's FF or 00 (§5), but for what a marking that was cut off leaves (law 4)."""
    mark, birth = _block(sectors, MARK_AT), _block(sectors, BIRTH_AT)
    rest = sectors[0][32:] + sectors[4][:32] + b"".join(data for zone, data in sectors.items() if zone not in (0, 4))
    plain = all(byte in (*EMPTY, MARK[at]) for at, byte in enumerate(mark))
    return not rest.strip(EMPTY) and (plain or birth == BIRTH)


class Card:
    """The six sectors, understood. Refused 13 when they are damaged; a damaged write-back is state 3 instead."""

    def __init__(self, sectors: Sectors) -> None:
        self.sectors, self.region, self.customer, self.meter = sectors, b"", b"", b""
        self.kind = self.base = self.meter_count = self.remaining = 0  # remaining: fen, below 0 when overdrawn
        self.settings: Items = {}
        self.records: list[Record] = []
        self.back, self.met = b"", False  # what a write-back says that can be trusted; whether a meter wrote anything
        if _block(sectors, CARD_SEAL).strip(EMPTY):
            self._header(sectors[HEADER])
        if self.kind in (1, 3):
            self.records = [record for slot in (0, 1) if (record := self._slot(slot))]
            self._write_back(sectors[METER_S])
        newest = max(self.records, default=None, key=lambda record: record.count)
        self.last = max(self.base, self.meter_count, newest.count if newest else 0)
        self.newest, self.record = newest, newest if newest and newest.count == self.last else None
        taken, pending = self.back and 0 < self.last <= self.meter_count, newest and newest.count > self.meter_count
        self.state = 3 if self.met and not self.back else 1 if pending else 2 if taken else 0  # 0209

    def _header(self, raw: bytes) -> None:
        self.kind, self.base, given = raw[0], int.from_bytes(raw[25:29]), raw[29]
        self.region, self.customer, self.meter = map(_digits, (raw[1:5], raw[5:15], raw[15:25]))
        self.settings = {di: raw[30 + 4 * nth : 34 + 4 * nth] for nth, di in enumerate(HELD) if given >> nth & 1}
        whose = self.kind > 3 or (self.region and self.customer and self.meter)
        if not _sound(raw) or self.kind not in KINDS.values() or not whose:
            raise Refused(0x13)

    def _slot(self, slot: int) -> Record | None:
        raw = self.sectors[SLOTS[slot]]
        if not _block(self.sectors, (SEALS, slot * BLOCK)).strip(EMPTY):
            return None
        count, when = int.from_bytes(raw[:4]), _digits(raw[12:19])
        if not _sound(raw) or count <= self.base or len(when) != 14:
            raise Refused(0x13)
        return Record(slot, count, raw[4:12], when, raw[19:35])

    def _write_back(self, raw: bytes) -> None:
        """Law 5. Record and announcement each tell the meter's count: last does not fall when one is damaged."""
        back, told = raw[:TOLD_AT], raw[TOLD_AT:]
        counts = [int.from_bytes(each[:4]) for each in (back, told) if _sound(each)]
        self.met, self.meter_count = bool(raw.strip(EMPTY)), max(counts, default=0)
        if len(counts) == 2 and counts[0] == counts[1]:
            self.back, self.remaining = back, int.from_bytes(back[4:8], signed=True)

    def items(self) -> Items:
        """What READ says."""
        found = {
            0x0201: bytes((2 if self.met else self.kind,)), REGION: self.region, CUSTOMER: self.customer,
            METER: self.meter, 0x0205: self.sectors[0][:4], COUNT: self.last.to_bytes(4),
            0x0209: bytes((self.state,)), **self.settings,
        }  # fmt: skip
        if self.record:
            _slot, _count, value, when, sale = self.record
            found |= {AMOUNT: value[:4], ENERGY: value[4:], WHEN: when, SALE: sale}
        if back := self.back:
            found |= {0x0301: back[4:8], 0x0302: back[:4], 0x0303: back[8:16], 0x0304: back[16:20]}
            found |= {0x0305: back[20:22].rjust(4, b"\0"), 0x0307: back[28:30].rjust(4, b"\0")}
            if back[22:28].hex().isdigit():  # FF while the meter's clock is unset
                found[0x0306] = b"20" + back[22:28].hex().encode()
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
        count, value = int.from_bytes(items[COUNT]), items[AMOUNT] + items[ENERGY]
        there = bool(self.record and (self.record.count, self.record.value) == (count, value))
        return self._purchase(items, count, there) if command == PURCHASE else self._reverse(count, there)

    def _same(self, items: Items) -> None:
        """Region, customer and meter, where both card and request have them."""
        for di, held in ((REGION, self.region), (CUSTOMER, self.customer), (METER, self.meter)):
            if held and items.get(di, held) != held:
                raise Refused(0x08 if di == REGION else 0x09)

    def _purchase(self, items: Items, count: int, there: bool) -> list[Step]:
        if there:
            return []
        if count != self.last + 1:
            raise Refused(0x0D)
        if self.state in (1, 3):
            raise Refused(0x0C)
        if any(self.settings.get(di) != items[di] for di in SETTINGS if di in items):
            raise Refused(0x0E)
        self._check_value(items, self.settings)
        slot = 1 if self.newest and self.newest.slot == 0 else 0
        return [(SEALS, slot * BLOCK, NO_SEAL), (SLOTS[slot], 0, _record(items)), (SEALS, slot * BLOCK, SEALED)]

    def _reverse(self, count: int, there: bool) -> list[Step]:
        if self.back and count <= self.meter_count:
            raise Refused(0x17)
        if not there and (count != self.last + 1 or self.state == 1):
            raise Refused(0x0D)
        if self.state == 3:
            raise Refused(0x0C)
        return [(SEALS, self.record.slot * BLOCK, NO_SEAL)] if there and self.record else []

    def _clear(self, items: Items) -> list[Step]:
        self._same(items)
        if self.kind in (1, 3) and int.from_bytes(items[COUNT]) != self.last:
            raise Refused(0x0D)
        if self.state in (1, 3) and items.get(INSIST) != b"\x01":
            raise Refused(0x0C)
        return [(*CARD_SEAL, NO_SEAL)]

    def _check_value(self, items: Items, settings: Items) -> None:
        amount, most = int.from_bytes(items[AMOUNT]), int.from_bytes(settings.get(HOARD, b"")) or MOST
        if amount == 0 or self.remaining + amount > min(most, MOST):
            raise Refused(0x0E)

    def _new(self, command: int, items: Items) -> list[Step]:
        """OPEN, REISSUE, SET and CHECK; the same once more while neither meter nor purchase has come between."""
        if command == CHECK and self.kind == KINDS[CHECK]:
            self._same({REGION: items.get(REGION, self.region)})
            return []
        bought = command in TOGETHER and AMOUNT in items
        count = int.from_bytes(items.get(COUNT, b"")) if command in TOGETHER else 0
        header = _header_of(command, items, max(0, count - bought))
        foreign = command != CHECK and any(di in items for di in SETTINGS if di not in HELD)
        if self.kind:
            made = [(count, items[AMOUNT] + items[ENERGY])] if bought else []
            same = made == [(record.count, record.value) for record in self.records] and not self.met
            if not same or foreign or header != self.sectors[HEADER]:
                raise Refused(0x0B)
            return []
        if bought and (count == 0 or (command == OPEN and count != 1)):
            raise Refused(0x0D)
        if foreign:
            raise Refused(0x0E)
        if bought:
            self._check_value(items, items)
        old = [(SEALS, 0, bytes(32)), (METER_S, 0, bytes(48))]  # of whoever had the card before
        steps: list[Step] = [step for step in old if self.sectors[step[0]][: len(step[2])].strip(EMPTY)]
        if not _block(self.sectors, MARK_AT).startswith(MARK[:4]):
            steps = [(*BIRTH_AT, BIRTH), (*MARK_AT, MARK), *steps]
        if bought:
            steps += [(SLOTS[0], 0, _record(items)), (SEALS, 0, SEALED)]
        return [*steps, (HEADER, 0, header), (*CARD_SEAL, SEALED)]


class Driver:
    """Contract 1 §6, the Python side."""

    def icard(self, icdev: Any, send: bytes, password: str) -> bytes:
        """One frame in, one frame out; b"" when the outer frame is wrong."""
        if not 6 <= len(send) <= 2054 or send[1] > 0x3F or send != _frame(send[1], send[4:-2]):
            return b""
        try:
            code, items = send[1] | 0x80, self._act(icdev, send[1], send[4:-2], password)
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
        sectors = self._read(icdev, OURS)
        ours = _block(sectors, MARK_AT).startswith(MARK[:4])
        if not ours and (command not in KINDS or not _unused(self._read(icdev, ALL))):
            raise Refused(0x05)
        try:
            card = Card(sectors)
        except Refused:
            if command != CLEAR or items.get(INSIST) != b"\x01":
                raise
            return Card(self._write(icdev, password, sectors, [(*CARD_SEAL, NO_SEAL)])).items()
        steps = card.plan(command, items) if command != READ else []
        after = Card(self._write(icdev, password, sectors, steps)) if steps else card
        return card.items() if command == CLEAR else after.items()

    def _read(self, icdev: Any, zones: range) -> Sectors:
        """Those sectors, with the public key A the host knows. Refused 03, 04, 05 (it opens one of them not), 0F."""
        try:
            if (family := icdev.card_type()) != MIFARE:
                raise Refused(0x04 if family else 0x03)
            return {zone: bytes(icdev.read(zone, 0, 48)) for zone in zones}
        except CardPortError as fault:
            raise Refused({-1: 0x03, -3: 0x05}.get(fault.code, 0x0F)) from fault

    def _unlock(self, icdev: Any, password: str, zones: set[int]) -> bytes:
        """Key B, ``keyb=`` and twelve hex digits, shown to every sector there is to write. Refused 03, 06, 07, 0F."""
        codes, other = {-1: 0x03}, 0x07
        try:
            if min(icdev.tries_left(2 * zone + 1) for zone in zones) < 2:  # 255: the chip has no counter
                raise Refused(0x07)
            codes, other = {-1: 0x03, -2: 0x0F}, 0x06
            if not re.fullmatch("keyb=[0-9A-Fa-f]{12}", password):
                raise Refused(0x06)
            for zone in sorted(zones):
                icdev.verify(2 * zone + 1, bytes.fromhex(password[5:]))
        except CardPortError as fault:
            raise Refused(codes.get(fault.code, other)) from fault
        return bytes.fromhex(password[5:])

    def _write(self, icdev: Any, password: str, sectors: Sectors, steps: list[Step]) -> Sectors:
        """Carries out the steps but for blocks that stand there already, and reads back. Refused 03, 06, 07, 0F–12."""
        key = self._unlock(icdev, password, {zone for zone, _, _ in steps})
        wanted, failed, at_zone = dict(sectors), False, -1
        try:
            for zone, at, data in steps:
                for start in range(0, len(data), BLOCK):
                    place, block = at + start, data[start : start + BLOCK]
                    if wanted[zone][place : place + BLOCK] == block:
                        continue
                    wanted[zone] = wanted[zone][:place] + block + wanted[zone][place + BLOCK :]
                    if at_zone != zone:
                        icdev.verify(2 * zone + 1, key)
                        at_zone = zone
                    icdev.write(zone, place, block)
        except CardPortError:
            failed = True
        try:
            found = self._read(icdev, OURS)
        except Refused as fault:
            raise Refused(0x11, 2) from fault
        if failed or found != wanted:
            raise Refused(0x10) if failed and found == sectors else Refused(0x11 if failed else 0x12, 2)
        return found
