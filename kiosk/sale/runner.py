"""The one impure file of the sale: takes events from a queue, asks the machine, carries out what it says.

One thread, the only writer of the journal. If an entry cannot be committed, nothing that should have followed it is
done; the books are taken back to what is committed, and the machine is told.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass, replace
from secrets import token_bytes

from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault
from kiosk.sale import effects as do
from kiosk.sale.books import Memory
from kiosk.sale.effects import Effect
from kiosk.sale.events import Event, RecordFailed, Stamp, TimerFired
from kiosk.sale.machine import start, step, unrecorded
from kiosk.sale.ports import NO_LISTS, Cards, Keypads, Ledger, Lists, Notes, Show, Slips
from kiosk.sale.state import State
from kiosk.sale.view import view

log = logging.getLogger(__name__)
Fresh = Callable[[int], bytes]  # so many random bytes


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything the runner reaches."""

    ledger: Ledger
    cards: Cards
    keypads: Keypads
    notes: Notes
    slips: Slips
    show: Show
    lists: Lists = NO_LISTS


@dataclass(frozen=True, slots=True)
class _Timer:
    due_ms: int
    span_ms: int


class Runner:
    """Runs one kiosk's sales. ``post`` may be called from any thread, all else from the runner's own."""

    def __init__(self, state: State, doors: Doors, clock: Clock, memory: Memory, fresh: Fresh = token_bytes) -> None:
        self._doors = doors
        self._clock = clock
        self._fresh = fresh
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._timers: dict[str, _Timer] = {}
        self._memory = memory
        self._state = replace(state, books=memory.books)

    @property
    def state(self) -> State:
        """Where the visit stands; read by tests and by the owner of this runner."""
        return self._state

    def post(self, event: Event) -> None:
        """Hands in an event."""
        self._events.put(event)

    def stop(self) -> None:
        """Ends ``run`` after the events that are already in."""
        self._events.put(None)

    def run(self) -> None:
        """Runs until ``stop``."""
        self.begin()
        while self.turn(self.wait_ms()):
            pass

    def begin(self) -> None:
        """The first step: picks up what the ledger says is open."""
        self._carry_out(*start(self._state))
        self._show()

    def drain(self) -> None:
        """Handles all events that are in and all timers that are due, and does not wait: for who moves the clock."""
        while not self._events.empty() or self.wait_ms() == 0:
            self.turn(0)

    def due_ms(self) -> int | None:
        """When the next timer runs out, on the monotonic clock; None if none runs."""
        return min((timer.due_ms for timer in self._timers.values()), default=None)

    def turn(self, wait_ms: int | None) -> bool:
        """Handles one event or timer; False after ``stop``. ``wait_ms`` None waits for ever."""
        try:
            event = self._events.get(timeout=None if wait_ms is None else wait_ms / 1000)
        except queue.Empty:
            event = self._due()
            if event is None:
                return True
        if event is None:
            return False
        self._handle(event)
        return True

    def wait_ms(self) -> int | None:
        if not self._timers:
            return None
        return max(0, min(timer.due_ms for timer in self._timers.values()) - self._clock.monotonic_ms())

    def _due(self) -> Event | None:
        now = self._clock.monotonic_ms()
        for name, timer in self._timers.items():
            if timer.due_ms <= now:
                del self._timers[name]
                return TimerFired(name)
        return None

    def _handle(self, event: Event) -> None:
        log.debug("event %s", type(event).__name__)
        stamp = Stamp(self._fresh(16), self._clock.civil(), self._clock.monotonic_ms())
        self._carry_out(*step(self._state, event, stamp))
        self._show()

    def _carry_out(self, state: State, effects: tuple[Effect, ...]) -> None:
        before, self._state = self._state, state
        for effect in effects:
            try:
                self._do(effect)
            except LedgerFault as fault:
                log.critical("the ledger took nothing: %s", fault)
                self._state = unrecorded(before, state, self._memory.books)
                stamp = Stamp(self._fresh(16), self._clock.civil(), self._clock.monotonic_ms())
                self._carry_out(*step(self._state, RecordFailed(fault.code), stamp))
                return

    def _do(self, effect: Effect) -> None:  # noqa: C901 - one line an effect
        doors = self._doors
        match effect:
            case do.Record(drafts):
                for entry in doors.ledger.append(drafts):
                    self._memory.see(entry)
            case do.ReadCard(session):
                doors.cards.read(session)
            case do.WriteCard(session, vendor, order):
                doors.cards.write(session, vendor, order)
            case do.FindCustomer(number):
                doors.keypads.find(number)
            case do.MakeToken(vendor, order, when):
                doors.keypads.make_token(vendor, order, when)
            case do.EnableNotes(fen, coins_fen):
                doors.notes.enable(fen, coins_fen)
            case do.DisableNotes():
                doors.notes.disable()
            case do.StackNote():
                doors.notes.stack()
            case do.ReturnNote():
                doors.notes.give_back()
            case do.ConfirmNote(device):
                doors.notes.credited(device)
            case do.SettleAcceptor():
                doors.notes.settled()
            case do.AskPrinter():
                doors.slips.ask()
            case do.PrintSlip(outcome):
                assert self._memory.closing is not None, "a slip without a closed sale"
                doors.slips.print(outcome, self._memory.closing, self._state.language)
            case do.PrintUnclaimed(id_):
                doors.slips.print_unclaimed(self._memory.unclaimed[id_], self._state.language)
            case do.PrintVoucher(no):
                issued = self._memory.issued
                assert issued is not None and issued.data["no"] == no, "a voucher that no entry proves"
                doors.slips.print_voucher(issued, self._state.language)
            case do.UseLists(lists):
                doors.lists.use(lists)
            case do.SetTimer(timer, ms):
                self._timers[timer] = _Timer(self._clock.monotonic_ms() + ms, ms)
            case do.StopTimer(timer):
                self._timers.pop(timer, None)

    def _show(self) -> None:
        timer = self._timers.get("visit")
        shown = view(self._state)
        if timer is not None:
            shown = replace(shown, deadline_ms=timer.due_ms, span_ms=timer.span_ms)
        self._doors.show(shown)
