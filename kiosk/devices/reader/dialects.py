"""Which reader speaks which dialect, and what each dialect can do with which chip: three tables.

A contact reader's dialect is told by its PC/SC name; a contactless card (its ATR names it) is spoken to with PC/SC part
3's storage-card set by every maker's reader.
"""

from __future__ import annotations

from collections.abc import Callable

from kiosk.devices.reader.acs import sle44
from kiosk.devices.reader.apdu import Exchange
from kiosk.devices.reader.commands import ChipCommands
from kiosk.model.card import CardType

ACS, OMNIKEY, STORAGE = "acs", "omnikey", "storage"
NAMES: tuple[tuple[str, str], ...] = (("HID Global OMNIKEY 3x21", OMNIKEY),)
"""How the PC/SC name begins → dialect; every other reader is taken for an ACS one."""
COMMANDS: dict[str, dict[CardType, type[ChipCommands]]] = {
    ACS: {CardType.SLE4442: sle44.Sle4442Commands, CardType.SLE4428: sle44.Sle4428Commands},
    OMNIKEY: {},
    STORAGE: {},
}
PROBES: dict[str, tuple[Callable[[Exchange], CardType | None], ...]] = {ACS: (sle44.probe,), OMNIKEY: (), STORAGE: ()}
"""Tried in this order when the ATR does not tell the family; each reads only, and leaves a card it knows selected."""


def dialect_of(reader_name: str) -> str:
    """The dialect of a reader with this PC/SC name."""
    return next((dialect for name, dialect in NAMES if reader_name.startswith(name)), ACS)
