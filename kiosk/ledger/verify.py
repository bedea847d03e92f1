"""Checks a whole log, streaming: a journal, or an export folder. Memory does not grow with the log.

Both are generators: they yield the number of entries checked so far and return a ``Report``; ``finish`` runs one to its
end. What is checked: every entry (contract 2 §2), the rules between entries (``walk``), the closed sales (``totals``),
every checkpoint that is there against the root at its size and the terminal's signature (§3), and of an export that it
has exactly the right tiles (§5).

A long log is checked in parts (``crew``), by several processes if wanted. A part with anything wrong in it is gone
through again one by one: what is found, and the words for it, do not depend on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from kiosk.ledger.audit import Audit, Report
from kiosk.ledger.crew import PART, FolderSource, JournalSource, Source, checked
from kiosk.ledger.export import gone_bundles, leaves_of
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Checkpoint, Signature, Vkey, parse_checkpoint_note, parse_cosigned_note
from kiosk.ledger.part import Part
from kiosk.ledger.tiles import (
    CHECKPOINT,
    COSIGNED,
    WIDTH,
    Tile,
    TileMaker,
    check_tile,
    read_bundle,
    read_note,
    stale_files,
    tile_path,
)
from kiosk.ledger.walk import Walk
from kiosk.model.errors import LedgerFault

PROGRESS_EVERY = 256  # entries

Check = Generator[int, None, Report]
Signed = tuple[Checkpoint, Signature]


class Journalled(Protocol):
    """A JournalReader."""

    @property
    def path(self) -> Path: ...
    @property
    def vkey(self) -> Vkey: ...
    @property
    def size(self) -> int: ...
    def rows(self, first: int = 0, end: int = ...) -> Iterator[tuple[int, bytes, bytes]]: ...
    def kept_rows(self, first: int = 0, end: int = ...) -> Iterator[tuple[int, bytes, bytes]]: ...
    def checkpoints(self, size: int = 0) -> Iterator[str]: ...
    def checkpoint_rows(self, first: int, last: int) -> list[tuple[int, bytes, bytes]]: ...


def finish(check: Check, progress: Callable[[int], object] = lambda done: None) -> Report:
    """Runs a check to its end; ``progress`` is told the number of entries done."""
    while True:
        try:
            progress(next(check))
        except StopIteration as end:
            report: Report = end.value
            return report


def verify_journal(log: Journalled, vkeys: Sequence[Vkey] = (), workers: int = 1, part: int = PART) -> Check:
    """Checks a journal with all checkpoints that it keeps. ``vkeys``: trusted keys; the log's is found by name.

    ``workers``: processes that may be used for a long log, which must then be an ordinary file; ``part``: how many
    entries are handed over at once.
    """
    audit = Audit(vkeys)
    notes = _Notes(audit, log)
    goes_on = yield from _journal_in_parts(audit, notes, log, workers, part)
    if goes_on is not None:
        yield from _rows(audit, notes, log.kept_rows(goes_on))
    newest = notes.waiting[0].size if notes.waiting else audit.newest
    if newest != audit.size or not audit.size:
        audit.complain(f"there are {audit.size} entries, and a checkpoint says {newest}")
    yield audit.size
    return audit.report()


def verify_export(folder: Path, vkeys: Sequence[Vkey] = (), workers: int = 1, part: int = PART) -> Check:
    """Checks an export folder. ``vkeys``: trusted keys, terminals' and head office's; found by name.

    ``workers`` and ``part`` as for a journal.
    """
    audit = Audit(vkeys)
    try:
        checkpoint, signature = _checkpoint(folder)
    except LedgerFault as fault:
        audit.complain(f"{CHECKPOINT}: {fault.args[0]}")
        return audit.report()
    cosigned = None
    try:
        cosigned = _cosigned(folder, checkpoint)
    except LedgerFault as fault:
        audit.complain(f"{COSIGNED}: {fault.args[0]}")
    export, source = _Export(audit, folder, checkpoint.size, cosigned), FolderSource(folder, checkpoint.size)
    for (first, count), found in checked(
        source, partial(FolderSource, folder, checkpoint.size), checkpoint.size, workers, part
    ):
        if not export.take_part(found):
            for index in range(first // WIDTH, -(-(first + count) // WIDTH)):
                if not export.take_bundle(index):
                    return audit.report()  # without its bundle nothing behind it can be checked
                yield audit.size
        yield audit.size
    export.end()
    audit.hold(checkpoint, signature)
    return audit.report()


def export_size(folder: Path) -> int:
    """How many entries an export says that it has; 0 if that cannot be read."""
    try:
        return _checkpoint(folder)[0].size
    except LedgerFault:
        return 0


class _Notes:
    """A journal's checkpoints, held as its entries come."""

    def __init__(self, audit: Audit, log: Journalled) -> None:
        self._audit, self._log = audit, log
        self.waiting: Signed | None = None  # the smallest that is still to be held
        self._read_from(0)

    def hold(self) -> None:
        """Those of the present size, and of sizes that were passed by."""
        while self.waiting and self.waiting[0].size <= self._audit.size:
            self._audit.hold(*self.waiting)
            self.waiting = next(self._notes, None)

    def take_part(self, part: Part | None) -> bool:
        """A part with its checkpoints; False, and nothing taken, unless all is well."""
        if part is None or (part.held and self.waiting is None):  # they were found not to be readable
            return False
        if not self._audit.take_part(part):
            return False
        if part.held:
            self._read_from(part.first + part.count + 1)
        return True

    def _read_from(self, size: int) -> None:
        self._notes = self._audit.guarded(parse_checkpoint_note(text) for text in self._log.checkpoints(size))
        self.waiting = next(self._notes, None)


def _rows(audit: Audit, notes: _Notes, rows: Iterator[tuple[int, bytes, bytes]]) -> Generator[int, None, bool]:
    """Takes a journal's entries one by one. Whether they could be read to their end."""
    guarded = audit.guarded(rows)
    for seq, raw, leaf in guarded:
        if raw:
            audit.take(raw)
        else:
            audit.skip(leaf)
        if seq != audit.walk.seq:
            audit.blame(f"it is stored as number {seq}")
        if leaf != audit.walk.leaf:
            audit.blame("the leaf hash stored with it is another")
        notes.hold()
        if audit.size % PROGRESS_EVERY == 0:
            yield audit.size
    return not guarded.failed


def _journal_in_parts(
    audit: Audit, notes: _Notes, log: Journalled, workers: int, length: int
) -> Generator[int, None, int | None]:
    """As much as can be. Returns the number to go on from one by one; None if the rest cannot be read."""
    source, size = _journal_source(audit, log)
    if source is None:
        return 0
    for (first, count), part in checked(source, partial(_opened, log.path, source.key), size, workers, length):
        if notes.take_part(part):
            yield audit.size
            continue
        if not (yield from _rows(audit, notes, log.kept_rows(first, first + count))):
            return None
        if audit.size != first + count:  # from here on nothing stands where a part would look for it
            return first + count
    return size


def _journal_source(audit: Audit, log: Journalled) -> tuple[JournalSource | None, int]:
    """What parts are read from, if entry 0 names a key to hold their checkpoints against; and the log's size."""
    begun = Walk()
    try:
        size = log.size
        begun.take(next(log.rows(0, 1))[1])
    except (LedgerFault, StopIteration):
        return None, 0
    key = audit.key_of(begun.vkey) if begun.vkey else None
    return (JournalSource(log, key), size) if key else (None, 0)


def _opened(path: Path, key: Vkey) -> Source:
    """In a worker."""
    return JournalSource(JournalReader(path), key)


class _Export:
    """An export folder on its way through an audit."""

    def __init__(
        self, audit: Audit, folder: Path, size: int, cosigned: tuple[Checkpoint, Signature, Signature] | None
    ) -> None:
        self._audit, self._folder, self._size, self._cosigned = audit, folder, size, cosigned
        self._maker = TileMaker()
        self._gone = gone_bundles(PlainFiles(folder))

    def take_part(self, part: Part | None) -> bool:
        """A part, whose tiles of level 0 are right; False, and nothing taken, unless all is well."""
        if part is None:
            return False
        if self._cosigned and part.first < self._cosigned[0].size <= part.first + part.count:
            return False  # what was cosigned is held one entry after the other
        if not self._audit.take_part(part):
            return False
        for root in part.roots:
            self._check(self._maker.add_root(root))
        for leaf in part.rest:
            self._check(self._maker.add(leaf))
        return True

    def take_bundle(self, index: int) -> bool:
        """One bundle, entry by entry; False if it is not whole."""
        audit, cosigned = self._audit, self._cosigned
        if index < self._gone and not (self._folder / tile_path("entries", index, WIDTH)).exists():
            return self._take_leaves(index)
        for raw in audit.guarded(_bundle(self._folder, index, self._size)):
            audit.take(raw)
            self._check(self._maker.add(audit.walk.leaf))
            if cosigned and cosigned[0].size == audit.size:
                audit.hold(cosigned[0], cosigned[1])
                audit.hold_cosigned(cosigned[0], cosigned[2])
        return audit.size == min((index + 1) * WIDTH, self._size)

    def _take_leaves(self, index: int) -> bool:
        """The hashes of a bundle that a pruned log lacks; False if they are not there."""
        audit, cosigned = self._audit, self._cosigned
        for leaf in audit.guarded(_leaves(self._folder, index)):
            audit.lack(leaf)
            self._check(self._maker.add(leaf))
            if cosigned and cosigned[0].size == audit.size:
                audit.hold(cosigned[0], cosigned[1])
                audit.hold_cosigned(cosigned[0], cosigned[2])
        return audit.size == (index + 1) * WIDTH

    def end(self) -> None:
        """The partial tiles, and files that do not belong there."""
        self._check(self._maker.rest())
        for path in stale_files(self._folder, self._size):
            self._audit.complain(f"{path.relative_to(self._folder)} does not belong to a tree of {self._size}")

    def _check(self, tiles: Iterator[Tile]) -> None:
        for tile in tiles:
            self._audit.complain(check_tile(self._folder, tile))


def _leaves(folder: Path, index: int) -> Iterator[bytes]:
    yield from leaves_of(PlainFiles(folder), index)  # reads when the first is asked for


def _checkpoint(folder: Path) -> Signed:
    text = read_note(folder)
    if text is None:
        raise LedgerFault("L-501", "not there: the export is unfinished, or is none")
    checkpoint, signature = parse_checkpoint_note(text)
    if not checkpoint.size:
        raise LedgerFault("L-501", "of an empty log: there is none without its log.opened")
    return checkpoint, signature


def _cosigned(folder: Path, checkpoint: Checkpoint) -> tuple[Checkpoint, Signature, Signature] | None:
    text = read_note(folder, COSIGNED)
    if text is None:
        return None
    cosigned = parse_cosigned_note(text)
    if cosigned[0].origin != checkpoint.origin or not 0 < cosigned[0].size <= checkpoint.size:
        raise LedgerFault("L-501", f"another log's, of an empty one, or larger than {CHECKPOINT}")
    return cosigned


def _bundle(folder: Path, index: int, size: int) -> Iterator[bytes]:
    yield from read_bundle(folder, index, size)  # reads when the first is asked for
