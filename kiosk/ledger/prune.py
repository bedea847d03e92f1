"""Pruning: the bytes of old entries are deleted from the terminal once head office has cosigned them for long enough.

What goes are bytes of entries that nothing here needs any more; who chooses them is ``kiosk.app.pruner``. What stays:

- every leaf hash: roots, checkpoints, proofs and receipts of any size come out as before;
- every entry that the books still rest on, so a start folds what is left and finds the same (``kiosk.sale.keeping``);
- every closing, so perpetual totals go on; and ``log.pruned`` itself, committed together with the deletion. It names
  how many entries are missing and which, by the digest of their numbers: a hole that it does not name is damage.

Who reads the ledger and has not thought of this is told so (L-507), and never gets a ledger with holes in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.kinds import PRUNED, shaped
from kiosk.ledger.note import Cosigned
from kiosk.model.errors import LedgerFault

INDEX = "CREATE INDEX IF NOT EXISTS hole ON entry (seq) WHERE length(bytes) = 0"
# A row that is only made shorter leaves a corner of its page empty, for nobody. Who deletes gives whole pages back: the
# next entries take them, and the file grows no more.
LEAF, DELETE = "SELECT leaf FROM entry WHERE seq = ?", "DELETE FROM entry WHERE seq = ?"
HOLLOW = "INSERT INTO entry VALUES (?, X'', ?)"


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is to be deleted: entries ``doomed``, all below ``below``, all within what head office ``cosigned``."""

    doomed: frozenset[int]
    below: int
    cosigned: Cosigned


class Holes:
    """Told the number of every entry whose bytes are not here, in order; remembers their number and a digest."""

    __slots__ = ("_first", "_named", "_next", "_runs", "count")

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.count = 0
        self._runs: Any = sha256()
        self._first = self._next = -1  # of the run that may go on
        self._named: Entry | None = None
        for number in numbers:
            self.take(number)

    def take(self, number: int) -> None:
        """One more."""
        if number != self._next:
            self._runs = self._closed()
            self._first = number
        self._next, self.count = number + 1, self.count + 1

    def named_by(self, entry: Entry) -> None:
        """A ``log.pruned``: the newest counts."""
        self._named = entry

    @property
    def digest(self) -> bytes:
        """SHA-256 over the runs of numbers: first and end of each, 8 bytes big-endian."""
        return bytes(self._closed().digest())

    def wrong(self) -> str:
        """What is wrong with the holes of a whole log, or an empty text."""
        if self._named is None:
            return f"{self.count} entries are missing, and no log.pruned names them" if self.count else ""
        data = self._named.data
        if not shaped(self._named):
            return "a log.pruned that is not in form"
        if (data["count"], data["digest"]) != (self.count, self.digest) or self._next > data["below"]:
            return f"other entries are missing than the {data['count']} that entry {self._named.seq} deleted"
        return ""

    def lacking(self, count: int) -> str:
        """The same of an export that lacks its first ``count`` entries: a log.pruned must say that so many may."""
        below = self._named.data.get("below") if self._named is not None else None
        named = type(below) is int and count <= below
        return "" if named else f"{count} entries are missing, and no log.pruned says so"

    def _closed(self) -> Any:
        runs = self._runs.copy()
        if self._first >= 0:
            runs.update(self._first.to_bytes(8) + self._next.to_bytes(8))
        return runs


def draft_of(pruning: Pruning, missing: Holes) -> Draft:
    """The entry that says so. ``missing``: all holes there will be. Raises LedgerFault L-501 for what may not go."""
    if not pruning.doomed or min(pruning.doomed) < 1 or max(pruning.doomed) >= pruning.below:
        raise LedgerFault("L-501", "what is to be deleted is not below the number named")
    if pruning.below > pruning.cosigned.checkpoint.size:
        raise LedgerFault("L-501", "head office has not cosigned what is to be deleted")
    data = {
        "below": pruning.below,
        "count": missing.count,
        "digest": missing.digest,
        "cosigned": pruning.cosigned.checkpoint.size,
        "time": pruning.cosigned.time,
    }
    return Draft(PRUNED, None, (), data)


def absent(first: int, last: int) -> LedgerFault:
    """What who asks for deleted entries is told."""
    return LedgerFault("L-507", f"entries {first} … {last} were deleted from this terminal; head office has them")
