"""What to send next: entries of the journal up to a checkpoint that a commit signed. Reads only; holds no key."""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import parse_checkpoint_note
from kiosk.ledger.tree import Frontier
from kiosk.sync.batch import BODY_BYTES_MAX, ENTRIES_MAX, Batch

LEAVES_AT_ONCE = 65_536
ENTRY_HEAD_BYTES = 5  # CBOR's head of a byte string, at most
FRAME_BYTES = 20_480  # room for the keys, the origin and a checkpoint note
STRETCH = 4  # a commit that is so many times longer than wished goes out whole, rather than be signed in between


@dataclass(frozen=True, slots=True)
class Unsigned:
    """No checkpoint of this size is kept: the terminal, which has the key, must sign it first (contract 2 §3)."""

    size: int


class Outbox:
    """The journal as the uplink sees it."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self._checked = Frontier()  # the largest tree a root was asked of

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._journal.vkey.name

    @property
    def size(self) -> int:
        """Number of committed entries, now."""
        return self._journal.size

    def root_at(self, size: int) -> bytes:
        """Root of the first ``size`` entries as they lie on this disk; there are so many."""
        frontier = self._checked.copy() if self._checked.size <= size else Frontier()
        while frontier.size < size:
            for leaf in self._journal.leaf_hashes(frontier.size, min(size, frontier.size + LEAVES_AT_ONCE)):
                frontier.append(leaf)
        if frontier.size > self._checked.size:
            self._checked = frontier
        return frontier.root()

    def batch(self, first: int, entries_max: int = ENTRIES_MAX, body_bytes: int = BODY_BYTES_MAX) -> Batch | Unsigned:
        """The longest batch from ``first`` that keeps the limits and ends at a kept checkpoint; Unsigned if none does.

        ``entries_max`` is a limit, ``body_bytes`` a wish: what one commit wrote together may be some times longer.
        ``first`` at the journal's size gives the heartbeat. Raises LedgerFault L-501.
        """
        newest = self._journal.newest()
        if first >= _size(newest):
            return Batch(self.origin, _size(newest), (), newest)
        end = min(_size(newest), first + entries_max)
        reach = self._reach(first, end, body_bytes)
        note = self._journal.at_most(reach)
        if note is None or _size(note) <= first:
            note = self._journal.at_least(first + 1) or newest
            if _size(note) > self._reach(first, end, STRETCH * body_bytes):
                return Unsigned(reach)
        return Batch(self.origin, first, tuple(self._journal.entries(first, _size(note))), note)

    def empty_batch(self, size: int, cosigned_note: str = "") -> Batch | Unsigned:
        """An empty batch of exactly this size, 1 or more."""
        for note in (self._journal.at_most(size), _terminals_part(cosigned_note)):
            if note and _size(note) == size:
                return Batch(self.origin, size, (), note)
        return Unsigned(size)

    def _reach(self, first: int, end: int, body_bytes: int) -> int:
        """How far entries from ``first`` fit into one body of so many bytes, at most to ``end``; at least one entry."""
        room, reach = min(body_bytes, BODY_BYTES_MAX - FRAME_BYTES), first
        for content in self._journal.entries(first, end):
            room -= len(content) + ENTRY_HEAD_BYTES
            if room < 0 and reach > first:
                break
            reach += 1
        return reach


def _size(note: str) -> int:
    return parse_checkpoint_note(note)[0].size


def _terminals_part(cosigned_note: str) -> str:
    """Our own signed checkpoint out of head office's answer: all lines but the last."""
    return "".join(cosigned_note.splitlines(keepends=True)[:-1])
