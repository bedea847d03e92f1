"""What head office sent down comes into force here: between two visits, and with its entry in the ledger.

The entry is the installation: it names the list by its SHA-256, and a restart takes up what the last entry names. The
file is durable before. Whether a list is genuine, newer and well made was found out before it came here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.owed import OwedList
from kiosk.sale import entries
from kiosk.sale.arrivals import DownlinkSaid, ListsArrived, MessageOfTheDay, NewList
from kiosk.sale.effects import Effect, Record, UseLists
from kiosk.sale.events import Stamp
from kiosk.sale.moves import Step, record
from kiosk.sale.state import Bound, Card, Idle, Key, Leftover, State

LIST_CODES = {
    "price": "F-702",
    "customers": "F-704",
    "owed": "F-705",
    "blocked": "F-712",
    "messages": "F-713",
    "vkeys": "F-714",
    "secrets": "F-715",
    "staff": "F-717",
    "settings": "F-718",
    "vendor": "F-703",
    "program": "F-719",
}
"""First part of a list's entry → the code of a mistake in one."""


def orders_of(owed: OwedList) -> dict[Key, Bound]:
    """The list of vouchers for cards as the sale looks it up."""
    return {
        (row.vendor, row.customer, row.meter): Bound(row.no, row.region, row.fen, row.centi_kwh, row.count)
        for row in owed.rows
    }


def blocked_of(listed: BlockList) -> dict[Key, BlockedCard]:
    """The block list as the sale looks it up."""
    return {(row.vendor, row.customer, row.meter): row for row in listed.rows}


def arrived(state: State, event: ListsArrived, stamp: Stamp) -> Step:
    """Verified lists are here: they wait until nobody is being served."""
    return _sent(state, waiting=event.lists), ()


def downlink_said(state: State, event: DownlinkSaid, stamp: Stamp) -> Step:
    """How head office's repository stands; recorded when it changes. It keeps nobody from selling."""
    if event.code == state.sent.downlink:
        return state, ()
    state, recorded = record(_sent(state, downlink=event.code), entries.downlink_stood(event.code))
    return state, (recorded,)


def message_of_the_day(state: State, event: MessageOfTheDay, stamp: Stamp) -> Step:
    """The words for the first screen, by language."""
    return _sent(state, message=event.words), ()


def is_quiet(state: State) -> bool:
    """Whether nobody is being served and nothing is open."""
    books = state.books
    nothing = books.open is None and books.note is None and books.unprinted is None and books.issued is None
    return isinstance(state.phase, Idle | Leftover) and nothing and "ledger" not in state.down


def take_up(state: State) -> Step:
    """What waits comes into force, if this is the moment."""
    sent = state.sent
    if not sent.waiting or not is_quiet(state):
        return state, ()
    fresh = tuple(each for each in sent.waiting if sent.in_force.get(each.name) != each.sha256)
    state = _sent(state, waiting=())
    if not fresh:
        return state, ()
    in_force = {**sent.in_force, **{each.name: each.sha256 for each in fresh}}
    state, recorded = record(_sent(state, in_force=in_force), *(entries.arrival(each) for each in fresh))
    used = tuple(each for each in fresh if isinstance(each, NewList))
    effects: tuple[Effect, ...] = (recorded, UseLists(used)) if used else (recorded,)
    for each in used:
        if isinstance(each.content, OwedList):
            state = replace(state, listed=orders_of(each.content))
        elif isinstance(each.content, BlockList):
            state = _sent(state, blocked=blocked_of(each.content))
    return state, effects


def blocks(blocked: Mapping[Key, BlockedCard], card: Card) -> BlockedCard | None:
    """The line of the block list that keeps this card from being served."""
    row = blocked.get(card.key)
    return row if row is not None and row.stops(card.reading.count) else None


def refuse_blocked(state: State, card: Card, row: BlockedCard) -> tuple[State, Record]:
    """Somebody showed a card that was reported lost or stolen: head office hears where and when."""
    return record(state, entries.card_blocked(card, row.why))


def _sent(state: State, **changed: Any) -> State:
    return replace(state, sent=replace(state.sent, **changed))
