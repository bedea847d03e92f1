"""Group commit: several that wait for the disk share one commit and one signature.

Whoever comes while nothing is being committed leads: it records for all that wait by then, itself among them, and hands
the lead on to the first of those who came meanwhile. Nobody returns before its own entries are durable, and what is
wrong with one is no other's fault.
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

    __slots__ = ("call", "drafts", "entries", "fault", "leads")

    def __init__(self, drafts: list[Draft]) -> None:
        self.drafts = drafts
        self.entries: list[Entry] | None = None
        self.fault: LedgerFault | AssertionError | None = None
        self.leads = False
        self.call = Lock()  # held until it is done, or may lead
        self.call.acquire()

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
        """``turn``: held while something is committed; who appends must not hold it."""
        self._turn, self._commit = turn, commit
        self._waiting: list[_Waiting] = []
        self._led = False
        self._listed = Lock()

    def append(self, drafts: list[Draft]) -> list[Entry]:
        """The entries of these drafts, durable. Raises what ``commit`` raises."""
        mine = _Waiting(drafts)
        with self._listed:
            self._waiting.append(mine)
            mine.leads = not self._led
            self._led = True
        try:
            if not mine.leads:
                mine.call.acquire()
            if mine.leads:
                self._commit_all()
        finally:
            self._leave(mine)
        if mine.fault is not None:
            raise mine.fault
        assert mine.entries is not None, "what waited was recorded, or told why not"
        return mine.entries

    def _commit_all(self) -> None:
        with self._turn:
            with self._listed:
                together, self._waiting = self._waiting, []
            try:
                if len(together) == 1 or not self._committed(together):
                    for each in together:
                        each.alone(self._commit)
            finally:  # when something else broke off, nobody is left waiting for ever
                for each in together:
                    if not each.done:
                        each.fault = LedgerFault("L-502", "the commit that it waited for broke off: not recorded")
                    if not each.leads:
                        each.call.release()

    def _committed(self, together: Sequence[_Waiting]) -> bool:
        """All in one commit; False, and nothing recorded, if that cannot be."""
        try:
            entries = self._commit([draft for each in together for draft in each.drafts])
        except (LedgerFault, AssertionError):
            return False
        for each in together:
            each.entries, entries = entries[: len(each.drafts)], entries[len(each.drafts) :]
        return True

    def _leave(self, mine: _Waiting) -> None:
        """Takes one off the list, if it was interrupted before its turn; hands the lead on, if it has it."""
        with self._listed:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if not mine.leads:
                return
            self._led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].call.release()
