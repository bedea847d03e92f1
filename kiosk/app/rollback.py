"""A disk image that was put back, found without head office: the chip's counter and the ledger's must agree.

The ledger names the value first, then the chip is raised to it. So at a start the chip stands at the ledger's value, or
one below it, where the power went in between. A chip that stands above it has seen a later ledger than this one; one
further below is another chip, or the disk is in another machine. Either way: L-503, no selling, keep the disk.

It is raised at each start, and while the ledger grows every ``chip.raise_minutes``: a chip takes some 10^5 raisings.
"""

from __future__ import annotations

from collections.abc import Callable

from kiosk.config import Config
from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.hardware.chip import Chip
from kiosk.ledger.journal import Journal
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

RAISED = "counter.raised"
MINUTE_MS = 60_000


class RollbackGuard:
    """``see`` is told every entry before ``check``; afterwards ``keep_up`` may be called at any time."""

    def __init__(self, chip: Chip, index: str, clock: Clock, raise_ms: int) -> None:
        self._chip, self._index, self._clock, self._raise_ms = chip, index, clock, raise_ms
        self._told: int | None = None  # the ledger's value
        self._size = 0
        self._raised_ms = 0

    def see(self, entry: Entry) -> None:
        """One more entry of the ledger that is being opened."""
        if entry.kind == RAISED:
            self._told = entry.data["counter"]

    def check(self, journal: Journal) -> None:
        """At the start. Raises LedgerFault L-503 (ledger and chip do not belong together), L-505, L-502."""
        if self._told is None:
            self._chip.make_counter(self._index)
        now = self._chip.counter(self._index)
        if self._told is not None and now == self._told - 1:
            self._chip.raise_counter(self._index)  # the power went before it was
        elif self._told is not None and now != self._told:
            text = f"the chip counts {now}, the ledger {self._told}"
            where = "an older disk image was put back" if now > self._told else "the disk or the chip is another one's"
            raise LedgerFault("L-503", f"{text}: {where}")
        self._raise(journal)

    def keep_up(self, journal: Journal) -> None:
        """Raises the counter if the ledger has grown and it is time. Raises LedgerFault L-502, L-505."""
        if journal.size > self._size and self._clock.monotonic_ms() - self._raised_ms >= self._raise_ms:
            self._raise(journal)

    def _raise(self, journal: Journal) -> None:
        value = self._chip.counter(self._index) + 1
        journal.append([Draft(RAISED, None, (), {"counter": value, "chip": self._index})])
        self._told, self._size, self._raised_ms = value, journal.size, self._clock.monotonic_ms()
        self._chip.raise_counter(self._index)


def guard_of(config: Config, clock: Clock) -> RollbackGuard | None:
    """The guard that the settings ask for; None without a counter."""
    chip = config.chip
    if not chip.counter:
        return None
    return RollbackGuard(Chip(chip.tcti), chip.counter, clock, chip.raise_minutes * MINUTE_MS)


def seen_by(guard: RollbackGuard | None, *others: Callable[[Entry], object]) -> Callable[[Entry], None]:
    """One listener for all who want the entries of a ledger that is being opened."""

    def see(entry: Entry) -> None:
        for other in others:
            other(entry)
        if guard is not None:
            guard.see(entry)

    return see
