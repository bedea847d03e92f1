"""The downlink in the sync process: a thread of its own, so that neither road waits for the other."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from kiosk.model.clock import Clock
from kiosk.model.errors import KioskError
from kiosk.sync.downlink.round import Place, take
from kiosk.sync.downlink.sources import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Times in ms: a round each ``poll_ms``; after one that brought nothing from ``retry_min_ms`` on, doubling.

    Each wait is a random half to whole of it, so that a thousand terminals do not come at once.
    """

    poll_ms: int = 900_000
    retry_min_ms: int = 5_000
    chance: Callable[[], float] = field(default=random.random)

    def wait_ms(self, failures: int) -> int:
        """How long to wait after so many failures in a row."""
        whole = self.poll_ms if not failures else min(self.poll_ms, self.retry_min_ms << min(failures, 32))
        return whole // 2 + int(self.chance() * (whole - whole // 2))


class DownlinkLoop:
    """Rounds without end. ``turn`` is one; ``start`` lets a thread make them."""

    def __init__(self, place: Place, source: Source, clock: Clock, rhythm: Rhythm) -> None:
        self._place, self._source, self._clock, self._rhythm = place, source, clock, rhythm
        self._failures = 0

    def start(self) -> None:
        """Begins; it ends with the process."""
        threading.Thread(target=self._run, name="downlink", daemon=True).start()

    def turn(self) -> int:
        """One round. Returns ms until the next."""
        try:
            offer = take(self._place, self._source, self._clock)
        except KioskError as fault:
            # What must be known of it stands in the offer; silence is the uplink's to tell.
            log.warning("downlink: %s", fault)
            self._failures += 1
        else:
            log.info("head office's publication %d is here", offer.version)
            self._failures = 0
        return self._rhythm.wait_ms(self._failures)

    def _run(self) -> None:
        never = threading.Event()
        while True:
            try:
                wait_ms = self.turn()
            except Exception:  # a mistake of ours must not end the road down for good, nor the road up
                log.critical("the downlink made a mistake", exc_info=True)
                wait_ms = self._rhythm.poll_ms
            never.wait(wait_ms / 1000)
