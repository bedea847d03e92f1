"""How the sending goes, for people: lines in the log, and the work's row in the state file (``kiosk sync status``).

Nothing is concluded from any of it, so nothing here may fail: where the row cannot be written, the log must do.
"""

from __future__ import annotations

import logging

from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault
from kiosk.sync.state import SyncStateFile, SyncWork

log = logging.getLogger(__name__)

RECENT_MS = 600_000  # the speed is that of about the last ten minutes of sending
PATIENT_MS = 5_000  # a shorter wait is not shown as one


class Progress:
    """Writes the work's row."""

    def __init__(self, state: SyncStateFile, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._begun_ms = clock.monotonic_ms()
        self._tell(gained=0, spent_ms=0, refused_seq=-1)

    def sends(self) -> None:
        """A batch goes out."""
        self._begun_ms = self._clock.monotonic_ms()

    def reached(self, size: int, total: int) -> None:
        """Head office has ``size`` of ``total`` entries."""
        work = self._state.work
        gained = work.gained + max(0, size - work.office_size)
        spent_ms = work.spent_ms + self._clock.monotonic_ms() - self._begun_ms
        self._begun_ms = self._clock.monotonic_ms()
        if spent_ms > RECENT_MS:
            gained, spent_ms = gained // 2, spent_ms // 2
        self._tell(office_size=size, gained=gained, spent_ms=spent_ms)
        left = left_ms(self._state.work, total)
        forecast = f", about {(left + 59_999) // 60_000} minutes left" if left else ""
        log.info("head office has %d of %d entries (%d %%)%s", size, total, 100 * size // max(1, total), forecast)

    def names(self, size: int) -> None:
        """Head office says that it has so many; nothing was gained."""
        self._tell(office_size=size)

    def refuses(self, seq: int) -> None:
        """Head office takes entry ``seq`` not even alone; −1: it does again."""
        if seq >= 0:
            log.error("head office refuses entry %d even alone; it is kept, and what follows waits behind it", seq)
        self._tell(refused_seq=seq)

    def waits(self, wait_ms: int) -> None:
        """The next thing is due in so long."""
        self._tell(next_try_ms=self._clock.utc_ms() + wait_ms if wait_ms >= PATIENT_MS else 0)

    def _tell(self, **values: int) -> None:
        code = self._state.now.problem_code
        if bool(code) != bool(self._state.work.problem_ms):
            values["problem_ms"] = self._clock.utc_ms() if code else 0
        try:
            self._state.tell(**values)
        except LedgerFault as fault:
            log.warning("how the sending goes is not written down: %s", fault)


def left_ms(work: SyncWork, total: int) -> int:
    """How long the rest will take at the speed of late; 0: nothing is left, or nobody knows."""
    left = max(0, total - work.office_size)
    return left * work.spent_ms // work.gained if work.gained and left else 0
