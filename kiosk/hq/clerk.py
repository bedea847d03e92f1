"""The clerk: books what the intake has stored, tells people what is amiss, and looks at the clock once a minute.

The intake answers a terminal as soon as its entries are on the disk; the books follow. In ``kiosk hq serve`` a thread
of the clerk's own does that; without it (commands, simulation) entries are booked before ``tell`` returns. Whatever is
left over when the program ends is booked when the next one begins: how far the books are stands in each log's row.
"""

from __future__ import annotations

import logging
import threading
import time

from kiosk.hq.books import behind, book
from kiosk.hq.database import lock_everybody
from kiosk.hq.purchases import ALARM as COUNT_TWICE
from kiosk.hq.purchases import sold_twice_since
from kiosk.hq.store import Store, Turn
from kiosk.hq.vouchers import amiss_since
from kiosk.hq.watch import Limits, look
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

log = logging.getLogger(__name__)

REASON_MAX = 200  # characters; the whole stands with the parked entry
LOOK_EVERY_S = 60.0


class Clerk:
    """Any thread may call."""

    def __init__(self, store: Store, clock: Clock, limits: Limits | None = None) -> None:
        self._store, self._clock, self.limits = store, clock, limits or Limits()
        self._turn = threading.Condition()
        self._waiting: dict[str, None] = {}  # logs, in the order they came
        self._busy = False
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """From now on a thread books. It begins with what is left over."""
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._busy = True
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, behind the piece that it is booking; what is left stays for the next start."""
        with self._turn:
            self._ending = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def tell(self, log_id: str) -> None:
        """A log has grown. Never raises: an entry that is stored is stored, whatever becomes of the books."""
        if self._thread is None:
            self._book(log_id)
            return
        with self._turn:
            self._waiting[log_id] = None
            self._turn.notify_all()
            if not self._thread.is_alive() and not self._ending:  # a mistake of ours in one log's books ended it
                log.error("the clerk is started again; see above what ended it")
                self.start()

    def settle(self, seconds: float) -> bool:
        """Waits until everything told is booked, so that a page shows it; no longer than this."""
        with self._turn:
            return self._turn.wait_for(lambda: self._ending or not (self._busy or self._waiting), seconds)

    @property
    def is_working(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> None:
        """Books what another office has left, and sees which alarms are due or over. Never raises."""
        try:
            for log_id in behind(self._store):
                self._book(log_id)
            if self._is_stopping():
                return
            look(self._store, self._clock.utc_ms(), self.limits)
        except LedgerFault as fault:
            log.error("the books wait: %s", fault)

    def _is_stopping(self) -> bool:
        """Whether somebody waits for the thread's end."""
        return self._ending and self._thread is not None

    def _run(self) -> None:
        due_s = 0.0
        while not self._ending:
            if time.monotonic() >= due_s:
                self.look()
                due_s = time.monotonic() + LOOK_EVERY_S
            if (log_id := self._next(due_s)) is not None:
                self._book(log_id)

    def _next(self, due_s: float) -> str | None:
        with self._turn:
            self._busy = False
            self._turn.notify_all()
            left_s = max(0.0, due_s - time.monotonic())
            self._turn.wait_for(lambda: self._ending or self._waiting, left_s)
            if self._ending:
                return None
            self._busy = True
            if not self._waiting:
                return None
            log_id = next(iter(self._waiting))
            del self._waiting[log_id]
            return log_id

    def _book(self, log_id: str) -> None:
        try:
            book(self._store, log_id, self._tell_people, enough=self._is_stopping)
        except LedgerFault as fault:
            log.error("the books of a log wait: %s", fault)
        except Exception:  # a mistake of ours in one log's books leaves the others theirs (contract 2 §6)
            log.critical("a mistake in the books of log %s: they wait", log_id, exc_info=True)

    def _tell_people(self, turn: Turn, first: int, parked: dict[int, str]) -> None:
        """What a booking finds amiss, in the same transaction. What concerns other logs, too, is seen one at a time."""
        lock_everybody(turn.database)
        now_ms, origin = self._clock.utc_ms(), turn.log.origin
        for what, no in amiss_since(turn.database, turn.log.id, first):
            turn.alarm(now_ms, what, no)
            log.error("%s: voucher %s: %s", origin, no, what)
        for which, line in sold_twice_since(turn.database, turn.log.id, first):
            turn.alarm_about(now_ms, COUNT_TWICE, which, line)
            log.error("%s: one purchase number of a card was sold twice: %s", origin, line)
        if parked:
            lowest = min(parked)
            why = parked[lowest][:REASON_MAX].replace("\0", "")
            turn.alarm(now_ms, "parked", f"{len(parked)} × from {lowest}: {why}")
            log.warning("%s: %d entries parked, the first is %d: %s", origin, len(parked), lowest, why)
