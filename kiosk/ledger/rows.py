"""The ledger's SQLite file as its writer and its readers open it: ``journal`` and this are all that know SQLite.

Plain sqlite3 and no ORM: there are two tables, and the pragmas are the contract.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, Self

from kiosk.ledger.note import SIZE_MAX
from kiosk.ledger.prune import absent
from kiosk.model.errors import LedgerFault

FORMAT = 1  # user_version
ROWS_AT_ONCE = 1_024  # a statement that stays open longer would keep the WAL from shrinking

TABLES = (
    "CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    f"PRAGMA user_version = {FORMAT}",
)

EntryRow = tuple[int, bytes, bytes]  # seq, entry bytes, leaf hash
CheckpointRow = tuple[int, bytes, bytes]  # size, root, signature
Connect = Callable[[str], sqlite3.Connection]  # by URI; begins no transaction by itself; another's disk is simulated
sqlite_file: Connect = partial(sqlite3.connect, uri=True, isolation_level=None, timeout=5, check_same_thread=False)


class Rows:
    """What the writer and a reader both read. Any thread may call; two take turns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._turn = RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with self._turn:
            self._connection.close()

    def rows(self, first: int = 0, end: int = SIZE_MAX) -> Iterator[EntryRow]:
        """``(seq, entry bytes, leaf hash)`` of ``first`` … ``end − 1``, as far as there are.

        Raises LedgerFault L-507 where entries were deleted (``prune``): who can do without asks for ``kept_rows``.
        """
        for row in self.kept_rows(first, end):
            if not row[1]:
                raise absent(row[0], self.whole_from - 1)
            yield row

    @property
    def whole_from(self) -> int:
        """The number from which on nothing was deleted; 0 in a log that was never pruned."""
        if not self._all("SELECT 1 FROM sqlite_schema WHERE name = 'hole'"):
            return 0
        statement = "SELECT coalesce(max(seq) + 1, 0) FROM entry INDEXED BY hole WHERE length(bytes) = 0"
        return int(self._all(statement)[0][0])

    def kept_rows(self, first: int = 0, end: int = SIZE_MAX) -> Iterator[EntryRow]:
        """The same, with ``b""`` for the bytes of an entry that was deleted."""
        statement = "SELECT seq, bytes, leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?"
        while rows := self._all(statement, first, end, ROWS_AT_ONCE):
            yield from rows
            first = rows[-1][0] + 1

    def leaf_hashes(self, first: int, end: int) -> list[bytes]:
        """Leaf hashes ``first`` … ``end − 1``, 32 bytes each."""
        statement = "SELECT leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
        return [leaf for (leaf,) in self._all(statement, first, end)]

    def checkpoint_rows(self, first: int, last: int) -> list[CheckpointRow]:
        """``(size, root, signature)`` of the kept checkpoints of sizes ``first`` … ``last``."""
        statement = "SELECT size, root, signature FROM checkpoint WHERE size BETWEEN ? AND ? ORDER BY size"
        return self._all(statement, first, last)

    def checkpoint_row(self, condition: str, size: int) -> CheckpointRow | None:
        rows = self._all(f"SELECT size, root, signature FROM checkpoint WHERE {condition} LIMIT 1", size)
        return rows[0] if rows else None

    def _all(self, statement: str, *values: int) -> list[Any]:
        with self._turn, faults("L-501"):
            return self._connection.execute(statement, values).fetchall()


def connected(path: Path, mode: str, connect: Connect) -> sqlite3.Connection:
    """The file, opened ``ro``, ``rw`` (there must be one) or ``rwc``. Raises LedgerFault L-501, L-502."""
    fault = "L-501" if mode == "ro" else "L-502"
    uri = f"{path.absolute().as_uri()}?mode={mode}&psow=0"  # a card may ruin all of the sector it is writing
    with faults(fault):
        connection = connect(uri)
    try:
        with faults(fault):
            if mode != "ro":
                if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                    raise LedgerFault("L-502", f"{path} lies where SQLite cannot keep a WAL")
                connection.execute("PRAGMA synchronous = FULL")
                write_anew(connection)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except LedgerFault:
        connection.close()
        raise
    return connection


def check_format(connection: sqlite3.Connection) -> None:
    """Raises LedgerFault L-501 unless it is a journal that this program knows."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise LedgerFault("L-501", f"not a journal of format {FORMAT}, but {version}")


def write_anew(connection: sqlite3.Connection) -> None:
    """Empties the WAL into the file: what a dead process or a failed sync left in it may not have reached the disk."""
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise LedgerFault("L-502", "the journal is being read without end")


@contextmanager
def faults(code: str) -> Iterator[None]:
    """Turns what SQLite and the disk say into a LedgerFault; a file that is no sound database is always L-501."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as error:
        raise LedgerFault(code, str(error)) from error
    except sqlite3.Error as error:
        raise LedgerFault("L-501", str(error)) from error
