"""The card slot as the sale sees it: recognition, the vendor's driver, and the reader behind them.

All work on a card runs on the reader's thread, one call at a time, with the card powered afresh before each call
(contract 1 §6). Answers go to the runner as events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from concurrent.futures import Future

from kiosk.billing.book import PriceBook
from kiosk.devices.reader.roles import CardReaderHost, CardSession
from kiosk.drivers.answer import DriverRefusal, to_error
from kiosk.drivers.driver import Driver
from kiosk.drivers.identify import identify
from kiosk.drivers.registry import Registry, vendor_of
from kiosk.model.card import CardType, Vendor, WriteOrder
from kiosk.model.cardport import NO_CARD, CardPortError
from kiosk.model.clock import Clock
from kiosk.model.errors import CardRefused, KioskError
from kiosk.sale.events import CardRead, CardRejected, CardWritten, Event, WriteFailed
from kiosk.sale.ports import Post

log = logging.getLogger(__name__)
NEVER_WRITTEN_WITHOUT_SECRET = frozenset((CardType.SLE4442, CardType.SLE4428, CardType.AT88SC102, CardType.AT88SC1604))


class CardSlot:
    """Reads and writes cards for the runner. ``drivers`` and ``vendors`` by vendor code.

    A vendor whose driver could not describe itself at start is not in ``vendors``; its next card asks it again, so that
    no person has to restart the kiosk for it.
    """

    def __init__(
        self,
        reader: CardReaderHost,
        registry: Registry,
        drivers: Mapping[str, Driver],
        vendors: MutableMapping[str, Vendor],
        prices: PriceBook,
        clock: Clock,
        terminal: str,
        post: Post,
    ) -> None:
        self._reader, self._registry, self._drivers, self._vendors = reader, registry, drivers, vendors
        self._prices, self._clock, self._terminal, self._post = prices, clock, terminal, post

    def use_prices(self, prices: PriceBook) -> None:
        """The price list of the next card."""
        self._prices = prices

    def read(self, session: int) -> None:
        """Answered by CardRead or CardRejected."""
        future = self._reader.submit(session, lambda card: self._read(session, card))
        future.add_done_callback(lambda done: self._post(self._read_end(session, done)))

    def write(self, session: int, vendor: str, order: WriteOrder) -> None:
        """Answered by CardWritten or WriteFailed."""
        future = self._reader.submit(session, lambda card: self._write(session, vendor, order, card))
        future.add_done_callback(lambda done: self._post(self._write_end(session, done)))

    def _read(self, session: int, card: CardSession) -> CardRead:
        manifest = identify(card.port, self._registry, card.power_afresh)
        code = manifest.vendor.code
        _refuse_locked(card)
        card.power_afresh()
        if code not in self._vendors:
            self._vendors[code] = vendor_of(manifest, self._drivers[code].describe())
        reading = self._drivers[code].read(card.port)
        return CardRead(session, self._vendors[code], reading, self._prices.price(code))

    def _read_end(self, session: int, done: Future[CardRead]) -> Event:
        error = done.exception()
        if error is None:
            return done.result()
        if isinstance(error, KioskError):
            log.warning("card refused: %s", error)
            return CardRejected(session, error.code)
        if isinstance(error, CardPortError):
            log.warning("card lost while reading: %s", error)
            return CardRejected(session, "C-202" if error.code == NO_CARD else "C-201")
        log.error("a mistake of ours while reading a card", exc_info=error)
        return CardRejected(session, "P-801")

    def _write(self, session: int, vendor: str, order: WriteOrder, card: CardSession) -> Event:
        card.power_afresh()
        answer = self._drivers[vendor].purchase(card.port, order, self._clock.civil(), self._terminal)
        if isinstance(answer, DriverRefusal):
            error = to_error(answer)
            log.warning("not written: %s", error)
            return WriteFailed(session, error.code, unchanged=answer.card_unchanged)
        return CardWritten(session, answer)

    def _write_end(self, session: int, done: Future[Event]) -> Event:
        error = done.exception()
        if error is None:
            return done.result()
        if isinstance(error, KioskError):  # the driver could not be started, or the card was gone before it was asked
            log.warning("not written: %s", error)
            return WriteFailed(session, error.code, unchanged=True)
        log.error("a mistake of ours while writing a card", exc_info=error)
        return WriteFailed(session, "P-801", unchanged=False)


def _refuse_locked(card: CardSession) -> None:
    """A driver must not risk the last try (contract 1 §4.11): say so before a customer pays. CardRefused C-106."""
    if card.card_type in NEVER_WRITTEN_WITHOUT_SECRET and card.port.tries_left(0) <= 1:
        raise CardRefused("C-106", "the card is locked, or has one try left")
