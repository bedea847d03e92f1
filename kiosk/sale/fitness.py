"""Whether the kiosk is fit to take cash: its devices, its disk, its clock, the warmth inside, and honest hands."""

from __future__ import annotations

from dataclasses import replace

from kiosk.sale import entries, outages
from kiosk.sale.effects import DisableNotes, ReturnNote, SetTimer
from kiosk.sale.events import ClockStepped, DeviceDown, DeviceUp, FraudSeen, Stamp, TimerFired
from kiosk.sale.moves import Step, clock_of, leave, notes_that_fit, open_sale, paying_on, record
from kiosk.sale.state import Amount, Idle, Paying, Refused, State

FRAUD = "V-416"


def device_down(state: State, event: DeviceDown, stamp: Stamp) -> Step:
    """A device cannot work; recorded once for each reason."""
    if event.device == "coins":
        return _coins(state, event.code, stamp)
    if outages.known(state, event.device, event.code):
        return state, ()
    new = state.down.get(event.device) != event.code
    state, effects = outages.told(state, event.device, event.code, stamp)
    state = replace(state, down={**state.down, event.device: event.code})
    if not new:
        return state, effects
    if isinstance(state.phase, Amount):
        state = replace(state, phase=Refused(event.code))
        effects += clock_of(state)
    if isinstance(state.phase, Paying):
        effects += (DisableNotes(),)
    return state, effects


def device_up(state: State, event: DeviceUp, stamp: Stamp) -> Step:
    """A device works again; a card that was waiting is read."""
    if event.device == "coins":
        return _coins(state, None, stamp)
    if outages.known(state, event.device, ""):
        return state, ()
    down = {device: code for device, code in state.down.items() if device != event.device}
    state, effects = outages.told(state, event.device, "", stamp)
    state = replace(state, down=down)
    if state.phase == Paying() and not down:
        effects += (notes_that_fit(state, open_sale(state)),)
    if isinstance(state.phase, Idle) and not down and state.session is not None:
        state, more = leave(replace(state, card=None))
        effects += more
    return state, effects


def _coins(state: State, code: str | None, stamp: Stamp) -> Step:
    """A kiosk without its coin acceptor sells for notes; recorded, for who comes to mend it."""
    if state.no_coins == code:
        return state, ()
    state, effects = outages.told(replace(state, no_coins=code), "coins", code or "", stamp)
    return state, (*effects, *paying_on(state))


def fraud_seen(state: State, event: FraudSeen, stamp: Stamp) -> Step:
    """No cash for a while. What is in is written; a note in escrow goes back."""
    state, recorded = record(state, entries.fraud_seen(event.device, event.what))
    state, effects = device_down(state, DeviceDown("fraud", FRAUD), stamp)
    give_back = () if state.books.note is not None else (ReturnNote(),)
    return state, (recorded, *effects, DisableNotes(), *give_back, SetTimer("fraud", state.rules.fraud_ms))


def clock_stepped(state: State, event: ClockStepped, stamp: Stamp) -> Step:
    """Recorded, for who reads times in the ledger."""
    state, recorded = record(state, entries.clock_stepped(event.old_ms, event.new_ms))
    return state, (recorded,)


def fraud_over(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """The pause after tampering is over."""
    return device_up(state, DeviceUp("fraud"), stamp)
