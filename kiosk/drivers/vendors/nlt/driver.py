"""NLT 宁立通, vendor code 0002: a CPU card that counts money. A sample driver, from contract 1 alone; copy it.

The card: MF 3F00, DF DF01, four transparent files, read freely, updated after VERIFY of PIN 1. It is laid out like the
State Grid user card as far as that can keep the contract; docs/sample-vendors/nlt.md says what is ours.
A frame is ``68 · code 1 · length 2 · content · CS 1 · 16``, CS the sum of code, length and content::

    81  parameters  frame 01: type 1 · flags 1 · mark "NLT" 01 · 6 unused · alarm 1, alarm 2 BCD 4 · CT, PT BCD 3
                    · meter BCD 6 · customer BCD 6 · kind 1 (0 or FF blank, 1 open, 3 reissue, 5 set, 6 check)
    82  purchases   two records of 37: fen 4 · count 4 · 0.01 kWh 4 · time BCD 7 · sale id 16 · CS 1 · seal 1
    85  write-back  frame 11: type 1 · CT, PT BCD 3 · meter, customer BCD 6 · remaining fen 4 · count 4
                    · overdraft BCD 4 · key 4 · illegal BCD 3 · YYMMDDhhmm BCD 5;  after it: count 4 · CS of (A5, count)
    86  our own     frame 86: 3 digit counts · region BCD 4 · base count 4 · settings given 1 · hoard, overdraft limit 4

The laws of this file:

1. Kind 0 or FF is a blank card, whatever stands elsewhere. OPEN, REISSUE, SET and CHECK write everything else first and
   the kind last, in an UPDATE of its own; CLEAR writes the kind and nothing else.
2. A record counts when its seal is A5. PURCHASE takes the slot that does not hold the newest record: seal 00, content,
   seal A5, three UPDATEs. REVERSE writes one seal. So a card pulled at any byte reads as before or as after.
3. PURCHASE leaves the write-back alone. Only the meter writes 85, its first byte FF first and 68 last: a write-back cut
   off is neither empty nor whole, and then nobody can say whether the meter took the purchase (0209 = 3).
4. Checks come in the order of contract §4.9, then tries and PIN, then writing, then reading back. No byte of a card is
   trusted: a frame's length, every BCD digit and every CS is looked at before it is used.
"""

from collections import namedtuple
from typing import Any

from kiosk.drivers.sdk import CardPortError

Items = dict[int, bytes]
Files = dict[int, bytes]  # short file id → content; 0 → the card's serial, from its answer to reset
Step = tuple[int, int, bytes]  # one UPDATE: file, offset, bytes
Record = namedtuple("Record", "slot count value when sale")  # value: fen and 0.01 kWh, 4 bytes each; when: 14 digits

DESCRIBE, READ, OPEN, PURCHASE, REISSUE, CLEAR, SET, CHECK, REVERSE = range(0x10, 0x19)
KINDS = {OPEN: 1, REISSUE: 3, SET: 5, CHECK: 6}
CPU_CARD, OK = 60, b"\x90\x00"
PARAMETERS, WALLET, BACK, OWN, SERIAL = 0x81, 0x82, 0x85, 0x86, 0
SIZES = {PARAMETERS: 45, WALLET: 74, BACK: 54, OWN: 26}
KIND_AT, RECORD, SEAL_AT, SEALED, EMPTY = 42, 37, 36, b"\xa5", b"\x00\xff"
MARK = bytes.fromhex("68010027 0000 4E4C5401")  # how 81 begins; type and flags (4, 5) do not belong to the mark
MOST = 99_999_999  # fen; no meter of ours holds more than 999 999.99 yuan
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208
WHEN, TERMINAL, SALE, INSIST = 0x0501, 0x0502, 0x0504, 0x0505
HELD_SETTINGS = {0x0401: (0x86, 12, 4), 0x0404: (0x86, 16, 4), 0x0402: (0x81, 12, 4), 0x0403: (0x81, 16, 4)}
HELD_SETTINGS |= {0x0405: (0x81, 20, 3), 0x0406: (0x81, 23, 3)}  # file, place in its content, bytes; BCD in 81
SETTINGS = (*HELD_SETTINGS, 0x0410, 0x0411, 0x0412)  # tariffs would stand in files 83 and 84, which we do not have
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), 0x0507: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, 0x0412, WHEN), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(HELD_SETTINGS, 4) | {0x0303: 8, SALE: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, INSIST, 0xFF01, 0xFF03), 1)
WHO, STAMP = (CUSTOMER, METER), (WHEN, TERMINAL)
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (), READ: (), OPEN: (REGION, *WHO, *STAMP), PURCHASE: (*WHO, COUNT, AMOUNT, ENERGY, SALE, *STAMP),
    REISSUE: (REGION, *WHO, COUNT, *STAMP), CLEAR: (*WHO, COUNT, *STAMP), SET: (REGION, *STAMP), CHECK: STAMP,
    REVERSE: (*WHO, COUNT, AMOUNT, ENERGY, *STAMP),
}  # fmt: skip
DESCRIPTION = {0x0101: b"0002", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"\x3c", 0x0105: b"\x01", 0x0106: b"\x00"}
TOGETHER = {OPEN: (COUNT, AMOUNT, ENERGY, SALE), REISSUE: (AMOUNT, ENERGY, SALE)}  # all of them or none
ERRORS = (  # 00, 01, 02 …
    b"", b"malformed item", b"no such command", b"no card", b"not a CPU card", b"not an NLT card", b"PIN refused",
    b"one try left, or none", b"other region", b"other customer or meter", b"not a customer's card", b"not blank",
    b"last purchase not taken or in doubt", b"count or value is not the card's", b"over a limit", b"read failed",
    b"write failed", b"write broke off", b"read-back differs", b"card damaged", b"", b"", b"item missing", b"taken",
)  # fmt: skip


class Refused(Exception):
    """An error answer: FF01, and behind it FF03 where that is not 0 (the card is unchanged) but 2 (unknown)."""


def _digits(field: bytes, size: int) -> bytes:
    """The last ``size`` of the field's BCD digits; those before must be zeros. Refused 13."""
    text, start = field.hex(), 2 * len(field) - size
    if not text.isdigit() or start < 0 or text[:start].strip("0"):
        raise Refused(0x13)
    return text[start:].encode()


def _bcd(text: bytes, width: int) -> bytes:
    """Packed BCD, zeros in front. Refused 0E when it is too long."""
    if len(text) > 2 * width:
        raise Refused(0x0E)
    return bytes.fromhex(text.decode().zfill(2 * width))


def _frame(code: int, content: bytes) -> bytes:
    """One form for the card's frames and for those between kiosk and driver."""
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _content(code: int, frame: bytes) -> bytes | None:
    """What stands in a frame, None when it is not whole."""
    return frame[4:-2] if frame == _frame(code, frame[4:-2]) else None


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


def _record(items: Items) -> bytes:
    content = items[AMOUNT] + items[COUNT] + items[ENERGY] + _bcd(items[WHEN], 7) + items[SALE]
    return content + bytes((sum(content) & 0xFF,)) + SEALED


class Card:
    """The four files, understood. Refused 13 when they are damaged; a damaged write-back is state 3 instead."""

    def __init__(self, files: Files) -> None:
        kind = files[PARAMETERS][KIND_AT]
        self.files, self.kind = files, 0 if kind in EMPTY else kind
        self.region = self.customer = self.meter = b""
        self.base = self.meter_count = self.remaining = 0  # remaining: fen, below zero when overdrawn
        self.settings: Items = {}
        self.records: list[Record] = []
        self.back: bytes | None = None  # what stands in a whole write-back
        self.met = self.foreign = False  # something stands in 85; it is another meter's
        if self.kind:
            self._parameters(_content(0x01, files[PARAMETERS]), _content(0x86, files[OWN]))
        if self.kind in (1, 3):
            self.records = [record for slot in (0, 1) if (record := self._record(slot))]
            self._write_back(files[BACK])
        newest = max(self.records, default=None, key=lambda record: record.count)
        self.last = max(self.base, self.meter_count, newest.count if newest else 0)
        self.newest, self.record = newest, newest if newest and newest.count == self.last else None
        taken, pending = 0 < self.last <= self.meter_count, newest and newest.count > self.meter_count
        self.state = 3 if self.met and not self.back else 1 if pending else 2 if self.back and taken else 0  # 0209

    def _parameters(self, content: bytes | None, own: bytes | None) -> None:
        if content is None or own is None or self.kind not in KINDS.values() or (self.kind < 5 and 0 in own[:3]):
            raise Refused(0x13)
        self.region = _digits(own[3:7], own[0])
        self.customer, self.meter = _digits(content[32:38], own[1]), _digits(content[26:32], own[2])
        self.base = int.from_bytes(own[7:11])
        for di, (name, at, width) in HELD_SETTINGS.items():
            if own[11] >> di - 0x0401 & 1:
                packed = content[at : at + width]
                self.settings[di] = own[at : at + 4] if name == OWN else int(_digits(packed, 2 * width)).to_bytes(4)

    def _record(self, slot: int) -> Record | None:
        raw = self.files[WALLET][slot * RECORD : (slot + 1) * RECORD]
        if raw[SEAL_AT] in EMPTY:
            return None
        if raw[SEAL_AT:] != SEALED or sum(raw[:35]) & 0xFF != raw[35]:
            raise Refused(0x13)
        return Record(slot, int.from_bytes(raw[4:8]), raw[:4] + raw[8:12], _digits(raw[12:19], 14), raw[19:35])

    def _write_back(self, file: bytes) -> None:
        self.met = file not in (b"\x00" * len(file), b"\xff" * len(file))
        if (0xA5 + sum(file[49:53])) & 0xFF == file[53]:
            self.meter_count = int.from_bytes(file[49:53])  # kept twice: last does not fall when the frame is damaged
        content = _content(0x11, file[:49])
        packed = content[7:19] + content[27:31] + content[35:43] if content else b""
        if not content or not packed.hex().isdigit() or int.from_bytes(content[19:23]) > MOST:
            return
        self.foreign = content[7:13] != _bcd(self.meter, 6)
        if not self.foreign:
            self.back, self.meter_count = content, int.from_bytes(content[23:27])
            self.remaining = int.from_bytes(content[19:23]) - int(content[27:31].hex())

    def items(self) -> Items:
        """What READ says."""
        found = {
            0x0201: bytes((2 if self.met else self.kind,)), REGION: self.region, CUSTOMER: self.customer,
            METER: self.meter, COUNT: self.last.to_bytes(4), 0x0209: bytes((self.state,)), **self.settings,
        }  # fmt: skip
        if self.record:
            _slot, _count, value, when, sale = self.record
            found |= {AMOUNT: value[:4], ENERGY: value[4:], WHEN: when, SALE: sale}
        if self.back:
            overdraft, illegal = int(self.back[27:31].hex()), int(self.back[35:38].hex())
            found |= {0x0301: self.remaining.to_bytes(4, signed=True), 0x0302: self.meter_count.to_bytes(4)}
            found |= {0x0304: overdraft.to_bytes(4), 0x0305: illegal.to_bytes(4)}
            if any(self.back[38:43]):  # else the meter's clock is unset
                found[0x0306] = b"20" + self.back[38:43].hex().encode() + b"00"
        return found | ({0x0205: self.files[SERIAL]} if self.files[SERIAL] else {})

    def plan(self, command: int, items: Items) -> list[Step]:
        """Every check of §4.9 from the kind on, then what is to be written; no steps where nothing is. Refused."""
        if command in KINDS:
            return self._new(command, items)
        if command == CLEAR:
            return self._clear(items) if self.kind else []
        if self.kind not in (1, 3):
            raise Refused(0x0A)
        self._same(items)
        if self.foreign:
            raise Refused(0x09)
        count, value = int.from_bytes(items[COUNT]), items[AMOUNT] + items[ENERGY]
        there = bool(self.record and (self.record.count, self.record.value) == (count, value))
        return self._purchase(items, count, there) if command == PURCHASE else self._reverse(count, there)

    def _same(self, items: Items) -> None:
        """Region, customer and meter, where both card and request have them."""
        for di, held, code in ((REGION, self.region, 8), (CUSTOMER, self.customer, 9), (METER, self.meter, 9)):
            if held and items.get(di, held) != held:
                raise Refused(code)

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
        at, raw = RECORD if self.newest and self.newest.slot == 0 else 0, _record(items)
        return [(WALLET, at + SEAL_AT, b"\x00"), (WALLET, at, raw[:SEAL_AT]), (WALLET, at + SEAL_AT, SEALED)]

    def _reverse(self, count: int, there: bool) -> list[Step]:
        if self.back and count <= self.meter_count:
            raise Refused(0x17)
        if not there and (count != self.last + 1 or self.state == 1):
            raise Refused(0x0D)
        if self.state == 3:
            raise Refused(0x0C)
        return [(WALLET, self.record.slot * RECORD + SEAL_AT, b"\x00")] if there and self.record else []

    def _clear(self, items: Items) -> list[Step]:
        self._same(items)
        if self.kind in (1, 3) and int.from_bytes(items[COUNT]) != self.last:
            raise Refused(0x0D)
        if self.state in (1, 3) and items.get(INSIST) != b"\x01":
            raise Refused(0x0C)
        return [(PARAMETERS, KIND_AT, b"\x00")]

    def _check_value(self, items: Items, settings: Items) -> None:
        amount, most = int.from_bytes(items[AMOUNT]), int.from_bytes(settings.get(0x0401, b"")) or MOST
        if amount == 0 or self.remaining + amount > min(most, MOST):
            raise Refused(0x0E)

    def _new(self, command: int, items: Items) -> list[Step]:
        """OPEN, REISSUE, SET and CHECK; the same once more while neither meter nor purchase has come between."""
        if command == CHECK and self.kind == KINDS[CHECK]:
            self._same({REGION: items.get(REGION, self.region)})
            return []
        bought = command in TOGETHER and AMOUNT in items
        count = int.from_bytes(items.get(COUNT, b"")) if command in TOGETHER else 0
        new = self._parameter_files(command, items, max(0, count - bought))
        if self.kind:
            records = [(count, items[AMOUNT] + items[ENERGY])] if bought else []
            same = new == (self.files[PARAMETERS], self.files[OWN]) and not self.met
            if not same or records != [(record.count, record.value) for record in self.records]:
                raise Refused(0x0B)
            return []
        if bought and (count == 0 or (command == OPEN and count != 1)):
            raise Refused(0x0D)
        if new is None:
            raise Refused(0x0E)
        if bought:
            self._check_value(items, items)
        kind, unkinded = new[0][KIND_AT : KIND_AT + 1], new[0][:KIND_AT] + b"\x00" + new[0][KIND_AT + 1 :]
        wallet = (_record(items) if bought else b"").ljust(SIZES[WALLET], b"\x00")
        return [(PARAMETERS, 0, MARK[:4]), (PARAMETERS, 6, MARK[6:]), (OWN, 0, new[1]), (WALLET, 0, wallet),
                (BACK, 0, bytes(SIZES[BACK])), (PARAMETERS, 0, unkinded), (PARAMETERS, KIND_AT, kind)]  # fmt: skip

    def _parameter_files(self, command: int, items: Items, base: int) -> tuple[bytes, bytes] | None:
        """81 and 86 of a new card, None when they cannot hold an item."""
        content, own = bytearray(39), bytearray(20)
        content[2:6], content[38], own[7:11] = MARK[6:], KINDS[command], base.to_bytes(4)
        names = {SET: (REGION, METER), CHECK: (REGION,)}.get(command, (REGION, *WHO))
        places = ((REGION, own, 3, 4), (CUSTOMER, content, 32, 6), (METER, content, 26, 6))
        try:
            for nth, (di, target, at, width) in enumerate(places):
                text = items.get(di, b"") if di in names else b""
                own[nth], target[at : at + width] = len(text), _bcd(text, width)
            for di in (di for di in SETTINGS if di in items and command != CHECK):
                name, at, width = HELD_SETTINGS[di]
                if name == OWN:
                    own[at : at + width] = items[di]
                else:
                    content[at : at + width], content[1] = _bcd(b"%d" % int.from_bytes(items[di]), width), 0x80
                own[11] |= 1 << di - 0x0401
        except (KeyError, Refused):
            return None
        return _frame(0x01, bytes(content)), _frame(0x86, bytes(own))


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
        files = self._read(icdev)
        self._check_mark(command, files)
        try:
            card = Card(files)
        except Refused:
            if command != CLEAR or items.get(INSIST) != b"\x01":
                raise
            return Card(self._write(icdev, password, files, [(PARAMETERS, KIND_AT, b"\x00")])).items()
        steps = card.plan(command, items) if command != READ else []
        after = Card(self._write(icdev, password, files, steps)) if steps else card
        return card.items() if command == CLEAR else after.items()

    def _read(self, icdev: Any) -> Files:
        """All four files and the serial. Refused 03, 04, 05 (another CPU card), 0F."""
        try:
            if (family := icdev.card_type()) != CPU_CARD:
                raise Refused(0x04 if family else 0x03)
            serial = icdev.atr()[5:13]
            for select in ("00A40000023F00", "00A4000002DF01"):
                if icdev.transmit(bytes.fromhex(select))[-2:] != OK:
                    raise Refused(0x05)
            found = {name: icdev.transmit(bytes((0x00, 0xB0, name, 0, size))) for name, size in SIZES.items()}
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x0F) from fault
        for name, answer in found.items():
            if answer[-2:] != OK or len(answer) != SIZES[name] + 2:  # 64, 65, 6F: the card itself is in trouble
                raise Refused(0x0F if answer[-2:-1] in (b"\x64", b"\x65", b"\x6f") else 0x05)
        return {SERIAL: serial, **{name: answer[:-2] for name, answer in found.items()}}

    def _check_mark(self, command: int, files: Files) -> None:
        """Refused 05 without the mark; but a card of 00 and FF alone may be made an NLT card (§5)."""
        head, rest = files[PARAMETERS][:10], files[PARAMETERS][10:] + files[WALLET] + files[BACK] + files[OWN]
        unused = all(byte in (*EMPTY, MARK[at]) for at, byte in enumerate(head)) and not rest.strip(EMPTY)
        if head[:4] + head[6:] != MARK[:4] + MARK[6:] and not (unused and command in KINDS):
            raise Refused(0x05)

    def _unlock(self, icdev: Any, password: str) -> None:
        """VERIFY of PIN 1, six bytes, given as 12 hex digits. Refused 03, 06, 07."""
        try:
            tries = icdev.transmit(bytes.fromhex("00200001"))  # 63Cx: x are left
            if not b"\x63\xc2" <= tries <= b"\x63\xcf":
                raise Refused(0x07)
            if len(password) != 12 or password.strip("0123456789abcdefABCDEF"):
                raise Refused(0x06)
            answer = icdev.transmit(bytes.fromhex("0020000106" + password))
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x07) from fault
        if answer != OK:
            raise Refused(0x07 if answer == b"\x69\x83" else 0x06)

    def _write(self, icdev: Any, password: str, files: Files, steps: list[Step]) -> Files:
        """Carries out the steps but for bytes that stand there already, and reads back. Refused 06, 07, 10, 11, 12."""
        self._unlock(icdev, password)
        wanted, failed = dict(files), False
        try:
            for name, at, data in steps:
                old = wanted[name]
                wanted[name] = new = old[:at] + data + old[at + len(data) :]
                changed = [place for place in range(len(old)) if old[place] != new[place]]
                if changed:
                    first, end = changed[0], changed[-1] + 1
                    if icdev.transmit(bytes((0x00, 0xD6, name, first, end - first)) + new[first:end]) != OK:
                        raise CardPortError(-2)
        except CardPortError:
            failed = True
        try:
            found = self._read(icdev)
        except Refused as fault:
            raise Refused(0x11, 2) from fault
        if failed or found != wanted:
            raise Refused(0x10) if failed and found == files else Refused(0x11 if failed else 0x12, 2)
        return found
