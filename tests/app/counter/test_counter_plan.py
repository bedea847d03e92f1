"""What staff's work comes to: items for the driver, money over the counter, and another region is refused for all."""

from dataclasses import replace

import pytest

from kiosk.app.counter.plan import FUNCTIONS, Asked, plan
from kiosk.app.counter.words import asked_of, hundredths, parser
from kiosk.billing.book import Price
from kiosk.drivers.contract import DI, Command
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.model.errors import CardRefused

VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, False, ("420100", "420200"), 100, 500_000)
CARD = CardReading(
    CardKind.PURCHASE, "420100", "1001", "2001", 7, PurchaseState.PENDING, amount_fen=5000, energy_centi_kwh=8928
)
PRICE = Price(5600, 7)
NEW = {"customer": "1001", "meter": "2001"}


def asked(function, **more):
    return Asked(function, "Li Si", **more)


def test_open_with_a_first_purchase_takes_cash_and_has_count_1():
    made = plan(asked("open", **NEW, fen=5000, bag="B1"), VENDOR, None, PRICE)
    assert made.sells and made.count == 1 and made.values[DI.COUNT] == 1
    assert (made.values[DI.AMOUNT], made.values[DI.ENERGY], made.values[DI.REGION]) == (5000, 8928, "420100")


def test_open_without_a_purchase_moves_no_money():
    made = plan(asked("open", **NEW, region="420200"), VENDOR, None, None)
    assert not made.sells and DI.COUNT not in made.values and made.region == "420200"


def test_a_purchase_is_the_cards_next_count():
    made = plan(asked("purchase", fen=5000, bag="B1"), VENDOR, CARD, PRICE)
    assert made.sells and made.count == 8 and made.customer == "1001" and made.values[DI.REGION] == "420100"


def test_a_reissued_purchase_is_written_again_and_not_paid_again():
    made = plan(asked("reissue", **NEW, count=7, fen=5000), VENDOR, None, PRICE)
    assert not made.sells and made.values[DI.COUNT] == 7 and made.values[DI.ENERGY] == 8928


def test_a_reversal_pays_back_what_the_card_says():
    made = plan(asked("reverse", bag="B1", fen=99), VENDOR, CARD, PRICE)
    assert (made.pays_back_fen, made.count, made.values[DI.ENERGY]) == (5000, 7, 8928)
    gone = plan(asked("reverse", bag="B1", fen=5000, centi_kwh=8928, count=8), VENDOR, CARD, PRICE)
    assert (gone.pays_back_fen, gone.count) == (5000, 8)


def test_clear_of_a_card_nobody_can_read_must_be_insisted_on():
    with pytest.raises(ValueError, match="insist"):
        plan(asked("clear"), VENDOR, None, None)
    made = plan(asked("clear", insist=True), VENDOR, None, None)
    assert made.values == {DI.CUSTOMER: "0", DI.METER: "0", DI.COUNT: 0, DI.INSIST: 1}


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "read"])
def test_a_card_of_another_region_is_refused_for_every_function(function):
    order = asked(function, **NEW, count=1, fen=5000, bag="B1", settings={DI.HOARD_LIMIT: 100}, insist=True)
    with pytest.raises(CardRefused) as refused:
        plan(order, VENDOR, replace(CARD, region="110000"), PRICE)
    assert refused.value.code == "C-103"


@pytest.mark.parametrize("function", ["open", "reissue", "set", "check"])
def test_nothing_is_issued_for_another_region(function):
    order = asked(function, **NEW, count=1, region="110000", settings={DI.HOARD_LIMIT: 100})
    with pytest.raises(CardRefused) as refused:
        plan(order, VENDOR, None, PRICE)
    assert refused.value.code == "C-103"


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (asked("open", customer="1"), "--meter"),
        (asked("open", **NEW, fen=5000), "--bag"),
        (asked("open", **NEW, fen=50, bag="B1"), "sells from"),
        (asked("purchase", bag="B1"), "--yuan"),
        (asked("reissue", **NEW), "--count"),
        (asked("set"), "--setting"),
        (asked("reverse"), "--bag"),
        (asked("clear", settings={DI.HOARD_LIMIT: 1}), "no settings"),
    ],
)
def test_what_the_operator_must_say(order, told):
    with pytest.raises(ValueError, match=told):
        plan(order, VENDOR, CARD, PRICE)


def test_without_a_price_nothing_is_sold():
    with pytest.raises(CardRefused) as refused:
        plan(asked("open", **NEW, fen=5000, bag="B1"), VENDOR, None, None)
    assert refused.value.code == "C-113"


def test_words_become_items():
    words = ["set", "--operator", "李四", "--setting", "hoard-limit=1000", "--setting", "ct-ratio=30"]
    words += ["--price", "1,0=0.5600", "--price", "2,1=1.0000", "--step-bound", "216", "--from", "20270101000000"]
    order = asked_of(parser().parse_args(words))
    assert order.command is Command.SET and order.operator == "李四"
    assert order.settings[DI.HOARD_LIMIT] == 100_000 and order.settings[DI.CT_RATIO] == 30
    assert order.settings[DI.TARIFF].hex() == "01000000000015e00201000000002710"
    assert order.settings[DI.LADDER].hex() == "00005460" and order.settings[DI.TARIFF_FROM] == "20270101000000"


@pytest.mark.parametrize("words", [["set", "--setting", "x=1"], ["open"], ["open", "--operator", " "]])
def test_words_that_are_off(words):
    with pytest.raises(ValueError, match=r"setting|operator"):
        asked_of(parser().parse_args([*words, *(["--operator", "Li"] if "x=1" in words else [])]))


@pytest.mark.parametrize(("text", "value"), [("12", 1200), ("12.5", 1250), ("0.05", 5)])
def test_amounts_are_whole_hundredths(text, value):
    assert hundredths(text) == value


@pytest.mark.parametrize("text", ["", "1.234", "-1", "1,5", "1e3", "٣"])
def test_what_is_no_amount(text):
    with pytest.raises(ValueError, match="amount"):
        hundredths(text)
