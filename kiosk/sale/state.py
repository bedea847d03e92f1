"""Where a visit stands.

Two things are kept apart. ``Books`` is what the ledger says: it is made by folding entries, so it is the same before
and after a power cut, and it alone knows about money. ``Phase`` is what the customer is being shown: it is lost in a
power cut and found again from the books (``machine.resume``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kiosk.billing.book import Price
from kiosk.billing.quote import energy_for
from kiosk.model.card import CardReading, Vendor, WriteOrder
from kiosk.model.cash import Mark
from kiosk.model.money import Money
from kiosk.sale.arrivals import Sent
from kiosk.sale.flapping import Flap

Key = tuple[str, str, str]
"""Whose credit it is: vendor code, customer number, meter number."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the sale. Money in fen, times in ms."""

    denominations_fen: tuple[int, ...] = (500, 1000, 2000, 5000, 10000)
    coins_fen: tuple[int, ...] = ()  # none: there is no coin acceptor
    amounts_fen: tuple[int, ...] = (2000, 5000, 10000, 20000)
    language: str = "zh-CN"
    visit_ms: int = 60_000  # account and amount screens
    paying_ms: int = 90_000  # without a note
    away_ms: int = 60_000  # the card is out and money is in
    refused_ms: int = 30_000
    done_ms: int = 45_000
    note_ms: int = 8_000  # the acceptor has this long to say where a note went
    jam_ms: int = 45_000  # the same, when it is jammed or silent
    read_again_ms: int = 700
    write_attempts_max: int = 3
    read_attempts_max: int = 4
    ledger_retry_ms: int = 5_000
    fraud_ms: int = 600_000  # no cash for so long after somebody tampered with a device
    terminal: str = "kiosk"  # 终端号: the first part of its vouchers' numbers


@dataclass(frozen=True, slots=True)
class Bound:
    """A voucher that head office sends down to its card; it may only become purchase ``count`` + 1 (decision 12)."""

    no: str
    region: str
    fen: int
    centi_kwh: int
    count: int  # the last count the card must have


@dataclass(frozen=True, slots=True)
class Held:
    """A debt of an old epoch whose ledger's end is not known: paid only while the card's last count is ``count``."""

    fen: int
    centi_kwh: int
    count: int
    region: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A voucher that this terminal made of what it owed."""

    no: str
    fen: int
    key: Key


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale as the ledger tells it so far."""

    id: bytes
    vendor: str
    customer: str
    meter: str
    region: str
    count: int  # last count on the card when the sale was opened
    price: Price
    limit_fen: int  # notes are taken up to here
    brought_fen: int = 0  # owed to this card before the sale
    brought_centi_kwh: int = 0
    notes: tuple[int, ...] = ()  # and coins
    lost_fen: int = 0  # notes whose end nobody knows
    order: WriteOrder | None = None  # a write that was intended and whose end is not recorded
    attempts: int = 0
    written_count: int = 0
    written_fen: int = 0
    written_centi_kwh: int = 0
    when: str = ""  # civil time of the token's request, 14 digits; '' for a card
    token: str = ""  # digits for the meter's keypad, once they are made and recorded
    voucher: Bound | None = None  # brought to this card by this sale, and not taken back

    @property
    def key(self) -> Key:
        """Whose credit it is."""
        return self.vendor, self.customer, self.meter

    @property
    def paid_fen(self) -> int:
        """Sum of the notes and coins in the cash box."""
        return sum(self.notes)

    @property
    def due_fen(self) -> int:
        """What is still to be written: brought and paid, less written."""
        return self.brought_fen + self.voucher_fen + self.paid_fen - self.written_fen

    @property
    def due_centi_kwh(self) -> int:
        """The energy of it."""
        brought = self.brought_centi_kwh + (self.voucher.centi_kwh if self.voucher else 0)
        bought = energy_for(Money(self.paid_fen), self.price).centi_kwh
        return max(0, brought + bought - self.written_centi_kwh)

    @property
    def voucher_fen(self) -> int:
        """What the voucher is worth that this sale brings."""
        return self.voucher.fen if self.voucher else 0

    @property
    def kept(self) -> int:
        """Sum of the sale's postings to ``owed``, with its sign (contract 2 §2): negative is still owed."""
        return self.written_fen - self.paid_fen - self.voucher_fen


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A note on its way into the cash box."""

    id: bytes  # 8 bytes
    fen: int
    accepted: bool  # STACK was, or may have been, sent
    sale: bytes


@dataclass(frozen=True, slots=True)
class Owed:
    """Credit paid for and not on the card; energy at the price when it was paid."""

    fen: int
    centi_kwh: int


@dataclass(frozen=True, slots=True)
class Token:
    """The last token made for a meter with a keypad; it can be shown again."""

    count: int
    digits: str
    when: str  # civil time of its request, 14 digits
    fen: int
    centi_kwh: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sale ended: what the last screen and the slip say."""

    sale: Sale
    why: str  # 'done', 'found', 'owed', 'doubt', 'cancelled'
    code: str = ""  # why the credit is not on the card

    @property
    def owed_fen(self) -> int:
        """Still owed to the card."""
        return self.sale.due_fen


@dataclass(frozen=True, slots=True)
class Counted:
    """How many notes an acceptor counted in its life when we last compared, and how many we booked since."""

    serial: str
    base: int
    booked: int = 0


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """Cash that no sale explains, and whose slip has not been told of yet."""

    id: bytes  # 8 bytes
    fen: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger says that the sale needs to know."""

    open: Sale | None = None
    note: NoteRow | None = None
    owed: Mapping[Key, Owed] = field(default_factory=dict)
    doubts: Mapping[Key, WriteOrder] = field(default_factory=dict)
    unprinted: Outcome | None = None  # closed, and no word yet of its slip
    tokens: Mapping[Key, Token] = field(default_factory=dict)
    credited_fen: int = 0  # the last note, until another lies in escrow: a repeated report of it is no new note
    marks: Mapping[str, Mark] = field(default_factory=dict)  # device → its last event that is booked
    counted: Counted | None = None
    unclaimed: tuple[Unclaimed, ...] = ()
    issued: Issued | None = None  # a voucher, and no word yet of its slip
    bound: Mapping[Key, Bound] = field(default_factory=dict)  # vouchers in doubt; ``owed`` holds their fen meanwhile
    brought: frozenset[str] = frozenset()  # numbers of vouchers that this terminal put on cards
    outages: Mapping[str, str] = field(default_factory=dict)  # device → code: down, and not up again since
    held: Mapping[Key, Held] = field(default_factory=dict)  # not in ``owed`` until the card shows its count

    def payable(self, key: Key, count: int, region: str, *, card: bool) -> Owed | None:
        """What may be written to a card that shows this count; without a card nothing that is held."""
        owed, held = self.owed.get(key), self.held.get(key)
        if held is None or not card or (held.count, held.region) != (count, region):
            return owed
        return Owed(held.fen + (owed.fen if owed else 0), held.centi_kwh + (owed.centi_kwh if owed else 0))


KEYPAD = 0
"""In the place of a session: a customer without a card, found by number."""


@dataclass(frozen=True, slots=True)
class Card:
    """The card in the slot, read; or, with session ``KEYPAD``, what is known of a customer without one."""

    session: int
    vendor: Vendor
    reading: CardReading
    price: Price

    @property
    def key(self) -> Key:
        """Whose credit it carries."""
        return self.vendor.code, self.reading.customer, self.reading.meter

    @property
    def keypad(self) -> bool:
        """Whether there is no card, and a token is what is bought."""
        return self.session == KEYPAD


@dataclass(frozen=True, slots=True)
class Starting:
    """Not all devices have reported yet; also where a visit is picked up after a power cut or a full disk."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody is here."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The card is being recognised and read."""


@dataclass(frozen=True, slots=True)
class Entering:
    """A customer without a card keys in the customer number; ``asked``: it is being looked up."""

    asked: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The card was refused; nothing was charged."""

    code: str


@dataclass(frozen=True, slots=True)
class Account:
    """What is on the card; ``blocked``: why nothing can be bought now."""

    most_fen: int
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Amount:
    """The customer chooses how much to pay; ``chosen_fen`` while the printer is asked for paper."""

    most_fen: int
    chosen_fen: int = 0


@dataclass(frozen=True, slots=True)
class Paying:
    """Notes are taken; ``finishing``: the write begins as soon as no note moves."""

    finishing: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """Money is in and the card is out: waiting for it."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The driver is writing."""


@dataclass(frozen=True, slots=True)
class Checking:
    """It is not known what the write did: the card is being read."""

    attempts: int = 1
    code: str = ""  # why the write broke off


@dataclass(frozen=True, slots=True)
class Printing:
    """The sale is closed; its slip is being printed."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Done:
    """The sale is over; ``slip`` is '' when printed, else why it is not."""

    outcome: Outcome
    slip: str = ""


@dataclass(frozen=True, slots=True)
class Vouching:
    """The debt is a voucher now; its slip is being printed."""

    issued: Issued


@dataclass(frozen=True, slots=True)
class Vouched:
    """The customer has a voucher; ``slip`` is '' when printed, else why it is not."""

    issued: Issued
    slip: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """The visit is over and the card still lies in the slot."""


Phase = (
    Starting
    | Idle
    | Reading
    | Entering
    | Refused
    | Account
    | Amount
    | Paying
    | Away
    | Writing
    | Checking
    | Printing
    | Done
    | Vouching
    | Vouched
    | Leftover
)


@dataclass(frozen=True, slots=True)
class State:
    """All that ``step`` knows."""

    rules: Rules
    vendors: Mapping[str, Vendor]
    phase: Phase = Starting()
    books: Books = Books()
    session: int | None = None  # a card lies in the slot
    card: Card | None = None  # and this is what it says
    down: Mapping[str, str] = field(default_factory=dict)  # device → code of what keeps us from taking cash
    since: Mapping[str, int] = field(default_factory=dict)  # device → when it went down in this run, monotonic ms
    flaps: Mapping[str, Flap] = field(default_factory=dict)  # device → how often it came and went
    no_coins: str | None = None  # why the coin acceptor takes none, "" while it has not spoken; notes go on without it
    language: str = "zh-CN"
    notice: str = ""  # key of a sentence the screen shows for the moment
    acceptor_spoke: bool = False  # since start, or since it was last silent
    surplus: int | None = None  # notes that the acceptor's counter has and our books have not; None: it does not count
    told: tuple[str, int] | None = None  # that counter: serial number, notes; None once it has been compared
    counted_note: bytes = b""  # the note that was on its way then: of a later one that counter knows nothing
    slip_asked: bool = False  # the slip of the first unclaimed money is being printed
    listed: Mapping[Key, Bound] = field(default_factory=dict)  # head office's list: which card is owed what
    sent: Sent = field(default_factory=Sent)  # what else came from head office
