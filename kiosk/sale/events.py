"""What can happen to a sale: a closed set of frozen values.

They come from the card slot, the note acceptor, the printer, the screen and the clock; nothing else moves a sale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.billing.book import Price
from kiosk.model.card import CardReading, KeypadCustomer, Vendor
from kiosk.model.cash import Mark
from kiosk.sale.arrivals import DownlinkSaid, ListsArrived, MessageOfTheDay

CashDevice = Literal["acceptor", "coins"]
Device = Literal[
    "reader",
    "acceptor",
    "coins",
    "printer",
    "ledger",
    "disk",
    "clock",
    "heat",
    "fraud",
    "head-office",
    "prices",
    "lists",
]


@dataclass(frozen=True, slots=True)
class CardInserted:
    """A card lies in the slot; ``session`` numbers the insertions."""

    session: int


@dataclass(frozen=True, slots=True)
class CardRemoved:
    """The card of this session is gone."""

    session: int


@dataclass(frozen=True, slots=True)
class CardRead:
    """The vendor is known and its driver has read the card; ``price`` is None where the list has none."""

    session: int
    vendor: Vendor
    reading: CardReading
    price: Price | None


@dataclass(frozen=True, slots=True)
class CardRejected:
    """The card was not read, or is not ours: ``code`` of kiosk.model.codes."""

    session: int
    code: str


@dataclass(frozen=True, slots=True)
class CardWritten:
    """The driver wrote the purchase and read it back."""

    session: int
    reading: CardReading


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """The driver did not write; ``unchanged`` only if it is sure that the card is as before."""

    session: int
    code: str
    unchanged: bool


@dataclass(frozen=True, slots=True)
class CustomerFound:
    """The number is in head office's list; ``price`` is None where the price list has none."""

    number: str
    vendor: Vendor
    customer: KeypadCustomer
    price: Price | None


@dataclass(frozen=True, slots=True)
class CustomerUnknown:
    """The number cannot be served: ``code`` of kiosk.model.codes."""

    number: str
    code: str


@dataclass(frozen=True, slots=True)
class TokenMade:
    """The vendor's driver made the digits for this sale; nobody has seen them yet.

    ``energy_centi_kwh``: what they give, perhaps a little more than was asked for; None if the driver does not say.
    """

    sale: bytes
    digits: str
    energy_centi_kwh: int | None = None


@dataclass(frozen=True, slots=True)
class TokenFailed:
    """There are no digits for this sale."""

    sale: bytes
    code: str


@dataclass(frozen=True, slots=True)
class AcceptorUp:
    """The note acceptor answers; where a note lay if it has just been powered up.

    ``fen``: its value, if the acceptor says so. ``total``: notes in its life by its own counter, None if it has none.
    """

    note: Literal["none", "validator", "stacker"]
    fen: int | None = None
    total: int | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class NoteEscrowed:
    """A note lies in escrow; ``found``: it already did when we came."""

    fen: int
    found: bool = False


@dataclass(frozen=True, slots=True)
class NoteStacked:
    """The protocol's credit point: the note is in the cash box; ``found``: reported when we came.

    ``fen``: None if nobody but our books can say what it is worth.
    """

    fen: int | None
    found: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class CoinTaken:
    """A coin is in the cash box; it cannot come back."""

    fen: int
    found: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The device counts events that it cannot show any more (0: nobody knows how many), or it is another device."""

    device: CashDevice
    count: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class FraudSeen:
    """Somebody tampers with a cash device; ``what`` is a word of the protocol's table."""

    device: CashDevice
    what: str


@dataclass(frozen=True, slots=True)
class UnclaimedPrinted:
    """The slip of money without a sale is out; ``code``: why it is not, or ""."""

    number: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class VoucherPrinted:
    """The slip of a voucher is out; ``code``: why it is not, or ""."""

    number: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class NoteReturned:
    """The note is back in the customer's hand."""


@dataclass(frozen=True, slots=True)
class NoteRejected:
    """The acceptor would not take a note; ``reason`` is the protocol's word."""

    reason: str


@dataclass(frozen=True, slots=True)
class PaperReady:
    """The printer answered that it can print."""


@dataclass(frozen=True, slots=True)
class Printed:
    """The slip is out; ``number`` is printed on it."""

    number: int


@dataclass(frozen=True, slots=True)
class PrintFailed:
    """The slip did not come out, or not whole."""

    number: int
    code: str


@dataclass(frozen=True, slots=True)
class DeviceDown:
    """A device cannot work; the kiosk takes no cash until it is up."""

    device: Device
    code: str


@dataclass(frozen=True, slots=True)
class DeviceUp:
    """The device works again."""

    device: Device


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """Somebody set the clock; UTC ms."""

    old_ms: int
    new_ms: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that the machine set has run out."""

    timer: str


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """The ledger could not take an entry: nothing that should have followed it was done."""

    code: str


@dataclass(frozen=True, slots=True)
class Continue:
    """The customer wants to buy (account screen)."""


@dataclass(frozen=True, slots=True)
class AskNumber:
    """A customer without a card wants to key in the customer number."""


@dataclass(frozen=True, slots=True)
class GiveNumber:
    """The customer number, keyed in."""

    number: str


@dataclass(frozen=True, slots=True)
class ChooseAmount:
    """The customer chose how much to pay at most, in fen."""

    fen: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The customer wants the paid amount written now."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The customer wants to stop; does nothing once money is in."""


@dataclass(frozen=True, slots=True)
class MoreTime:
    """The customer asks for more time."""


@dataclass(frozen=True, slots=True)
class TakeVoucher:
    """The customer wants a voucher for what the kiosk owes (last page)."""


@dataclass(frozen=True, slots=True)
class ChooseLanguage:
    """The customer switched the language: ``zh-CN`` or ``en``."""

    language: str


Press = AskNumber | GiveNumber | Continue | ChooseAmount | Finish | Cancel | MoreTime | TakeVoucher | ChooseLanguage
Event = (
    CardInserted
    | CardRemoved
    | CardRead
    | CardRejected
    | CardWritten
    | WriteFailed
    | CustomerFound
    | CustomerUnknown
    | TokenMade
    | TokenFailed
    | AcceptorUp
    | NoteEscrowed
    | NoteStacked
    | CoinTaken
    | EventsLost
    | FraudSeen
    | UnclaimedPrinted
    | VoucherPrinted
    | NoteReturned
    | NoteRejected
    | PaperReady
    | Printed
    | PrintFailed
    | DeviceDown
    | DeviceUp
    | ClockStepped
    | ListsArrived
    | DownlinkSaid
    | MessageOfTheDay
    | TimerFired
    | RecordFailed
    | Press
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an event brings that the machine may not make itself."""

    fresh: bytes  # 16 random bytes: the id of a sale, note or voucher that this event may begin
    civil: str  # 14 digits, the terminal's civil time
    now_ms: int = 0  # on a clock that never falls: how long something lasted
