"""Not a fen lost at the counter: a card and a driver in memory, a real ledger, and the power goes at every entry."""

from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kiosk.app.counter.plan import Asked, plan
from kiosk.app.counter.work import Counter, Found, Unfinished
from kiosk.billing.book import Price, PriceBook
from kiosk.drivers.answer import Description, DriverRefusal
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.hq.booking import Pages
from kiosk.ledger.entry import Draft, encode
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import make_key
from kiosk.ledger.totals import Totals
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.model.clock import SystemClock
from kiosk.model.errors import CardRefused, LedgerFault
from kiosk.sale import entries
from kiosk.sale.books import Memory

ORIGIN = "power.example/kiosk/420100/0007/1"
VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, True, ("420100",), 100, 500_000)
PRICE = Price(5600, 7)
CUSTOMER, METER = "1001", "2001"
KEY = ("0001", CUSTOMER, METER)
UNKNOWN, UNCHANGED = CardAfter.UNKNOWN, CardAfter.UNCHANGED


class PowerCut(BaseException):
    pass


class Plastic:
    """A card by contract 1 with its driver: purchases by count, some of them waiting for the meter."""

    def __init__(self):
        self.kind, self.customer, self.meter, self.last, self.taken = CardKind.BLANK, "", "", 0, 0
        self.waiting = {}  # count → (fen, 0.01 kWh, sale)
        self.tears = []  # for each call to come: "before", "after", a DriverRefusal, or "" that all is well

    def open(self, count=0):
        self.kind, self.customer, self.meter, self.last, self.taken = CardKind.OPEN, CUSTOMER, METER, count, count
        return self

    def buy(self, fen=5000, kwh=8928, sale=bytes(16)):
        self.last += 1
        self.waiting[self.last] = (fen, kwh, sale)
        return self

    @property
    def credit(self):
        return sum(fen for fen, _, _ in self.waiting.values())

    def read(self):
        fen, kwh, sale = self.waiting.get(self.last, (None, None, None))
        state = PurchaseState.PENDING if fen else PurchaseState.TAKEN if self.taken else PurchaseState.NONE
        region = "" if self.kind is CardKind.BLANK else "420100"
        return CardReading(self.kind, region, self.customer, self.meter, self.last, state, fen, kwh, sale)

    # the driver

    def describe(self):
        return Description("0001", "1", frozenset(Command), frozenset(), Unit.ENERGY, True)

    def execute(self, command, values, _port):
        tear = self.tears.pop(0) if self.tears else ""
        if isinstance(tear, DriverRefusal):
            return tear
        if tear == "before":
            return DriverRefusal(DriverError.WRITE_INCOMPLETE, "torn", UNKNOWN)
        refused = self._do(command, values)
        if refused:
            return DriverRefusal(refused, "no", UNCHANGED)
        if tear == "after":
            return DriverRefusal(DriverError.WRITE_INCOMPLETE, "torn", UNKNOWN)
        if tear == "power":
            raise PowerCut
        return {DI.KIND: int(self.kind), DI.REGION: "420100", DI.CUSTOMER: self.customer, DI.METER: self.meter} | {
            DI.COUNT: self.last, DI.STATE: int(self.read().state),
        }  # fmt: skip

    def _do(self, command, values):
        count, what = values.get(DI.COUNT), (values.get(DI.AMOUNT), values.get(DI.ENERGY), values.get(DI.SALE))
        if command is Command.OPEN:
            if self.kind is not CardKind.BLANK:
                return None if count == self.last == 1 and self.waiting[1][:2] == what[:2] else DriverError.NOT_BLANK
            self.open()
            if count:
                self.buy(*what)
        elif command is Command.PURCHASE:
            if count == self.last and self.waiting.get(count, ())[:2] == what[:2]:
                return None
            if count != self.last + 1:
                return DriverError.COUNT
            self.buy(*what)
        elif command is Command.REVERSE:
            return self._reverse(count, what)
        elif command is Command.CLEAR:
            if self.waiting and not values.get(DI.INSIST):
                return DriverError.NOT_TAKEN
            self.__init__()
        elif command is Command.REISSUE:
            self.open(count)
            if what[0]:
                self.waiting[count] = what
        return None

    def _reverse(self, count, what):
        if self.taken and count <= self.taken:
            return DriverError.TAKEN
        if count not in self.waiting:
            return None if count == self.last + 1 and not self.waiting else DriverError.COUNT
        if self.waiting[count][1] != what[1] or count != self.last:
            return DriverError.COUNT
        del self.waiting[count]
        self.last -= 1
        return None


class Reader:
    """Runs each job at once; ``gone``: there is no card any more."""

    def submit(self, _session, job):
        future = Future()
        try:
            future.set_result(job(SimpleNamespace(power_afresh=lambda: None, port=None)))
        except Exception as error:  # noqa: BLE001 - as the reader does
            future.set_exception(error)
        return future


class Desk:
    """A terminal's counter; ``restart`` is a new run of the command after whatever happened."""

    def __init__(self, folder):
        (folder / "passphrase").write_text("never use in a real system")
        (folder / "passphrase").chmod(0o600)
        self.signer = make_key(folder / "key.pem", folder / "passphrase", ORIGIN)
        self.path, self.clock, self.plastic = folder / "ledger.db", SystemClock(), Plastic()
        self.cut_before = None  # the commit, counted from 0, before which the power goes
        self.full_at = None  # the commit that the disk has no room for
        self.handed_fen = 0  # what the operator was told to give to the customer
        Journal.create(self.path, self.signer, ORIGIN, "", "new", self.clock).close()
        self.open()

    def open(self):
        self.memory, self.unfinished = Memory(), Unfinished()
        self.journal = Journal.open(self.path, self.signer, self.clock, self.see)
        manifest = SimpleNamespace(vendor=SimpleNamespace(code="0001", abbr="RDK"))
        self.counter = Counter(
            SimpleNamespace(append=self.append), self.memory, self.unfinished, Reader(), None,
            SimpleNamespace(manifests=(manifest,)), {"0001": self.plastic}, PriceBook(7, {"0001": 5600}), self.clock,
            "0007",
        )  # fmt: skip

    def see(self, entry):
        self.memory.see(entry)
        self.unfinished.see(entry)

    def append(self, drafts):
        if self.cut_before == 0:
            raise PowerCut
        if self.full_at == 0:
            raise LedgerFault("L-502", "the disk is full")
        self.cut_before = self.cut_before and self.cut_before - 1
        self.full_at = self.full_at and self.full_at - 1
        return self.journal.append(drafts)

    def restart(self):
        self.journal.close()
        self.cut_before = self.full_at = None
        self.open()
        return self

    def card(self, function, **more):
        """`kiosk card`: a card is read, planned, and the order carried out."""
        asked, read = Asked(function, "Li Si", **more), self.plastic.read()
        if asked.command is Command.REVERSE:
            asked = self.counter.taken_up(asked, read, VENDOR)
        made = plan(asked, VENDOR, read, PRICE)
        ended = self.counter.carry_out(asked, Found(1, None, VENDOR, {}, read), made)
        self.handed_fen += ended.hand_out_fen
        return ended

    def entries(self):
        return list(self.journal.entries(0, self.journal.size))

    def balance(self, account):
        return sum(fen for entry in self.entries() for name, fen in entry.post if name == account)

    def kiosk(self, *drafts):
        """What the kiosk program records between two commands."""
        for draft in drafts:
            for entry in self.journal.append([draft]):
                self.see(entry)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def sold(desk):
    desk.plastic.open()
    assert not desk.card("purchase", fen=5000, bag="B1").code
    desk.kiosk(entries.receipt_printed(bytes(16), 1))
    return desk


def reverse(desk, **more):
    return desk.card("reverse", bag="B1", **more)


# a reversal -----------------------------------------------------------------------------------------------------------


def test_a_reversal_that_took_effect_unseen_is_paid_although_the_next_try_never_reached_the_card(desk):
    sold(desk).plastic.tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert reverse(desk).unknown and desk.plastic.credit == 0 and desk.handed_fen == 0
    desk.plastic.tears = [DriverRefusal(DriverError.NO_KEY_CARD, "not reached", UNCHANGED)]
    reverse(desk)
    assert desk.handed_fen == 5000 and desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")
    assert not desk.unfinished.orders


def test_a_reversal_over_another_waiting_purchase_is_paid_back_after_a_power_cut(desk):
    """The driver of a stacking card answers 0D to the repeated reversal, for the older purchase still waits."""
    sold(desk).card("purchase", fen=2000, bag="B1")
    desk.plastic.tears = ["power"]
    with pytest.raises(PowerCut):
        reverse(desk)
    assert desk.plastic.credit == 5000
    reverse(desk.restart())
    assert desk.handed_fen == 2000 and desk.balance("cash:bag:B1") == 5000 == -desk.balance("sold:0001")


def test_a_reversal_in_doubt_is_paid_even_when_the_kiosk_has_used_its_count_again(desk):
    sold(desk).plastic.tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert reverse(desk).unknown
    desk.card("purchase", fen=7000, bag="B1")
    assert desk.plastic.last == 1
    reverse(desk)
    assert desk.handed_fen == 5000 and desk.plastic.credit == 7000
    reverse(desk)
    assert desk.handed_fen == 12_000 and desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")


def test_an_order_for_a_purchase_that_never_was_pays_nothing_however_often_it_breaks_off(desk):
    desk.plastic.open(count=7)
    desk.plastic.tears = ["before", "before"]
    for _ in range(3):
        reverse(desk, count=8, fen=5000, centi_kwh=8928)
        desk.restart()
    assert desk.handed_fen == 0 and desk.balance("cash:bag:B1") == 0


def test_a_purchase_in_doubt_here_cannot_be_reversed_until_the_kiosk_has_settled_it(desk):
    """Else the customer has the cash, and the kiosk, finding no credit on the card, writes it again."""
    desk.plastic.open().tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert desk.card("purchase", fen=5000, bag="B1").unknown
    assert KEY in desk.memory.books.doubts and desk.plastic.credit == 5000
    for function in ("reverse", "clear"):
        with pytest.raises(CardRefused) as refused:
            desk.card(function, bag="B1", insist=True)
        assert refused.value.code == "C-117"
    with pytest.raises(CardRefused) as refused:
        desk.card("reissue", customer=CUSTOMER, meter=METER, count=1, fen=5000)
    assert refused.value.code == "C-117"
    assert desk.plastic.credit == 5000 and desk.balance("cash:bag:B1") == 5000


def test_a_sale_that_was_cut_off_is_settled_before_its_card_is_touched(desk):
    desk.plastic.open().tears = ["power"]
    with pytest.raises(PowerCut):
        desk.card("purchase", fen=5000, bag="B1")
    with pytest.raises(CardRefused) as refused:
        reverse(desk.restart())
    assert refused.value.code == "C-117" and desk.plastic.credit == 5000


def test_a_card_with_a_reversal_in_doubt_is_not_cleared(desk):
    sold(desk).plastic.tears = ["before", "before"]
    assert reverse(desk).unknown
    with pytest.raises(CardRefused) as refused:
        desk.card("clear", insist=True)
    assert refused.value.code == "C-117"
    reverse(desk)
    assert desk.handed_fen == 5000 and not desk.card("clear").code


@pytest.mark.parametrize("state", ["taken", "none"])
def test_what_is_not_there_to_be_taken_back_reaches_neither_ledger_nor_driver(desk, state):
    desk.plastic.open(count=7 if state == "taken" else 0)
    before = desk.journal.size
    with pytest.raises(CardRefused) as refused:
        reverse(desk, fen=5000)
    assert refused.value.code == "C-112" and desk.journal.size == before


# a sale ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{"customer": "A1"}, {"meter": "1" * 21}, {"region": "420100", "customer": "٣"}])
def test_numbers_that_no_card_can_hold_are_refused_before_anything_is_recorded(desk, words):
    before = desk.journal.size
    with pytest.raises(ValueError, match="item"):
        desk.card("open", **{"customer": CUSTOMER, "meter": METER, **words}, fen=5000, bag="B1")
    assert desk.journal.size == before


def test_the_energy_of_a_sale_is_the_price_lists(desk):
    desk.plastic.open()
    with pytest.raises(ValueError, match="price list"):
        desk.card("purchase", fen=5000, bag="B1", centi_kwh=1_000_000)


@pytest.mark.parametrize(
    ("answers", "card_after", "credit", "refunded"),
    [
        (["", ""], "", 5000, False),
        ([DriverRefusal(DriverError.NOT_BLANK, "0B", UNCHANGED)], "unchanged", 0, True),
        ([DriverRefusal(DriverError.WRITE_FAILED, "10", UNCHANGED)], "unchanged", 0, True),
        (["before", ""], "", 5000, False),
        (["after", ""], "", 5000, False),
        (["before", "before"], "unknown", 0, False),
        (["after", "after"], "unknown", 5000, False),
        ([DriverRefusal(DriverError.READ_BACK, "12", UNKNOWN), ""], "", 5000, False),
        (["after", DriverRefusal(DriverError.WRITE_FAILED, "10", UNCHANGED)], "unknown", 5000, False),
        (["after", DriverRefusal(DriverError.NOT_BLANK, "0B", UNCHANGED)], "unknown", 5000, False),
    ],
)
def test_every_end_of_an_opening_with_a_purchase_adds_up(desk, answers, card_after, credit, refunded):
    desk.plastic.tears = list(answers)
    desk.card("open", customer=CUSTOMER, meter=METER, fen=5000, bag="B1")
    failed = [entry.data["card"] for entry in desk.entries() if entry.kind == "card.failed"]
    assert failed == ([card_after] if card_after else []) and desk.plastic.credit == credit
    assert desk.handed_fen == (5000 if refunded else 0)
    assert desk.balance("cash:bag:B1") == 5000 - desk.handed_fen
    assert (KEY in desk.memory.books.doubts) is (card_after == "unknown")
    assert_head_office_agrees(desk)


def test_a_driver_that_reads_back_another_count_is_not_believed(desk):
    desk.plastic.open()
    execute = desk.plastic.execute
    desk.plastic.execute = lambda *order: {**execute(*order), DI.COUNT: 0}
    ended = desk.card("purchase", fen=5000, bag="B1")
    assert ended.unknown and ended.code == "D-303" and KEY in desk.memory.books.doubts


def test_an_end_that_could_not_be_recorded_is_no_refusal(desk):
    desk.plastic.open()
    desk.full_at = 1
    ended = desk.card("purchase", fen=5000, bag="B1")
    assert ended.unknown and ended.code == "L-502" and ended.hand_out_fen == 0 and desk.plastic.credit == 5000
    desk.restart()
    assert desk.memory.books.open.order.amount_fen == 5000


def test_a_sale_that_the_kiosk_has_closed_is_not_named_as_an_order_to_be_given_again(desk):
    """Given again it would be another purchase, and the customer would pay twice."""
    desk.plastic.open().tears = ["power"]
    with pytest.raises(PowerCut):
        desk.card("purchase", fen=5000, bag="B1")
    sale = desk.restart().memory.books.open
    desk.kiosk(entries.write_done(sale, sale.order, "found"))
    desk.kiosk(entries.sale_closed(desk.memory.books.open, "done", ""))
    assert not desk.unfinished.orders and not desk.restart().unfinished.orders


# the power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_before", [0, 1])
@pytest.mark.parametrize("function", ["open", "purchase"])
def test_the_power_goes_at_each_commit_of_a_sale_and_the_kiosk_settles_it(desk, function, cut_before):
    if function == "purchase":
        desk.plastic.open()
    desk.cut_before = cut_before
    with pytest.raises(PowerCut):
        desk.card(function, customer=CUSTOMER, meter=METER, fen=5000, bag="B1")
    books = desk.restart().memory.books
    paid = desk.balance("cash:bag:B1")
    assert paid == -desk.balance("owed:0001:1001") == desk.plastic.credit == (5000 if cut_before else 0)
    assert (books.open is not None) is bool(cut_before)
    settle_at_the_kiosk(desk)
    assert desk.balance("cash:bag:B1") == -desk.balance("sold:0001") == desk.plastic.credit
    assert desk.balance("cash:box") == 0 and desk.balance("owed:0001:1001") == 0
    assert_head_office_agrees(desk)


@pytest.mark.parametrize("cut_before", [0, 1])
def test_the_power_goes_at_each_commit_of_a_reversal_and_it_is_paid_once(desk, cut_before):
    sold(desk)
    desk.cut_before = cut_before
    with pytest.raises(PowerCut):
        reverse(desk)
    reverse(desk.restart())
    assert desk.handed_fen == 5000 and desk.plastic.credit == 0
    assert desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")
    with pytest.raises(CardRefused):
        reverse(desk.restart())
    reverse(desk, count=1, fen=5000, centi_kwh=8928)
    assert desk.handed_fen == 5000
    assert_head_office_agrees(desk)


def settle_at_the_kiosk(desk):
    """The next start of the kiosk, with this card in its slot: the pure machine on the counter's entries."""
    from kiosk.sale import effects as do
    from kiosk.sale import events as on
    from kiosk.sale.machine import start, step
    from kiosk.sale.state import Rules, State

    state = State(Rules(), {"0001": VENDOR}, books=desk.memory.books)
    queue, enabled = [], []

    def carry_out(state, effects):
        for effect in effects:
            if isinstance(effect, do.Record):
                desk.kiosk(*effect.drafts)
            elif isinstance(effect, do.ReadCard):
                queue.append(on.CardRead(effect.session, VENDOR, desk.plastic.read(), PRICE))
            elif isinstance(effect, do.PrintSlip):
                queue.append(on.Printed(1))
            elif isinstance(effect, do.EnableNotes):
                enabled.append(effect)
        return state

    state = carry_out(*start(state))
    queue += [on.DeviceUp("reader"), on.DeviceUp("printer"), on.DeviceUp("acceptor"), on.AcceptorUp("none")]
    queue.append(on.CardInserted(1))
    while queue:
        state = carry_out(*step(state, queue.pop(0), on.Stamp(bytes(16), "20261125120000")))
    assert not enabled, "the acceptor took notes for a sale of the counter"


def assert_head_office_agrees(desk):
    """Every closed sale's ``kept`` is what its entries posted, here and at head office."""
    totals, pages = Totals(), Pages(desk.signer.vkey, 0, 0, {})
    for entry in desk.entries():
        assert totals.take(entry) == ""
        pages.take(encode(entry))
    assert pages.parked == {} and sum(pages.balances.values()) == 0


# head office ----------------------------------------------------------------------------------------------------------


def test_head_office_takes_the_energy_of_a_reversal_off_again(desk):
    sold(desk)
    reverse(desk)
    pages = Pages(desk.signer.vkey, 0, 0, {})
    for entry in desk.entries():
        pages.take(encode(entry))
    (day,) = pages.days.values()
    assert (day.sold_fen, day.energy_centi_kwh) == (0, 0)


def test_the_longest_sale_of_the_counter_fits_a_receipt(desk):
    digits, sale = "9" * 20, bytes(range(16))
    big = replace(PRICE, per_kwh=10**9, version=10**9)
    reading = CardReading(CardKind.OPEN, "99999999", digits, digits, 2**32 - 1, PurchaseState.NONE)
    card = SimpleNamespace(vendor=VENDOR, reading=reading, price=big)
    desk.kiosk(entries.sale_opened(sale, card, 9_999_999_999, 0))
    post = (("cash:bag:" + "B" * 64, 9_999_999_999), (f"owed:0001:{digits}", -9_999_999_999))
    desk.kiosk(Draft("counter.paid", sale, post, {"fen": 9_999_999_999, "bag": "B" * 64, "operator": "李" * 32}))
    closed = desk.journal.append([entries.sale_closed(desk.memory.books.open, "cancelled", "C-117")])[0]
    assert len(encode(closed)) < 300
