"""How a driver reaches the card: contract 1 §6, the Python side of ``icdev``.

Three things wear this face: the reader host (a real card), the driver's end of its pipe, and every virtual card.
"""

from __future__ import annotations

from typing import Protocol

from kiosk.model.cardfault import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

__all__ = ["BAD_ARGUMENT", "DENIED", "IO_FAULT", "LOCKED", "NO_CARD", "CardPort", "CardPortError", "VirtualCard"]


class CardPort(Protocol):
    """The card as a driver sees it. Every method may raise ``CardPortError``."""

    def card_type(self) -> int:
        """Code of ``CardType``, 0 = no card."""

    def atr(self) -> bytes:
        """Answer to reset."""

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``, byte after byte in the order of the addresses; locked bytes drop silently."""

    def verify(self, which: int, secret: bytes) -> None:
        """Presents a secret, doing the whole counter procedure; −3 wrong (a try is burnt), −5 locked."""

    def tries_left(self, which: int) -> int:
        """Tries left for a secret; changes nothing."""

    def transmit(self, apdu: bytes) -> bytes:
        """A short APDU; the answer has SW1 SW2 at its end; 61xx and 6Cxx are followed already."""


class VirtualCard(CardPort, Protocol):
    """A chip made of software, on the desk and on the conformance kit's bench. ``copy.deepcopy`` copies the card.

    It may have two attributes more, where a pull in the middle of a write can leave more than one thing:
    ``tear_ways: tuple[str, ...]``, what may stand afterwards in the place that was being written ("prefix": the bytes
    handed over so far, and behind them what was there before; "old": what was there before; "erased": FF; others as
    the chip says), and ``tear_leaves: str``, the one of them that happens. The conformance kit tears cards in every way
    there is.
    """

    tear_after: int | None
    """Bytes that writes may still write (changed or not) before the card dies; dead: every call fails until reset()."""

    def reset(self) -> bytes:
        """Powered afresh: presented secrets are forgotten, a dead card lives again. Returns the ATR."""

    def image(self) -> bytes:
        """All that the chip remembers, secrets and counters included, for comparison."""
