"""SLE4442 and SLE4428, whatever reader they are in: their measures, and the bytes they are known by."""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.model.card import CardType

MAIN, PROTECTION = 0, 1


@dataclass(frozen=True, slots=True)
class Family:
    """The measures of a chip. ``protectable``: bytes from 0 that have a protection bit."""

    type: CardType
    size: int
    writable_end: int
    protectable: int
    secret_length: int
    tries: int

    @property
    def counter_full(self) -> int:
        """The error counter after a right secret: 07 or FF."""
        return (1 << self.tries) - 1


FAMILIES = (
    Family(CardType.SLE4442, 256, 256, 32, 3, 3),
    Family(CardType.SLE4428, 1024, 1021, 1024, 2, 8),
)
MARKS = (
    (CardType.SLE4442, 6, bytes.fromhex("8115")),
    (CardType.SLE4442, 0, bytes.fromhex("A2131091")),
    (CardType.SLE4428, 0, bytes.fromhex("92231091")),
)
"""Family, place, bytes: 明华's marks."""
