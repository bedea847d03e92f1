"""What is owed leaves the kiosk, once: on paper here, and onto its card wherever head office's order meets it.

Out: on the last page of a sale that ended owed, and not in doubt, the customer may have a voucher. The debt is booked
from the card to the voucher's number before the slip is printed, so it is never in two places; the slip's QR is what
head office redeems, once.

In: head office's list binds each voucher to the count its card had. Two kiosks that cannot talk may both hold the list,
so an order is only ever written while the card's last count is that count, as the purchase after it: the card itself
lets it happen once (decision 12). The money is this card's only as long as the sale that brings it is open, or in
doubt. A write that surely failed, a card that is gone or was bought on gives it back; it never becomes this kiosk's own
debt, which would be written at any count.
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.sale import entries, keypad
from kiosk.sale.effects import PrintVoucher, Record
from kiosk.sale.events import Stamp, TakeVoucher, VoucherPrinted
from kiosk.sale.moves import Step, clock_of, open_sale, record
from kiosk.sale.state import Bound, Card, Done, Outcome, Owed, Starting, State, Vouched, Vouching
from kiosk.sale.writing import begin_write, close, is_found

NUMBER_BYTES = 5


def may_have(state: State, outcome: Outcome) -> Owed | None:
    """What a voucher would be for; None where the debt is in doubt, gone, could not be put on paper, or where the card
    is not here: a voucher pays whoever holds it."""
    key = outcome.sale.key
    owed = state.books.owed.get(key)
    unsure = outcome.why != "owed" or key in state.books.doubts
    gone = state.session is None and not outcome.sale.when  # whoever is here now need not be who paid
    broken = "printer" in state.down or "ledger" in state.down
    return None if owed is None or unsure or gone or broken else owed


def take(state: State, event: TakeVoucher, stamp: Stamp) -> Step:
    """The customer wants it on paper: recorded, then printed."""
    phase = state.phase
    assert isinstance(phase, Done)
    owed = may_have(state, phase.outcome)
    if owed is None:
        return state, ()
    no = f"{state.rules.terminal}-{stamp.fresh[:NUMBER_BYTES].hex()}"
    state, recorded = record(state, entries.voucher_issued(no, phase.outcome.sale, owed))
    state, effects = print_again(state)
    return state, (recorded, *effects)


def print_again(state: State) -> Step:
    """Prints the voucher that was issued and has no word of its slip yet."""
    issued = state.books.issued
    assert issued is not None, "no voucher was issued"
    state = replace(state, phase=Vouching(issued), notice="")
    return state, (*clock_of(state), PrintVoucher(issued.no))


def printed(state: State, event: VoucherPrinted, stamp: Stamp) -> Step:
    """The slip is out; or not, and the screen says its number."""
    phase = state.phase
    assert isinstance(phase, Vouching)
    state, recorded = record(state, entries.voucher_slip(phase.issued.no, event.number, event.code))
    state = replace(state, phase=Vouched(phase.issued, event.code) if state.books.open is None else Starting())
    return state, (recorded, *clock_of(state))


def order_for(state: State, card: Card) -> Bound | None:
    """Head office's order for this card, if its count is the one the order is bound to."""
    bound = state.listed.get(card.key)
    if bound is None or bound.no in state.books.brought:
        return None
    return bound if (bound.region, bound.count) == (card.reading.region, card.reading.count) else None


def bring(state: State, card: Card, bound: Bound, stamp: Stamp) -> Step:
    """A sale of its own, like owed credit: opened, brought, written. What this kiosk owes itself comes after it."""
    opened = entries.sale_opened(stamp.fresh, card, 0, 0, keypad.when_for(state, card, stamp.civil))
    state, recorded = record(state, opened, entries.voucher_brought(stamp.fresh, card, bound))
    state, effects = begin_write(state)
    return state, (recorded, *effects)


def settle(state: State, card: Card, bound: Bound, stamp: Stamp) -> tuple[State, Record, bool]:
    """A voucher that was in doubt, decided by the card: found there, or taken back. True: found, and the sale closed.

    Not by count alone: where the card names the sale that wrote it, and it is not ours, ours never got there.
    """
    order, owed = state.books.doubts[card.key], state.books.owed.get(card.key, Owed(0, 0))
    if card.keypad or not is_found(card.reading, order, bound):
        back = entries.voucher_returned(None, card.vendor.code, card.reading.customer, bound)
        state, recorded = record(state, back)
        return state, recorded, False
    state, recorded = record(state, entries.sale_opened(stamp.fresh, card, 0, owed.fen))
    return state, recorded, True


def found(state: State, bound: Bound) -> Step:
    """The rest of it: the voucher is on the card."""
    sale = open_sale(state)
    return close(state, "found", "", entries.write_done(sale, state.books.doubts[sale.key], "found", bound))
