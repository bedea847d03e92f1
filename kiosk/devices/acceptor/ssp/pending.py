"""What the device has told and the kiosk has not yet recorded: credits, and what lay in the path at its power-up.

In the acknowledged mode the device gives the same answer to every poll until EVENT ACK; after a loss of power these
events stand in the next answer again, new ones behind. So an event is new if it stands behind those of its kind that
were already told; and EVENT ACK, which lets go everything that the last poll told, may only be sent right after a poll
of which every such event is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.wire import Told

AT_START = frozenset((wire.TO_BOX_AT_START, wire.TO_FRONT_AT_START))
REPEATED = AT_START | {wire.CREDIT, wire.FRAUD}
"""What is repeated; of E1 the manual does not say, so it may be or not."""


@dataclass(slots=True)
class Item:
    """An event that the device repeats until it is acknowledged."""

    told: Told
    recorded: bool = False


@dataclass(slots=True)
class Credit:
    """A note in the box. ``fen`` None: nobody knows its value."""

    fen: int | None
    found: bool
    item: Item
    since_ms: int | None = None  # of the last report


class Pending:
    """The books between device and kiosk."""

    def __init__(self, remind_ms: int) -> None:
        self._remind_ms = remind_ms
        self._items: list[Item] = []  # as the device tells them, until acknowledged
        self.credits: list[Credit] = []

    def new(self, told: list[Told], repeats: bool) -> list[Item]:
        """Those of these events that were not told before; ``repeats``: the device is in the acknowledged mode."""
        kept = [event for event in told if event.code in REPEATED]
        if not repeats:
            self._items = []
            return [Item(event) for event in kept]
        return [item for code in sorted(REPEATED) for item in self._new(code, [e for e in kept if e.code == code])]

    def _new(self, code: int, told: list[Told]) -> list[Item]:
        known = [item for item in self._items if item.told.code == code]
        if told[: len(known)] != [item.told for item in known]:  # they were let go, and these came since
            self._items = [item for item in self._items if item.told.code != code]
            known = []
        fresh = [Item(event, recorded=code == wire.FRAUD) for event in told[len(known) :]]
        self._items += fresh
        return fresh

    @property
    def holds(self) -> bool:
        """Whether the device's last answer stays as it is until EVENT ACK."""
        return bool(self._items)

    def forget(self) -> None:
        """The device let them go, or is another one."""
        self._items = []

    @property
    def may_acknowledge(self) -> bool:
        """Whether there is something to let go, and all of it is recorded."""
        return bool(self._items) and all(item.recorded for item in self._items)

    def reported(self, now_ms: int) -> list[on.AcceptorEvent]:
        """The report of the oldest credit, if it is due for the first time or again."""
        if not self.credits:
            return []
        credit = self.credits[0]
        if credit.fen is None or (credit.since_ms is not None and now_ms - credit.since_ms < self._remind_ms):
            return []
        credit.since_ms = now_ms
        return [on.NoteStacked(credit.fen, credit.found)]

    def due_ms(self) -> int | None:
        """When the oldest credit is to be told again; None if there is none that was told."""
        if not self.credits or self.credits[0].since_ms is None:
            return None
        return self.credits[0].since_ms + self._remind_ms

    @property
    def worthless(self) -> bool:
        """Whether a note lies in the box whose value nobody knows."""
        return bool(self.credits) and self.credits[0].fen is None

    def credited(self) -> None:
        """The oldest credit, if it was told, is recorded."""
        if self.credits and self.credits[0].since_ms is not None:
            self.credits.pop(0).item.recorded = True

    def settled(self) -> None:
        """What the device told of its power-up is recorded."""
        for item in self._items:
            if item.told.code in AT_START:
                item.recorded = True
