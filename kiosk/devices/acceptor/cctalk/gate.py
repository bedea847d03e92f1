"""What the device is told to take, and where it is told to move a note."""

from __future__ import annotations

from collections.abc import Mapping

from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.greeting import Question
from kiosk.devices.acceptor.cctalk.teller import NoteInEscrow
from kiosk.devices.acceptor.cctalk.trade import Trade

COINS_PENDING_MAX = 2  # with one more waiting for the ledger it is closed: its table holds five, and some still roll
OPEN, SHUT = b"\x01", b"\0"


class Gate:
    """Inhibits and routes, as they are wished and as the device has confirmed them. Times in ms."""

    def __init__(self, trade: Trade, hold_every_ms: int, route_again_ms: int, open_again_ms: int) -> None:
        self._trade = trade
        self._pending_max = 0 if trade.takes_notes else COINS_PENDING_MAX  # notes come one at a time
        self._hold_every_ms, self._route_again_ms, self._open_again_ms = hold_every_ms, route_again_ms, open_again_ms
        self.wanted: frozenset[int] = frozenset()
        self.worth_fen: Mapping[int, int] = {}
        self.pending = 0  # events that wait for the ledger
        self.leaving = False
        self._doing: tuple[Question, ...] = ()  # what leads to the wish that is being carried out
        self._step = 0
        self._since_ms: int | None = None  # of the confirmation

    def unknown(self) -> None:
        """Nobody knows how the device stands."""
        self._doing, self._step, self._since_ms = (), 0, None

    def shut(self, now_ms: int) -> None:
        """It has been closed."""
        self._doing = (Question(wire.MASTER_INHIBIT, SHUT),)
        self._step, self._since_ms = 1, now_ms

    @property
    def closed(self) -> bool:
        """Whether it has confirmed that it takes nothing."""
        return self._since_ms is not None and self._doing == (Question(wire.MASTER_INHIBIT, SHUT),)

    def command(self, may_open: bool, now_ms: int) -> Question | None:
        """The command that leads on to the wish; None if the device has confirmed it a short while ago."""
        steps = self._steps(may_open)
        stale = self._since_ms is not None and now_ms - self._since_ms >= self._open_again_ms
        if steps != self._doing or stale:
            self._doing, self._step, self._since_ms = steps, 0, None
        return None if self._step >= len(steps) else steps[self._step]

    def _steps(self, may_open: bool) -> tuple[Question, ...]:
        kinds = frozenset(kind for kind, fen in self.worth_fen.items() if fen in self.wanted)
        if not kinds or not may_open or self.leaving or self.pending > self._pending_max:
            return (Question(wire.MASTER_INHIBIT, SHUT),)
        opening = (Question(wire.INHIBITS, wire.mask(kinds)), Question(wire.MASTER_INHIBIT, OPEN))
        if not self._trade.takes_notes:
            return opening
        return (Question(wire.OPERATING_MODE, bytes((wire.WITH_STACKER | wire.WITH_ESCROW,))), *opening)

    def done(self, asked: Question, now_ms: int) -> None:
        """The device answered one of them; one that it refuses it will refuse again."""
        if self._step < len(self._doing) and self._doing[self._step] == asked:
            self._step += 1
            self._since_ms = now_ms if self._step == len(self._doing) else None

    def route(self, escrow: NoteInEscrow, now_ms: int) -> int | None:
        """Where the note in escrow is to be moved now."""
        if escrow.to_box is not None:
            if escrow.routed_ms is not None and now_ms - escrow.routed_ms < self._route_again_ms:
                return None
            escrow.routed_ms = now_ms
            return wire.STACK if escrow.to_box else wire.RETURN
        if now_ms - escrow.held_ms < self._hold_every_ms:
            return None
        escrow.held_ms = now_ms
        return wire.HOLD
