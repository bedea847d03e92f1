"""Staff's work carried out: the ledger, the reader and the drivers of this terminal, for one function.

The law is the house's: recorded, then done, and the end never guessed. After a write that nobody is sure of the same
call is made again on the card powered afresh: contract 1 §4.5 and §4.7 make that safe, for a torn card reads as before
or as after, and a repeated call changes nothing. If the card is gone it stays "unknown", and the operator is told to
give the same order again with the same card.

What a reversal pays back is booked once: by the run that saw the purchase on the card, or by a later run of an order
that the ledger knows as not ended.
"""

from __future__ import annotations

import queue
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from kiosk.app.counter import records
from kiosk.app.counter.plan import MAKING, Asked, Plan, check_region
from kiosk.billing.book import PriceBook
from kiosk.devices.reader.events import CardInserted, ReaderDown, ReaderEvent
from kiosk.devices.reader.roles import CardReaderHost, CardSession
from kiosk.drivers import answer
from kiosk.drivers.answer import DriverRefusal, to_error
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.drivers.driver import Driver
from kiosk.drivers.identify import identify
from kiosk.drivers.items import Value, Values
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.registry import Registry, vendor_of
from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.journal import Journal
from kiosk.model.card import CardReading, Vendor
from kiosk.model.clock import Clock
from kiosk.model.errors import CardFault, CardRefused, ConfigFault, DeviceFault, KioskError
from kiosk.sale import entries
from kiosk.sale.books import Memory, fold
from kiosk.sale.state import Books, Outcome, Sale

T = TypeVar("T")
TRIES = 2
"""Calls for one order, while the card is there and nobody is sure."""
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """The card in the reader. ``card`` None: no vendor's mark, or it could not be read; ``why`` says so."""

    session: int
    manifest: Manifest
    vendor: Vendor
    values: Values
    card: CardReading | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an order ended. ``code`` "" is done; ``outcome``: a sale's, for its slip."""

    values: Values
    code: str = ""
    words: str = ""
    unknown: bool = False
    outcome: Outcome | None = None
    closing: Entry | None = None
    hand_out_fen: int = 0  # cash to be given to the customer now


@dataclass
class Unfinished:
    """Orders that were intended and have no end in the ledger, by what they were."""

    orders: dict[tuple[object, ...], Entry] = field(default_factory=dict)

    def see(self, entry: Entry) -> None:
        """One more entry."""
        if entry.kind == "card.intended":
            self.orders[_key(entry.data)] = entry
        elif entry.kind == "card.done" or (entry.kind == "card.failed" and entry.data["card"] == "unchanged"):
            self.orders.pop(_key(entry.data), None)


def _key(data: object) -> tuple[object, ...]:
    assert isinstance(data, dict)
    return tuple(data[name] for name in ("function", "vendor", "customer", "meter", "count"))


class Counter:
    """Opened parts of one terminal; whoever made them closes them."""

    def __init__(
        self,
        journal: Journal,
        memory: Memory,
        unfinished: Unfinished,
        reader: CardReaderHost,
        heard: queue.SimpleQueue[ReaderEvent],
        registry: Registry,
        drivers: dict[str, Driver],
        prices: PriceBook,
        clock: Clock,
        terminal: str,
    ) -> None:
        self._journal, self._memory, self.unfinished = journal, memory, unfinished
        self._reader, self._heard, self._registry, self._drivers = reader, heard, registry, drivers
        self.prices, self._clock, self._terminal = prices, clock, terminal

    # -- the card ---------------------------------------------------------------------------------------------------

    def wait_for_card(self, timeout_s: float) -> int:
        """The session of a card in the reader. CardFault C-202 when none comes, DeviceFault when there is no reader."""
        down = ""
        try:
            while True:
                event = self._heard.get(timeout=timeout_s)
                if isinstance(event, CardInserted):
                    return event.session
                down = event.code if isinstance(event, ReaderDown) else ""
        except queue.Empty:
            if down:
                raise DeviceFault(down, "there is no card reader") from None
            raise CardFault("C-202", f"no card was put in within {timeout_s:.0f} s") from None

    def look(self, session: int, asked: Asked) -> Found:
        """Whose card it is and what it says. KioskError when it is nobody's, of another region, or cannot be read."""
        return self._on_card(session, lambda card: self._look(session, card, asked))

    def _look(self, session: int, card: CardSession, asked: Asked) -> Found:
        try:
            manifest, why = identify(card.port, self._registry, card.power_afresh), ""
        except CardRefused as refused:
            if refused.code != "C-101" or not asked.vendor or asked.command not in MAKING:
                raise
            manifest, why = self._chosen(asked.vendor, card), "no vendor's mark"
        driver = self._drivers[manifest.vendor.code]
        vendor = vendor_of(manifest, driver.describe())
        if why:
            return Found(session, manifest, vendor, {}, None, why)
        card.power_afresh()
        said = driver.execute(Command.READ, {}, card.port)
        if isinstance(said, DriverRefusal):
            if said.code is DriverError.DAMAGED and asked.command is Command.CLEAR:
                return Found(session, manifest, vendor, {}, None, str(to_error(said)))
            raise to_error(said)
        reading = answer.reading(said)
        if reading.region:
            check_region(vendor, reading.region)
        return Found(session, manifest, vendor, said, reading)

    def _chosen(self, abbr: str, card: CardSession) -> Manifest:
        for manifest in self._registry.manifests:
            if manifest.vendor.abbr == abbr.upper():
                if card.card_type not in [each.type for each in manifest.cards]:
                    raise CardRefused("C-108", f"{abbr} uses no card of this family")
                return manifest
        raise ConfigFault("F-703", f"there is no vendor {abbr!r} here")

    def taken_up(self, asked: Asked, card: CardReading, vendor: Vendor) -> Asked:
        """A reversal of this card that was cut off: what it was, if the operator does not say."""
        for key, entry in self.unfinished.orders.items():
            if key[:4] == ("reverse", vendor.code, card.customer, card.meter) and asked.count in (None, key[4]):
                data = entry.data
                return replace(asked, count=data["count"], fen=data["fen"], centi_kwh=data["energy"])
        return asked

    # -- the order --------------------------------------------------------------------------------------------------

    def carry_out(self, asked: Asked, found: Found, plan: Plan) -> Ended:
        """Records, calls the driver, records the end. LedgerFault when nothing could be recorded, so nothing was done.

        CardRefused C-115 the driver has no such command, C-117 the terminal owes this card something already.
        """
        driver = self._drivers[plan.vendor.code]
        if plan.command not in driver.describe().commands:
            raise CardRefused("C-115", f"the driver of {plan.vendor.abbr} has no {plan.command.name}")
        if plan.sells:
            return self._sell(asked, found, plan)
        again = records.intended(None, asked, plan)
        taken_up = _key(again.data) in self.unfinished.orders
        self._append(again)
        values, error, unchanged = self._call(found.session, plan, None)
        if error is not None:
            self._append(records.failed(None, asked, plan, error.code, unchanged=unchanged))
            return Ended({}, error.code, str(error), not unchanged)
        gone = plan.command is Command.REVERSE and (taken_up or _holds(found.card, plan))
        self._append(records.done(None, asked, plan, "found" if taken_up else "written", took_back=gone))
        return Ended(values, hand_out_fen=plan.pays_back_fen if gone else 0)

    def _sell(self, asked: Asked, found: Found, plan: Plan) -> Ended:
        key = (plan.vendor.code, plan.customer, plan.meter)
        if key in self._memory.books.owed or key in self._memory.books.doubts or self._memory.books.open is not None:
            raise CardRefused("C-117", "this terminal still owes something; start it and let it settle that first")
        sale = secrets.token_bytes(16)
        order = records.order(sale, plan)
        self._append(
            records.opened(sale, plan),
            records.paid(sale, asked, plan),
            records.intended(sale, asked, plan),
            entries.write_intended(order, 1),
        )
        values, error, unchanged = self._call(found.session, plan, sale)
        if error is None:
            done = entries.write_done(self._sale, order, "written")
            return self._close("done", "", done, records.done(sale, asked, plan, "written"), values=values)
        ends = [
            entries.write_failed(self._sale, order.count, error.code, unchanged=unchanged),
            records.failed(sale, asked, plan, error.code, unchanged=unchanged),
        ]
        if unchanged:
            ends.append(records.handed_back(sale, asked, plan))
        ended = self._close("cancelled" if unchanged else "doubt", error.code, *ends, values={})
        handed = plan.fen if unchanged else 0
        return Ended({}, error.code, str(error), not unchanged, ended.outcome, ended.closing, handed)

    @property
    def _sale(self) -> Sale:
        sale = self._memory.books.open
        assert sale is not None, "no sale is open"
        return sale

    def _close(self, why: str, code: str, *ends: Draft, values: Values) -> Ended:
        """One commit: the ends, and the sale's own end as the books will be after them."""
        books: Books = self._memory.books
        for end in ends:
            books = fold(books, end)
        assert books.open is not None, "no sale is open"
        written = self._append(*ends, entries.sale_closed(books.open, why, code))
        return Ended(values, outcome=self._memory.books.unprinted, closing=written[-1])

    def slip_told(self, draft: Draft) -> None:
        """Records that the slip came out, or did not."""
        self._append(draft)

    def _append(self, *drafts: Draft) -> list[Entry]:
        written = self._journal.append(drafts)
        for entry in written:
            self._memory.see(entry)
            self.unfinished.see(entry)
        return written

    # -- the driver -------------------------------------------------------------------------------------------------

    def _call(self, session: int, plan: Plan, sale: bytes | None) -> tuple[Values, KioskError | None, bool]:
        """What the driver read back, or why not and whether the card is surely as before."""
        values: dict[DI, Value] = {**plan.values, DI.WHEN: self._clock.civil(), DI.TERMINAL: self._terminal}
        if DI.AMOUNT in values and plan.command is not Command.REVERSE:
            values[DI.SALE] = sale or secrets.token_bytes(16)
        driver = self._drivers[plan.vendor.code]
        sure = True  # that nothing has been changed so far
        error: KioskError = CardFault("C-204", "the driver is not sure")
        for _ in range(TRIES):
            try:
                said = self._on_card(session, lambda card: _execute(driver, plan.command, values, card))
            except KioskError as fault:  # the card was gone before the driver was asked, or the driver did not start
                return {}, (fault if sure else error), sure
            if not isinstance(said, DriverRefusal):
                return said, None, False
            error = to_error(said)
            if said.card_after is CardAfter.UNCHANGED:
                return {}, error, sure
            sure = False
        return {}, error, False

    def _on_card(self, session: int, job: Callable[[CardSession], T]) -> T:
        return self._reader.submit(session, job).result(ANSWER_S)


def _execute(driver: Driver, command: Command, values: dict[DI, Value], card: CardSession) -> Values | DriverRefusal:
    card.power_afresh()
    return driver.execute(command, values, card.port)


def _holds(card: CardReading | None, plan: Plan) -> bool:
    """Whether the purchase that shall be taken back was on the card before."""
    return card is not None and card.pending and card.count == plan.count
