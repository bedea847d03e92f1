"""Which reader shows a virtual card to a PC: a CPU card speaks for itself, a memory chip needs a reader's commands."""

from __future__ import annotations

from kiosk.devices.reader.acs.face import CHIP_FACES, AcsFace
from kiosk.devices.reader.storage.face import StorageFace
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.mifare import Mifare1K
from kiosk.devices.reader.vpcd import CardFace
from kiosk.model.card import CardType
from kiosk.model.cardport import VirtualCard

NO_INSTRUCTION = bytes.fromhex("6D00")


class NoFace:
    """A chip no PC/SC reader has commands for (AT88SC1604); a reader on a serial line takes it as it is."""

    def __init__(self, chip: VirtualCard) -> None:
        self.chip = chip

    def reset(self) -> bytes:
        """Powered afresh."""
        return self.chip.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """Nothing is understood."""
        return NO_INSTRUCTION


def shown_over_pcsc(card_type: CardType) -> bool:
    """Whether a PC/SC reader can show cards of that family to a PC."""
    return card_type in CHIP_FACES or card_type in (CardType.CPU, CardType.MIFARE1K)


def face_of(chip: VirtualCard, byte_ms: int = 0) -> CardFace:
    """The card in the reader it needs. ``byte_ms``: what writing a byte takes a memory chip, or half a MIFARE block."""
    if isinstance(chip, VirtualCpuCard):
        return chip.card
    if isinstance(chip, Mifare1K):
        return StorageFace(chip, block_ms=2 * byte_ms)
    if not shown_over_pcsc(CardType(chip.card_type())):
        return NoFace(chip)
    return AcsFace(chip, byte_ms=byte_ms)
