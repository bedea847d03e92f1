"""What an amount buys, and how much may be bought.

The rounding rule, stated once: energy is rounded **down** to 0.01 kWh, so the kiosk never writes more than was paid
for, and less than the price of 0.01 kWh is lost by it. The amount itself is never rounded: all of it is booked.
"""

from __future__ import annotations

from kiosk.billing.book import Price
from kiosk.model.card import CardReading, Unit, Vendor
from kiosk.model.energy import Energy
from kiosk.model.money import Money

_SCALE = 10_000  # fen · 0.0001 yuan/kWh → 0.01 kWh: (fen/100) / (price/10000) · 100


def energy_for(amount: Money, price: Price) -> Energy:
    """The energy an amount buys, rounded down to 0.01 kWh."""
    return Energy(amount.fen * _SCALE // price.per_kwh)


def money_for(room: Energy, price: Price) -> Money:
    """The largest amount that buys no more than ``room``: the inverse of ``energy_for``."""
    return Money(max(0, -(-(room.centi_kwh + 1) * price.per_kwh // _SCALE) - 1))


def value_in_unit(vendor: Vendor, amount: Money, energy: Energy) -> int:
    """What the vendor's card counts of a purchase: fen, or 0.01 kWh."""
    return amount.fen if vendor.unit is Unit.MONEY else energy.centi_kwh


def room_on_card(vendor: Vendor, reading: CardReading, price: Price) -> Money | None:
    """The largest amount the hoard limit leaves room for; None if there is no limit (contract 1 §4.14).

    The remaining that the meter wrote back counts, unknown as 0; so do purchases it has not taken yet.
    """
    if not reading.hoard_limit:
        return None
    pending = 0
    if reading.pending and vendor.unit is Unit.MONEY:
        pending = reading.pending_fen or reading.amount_fen or 0
    elif reading.pending:
        pending = reading.pending_centi_kwh or reading.energy_centi_kwh or 0
    room = max(0, reading.hoard_limit - (reading.remaining or 0) - pending)
    return Money(room) if vendor.unit is Unit.MONEY else money_for(Energy(room), price)


def most_to_buy(vendor: Vendor, reading: CardReading, price: Price) -> Money:
    """The most this card may buy now: the vendor's largest amount, less what the hoard limit forbids."""
    most = Money(vendor.amount_max_fen)
    room = room_on_card(vendor, reading, price)
    return most if room is None else min(most, room)
