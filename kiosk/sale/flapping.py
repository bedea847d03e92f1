"""A device that comes and goes: after a few times the ledger is told once, with a count, and not each time.

A loose plug would else write two entries a second for a month. Selling goes by what is so; only the telling waits: the
outage stays open in the ledger until the device has worked for a while without a break.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

OFTEN = 5  # outages told
WITHIN_MS = 3_600_000  # in so long: then it flaps
QUIET_MS = 900_000  # it works again when it has worked for so long


@dataclass(frozen=True, slots=True)
class Flap:
    """How often a device went down in this run. Times by a clock that never falls."""

    downs: tuple[int, ...] = ()  # when the outages began that the ledger was told of, as far as they count
    hidden: bool = False  # it flaps: the ledger says that it is down
    untold: int = 0  # how often it went down since, or gave another reason
    moved_ms: int = 0  # when it last changed

    def moved(self, code: str, now_ms: int, *, open_: bool) -> Flap:
        """After it went down (``code``) or up (""). ``open_``: the ledger says that it is down."""
        if self.hidden:
            return replace(self, untold=self.untold + bool(code), moved_ms=now_ms)
        recent = tuple(at_ms for at_ms in self.downs if now_ms - at_ms <= WITHIN_MS)
        if code:
            return replace(self, downs=(*recent, now_ms)[-OFTEN:], moved_ms=now_ms)
        return replace(self, downs=recent, hidden=open_ and len(recent) >= OFTEN, moved_ms=now_ms)

    def wait_ms(self, now_ms: int) -> int:
        """How long it must go on working before the ledger is told so; 0: it has."""
        return max(0, self.moved_ms + QUIET_MS - now_ms)

    def told(self) -> Flap:
        """The ledger has been told; if it goes on as before, it will soon be hidden again."""
        return Flap(self.downs)
