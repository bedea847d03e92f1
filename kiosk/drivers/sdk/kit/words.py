"""Frames, items and cards in words, so that a vendor's programmer need not count bytes in a report."""

from __future__ import annotations

from kiosk.drivers.contract import DI, WIDTHS, Command, DriverError
from kiosk.drivers.frame import ERROR, SUCCESS, Frame

ROW = 32
DIGITS_OR_TEXT = frozenset((
    DI.VENDOR_CODE, DI.DRIVER_VERSION, DI.REGION, DI.CUSTOMER, DI.METER, DI.WRITTEN_BACK_AT, DI.TARIFF_FROM, DI.WHEN,
    DI.TERMINAL, DI.OPERATOR, DI.TOKEN, DI.ERROR_TEXT,
))  # fmt: skip
HEX = frozenset((DI.METER_STATUS, DI.ERROR_CODE))


def value_in_words(di: int, value: bytes | None) -> str:
    """An item's value: digits and texts as they are, numbers in decimal, else hex; None is an item left out."""
    if value is None:
        return "left out"
    if not value:
        return "empty"
    if di in DIGITS_OR_TEXT:
        text = value.decode("utf-8", "replace")
        return text if text.isprintable() else value.hex(" ")
    if di in WIDTHS and len(value) == WIDTHS[di] <= 8 and di not in HEX:
        return str(int.from_bytes(value, "big", signed=di == DI.REMAINING))
    return value.hex().upper() if di in HEX else value.hex()


def frame_in_words(raw: bytes) -> str:
    """One line: the command or how it was answered, and the items; "" for what is no frame with items."""
    try:
        frame = Frame.decode(raw)
        items = frame.items()
    except ValueError:
        return ""
    said = " · ".join(f"{di:04X} {value_in_words(di, value)}" for di, value in items.items())
    return f"{_head(frame.command, items.get(DI.ERROR_CODE, b''))}: {said}" if said else _head(frame.command, b"")


def _head(code: int, error: bytes) -> str:
    command = code & 0x3F
    name = Command(command).name if command in set(Command) else f"command {command:02X}"
    if code == command | SUCCESS:
        return f"{name} succeeded"
    if code == command | ERROR:
        known = len(error) == 1 and error[0] in set(DriverError)
        return f"{name} refused, {DriverError(error[0]).name}" if known else f"{name} refused"
    return name


def bytes_in_rows(content: bytes, first: int = 0) -> list[str]:
    """A dump with addresses in decimal, 32 bytes a row; rows that repeat FF or 00 are left out."""
    rows = []
    for at in range(0, len(content), ROW):
        row = content[at : at + ROW]
        if row.strip(b"\xff") and row.strip(b"\0"):
            rows.append(f"{first + at:4d}  {row.hex(' ')}")
    return rows or [f"{first:4d}  nothing but FF or 00"]
