"""What is the same for I2C cards behind every reader: how big a piece may be written, and how the size is told.

A card does not say how big it is. Only reading is done to find out: a block of 256 bytes that is not there does not
acknowledge, and in an AT24C01 address 128 is 0 again. So a card of 256 bytes whose halves hold the same cannot be told
from one of 128, and is taken for that: writing stays within what both have. ``Choices.at24_type`` overrules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar, cast

from kiosk.devices.reader.commands import Choices, Connection, check_place
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, CardPortError
from kiosk.model.chip import CHIPS

Read = Callable[[int, int], bytes | None]
"""(address, length) → the bytes; None where the card does not acknowledge."""

I2C_CARDS = (CardType.AT24C01, CardType.AT24C02, CardType.AT24C04, CardType.AT24C08, CardType.AT24C16)
SAFE_PIECE: dict[CardType, int] = {
    CardType.AT24C01: 4,
    CardType.AT24C02: 4,
    CardType.AT24C04: 8,
    CardType.AT24C08: 16,
    CardType.AT24C16: 16,
}
"""Bytes that lie in one page of every chip of that size that a source names; see docs/card-families.md."""
READ_MAX = 128  # bytes of one exchange
HALF = 128
LARGEST = (CardType.AT24C16, 1024), (CardType.AT24C08, 512), (CardType.AT24C04, 256)
"""Family, first address that the next smaller one does not have."""


def measured(read: Read) -> CardType | None:
    """The size of the I2C card behind ``read``; None when nothing acknowledges."""
    if read(0, 1) is None:
        return None
    for card_type, first in LARGEST:
        if read(first, 1) is not None:
            return card_type
    halves = read(0, HALF), read(HALF, HALF)
    return CardType.AT24C01 if halves[0] == halves[1] else CardType.AT24C02


def proven(read: Read) -> CardType | None:
    """As ``measured``, for readers that were not told "I2C" by the card: a wrong guess reads FF at every address, and
    so may a reader without a card that acknowledges. Only what differs from that counts."""
    found = measured(read)
    if found is CardType.AT24C16 and not any((read(at, HALF) or b"").strip(b"\xff") for at in range(0, 2048, HALF)):
        return None
    return found


def pieces(card_type: CardType, addr: int, data: bytes, choices: Choices) -> list[tuple[int, bytes]]:
    """``data`` cut at the borders of pages, so that no write rolls over."""
    page = choices.at24_page or SAFE_PIECE[card_type]
    cuts = [0, *range(page - addr % page, len(data), page), len(data)]
    return [(addr + start, data[start:end]) for start, end in pairwise(cuts)]


class At24Commands(ABC):
    """ChipCommands of an I2C card, but for what a reader's maker calls reading and writing."""

    type: CardType

    def __init__(self, connection: Connection, choices: Choices) -> None:
        self._connection, self._choices = connection, choices

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0."""
        self._check(zone, addr, length)
        cuts = range(addr, addr + length, READ_MAX)
        return b"".join(self._fetch(at, min(READ_MAX, addr + length - at)) for at in cuts)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Zone 0, at most a page at a time."""
        self._check(zone, addr, len(data))
        for at, piece in pieces(self.type, addr, data, self._choices):
            self._store(at, piece)

    def verify(self, which: int, secret: bytes) -> None:
        """−4."""
        raise CardPortError(BAD_ARGUMENT, f"an I2C card has no secret {which} ({len(secret)} bytes)")

    def tries_left(self, which: int) -> int:
        """−4."""
        raise CardPortError(BAD_ARGUMENT, f"an I2C card has no secret {which}")

    @abstractmethod
    def still_here(self) -> bool:
        """See ChipCommands."""

    @abstractmethod
    def _fetch(self, addr: int, length: int) -> bytes:
        """One exchange that reads."""

    @abstractmethod
    def _store(self, addr: int, piece: bytes) -> None:
        """One exchange that writes within a page."""

    def _check(self, zone: int, addr: int, length: int) -> None:
        if zone != 0:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(CHIPS[self.type].image_size, addr, length)


Commands = TypeVar("Commands", bound=At24Commands)


def for_each_size(base: type[Commands]) -> dict[CardType, type[Commands]]:
    """One class for each of the five, with its ``type``."""
    return {each: cast("type[Commands]", type(f"{each.name}Commands", (base,), {"type": each})) for each in I2C_CARDS}
