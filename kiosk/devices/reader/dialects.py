"""Which reader speaks which dialect, and what each dialect can do with which chip: three tables.

A contact reader's dialect is told by its PC/SC name; a contactless card (its ATR names it) is spoken to with PC/SC part
3's storage-card set by every maker's reader.
"""

from __future__ import annotations

from collections.abc import Callable

from kiosk.devices.reader.acs import at24, at88sc102, at88sc153, sle44
from kiosk.devices.reader.apdu import Exchange
from kiosk.devices.reader.commands import ChipCommands
from kiosk.devices.reader.omnikey import at24 as omnikey_at24
from kiosk.devices.reader.omnikey import sle44 as omnikey_sle44
from kiosk.devices.reader.storage.mifare import MifareCommands
from kiosk.model.card import CardType

ACS, OMNIKEY, STORAGE = "acs", "omnikey", "storage"
NAMES: tuple[tuple[str, str], ...] = (("HID Global OMNIKEY 3x21", OMNIKEY),)
"""How the PC/SC name begins → dialect; every other reader is taken for an ACS one."""
COMMANDS: dict[str, dict[CardType, type[ChipCommands]]] = {
    ACS: {
        CardType.SLE4442: sle44.Sle4442Commands,
        CardType.SLE4428: sle44.Sle4428Commands,
        **at24.COMMANDS,
        CardType.AT88SC102: at88sc102.At88sc102Commands,
        CardType.AT88SC153: at88sc153.At88sc153Commands,
        CardType.AT88SC1608: at88sc153.At88sc1608Commands,
    },
    OMNIKEY: {
        CardType.SLE4442: omnikey_sle44.Sle4442Commands,
        CardType.SLE4428: omnikey_sle44.Sle4428Commands,
        **omnikey_at24.COMMANDS,
    },
    STORAGE: {CardType.MIFARE1K: MifareCommands},
}
PROBES: dict[str, tuple[Callable[[Exchange], CardType | None], ...]] = {
    ACS: (at88sc102.probe, sle44.probe, at88sc153.probe, at24.probe),
    OMNIKEY: (omnikey_sle44.probe, omnikey_at24.probe),
    STORAGE: (),
}
"""Tried in this order when the ATR does not tell the family; each reads only, and leaves a card it knows selected."""
I2C_SIZES: dict[str, Callable[[Exchange], CardType | None]] = {ACS: at24.measure, OMNIKEY: omnikey_at24.measure}
"""Which of the I2C cards it is, when the ATR says that it is one."""


def dialect_of(reader_name: str) -> str:
    """The dialect of a reader with this PC/SC name."""
    return next((dialect for name, dialect in NAMES if reader_name.startswith(name)), ACS)
