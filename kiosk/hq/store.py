"""The store: head office's database, one lock per log, nothing acknowledged before its COMMIT.

A log is changed only inside ``turn``: one thread, one transaction, one process. SQLite's is ``BEGIN IMMEDIATE`` (WAL,
``synchronous=FULL``); on PostgreSQL the log's row is locked, so that several offices may work on one database.
Frontiers are kept in memory; they are made from the stored leaf hashes and held against the newest stored checkpoint,
so a damaged database is found before it is cosigned, and what another office has stored meanwhile is found, too.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

from peewee import Database, fn

from kiosk.hq import database as db
from kiosk.hq.schema import Backup, backup_into, migrate
from kiosk.hq.tables import Alarm, Evidence, Log, OwnKey, StoredCheckpoint, StoredEntry
from kiosk.ledger.note import Checkpoint, Vkey, parse_checkpoint_note
from kiosk.ledger.tree import EMPTY_ROOT, Frontier
from kiosk.model.errors import LedgerFault

LEAVES_AT_ONCE = 65_536
# It locks out every other turn, and lets rows be added that name the log: those of ``transaction`` need no turn.
ROW_LOCK = "FOR NO KEY UPDATE"


def log_hash(origin: str) -> str:
    """<H>: lower-case hex SHA-256 of the origin."""
    return sha256(origin.encode()).hexdigest()


class Store:
    """Head office's database. Any thread may call."""

    def __init__(self, url: str, backups: Path | None = None, backup: Backup | None = None) -> None:
        """Makes the tables, or brings an older program's up to date, with a backup in ``backups`` before.

        Raises LedgerFault L-502.
        """
        self.database = db.open_database(url)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._locks_turn = threading.Lock()
        # SQLite takes one writer, and lets others poll for it: threads of one process queue up instead.
        self._writer: AbstractContextManager[object] = (
            threading.Lock() if db.is_sqlite(self.database) else nullcontext()
        )
        self._frontiers: dict[int, Frontier] = {}
        with db.faults():
            if db.is_sqlite(self.database):
                # This connection stays open: SQLite would empty and delete its WAL whenever the last one closes.
                self.database.connect(reuse_if_open=True)
            self.migrated = migrate(self.database, backup or backup_into(backups))
            db.warn_unless_durable(self.database)

    def close(self) -> None:
        """Closes this thread's connection, and those that nobody uses."""
        db.close(self.database)

    @contextmanager
    def session(self) -> Iterator[Database]:
        """A connection for reading. Raises LedgerFault L-502 when the database fails."""
        with db.session(self.database):
            yield self.database

    def log(self, log_id: str) -> Log | None:
        """The log of this <H>, as it stands now."""
        with self.session() as database:
            found: Log | None = Log.select().where(Log.hash == log_id).first(database)
            return found

    def logs(self) -> list[Log]:
        """Every log, by origin."""
        with self.session() as database:
            return list(Log.select().order_by(Log.origin).execute(database))

    def own_keys(self) -> list[str]:
        """Every vkey head office has cosigned with."""
        with self.session() as database:
            return [key.vkey for key in OwnKey.select().order_by(OwnKey.vkey).execute(database)]

    def add_own_key(self, vkey: Vkey) -> None:
        """Remembers a key of head office, for notes that come back after it was changed."""
        with self.session() as database:
            OwnKey.insert(vkey=str(vkey)).on_conflict_ignore().execute(database)

    def add_log(self, vkey: Vkey, now_ms: int) -> bool:
        """Enrols a terminal's epoch; False if it was already. Raises LedgerFault L-505 if it is under another key."""
        with self.session() as database, self.transaction():
            known = Log.select().where(Log.origin == vkey.name).first(database)
            if known is None:
                row = {"hash": log_hash(vkey.name), "origin": vkey.name, "vkey": str(vkey), "enrolled_ms": now_ms}
                Log.insert(row).execute(database)
            elif known.vkey != str(vkey):
                raise LedgerFault("L-505", f"{vkey.name} is enrolled with another key; a new key needs a new epoch")
            return known is None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What people do, in a session: all or nothing, one at a time, durable when it ends without an exception."""
        with self._writer, db.transaction(self.database):
            db.lock_everybody(self.database)
            yield

    @contextmanager
    def turn(self, log_id: str) -> Iterator[Turn | None]:
        """The one who may change this log; None if there is no such log. COMMIT when it ends without an exception."""
        with self._locks_turn:
            lock = self._locks[log_id]
        with lock, self.session() as database:
            with self._writer, db.transaction(database):
                query = Log.select().where(Log.hash == log_id)
                if not db.is_sqlite(database):
                    query = query.for_update(ROW_LOCK)  # type: ignore[arg-type]
                log = query.first(database)
                turn = None if log is None else Turn(database, log, self._frontiers.get(log.id))
                yield turn
                if turn is not None:
                    turn.write()
            if turn is not None and turn.frontier_made is not None:
                self._frontiers[turn.log.id] = turn.frontier_made


class Turn:
    """One log inside its transaction. ``log`` is the row as it was read, kept up to date by ``set``."""

    def __init__(self, database: Database, log: Log, frontier: Frontier | None) -> None:
        self.database = database
        self.log = log
        self.frontier_made: Frontier | None = frontier
        self._changed: dict[str, Any] = {}

    def set(self, **fields: Any) -> None:
        """Changes columns of the log's row, when the turn ends well."""
        self._changed |= fields
        for name, value in fields.items():
            setattr(self.log, name, value)

    def write(self) -> None:
        """Writes what was set."""
        if self._changed:
            Log.update(**self._changed).where(Log.id == self.log.id).execute(self.database)
            self._changed = {}

    def frontier(self) -> Frontier:
        """Of all stored entries. Raises LedgerFault L-501 if they do not make the newest stored checkpoint."""
        known, newest = self.frontier_made, self.newest()
        root = EMPTY_ROOT if newest is None else newest.root
        if known is not None and known.size < self.log.size:  # another office has stored entries since
            known = self._grown(known.copy())
        if known is None or known.size != self.log.size or known.root() != root:
            known = self._grown(Frontier())
            if known.size != self.log.size or known.root() != root:
                raise LedgerFault("L-501", f"the stored entries of {self.log.origin} do not make its checkpoint")
        self.frontier_made = known
        return known

    def _grown(self, frontier: Frontier) -> Frontier:
        for leaf in self.leaves(self.log.size, frontier.size):
            frontier.append(leaf)
        return frontier

    def root_at(self, size: int) -> bytes:
        """Root of the first ``size`` stored entries; there are so many."""
        note = self.note_at_least(size)
        if note is not None:
            checkpoint, _ = parse_checkpoint_note(note)
            if checkpoint.size == size:
                return checkpoint.root
        return Frontier(self.leaves(size)).root()

    def leaves(self, size: int, start: int = 0) -> Iterator[bytes]:
        """Leaf hashes of the first ``size`` entries, or of those from ``start`` on."""
        for first in range(start, size, LEAVES_AT_ONCE):
            end = min(size, first + LEAVES_AT_ONCE)
            here = (StoredEntry.log == self.log.id) & (StoredEntry.seq >= first) & (StoredEntry.seq < end)
            query = StoredEntry.select(StoredEntry.leaf).where(here).order_by(StoredEntry.seq)
            yield from [bytes(leaf) for (leaf,) in query.tuples().execute(self.database)]

    def newest(self) -> Checkpoint | None:
        """The checkpoint of all stored entries."""
        note = self.note_at_least(self.log.size) if self.log.size else None
        return None if note is None else parse_checkpoint_note(note)[0]

    def note_at_least(self, size: int) -> str | None:
        """The smallest stored checkpoint note of at least this size, verbatim."""
        here = (StoredCheckpoint.log == self.log.id) & (StoredCheckpoint.size >= size)
        row = StoredCheckpoint.select().where(here).order_by(StoredCheckpoint.size).first(self.database)
        return None if row is None else str(row.note)

    def append(self, entries: Sequence[bytes], leaves: Sequence[bytes], note: str, frontier: Frontier) -> None:
        """Adds entries behind the stored ones, and the checkpoint note of the size they make."""
        assert len(entries) == len(leaves) == frontier.size - self.log.size
        self.append_piece(self.log.size, entries, leaves)
        self.appended(note, frontier)

    def append_piece(self, first: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """Adds entries from number ``first`` on; the turn must not end well without ``appended`` behind the last."""
        db.put_entries(self.database, self.log.id, first, entries, leaves)

    def appended(self, note: str, frontier: Frontier) -> None:
        """The entries of this size are stored: adds the checkpoint note."""
        StoredCheckpoint.insert(log=self.log.id, size=frontier.size, note=note).execute(self.database)
        self.set(size=frontier.size)
        self.frontier_made = frontier

    def add_evidence(self, at_ms: int, refused: str, held: str, leaves: Sequence[bytes]) -> None:
        """Keeps the proof of a fork."""
        row = {"log": self.log.id, "at_ms": at_ms, "refused": refused, "held": held, "leaves": b"".join(leaves)}
        Evidence.insert(row).execute(self.database)

    def alarm(self, at_ms: int, what: str, detail: str = "", *, once: bool = True) -> bool:
        """Puts something before the people at head office; once, however often the terminal repeats it. Was it new?"""
        same = (Alarm.log == self.log.id) & (Alarm.what == what) & (Alarm.detail == detail)
        new = not once or Alarm.select().where(same).first(self.database) is None
        if new:
            Alarm.insert(log=self.log.id, at_ms=at_ms, what=what, detail=detail).execute(self.database)
        return new

    def alarm_about(self, at_ms: int, what: str, which: str, detail: str) -> None:
        """An alarm whose detail begins with ``which``: one of this log's for each, that tells how it stands by now."""
        same = (Alarm.log == self.log.id) & (Alarm.what == what)
        same &= fn.SUBSTR(Alarm.detail, 1, len(which)) == which
        known = Alarm.select().where(same).first(self.database)
        if known is None:
            Alarm.insert(log=self.log.id, at_ms=at_ms, what=what, detail=detail).execute(self.database)
        elif known.detail != detail:
            Alarm.update(detail=detail).where(Alarm.id == known.id).execute(self.database)
