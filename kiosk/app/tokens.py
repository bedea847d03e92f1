"""Customers without a card: the list they are found in, and the driver that makes their digits.

A driver is never asked by two threads at once; keypad vendors touch no card, so theirs have a thread of their own here
and the card slot goes on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.drivers.answer import DriverRefusal, to_error
from kiosk.drivers.driver import Driver
from kiosk.drivers.registry import Registry, vendor_of
from kiosk.model.card import Vendor, WriteOrder
from kiosk.model.errors import CardRefused, KioskError
from kiosk.sale.events import CustomerFound, CustomerUnknown, Event, TokenFailed, TokenMade
from kiosk.sale.ports import Post

log = logging.getLogger(__name__)


class TokenMaker:
    """The runner's keypad door. ``drivers`` and ``vendors`` by vendor code; ``vendors`` may gain one (see CardSlot)."""

    def __init__(
        self,
        customers: CustomerList,
        registry: Registry,
        drivers: Mapping[str, Driver],
        vendors: MutableMapping[str, Vendor],
        prices: PriceBook,
        terminal: str,
        post: Post,
        thread: Executor | None = None,
    ) -> None:
        """``thread``: where drivers are asked; one of our own if None."""
        self._customers, self._registry, self._drivers, self._vendors = customers, registry, drivers, vendors
        self._prices, self._terminal, self._post = prices, terminal, post
        self._thread = thread or ThreadPoolExecutor(1, thread_name_prefix="tokens")

    def use(self, prices: PriceBook | None = None, customers: CustomerList | None = None) -> None:
        """The lists for the next customer."""
        self._prices = prices or self._prices
        self._customers = customers or self._customers

    def find(self, number: str) -> None:
        """Answered by CustomerFound or CustomerUnknown."""
        self._do(lambda: self._find(number), lambda code: CustomerUnknown(number, code))

    def make_token(self, vendor: str, order: WriteOrder, when: str) -> None:
        """Answered by TokenMade or TokenFailed."""
        self._do(lambda: self._make(vendor, order, when), lambda code: TokenFailed(order.sale, code))

    def close(self) -> None:
        """Ends after what was asked."""
        self._thread.shutdown()

    def _find(self, number: str) -> Event:
        who = self._customers.find(number)
        if who is None or who.vendor not in self._drivers or not self._registry.by_code(who.vendor).keypad:
            raise CardRefused("C-116", f"no customer {number} in this terminal's list")
        if who.vendor not in self._vendors:
            described = self._drivers[who.vendor].describe()
            self._vendors[who.vendor] = vendor_of(self._registry.by_code(who.vendor), described)
        return CustomerFound(number, self._vendors[who.vendor], who, self._prices.price(who.vendor))

    def _make(self, vendor: str, order: WriteOrder, when: str) -> Event:
        made = self._drivers[vendor].token(order, when, self._terminal)
        if isinstance(made, DriverRefusal):
            raise to_error(made)
        return TokenMade(order.sale, made.digits, made.energy_centi_kwh)

    def _do(self, work: Callable[[], Event], failed: Callable[[str], Event]) -> None:
        def end(done: Future[Event]) -> None:
            error = done.exception()
            if error is None:
                self._post(done.result())
                return
            if isinstance(error, KioskError):
                log.warning("a customer without a card: %s", error)
            else:
                log.error("a mistake of ours while making digits", exc_info=error)
            self._post(failed(error.code if isinstance(error, KioskError) else "P-801"))

        self._thread.submit(work).add_done_callback(end)
