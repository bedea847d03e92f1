"""What the value of each item looks like, contract 1 §1 and §3: one table for requests and answers.

A value is an ``int`` (numbers), a ``str`` (digit strings, times, texts) or ``bytes`` (everything else, unpacked no
further here). Both directions are strict: what does not fit its form never passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from kiosk.drivers.contract import DI, WIDTHS
from kiosk.drivers.frame import DATA_MAX, ItemFault, Items

Value = int | str | bytes
Values = dict[int, Value]

DIGITS: dict[int, int] = {DI.REGION: 8, DI.CUSTOMER: 20, DI.METER: 20, DI.TOKEN: 1024}
"""Digit strings and the most digits each may have."""
TIMES = frozenset((DI.WRITTEN_BACK_AT, DI.TARIFF_FROM, DI.WHEN))
TEXTS = frozenset((DI.DRIVER_VERSION, DI.TERMINAL, DI.OPERATOR, DI.ERROR_TEXT))
RAW = frozenset((DI.VENDOR_CODE, DI.COMMANDS, DI.CARD_TYPES, DI.SERIAL, DI.TARIFF, DI.LADDER, DI.SALE))
SIGNED = frozenset((DI.REMAINING,))
ROWS: dict[int, int] = {DI.TARIFF: 8, DI.LADDER: 4}
"""Bytes of one row of the tables."""
KNOWN = frozenset(DI)


def encode_items(values: Mapping[int, Value]) -> Items:
    """Values as a request carries them. ValueError names the item that does not fit."""
    return {di: _encode(di, value) for di, value in values.items()}


def decode_items(items: Mapping[int, bytes]) -> Values:
    """The known items of an answer; an unknown DI is skipped. Raises ItemFault.

    Digit strings may be empty: that is how an answer says "unknown".
    """
    return {di: _decode(di, raw) for di, raw in items.items() if di in KNOWN}


def _encode(di: int, value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode("ascii" if di in DIGITS or di in TIMES else "utf-8", "replace")
        fits = bool(raw) or di in TEXTS
    elif isinstance(value, bytes):
        raw, fits = value, bool(value)
    else:
        low, high = _range(di)
        if not low <= value <= high:
            raise ValueError(f"item {di:04X}: {value} is out of range")
        raw, fits = value.to_bytes(WIDTHS[di], "big", signed=di in SIGNED), True
    try:
        fits = fits and len(raw) <= DATA_MAX and _decode(di, raw) == value and _rows_in_order(di, raw)
    except ItemFault:
        fits = False
    if not fits:
        raise ValueError(f"item {di:04X}: {value!r} does not have the form of this item")
    return raw


def _rows_in_order(di: int, raw: bytes) -> bool:
    """§1: 0410 unique by (period, step), 0411 ascending. Only what we say is held to it: a card may hold anything."""
    rows = [raw[at : at + ROWS[di]] for at in range(0, len(raw), ROWS[di])] if di in ROWS else []
    if di == DI.TARIFF:
        return len({row[:2] for row in rows}) == len(rows) and all(row[2:4] == b"\0\0" for row in rows)
    return all(lower < upper for lower, upper in pairwise(rows))


def _range(di: int) -> tuple[int, int]:
    if di not in WIDTHS or di in RAW or di in TIMES:
        raise ValueError(f"item {di:04X} is not a number")
    bits = 8 * WIDTHS[di]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if di in SIGNED else (0, (1 << bits) - 1)


def _decode(di: int, raw: bytes) -> Value:
    if di in WIDTHS and len(raw) != WIDTHS[di]:
        raise ItemFault(f"item {di:04X} has {len(raw)} bytes, not {WIDTHS[di]}")
    if di in TEXTS:
        # A C library may well answer in GBK: its words are for the log and worth no fault.
        return raw.decode("utf-8", "backslashreplace")
    if di in DIGITS or di in TIMES:
        if not all(0x30 <= byte <= 0x39 for byte in raw):
            raise ItemFault(f"item {di:04X} is not digits")
        if len(raw) > DIGITS.get(di, 14):
            raise ItemFault(f"item {di:04X} has {len(raw)} digits, more than {DIGITS[di]}")
        return raw.decode("ascii")
    if di in RAW:
        if len(raw) % ROWS.get(di, 1):
            raise ItemFault(f"item {di:04X} has {len(raw)} bytes, not whole rows of {ROWS[di]}")
        return raw
    return int.from_bytes(raw, "big", signed=di in SIGNED)
