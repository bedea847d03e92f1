"""Outages in the ledger: one pair of entries each, however often a device says it, and over restarts too; of a device
that comes and goes one pair for all of it (``flapping``).

What the ledger says stands in ``books.outages``, what is so in ``state.down`` and ``state.no_coins``. They differ while
the ledger cannot be written, and at a start, until a device has spoken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kiosk.ledger.entry import Draft
from kiosk.sale import entries
from kiosk.sale.effects import Effect, SetTimer
from kiosk.sale.events import Device, Stamp, TimerFired
from kiosk.sale.flapping import QUIET_MS, Flap
from kiosk.sale.moves import Step, record
from kiosk.sale.state import State


def told(state: State, device: Device, code: str, stamp: Stamp) -> Step:
    """The entry that a device is down, or ("") up again, unless the ledger says so already, or takes nothing."""
    state = since(state, device, code, stamp)
    if device != "ledger" and _moves(state, device, code):
        open_ = bool(state.books.outages.get(device))
        state = _flaps(state, device, _flap(state, device).moved(code, stamp.now_ms, open_=open_))
        if _flap(state, device).hidden:
            return state, () if code else (SetTimer("flaps", QUIET_MS),)
    if device == "ledger" or "ledger" in state.down or state.books.outages.get(device, "") == code:
        return state, ()
    if _flap(state, device).hidden:
        return state, ()
    state, recorded = record(state, _draft(state, device, code, stamp))
    return _forget(state, device, code), (recorded,)


def settled(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """Devices that flapped and have worked for a while since: the ledger is told, and how often it was not."""
    drafts: list[Draft] = []
    waits: list[int] = []
    for device, flap in sorted(state.flaps.items()):
        if not flap.hidden or _now(state, device):
            continue
        if (wait_ms := flap.wait_ms(stamp.now_ms)) or "ledger" in state.down:
            waits.append(wait_ms or QUIET_MS)
            continue
        code, lasted_ms = state.books.outages.get(device, ""), _lasted(state, device, stamp)
        drafts.append(entries.device_up(device, code, lasted_ms, flap.untold))
        state = _forget(_flaps(state, device, flap.told()), device, "")
    again: tuple[Effect, ...] = (SetTimer("flaps", min(waits)),) if waits else ()
    if not drafts:
        return state, again
    state, recorded = record(state, *drafts)
    return state, (recorded, *again)


def known(state: State, device: Device, code: str) -> bool:
    """Whether nothing is to be done about what a device says: it is so, and the ledger says so if it can."""
    at_work = device == "ledger" or "ledger" in state.down or state.books.outages.get(device, "") == code
    at_work = at_work or _flap(state, device).hidden
    return at_work and state.down.get(device) == (code or None)


def caught_up(state: State, stamp: Stamp) -> tuple[State, tuple[Draft, ...]]:
    """The ledger can be written again: its own outage, and what began and ended meanwhile. For the caller to record."""
    code, drafts = state.down.get("ledger", ""), []
    if code:
        drafts = [
            entries.device_down("ledger", code),
            entries.device_up("ledger", code, _lasted(state, "ledger", stamp)),
        ]
    now = {**state.down, **({} if state.no_coins is None else {"coins": state.no_coins})}
    for device in sorted(now.keys() | state.books.outages.keys() - {"ledger"}):
        code = now.get(device, "")
        silent = (device in now and not code) or _flap(state, device).hidden
        if device != "ledger" and not silent and state.books.outages.get(device, "") != code:
            drafts.append(_draft(state, device, code, stamp))
            state = _forget(state, device, code)
    return _forget(state, "ledger", ""), tuple(drafts)


def over_at_start(state: State) -> Iterator[Draft]:
    """Ends of outages that nobody will tell: a pause after tampering, a coin acceptor that was taken away."""
    for device in state.books.outages:
        if device == "fraud" or (device == "coins" and not state.rules.coins_fen):
            yield entries.device_up(device, state.books.outages[device], None)


def since(state: State, device: str, code: str, stamp: Stamp) -> State:
    """Remembers when an outage began, if it began in this run."""
    if not code or device in state.since or state.books.outages.get(device):
        return state
    return replace(state, since={**state.since, device: stamp.now_ms})


def _moves(state: State, device: str, code: str) -> bool:
    """Whether this is news; of the coin acceptor only news comes here."""
    return device == "coins" or (state.down.get(device) != code if code else bool(state.down.get(device)))


def _now(state: State, device: str) -> str:
    """Why it is down; "" if it works, or has not spoken."""
    return (state.no_coins if device == "coins" else state.down.get(device)) or ""


def _flap(state: State, device: str) -> Flap:
    return state.flaps.get(device, Flap())


def _flaps(state: State, device: str, flap: Flap) -> State:
    return replace(state, flaps={**state.flaps, device: flap})


def _draft(state: State, device: str, code: str, stamp: Stamp) -> Draft:
    if code:
        return entries.device_down(device, code)
    return entries.device_up(device, state.books.outages.get(device, ""), _lasted(state, device, stamp))


def _lasted(state: State, device: str, stamp: Stamp) -> int | None:
    began = state.since.get(device)
    return None if began is None else max(0, stamp.now_ms - began)


def _forget(state: State, device: str, code: str) -> State:
    if code or device not in state.since:
        return state
    return replace(state, since={each: ms for each, ms in state.since.items() if each != device})
