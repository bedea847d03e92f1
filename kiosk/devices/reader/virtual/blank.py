"""Virtual cards by name of the family, as ``vendor.toml`` writes it (contract 1 §7, §9)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kiosk.devices.reader.virtual.at24 import PAGES, At24
from kiosk.devices.reader.virtual.at88sc102 import At88sc102
from kiosk.devices.reader.virtual.at88sc153 import At88sc153, At88sc1608
from kiosk.devices.reader.virtual.at88sc1604 import At88sc1604
from kiosk.devices.reader.virtual.mifare import Mifare1K
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.cardport import VirtualCard

MEMORY_CARDS: dict[str, Callable[[bytes, bytes], VirtualCard]] = {
    "SLE4442": Sle4442,
    "SLE4428": Sle4428,
    **{each.name: partial(At24, each) for each in PAGES},
    "AT88SC102": At88sc102,
    "AT88SC1604": At88sc1604,
    "AT88SC153": At88sc153,
    "AT88SC1608": At88sc1608,
    "MIFARE1K": Mifare1K,
}


def memory_card(type_name: str, memory: bytes, secret: bytes) -> VirtualCard:
    """A card with ``blank.bin`` in its zones and ``blank.toml``'s secret. ValueError: unknown family, wrong length."""
    if type_name not in MEMORY_CARDS:
        raise ValueError(f"no virtual card of the family {type_name}; there are {', '.join(MEMORY_CARDS)}")
    return MEMORY_CARDS[type_name](memory, secret)
