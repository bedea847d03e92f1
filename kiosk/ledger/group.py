"""Group commit: several that wait for the disk share one commit and one signature.

While one commit is under way, others can only wait; when their turn comes, whoever is first records for all. Nobody
returns before its own entries are durable, and what is wrong with one is no other's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Lock

from kiosk.ledger.entry import Draft, Entry
from kiosk.model.errors import LedgerFault

Commit = Callable[[list[Draft]], list[Entry]]
"""Records drafts, all or nothing. Raises LedgerFault or AssertionError when nothing was recorded."""


class _Waiting:
    """What one caller wants recorded, and what became of it."""

    __slots__ = ("drafts", "entries", "fault")

    def __init__(self, drafts: list[Draft]) -> None:
        self.drafts = drafts
        self.entries: list[Entry] | None = None
        self.fault: LedgerFault | AssertionError | None = None

    @property
    def done(self) -> bool:
        return self.entries is not None or self.fault is not None

    def alone(self, commit: Commit) -> None:
        try:
            self.entries = commit(self.drafts)
        except (LedgerFault, AssertionError) as fault:
            self.fault = fault


class Group:
    """Those who append to one journal."""

    def __init__(self, turn: AbstractContextManager[object], commit: Commit) -> None:
        """``turn``: held while something is committed; ``commit`` is only called under it."""
        self._turn, self._commit = turn, commit
        self._waiting: list[_Waiting] = []
        self._listed = Lock()

    def append(self, drafts: list[Draft]) -> list[Entry]:
        """The entries of these drafts, durable. Raises what ``commit`` raises."""
        mine = _Waiting(drafts)
        with self._listed:
            self._waiting.append(mine)
        with self._turn:
            if not mine.done:
                self._commit_all()
        if mine.fault is not None:
            raise mine.fault
        assert mine.entries is not None, "what waited was recorded, or told why not"
        return mine.entries

    def _commit_all(self) -> None:
        with self._listed:
            together, self._waiting = self._waiting, []
        try:
            if len(together) == 1 or not self._committed(together):
                for each in together:
                    each.alone(self._commit)
        finally:  # when something else broke off, nobody is left waiting for ever
            for each in together:
                if not each.done:
                    each.fault = LedgerFault("L-502", "the commit that it waited for broke off; it was not recorded")

    def _committed(self, together: Sequence[_Waiting]) -> bool:
        """All in one commit; False, and nothing recorded, if that cannot be."""
        try:
            entries = self._commit([draft for each in together for draft in each.drafts])
        except (LedgerFault, AssertionError):
            return False
        for each in together:
            each.entries, entries = entries[: len(each.drafts)], entries[len(each.drafts) :]
        return True
