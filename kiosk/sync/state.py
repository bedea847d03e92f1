"""What the uplink knows, in a file of its own: it is the only writer, the kiosk and ``kiosk sync status`` only read.

One row for each epoch's log, found by its origin: a new epoch begins with nothing known, and what was found out about
the old ones stays as evidence. ``cosigned_note`` is head office's newest answer verbatim: with it a rolled-back disk,
and a head office restored from an old backup, are recognised. Durable (WAL, ``synchronous=FULL``) before anything is
concluded from it. One process at a time holds the file, by a lock beside it.

What a stick brings lies in a second file of the same form, ``<name>.stick``, written by the stick's command alone, so
that it need not wait for an uplink that runs, rests or is not there. Who reads the state reads both.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any, Self

from kiosk.model.errors import LedgerFault

BUSY_TIMEOUT_S = 5

_TABLE = """CREATE TABLE IF NOT EXISTS state (
    origin TEXT PRIMARY KEY, cosigned_size INTEGER NOT NULL, cosigned_note TEXT NOT NULL,
    last_contact_ms INTEGER NOT NULL, problem_code TEXT NOT NULL, quarantined INTEGER NOT NULL,
    stop_selling INTEGER NOT NULL, evidence TEXT NOT NULL, wanted_size INTEGER NOT NULL
) STRICT"""

_WORK = """CREATE TABLE IF NOT EXISTS work (
    origin TEXT PRIMARY KEY, office_size INTEGER NOT NULL, gained INTEGER NOT NULL, spent_ms INTEGER NOT NULL,
    next_try_ms INTEGER NOT NULL, problem_ms INTEGER NOT NULL, refused_seq INTEGER NOT NULL
) STRICT"""


@dataclass(frozen=True, slots=True)
class SyncState:
    """How the terminal stands with head office. The fields are the table's columns."""

    cosigned_size: int = 0
    cosigned_note: str = ""  # head office's newest answer, verbatim
    last_contact_ms: int = 0  # UTC, of its last answer that was one; 0: never
    problem_code: str = ""  # L-5xx or S-6xx; "" when all is well
    quarantined: bool = False  # head office takes nothing until a person there decides
    stop_selling: bool = False  # only an answer with both signatures good sets it; a new epoch ends it
    evidence: str = ""  # that answer
    wanted_size: int = 0  # the terminal is asked to sign the checkpoint of this size (contract 2 §3, §6); 0: none


@dataclass(frozen=True, slots=True)
class SyncWork:
    """How the sending goes, for people. The fields are the table's columns."""

    office_size: int = 0  # entries that head office has, as far as it said
    gained: int = 0  # entries that went over of late …
    spent_ms: int = 0  # … in so long
    next_try_ms: int = 0  # UTC; 0: at work, or waiting for entries
    problem_ms: int = 0  # UTC, when the present problem began; 0: there is none
    refused_seq: int = -1  # the entry that head office refuses even alone; -1: none


_BOOLEANS = ("quarantined", "stop_selling")


def stick_state(path: Path) -> Path:
    """Where what a stick brought lies, beside the uplink's state file."""
    return path.with_name(path.name + ".stick")


def _files(path: Path) -> tuple[Path, Path]:
    return path, stick_state(path)


def joined(known: SyncState, brought: SyncState) -> SyncState:
    """What is known from one road, and what another one brought: the larger note, and either one's stop."""
    if brought.cosigned_size > known.cosigned_size:
        known = replace(known, cosigned_size=brought.cosigned_size, cosigned_note=brought.cosigned_note)
    if brought.stop_selling and not known.stop_selling:
        known = replace(known, stop_selling=True, problem_code=brought.problem_code, evidence=brought.evidence)
    return replace(known, last_contact_ms=max(known.last_contact_ms, brought.last_contact_ms))


class SyncStateReader:
    """For the kiosk. A file that is not there yet, or is empty, reads as a terminal that never had contact."""

    def __init__(self, path: Path, origin: str) -> None:
        """Raises LedgerFault L-502 if the file cannot be opened."""
        self._uplink, self._stick = (_connect(each, "ro") if each.exists() else None for each in _files(path))
        self._origin = origin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        for connection in (self._uplink, self._stick):
            if connection is not None:
                connection.close()

    def state(self) -> SyncState:
        """What the uplink last wrote about this epoch, and what a stick brought. Raises LedgerFault L-502."""
        known = SyncState() if self._uplink is None else _read(self._uplink, self._origin)
        return known if self._stick is None else joined(known, _read(self._stick, self._origin))

    def work(self) -> SyncWork:
        """How the uplink's sending of this epoch goes. Raises LedgerFault L-502."""
        return SyncWork() if self._uplink is None else _read_work(self._uplink, self._origin)


class SyncStateFile:
    """For the uplink, the one writer."""

    def __init__(self, path: Path, origin: str) -> None:
        """Makes the file if there is none. Raises LedgerFault L-502, L-506 (another uplink has it)."""
        self._path = path
        self._origin = origin
        self._lock = _lock(path)
        try:
            self._connection = _connect(path, "rwc")
            with _faults():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute(_TABLE)
                self._connection.execute(_WORK)
            self._state = _read(self._connection, origin)
            self._work = _read_work(self._connection, origin)
        except LedgerFault:
            self._lock.close()
            raise

    def close(self) -> None:
        """Closes the file and lets another process have it."""
        self._connection.close()
        self._lock.close()

    @property
    def now(self) -> SyncState:
        """What is written."""
        return self._state

    def hear_stick(self) -> bool:
        """Takes over what a stick brought since; whether there was something. Raises LedgerFault L-502.

        When it was is nothing new: the clock may have been set back since, and then it would be new for ever.
        """
        path = stick_state(self._path)
        if not path.exists():
            return False
        with closing(_connect(path, "ro")) as connection:
            heard = joined(self._state, _read(connection, self._origin))
        if replace(heard, last_contact_ms=self._state.last_contact_ms) == self._state:
            return False
        self.change(**{each.name: getattr(heard, each.name) for each in fields(heard)})
        return True

    def change(self, **values: Any) -> None:
        """Writes what differs; durable when it returns. Raises LedgerFault L-502, and then nothing has changed."""
        changed = replace(self._state, **values)
        if changed != self._state:
            _write(self._connection, "state", self._origin, changed)
            self._state = changed

    @property
    def work(self) -> SyncWork:
        """What is written of the work."""
        return self._work

    def tell(self, **values: Any) -> None:
        """The same for the work. Raises LedgerFault L-502."""
        told = replace(self._work, **values)
        if told != self._work:
            _write(self._connection, "work", self._origin, told)
            self._work = told


def _lock(path: Path) -> IO[bytes]:
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise LedgerFault("L-502", f"the uplink's state file cannot be locked: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LedgerFault("L-506", f"another uplink runs with {path}; end that one first") from error
    return lock


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with _faults():
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
        )


def _read(connection: sqlite3.Connection, origin: str) -> SyncState:
    row = _row(connection, "state", SyncState, origin)
    return SyncState(**row | {name: bool(row[name]) for name in _BOOLEANS if row})


def _read_work(connection: sqlite3.Connection, origin: str) -> SyncWork:
    return SyncWork(**_row(connection, "work", SyncWork, origin))


def _row(connection: sqlite3.Connection, table: str, kind: type, origin: str) -> dict[str, Any]:
    """The fields of ``kind`` as they are written; nothing if they are not."""
    names = [each.name for each in fields(kind)]
    with _faults():
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone():
            return {}
        row = connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE origin = ?", (origin,)).fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def _write(connection: sqlite3.Connection, table: str, origin: str, value: SyncState | SyncWork) -> None:
    names = [each.name for each in fields(value)]
    row = (origin, *(getattr(value, name) for name in names))
    places = ", ".join("?" for _ in row)
    with _faults():
        connection.execute(f"INSERT OR REPLACE INTO {table} (origin, {', '.join(names)}) VALUES ({places})", row)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LedgerFault("L-502", f"the uplink's state file: {error}") from error
    except sqlite3.Error as error:
        hint = "keep it elsewhere; without it head office tells again what it has"
        raise LedgerFault("L-502", f"the uplink's state file is damaged ({error}): {hint}") from error
