"""An OMNIKEY 3x21 as a PC meets it, with a virtual memory chip in it. What a family's commands are stands beside it.

Status words that the sources do not give are our own choice: 6F 00 for what the card does not acknowledge, 69 85 for an
I2C card whose measures were not told, 67 00 for wrong lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kiosk.devices.reader.eeprom import I2C_CARDS
from kiosk.devices.reader.omnikey.face_at24 import At24Face
from kiosk.devices.reader.omnikey.face_sle44 import Sle44Face
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, CardPortError, VirtualCard

WRONG_LENGTH = bytes.fromhex("6700")
NOT_VERIFIED = bytes.fromhex("6982")
NO_SUCH_PLACE = bytes.fromhex("6A82")
NO_CLASS = bytes.fromhex("6E00")


@dataclass(frozen=True, slots=True)
class Body:
    """What follows the header. ``expected`` (Le): 1 to 256, 0 when nothing is expected."""

    data: bytes
    expected: int


class ChipFace(Protocol):
    """One family's commands, made anew each time the card is powered."""

    def __init__(self, chip: VirtualCard, raw: str, byte_ms: int) -> None: ...

    def command(self, instruction: int, place: int, data: bytes, expected: int) -> bytes:
        """The answer with SW1 SW2; ``place`` is P1 P2. May raise what the chip raises."""


CHIP_FACES: dict[CardType, type[ChipFace]] = {
    CardType.SLE4442: Sle44Face,
    CardType.SLE4428: Sle44Face,
    **dict.fromkeys(I2C_CARDS, At24Face),
}


class OmnikeyFace:
    """``chip`` in an OMNIKEY 3x21: what vpcd's other end serves, ``reset`` and ``transmit``.

    ``raw``: how FF 70 07 6B is answered: ``"9D"`` as HID's sample code expects it, ``"BD"`` as the guide prints it, ""
    not at all (an old reader). ``byte_ms``: what writing a byte (SLE44xx) or a page (AT24) takes.
    """

    def __init__(self, chip: VirtualCard, raw: str = "9D", byte_ms: int = 0) -> None:
        self.chip = chip
        self._new_face = partial(CHIP_FACES[CardType(chip.card_type())], chip, raw, byte_ms)
        self._face = self._new_face()

    def reset(self) -> bytes:
        """Powered afresh."""
        self._face = self._new_face()
        return self.chip.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """One pseudo-APDU; b"" when the card was pulled."""
        body = _body(apdu)
        if body is None:
            return WRONG_LENGTH
        if apdu[0] != 0xFF:
            return NO_CLASS
        try:
            return self._face.command(apdu[1], apdu[2] << 8 | apdu[3], body.data, body.expected)
        except CardPortError as fault:
            return {BAD_ARGUMENT: NO_SUCH_PLACE, DENIED: NOT_VERIFIED}.get(fault.code, b"")


def _body(apdu: bytes) -> Body | None:
    """Cases 1 to 4 of ISO 7816-4, short; None for any other length."""
    if len(apdu) < 4:
        return None
    if len(apdu) <= 5:
        return Body(b"", (apdu[4] or 256) if len(apdu) == 5 else 0)
    length, rest = apdu[4], apdu[5:]
    if length == 0 or len(rest) not in (length, length + 1):
        return None
    return Body(rest[:length], (rest[length] or 256) if len(rest) > length else 0)
