"""FF A4, which an ACS reader wants before any other command for a memory card (ACR38 and ACR1281U manuals)."""

from __future__ import annotations

from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.model.card import CardType

I2C_SMALL, AT88SC153, AT88SC1608, SLE4428, SLE4442, AT88SC102 = 0x01, 0x03, 0x04, 0x05, 0x06, 0x09
SELECT_BYTE: dict[CardType, int] = {
    CardType.SLE4428: SLE4428,
    CardType.SLE4442: SLE4442,
    CardType.AT88SC102: AT88SC102,
    CardType.AT88SC153: AT88SC153,
    CardType.AT88SC1608: AT88SC1608,
    CardType.AT24C01: I2C_SMALL,
    CardType.AT24C02: I2C_SMALL,
    CardType.AT24C04: I2C_SMALL,
    CardType.AT24C08: I2C_SMALL,
    CardType.AT24C16: I2C_SMALL,
}
"""Family → the byte that selects it."""


def select(exchange: Exchange, byte: int) -> bool:
    """Whether the reader took the selection; it does not say whether such a card is in."""
    return exchange(bytes((0xFF, 0xA4, 0x00, 0x00, 0x01, byte))) == OK
