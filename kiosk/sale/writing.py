"""Writing the card, and what to do when the write breaks off.

The law: a write is recorded before the driver is called, and its end is never guessed. If the driver is not sure, the
card is read: a last count of at least the intended one means that it was written (contract 1 §4.4). Where the card
still names the sale that wrote that count, and it is another's, it was not ours. If the card is gone, the sale waits
for it, and then ends in doubt: the credit stays owed, and the card's next visit decides.

A sale that brings a voucher writes it only on the count it is bound to, and is stricter about what it finds: the same
order lies at other kiosks, too. Where it surely was not written, it is taken back in the commit that closes the sale.
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.ledger.entry import Draft
from kiosk.model.card import CardReading, WriteOrder
from kiosk.sale import entries
from kiosk.sale.effects import DisableNotes, MakeToken, PrintSlip, ReadCard, Record, SetTimer, StopTimer, WriteCard
from kiosk.sale.events import (
    CardRead,
    CardRejected,
    CardWritten,
    Printed,
    PrintFailed,
    Stamp,
    TimerFired,
    TokenFailed,
    TokenMade,
    WriteFailed,
)
from kiosk.sale.moves import Step, clock_of, leave, open_sale, record
from kiosk.sale.state import (
    Away,
    Bound,
    Card,
    Checking,
    Done,
    Outcome,
    Paying,
    Printing,
    Refused,
    Starting,
    State,
    Writing,
)

WORTH_ANOTHER_TRY = frozenset({"C-201", "C-202", "C-203", "C-204", "D-301", "D-302", "D-303", "D-304"})


def is_written(reading: CardReading, order: WriteOrder) -> bool:
    """Whether the card holds the purchase of this order."""
    if reading.count != order.count:
        return reading.count > order.count
    return reading.sale is None or reading.sale == order.sale


def is_found(reading: CardReading, order: WriteOrder, bound: Bound | None) -> bool:
    """The same for an order that may be bound: then whoever wrote the card last must be us, or not be named."""
    if bound is None:
        return is_written(reading, order)
    return reading.count > bound.count and reading.sale in (None, order.sale)


def begin_write(state: State) -> Step:
    """Record the write, then write; or close the sale as owed after too many attempts."""
    sale, card, bound = open_sale(state), state.card, open_sale(state).voucher
    if card is None or (state.session is None and not card.keypad):
        return go_away(state)
    if bound is not None and card.reading.count != bound.count:
        return close(replace(state, card=None), "returned", "")  # it was bought on: the visit begins anew
    if sale.attempts >= state.rules.write_attempts_max:
        return close(state, "owed", "C-203")
    fen, energy = (bound.fen, bound.centi_kwh) if bound else (sale.due_fen, sale.due_centi_kwh)
    order = WriteOrder(sale.id, sale.customer, sale.meter, sale.region, card.reading.count + 1, fen, energy)
    state, recorded = record(state, entries.write_intended(order, sale.attempts + 1))
    state = replace(state, phase=Writing(), notice="")
    act = MakeToken(sale.vendor, order, sale.when) if card.keypad else WriteCard(card.session, sale.vendor, order)
    return state, (StopTimer("visit"), DisableNotes(), recorded, act)


def token_made(state: State, event: TokenMade, stamp: Stamp) -> Step:
    """The digits are there: recorded, then shown."""
    sale = state.books.open
    if sale is None or sale.order is None or sale.id != event.sale:
        return state, ()
    given = event.energy_centi_kwh
    order = sale.order if given is None else replace(sale.order, energy_centi_kwh=given)
    return close(state, "done", "", entries.token_made(sale, order, event.digits))


def token_failed(state: State, event: TokenFailed, stamp: Stamp) -> Step:
    """There are no digits, so nothing was given: ask again, or owe it."""
    sale = state.books.open
    if sale is None or sale.order is None or sale.id != event.sale:
        return state, ()
    failed = entries.write_failed(sale, sale.order.count, event.code, unchanged=True)
    state, recorded = record(state, failed)
    state, effects = _again_or_owed(state, event.code)
    return state, (recorded, *effects)


def go_away(state: State) -> Step:
    """Money is in and the card is out: wait for it. A voucher that is not on its way to the card does not wait."""
    sale = open_sale(state)
    if sale.voucher is not None and sale.order is None:
        return close(replace(state, card=None), "returned", "C-202")
    state = replace(state, phase=Away(), card=None)
    return state, (DisableNotes(), *clock_of(state))


def card_written(state: State, event: CardWritten, stamp: Stamp) -> Step:
    """The driver wrote and read back."""
    sale = open_sale(state)
    if sale.order is None or not is_written(event.reading, sale.order):
        return write_failed(state, WriteFailed(event.session, "D-303", unchanged=False), stamp)
    return _credited(state, event.reading, "written")


def _credited(state: State, reading: CardReading, how: str) -> Step:
    sale = open_sale(state)
    order = sale.order
    assert order is not None, "credited without an intended write"
    card = replace(state.card, reading=reading) if state.card else None
    return close(replace(state, card=card), "done", "", entries.write_done(sale, order, how, sale.voucher))


def write_failed(state: State, event: WriteFailed, stamp: Stamp) -> Step:
    """The driver did not write, or does not know."""
    sale = open_sale(state)
    assert sale.order is not None, "a write failed that was not intended"
    failed = entries.write_failed(sale, sale.order.count, event.code, unchanged=event.unchanged)
    state, recorded = record(state, failed)
    if event.unchanged:
        state, effects = _again_or_owed(state, event.code)
    elif event.session == state.session:
        state = replace(state, phase=Checking(code=event.code))
        effects = (ReadCard(event.session),)
    else:
        state, effects = go_away(state)
    return state, (recorded, *effects)


def _again_or_owed(state: State, code: str) -> Step:
    sale = open_sale(state)
    if code not in WORTH_ANOTHER_TRY or sale.attempts >= state.rules.write_attempts_max:
        return close(state, "owed", code)
    return begin_write(state)


def decide(state: State, card: Card, code: str) -> Step:
    """The card has been read after a write that nobody is sure of."""
    sale = open_sale(state)
    assert sale.order is not None, "nothing is in doubt"
    state = replace(state, card=card)
    if is_found(card.reading, sale.order, sale.voucher):
        return _credited(state, card.reading, "found")
    failed = entries.write_failed(sale, sale.order.count, code or "C-204", unchanged=True)
    state, recorded = record(state, failed)
    state, effects = _again_or_owed(state, code or "C-204")
    return state, (recorded, *effects)


def checked(state: State, event: CardRead, stamp: Stamp) -> Step:
    """The read after a doubtful write."""
    sale, phase = open_sale(state), state.phase
    assert isinstance(phase, Checking)
    if (event.vendor.code, event.reading.customer, event.reading.meter) != sale.key:
        return go_away(replace(state, notice="other-card"))
    card = Card(event.session, event.vendor, event.reading, event.price or sale.price)
    return decide(state, card, phase.code)


def check_failed(state: State, event: CardRejected, stamp: Stamp) -> Step:
    """The card could not be read after a doubtful write: try again, then leave it in doubt."""
    phase = state.phase
    assert isinstance(phase, Checking)
    if phase.attempts >= state.rules.read_attempts_max:
        return close(state, "doubt", event.code)
    state = replace(state, phase=Checking(phase.attempts + 1, phase.code))
    return state, (SetTimer("read", state.rules.read_again_ms),)


def read_again(state: State, event: TimerFired, stamp: Stamp) -> Step:
    """The pause before another read is over."""
    if not isinstance(state.phase, Checking):
        return state, ()
    return (state, (ReadCard(state.session),)) if state.session is not None else go_away(state)


def close(state: State, why: str, code: str, *before: Draft) -> Step:
    """Record the end of the sale (in one commit with ``before``), then print its slip if any money moved."""
    state, _ = record(state, *before)
    sale = open_sale(state)
    if sale.voucher is not None and sale.order is None and not sale.written_fen:
        back = entries.voucher_returned(sale.id, sale.vendor, sale.customer, sale.voucher)
        state, _ = record(state, back)
        before, sale = (*before, back), open_sale(state)
        why = "owed" if sale.due_fen else "returned"
    closed = entries.sale_closed(sale, why, code)
    state, _ = record(state, closed)
    recorded = Record((*before, closed))
    outcome = state.books.unprinted
    if outcome is None and why == "returned" and state.card is not None:
        state = replace(state, phase=Refused(code), notice="")
        return state, (DisableNotes(), recorded, *clock_of(state))
    if outcome is None:
        state, effects = leave(state)
        return state, (DisableNotes(), recorded, *effects)
    state = replace(state, phase=Printing(outcome), notice="")
    return state, (StopTimer("visit"), DisableNotes(), recorded, PrintSlip(outcome))


def printed(state: State, event: Printed, stamp: Stamp) -> Step:
    """The slip is out."""
    outcome = _outcome(state)
    state, recorded = record(state, entries.receipt_printed(outcome.sale.id, event.number))
    return _told(state, Done(outcome), recorded)


def print_failed(state: State, event: PrintFailed, stamp: Stamp) -> Step:
    """The slip did not come out: the screen says what it would have said."""
    outcome = _outcome(state)
    state, recorded = record(state, entries.receipt_failed(outcome.sale.id, event.number, event.code))
    return _told(state, Done(outcome, event.code), recorded)


def _told(state: State, done: Done, recorded: Record) -> Step:
    """The last page; or, where the counter was cut off in a later sale than this slip's, that sale is picked up."""
    state = replace(state, phase=done if state.books.open is None else Starting())
    return state, (recorded, *clock_of(state))


def _outcome(state: State) -> Outcome:
    assert isinstance(state.phase, Printing)
    return state.phase.outcome


def finish_paying(state: State) -> Step:
    """No more notes: write what is in, as soon as no note moves."""
    if state.books.note is not None:
        return replace(state, phase=Paying(finishing=True)), (DisableNotes(),)
    sale = open_sale(state)
    vendor = state.vendors.get(sale.vendor)
    if sale.due_fen <= 0:
        return close(state, "cancelled", "")
    if vendor and sale.due_fen < vendor.amount_min_fen:
        return close(state, "owed", "C-112")
    return begin_write(state)
