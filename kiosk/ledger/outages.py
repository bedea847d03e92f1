"""Outages as the ledger tells them: devices that could not work, and the terminal itself without power. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kiosk.ledger.entry import Entry
from kiosk.ledger.kinds import OPENED

TERMINAL = "terminal"
CUT, STOPPED = "power", "stopped"  # why the terminal was off


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage. Times in UTC ms by the terminal's clock, a claim; ``to_*`` None while it lasts.

    ``lasted_ms``: by a clock that never falls, where the ledger has it, else by the two times. The terminal itself went
    off some time after ``from_ms``: that is the time of its last entry before.
    """

    device: str
    codes: tuple[str, ...]  # in order; more than one if the reason changed
    from_seq: int
    from_ms: int
    to_seq: int | None = None
    to_ms: int | None = None
    lasted_ms: int | None = None
    flaps: int = 0  # how often it came and went meanwhile without an entry


class Outages:
    """Told every entry, in order."""

    def __init__(self) -> None:
        self._open: dict[str, Outage] = {}
        self._last: Entry | None = None

    def take(self, entry: Entry) -> Outage | None:
        """One more entry; the outage that it ends, if it ends one."""
        last, self._last = self._last, entry
        device = entry.data.get("device")
        if entry.kind == "device.down" and type(device) is str:
            self._begin(device, str(entry.data.get("code", "")), entry)
        elif entry.kind == "device.up" and type(device) is str:
            return self._end(device, entry)
        elif entry.kind == "terminal.started" and last is not None and last.kind != OPENED:
            why = STOPPED if last.kind == "terminal.stopped" else CUT
            lasted = max(0, entry.at - last.at)
            return Outage(TERMINAL, (why,), last.seq, last.at, entry.seq, entry.at, lasted)
        return None

    def open(self) -> Iterator[Outage]:
        """Those that last, the oldest first."""
        yield from self._open.values()

    def _begin(self, device: str, code: str, entry: Entry) -> None:
        known = self._open.get(device)
        if known is None:
            self._open[device] = Outage(device, (code,), entry.seq, entry.at)
        elif known.codes[-1] != code:
            self._open[device] = Outage(device, (*known.codes, code), known.from_seq, known.from_ms)

    def _end(self, device: str, entry: Entry) -> Outage | None:
        known = self._open.pop(device, None)
        if known is None:
            return None
        ms = entry.data.get("ms")
        lasted = ms if type(ms) is int else max(0, entry.at - known.from_ms)
        began = min(known.from_ms, max(0, entry.at - lasted))  # told late, if the ledger took nothing then
        flaps = entry.data.get("flaps", 0)
        return Outage(
            device, known.codes, known.from_seq, began, entry.seq, entry.at, lasted, flaps if type(flaps) is int else 0
        )
