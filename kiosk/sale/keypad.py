"""A customer without a card: found by number, served with digits for the meter's keypad (contract 1 §8).

Two laws stand here beside the house's. The digits of a sale are recorded before anybody sees them, so what was shown
can be shown again and is never made anew; and the same request is repeated word for word after a power cut, so it gives
the same digits. Its time is therefore recorded when the sale is opened; meters that go by the minute (IEC 62055-41)
take a time once, so a token's is two minutes at least after the last one's. (One would do, but that the standard keeps
00:01 of each day for itself and the token of that minute gets the next one's number.)
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from kiosk.model.card import CardKind, CardReading, PurchaseState
from kiosk.sale.effects import Effect, FindCustomer, MakeToken
from kiosk.sale.events import AskNumber, CustomerFound, CustomerUnknown, GiveNumber, Stamp
from kiosk.sale.moves import Step, clock_of
from kiosk.sale.state import KEYPAD, Card, Entering, Idle, Key, Refused, Sale, State, Token

NUMBER_DIGITS_MAX = 20
CIVIL = "%Y%m%d%H%M%S"
APART = timedelta(minutes=2)


def ask_number(state: State, event: AskNumber, stamp: Stamp) -> Step:
    """From the first page to the number pad, if any vendor has meters with keypads."""
    if not isinstance(state.phase, Idle) or state.down or not sells_tokens(state):
        return state, ()
    state = replace(state, phase=Entering(), notice="")
    return state, clock_of(state)


def sells_tokens(state: State) -> bool:
    """Whether a customer without a card can be served at all."""
    return any(vendor.keypad for vendor in state.vendors.values())


def give_number(state: State, event: GiveNumber, stamp: Stamp) -> Step:
    """The number is keyed in: look it up."""
    phase = state.phase
    assert isinstance(phase, Entering)
    if phase.asked or not event.number.isdigit() or len(event.number) > NUMBER_DIGITS_MAX:
        return state, ()
    return replace(state, phase=Entering(event.number), notice=""), (FindCustomer(event.number),)


def customer_unknown(state: State, event: CustomerUnknown, stamp: Stamp) -> Step:
    """Nobody with this number is served here: a slip of the finger, most likely."""
    phase = state.phase
    assert isinstance(phase, Entering)
    if phase.asked != event.number:
        return state, ()
    if event.code != "C-116":
        state = replace(state, phase=Refused(event.code), notice="")
    else:
        state = replace(state, phase=Entering(), notice="number-unknown")
    return state, clock_of(state)


def card_of(state: State, event: CustomerFound) -> Card:
    """What a card would say, from the list and from what this terminal has made since."""
    who = event.customer
    made = state.books.tokens.get((event.vendor.code, who.customer, who.meter))
    made_count = max((token.count for token in _made_for(state, event.vendor.code, who.meter)), default=0)
    reading = CardReading(
        kind=CardKind.PURCHASE,
        region=who.region,
        customer=who.customer,
        meter=who.meter,
        count=max(who.count, made_count),
        state=PurchaseState.NONE,
        amount_fen=made.fen if made else None,
        energy_centi_kwh=made.centi_kwh if made else None,
    )
    assert event.price is not None, "a customer is found with a price"
    return Card(KEYPAD, event.vendor, reading, event.price)


def card_again(state: State, sale: Sale) -> Card | None:
    """The same for a sale that a restart found open; None while its vendor cannot be served."""
    vendor = state.vendors.get(sale.vendor)
    if vendor is None:
        return None
    reading = CardReading(CardKind.PURCHASE, sale.region, sale.customer, sale.meter, sale.count, PurchaseState.NONE)
    return Card(KEYPAD, vendor, reading, sale.price)


def when_for(state: State, card: Card, civil: str) -> str:
    """The time to ask with: now, but two minutes after the meter's last token at least; '' for a card."""
    if not card.keypad:
        return ""
    last = max((token.when for token in _made_for(state, card.vendor.code, card.reading.meter)), default="")
    if not last:
        return civil
    earliest = datetime.strptime(last, CIVIL) + APART  # noqa: DTZ007 - a meter's civil time has no zone
    return max(civil, earliest.strftime(CIVIL))


def _made_for(state: State, vendor: str, meter: str) -> list[Token]:
    """The last tokens of each customer a meter has had: it takes a count and a minute once, whoever paid."""
    return [token for key, token in state.books.tokens.items() if (key[0], key[2]) == (vendor, meter)]


def request_token(sale: Sale) -> tuple[Effect, ...]:
    """Asks for the digits of the intended order, the first time or again."""
    assert sale.order is not None, "a token nobody intended"
    return (MakeToken(sale.vendor, sale.order, sale.when),)


def last_token(state: State, key: Key) -> str:
    """The digits made last for this meter, '' without any."""
    made = state.books.tokens.get(key)
    return made.digits if made else ""
