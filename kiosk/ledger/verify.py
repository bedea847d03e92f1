"""Checks a whole log, streaming: a journal, or an export folder. Memory does not grow with the log.

Both are generators: they yield the number of entries checked so far and return a ``Report``; ``finish`` runs one to its
end. What is checked: every entry (contract 2 §2), the rules between entries (``walk``), the closed sales (``totals``),
every checkpoint that is there against the root at its size and the terminal's signature (§3), and of an export that it
has exactly the right tiles (§5).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from kiosk.ledger.audit import Audit, Report
from kiosk.ledger.note import Checkpoint, Signature, Vkey, parse_checkpoint_note, parse_cosigned_note
from kiosk.ledger.tiles import (
    CHECKPOINT,
    COSIGNED,
    WIDTH,
    TileMaker,
    check_tile,
    read_bundle,
    read_note,
    stale_files,
)
from kiosk.model.errors import LedgerFault

PROGRESS_EVERY = 256  # entries

Check = Generator[int, None, Report]
Signed = tuple[Checkpoint, Signature]


class Journalled(Protocol):
    """A JournalReader."""

    def rows(self) -> Iterator[tuple[int, bytes, bytes]]: ...
    def checkpoints(self) -> Iterator[str]: ...


def finish(check: Check, progress: Callable[[int], object] = lambda done: None) -> Report:
    """Runs a check to its end; ``progress`` is told the number of entries done."""
    while True:
        try:
            progress(next(check))
        except StopIteration as end:
            report: Report = end.value
            return report


def verify_journal(log: Journalled, vkeys: Sequence[Vkey] = ()) -> Check:
    """Checks a journal with all checkpoints that it keeps. ``vkeys``: trusted keys; the log's is found by name."""
    audit = Audit(vkeys)
    notes = audit.guarded(parse_checkpoint_note(text) for text in log.checkpoints())
    waiting = next(notes, None)
    for seq, raw, leaf in audit.guarded(log.rows()):
        audit.take(raw)
        if seq != audit.walk.seq:
            audit.blame(f"it is stored as number {seq}")
        if leaf != audit.walk.leaf:
            audit.blame("the leaf hash stored with it is another")
        while waiting and waiting[0].size <= audit.size:
            audit.hold(*waiting)
            waiting = next(notes, None)
        if audit.size % PROGRESS_EVERY == 0:
            yield audit.size
    newest = waiting[0].size if waiting else audit.newest
    if newest != audit.size or not audit.size:
        audit.complain(f"there are {audit.size} entries, and a checkpoint says {newest}")
    yield audit.size
    return audit.report()


def verify_export(folder: Path, vkeys: Sequence[Vkey] = ()) -> Check:
    """Checks an export folder. ``vkeys``: trusted keys, terminals' and head office's; found by name."""
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
    maker = TileMaker()
    for index in range(-(-checkpoint.size // WIDTH)):
        for raw in audit.guarded(_bundle(folder, index, checkpoint.size)):
            audit.take(raw)
            for tile in maker.add(audit.walk.leaf):
                audit.complain(check_tile(folder, tile))
            if cosigned and cosigned[0].size == audit.size:
                audit.hold(cosigned[0], cosigned[1])
                audit.hold_cosigned(cosigned[0], cosigned[2])
        if audit.size < min((index + 1) * WIDTH, checkpoint.size):
            return audit.report()  # without its bundle nothing behind it can be checked
        yield audit.size
    for tile in maker.rest():
        audit.complain(check_tile(folder, tile))
    for path in stale_files(folder, checkpoint.size):
        audit.complain(f"{path.relative_to(folder)} does not belong to a tree of {checkpoint.size}")
    audit.hold(checkpoint, signature)
    return audit.report()


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
