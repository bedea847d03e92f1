"""Deletes old entries that head office has cosigned for long enough, when the kiosk has nothing to do.

::

    cosigned note, both signatures good ──► cut: behind a day's closing, old by head office's clock, no sale open
        ──► choice (``sale.keeping``) ──► fold what would be left, compare with the fold of everything ──► one commit

Nothing that does not stand the comparison is deleted. Age counts back from the time in head office's cosignature, not
by this machine's clock: one that is set years ahead deletes nothing. In a dispute with head office nothing is deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from kiosk.app.counter.work import Unfinished
from kiosk.config import Config
from kiosk.ledger.brought import NOBODY
from kiosk.ledger.carry import Carry
from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.journal import Journal
from kiosk.ledger.kinds import PERIOD
from kiosk.ledger.note import Cosigned, open_cosigned
from kiosk.ledger.prune import Pruning
from kiosk.ledger.rows import Rows
from kiosk.ledger.tiles import WIDTH
from kiosk.model.clock import Clock
from kiosk.sale.books import Memory
from kiosk.sale.keeping import Choice, Folds, folded, same
from kiosk.sync.command import head_office_keys
from kiosk.sync.state import SyncStateReader

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
STILL_MS = 300_000  # nothing was recorded for so long: nobody is here
AT_ONCE = 16_384  # entries looked at behind what was deleted before; more if that gains too little
GAIN_MIN = 256  # entries: less is not worth an entry that says so


class Pruner:
    """``look`` is called every few seconds, by the watch's thread; it rarely does anything."""

    def __init__(self, config: Config, journal: Journal, clock: Clock) -> None:
        self._config, self._journal, self._clock = config, journal, clock
        self._size, self._still_since_ms, self._due_ms = 0, 0, 0

    def look(self) -> None:
        """Prunes if it is time. Raises LedgerFault."""
        now_ms, size = self._clock.monotonic_ms(), self._journal.size
        if size != self._size:
            self._size, self._still_since_ms = size, now_ms
        days = self._config.ledger.keep_days
        if not days or now_ms - self._still_since_ms < STILL_MS or now_ms < self._due_ms:
            return
        self._due_ms = now_ms + DAY_MS
        cosigned = self._cosigned()
        if cosigned is None:
            return
        pruning = plan(self._journal, cosigned, days * DAY_MS)
        if pruning is not None:
            self._journal.prune(pruning)
            self._due_ms = now_ms  # perhaps there is more
            log.info("pruned %d entries below %d", len(pruning.doomed), pruning.below)

    def _cosigned(self) -> Cosigned | None:
        """Head office's newest answer, both signatures good; None if there is none, or a dispute."""
        with SyncStateReader(self._config.sync_state, self._journal.origin) as reader:
            state = reader.state()
        if not state.cosigned_note or state.stop_selling or state.quarantined or state.wanted_size:
            return None
        sent, given = self._config.vkeys, self._config.head_office.vkey_file
        keys = sent if sent.exists() else given
        if keys is None:
            return None
        return open_cosigned(state.cosigned_note, self._journal.vkey, head_office_keys(keys))


def plan(rows: Rows, cosigned: Cosigned, keep_ms: int) -> Pruning | None:
    """What may be deleted, as far as it is worth it."""
    size, reach = cosigned.checkpoint.size, rows.whole_from + AT_ONCE
    while True:
        cut = _cut(_entries(rows, min(reach, size)), cosigned.time * 1_000 - keep_ms)
        below = cut // WIDTH * WIDTH  # so that every bundle of an export is whole or not there
        doomed = _doomed(rows, cut, below) if below > 0 else frozenset()
        if len(doomed) >= GAIN_MIN:
            return Pruning(doomed, below, cosigned)
        if reach >= size:
            return None
        reach *= 4


def _entries(rows: Rows, end: int) -> Iterator[Entry]:
    return (decode(raw) for _, raw, _ in rows.kept_rows(0, end) if raw)


def _cut(entries: Iterator[Entry], limit_ms: int) -> int:
    """The last place behind a day's closing, old enough, where no sale is open; 0 if there is none."""
    memory, cut, closed_ms = Memory(), 0, None
    for entry in entries:
        at_rest = memory.books.open is None and memory.books.note is None
        if entry.kind == PERIOD:
            closed_ms = entry.at
        elif closed_ms is not None:
            if closed_ms <= limit_ms and at_rest:
                cut = entry.seq
            closed_ms = None
        memory.see(entry)
    return cut


def _doomed(rows: Rows, cut: int, below: int) -> frozenset[int]:
    """What may go of the entries before ``cut``, compared; nothing if no choice stands the comparison."""
    everything = folded(new_folds(), _entries(rows, cut))
    for wide in (False, True):
        choice = Choice(everything.memory.books, below, wide=wide)
        for entry in _entries(rows, cut):
            choice.see(entry)
        doomed = choice.doomed()
        if same(everything, folded(new_folds(), _entries(rows, cut), doomed)):
            return doomed
        log.error("the ledger folds otherwise without %d entries below %d", len(doomed), below)
    return frozenset()


class _Orders(Unfinished):
    """Staff's work on cards, as the counter finds it."""

    def standing(self) -> object:
        """See ``Folds``."""
        return self.orders, self.gone


class _Debts:
    """What a new epoch would bring over from this ledger, card by card."""

    def __init__(self) -> None:
        self._carry = Carry()

    def see(self, entry: Entry) -> None:
        """One more entry."""
        self._carry.take(entry)

    def standing(self) -> object:
        """See ``Folds``. Of accounts the closings keep the sums."""
        rows = self._carry.rows(0, sure=True)
        return [row for row in rows if row.key != NOBODY], self._carry.came


def new_folds() -> Folds:
    """All that this program makes of a ledger at a start."""
    return Folds(_Orders(), _Debts())
