"""A customer without a card: found in the list, served by the driver, and every failure has its code."""

import queue
from types import SimpleNamespace

import pytest

from kiosk.app.tokens import TokenMaker
from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.drivers.answer import Description, DriverRefusal, TokenAnswer
from kiosk.drivers.contract import CardAfter, DriverError
from kiosk.drivers.registry import Registry
from kiosk.model.card import KeypadCustomer, Unit, WriteOrder
from kiosk.model.errors import DriverFault
from kiosk.sale.events import CustomerFound, CustomerUnknown, TokenFailed, TokenMade

WHO = KeypadCustomer("0009", "30000001", "71000001", "420100", 4)
ORDER = WriteOrder(bytes(16), "30000001", "71000001", "420100", 5, 5000, 8928)
NAME = SimpleNamespace(code="0009", abbr="OPG", zh="", en="OPG")
SALE = SimpleNamespace(regions=("420100",), amount_min_fen=100, amount_max_fen=300_000)
MANIFEST = SimpleNamespace(vendor=NAME, sale=SALE, cards=(), keypad=True, folder="opg")


class Played:
    """A driver that does what it is told; an exception is raised."""

    def __init__(self, made=TokenAnswer("588224011234", 8930)):
        self.made, self.asked = made, []

    def describe(self):
        return Description("0009", "1", frozenset((0x10, 0x13)), frozenset(), Unit.ENERGY, False)

    def token(self, order, when, terminal):
        self.asked.append((order, when, terminal))
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


@pytest.fixture
def told():
    return queue.Queue()


def maker(told, driver, prices=None, listed=WHO):
    customers = CustomerList(1, {listed.customer: listed})
    book = PriceBook(1, {"0009": 5600} if prices is None else prices)
    return TokenMaker(customers, Registry((MANIFEST,)), {"0009": driver}, {}, book, "0007", told.put)


def test_found_with_price_and_vendor_even_if_the_driver_was_late_at_start(told):
    tokens = maker(told, Played())
    tokens.find("30000001")
    found = told.get(timeout=10)
    tokens.close()
    assert isinstance(found, CustomerFound) and found.customer == WHO and found.price.per_kwh == 5600
    assert found.vendor.keypad and found.vendor.unit is Unit.ENERGY


def test_a_number_nobody_has_and_a_vendor_nobody_serves(told):
    tokens = maker(told, Played(), listed=KeypadCustomer("00FF", "30000009", "1", "420100", 0))
    tokens.find("30000001")
    tokens.find("30000009")
    tokens.close()
    assert [told.get(timeout=10), told.get(timeout=10)] == [
        CustomerUnknown("30000001", "C-116"),
        CustomerUnknown("30000009", "C-116"),
    ]


def test_without_a_price_it_is_the_sale_that_says_so(told):
    tokens = maker(told, Played(), prices={})
    tokens.find("30000001")
    tokens.close()
    assert told.get(timeout=10).price is None


def test_digits_are_asked_with_the_recorded_time(told):
    driver = Played()
    tokens = maker(told, driver)
    tokens.make_token("0009", ORDER, "20261124120000")
    tokens.close()
    assert told.get(timeout=10) == TokenMade(ORDER.sale, "588224011234", 8930)
    assert driver.asked == [(ORDER, "20261124120000", "0007")]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (DriverRefusal(DriverError.NO_KEY_CARD, "no module", CardAfter.UNCHANGED), "C-114"),
        (DriverFault("D-302", "late"), "D-302"),
        (ValueError("ours"), "P-801"),
    ],
)
def test_no_digits(told, made, code):
    tokens = maker(told, Played(made))
    tokens.make_token("0009", ORDER, "20261124120000")
    tokens.close()
    assert told.get(timeout=10) == TokenFailed(ORDER.sale, code)


def test_a_customer_of_a_vendor_with_cards_is_not_served_by_number(told):
    """Its driver makes no digits, and belongs to the card slot's thread."""
    driver = Played()
    cards = SimpleNamespace(**{**vars(MANIFEST), "cards": ("SLE4442",), "keypad": False})
    book = PriceBook(1, {"0009": 5600})
    customers = CustomerList(1, {WHO.customer: WHO})
    tokens = TokenMaker(customers, Registry((cards,)), {"0009": driver}, {}, book, "0007", told.put)
    tokens.find(WHO.customer)
    tokens.close()
    assert told.get(timeout=10) == CustomerUnknown(WHO.customer, "C-116")
