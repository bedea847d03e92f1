"""The journal: the ledger in one SQLite file (``rows``), with its one writer and its readers.

Law (contract 2 §2 and §3): entries, leaf hashes and one signed checkpoint of the new size are committed together,
durable (WAL, ``synchronous=FULL``), before ``append`` returns; nothing written is ever changed, but that old entries
may leave holes (``prune``). One process writes, others read meanwhile. The first entry of another civil day comes
behind the closings that it makes due (``closing``), in the same commit: so none can be lost or made twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from kiosk.ledger.closing import Closer
from kiosk.ledger.entry import Draft, Entry, decode, encode
from kiosk.ledger.group import Group
from kiosk.ledger.keys import sync_folder
from kiosk.ledger.kinds import OPENED, PERIOD, PRUNED, check
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
from kiosk.ledger.prune import DELETE, HOLLOW, INDEX, LEAF, Holes, Pruning, draft_of
from kiosk.ledger.rows import (
    TABLES,
    CheckpointRow,
    Connect,
    Rows,
    check_format,
    connected,
    faults,
    sqlite_file,
    write_anew,
)
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.ledger.walk import Walk, opened_vkey
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

PAGE = 256  # leaves between remembered frontiers

Seen = Callable[[Entry], object]


class Journal(Rows):
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
        self._closer = Closer()
        self._torn = False  # the last transaction broke off
        self._group = Group(self._turn, self._append)

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
            journal = cls(connected(path, "rwc", connect), lock, signer, clock)
            undo.callback(journal.close)
            with faults("L-502"):
                if journal._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    raise LedgerFault("L-501", f"{path} holds a log already")
            opened = {"origin": origin, "vkey": str(signer.vkey), "prev": prev, "why": why}
            journal._append([Draft(OPENED, None, (), opened)], TABLES)
            with faults("L-502"):
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
            journal = cls(connected(path, "rw", connect), lock, signer, clock)
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
    def vkey(self) -> Vkey:
        """The terminal's key."""
        return self._vkey

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
        """Records all or nothing, durable when it returns. No drafts, no commit. Returns the entries of the drafts.

        Any thread may call; several that wait share a commit (``group``).

        Raises LedgerFault L-502 (nothing was recorded; it may be tried again), L-505 (nothing signed, so nothing
        recorded), AssertionError for a wrong draft.
        """
        drafts = list(drafts)
        for draft in drafts:
            check(draft)
            if draft.kind in (OPENED, PERIOD, PRUNED):
                raise AssertionError(f"{draft.kind} is the journal's own")
        return self._group.append(drafts) if drafts else []

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

    def prune(self, pruning: Pruning) -> None:
        """Deletes the bytes of entries, together with the ``log.pruned`` that says so; all or nothing.

        Raises LedgerFault L-501 (head office has not cosigned them as they are here), L-502, L-505.
        """
        with self._turn:
            signed = pruning.cosigned.checkpoint
            if signed.origin != self.origin or not pruning.below <= signed.size <= self.size:
                raise LedgerFault("L-501", "head office has not cosigned what is to be deleted")
            if self.frontier(signed.size).root() != signed.root:
                raise LedgerFault("L-501", "what head office cosigned is not what is here")
            gone = (seq for seq, raw, _ in self.kept_rows(0, pruning.below) if not raw or seq in pruning.doomed)
            draft = draft_of(pruning, Holes(gone))
            check(draft)
            self._append([draft], hollowed=sorted(pruning.doomed))

    def sign(self, size: int) -> None:
        """Signs and keeps the checkpoint of the first ``size`` entries, at least 1. Raises LedgerFault L-502, L-505."""
        here = self._here(self.frontier(size))
        row = (size, here.root, self._signer.sign(str(here).encode()))
        with self._transaction() as execute:
            execute("INSERT OR IGNORE INTO checkpoint VALUES (?, ?, ?)", row)

    def _append(self, drafts: list[Draft], first: tuple[str, ...] = (), hollowed: Sequence[int] = ()) -> list[Entry]:
        """Everything that can fail for other reasons comes before the transaction; memory follows the COMMIT."""
        with self._turn:
            at = self._clock.utc_ms()
            grown, pages, entries, rows = self._frontier.copy(), [], [], []
            due = self._closer.due(at, grown.size)
            for draft in (*due, *drafts):
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
                if hollowed:
                    execute(INDEX)
                for seq in hollowed:
                    (kept,) = execute(LEAF, (seq,)).fetchone()
                    execute(DELETE, (seq,))
                    execute(HOLLOW, (seq, kept))
            self._frontier, self._signature, self._last = grown, signature, entries[-1]
            self._pages += pages
            for entry in entries:
                self._closer.take(entry)
            return entries[len(due) :]

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """All or nothing, durable when it ends. Raises LedgerFault L-502."""
        execute = self._connection.execute
        with self._turn, faults("L-502"):
            if self._torn:
                write_anew(self._connection)
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
        with faults("L-501"):
            check_format(self._connection)
        walk = Walk()
        holes = Holes()
        for seq, raw, leaf in self.kept_rows():
            if not raw:
                walk.skip(leaf)
                holes.take(seq)
                if walk.frontier.size % PAGE == 0:
                    self._pages.append(walk.frontier.copy())
                continue
            self._last = walk.take(raw)
            if (seq, leaf) != (walk.seq, walk.leaf):
                raise LedgerFault("L-501", f"entry {walk.seq} is stored as another, or with another leaf hash")
            if walk.vkey != self._vkey:
                raise LedgerFault("L-505", f"the key at hand is not that of {walk.vkey}")
            if walk.frontier.size % PAGE == 0:
                self._pages.append(walk.frontier.copy())
            self._closer.take(self._last)
            if self._last.kind == PRUNED:
                holes.named_by(self._last)
            if seen:
                seen(self._last)
        newest = self.checkpoint_row("size >= ? ORDER BY size DESC", 0)
        if not walk.frontier.size or newest is None:
            raise LedgerFault("L-501", "the log is empty, or has no checkpoint")
        self._frontier, self._boot, self._signature = walk.frontier, walk.boot + 1, newest[2]
        if newest[:2] != (self.size, self.root):
            raise LedgerFault("L-501", f"the checkpoint of size {newest[0]} is not that of the {self.size} entries")
        open_checkpoint(self.checkpoint_note, self._vkey)
        if wrong := holes.wrong():
            raise LedgerFault("L-501", wrong)


class JournalReader(Rows):
    """Reads while the writer runs; needs no key. Verifies nothing: see ``verify``."""

    def __init__(self, path: Path, connect: Connect = sqlite_file) -> None:
        """Raises LedgerFault L-501 if there is no log, or none of this format."""
        super().__init__(connected(path, "ro", connect))
        self.path = path
        try:
            with faults("L-501"):
                check_format(self._connection)
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
        """The bytes of entries ``first`` … ``end − 1``, as far as there are. LedgerFault L-507 for deleted ones."""
        return (raw for _, raw, _ in self.rows(first, end))

    def kept(self, first: int = 0, end: int = SIZE_MAX) -> Iterator[bytes]:
        """The same, with ``b""`` in the place of deleted ones."""
        return (raw for _, raw, _ in self.kept_rows(first, end))

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

    def checkpoints(self, size: int = 0) -> Iterator[str]:
        """Every kept checkpoint note of at least ``size``, by size."""
        while row := self.checkpoint_row("size >= ? ORDER BY size", size):
            yield self._as_note(row)
            size = row[0] + 1

    def _note(self, condition: str, size: int) -> str | None:
        row = self.checkpoint_row(condition, size)
        return self._as_note(row) if row else None

    def _as_note(self, row: CheckpointRow) -> str:
        size, root, signature = row
        return checkpoint_note(self._vkey, Checkpoint(self._vkey.name, size, root), signature)
