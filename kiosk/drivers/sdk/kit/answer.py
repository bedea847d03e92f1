"""A driver's answer, taken apart, and the widths and forms contract 1 §3 gives its items."""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.drivers.contract import DI, WIDTHS, DriverError
from kiosk.drivers.frame import ERROR, SUCCESS, Frame, Items
from kiosk.model.card import CardKind

KNOWN, ERRORS, KINDS = frozenset(DI), frozenset(DriverError), frozenset(CardKind)
ALWAYS = (DI.KIND, DI.REGION, DI.CUSTOMER, DI.METER, DI.COUNT, DI.STATE)
"""The six items READ always gives."""
MAY_BE_GONE = frozenset((DI.AMOUNT, DI.ENERGY, DI.WHEN, DI.SALE, DI.TERMINAL, DI.OPERATOR))
"""What a layout with one record may lose of an older purchase (contract 1 §4.7; terminal and operator stand there too
where a vendor stores them)."""
SETTINGS = tuple(di for di in DI if 0x0400 < di < 0x0500)
DIGITS: dict[int, tuple[int, int]] = {DI.REGION: (0, 8), DI.CUSTOMER: (0, 20), DI.METER: (0, 20), DI.TOKEN: (1, 2048)}
TIMES = (DI.WRITTEN_BACK_AT, DI.TARIFF_FROM, DI.WHEN)
TEXTS = (DI.DRIVER_VERSION, DI.TERMINAL, DI.OPERATOR, DI.ERROR_TEXT)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer frame. ``error`` is None on success, else the code of FF01 (−1: it has none)."""

    raw: bytes
    items: Items
    error: int | None

    @property
    def ok(self) -> bool:
        """Whether the driver says it succeeded."""
        return self.error is None

    def number(self, di: int) -> int | None:
        """An unsigned item; None when it is left out."""
        value = self.items.get(di)
        return None if value is None else int.from_bytes(value, "big")

    def signed(self, di: int) -> int | None:
        """A signed item; None when it is left out."""
        value = self.items.get(di)
        return None if value is None else int.from_bytes(value, "big", signed=True)

    def digits(self, di: int) -> str:
        """A digit string; empty when unknown or left out."""
        return self.items.get(di, b"").decode("ascii", "replace")

    @property
    def said(self) -> str:
        """In words, for a report."""
        if self.error is None:
            return "success"
        name = DriverError(self.error).name if self.error in ERRORS else "no known code"
        text = self.items.get(DI.ERROR_TEXT, b"").decode("utf-8", "replace")
        return f"error {self.error & 0xFF:02X} ({name}{': ' + text if text else ''})"

    def meaning(self) -> Items:
        """The items that say something about the card; 01xx, FFxx and what the contract does not know left out."""
        return {di: value for di, value in self.items.items() if 0x0200 <= di < 0xFF00 and di in KNOWN}


def parse(raw: bytes, command: int) -> Answer:
    """The answer to ``command``. Raises ValueError (FrameFault, ItemFault) for nonsense."""
    frame = Frame.decode(raw)
    if frame.command not in (command | SUCCESS, command | ERROR):
        raise ValueError(f"the answer's C is {frame.command:02X}, not {command | SUCCESS:02X} or {command | ERROR:02X}")
    items = frame.items()
    if frame.command == command | SUCCESS:
        return Answer(raw, items, None)
    code = items.get(DI.ERROR_CODE, b"")
    return Answer(raw, items, code[0] if len(code) == 1 else -1)


def complaints(answer: Answer) -> list[str]:
    """What is wrong with the answer's items, in words; empty when all have their width and form."""
    found = [text for di, value in answer.items.items() for text in _item_complaints(di, value)]
    if not answer.ok:
        if DI.ERROR_CODE not in answer.items:
            found.append("an error answer without FF01")
        elif answer.error not in ERRORS:
            found.append(f"FF01 = {answer.error:02X} is not an error code of the contract")
        if DI.CARD_AFTER in answer.items and answer.items[DI.CARD_AFTER] not in (b"\0", b"\2"):
            found.append("FF03 is neither 0 nor 2")
    return found


def _item_complaints(di: int, value: bytes) -> list[str]:
    name = f"{di:04X}"
    width = WIDTHS.get(di)
    if width is not None and len(value) != width:
        return [f"{name} has {len(value)} bytes, not {width}"]
    if di in DIGITS and not (DIGITS[di][0] <= len(value) <= DIGITS[di][1] and _digits(value)):
        return [f"{name} is not {DIGITS[di][0]}–{DIGITS[di][1]} ASCII digits: {value!r}"]
    if di in TIMES and not _digits(value):
        return [f"{name} is not 14 ASCII digits: {value!r}"]
    if di in TEXTS and not _utf8(value):
        return [f"{name} is not UTF-8"]
    if di == DI.KIND and value[0] not in KINDS:
        return [f"{name} = {value[0]} is no card kind"]
    if di == DI.STATE and value[0] > 3:
        return [f"{name} = {value[0]} is no purchase state"]
    if di == DI.UNIT and value[0] not in (1, 2):
        return [f"{name} = {value[0]} is no unit"]
    if di == DI.VENDOR_CODE and not all(byte in b"0123456789ABCDEFabcdef" for byte in value):
        return [f"{name} is not four hex digits"]
    if (di == DI.TARIFF and len(value) % 8) or (di == DI.LADDER and len(value) % 4):
        return [f"{name} has {len(value)} bytes, not a whole number of rows"]
    return []


def _digits(value: bytes) -> bool:
    return all(0x30 <= byte <= 0x39 for byte in value)


def _utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
