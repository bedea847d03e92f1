"""The staff list in force at this terminal: opened in memory only, looked up by number or card, and a PIN tried.

For the service pages, and for `kiosk staff`. The list came down sealed (``terminals/<region>/<terminal>/staff.sealed``)
and lies on the shelf sealed; its entry ``staff.installed`` says which one counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.app.in_force import Shelf, shelf_of
from kiosk.app.pin_tries import PinTries, Verdict
from kiosk.billing.staff import Person, StaffList, parse_staff
from kiosk.config import Config
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.sealing import Opener, load_sealing_key, parse_sealed
from kiosk.model.clock import Clock
from kiosk.model.errors import ConfigFault

TRIES = "pin-tries.json"
INSTALLED = "staff.installed"


def open_staff(text: str, opener: Opener | None) -> StaffList:
    """The list that a sealed text holds. Raises ConfigFault F-717: sealed to another key, changed, no list, or the list
    inside is of another version than the seal says.
    """
    if opener is None:
        raise ConfigFault("F-717", "this terminal has no sealing key, so no staff list can be opened")
    try:
        sealed = parse_sealed(text)
        content = opener.open(sealed).decode()
    except (ConfigFault, UnicodeDecodeError) as error:
        why = error.args[0] if isinstance(error, ConfigFault) else "not a text"
        raise ConfigFault("F-717", f"the sealed staff list: {why}") from None
    listed = parse_staff(content)
    if listed.version != sealed.version:
        raise ConfigFault("F-717", "the staff list inside is of another version than its seal")
    return listed


def staff_in(digest: bytes, shelf: Shelf, opener: Opener | None) -> StaffList:
    """The list in force by its SHA-256 (``Memory.lists["staff"]``); b"": none yet. Raises ConfigFault F-717."""
    content = shelf.get(digest) if digest else None
    if content is None:
        raise ConfigFault("F-717", "no staff list has come from head office yet, or its file is damaged")
    return open_staff(content.decode("ascii", "replace"), opener)


@dataclass(frozen=True, slots=True)
class Staff:
    """Who may work here, and the count of wrong PINs."""

    listed: StaffList
    tries: PinTries

    def find(self, number: str) -> Person | None:
        """By number, or by the mark of a staff card."""
        return self.listed.find(number) or self.listed.with_card(number)

    def verify(self, number: str, pin: str) -> tuple[Person | None, Verdict]:
        """Whether it is their PIN; the person only if it is. Raises LedgerFault L-502: then nobody is let in."""
        person = self.find(number)
        verdict = self.tries.verify(person, pin)
        return (person if verdict.said == "right" else None), verdict


def tries_of(config: Config, clock: Clock) -> PinTries:
    """The terminal's count of wrong PINs; it outlives an epoch."""
    return PinTries(config.terminal.folder / TRIES, clock)


def staff_of(config: Config, clock: Clock) -> Staff:
    """The list in force as the ledger says, read beside a running kiosk. Raises ConfigFault F-717, LedgerFault L-501,
    L-505.
    """
    digest = b""
    with JournalReader(config.journal) as log:
        for raw in log.kept():
            if raw and INSTALLED.encode() in raw and (entry := decode(raw)).kind == INSTALLED:
                digest = entry.data["sha256"]
    terminal = config.terminal
    opener = load_sealing_key(config.sealing_key, config.keys.passphrase_file, f"{terminal.region}/{terminal.id}")
    return Staff(staff_in(digest, shelf_of(config), opener), tries_of(config, clock))
