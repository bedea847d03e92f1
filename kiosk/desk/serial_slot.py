"""The slot of a card reader on a serial line, in the desk's hands: what ``VirtualReader`` is to a PC/SC reader."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from kiosk.devices.link import PtyLine
from kiosk.devices.reader.serial.simulator import SerialReaderSimulator
from kiosk.devices.reader.vpcd import CardFace
from kiosk.model.cardport import CardPortError, VirtualCard


@runtime_checkable
class HasChip(Protocol):
    """A face with a memory chip behind it."""

    @property
    def chip(self) -> VirtualCard: ...


class SerialSlot:
    """One reader with one card at a time; it lives from ``start`` to ``close``."""

    def __init__(self, path: Path) -> None:
        self._line = PtyLine(path)
        self._reader = SerialReaderSimulator(self._line)
        self._chip: VirtualCard | None = None

    def start(self) -> None:
        """The reader has power."""
        self._reader.start()

    @property
    def occupied(self) -> bool:
        """Whether a card is in that still answers."""
        try:
            return self._chip is not None and bool(self._chip.atr() or True)
        except CardPortError:
            return False

    def insert(self, face: CardFace) -> None:
        """The chip behind the face into the slot; this reader knows no pseudo-APDUs."""
        assert isinstance(face, HasChip), "a serial reader takes memory cards"
        self._chip = face.chip
        self._chip.reset()
        self._reader.insert(self._chip, self._chip.reset)

    def remove(self) -> None:
        """The card out of the slot, if one is in."""
        self._chip = None
        self._reader.remove()

    def close(self) -> None:
        """The reader goes."""
        self._reader.close()
        self._line.close()
