"""The small moves that every part of the machine makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kiosk.ledger.entry import Draft
from kiosk.sale.books import fold
from kiosk.sale.effects import Effect, EnableNotes, ReadCard, Record, SetTimer, StopTimer
from kiosk.sale.events import Stamp
from kiosk.sale.state import (
    Account,
    Amount,
    Away,
    Done,
    Entering,
    Idle,
    Leftover,
    Paying,
    Reading,
    Refused,
    Sale,
    State,
    Vouched,
)

AFTER_CARD_TAKEN_MS = 8_000

Step = tuple[State, tuple[Effect, ...]]
Rule = Callable[[State, Any, Stamp], Step]


def record(state: State, *drafts: Draft) -> tuple[State, Record]:
    """The state whose books hold these entries, and the effect that commits them."""
    books = state.books
    for draft in drafts:
        books = fold(books, draft)
    return replace(state, books=books), Record(drafts)


def stay(state: State, *_: object) -> Step:
    """Nothing happens."""
    return state, ()


def open_sale(state: State) -> Sale:
    """The open sale; that there is one is for the caller to know."""
    sale = state.books.open
    assert sale is not None, "no sale is open"
    return sale


def room_fen(state: State, sale: Sale) -> int:
    """What may still be paid in; 0 when no note fits any more."""
    room = sale.limit_fen - sale.paid_fen
    return room if room >= min(state.rules.denominations_fen + state.rules.coins_fen) else 0


def notes_that_fit(state: State, sale: Sale) -> EnableNotes:
    """Take the notes and coins that do not pass the limit; none while something keeps us from taking cash."""
    room = 0 if state.down else room_fen(state, sale)
    notes, coins = state.rules.denominations_fen, state.rules.coins_fen if state.no_coins is None else ()
    return EnableNotes(
        frozenset(fen for fen in notes if fen <= room),
        frozenset(coins) if coins and max(coins) <= room else frozenset(),  # one that rolls cannot be told from another
    )


def paying_on(state: State) -> tuple[Effect, ...]:
    """Takes what still fits, if cash is being taken."""
    if not isinstance(state.phase, Paying) or state.phase.finishing or state.books.open is None:
        return ()
    return (notes_that_fit(state, open_sale(state)), *clock_of(state))


def leave(state: State) -> Step:
    """The visit is over: idle, or a card to be taken, or a new card to be read."""
    state = replace(state, notice="", language=state.rules.language if state.session is None else state.language)
    if state.card is not None and state.card.keypad:
        state = replace(state, card=None)
    if state.session is None:
        return replace(state, phase=Idle(), card=None), (StopTimer("visit"),)
    if state.card is None and not state.down:
        return replace(state, phase=Reading()), (StopTimer("visit"), ReadCard(state.session))
    return replace(state, phase=Leftover()), (StopTimer("visit"),)


def _still_to_be_read(done: Done) -> bool:
    """The last page says more than "thank you": a debt, digits to be keyed in, or that no slip came."""
    sale = done.outcome.sale
    return bool(done.outcome.owed_fen or sale.lost_fen or sale.token or done.slip)


def clock_of(state: State) -> tuple[Effect, ...]:
    """The timer that this phase runs under, set anew."""
    rules = state.rules
    waits = {
        Entering: rules.visit_ms,
        Account: rules.visit_ms,
        Amount: rules.visit_ms,
        Refused: rules.refused_ms,
        Paying: rules.paying_ms,
        Away: rules.away_ms,
        Done: rules.done_ms,
        Vouched: rules.done_ms,
    }
    wait = waits.get(type(state.phase))
    if isinstance(state.phase, Done) and state.session is None and not _still_to_be_read(state.phase):
        wait = min(rules.done_ms, AFTER_CARD_TAKEN_MS)
    return (SetTimer("visit", wait),) if wait else (StopTimer("visit"),)
