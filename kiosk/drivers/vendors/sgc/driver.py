"""SGC 国网样式, vendor code 0004: the State Grid user card, money, a CPU card whose writes are MACed.

The card: MF 3F00, DF DF01, five transparent files, read freely; docs/sample-vendors/sgc.md has the tables and says
what is known of them and what is ours. A frame is ``68 · code · length 2 · content · CS · 16``::

    81  instruction   45 bytes, frame 01: type 1 · flags 1 · 13 and region BCD 3 · switch time 5 · tariffs 1
                      · alarms BCD 4 4 · CT, PT BCD 3 3 · meter, customer BCD 6 6 · kind 1 (0 or FF blank, 1 open,
                      2 buy, 3 reissue); a preset card: 32 bytes, frame 06, up to PT
    82  wallet        fen 4 · count 4
    83  tariff now, 84 tariff from a day on: 203 bytes: 32 prices · 6 bounds · 7 ladder prices BCD 4 · 4 days · start 5
    85  return 返写   49 bytes, frame 11: type 1 · CT, PT BCD 3 3 · meter, customer BCD 6 6 · remaining fen 4 · count 4
                      · overdraft BCD 4 · 4 unused · illegal BCD 3 · YYMMDDhhmm BCD 5

The laws of this file:

1. Kind 0 or FF is a blank card unless its command byte is 06, whatever stands elsewhere. OPEN and REISSUE write the
   kind last, SET the command byte; CLEAR writes these two first.
2. A meter takes the wallet only where file 85 is empty: some look whether it begins with 68 or has a CT, others at its
   first four bytes. So the sale brings all of these to 0, the 68 last: that one byte makes it a purchase for any meter.
   Before, 85 is **shut** (68 00 …, it ends with 16) and the wallet means nothing; after, it is **open**, and the rest
   of it still tells what the meter wrote, under a CS of its own (``_kept``).
3. The byte after the last takes the 16 at the end away. So an open 85 whose first byte a meter has just made 68 again
   is neither shut nor whole: nobody can say whether the meter took the purchase (0209 = 3).
4. REVERSE makes 85 shut, then the wallet one less, then 85 as it was.
5. Checks come in the order of contract §4.9, then tries, password, writing, reading back. No byte is trusted.
"""

from collections.abc import Iterable
from typing import Any

from kiosk.drivers.sdk import CardPortError

Items = dict[int, bytes]
Files = dict[int, bytes]  # short file id → content; 0 → the card's serial, from its answer to reset
Step = tuple[int, int, bytes]  # one UPDATE: file, offset, bytes

DESCRIBE, READ, OPEN, PURCHASE, REISSUE, CLEAR, SET = range(0x10, 0x17)
REVERSE, CPU_CARD, OK = 0x18, 60, b"\x90\x00"
PARA, WALLET, NOW, LATER, BACK, SERIAL = 0x81, 0x82, 0x83, 0x84, 0x85, 0
SIZES = {PARA: 45, WALLET: 8, NOW: 203, LATER: 203, BACK: 49}
KIND_AT, EMPTY, MOST = 42, b"\x00\xff", 99_999_999  # fen; no meter holds more than 999 999.99 yuan
REGION, CUSTOMER, METER, COUNT, AMOUNT, ENERGY = 0x0202, 0x0203, 0x0204, 0x0206, 0x0207, 0x0208
WHEN, TERMINAL, SALE, INSIST = 0x0501, 0x0502, 0x0504, 0x0505
PRICES, BOUNDS, SINCE = 0x0410, 0x0411, 0x0412
NUMBERS = {0x0402: (16, 4), 0x0403: (20, 4), 0x0405: (24, 3), 0x0406: (27, 3)}  # BCD in 81: at, bytes
SETTINGS = (*range(0x0401, 0x0407), PRICES, BOUNDS, SINCE)  # 0401 and 0404 stand in the meter only
DIGITS = {REGION: (1, 8), CUSTOMER: (1, 20), METER: (1, 20), 0x0507: (1, 2048)}  # fewest, most
DIGITS |= dict.fromkeys((0x0306, SINCE, WHEN), (14, 14))
WIDTHS = dict.fromkeys((0x0101, COUNT, AMOUNT, ENERGY, 0x020A, 0x020B, 0x0301, 0x0302, 0x0304, 0x0305, 0x0307), 4)
WIDTHS |= dict.fromkeys(range(0x0401, 0x0407), 4) | {0x0303: 8, SALE: 16}
WIDTHS |= dict.fromkeys((0x0105, 0x0106, 0x0201, 0x0209, INSIST, 0xFF01, 0xFF03), 1)
WHO, STAMP = (CUSTOMER, METER), (WHEN, TERMINAL)
MUST: dict[int, tuple[int, ...]] = {
    DESCRIBE: (), READ: (), OPEN: (REGION, *WHO, *STAMP), PURCHASE: (*WHO, COUNT, AMOUNT, ENERGY, SALE, *STAMP),
    REISSUE: (REGION, *WHO, COUNT, *STAMP), CLEAR: (*WHO, COUNT, *STAMP), SET: (REGION, *STAMP),
    REVERSE: (*WHO, COUNT, AMOUNT, ENERGY, *STAMP),
}  # fmt: skip
DESCRIPTION = {0x0101: b"0004", 0x0102: b"1.0", 0x0103: bytes(MUST), 0x0104: b"\x3c", 0x0105: b"\x01", 0x0106: b"\x00"}
JANUARY = bytes.fromhex("010100") + bytes(9)  # the ladder begins again once a year; meters refuse one that never does
TOGETHER = {OPEN: (COUNT, AMOUNT, ENERGY, SALE), REISSUE: (AMOUNT, ENERGY, SALE)}  # all of them or none
ERRORS = (  # 00, 01, 02 …
    b"", b"malformed item", b"no such command", b"no card", b"not a CPU card", b"not an SGC card", b"key refused",
    b"one try left, or tries unknown", b"other region", b"other customer or meter", b"not a customer's card",
    b"not blank", b"last purchase not taken or in doubt", b"count or value is not the card's", b"over a limit",
    b"read failed", b"write failed", b"write broke off", b"read-back differs", b"card damaged",
    b"needs a key card or HSM that is not here", b"", b"item missing", b"taken",
)  # fmt: skip
SBOX = bytes.fromhex(
    "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa441326498606999c4250f491ef987a33540b43edcfac62e4b31ca9c908e89580df94fa"
    "758f3fa64707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d351e240e5e6358d1a225227c3b01217887d40046579fd32752"
    "4c3602e7a0c4c89eeabf8ad240c738b5a3f7f2cef96115a1e0ae5da49b341a55ad933230f58cb1e31df6e22e8266ca60c02923ab0d534e6fd5db3745"
    "defd8e2f03ff6a726d6c5b518d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b08969974a0c96777e65b9f109c56ec684"
    "18f07dec3adc4d2079ee5f3ed7cb3948"
)


SM4_START = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)


class Refused(Exception):
    """An error answer: FF01, and behind it FF03 where that is not 0 (the card is unchanged) but 2 (unknown)."""


def _words(block: bytes) -> list[int]:
    return [int.from_bytes(block[at : at + 4]) for at in range(0, len(block), 4)]


def _rounds(words: list[int], keys: Iterable[int], turns: tuple[int, ...]) -> list[int]:
    for key in keys:
        mixed = (words[-3] ^ words[-2] ^ words[-1] ^ key).to_bytes(4).translate(SBOX)
        word = int.from_bytes(mixed)
        for by in turns:
            word ^= (int.from_bytes(mixed) << by | int.from_bytes(mixed) >> 32 - by) & 0xFFFFFFFF
        words.append(words[-4] ^ word)
    return words


def sm4(key: bytes, block: bytes) -> bytes:
    """One block of 16 bytes enciphered, GB/T 32907."""
    start = [word ^ fixed for word, fixed in zip(_words(key), SM4_START, strict=True)]
    constants = _words(bytes(7 * number & 0xFF for number in range(128)))
    last = _rounds(_words(block), _rounds(start, constants, (13, 23))[4:], (2, 10, 18, 24))[:-5:-1]
    return b"".join(word.to_bytes(4) for word in last)


class TestKey:
    """The cipher port: a master key in software, diversified by the card's serial. A key card's would ask the card."""

    def __init__(self, master: bytes, serial: bytes) -> None:
        self._key = sm4(master, (serial + bytes(0xFF ^ byte for byte in serial))[:16].ljust(16, b"\x00"))

    def cryptogram(self, challenge: bytes) -> bytes:
        """8 bytes over a challenge of 8."""
        return sm4(self._key, challenge.ljust(16, b"\x00"))[:8]

    def mac(self, challenge: bytes, message: bytes) -> bytes:
        """The PBOC MAC, 4 bytes: CBC from the challenge, padded with 80 00 … always."""
        padded, chain = message + b"\x80" + bytes(-(len(message) + 1) % 16), challenge.ljust(16, b"\x00")
        for at in range(0, len(padded), 16):
            chain = sm4(self._key, bytes(a ^ b for a, b in zip(chain, padded[at : at + 16], strict=True)))
        return chain[:4]


def _cipher(password: str, serial: bytes) -> TestKey:
    """Refused 06 (neither form), 14 (keys nobody has here)."""
    name, _, key = password.partition("=")
    if password == "keycard":
        raise Refused(0x14)
    if name != "test-sm4" or len(key) != 32 or key.strip("0123456789abcdefABCDEF"):
        raise Refused(0x06)
    return TestKey(bytes.fromhex(key), serial)


def _number(bcd: bytes) -> int:
    """Refused 13."""
    if not bcd.hex().isdigit():
        raise Refused(0x13)
    return int(bcd.hex())


def _bcd(number: int, width: int) -> bytes:
    """Refused 0E when it is too long."""
    if number >= 100**width:
        raise Refused(0x0E)
    return bytes.fromhex(f"{number:0{2 * width}d}")


def _frame(code: int, content: bytes) -> bytes:
    """One form for the card's frames and for those between kiosk and driver."""
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _content(code: int, frame: bytes) -> bytes | None:
    """What stands in a frame, None when it is not whole."""
    return frame[4:-2] if frame == _frame(code, frame[4:-2]) else None


def _kept(back: bytes) -> bytes:
    """The CS of what stays in 85 while its head and CT are 0."""
    return bytes((0x11 + back[4] + sum(back[8:47]) & 0xFF,))


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
    if di == PRICES and value:  # rows of 8, unique by their first two bytes
        return len(value) == 8 * len({value[at : at + 2] for at in range(0, len(value), 8)})
    if di == BOUNDS and value:
        return len(value) % 4 == 0 and _words(value) == sorted(set(_words(value)))
    if di in WIDTHS:
        return len(value) == WIDTHS[di]
    return bool(value) or di not in (0x0103, 0x0104, 0x0205, PRICES, BOUNDS)  # texts and unknown items may be empty


def _tariff_file(code: int, items: Items) -> tuple[int, int, int, bytes]:
    """User type, update flags, how many tariffs, and file 83 or 84. Refused 0E for what it cannot hold."""
    words = _words(items.get(PRICES, b""))
    rows = {(head >> 24, head >> 16 & 0xFF): price for head, price in zip(words[::2], words[1::2], strict=True)}
    plain, steps = {p: price for (p, s), price in rows.items() if not s}, {s: rows[p, s] for p, s in rows if s}
    bounds, since = _words(items.get(BOUNDS, b"")), items.get(SINCE, b"20" + b"0" * 12)
    mixed = any((p and s) or p > 5 or s > 7 for p, s in rows) or (0 in plain and len(plain) > 1)
    if mixed or not all((*rows.values(), *bounds)) or len(bounds) > 6 or since[:2] + since[-2:] != b"2000":
        raise Refused(0x0E)
    if SINCE in items and not rows and not bounds:
        raise Refused(0x0E)
    flags = (1 if plain else 0) | (4 if steps or bounds else 0)
    prices = [plain.get(0, 0) or plain.get(1, 0), *(plain.get(period, 0) for period in range(2, 33))]
    numbers = [*prices, *bounds, *[0] * (6 - len(bounds)), *(steps.get(step, 0) for step in range(1, 8))]
    content = b"".join(_bcd(number, 4) for number in numbers) + JANUARY + bytes.fromhex(since[2:12].decode())
    kind = 1 + (0 not in plain and bool(plain)) + 2 * (flags >> 2)
    return kind, flags << 1 if SINCE in items else flags, max((*plain, 1)), _frame(code, content)


class Card:
    """The five files, understood. Refused 13 when they are damaged; a damaged file 85 is state 3 instead."""

    def __init__(self, files: Files) -> None:
        para = files[PARA]
        self.files, self.kind = files, 5 if para[1] == 0x06 else 0 if para[KIND_AT] in EMPTY else para[KIND_AT]
        self.region = self.customer = self.meter = self.gate = b""  # gate: how 85 is: b"whole", b"shut", b"open"
        self.settings: Items = {}
        self.last = self.state = self.meter_count = self.remaining = 0
        self.value, self.count = _words(files[WALLET])
        self.real = self.met = self.foreign = self.record = False
        if self.kind:
            self._parameters(para)
        if self.kind in (1, 2, 3):
            self._wallet(files[BACK])

    def _parameters(self, para: bytes) -> None:
        user = _frame(0x01, para[4:43])  # torn while the kind becomes 2, the CS is still another kind's
        ends = {user[43] + other - self.kind & 0xFF for other in (1, 2, 3)}
        whole = user[:4] + user[44:] == para[:4] + para[44:] and para[43] in ends and self.kind in (1, 2, 3)
        if not (_content(0x06, para[:32]) if self.kind == 5 else whole):
            raise Refused(0x13)
        self.region = para[7:10].hex().rstrip("f").encode()
        if not self.region.isdigit():
            raise Refused(0x13)
        if self.kind != 5:
            _number(para[30:42])
            self.meter, self.customer = para[30:36].hex().encode(), para[36:42].hex().encode()
        flags = para[5] if para[5] != 0xFF else 0
        if flags & 0x80:
            self.settings = {di: _number(para[at : at + size]).to_bytes(4) for di, (at, size) in NUMBERS.items()}
        if flags & 0x0F:
            self._tariff(para[4], flags, _content(para[1], self.files[LATER if flags & 0x0A else NOW]))

    def _tariff(self, kind: int, flags: int, content: bytes | None) -> None:
        if content is None:
            raise Refused(0x13)
        numbers = [_number(content[at : at + 4]) for at in range(0, 180, 4)]
        if flags & 0x0A:
            self.settings[SINCE] = b"20%010d00" % _number(content[192:197])
            flags >>= 1
        rows = [(period + (kind in (2, 4)), 0, numbers[period]) for period in range(5 if kind in (2, 4) else 1)]
        rows = rows * (flags & 1) + [(0, step, numbers[37 + step]) for step in range(1, 8)] * (flags >> 2 & 1)
        rows = [row for row in rows if row[2]]
        bounds = [bound for bound in numbers[32:38] if bound] * (flags >> 2 & 1)
        if rows:
            self.settings[PRICES] = b"".join(bytes((p, s, 0, 0)) + price.to_bytes(4) for p, s, price in rows)
        if bounds:
            self.settings[BOUNDS] = b"".join(bound.to_bytes(4) for bound in bounds)

    def _wallet(self, back: bytes) -> None:
        """How 85 is, and what the wallet means then."""
        self.meter_count, shut_since = int.from_bytes(back[27:31]), 0x2B + sum(back[5:8])
        own = {_kept(back)[0], _kept(back)[0] + shut_since & 0xFF}  # the sale's CS, or still the meter's
        fresh, head = not any(back[11:17]), back[1:4] + back[5:8]  # fresh: no meter's number, no meter has written
        if _content(0x11, back) and not fresh:
            self.gate = b"whole"
        elif back[:2] + back[48:] == b"\x68\x00\x16" and back[47] in own:
            self.gate = b"shut"
        elif not any(back[:1] + head) and back[48] in (0x00, 0x16) and (fresh or back[47:48] == _kept(back)):
            self.gate = b"open"
        packed = (head[3:] + back[8:23] + back[31:35] + back[39:47]).hex()
        self.met = not self.gate or not fresh
        if self.gate and not fresh:
            self.foreign = back[11:17].hex().encode() != self.meter
            self.real = not self.foreign and packed.isdigit() and int.from_bytes(back[23:27]) <= MOST
        if self.real:
            self.remaining = int.from_bytes(back[23:27]) - _number(back[31:35])
        met, base = self.meter_count if self.real else 0, self.kind == 3 and not self.value
        if self.met and not self.real:
            self.gate = b""
        pending = self.gate == b"open" and self.value > 0 and self.count > met
        taken = self.gate == b"whole" and self.count == met
        self.record = self.value > 0 and self.count > 0 and (pending or taken or not self.gate)
        shown = self.count if base or self.gate not in (b"whole", b"shut") else 0
        self.last = self.meter_count if self.gate == b"shut" else max(met, shown)
        self.state = 3 if not self.gate else 1 if pending else 2 if 0 < self.last <= met else 0

    def items(self) -> Items:
        """What READ says."""
        found = {
            0x0201: bytes((2 if self.met else self.kind,)), REGION: self.region, CUSTOMER: self.customer,
            METER: self.meter, COUNT: self.last.to_bytes(4), 0x0209: bytes((self.state,)), **self.settings,
        }  # fmt: skip
        if self.record:
            found[AMOUNT] = self.value.to_bytes(4)
        if self.real:
            back = self.files[BACK]
            found |= {0x0301: self.remaining.to_bytes(4, signed=True), 0x0302: back[27:31]}
            found |= {0x0304: _number(back[31:35]).to_bytes(4), 0x0305: _number(back[39:42]).to_bytes(4)}
            if any(back[42:47]):  # else the meter's clock is unset
                found[0x0306] = b"20%010d00" % _number(back[42:47])
        return found | ({0x0205: self.files[SERIAL]} if self.files[SERIAL] else {})

    def plan(self, command: int, items: Items) -> list[Step]:
        """Every check of §4.9 from the kind on, then what is to be written; no steps where nothing is. Refused."""
        if command in (OPEN, REISSUE, SET):
            return self._new(command, items)
        if command == CLEAR:
            return self._clear(items)
        if self.kind not in (1, 2, 3):
            raise Refused(0x0A)
        self._same(items)
        if self.foreign:
            raise Refused(0x09)
        count, value = int.from_bytes(items[COUNT]), int.from_bytes(items[AMOUNT])
        there = self.record and (self.last, self.value) == (count, value)
        if command == REVERSE:
            return self._reverse(count, there)
        if there:
            return []
        if count != self.last + 1:
            raise Refused(0x0D)
        if self.state in (1, 3):
            raise Refused(0x0C)
        if any(self.settings.get(di) != items[di] for di in SETTINGS if di in items):
            raise Refused(0x0E)
        self._check_value(value)
        return self._purchase(items[AMOUNT] + items[COUNT])

    def _same(self, items: Items) -> None:
        """Region, customer and meter, where both card and request have them."""
        for di, held, code in ((REGION, self.region, 8), (CUSTOMER, self.customer, 9), (METER, self.meter, 9)):
            if held and items.get(di, held) != held:
                raise Refused(code)

    def _check_value(self, value: int) -> None:
        if value == 0 or self.remaining + value > MOST:
            raise Refused(0x0E)

    def _shut(self, count: int) -> list[Step]:
        """85 shut, and still telling the count before."""
        if self.gate == b"whole":
            return [(BACK, 1, b"\x00")]
        if self.real:
            return [(BACK, 48, b"\x16"), (BACK, 0, b"\x68")]
        rest = self.files[BACK][:27] + count.to_bytes(4) + bytes(16)
        return [(BACK, 27, rest[27:] + _kept(rest) + b"\x16"), (BACK, 0, b"\x68")]

    def _opened(self) -> list[Step]:
        """Law 2's last byte, and law 3's."""
        return [(BACK, 0, b"\x00"), (BACK, 48, b"\x00") if self.real else (BACK, 27, bytes(22))]

    def _purchase(self, wallet: bytes) -> list[Step]:
        para, back, steps = self.files[PARA], self.files[BACK], []
        if self.real and self.count <= self.meter_count and back[17:23] == para[36:42]:  # the meter has accepted it
            steps = [(PARA, KIND_AT, _frame(0x01, para[4:KIND_AT] + b"\x02")[KIND_AT:44])]
        steps += self._shut(self.last)
        if self.real:
            steps += [(BACK, 47, _kept(back)), (BACK, 2, bytes(2) + back[4:5] + bytes(3))]
        return [*steps, (WALLET, 0, wallet), *self._opened()]

    def _reverse(self, count: int, there: bool) -> list[Step]:
        if self.real and count <= self.meter_count:
            raise Refused(0x17)
        if not there and (count != self.last + 1 or self.state == 1):
            raise Refused(0x0D)
        if self.state == 3:
            raise Refused(0x0C)
        if not there:
            return []
        steps = [*self._shut(count - 1), (WALLET, 4, (count - 1).to_bytes(4)), (WALLET, 0, bytes(4))]
        if not self.real:
            return steps + self._opened()
        back = _frame(0x11, self.files[BACK][4:5] + self.files[PARA][24:27] + self.files[BACK][8:47])
        return [*steps, (BACK, 2, back[2:8]), (BACK, 47, back[47:48]), (BACK, 1, back[1:2])]

    def _clear(self, items: Items) -> list[Step]:
        if self.kind:
            self._same(items)
            if self.kind != 5 and int.from_bytes(items[COUNT]) != self.last:
                raise Refused(0x0D)
            if self.state in (1, 3) and items.get(INSIST) != b"\x01":
                raise Refused(0x0C)
        return CLEARED

    def _new(self, command: int, items: Items) -> list[Step]:
        """OPEN, REISSUE and SET; the same once more while neither meter nor purchase has come between."""
        bought = command in TOGETHER and AMOUNT in items
        count = int.from_bytes(items.get(COUNT, b"")) if command in TOGETHER else 0
        try:
            new = _made(command, items, (items[AMOUNT] if bought else bytes(4)) + count.to_bytes(4))
        except Refused:
            new = None
        if self.kind:
            if new is None or self.met or any(self.files[name] != content for name, content in new.items()):
                raise Refused(0x0B)
            return []
        if bought and (count == 0 or (command == OPEN and count != 1)):
            raise Refused(0x0D)
        if new is None:
            raise Refused(0x0E)
        if bought:
            self._check_value(int.from_bytes(items[AMOUNT]))
        para, at = new.pop(PARA), 1 if command == SET else KIND_AT
        blank = para[:at] + (b"\x01" if command == SET else b"\x00") + para[at + 1 :]
        steps = [(name, 0, content) for name, content in ((BACK, bytes(49)), *new.items(), (PARA, blank))]
        return [(PARA, 0, b"\x68"), (PARA, 6, b"\x13"), *steps, (PARA, at, para[at : at + 1])]


def _made(command: int, items: Items, wallet: bytes) -> Files:
    """81, 82 and the tariff file of a new card. Refused 0E when they cannot hold an item."""
    region, tariff = items[REGION].decode(), items.keys() & {PRICES, BOUNDS, SINCE}
    numbers = items.keys() & NUMBERS.keys()
    unheld = {SET: items.keys() & {METER}, REISSUE: numbers or (tariff and SINCE not in tariff)}.get(command)
    if len(region) > 6 or items.keys() & {0x0401, 0x0404} or unheld:
        raise Refused(0x0E)  # a meter takes from a reissued card nothing but the tariff from a day on
    user, flags, tariffs, file = _tariff_file(0x06 if command == SET else 0x01, items)
    content = bytes((user, flags | 0x80 * bool(numbers), 0x13)) + bytes.fromhex(region.ljust(6, "f"))
    content += (file[196:201] if SINCE in items else bytes(5)) + bytes((tariffs,))
    for di, (at, width) in NUMBERS.items():
        ratio = at >= 24
        number = int.from_bytes(items.get(di, bytes((ratio,))))
        if ratio and not number:
            raise Refused(0x0E)
        content += _bcd(number, width)
    if command != SET:
        if any(len(items[di]) != 12 or not items[di].strip(b"0") for di in WHO):
            raise Refused(0x0E)
        content += bytes.fromhex((items[METER] + items[CUSTOMER]).decode()) + bytes((1 if command == OPEN else 3,))
    files = {PARA: _frame(0x06 if command == SET else 0x01, content).ljust(45, b"\x00"), WALLET: wallet}
    return files | ({LATER if SINCE in items else NOW: file} if tariff else {})


CLEARED: list[Step] = [
    (PARA, KIND_AT, b"\x00"), (PARA, 1, b"\x01"),
    (PARA, 0, _frame(0x01, bytes(2) + bytes.fromhex("13FFFFFF") + bytes(33))),
    *((name, 0, bytes(SIZES[name])) for name in (WALLET, NOW, LATER, BACK)),
]  # fmt: skip


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
        if files[PARA][:1] + files[PARA][6:7] != b"\x68\x13":  # no mark; 00 and FF alone may be made an SGC card (§5)
            every = b"".join(files[name] for name in SIZES)
            marked = every[0] in b"\x00\xff\x68" and every[6] in b"\x00\xff\x13"  # torn while it was marked, or not yet
            used = (every[1:6] + every[7:]).strip(EMPTY) or not marked
            if used or command not in (OPEN, REISSUE, SET):
                raise Refused(0x05)
        try:
            card = Card(files)
        except Refused:
            if command != CLEAR or items.get(INSIST) != b"\x01":
                raise
            return Card(self._write(icdev, password, files, CLEARED)).items()
        steps = _changes(files, card.plan(command, items)) if command != READ else []
        after = Card(self._write(icdev, password, files, steps)) if steps else card
        return card.items() if command == CLEAR else after.items()

    def _read(self, icdev: Any) -> Files:
        """All five files and the serial. Refused 03, 04, 05 (another CPU card), 0F."""
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

    def _unlock(self, icdev: Any, password: str, serial: bytes) -> TestKey:
        """EXTERNAL AUTHENTICATE with key 2; without a cryptogram it tells the tries. Refused 03, 06, 07, 14."""
        try:
            tries = icdev.transmit(bytes.fromhex("00820002"))  # 63Cx: x are left
            if not b"\x63\xc2" <= tries <= b"\x63\xcf":
                raise Refused(0x07)
            cipher = _cipher(password, serial)
            challenge = icdev.transmit(bytes.fromhex("0084000008"))[:-2]
            answer = icdev.transmit(bytes.fromhex("0082000208") + cipher.cryptogram(challenge))
        except CardPortError as fault:
            raise Refused(0x03 if fault.code == -1 else 0x07) from fault
        if answer != OK:
            raise Refused(0x07 if answer == b"\x69\x83" else 0x06)
        return cipher

    def _write(self, icdev: Any, password: str, files: Files, steps: list[Step]) -> Files:
        """Carries out the steps, each with its MAC, and reads back. Refused 06, 07, 10, 11, 12, 14."""
        cipher, wanted, failed = self._unlock(icdev, password, files[SERIAL]), dict(files), False
        try:
            for name, at, data in _changes(files, steps):
                wanted[name] = wanted[name][:at] + data + wanted[name][at + len(data) :]
                challenge = icdev.transmit(bytes.fromhex("0084000004"))[:-2]
                apdu = bytes((0x04, 0xD6, name, at, len(data) + 4)) + data
                if icdev.transmit(apdu + cipher.mac(challenge, apdu)) != OK:
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


def _changes(files: Files, steps: list[Step]) -> list[Step]:
    """The steps without the bytes that stand there already."""
    now, changes = dict(files), []
    for name, at, data in steps:
        old = now[name]
        now[name] = new = old[:at] + data + old[at + len(data) :]
        places = [place for place in range(len(old)) if old[place] != new[place]]
        if places:
            changes.append((name, places[0], new[places[0] : places[-1] + 1]))
    return changes
