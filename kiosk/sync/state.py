"""What the uplink knows, in a file of its own: it is the only writer, the kiosk only reads.

One row for each epoch's log, found by its origin: a new epoch begins with nothing known, and what was found out about
the old ones stays as evidence. ``cosigned_note`` is head office's newest answer verbatim: with it a rolled-back disk,
and a head office restored from an old backup, are recognised. Durable (WAL, ``synchronous=FULL``) before anything is
concluded from it. One process at a time holds the file, by a lock beside it.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
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


_COLUMNS = tuple(each.name for each in fields(SyncState))
_BOOLEANS = ("quarantined", "stop_selling")


class SyncStateReader:
    """For the kiosk. A file that is not there yet, or is empty, reads as a terminal that never had contact."""

    def __init__(self, path: Path, origin: str) -> None:
        """Raises LedgerFault L-502 if the file cannot be opened."""
        self._connection = _connect(path, "ro") if path.exists() else None
        self._origin = origin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._connection is not None:
            self._connection.close()

    def state(self) -> SyncState:
        """What the uplink last wrote about this epoch. Raises LedgerFault L-502."""
        return SyncState() if self._connection is None else _read(self._connection, self._origin)


class SyncStateFile:
    """For the uplink, the one writer."""

    def __init__(self, path: Path, origin: str) -> None:
        """Makes the file if there is none. Raises LedgerFault L-502, L-506 (another uplink has it)."""
        self._origin = origin
        self._lock = _lock(path)
        try:
            self._connection = _connect(path, "rwc")
            with _faults():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute(_TABLE)
            self._state = _read(self._connection, origin)
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

    def change(self, **values: Any) -> None:
        """Writes what differs; durable when it returns. Raises LedgerFault L-502, and then nothing has changed."""
        changed = replace(self._state, **values)
        if changed == self._state:
            return
        row = (self._origin, *(getattr(changed, name) for name in _COLUMNS))
        names, places = ", ".join(_COLUMNS), ", ".join("?" for _ in row)
        with _faults():
            self._connection.execute(f"INSERT OR REPLACE INTO state (origin, {names}) VALUES ({places})", row)
        self._state = changed


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
    with _faults():
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchone():
            return SyncState()
        statement = f"SELECT {', '.join(_COLUMNS)} FROM state WHERE origin = ?"
        row = connection.execute(statement, (origin,)).fetchone()
    if row is None:
        return SyncState()
    values = dict(zip(_COLUMNS, row, strict=True))
    return SyncState(**values | {name: bool(values[name]) for name in _BOOLEANS})


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LedgerFault("L-502", f"the uplink's state file: {error}") from error
    except sqlite3.Error as error:
        hint = "keep it elsewhere; without it head office tells again what it has"
        raise LedgerFault("L-502", f"the uplink's state file is damaged ({error}): {hint}") from error
