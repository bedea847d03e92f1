"""SLE4442, SLE5542, FM4442: 256 bytes, 32 protection bits, a secret of 3 bytes with 3 tries (07 → 03 → 01 → 00)."""

from __future__ import annotations

from kiosk.devices.reader.virtual.sle44 import Chip, Sle44
from kiosk.model.card import CardType

SLE4442 = Chip(
    type=CardType.SLE4442,
    atr=bytes.fromhex("3B04A2131091"),
    size=256,
    writable_end=256,
    protectable=32,
    secret_length=3,
    tries=3,
    header=bytes.fromhex("A2131091460B8115"),  # 明华's sample card
)


class Sle4442(Sle44):
    """A virtual SLE4442; new: secret FF FF FF, nothing protected."""

    chip = SLE4442
