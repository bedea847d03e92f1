"""Which reader shows a virtual card to a PC: a CPU card speaks for itself, a memory chip needs a reader's commands."""

from __future__ import annotations

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.storage.face import StorageFace
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.mifare import Mifare1K
from kiosk.devices.reader.vpcd import CardFace
from kiosk.model.cardport import VirtualCard


def face_of(chip: VirtualCard, byte_ms: int = 0) -> CardFace:
    """The card in the reader it needs. ``byte_ms``: what writing a byte takes a memory chip, or half a MIFARE block."""
    if isinstance(chip, VirtualCpuCard):
        return chip.card
    if isinstance(chip, Mifare1K):
        return StorageFace(chip, block_ms=2 * byte_ms)
    return AcsFace(chip, byte_ms=byte_ms)
