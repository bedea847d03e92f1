"""SLE4428, SLE5528, FM4428: 1024 bytes, each with a protection bit, a secret of 2 bytes with 8 tries.

The counter stands at 1021, the secret at 1022–1023; it never shows here, not even after ``verify``.
"""

from __future__ import annotations

from kiosk.devices.reader.virtual.sle44 import Chip, Sle44
from kiosk.model.card import CardType

SLE4428 = Chip(
    type=CardType.SLE4428,
    atr=bytes.fromhex("3B0492231091"),
    size=1024,
    writable_end=1021,
    protectable=1024,
    secret_length=2,
    tries=8,
    header=bytes.fromhex("92231091"),
)


class Sle4428(Sle44):
    """A virtual SLE4428; new: secret FF FF, nothing protected. The last three bytes of ``memory`` are ignored."""

    chip = SLE4428

    def __init__(self, memory: bytes | None = None, secret: bytes | None = None) -> None:
        super().__init__(memory, secret)
        self._main[SLE4428.writable_end :] = b"\x00\x00\x00"

    def _visible(self) -> bytes:
        return bytes(self._main[: SLE4428.writable_end]) + bytes((self._counter, 0, 0))
