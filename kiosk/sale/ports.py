"""The doors of the runner: what it asks of the world. Answers come back as events; no call blocks for long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kiosk.ledger.entry import Draft, Entry
from kiosk.model.card import WriteOrder
from kiosk.sale.arrivals import NewList
from kiosk.sale.events import CashDevice, Event
from kiosk.sale.state import Outcome
from kiosk.sale.view import SaleView

Post = Callable[[Event], None]
"""Hands an event to the runner; may be called from any thread."""


class Ledger(Protocol):
    """The journal, of which the runner is the only writer."""

    def append(self, drafts: Iterable[Draft]) -> list[Entry]:
        """One durable transaction. LedgerFault if it was not committed."""


class Cards(Protocol):
    """The card slot with recognition and drivers behind it."""

    def read(self, session: int) -> None:
        """Answered by CardRead or CardRejected."""

    def write(self, session: int, vendor: str, order: WriteOrder) -> None:
        """Answered by CardWritten or WriteFailed."""


class Keypads(Protocol):
    """Customers without a card, and the digits for their meters."""

    def find(self, number: str) -> None:
        """Answered by CustomerFound or CustomerUnknown."""

    def make_token(self, vendor: str, order: WriteOrder, when: str) -> None:
        """Answered by TokenMade or TokenFailed."""


class Notes(Protocol):
    """The note acceptor, and the coin acceptor if there is one."""

    def enable(self, denominations_fen: frozenset[int], coins_fen: frozenset[int]) -> None: ...
    def disable(self) -> None: ...
    def stack(self) -> None: ...
    def give_back(self) -> None: ...
    def credited(self, device: CashDevice) -> None: ...
    def settled(self) -> None: ...


class Slips(Protocol):
    """The receipt printer."""

    def ask(self) -> None:
        """Answered by PaperReady or DeviceDown."""

    def print(self, outcome: Outcome, closing: Entry, language: str) -> None:
        """Answered by Printed or PrintFailed. ``closing`` is the sale.closed entry the QR proves."""

    def print_unclaimed(self, entry: Entry, language: str) -> None:
        """Answered by UnclaimedPrinted. ``entry`` is that of the money."""

    def print_voucher(self, entry: Entry, language: str) -> None:
        """Answered by VoucherPrinted. ``entry`` is the voucher.issued that the QR proves."""


class Lists(Protocol):
    """Whoever sells by head office's lists: the card slot, the maker of tokens, the sync process."""

    def use(self, lists: tuple[NewList, ...]) -> None:
        """From now on. Called between visits, on the runner's thread."""


class _NoLists:
    def use(self, lists: tuple[NewList, ...]) -> None:
        """Nobody sells by them."""


NO_LISTS = _NoLists()
"""For worlds without a downlink."""

Show = Callable[[SaleView], None]
"""Shows a view; may be called from the runner's thread only."""
