"""A vendor of the tests' own: TST, on SLE4442 cards. Written from contract 1 alone; its subclasses break one rule each.

::

    32 mark "TST1" · 36 kind (last byte of OPEN, REISSUE, SET, CHECK) · 40 header, 59 bytes and its sum
    104, 134 two purchase records of 30 bytes, the first byte last · 170 the meter's write-back, 18 bytes
"""

from __future__ import annotations

from kiosk.drivers.sdk import CardPortError

READ, OPEN, PURCHASE, REISSUE, CLEAR, SET, CHECK, REVERSE = range(0x11, 0x19)
MARK, KIND, HEADER, SLOTS, BACK = 32, 36, 40, (104, 134), 170
HEADER_SIZE, SLOT_SIZE, BACK_SIZE = 59, 30, 18
VALID, BACK_VALID = 0xA5, 0x5A
FIRST = (0x0206, 0x0207, 0x0208, 0x0504)
MUST = {
    0x10: (),
    READ: (),
    OPEN: (0x0202, 0x0203, 0x0204, 0x0501, 0x0502),
    PURCHASE: (0x0203, 0x0204, *FIRST, 0x0501, 0x0502),
    REISSUE: (0x0202, 0x0203, 0x0204, 0x0206, 0x0501, 0x0502),
    CLEAR: (0x0203, 0x0204, 0x0206, 0x0501, 0x0502),
    SET: (0x0202, 0x0501, 0x0502),
    CHECK: (0x0501, 0x0502),
    REVERSE: (0x0203, 0x0204, 0x0206, 0x0207, 0x0208, 0x0501, 0x0502),
}
NUMBERS = {0x0206, 0x0207, 0x0208, 0x0401, 0x0402, 0x0403, 0x0404, 0x0405, 0x0406}
DIGITS = {0x0202: 8, 0x0203: 20, 0x0204: 20}


class Refused(Exception):
    def __init__(self, code: int, after: int | None = None) -> None:
        super().__init__(f"error {code:02X}")
        self.code, self.after = code, after


def u4(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "big")


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def digits_field(text: bytes, size: int) -> bytes:
    return bytes((len(text),)) + text.ljust(size, b"\0")


class Card:
    """What the user bytes mean."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        kind = image[KIND]
        self.kind = 0 if kind in (0x00, 0xFF) else kind
        self.damaged = self.kind not in (0, 1, 3, 5, 6)
        self.region = self.customer = self.meter = b""
        self.base = self.limit = 0
        self.records: list[tuple[int, bytes]] = []
        self.back: bytes | None = None
        self.back_damaged = False
        if self.kind and not self.damaged:
            self._header()
            self._slots()
            self._write_back()
        self.newest = max(self.records, default=None, key=lambda each: number(each[1][1:5]))
        counts = [self.base]
        if self.newest:
            counts.append(number(self.newest[1][1:5]))
        if self.back:
            counts.append(number(self.back[1:5]))
        self.last = max(counts)

    def _header(self) -> None:
        header = self.image[HEADER : HEADER + HEADER_SIZE]
        self.damaged |= sum(header) & 0xFF != self.image[HEADER + HEADER_SIZE]
        sizes = (header[0], header[9], header[30])
        self.damaged |= sizes[0] > 8 or max(sizes[1:]) > 20
        self.region, self.customer = header[1 : 1 + sizes[0]], header[10 : 10 + sizes[1]]
        self.meter = header[31 : 31 + sizes[2]]
        self.damaged |= not all(0x30 <= byte <= 0x39 for byte in self.region + self.customer + self.meter)
        self.base, self.limit = number(header[51:55]), number(header[55:59])

    def _slots(self) -> None:
        for at in SLOTS:
            slot = self.image[at : at + SLOT_SIZE]
            if slot[0] in (0x00, 0xFF):
                continue
            if slot[0] != VALID or sum(slot[1:29]) & 0xFF != slot[29]:
                self.damaged = True
            else:
                self.records.append((at, slot))

    def _write_back(self) -> None:
        back = self.image[BACK : BACK + BACK_SIZE]
        if back[0] == BACK_VALID and sum(back[1:17]) & 0xFF == back[17]:
            self.back = back
        elif back[0] not in (0x00, 0xFF):
            self.back_damaged = True

    def state(self) -> int:
        if self.kind == 0 or self.kind > 3:
            return 0
        if self.back_damaged:
            return 3
        if self.back and self.newest is None:
            return 2 if number(self.back[1:5]) else 0
        if self.newest is None:
            return 0
        taken = self.back is not None and number(self.back[1:5]) >= number(self.newest[1][1:5])
        return 2 if taken else 1

    def items(self) -> dict[int, bytes]:
        kind = 2 if self.back and self.kind in (1, 3) else self.kind
        found = {
            0x0201: bytes((kind,)),
            0x0202: self.region,
            0x0203: self.customer,
            0x0204: self.meter,
            0x0206: u4(self.last),
            0x0209: bytes((self.state(),)),
        }
        if self.newest and number(self.newest[1][1:5]) == self.last:
            slot = self.newest[1]
            found |= {0x0207: slot[5:9], 0x0208: slot[9:13], 0x0504: slot[13:29]}
        if self.back:
            found |= {0x0302: self.back[1:5], 0x0301: self.back[5:9], 0x0303: self.back[9:17]}
        if self.limit or self.kind == 5:
            found[0x0401] = u4(self.limit)
        return found


class Driver:
    commands = bytes(range(0x10, 0x19))
    money = True

    def icard(self, icdev, send: bytes, password: str) -> bytes:
        if len(send) < 6 or send[0] != 0x68 or send[-1] != 0x16 or send[1] > 0x3F:
            return b""
        if not number(send[2:4]) == len(send) - 6 <= 2048 or sum(send[1:-2]) & 0xFF != send[-2]:
            return b""
        command = send[1]
        try:
            answer = self.act(icdev, command, send[4:-2], password)
            return self.frame(command | 0x80, answer)
        except Refused as fault:
            after = {} if fault.after is None else {0xFF03: bytes((fault.after,))}
            return self.frame(command | 0xC0, {0xFF01: bytes((fault.code,)), 0xFF02: str(fault).encode(), **after})

    def frame(self, command: int, items: dict[int, bytes]) -> bytes:
        data = b"".join(di.to_bytes(2, "big") + len(v).to_bytes(2, "big") + v for di, v in items.items())
        body = bytes((command,)) + len(data).to_bytes(2, "big") + data
        return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))

    def act(self, icdev, command: int, data: bytes, password: str) -> dict[int, bytes]:
        if command not in self.commands:
            raise Refused(0x02)
        items = self.unpack(data)
        self.check_items(command, items)
        if command == 0x10:
            return self.describe()
        kind = icdev.card_type()
        if kind == 0:
            raise Refused(0x03)
        if kind != 21:
            raise Refused(0x04)
        image = self.read_image(icdev)
        marking = self.marking(command, image)
        card = Card(image)
        if card.damaged and not (command == CLEAR and items.get(0x0505) == b"\1"):
            raise Refused(0x13)
        if command == READ:
            return card.items()
        wanted = self.plan(command, items, card)
        if wanted is None:
            return card.items()
        steps = [*marking, *wanted]
        self.secret(icdev, password)
        after = self.carry_out(icdev, image, steps)
        if command == CLEAR:
            six = {0x0201: b"\0", 0x0202: b"", 0x0203: b"", 0x0204: b"", 0x0206: u4(0), 0x0209: b"\0"}
            return six if card.damaged else card.items()
        return Card(after).items()

    def describe(self) -> dict[int, bytes]:
        unit = b"\1" if self.money else b"\2"
        return {0x0101: b"00F1", 0x0102: b"1", 0x0103: self.commands, 0x0104: b"\x15", 0x0105: unit, 0x0106: b"\0"}

    # -- items ------------------------------------------------------------------------------------------------------

    def unpack(self, data: bytes) -> dict[int, bytes]:
        items: dict[int, bytes] = {}
        at = 0
        while at < len(data):
            di, size = number(data[at : at + 2]), number(data[at + 2 : at + 4])
            value = data[at + 4 : at + 4 + size]
            if at + 4 > len(data) or len(value) != size or di in items:
                raise Refused(0x01)
            items[di] = value
            at += 4 + size
        return items

    def check_items(self, command: int, items: dict[int, bytes]) -> None:
        for di, value in items.items():
            if not self.well_formed(di, value):
                raise Refused(0x01)
        if any(di not in items for di in MUST[command]):
            raise Refused(0x16)
        if command == SET and not any(0x0400 < di < 0x0500 for di in items):
            raise Refused(0x16)
        group = (0x0207, 0x0208, 0x0504) if command == REISSUE else FIRST
        there = sum(di in items for di in group)
        if command in (OPEN, REISSUE) and there not in (0, len(group)):
            raise Refused(0x16)

    def well_formed(self, di: int, value: bytes) -> bool:
        if di in DIGITS:
            return 0 < len(value) <= DIGITS[di] and value.isdigit()
        if di in (0x0501, 0x0412):
            return len(value) == 14 and value.isdigit()
        if di in NUMBERS:
            return len(value) == 4
        if di == 0x0410:
            rows = [value[at : at + 2] for at in range(0, len(value), 8)]
            return bool(value) and len(value) % 8 == 0 and len(set(rows)) == len(rows)
        if di == 0x0411:
            bounds = [number(value[at : at + 4]) for at in range(0, len(value), 4)]
            return bool(value) and len(value) % 4 == 0 and bounds == sorted(bounds)
        return len(value) == {0x0504: 16, 0x0505: 1}.get(di, len(value))

    # -- what each command does: None = nothing to write, else steps (address, bytes) in order -------------------------

    def marking(self, command: int, image: bytes) -> list[tuple[int, bytes]]:
        mark = image[MARK : MARK + 4]
        if mark == b"TST1":
            return []
        plain = all(byte in (0, 255) or byte == b"TST1"[i] for i, byte in enumerate(mark))
        if command in (OPEN, REISSUE, SET, CHECK) and plain and not image[KIND:256].strip(b"\0\xff"):
            return [(MARK, b"TST1")]
        raise Refused(0x05)

    def plan(self, command: int, items: dict[int, bytes], card: Card) -> list[tuple[int, bytes]] | None:
        if command in (OPEN, REISSUE, SET, CHECK):
            return self.plan_make(command, items, card)
        if command == CLEAR:
            return self.plan_clear(items, card)
        if card.kind not in (1, 3):
            raise Refused(0x0A)
        self.check_region(items, card)
        self.check_person(items, card)
        return self.plan_purchase(items, card) if command == PURCHASE else self.plan_reverse(items, card)

    def check_region(self, items: dict[int, bytes], card: Card) -> None:
        if items.get(0x0202, card.region) != card.region:
            raise Refused(0x08)

    def check_person(self, items: dict[int, bytes], card: Card) -> None:
        if items[0x0203] != card.customer or items[0x0204] != card.meter:
            raise Refused(0x09)

    def plan_make(self, command: int, items: dict[int, bytes], card: Card) -> list[tuple[int, bytes]] | None:
        kind = {OPEN: 1, REISSUE: 3, SET: 5, CHECK: 6}[command]
        count = number(items.get(0x0206, u4(0)))
        bought = 0x0207 in items
        base = count - 1 if bought and command == REISSUE else 0 if bought else count
        limit = number(items.get(0x0401, u4(0)))
        header = digits_field(items.get(0x0202, b""), 8) + digits_field(items.get(0x0203, b""), 20)
        header += digits_field(items.get(0x0204, b""), 20) + u4(base) + u4(limit)
        slot = self.slot(items, count) if bought else None
        if card.kind:
            if command == CHECK and card.kind == 6:
                self.check_region(items, card)
                return None
            same = card.kind == kind and card.image[HEADER : HEADER + HEADER_SIZE] == header and card.back is None
            there = card.newest[1][1:13] if card.newest else None
            if not same or there != (slot[1:13] if slot else None):
                raise Refused(0x0B)
            return None
        if command == OPEN and bought and count != 1:
            raise Refused(0x0D)
        if any(0x0400 < di < 0x0500 and di != 0x0401 for di in items):
            raise Refused(0x0E)
        if bought:
            self.check_value(items, limit, 0)
        steps = [(SLOTS[0], b"\0"), (SLOTS[1], b"\0"), (BACK, b"\0"), (HEADER, header + bytes((sum(header) & 0xFF,)))]
        if slot:
            steps.append((SLOTS[0], slot))
        return [*steps, (KIND, bytes((kind,)))]

    def plan_clear(self, items: dict[int, bytes], card: Card) -> list[tuple[int, bytes]] | None:
        if card.damaged:
            return [(KIND, b"\xff")]
        if card.kind == 0:
            return None
        self.check_region(items, card)
        if card.kind in (1, 3):
            self.check_person(items, card)
            if number(items[0x0206]) != card.last:
                raise Refused(0x0D)
            if card.state() in (1, 3) and items.get(0x0505) != b"\1":
                raise Refused(0x0C)
        return [(KIND, b"\xff")]

    def plan_purchase(self, items: dict[int, bytes], card: Card) -> list[tuple[int, bytes]] | None:
        count = number(items[0x0206])
        on_card = card.newest if card.newest and number(card.newest[1][1:5]) == card.last else None
        if count == card.last:
            if on_card and on_card[1][5:13] == items[0x0207] + items[0x0208]:
                return None
            raise Refused(0x0D)
        if count != card.last + 1:
            raise Refused(0x0D)
        if card.state() in (1, 3):
            raise Refused(0x0C)
        if any(0x0400 < di < 0x0500 and (di != 0x0401 or number(v) != card.limit) for di, v in items.items()):
            raise Refused(0x0E)
        remaining = int.from_bytes(card.back[5:9], "big", signed=True) if card.back else 0
        self.check_value(items, card.limit, remaining)
        used = card.newest[0] if card.newest else SLOTS[1]
        free = SLOTS[0] if used == SLOTS[1] else SLOTS[1]
        return self.record_steps(free, self.slot(items, count))

    def record_steps(self, at: int, slot: bytes) -> list[tuple[int, bytes]]:
        return [(at, b"\0"), (at + 1, slot[1:]), (at, slot[:1])]

    def plan_reverse(self, items: dict[int, bytes], card: Card) -> list[tuple[int, bytes]] | None:
        count = number(items[0x0206])
        taken = number(card.back[1:5]) if card.back else 0
        if card.back and count <= taken:
            raise Refused(0x17)
        if count == card.last + 1 and card.state() not in (1, 3):
            return None
        if not card.newest or count != card.last or number(card.newest[1][1:5]) != count:
            raise Refused(0x0D)
        if card.newest[1][5:13] != items[0x0207] + items[0x0208]:
            raise Refused(0x0D)
        if card.state() == 3:
            raise Refused(0x0C)
        return [(card.newest[0], b"\0")]

    def check_value(self, items: dict[int, bytes], limit: int, remaining: int) -> None:
        value = number(items[0x0207 if self.money else 0x0208])
        if value == 0 or (limit and remaining + value > limit):
            raise Refused(0x0E)

    def slot(self, items: dict[int, bytes], count: int) -> bytes:
        content = u4(count) + items[0x0207] + items[0x0208] + items[0x0504]
        return bytes((VALID,)) + content + bytes((sum(content) & 0xFF,))

    # -- the card ---------------------------------------------------------------------------------------------------

    def read_image(self, icdev) -> bytes:
        try:
            return icdev.read(0, 0, 256)
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x0F) from fault

    def secret(self, icdev, password: str) -> None:
        try:
            tries = icdev.tries_left(0)
        except CardPortError:
            tries = 0
        if tries < 2:
            raise Refused(0x07)
        try:
            secret = bytes.fromhex(password)
        except ValueError:
            raise Refused(0x06) from None
        if len(secret) != 3:
            raise Refused(0x06)
        try:
            icdev.verify(0, secret)
        except CardPortError as fault:
            raise Refused(0x07 if fault.code == -5 else 0x06, 0) from fault

    def carry_out(self, icdev, image: bytes, steps: list[tuple[int, bytes]]) -> bytes:
        wanted = bytearray(image)
        try:
            for at, data in steps:
                wanted[at : at + len(data)] = data
                icdev.write(0, at, data)
        except CardPortError:
            try:
                same = icdev.read(0, 0, 256) == image
            except CardPortError:
                same = False
            raise Refused(0x10 if same else 0x11, 0 if same else 2) from None
        after = self.read_image(icdev)
        if after != bytes(wanted):
            raise Refused(0x12, 2)
        return after
