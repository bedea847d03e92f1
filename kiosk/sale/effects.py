"""What a sale does to the world: a closed set of frozen values, carried out by the runner in order.

``Record`` is carried out at once; if it fails, nothing after it is done. An irrevocable effect (``StackNote``,
``WriteCard``, ``MakeToken``) directly follows the ``Record`` that says it will be done.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.ledger.entry import Draft
from kiosk.model.card import WriteOrder
from kiosk.sale.arrivals import NewList
from kiosk.sale.events import CashDevice
from kiosk.sale.state import Outcome


@dataclass(frozen=True, slots=True)
class Record:
    """Commit these entries to the ledger, all in one transaction."""

    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Recognise and read the card; answered by CardRead or CardRejected."""

    session: int


@dataclass(frozen=True, slots=True)
class WriteCard:
    """Have the vendor's driver write; answered by CardWritten or WriteFailed. Irrevocable."""

    session: int
    vendor: str
    order: WriteOrder


@dataclass(frozen=True, slots=True)
class FindCustomer:
    """Look the number up; answered by CustomerFound or CustomerUnknown."""

    number: str


@dataclass(frozen=True, slots=True)
class MakeToken:
    """Have the vendor's driver make the digits for a keypad; answered by TokenMade or TokenFailed.

    The same order with the same ``when`` (civil, 14 digits) gives the same digits, however often it is asked.
    """

    vendor: str
    order: WriteOrder
    when: str


@dataclass(frozen=True, slots=True)
class EnableNotes:
    """Take notes of these values (fen), and coins of those."""

    fen: frozenset[int]
    coins_fen: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DisableNotes:
    """Take no notes and no coins."""


@dataclass(frozen=True, slots=True)
class StackNote:
    """Take the note in escrow into the cash box. Irrevocable."""


@dataclass(frozen=True, slots=True)
class ReturnNote:
    """Give the note in escrow back."""


@dataclass(frozen=True, slots=True)
class ConfirmNote:
    """The credit is recorded: tell the device that it need not repeat it."""

    device: CashDevice = "acceptor"


@dataclass(frozen=True, slots=True)
class SettleAcceptor:
    """What the acceptor reported at power-up is recorded: it may be reset."""


@dataclass(frozen=True, slots=True)
class AskPrinter:
    """Ask for paper; answered by PaperReady or DeviceDown."""


@dataclass(frozen=True, slots=True)
class PrintUnclaimed:
    """Print the slip of money that no sale explains; answered by UnclaimedPrinted."""

    id: bytes


@dataclass(frozen=True, slots=True)
class PrintVoucher:
    """Print the slip of the voucher just issued; answered by VoucherPrinted."""

    no: str


@dataclass(frozen=True, slots=True)
class PrintSlip:
    """Print the slip of the sale just closed; answered by Printed or PrintFailed."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class UseLists:
    """Sell by these lists from now on; their entries are committed."""

    lists: tuple[NewList, ...]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire TimerFired(timer) after ``ms``; sets it anew if it runs."""

    timer: str
    ms: int


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget the timer."""

    timer: str


Effect = (
    Record
    | ReadCard
    | WriteCard
    | FindCustomer
    | MakeToken
    | EnableNotes
    | DisableNotes
    | StackNote
    | ReturnNote
    | ConfirmNote
    | SettleAcceptor
    | AskPrinter
    | PrintSlip
    | PrintUnclaimed
    | PrintVoucher
    | UseLists
    | SetTimer
    | StopTimer
)
