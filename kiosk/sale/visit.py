"""A customer and a card: from the slot to the amount, and back out."""

from __future__ import annotations

from dataclasses import replace

from kiosk.billing.quote import most_to_buy
from kiosk.model.card import CardKind, PurchaseState
from kiosk.model.money import NOTHING, Money
from kiosk.sale import entries, keypad, lists, vouchers
from kiosk.sale.effects import AskPrinter, Effect, ReadCard, Record, StopTimer
from kiosk.sale.events import (
    Cancel,
    CardInserted,
    CardRead,
    CardRejected,
    CardRemoved,
    ChooseAmount,
    ChooseLanguage,
    Continue,
    CustomerFound,
    CustomerUnknown,
    Finish,
    MoreTime,
    PaperReady,
    Stamp,
    TimerFired,
)
from kiosk.sale.moves import Step, clock_of, leave, notes_that_fit, open_sale, record
from kiosk.sale.state import (
    Account,
    Amount,
    Away,
    Card,
    Checking,
    Done,
    Entering,
    Idle,
    Leftover,
    Owed,
    Paying,
    Reading,
    Refused,
    Starting,
    State,
    Vouched,
)
from kiosk.sale.writing import begin_write, close, decide, finish_paying, go_away, is_written

CUSTOMER_KINDS = frozenset({CardKind.OPEN, CardKind.PURCHASE, CardKind.REISSUE})


def card_inserted(state: State, event: CardInserted, stamp: Stamp) -> Step:
    """A card lies in the slot."""
    if state.card is not None and state.card.keypad and not isinstance(state.phase, Done | Vouched):
        return replace(state, session=event.session), ()  # somebody without a card is being served: it waits
    state = replace(state, session=event.session, card=None)
    if isinstance(state.phase, Idle | Done | Vouched | Leftover | Entering) and not state.down:
        return replace(state, phase=Reading(), notice=""), (StopTimer("visit"), ReadCard(event.session))
    if isinstance(state.phase, Away):
        return replace(state, notice="reading"), (ReadCard(event.session),)
    return state, ()


def card_removed(state: State, event: CardRemoved, stamp: Stamp) -> Step:
    """The card is gone; if money is in, wait for it."""
    if event.session != state.session:
        return state, ()
    if state.card is not None and state.card.keypad:
        return replace(state, session=None), ()
    state = replace(state, session=None, card=None)
    phase = state.phase
    if isinstance(phase, Reading | Refused | Account | Amount | Leftover):
        return leave(state)
    if isinstance(phase, Paying):
        if open_sale(state).due_fen <= 0 and state.books.note is None:
            return close(state, "cancelled", "C-202")
        return go_away(state)
    if isinstance(phase, Checking):
        return go_away(state)
    if isinstance(phase, Done | Vouched):
        return state, clock_of(state)
    return state, ()


def card_read(state: State, event: CardRead, stamp: Stamp) -> Step:
    """The first read of a card: what may be done with it."""
    if event.session != state.session:
        return state, ()
    if event.price is None:
        return card_rejected(state, CardRejected(event.session, "C-113"), stamp)
    card = Card(event.session, event.vendor, event.reading, event.price)
    return _meet(replace(state, card=card), card, stamp)


def customer_found(state: State, event: CustomerFound, stamp: Stamp) -> Step:
    """A customer without a card is in the list: the same as a card that has been read."""
    phase = state.phase
    if not isinstance(phase, Entering) or phase.asked != event.number:
        return state, ()
    if event.price is None:
        return keypad.customer_unknown(state, CustomerUnknown(event.number, "C-113"), stamp)
    card = keypad.card_of(state, event)
    return _meet(replace(state, card=card), card, stamp)


def _meet(state: State, card: Card, stamp: Stamp) -> Step:
    """What may be done with a card, or for a customer without one."""
    reading = card.reading
    if reading.region not in card.vendor.regions:
        return _refuse(state, "C-103")
    if reading.kind not in CUSTOMER_KINDS or not reading.customer or not reading.meter:
        return _refuse(state, "C-104")
    row = lists.blocks(state.sent.blocked, card)
    if row is not None:
        state, told = lists.refuse_blocked(state, card, row)
        state, effects = _refuse(state, "C-118")
        return state, (told, *effects)
    doubt, bound = state.books.doubts.get(card.key), state.books.bound.get(card.key)
    if bound is not None:
        state, settled, found = vouchers.settle(state, card, bound, stamp)
        state, effects = vouchers.found(state, bound) if found else _account(state, card, stamp)
        return state, _joined(settled, effects) if found else (settled, *effects)
    if doubt is not None and not card.keypad and is_written(reading, doubt):
        owed = state.books.owed.get(card.key, Owed(0, 0))
        state, opened = record(state, entries.sale_opened(stamp.fresh, card, 0, owed.fen))
        state, effects = close(state, "found", "", entries.write_done(open_sale(state), doubt, "found"))
        return state, _joined(opened, effects)
    return _account(state, card, stamp)


def _refuse(state: State, code: str) -> Step:
    state = replace(state, phase=Refused(code), notice="")
    return state, clock_of(state)


def _joined(opened: Record, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
    """One commit instead of two, so that no restart sees a sale that was opened for nothing."""
    return tuple(Record(opened.drafts + e.drafts) if isinstance(e, Record) else e for e in effects)


def _payable(state: State, card: Card) -> Owed | None:
    return state.books.payable(card.key, card.reading.count, card.reading.region, card=not card.keypad)


def _account(state: State, card: Card, stamp: Stamp) -> Step:
    reading, vendor = card.reading, card.vendor
    waiting = reading.pending and not vendor.may_stack
    unclear = reading.state is PurchaseState.UNKNOWN
    order = vouchers.order_for(state, card)
    if order is not None and not waiting and not unclear:
        return vouchers.bring(state, card, order, stamp)
    owed = _payable(state, card)
    enough = owed is not None and owed.fen >= vendor.amount_min_fen  # less waits for the next purchase
    if owed is not None and enough and not waiting and not unclear:
        when = keypad.when_for(state, card, stamp.civil)
        state, opened = record(state, entries.sale_opened(stamp.fresh, card, 0, owed.fen, when))
        state, effects = begin_write(state)
        return state, (opened, *effects)
    most = most_to_buy(vendor, reading, card.price)
    least = max(vendor.amount_min_fen, min(state.rules.denominations_fen))
    blocked = "C-105" if waiting else "C-107" if unclear else "C-110" if most.fen < least else ""
    state = replace(state, phase=Account(most.fen if not blocked else 0, blocked), notice="")
    return state, clock_of(state)


def card_rejected(state: State, event: CardRejected, stamp: Stamp) -> Step:
    """The card is not ours, or cannot be read: nothing was charged."""
    return _refuse(state, event.code) if event.session == state.session else (state, ())


def back_in_slot(state: State, event: CardRead, stamp: Stamp) -> Step:
    """While we wait for a card that has been paid for, a card was put in and read."""
    if event.session != state.session:
        return state, ()
    sale = open_sale(state)
    if (event.vendor.code, event.reading.customer, event.reading.meter) != sale.key:
        return replace(state, notice="other-card"), ()
    card = Card(event.session, event.vendor, event.reading, event.price or sale.price)
    return go_on(replace(state, card=card, notice=""))


def go_on(state: State) -> Step:
    """The paid-for card is back: settle what is in doubt, else go on where the customer was."""
    sale, card = open_sale(state), state.card
    assert card is not None, "the card is not back"
    if state.books.note is not None:
        return state, ()
    if sale.order is not None:
        return decide(state, card, "")
    if not sale.limit_fen:
        return begin_write(state)
    state = replace(state, phase=Paying())
    return state, (notes_that_fit(state, sale), *clock_of(state))


def not_back(state: State, event: CardRejected, stamp: Stamp) -> Step:
    """While we wait for a card that has been paid for, one was put in that cannot be read."""
    return (replace(state, notice="unreadable"), ()) if event.session == state.session else (state, ())


def wants_to_buy(state: State, event: Continue, stamp: Stamp) -> Step:
    """From the account to the amount."""
    phase = state.phase
    assert isinstance(phase, Account)
    if phase.blocked:
        return state, ()
    state = replace(state, phase=Amount(phase.most_fen))
    return state, clock_of(state)


def amount_chosen(state: State, event: ChooseAmount, stamp: Stamp) -> Step:
    """Paper is asked for before a note is taken."""
    phase, card = state.phase, state.card
    assert isinstance(phase, Amount)
    least = max(card.vendor.amount_min_fen if card else 0, min(state.rules.denominations_fen))
    if phase.chosen_fen or not least <= event.fen <= phase.most_fen:
        return state, ()
    for code in state.down.values():
        return _refuse(state, code)
    return replace(state, phase=replace(phase, chosen_fen=event.fen)), (AskPrinter(),)


def paper_ready(state: State, event: PaperReady, stamp: Stamp) -> Step:
    """There is paper: the sale is opened and the acceptor takes notes."""
    phase, card = state.phase, state.card
    if not isinstance(phase, Amount) or not phase.chosen_fen or card is None or state.down:
        return state, ()
    owed = _payable(state, card) or Owed(0, 0)
    when = keypad.when_for(state, card, stamp.civil)
    state, opened = record(state, entries.sale_opened(stamp.fresh, card, phase.chosen_fen, owed.fen, when))
    state = replace(state, phase=Paying(), notice="")
    return state, (opened, notes_that_fit(state, open_sale(state)), *clock_of(state))


def finish(state: State, event: Finish, stamp: Stamp) -> Step:
    """Enough is paid: write it."""
    least = Money(state.card.vendor.amount_min_fen) if state.card else NOTHING
    if open_sale(state).due_fen < least.fen and state.books.note is None:
        return state, ()
    return finish_paying(state)


def cancel(state: State, event: Cancel, stamp: Stamp) -> Step:
    """The customer stops. Once money is in there is no cancel: nothing ever says OK to losing money."""
    if not isinstance(state.phase, Paying):
        return leave(state)
    if open_sale(state).due_fen > 0 or state.books.note is not None:
        return state, ()
    return close(state, "cancelled", "")


def more_time(state: State, event: MoreTime, stamp: Stamp) -> Step:
    """One tap starts the count-down again."""
    return state, clock_of(state) if state.books.note is None else ()


def choose_language(state: State, event: ChooseLanguage, stamp: Stamp) -> Step:
    """The customer switched the language."""
    return replace(state, language=event.language), ()


def time_is_up(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """Nobody touched anything: give the card back, or write what has been paid."""
    phase = state.phase
    if isinstance(phase, Paying):
        return finish_paying(state)
    if isinstance(phase, Away):
        if state.books.note is not None:
            return state, clock_of(state)
        sale = open_sale(state)
        return close(state, "doubt" if sale.order else "owed", "C-202")
    if isinstance(phase, Starting):
        return state, ()
    return leave(state)
