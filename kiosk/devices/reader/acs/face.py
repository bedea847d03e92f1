"""An ACS reader as a PC meets it, with a virtual memory chip in it.

The traps of the real thing are kept: nothing works before FF A4, and a selection of the wrong family is accepted but
reads FF. What a family's commands are stands in its ``face_….py``.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

from kiosk.devices.reader.acs.face_at24 import At24Face
from kiosk.devices.reader.acs.face_at88sc102 import At88sc102Face
from kiosk.devices.reader.acs.face_at88sc153 import At88PagedFace
from kiosk.devices.reader.acs.face_sle44 import Sle44Face
from kiosk.devices.reader.acs.select import SELECT_BYTE
from kiosk.devices.reader.eeprom import I2C_CARDS
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, CardPortError, VirtualCard

OK = bytes.fromhex("9000")
FAILED = bytes.fromhex("6300")
WRONG_LENGTH = bytes.fromhex("6700")
NOT_VERIFIED = bytes.fromhex("6982")  # our own choice; the manuals do not say
NOT_SELECTED = bytes.fromhex("6985")  # our own choice
OUTSIDE = bytes.fromhex("6B00")
NO_CLASS = bytes.fromhex("6E00")
READS = (0xB0, 0xB1, 0xB2, 0xB3)


class ChipFace(Protocol):
    """One family's commands, made anew each time the card is powered. ``byte_ms``: what writing a byte takes."""

    def __init__(self, chip: VirtualCard, protection_follows: bool, byte_ms: int) -> None: ...

    def command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
        """The answer with SW1 SW2; ``addr`` is P1 P2. May raise what the chip raises."""


CHIP_FACES: dict[CardType, type[ChipFace]] = {
    CardType.SLE4442: Sle44Face,
    CardType.SLE4428: Sle44Face,
    **dict.fromkeys(I2C_CARDS, At24Face),
    CardType.AT88SC102: At88sc102Face,
    CardType.AT88SC153: At88PagedFace,
    CardType.AT88SC1608: At88PagedFace,
}


class AcsFace:
    """``chip`` in an ACS reader. Has the shape vpcd's other end serves: ``reset`` and ``transmit``.

    ``protection_follows``: as the ACR38 of 2006 does, protection bytes follow the data of FF B0 (4 on an SLE4442,
    1 + INT(N / 8) on an SLE4428), and FF B2 reads data without them. ``byte_ms``: what writing a byte takes; a real
    SLE44xx needs 2.5 ms to erase and 2.5 ms to write it (Infineon SLE 4432/4442, July 1995).
    """

    def __init__(self, chip: VirtualCard, protection_follows: bool = False, byte_ms: int = 0) -> None:
        self.chip = chip
        self._type = CardType(chip.card_type())
        self._new_face = partial(CHIP_FACES[self._type], chip, protection_follows, byte_ms)
        self._face = self._new_face()
        self._selected: int | None = None

    def reset(self) -> bytes:
        """Powered afresh; the selection is lost, too."""
        self._selected = None
        self._face = self._new_face()
        return self.chip.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """One pseudo-APDU; b"" when the card was pulled."""
        if len(apdu) < 5:
            return WRONG_LENGTH
        if apdu[0] != 0xFF:
            return NO_CLASS
        instruction, addr, p3, data = apdu[1], apdu[2] << 8 | apdu[3], apdu[4], apdu[5:]
        try:
            if instruction == 0xA4:
                return self._select(data)
            if self._selected is None:
                return NOT_SELECTED
            if self._selected != SELECT_BYTE[self._type]:
                return self._wrong_family(instruction, p3)
            return self._face.command(instruction, addr, p3, data)
        except CardPortError as fault:
            return {BAD_ARGUMENT: OUTSIDE, DENIED: NOT_VERIFIED}.get(fault.code, b"")

    def _select(self, data: bytes) -> bytes:
        if len(data) != 1:
            return WRONG_LENGTH
        self.chip.atr()  # a dead card does not answer
        self._selected = data[0]
        return OK

    def _wrong_family(self, instruction: int, length: int) -> bytes:
        self.chip.atr()
        return b"\xff" * length + OK if instruction in READS else FAILED
