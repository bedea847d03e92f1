"""Which chip is in the reader: told by the ATR, and for memory cards by selecting a family and reading its first bytes.

Nothing here writes or presents a secret. Sources: the pseudo-ATRs ACS and HID print for SLE4442 and SLE4428, PC/SC
part 3 for MIFARE.
"""

from __future__ import annotations

from kiosk.devices.reader.acs.select import SELECT_BYTE, select
from kiosk.devices.reader.apdu import Exchange
from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.dialects import ACS, I2C_SIZES, PROBES, STORAGE
from kiosk.devices.reader.eeprom import I2C_CARDS
from kiosk.model.card import CardType

MEMORY_ATR = b"\x3b\x04"  # then the card's first four bytes
ATRS: dict[bytes, CardType] = {
    bytes.fromhex("3B04A2131091"): CardType.SLE4442,
    bytes.fromhex("3B0492231091"): CardType.SLE4428,
    bytes.fromhex("3B042CAA55A1"): CardType.AT88SC153,
    bytes.fromhex("3B042CAA55A0"): CardType.AT88SC1608,
    bytes.fromhex("3B8F8001804F0CA000000306030001000000006A"): CardType.MIFARE1K,
}
I2C_ATR = bytes.fromhex("3B044932432E")  # "I2C."; in a public list of ATRs, other readers make up another
CONTACTLESS = frozenset((CardType.MIFARE1K,))


def detect(exchange: Exchange, atr: bytes, dialect: str = ACS, choices: Choices | None = None) -> CardType | None:
    """The family, or None when it cannot be told. A memory card is left selected.

    An ATR that is no memory card's means a CPU card. Raises what ``exchange`` raises.
    """
    known = ATRS.get(atr)
    if known in CONTACTLESS:
        return known
    if known is not None:
        return known if dialect != ACS or select(exchange, SELECT_BYTE[known]) else None
    if not atr.startswith(MEMORY_ATR):
        return CardType.CPU if len(atr) > 2 else None
    probes = (I2C_SIZES[dialect],) if atr == I2C_ATR and dialect in I2C_SIZES else PROBES[dialect]
    told = next((found for probe in probes if (found := probe(exchange)) is not None), None)
    return CardType(choices.at24_type) if choices is not None and choices.at24_type and told in I2C_CARDS else told


def spoken_to(card_type: CardType | None, dialect: str) -> str:
    """The dialect for this card in a reader of that dialect."""
    return STORAGE if card_type in CONTACTLESS else dialect
