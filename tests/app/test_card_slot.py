"""What the sale is told of a card, whatever the reader, the driver, or we ourselves do wrong."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from kiosk.app import cards
from kiosk.app.cards import CardSlot
from kiosk.billing.book import PriceBook
from kiosk.drivers.answer import DriverRefusal
from kiosk.drivers.contract import CardAfter, DriverError
from kiosk.model.card import CardKind, CardReading, CardType, PurchaseState, Unit, Vendor, WriteOrder
from kiosk.model.cardport import IO_FAULT, NO_CARD, CardPortError
from kiosk.model.clock import SystemClock
from kiosk.model.errors import CardFault, DriverFault
from kiosk.sale.events import CardRead, CardRejected, CardWritten, WriteFailed

CODE = "0001"
VENDOR = Vendor(CODE, "RDK", "阿迪克", "RDK", Unit.ENERGY, False, ("420100",), 100, 500_000)
READING = CardReading(CardKind.PURCHASE, "420100", "10023400567", "202600012345", 3, PurchaseState.TAKEN)
ORDER = WriteOrder(bytes(16), "10023400567", "202600012345", "420100", 4, 5000, 8928)
MANIFEST = SimpleNamespace(vendor=SimpleNamespace(code=CODE))


class Slot:
    """A reader without a thread: a job is done at once, with a card that fails as told."""

    def __init__(self):
        self.power_fails = None
        self.tries = 3
        self.card_type = CardType.SLE4442
        self.port = self

    def submit(self, _session, job):
        future = Future()
        try:
            future.set_result(job(self))
        except Exception as fault:  # noqa: BLE001 - as the reader does
            future.set_exception(fault)
        return future

    def power_afresh(self):
        if self.power_fails:
            raise self.power_fails

    def tries_left(self, _which):
        return self.tries


class Played:
    """A driver that does what it is told; an exception is raised."""

    def __init__(self):
        self.reads, self.purchases, self.descriptions = READING, READING, [object()]

    def _do(self, what):
        if isinstance(what, Exception):
            raise what
        return what

    def read(self, _port):
        return self._do(self.reads)

    def purchase(self, *_given):
        return self._do(self.purchases)

    def describe(self):
        return self._do(self.descriptions.pop(0))


@pytest.fixture
def it(monkeypatch):
    monkeypatch.setattr(cards, "identify", lambda _port, _registry, _reset: MANIFEST)
    monkeypatch.setattr(cards, "vendor_of", lambda _manifest, _description: VENDOR)
    told, slot, driver, vendors = [], Slot(), Played(), {CODE: VENDOR}
    prices = PriceBook(1, {CODE: 5600})
    sale = CardSlot(slot, None, {CODE: driver}, vendors, prices, SystemClock(), "0007", told.append)
    return SimpleNamespace(told=told, slot=slot, driver=driver, vendors=vendors, sale=sale)


def refusal(card_after):
    return DriverRefusal(DriverError.WRITE_INCOMPLETE, "torn", card_after)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (READING, CardWritten(7, READING)),
        (refusal(CardAfter.UNKNOWN), WriteFailed(7, "C-204", unchanged=False)),
        (refusal(CardAfter.UNCHANGED), WriteFailed(7, "C-204", unchanged=True)),
        (DriverFault("D-304", "no process"), WriteFailed(7, "D-304", unchanged=True)),
        (RuntimeError("our own mistake"), WriteFailed(7, "P-801", unchanged=False)),
        (CardPortError(IO_FAULT), WriteFailed(7, "P-801", unchanged=False)),
    ],
)
def test_a_write_always_ends_in_one_event_and_claims_no_more_than_is_known(it, ends, told):
    it.driver.purchases = ends
    it.sale.write(7, CODE, ORDER)
    assert it.told == [told]


def test_a_card_that_is_gone_before_the_driver_was_asked_is_unchanged(it):
    it.slot.power_fails = CardFault("C-202", "gone")
    it.sale.write(7, CODE, ORDER)
    assert it.told == [WriteFailed(7, "C-202", unchanged=True)]


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (CardFault("C-201", "no"), "C-201"),
        (CardPortError(NO_CARD), "C-202"),
        (CardPortError(IO_FAULT), "C-201"),
        (RuntimeError("our own mistake"), "P-801"),
    ],
)
def test_a_read_always_ends_in_one_event(it, ends, code):
    it.driver.reads = ends
    it.sale.read(7)
    assert it.told == [CardRejected(7, code)]


@pytest.mark.parametrize(
    ("family", "tries", "refused"),
    [
        ("SLE4442", 1, True),
        ("SLE4428", 0, True),
        ("AT88SC102", 1, True),
        ("AT88SC1604", 0, True),
        ("AT88SC102", 2, False),
        ("CPU", 0, False),
    ],
)
def test_a_card_nobody_may_write_is_refused_before_cash_is_taken(it, family, tries, refused):
    it.slot.card_type, it.slot.tries = CardType[family], tries
    it.sale.read(7)
    assert (it.told == [CardRejected(7, "C-106")]) is refused


def test_a_vendor_that_could_not_describe_itself_at_start_is_asked_again(it):
    it.vendors.clear()
    it.driver.descriptions = [DriverFault("D-302", "too late"), object()]
    it.sale.read(7)
    it.sale.read(8)
    assert it.told[0] == CardRejected(7, "D-302")
    assert isinstance(it.told[1], CardRead) and it.told[1].vendor is VENDOR and it.vendors == {CODE: VENDOR}
