"""Parts of a log checked side by side, one process a core: the language gives one process one core.

A worker opens the log for itself and gives back what a part comes to (``Part``), or None. Parts come back in order, and
never more than a few wait: memory does not grow with the log.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

from kiosk.ledger.note import Checkpoint, Vkey
from kiosk.ledger.part import TILE, Part, part_of
from kiosk.ledger.tiles import check_tile, read_bundle
from kiosk.ledger.tree import Frontier
from kiosk.model.errors import LedgerFault

PART = 16 * TILE  # entries: long enough that handing them over costs nothing, short enough to show progress
CREW_FROM = 32  # parts: a shorter log is done before the workers have started

Span = tuple[int, int]
"""First entry and number of entries."""


class Source(Protocol):
    """A log that can be looked into anywhere."""

    def part(self, first: int, count: int) -> Part | None:
        """What these entries come to; None if something is wrong with them."""


class Rows(Protocol):
    """A JournalReader."""

    @property
    def vkey(self) -> Vkey: ...
    def rows(self, first: int, end: int) -> Iterator[tuple[int, bytes, bytes]]: ...
    def checkpoint_rows(self, first: int, last: int) -> list[tuple[int, bytes, bytes]]: ...


@dataclass(frozen=True)
class FolderSource:
    """An export folder of a tree of ``size``: entries, and the tiles of level 0 over them."""

    folder: Path
    size: int

    def part(self, first: int, count: int) -> Part | None:
        raws: list[bytes] = []
        try:
            for index in range(first // TILE, -(-(first + count) // TILE)):
                raws += read_bundle(self.folder, index, self.size)
        except LedgerFault:
            return None
        found = part_of(raws, first)
        if found is None:
            return None
        part, leaves = found
        tiles = ((0, (first + at) // TILE, b"".join(leaves[at : at + TILE])) for at in range(0, count - TILE + 1, TILE))
        return None if any(check_tile(self.folder, tile) for tile in tiles) else part


@dataclass(frozen=True)
class JournalSource:
    """A journal whose checkpoints are to be signed by ``key``."""

    log: Rows
    key: Vkey

    def part(self, first: int, count: int) -> Part | None:
        try:
            rows = list(self.log.rows(first, first + count))
            signed = self.log.checkpoint_rows(first + 1 if first else 0, first + count)
        except LedgerFault:
            return None
        if len(rows) != count:
            return None
        found = part_of([raw for _, raw, _ in rows], first)
        if found is None or found[1] != [leaf for _, _, leaf in rows]:
            return None
        if not signed:
            return found[0]
        return self._signed(found[0], found[1], signed)

    def _signed(self, part: Part, leaves: list[bytes], signed: list[tuple[int, bytes, bytes]]) -> Part | None:
        """The part with its checkpoints: their signatures are held here, their roots where the tree before is known."""
        if self.log.vkey != self.key or signed[0][0] == 0:
            return None
        held, frontier, taken = [], Frontier(), 0
        for size, root, signature in signed:
            for leaf in leaves[taken : size - part.first]:
                frontier.append(leaf)
            taken = size - part.first
            if not self.key.verify(str(Checkpoint(self.key.name, size, root)).encode(), signature):
                return None
            held.append((size, root, frontier.root()))
        return replace(part, held=held)


def cores() -> int:
    """How many processes can run at once."""
    return len(os.sched_getaffinity(0))


def checked(
    here: Source, opened: Callable[[], Source], size: int, workers: int = 1, length: int = PART
) -> Iterator[tuple[Span, Part | None]]:
    """A log of ``size`` entries in parts of ``length``, the last one shorter; in order. A short log comes unchecked.

    ``opened``: opens the source in a worker, of whom there are ``workers``; ``here``: the source in this process.
    """
    wanted = ((first, min(length, size - first)) for first in range(0, size, length))
    if size < length:
        yield from ((span, None) for span in wanted)
    if workers > 1 and size >= CREW_FROM * length:
        yield from _by_crew(opened, wanted, workers)
    for span in wanted:
        with _no_collecting():
            part = here.part(*span)
        yield span, part


def _by_crew(opened: Callable[[], Source], wanted: Iterator[Span], workers: int) -> Iterator[tuple[Span, Part | None]]:
    """As far as the crew lives: a worker that dies (of memory, by a signal) ends it, and its parts are None."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (opened,))
    waiting: deque[tuple[Span, Future[Part | None]]] = deque()
    try:
        alive = True
        while alive or waiting:
            while alive and len(waiting) < 2 * workers and (span := next(wanted, None)):
                waiting.append((span, pool.submit(_part, span)))
            if not waiting:
                return
            span, future = waiting.popleft()
            try:
                part = future.result()
            except BrokenExecutor:
                alive, part = False, None
            yield span, part
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """A part makes many small things and no cycles among them: looking for some costs a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


_source: Source | None = None  # a worker's own


def _begin(opened: Callable[[], Source]) -> None:
    global _source  # noqa: PLW0603 - a pool has no other place for what a worker keeps
    _source = opened()


def _part(span: Span) -> Part | None:
    assert _source is not None, "a worker begins with its source"
    with _no_collecting():
        return _source.part(*span)
