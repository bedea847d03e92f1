"""A counter in memory: a card by contract 1 with its driver, a reader, a real ledger, and the kiosk's next start."""

from concurrent.futures import Future
from types import SimpleNamespace

from kiosk.app.counter.plan import Asked, plan
from kiosk.app.counter.work import Counter, Found, Unfinished
from kiosk.billing.book import Price, PriceBook
from kiosk.drivers.answer import Description, DriverRefusal
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.hq.booking import Pages
from kiosk.ledger.entry import encode
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import make_key
from kiosk.ledger.totals import Totals
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.model.clock import SystemClock
from kiosk.model.errors import LedgerFault
from kiosk.sale import effects as do
from kiosk.sale import entries
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.machine import start, step
from kiosk.sale.state import Rules, State

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


def sold(desk):
    desk.plastic.open()
    assert not desk.card("purchase", fen=5000, bag="B1").code
    desk.kiosk(entries.receipt_printed(bytes(16), 1))
    return desk


def reverse(desk, **more):
    return desk.card("reverse", bag="B1", **more)


class KioskVisit:
    """The next start of the kiosk with this card in its slot: the pure machine on the counter's entries."""

    def __init__(self, desk):
        self.desk, self.queue, self.enabled, self.fresh = desk, [], [], desk.journal.size * 1000
        self.state = State(Rules(), {"0001": VENDOR}, books=desk.memory.books)
        self._carry_out(*start(self.state))
        up = [on.DeviceUp(device) for device in ("reader", "printer", "acceptor")]
        self.say(*up, on.AcceptorUp("none"), on.CardInserted(1))

    def say(self, *events):
        self.queue += events
        while self.queue:
            self.fresh += 1
            stamp = on.Stamp(self.fresh.to_bytes(16, "big"), "20261125120000")
            self._carry_out(*step(self.state, self.queue.pop(0), stamp))
        return self

    def _carry_out(self, state, effects):
        self.state = state
        for effect in effects:
            self._do(effect)

    def _do(self, effect):
        plastic, answers = self.desk.plastic, self.queue
        match effect:
            case do.Record(drafts):
                self.desk.kiosk(*drafts)
            case do.ReadCard(session):
                answers.append(on.CardRead(session, VENDOR, plastic.read(), PRICE))
            case do.WriteCard(session, _, order):
                items = {DI.COUNT: order.count, DI.AMOUNT: order.amount_fen, DI.ENERGY: order.energy_centi_kwh}
                said = plastic.execute(Command.PURCHASE, {**items, DI.SALE: order.sale}, None)
                if isinstance(said, DriverRefusal):
                    answers.append(on.WriteFailed(session, "C-204", unchanged=said.card_unchanged))
                else:
                    answers.append(on.CardWritten(session, plastic.read()))
            case do.SetTimer("read", _):
                answers.append(on.TimerFired("read"))
            case do.PrintSlip(_):
                answers.append(on.Printed(1))
            case do.AskPrinter():
                answers.append(on.PaperReady())
            case do.StackNote():
                answers.append(on.NoteStacked(5000))
            case do.EnableNotes(fen):
                self.enabled.append(fen)


def assert_head_office_agrees(desk):
    """Every closed sale's ``kept`` is what its entries posted, here and at head office."""
    totals, pages = Totals(), Pages(desk.signer.vkey, 0, 0, {})
    for entry in desk.entries():
        assert totals.take(entry) == ""
        pages.take(encode(entry))
    assert pages.parked == {} and sum(pages.balances.values()) == 0
