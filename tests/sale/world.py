"""A small world for the pure machine: one card, one acceptor, one printer and a ledger, all in memory.

Effects are carried out one by one, so the power can go between any two of them. What survives a cut is what survives
in life: the committed entries, the card, the notes in the box, and what the acceptor still has to say.
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256

from kiosk.billing.book import Price
from kiosk.ledger.entry import Draft
from kiosk.model.card import CardKind, CardReading, KeypadCustomer, PurchaseState, Unit, Vendor, WriteOrder
from kiosk.sale import effects as do
from kiosk.sale import events as on
from kiosk.sale.books import fold
from kiosk.sale.machine import start, step, unrecorded
from kiosk.sale.state import Books, Rules, State

VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, True, ("420100",), 100, 500_000)
PRICE = Price(5600, 7)
BLANK = CardReading(CardKind.PURCHASE, "420100", "1001", "2001", 3, PurchaseState.TAKEN)


class PowerCut(Exception):
    pass


@dataclass
class Plastic:
    """A customer's card: what is written on it, and all that was ever credited to it, by sale."""

    reading: CardReading = BLANK
    credited: dict = field(default_factory=dict)  # count → (sale, fen)

    def write(self, order: WriteOrder) -> None:
        if order.count == self.reading.count:
            return
        assert order.count == self.reading.count + 1, "the driver would answer 0D"
        self.credited[order.count] = (order.sale, order.amount_fen)
        self.reading = replace(
            self.reading, count=order.count, sale=order.sale, amount_fen=order.amount_fen, state=PurchaseState.PENDING
        )

    @property
    def credit_fen(self) -> int:
        return sum(fen for _, fen in self.credited.values())


class World:
    def __init__(self, rules: Rules = Rules(), vendor: Vendor = VENDOR, price: Price | None = PRICE) -> None:
        self.rules, self.vendor, self.price = rules, vendor, price
        self.entries: list[Draft] = []
        self.card = Plastic()
        self.session, self.inserted = 0, False
        self.box: list[int] = []  # notes in the cash box: the truth
        self.escrow: int | None = None
        self.enabled: frozenset[int] = frozenset()
        self.coins_enabled: frozenset[int] = frozenset()
        self.unconfirmed: int | None = None  # a stacked note the acceptor will report again
        self.handed_back: list[int] = []
        self.slips: list = []
        self.paper = True
        self.disk_full = False
        self.write_fails = False  # the next write fails, card unchanged
        self.tear_next = False  # the next write lands or not, and the driver does not know
        self.lands = True
        self.cut_after: int | None = None  # effects until the power goes
        self.fresh = 0
        self.now_ms = 0  # on the clock that never falls
        self.customers: dict[str, KeypadCustomer] = {}
        self.asked: list[do.MakeToken] = []
        self.token_fails = ""  # code of why
        self.gives: int | None = None  # 0.01 kWh that digits give, if the driver says so
        self.civil = "20261124120000"
        self.listed: dict = {}  # head office's list of vouchers to be brought to their cards
        self.boot()

    def boot(self) -> None:
        books = Books()
        for entry in self.entries:
            books = fold(books, entry)
        self.timers: dict[str, int] = {}
        self.queue: list[on.Event] = []
        self.enabled = frozenset()
        state = State(self.rules, {self.vendor.code: self.vendor}, books=books, listed=self.listed)
        self.state, self.effects = state, []
        self._carry_out(*start(state))
        self.say(on.DeviceUp("reader"), on.DeviceUp("printer") if self.paper else on.DeviceDown("printer", "V-422"))
        self.say(on.DeviceUp("acceptor"), on.AcceptorUp("none"))
        if self.unconfirmed is not None:
            self.say(on.NoteStacked(self.unconfirmed, found=True))
        if self.escrow is not None:
            self.say(on.NoteEscrowed(self.escrow, found=True))
        if self.inserted:
            self.session += 1
            self.say(on.CardInserted(self.session))

    def cut(self) -> None:
        """The power goes and comes back."""
        self.cut_after = None
        self.boot()

    def say(self, *events: on.Event) -> "World":
        """Events happen, and everything they cause."""
        self.queue.extend(events)
        while self.queue:
            event = self.queue.pop(0)
            self.fresh += 1
            stamp = on.Stamp(self.fresh.to_bytes(16, "big"), self.civil, self.now_ms)
            self._carry_out(*step(self.state, event, stamp))
        return self

    def _carry_out(self, state: State, effects: tuple) -> None:
        before, self.state = self.state, state
        assert_recorded_before_acting(effects)
        for effect in effects:
            if self.cut_after is not None:
                if self.cut_after == 0:
                    raise PowerCut
                self.cut_after -= 1
            if isinstance(effect, do.Record) and self.disk_full:
                books = Books()
                for entry in self.entries:
                    books = fold(books, entry)
                self.state = unrecorded(before, state, books)
                stamp = on.Stamp(bytes(16), "", self.now_ms)
                self._carry_out(*step(self.state, on.RecordFailed("L-502"), stamp))
                return
            getattr(self, f"_{type(effect).__name__}")(effect)

    def _Record(self, effect):
        for draft in effect.drafts:
            assert sum(fen for _, fen in draft.post) == 0
        self.entries.extend(effect.drafts)

    def _ReadCard(self, effect):
        if not self.inserted or effect.session != self.session:
            self.queue.append(on.CardRejected(effect.session, "C-202"))
        else:
            self.queue.append(on.CardRead(effect.session, self.vendor, self.card.reading, self.price))

    def _WriteCard(self, effect):
        if not self.inserted or effect.session != self.session:
            self.queue.append(on.WriteFailed(effect.session, "C-202", unchanged=False))
        elif self.write_fails:
            self.queue.append(on.WriteFailed(effect.session, "C-203", unchanged=True))
        elif self.tear_next:
            self.tear_next = False
            if self.lands:
                self.card.write(effect.order)
            self.queue.append(on.WriteFailed(effect.session, "C-204", unchanged=False))
        else:
            self.card.write(effect.order)
            self.queue.append(on.CardWritten(effect.session, self.card.reading))

    def _FindCustomer(self, effect):
        found = self.customers.get(effect.number)
        if found is None:
            self.queue.append(on.CustomerUnknown(effect.number, "C-116"))
        else:
            self.queue.append(on.CustomerFound(effect.number, self.vendor, found, self.price))

    def _MakeToken(self, effect):
        self.asked.append(effect)
        if self.token_fails:
            self.queue.append(on.TokenFailed(effect.order.sale, self.token_fails))
        else:
            self.queue.append(on.TokenMade(effect.order.sale, digits_for(effect), self.gives))

    def _EnableNotes(self, effect):
        self.enabled, self.coins_enabled = effect.fen, effect.coins_fen

    def _DisableNotes(self, effect):
        self.enabled = self.coins_enabled = frozenset()

    def _StackNote(self, effect):
        assert self.escrow is not None
        self.box.append(self.escrow)
        self.unconfirmed, self.escrow = self.escrow, None
        self.queue.append(on.NoteStacked(self.unconfirmed))

    def _ReturnNote(self, effect):
        if self.escrow is not None:
            self.handed_back.append(self.escrow)
            self.escrow = None
            self.queue.append(on.NoteReturned())

    def _ConfirmNote(self, effect):
        self.unconfirmed = None

    def _SettleAcceptor(self, effect):
        pass

    def _AskPrinter(self, effect):
        self.queue.append(on.PaperReady() if self.paper else on.DeviceDown("printer", "V-422"))

    def _PrintSlip(self, effect):
        number = len(self.entries) - 1
        if self.paper:
            self.slips.append(effect.outcome)
            self.queue.append(on.Printed(number))
        else:
            self.queue.append(on.PrintFailed(number, "V-422"))

    def _PrintUnclaimed(self, effect):
        self.queue.append(on.UnclaimedPrinted(len(self.entries) - 1, "" if self.paper else "V-422"))
        if self.paper:
            self.slips.append(effect.id)

    def _PrintVoucher(self, effect):
        assert self.entries[-1].kind == "voucher.issued" or self.state.books.issued.no == effect.no
        self.queue.append(on.VoucherPrinted(len(self.entries) - 1, "" if self.paper else "V-422"))
        if self.paper:
            self.slips.append(effect.no)

    def _SetTimer(self, effect):
        self.timers[effect.timer] = effect.ms

    def _StopTimer(self, effect):
        self.timers.pop(effect.timer, None)

    # what people do

    def insert(self) -> "World":
        self.session += 1
        self.inserted = True
        return self.say(on.CardInserted(self.session))

    def pull(self) -> "World":
        self.inserted = False
        return self.say(on.CardRemoved(self.session))

    def feed(self, fen: int) -> "World":
        """A note into the slot; what is not enabled comes straight back."""
        if fen not in self.enabled or self.escrow is not None:
            self.handed_back.append(fen)
            return self.say(on.NoteRejected("inhibited"))
        self.escrow = fen
        return self.say(on.NoteEscrowed(fen))

    def wait(self, timer: str = "visit") -> "World":
        """Until a timer runs out."""
        if timer in self.timers:
            del self.timers[timer]
            self.say(on.TimerFired(timer))
        return self

    def buy(self, fen: int, *notes: int) -> "World":
        self.insert().say(on.Continue(), on.ChooseAmount(fen))
        for note in notes:
            self.feed(note)
        return self

    # what must hold

    def balance(self, prefix: str) -> int:
        return sum(fen for entry in self.entries for account, fen in entry.post if account.startswith(prefix))

    @property
    def phase(self) -> str:
        return type(self.state.phase).__name__

    def check(self) -> None:
        """Not a fen lost, no credit lost, none written twice."""
        box, in_box = self.balance("cash:box"), sum(self.box)
        moving = self.unconfirmed or 0
        assert box in (in_box, in_box - moving), f"the books say {box} fen in the box, there are {in_box}"
        assert box == -self.balance("owed:") - self.balance("sold:") - self.balance("unassigned")
        assert self.balance("unassigned") == 0, "an explained note went to unassigned"
        sold, credit = -self.balance("sold:"), self.card.credit_fen
        assert credit <= box, "the card holds more than was paid"
        doubtful = {order.sale for order in self.state.books.doubts.values()}
        sale = self.state.books.open
        if sale and sale.order:
            doubtful.add(sale.id)
        if not doubtful:
            assert credit == sold, f"the card holds {credit} fen, the books say {sold}"
        else:
            assert sold <= credit


def digits_for(effect: do.MakeToken) -> str:
    """A vendor's driver: the same request, the same digits."""
    order = effect.order
    words = (order.meter, order.count, order.amount_fen, order.energy_centi_kwh, effect.when)
    return str(int.from_bytes(sha256(repr(words).encode()).digest()[:8], "big") % 10**20).zfill(20)


def assert_recorded_before_acting(effects) -> None:
    for before, act in zip((None, *effects), effects, strict=False):
        if isinstance(act, do.StackNote):
            assert isinstance(before, do.Record) and before.drafts[-1].kind == "note.accepted", effects
        if isinstance(act, do.WriteCard):
            assert isinstance(before, do.Record) and before.drafts[-1].kind == "write.intended", effects
        if isinstance(act, do.MakeToken) and len(effects) > 1:  # alone: asked again after a restart
            assert isinstance(before, do.Record) and before.drafts[-1].kind == "write.intended", effects
        if isinstance(act, do.ConfirmNote) and len(effects) > 1:  # alone: its mark is recorded already
            assert isinstance(before, do.Record), effects
