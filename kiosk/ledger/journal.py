"""The journal: the ledger in one SQLite file, and the only file of the house that knows SQLite.

Law (contract 2 §2 and §3): entries, leaf hashes and one signed checkpoint of the new size are committed together,
durable (WAL, ``synchronous=FULL``), before ``append`` returns; nothing written is ever changed. One process writes,
others read meanwhile. Plain sqlite3 and no ORM: there are two tables, and the pragmas are the contract.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import RLock
from typing import IO, Any, Self

from kiosk.ledger.entry import Draft, Entry, decode, encode
from kiosk.ledger.keys import sync_folder
from kiosk.ledger.kinds import OPENED, check
from kiosk.ledger.lock import lock_beside
from kiosk.ledger.note import (
    SIZE_MAX,
    Checkpoint,
    Signer,
    Vkey,
    checkpoint_note,
    open_checkpoint,
    parse_cosigned_note,
)
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.ledger.walk import Walk, opened_vkey
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

FORMAT = 1  # user_version
ROWS_AT_ONCE = 1_024  # a statement that stays open longer would keep the WAL from shrinking
PAGE = 256  # leaves between remembered frontiers

_TABLES = (
    "CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    f"PRAGMA user_version = {FORMAT}",
)

EntryRow = tuple[int, bytes, bytes]  # seq, entry bytes, leaf hash
CheckpointRow = tuple[int, bytes, bytes]  # size, root, signature
Seen = Callable[[Entry], object]
Connect = Callable[[str], sqlite3.Connection]  # by URI; begins no transaction by itself; another's disk is simulated
sqlite_file: Connect = partial(sqlite3.connect, uri=True, isolation_level=None, timeout=5, check_same_thread=False)


class _Rows:
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
        """``(seq, entry bytes, leaf hash)`` of ``first`` … ``end − 1``, as far as there are."""
        statement = "SELECT seq, bytes, leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?"
        while rows := self._all(statement, first, end, ROWS_AT_ONCE):
            yield from rows
            first = rows[-1][0] + 1

    def leaf_hashes(self, first: int, end: int) -> list[bytes]:
        """Leaf hashes ``first`` … ``end − 1``, 32 bytes each."""
        statement = "SELECT leaf FROM entry WHERE seq >= ? AND seq < ? ORDER BY seq"
        return [leaf for (leaf,) in self._all(statement, first, end)]

    def _checkpoint(self, condition: str, size: int) -> CheckpointRow | None:
        rows = self._all(f"SELECT size, root, signature FROM checkpoint WHERE {condition} LIMIT 1", size)
        return rows[0] if rows else None

    def _all(self, statement: str, *values: int) -> list[Any]:
        with self._turn, _faults("L-501"):
            return self._connection.execute(statement, values).fetchall()


class Journal(_Rows):
    """The one writer."""

    def __init__(self, connection: sqlite3.Connection, lock: IO[bytes], signer: Signer, clock: Clock) -> None:
        """Use ``create`` or ``open``."""
        super().__init__(connection)
        self._lock = lock
        self._signer = signer
        self._clock = clock
        self._vkey = signer.vkey
        self._boot = 1
        self._frontier = Frontier()
        self._pages = [self._frontier]  # frontiers at 0, PAGE, 2·PAGE …
        self._signature = b""
        self._last: Entry | None = None
        self._torn = False  # the last transaction broke off

    @classmethod
    def create(
        cls, path: Path, signer: Signer, origin: str, prev: str, why: str, clock: Clock, connect: Connect = sqlite_file
    ) -> Journal:
        """A new log with its ``log.opened``, in a file that must not hold one. boot is 1.

        ``prev``: the old epoch's last cosigned note, or "". Raises LedgerFault L-501 (a log is there, or ``prev`` is
        no such note), L-502, L-505 (the key has another name), L-506.
        """
        if signer.vkey.name != origin:
            raise LedgerFault("L-505", f"the key is {signer.vkey.name}'s, not {origin}'s")
        if prev:
            parse_cosigned_note(prev)
        with ExitStack() as undo:
            lock = undo.enter_context(lock_beside(path))
            journal = cls(_connect(path, "rwc", connect), lock, signer, clock)
            undo.callback(journal.close)
            with _faults("L-502"):
                if journal._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    raise LedgerFault("L-501", f"{path} holds a log already")
            opened = {"origin": origin, "vkey": str(signer.vkey), "prev": prev, "why": why}
            journal._append([Draft(OPENED, None, (), opened)], _TABLES)
            with _faults("L-502"):
                sync_folder(path.absolute().parent)
            undo.pop_all()
        return journal

    @classmethod
    def open(
        cls, path: Path, signer: Signer, clock: Clock, seen: Seen | None = None, connect: Connect = sqlite_file
    ) -> Journal:
        """The log of a file, wholly verified first; ``seen`` is told every entry. boot is one more than the last.

        Raises LedgerFault L-501 (does not verify), L-502 (cannot be opened), L-505 (another key), L-506.
        """
        with ExitStack() as undo:
            lock = undo.enter_context(lock_beside(path))
            journal = cls(_connect(path, "rw", connect), lock, signer, clock)
            undo.callback(journal.close)
            journal._load(seen)
            undo.pop_all()
        return journal

    def close(self) -> None:
        """Closes the file and lets another process have it."""
        with self._turn, closing(self._lock):
            super().close()

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._vkey.name

    @property
    def size(self) -> int:
        """Number of committed entries."""
        return self._frontier.size

    @property
    def root(self) -> bytes:
        """Root hash of them, 32 bytes."""
        return self._frontier.root()

    @property
    def last(self) -> Entry:
        """The newest entry."""
        assert self._last is not None, "a log has an entry 0"
        return self._last

    @property
    def checkpoint_note(self) -> str:
        """The newest checkpoint, signed."""
        with self._turn:
            return checkpoint_note(self._vkey, self._here(self._frontier), self._signature)

    def append(self, drafts: Iterable[Draft]) -> list[Entry]:
        """Records all or nothing, durable when it returns. No drafts, no commit.

        Raises LedgerFault L-502 (nothing was recorded; it may be tried again), L-505 (nothing signed, so nothing
        recorded), AssertionError for a wrong draft.
        """
        drafts = list(drafts)
        for draft in drafts:
            check(draft)
            if draft.kind == OPENED:
                raise AssertionError("a log is opened once")
        return self._append(drafts) if drafts else []

    def entries(self, first: int, end: int) -> Iterator[Entry]:
        """Entries ``first`` … ``end − 1``."""
        return (decode(raw) for _, raw, _ in self.rows(first, end))

    def frontier(self, size: int) -> Frontier:
        """The frontier of the first ``size`` entries: what a receipt of entry ``size`` is built on."""
        if not 0 <= size <= self.size:
            raise ValueError(f"no tree of {size} in a log of {self.size}")
        with self._turn:
            frontier = self._pages[size // PAGE].copy()
            for leaf in self.leaf_hashes(frontier.size, size):
                frontier.append(leaf)
            return frontier

    def prune_checkpoints(self, below_size: int) -> None:
        """Forgets checkpoints of smaller sizes, once head office has cosigned past them; never the newest. L-502."""
        with self._transaction() as execute:
            execute("DELETE FROM checkpoint WHERE size < ?", (min(below_size, self.size),))

    def sign(self, size: int) -> None:
        """Signs and keeps the checkpoint of the first ``size`` entries, at least 1. Raises LedgerFault L-502, L-505."""
        here = self._here(self.frontier(size))
        row = (size, here.root, self._signer.sign(str(here).encode()))
        with self._transaction() as execute:
            execute("INSERT OR IGNORE INTO checkpoint VALUES (?, ?, ?)", row)

    def _append(self, drafts: list[Draft], first: tuple[str, ...] = ()) -> list[Entry]:
        """Everything that can fail for other reasons comes before the transaction; memory follows the COMMIT."""
        with self._turn:
            at = self._clock.utc_ms()
            grown, pages, entries, rows = self._frontier.copy(), [], [], []
            for draft in drafts:
                if grown.size >= SIZE_MAX:
                    raise LedgerFault("L-502", "the log is full: it needs a new epoch")
                entry = Entry(grown.size, at, self._boot, draft.kind, draft.sale, draft.post, draft.data)
                try:
                    raw = encode(entry)
                except ValueError as error:
                    raise AssertionError(f"a wrong draft: {error}") from error
                leaf = leaf_hash(raw)
                grown.append(leaf)
                entries.append(entry)
                rows.append((entry.seq, raw, leaf))
                if grown.size % PAGE == 0:
                    pages.append(grown.copy())
            checkpoint = self._here(grown)
            signature = self._signer.sign(str(checkpoint).encode())
            with self._transaction() as execute:
                for statement in first:
                    execute(statement)
                for row in rows:
                    execute("INSERT INTO entry VALUES (?, ?, ?)", row)
                execute("INSERT INTO checkpoint VALUES (?, ?, ?)", (checkpoint.size, checkpoint.root, signature))
            self._frontier, self._signature, self._last = grown, signature, entries[-1]
            self._pages += pages
            return entries

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., object]]:
        """All or nothing, durable when it ends. Raises LedgerFault L-502."""
        execute = self._connection.execute
        with self._turn, _faults("L-502"):
            if self._torn:
                _write_anew(self._connection)
            self._torn = True
            try:
                execute("BEGIN IMMEDIATE")
                yield execute
                execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    execute("ROLLBACK")
                raise
            self._torn = False

    def _here(self, frontier: Frontier) -> Checkpoint:
        return Checkpoint(self._vkey.name, frontier.size, frontier.root())

    def _load(self, seen: Seen | None) -> None:
        with _faults("L-501"):
            _check_format(self._connection)
        walk = Walk()
        for seq, raw, leaf in self.rows():
            self._last = walk.take(raw)
            if (seq, leaf) != (walk.seq, walk.leaf):
                raise LedgerFault("L-501", f"entry {walk.seq} is stored as another, or with another leaf hash")
            if walk.vkey != self._vkey:
                raise LedgerFault("L-505", f"the key at hand is not that of {walk.vkey}")
            if walk.frontier.size % PAGE == 0:
                self._pages.append(walk.frontier.copy())
            if seen:
                seen(self._last)
        newest = self._checkpoint("size >= ? ORDER BY size DESC", 0)
        if not walk.frontier.size or newest is None:
            raise LedgerFault("L-501", "the log is empty, or has no checkpoint")
        self._frontier, self._boot, self._signature = walk.frontier, walk.boot + 1, newest[2]
        if newest[:2] != (self.size, self.root):
            raise LedgerFault("L-501", f"the checkpoint of size {newest[0]} is not that of the {self.size} entries")
        open_checkpoint(self.checkpoint_note, self._vkey)


class JournalReader(_Rows):
    """Reads while the writer runs; needs no key. Verifies nothing: see ``verify``."""

    def __init__(self, path: Path, connect: Connect = sqlite_file) -> None:
        """Raises LedgerFault L-501 if there is no log, or none of this format."""
        super().__init__(_connect(path, "ro", connect))
        try:
            with _faults("L-501"):
                _check_format(self._connection)
            first = next(self.rows(0, 1), None)
            if first is None:
                raise LedgerFault("L-501", "the log is empty")
            self._vkey = opened_vkey(decode(first[1]))
        except BaseException:
            self.close()
            raise

    @property
    def vkey(self) -> Vkey:
        """The key that entry 0 names; its name is the log's origin."""
        return self._vkey

    @property
    def size(self) -> int:
        """Number of committed entries, now."""
        return self._all("SELECT coalesce(max(seq) + 1, 0) FROM entry")[0][0]  # type: ignore[no-any-return]

    def entries(self, first: int, end: int) -> Iterator[bytes]:
        """The bytes of entries ``first`` … ``end − 1``, as far as there are."""
        return (raw for _, raw, _ in self.rows(first, end))

    def newest(self) -> str:
        """The newest checkpoint note. Raises LedgerFault L-501 if there is none."""
        note = self._note("size >= ? ORDER BY size DESC", 0)
        if note is None:
            raise LedgerFault("L-501", "the log has no checkpoint")
        return note

    def at_most(self, size: int) -> str | None:
        """The largest kept checkpoint of at most ``size``."""
        return self._note("size <= ? ORDER BY size DESC", size)

    def at_least(self, size: int) -> str | None:
        """The smallest kept checkpoint of at least ``size``."""
        return self._note("size >= ? ORDER BY size", size)

    def checkpoints(self) -> Iterator[str]:
        """Every kept checkpoint note, by size."""
        size = 0
        while row := self._checkpoint("size >= ? ORDER BY size", size):
            yield self._as_note(row)
            size = row[0] + 1

    def _note(self, condition: str, size: int) -> str | None:
        row = self._checkpoint(condition, size)
        return self._as_note(row) if row else None

    def _as_note(self, row: CheckpointRow) -> str:
        size, root, signature = row
        return checkpoint_note(self._vkey, Checkpoint(self._vkey.name, size, root), signature)


def _connect(path: Path, mode: str, connect: Connect) -> sqlite3.Connection:  # ro, rw (there must be a file), rwc
    fault = "L-501" if mode == "ro" else "L-502"
    uri = f"{path.absolute().as_uri()}?mode={mode}&psow=0"  # a card may ruin all of the sector it is writing
    with _faults(fault):
        connection = connect(uri)
    try:
        with _faults(fault):
            if mode != "ro":
                if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                    raise LedgerFault("L-502", f"{path} lies where SQLite cannot keep a WAL")
                connection.execute("PRAGMA synchronous = FULL")
                _write_anew(connection)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except LedgerFault:
        connection.close()
        raise
    return connection


def _check_format(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise LedgerFault("L-501", f"not a journal of format {FORMAT}, but {version}")


def _write_anew(connection: sqlite3.Connection) -> None:
    """Empties the WAL into the file: what a dead process or a failed sync left in it may not have reached the disk."""
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise LedgerFault("L-502", "the journal is being read without end")


@contextmanager
def _faults(code: str) -> Iterator[None]:
    """Turns what SQLite and the disk say into a LedgerFault; a file that is no sound database is always L-501."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.InterfaceError, OSError) as error:
        raise LedgerFault(code, str(error)) from error
    except sqlite3.Error as error:
        raise LedgerFault("L-501", str(error)) from error
