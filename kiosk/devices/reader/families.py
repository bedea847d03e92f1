"""Which chip is in the reader: told by the ATR, and for memory cards by selecting a family and reading its first bytes.

Nothing here writes or presents a secret. Sources: the pseudo-ATRs ACS and HID print for SLE4442 and SLE4428, PC/SC
part 3 for MIFARE, 明华's marks (bytes 6–7 ``81 15`` of an SLE4442, bytes 0–3 ``92 23 10 91`` of an SLE4428).
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.model.card import CardType

MEMORY_ATR = b"\x3b\x04"  # then the card's first four bytes
ATRS: dict[bytes, CardType] = {
    bytes.fromhex("3B04A2131091"): CardType.SLE4442,
    bytes.fromhex("3B0492231091"): CardType.SLE4428,
    bytes.fromhex("3B8F8001804F0CA000000306030001000000006A"): CardType.MIFARE1K,
}


@dataclass(frozen=True, slots=True)
class Family:
    """How an ACS reader is asked for a memory family."""

    type: CardType
    select: int
    size: int
    writable_end: int
    protectable: int
    secret_length: int
    tries: int

    @property
    def counter_full(self) -> int:
        """The error counter after a right secret: ``90 07`` or ``90 FF``."""
        return (1 << self.tries) - 1


FAMILIES: dict[CardType, Family] = {
    CardType.SLE4442: Family(CardType.SLE4442, 0x06, 256, 256, 32, 3, 3),
    CardType.SLE4428: Family(CardType.SLE4428, 0x05, 1024, 1021, 1024, 2, 8),
}


def select(exchange: Exchange, family: Family) -> bool:
    """FF A4, which must come before any other command for a memory card."""
    return exchange(bytes((0xFF, 0xA4, 0x00, 0x00, 0x01, family.select))) == OK


def detect(exchange: Exchange, atr: bytes) -> CardType | None:
    """The family, or None when it cannot be told. A memory card is left selected.

    An ATR that is no memory card's means a CPU card. Raises what ``exchange`` raises.
    """
    known = ATRS.get(atr)
    if known in FAMILIES:
        return known if select(exchange, FAMILIES[known]) else None
    if known is not None:
        return known
    if not atr.startswith(MEMORY_ATR):
        return CardType.CPU if len(atr) > 2 else None
    for card_type, offset, mark in (
        (CardType.SLE4442, 6, bytes.fromhex("8115")),
        (CardType.SLE4442, 0, bytes.fromhex("A2131091")),
        (CardType.SLE4428, 0, bytes.fromhex("92231091")),
    ):
        if select(exchange, FAMILIES[card_type]):
            first = exchange(bytes.fromhex("FFB0000008"))
            if first[-2:] == OK and first[offset : offset + len(mark)] == mark:
                return card_type
    return None
