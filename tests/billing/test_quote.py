from hypothesis import given
from hypothesis import strategies as st

from kiosk.billing.book import Price
from kiosk.billing.quote import energy_for, money_for, most_to_buy
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.model.energy import Energy
from kiosk.model.money import Money

prices = st.integers(1, 1_000_000).map(lambda per_kwh: Price(per_kwh, 1))


def vendor(unit=Unit.ENERGY, most=500_000):
    return Vendor("0001", "RDK", "阿迪克", "RDK", unit, False, ("420100",), 100, most)


def reading(**changes):
    base = dict(kind=CardKind.PURCHASE, region="420100", customer="1", meter="2", count=3, state=PurchaseState.TAKEN)
    return CardReading(**{**base, **changes})


def test_fifty_yuan_at_0_56_buys_89_28_kwh_rounded_down():
    assert energy_for(Money.yuan(50), Price(5600, 1)) == Energy(8928)


@given(st.integers(0, 10**9), prices)
def test_the_kiosk_never_writes_more_than_was_paid_for_and_loses_less_than_a_hundredth(fen, price):
    energy = energy_for(Money(fen), price)
    assert energy.centi_kwh * price.per_kwh <= fen * 10_000 < (energy.centi_kwh + 1) * price.per_kwh


@given(st.integers(0, 10**9), prices)
def test_money_for_is_the_largest_amount_that_fits_the_room(room, price):
    most = money_for(Energy(room), price)
    assert energy_for(most, price) <= Energy(room) < energy_for(most + Money(1), price)


def test_the_hoard_limit_leaves_room_for_what_the_meter_does_not_hold_yet():
    price = Price(5000, 1)
    card = reading(hoard_limit=20_000, remaining=5_000)
    assert most_to_buy(vendor(), card, price) == Money(7500)
    assert most_to_buy(vendor(Unit.MONEY), card, price) == Money(15_000)
    waiting = reading(hoard_limit=20_000, remaining=5_000, state=PurchaseState.PENDING, energy_centi_kwh=5_000)
    assert most_to_buy(vendor(), waiting, price) == Money(5000)


def test_all_purchases_that_wait_on_a_card_take_room_not_the_newest_alone():
    card = reading(
        hoard_limit=20_000, state=PurchaseState.PENDING, amount_fen=2_000, energy_centi_kwh=4_000,
        pending_fen=5_000, pending_centi_kwh=10_000,
    )  # fmt: skip
    assert most_to_buy(vendor(), card, Price(5000, 1)) == Money(5000)
    assert most_to_buy(vendor(Unit.MONEY), card, Price(5000, 1)) == Money(15_000)


def test_without_a_hoard_limit_the_vendors_largest_amount_holds():
    assert most_to_buy(vendor(most=50_000), reading(hoard_limit=0), Price(5600, 1)) == Money(50_000)
