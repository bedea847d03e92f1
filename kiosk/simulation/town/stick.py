"""A field worker's stick in the simulation: the real rounds at kiosks and head office, on a medium that may be pulled.

What must hold at once: "safe to remove" is true, whatever the medium had not flushed; what a round has carried is what
head office takes; no honest stick ever stops a kiosk.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from kiosk.hq.stick import Told, import_stick
from kiosk.ledger.journal import JournalReader
from kiosk.model.errors import LedgerFault
from kiosk.simulation.database import connect
from kiosk.simulation.medium import Medium, Tree
from kiosk.simulation.power import PowerCut
from kiosk.simulation.town.chance import Chance
from kiosk.simulation.town.courier import HeadOffice
from kiosk.simulation.town.station import Station
from kiosk.sync.stick import Round, Stick

OPS_MAX = 120  # a pull falls on one of a round's first so many operations
FAULTS = {"stick pulled": errno.EIO, "stick full": errno.ENOSPC}
OLD_MAX = 5
TAKEN = {"taken", "known", "old", "restoring"}
UNFINISHED = {"unfinished", "damaged", "unreadable"}
NEVER_HONEST = {"ack-stop", "holds-more", "differs", "occupied"}


class Broken(AssertionError):
    """Something that must hold does not."""


class Pocket:
    """The stick, and older ones in the drawer."""

    def __init__(self, office: HeadOffice, chance: Chance) -> None:
        self._office, self._chance = office, chance
        self._medium = Medium()
        self._drawer: list[Tree] = []
        self._carried: dict[str, int] = {}  # entries of each log that a round said are safe on this stick
        self.rounds = self.taken = 0  # rounds that carried everything; folders that head office took

    def at_the_kiosk(self, station: Station) -> None:
        """One round. Raises PowerCut when the kiosk's disk loses its power, Broken."""
        self._perhaps_another()
        self._perhaps_bad()
        done, size = None, 0
        try:
            done, size = self._round(station)
        except LedgerFault:
            self._carried.pop(station.origin, None)  # this disk does not give what it has just now; the next round will
        finally:
            self._drawn(safe=done is not None and done.carried)
        if done is not None:
            self._judge(station, done, size)

    def _round(self, station: Station) -> tuple[Round, int]:
        reader = JournalReader(station.path, connect(station.disk))
        try:
            stick = Stick(self._medium, reader, station.sync_file, [self._office.signer.vkey], station.clock)
            steps = stick.round()
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    return end.value, reader.size
        finally:
            with suppress(PowerCut, LedgerFault):
                reader.close()

    def _judge(self, station: Station, done: Round, size: int) -> None:
        said = {done.taken.sentence, done.written.sentence}
        self._chance.tell(f"stick at {station.name}: {done.taken.sentence}, {done.written.sentence}")
        if said & NEVER_HONEST:
            raise Broken(f"{station.name}: a stick that nobody bent was met with {', '.join(sorted(said))}")
        if done.carried:
            self.rounds += 1
            self._carried[station.origin] = size
        else:
            self._carried.pop(station.origin, None)

    def at_head_office(self) -> None:
        """Everything on it is taken; answers go back on it. Raises Broken."""
        if self._chance.happens("head office down"):
            return
        self._perhaps_bad()
        told = list(import_stick(self._office.office, self._medium))
        pulled = self._is_pulled
        self._drawn(safe=not pulled)
        for each in told:
            self._chance.tell(f"stick at head office: {each.name} {each.said} {each.held}, answer {each.answered}")
            self._judge_import(each, pulled=pulled)
        missing = self._carried.keys() - {each.name for each in told}
        if missing and not pulled:
            raise Broken(f"{', '.join(sorted(missing))} were safe on the stick, and head office did not see them")

    def _judge_import(self, told: Told, *, pulled: bool) -> None:
        size = self._carried.get(told.name)
        if told.said in TAKEN:
            self.taken += 1
        elif told.said not in UNFINISHED:
            raise Broken(f"head office met the stick's {told.name} with {told.said}")
        elif size is not None and not pulled:
            raise Broken(f"{told.name}: {size} entries were safe on the stick, and head office found it {told.said}")
        if size is not None and told.said in TAKEN and told.size < size:
            raise Broken(f"{told.name}: {size} entries were safe on the stick, and it had {told.size}")

    def _perhaps_another(self) -> None:
        """It was lost, and a new one is bought; or an old one is taken from the drawer."""
        tree = self._medium.tree
        if self._chance.happens("stick lost"):
            self._medium, self._carried = Medium(), {}
        elif self._drawer and self._chance.happens("old stick brought"):
            self._medium, self._carried = Medium(self._chance.random.choice(self._drawer)), {}
        self._drawer = [*self._drawer[1 - OLD_MAX :], tree]

    def _perhaps_bad(self) -> None:
        medium = self._medium = Medium(self._medium.tree)
        for fault, code in FAULTS.items():
            if medium.cut_at is None and self._chance.lies_ahead(fault):
                medium.cut_at, medium.code = self._chance.random.randrange(OPS_MAX), code

    @property
    def _is_pulled(self) -> bool:
        medium = self._medium
        return medium.cut_at is not None and medium.ops > medium.cut_at

    def _drawn(self, *, safe: bool) -> None:
        """It is taken out. ``safe``: that was said, so what was not flushed is lost."""
        if self._is_pulled:
            self._chance.happened(next(fault for fault, code in FAULTS.items() if code == self._medium.code))
        self._medium = self._medium.left(0 if safe else self._chance.random.randrange(8))
