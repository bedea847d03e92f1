"""Head office in the simulation: the real office on a real database, behind a road that loses, doubles and delays."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.hq.enrol import enrol
from kiosk.hq.office import Answer, Office
from kiosk.hq.store import Store, log_hash
from kiosk.hq.tables import Alarm, Balance, Published, Redemption
from kiosk.hq.witness import Witness
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE, Vkey
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault
from kiosk.simulation.town.chance import Chance
from kiosk.sync.answers import Reply
from kiosk.sync.batch import Batch, decode_batch, encode_batch

DOMAIN = "power.example"
LATE_MAX = 8  # requests that are kept on the way
KEPT_APART = (Redemption, Published)


class HeadOffice:
    """Its database lies in ``folder``."""

    def __init__(self, folder: Path, clock: Clock, chance: Chance) -> None:
        self._folder, self.clock, self._chance = folder, clock, chance
        secret = Ed25519PrivateKey.from_private_bytes(sha256(b"NEVER USE: head office").digest())
        self.signer = KeySigner(secret, f"{DOMAIN}/ledger-hq/1", HEAD_OFFICE)
        self._open()

    def _open(self) -> None:
        self.store = Store(f"sqlite:///{self._folder / 'hq.db'}")
        self.office = Office(self.store, Witness(self.signer, self.clock), self.clock)

    def close(self) -> None:
        """Closes the database."""
        self.store.close()

    def enrol(self, vkey: Vkey) -> None:
        """A terminal becomes known."""
        enrol(self.store, str(vkey), self.clock.utc_ms())

    def back_up(self) -> None:
        """Copies the database."""
        self.store.close()
        for file in self._folder.glob("hq.db*"):
            shutil.copy(file, self._folder / f"old-{file.name}")
        self._open()

    def restore(self) -> bool:
        """The last copy takes the database's place, but for what was redeemed, which is kept apart (decision 12).

        False if there is no copy.
        """
        if not (self._folder / "old-hq.db").exists():
            return False
        with self.store.session() as database:
            kept = {table: list(table.select().dicts().execute(database)) for table in KEPT_APART}
        self.store.close()
        for file in self._folder.glob("hq.db*"):
            file.unlink()
        for file in self._folder.glob("old-hq.db*"):
            shutil.copy(file, self._folder / file.name.removeprefix("old-"))
        self._open()
        with self.store.session() as database:
            for table, rows in kept.items():
                table.delete().execute(database)
                for row in rows:
                    table.insert(**row).execute(database)
        return True

    def balances(self, origin: str) -> dict[str, int]:
        """What head office's books say of one terminal."""
        log = self.store.log(log_hash(origin))
        assert log is not None, "not enrolled"
        with self.store.session() as database:
            rows = Balance.select().where(Balance.log == log.id).execute(database)
            return {row.account: row.fen for row in rows if row.fen}

    def alarms(self, what: str) -> list[str]:
        """What head office told people, of one kind."""
        with self.store.session() as database:
            return [row.detail for row in Alarm.select().where(Alarm.what == what).execute(database)]

    def size(self, origin: str) -> int:
        """How many entries it has of one terminal."""
        log = self.store.log(log_hash(origin))
        return 0 if log is None else int(log.size)


class Road:
    """One terminal's way to head office, in the place of ``Door``; outlives the terminal's processes."""

    def __init__(self, office: HeadOffice, origin: str, chance: Chance) -> None:
        self._office, self._origin, self._id, self._chance = office, origin, log_hash(origin), chance
        self._late: list[Batch] = []
        self.there = not chance.happens("no line at all")

    def ask(self) -> Reply | None:
        """GET checkpoint."""
        if not self._arrives():
            return None
        return self._back(lambda: self._office.office.checkpoint(self._id))

    def send(self, batch: Batch) -> Reply | None:
        """POST entries; perhaps twice, perhaps later, perhaps in vain."""
        batch = decode_batch(encode_batch(batch))
        chance = self._chance
        if not self._arrives():
            return None
        if chance.happens("request kept and delivered late"):
            self._late = [*self._late[-LATE_MAX:], batch]
            return None
        if self._late and chance.random.random() < 0.3:
            late = self._late.pop(chance.random.randrange(len(self._late)))
            self._back(lambda: self._office.office.take(self._id, late))
        if chance.happens("request doubled"):
            self._back(lambda: self._office.office.take(self._id, batch))
        return self._back(lambda: self._office.office.take(self._id, batch))

    def bring(self, cosigned_note: str) -> Reply | None:
        """POST checkpoint."""
        if not self._arrives():
            return None
        return self._back(lambda: self._office.office.take_floor(self._id, cosigned_note))

    def _arrives(self) -> bool:
        return self.there and not self._chance.happens("request lost")

    def _back(self, act: object) -> Reply | None:
        if self._chance.happens("head office down"):
            return Reply(503)
        try:
            answer: Answer = act()  # type: ignore[operator]
        except LedgerFault:
            return Reply(503)
        return None if self._chance.happens("answer lost") else Reply(answer.status, answer.body.encode())
