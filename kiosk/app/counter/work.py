"""Staff's work carried out: the ledger, the reader and the drivers of this terminal, for one function.

The law is the house's: recorded, then done, and the end never guessed. After a write that nobody is sure of the same
call is made again on the card powered afresh: contract 1 §4.5 and §4.7 make that safe, for a torn card reads as before
or as after, and a repeated call changes nothing. If the card is gone it stays "unknown", and the operator is told to
give the same order again with the same card.

What a reversal pays back is booked once. One is begun only while its purchase waits on the card. If it is cut off, a
count on the card below the purchase's, another purchase in its place, or a sale of ours that began below it proves that
it took effect: then only the cash is still to be paid. Until it has ended, and while the kiosk has a write of its own
to settle on a card, no other work may change what the card says about it (C-117).
"""

from __future__ import annotations

import queue
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kiosk.app.counter import records
from kiosk.app.counter.plan import MAKING, Asked, Plan, check_region
from kiosk.billing.blocked import BlockedCard
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
from kiosk.drivers.request import request
from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.journal import Journal
from kiosk.ledger.kinds import CLOSED
from kiosk.model.card import CardReading, PurchaseState, Vendor
from kiosk.model.cardport import CardPortError
from kiosk.model.clock import Clock
from kiosk.model.errors import CardFault, CardRefused, ConfigFault, DeviceFault, KioskError, LedgerFault
from kiosk.sale import entries
from kiosk.sale.books import Memory, fold
from kiosk.sale.state import Books, Key, Outcome, Sale

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
    """Orders that were intended and have no end in the ledger, by what they were. A sale's ends with the sale.

    ``gone``: reversals among them that took effect, for a later sale found the card's count below theirs.
    """

    orders: dict[tuple[object, ...], Entry] = field(default_factory=dict)
    gone: set[tuple[object, ...]] = field(default_factory=set)

    def see(self, entry: Entry) -> None:
        """One more entry."""
        data = entry.data
        if entry.kind == "card.intended":
            self.orders[_key(data)] = entry
        elif entry.kind == "card.done" or (entry.kind == "card.failed" and data["card"] == "unchanged"):
            self._end(_key(data))
        elif entry.kind == "sale.opened":
            reversed_ = ("reverse", data["vendor"], data["customer"], data["meter"], data["count"] + 1)
            self.gone |= {reversed_} & self.orders.keys()
        elif entry.kind == CLOSED:
            for key in [key for key, order in self.orders.items() if order.sale == entry.sale]:
                self._end(key)

    def reversals(self, vendor: str, customer: str, meter: str) -> list[tuple[object, ...]]:
        """Keys of the reversals of this card among them."""
        return [key for key in self.orders if key[:4] == ("reverse", vendor, customer, meter)]

    def _end(self, key: tuple[object, ...]) -> None:
        self.orders.pop(key, None)
        self.gone.discard(key)


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
        self._called = False  # a driver, for this order
        self.blocked: Mapping[Key, BlockedCard] = {}  # lost and stolen cards: nothing is sold on them

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
        """A reversal of this card that was cut off: what it was, and whether it is proven to have taken effect."""
        for key in self.unfinished.reversals(vendor.code, card.customer, card.meter):
            data = self.unfinished.orders[key].data
            if asked.count in (None, data["count"]):
                gone = key in self.unfinished.gone or card.count == data["count"] - 1 or _is_another(card, data)
                return replace(asked, count=data["count"], fen=data["fen"], centi_kwh=data["energy"], proven=gone)
        return asked

    # -- the order --------------------------------------------------------------------------------------------------

    def carry_out(self, asked: Asked, found: Found, plan: Plan) -> Ended:
        """Records, calls the driver, records the end. LedgerFault when nothing could be recorded, so nothing was done.

        CardRefused C-107, C-112 there is nothing to take back, C-115 the driver has no such command, C-117 something
        else of this card must be settled first; ValueError for items no card can hold. All before anything is recorded.
        """
        driver = self._drivers[plan.vendor.code]
        if plan.command not in driver.describe().commands:
            raise CardRefused("C-115", f"the driver of {plan.vendor.abbr} has no {plan.command.name}")
        self._refuse_unsettled(plan)
        sale = secrets.token_bytes(16)
        values = self._items(plan, sale)
        request(plan.command, values)  # ValueError now, and not when the ledger says that it was intended
        self._called = False
        try:
            if plan.sells:
                return self._sell(asked, found, plan, sale, values)
            if plan.command is Command.REVERSE:
                return self._reverse(asked, found, plan, values)
            return self._make(asked, found, plan, values)
        except LedgerFault as fault:
            if not self._called:
                raise
            return Ended({}, fault.code, str(fault), unknown=True)  # done perhaps, and its end is not recorded

    def _refuse_unsettled(self, plan: Plan) -> None:
        key, books, command = (plan.vendor.code, plan.customer, plan.meter), self._memory.books, plan.command
        row = self.blocked.get(key)
        if plan.sells and row is not None and row.stops(plan.count - 1):
            raise CardRefused("C-118", f"this card was reported {row.why}: head office takes it off the list")
        held = books.held.get(key)
        settles_first = key in books.owed or key in books.doubts or (held is not None and held.count == plan.count - 1)
        if plan.sells and (settles_first or books.open is not None):
            raise CardRefused("C-117", "this terminal still owes something; start it and let it settle that first")
        doubtful = key in books.doubts or (books.open is not None and books.open.key == key)
        if doubtful and (command in (Command.REVERSE, Command.CLEAR) or DI.AMOUNT in plan.values):
            raise CardRefused("C-117", "a write of ours on this card is not settled; start the kiosk first")
        if command in (Command.OPEN, Command.CLEAR) and self.unfinished.reversals(*key):
            raise CardRefused("C-117", "a reversal of this card has not ended; give it again first")

    def _make(self, asked: Asked, found: Found, plan: Plan, values: dict[DI, Value]) -> Ended:
        again = records.intended(None, asked, plan)
        how = "found" if _key(again.data) in self.unfinished.orders else "written"
        self._append(again)
        said, error, unchanged = self._call(found.session, plan, values)
        if error is not None:
            self._append(records.failed(None, asked, plan, error.code, unchanged=unchanged))
            return Ended({}, error.code, str(error), not unchanged)
        self._append(records.done(None, asked, plan, how, took_back=plan.command is Command.REVERSE))
        return Ended(said, hand_out_fen=plan.pays_back_fen)

    def _reverse(self, asked: Asked, found: Found, plan: Plan, values: dict[DI, Value]) -> Ended:
        """The driver is called only while the purchase waits on the card; so an order without an end is worth cash."""
        again, card = records.intended(None, asked, plan), found.card
        assert card is not None, "a card that could not be read"
        if asked.proven:
            self._append(again, records.done(None, asked, plan, "found", took_back=True))
            return Ended(found.values, hand_out_fen=plan.pays_back_fen)
        if card.pending and card.count == plan.count:
            return self._make(asked, found, plan, values)
        if card.state is PurchaseState.UNKNOWN:
            raise CardRefused("C-107", "the card's write-back is damaged: nobody can tell what the meter has taken")
        if card.count == plan.count - 1 and not card.pending:
            return Ended(found.values)  # it is not there, and nothing is owed for it
        if _key(again.data) in self.unfinished.orders and card.count >= plan.count:
            self._append(records.failed(None, asked, plan, "C-112", unchanged=True))  # the meter has it
        raise CardRefused("C-112", f"no purchase {plan.count} waits on the card; its last is {card.count}")

    def _sell(self, asked: Asked, found: Found, plan: Plan, sale: bytes, values: dict[DI, Value]) -> Ended:
        order = records.order(sale, plan)
        self._append(
            records.opened(sale, plan),
            records.paid(sale, asked, plan),
            records.intended(sale, asked, plan),
            entries.write_intended(order, 1),
        )
        said, error, unchanged = self._call(found.session, plan, values)
        if error is None:
            done = entries.write_done(self._sale, order, "written")
            return self._close("done", "", done, records.done(sale, asked, plan, "written"), values=said)
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

    def _items(self, plan: Plan, sale: bytes) -> dict[DI, Value]:
        values: dict[DI, Value] = {**plan.values, DI.WHEN: self._clock.civil(), DI.TERMINAL: self._terminal}
        if DI.AMOUNT in values and plan.command is not Command.REVERSE:
            values[DI.SALE] = sale
        return values

    def _call(self, session: int, plan: Plan, values: dict[DI, Value]) -> tuple[Values, KioskError | None, bool]:
        """What the driver read back, or why not and whether the card is surely as before."""
        driver, self._called = self._drivers[plan.vendor.code], True
        sure = True  # that nothing has been changed so far
        error: KioskError = CardFault("C-204", "the driver is not sure")
        for _ in range(TRIES):
            try:
                said = self._on_card(session, lambda card: _execute(driver, plan.command, values, card))
            except KioskError as fault:  # the card was gone before the driver was asked, or the driver did not start
                return {}, (fault if sure else error), sure
            if isinstance(said, DriverRefusal):
                error = to_error(said)
                if said.card_after is CardAfter.UNCHANGED:
                    return {}, error, sure
            elif _fits(plan, said):
                return said, None, False
            else:
                error = answer.nonsense(f"success, but the count read back is {said.get(DI.COUNT)!r}")
            sure = False
        return {}, error, False

    def _on_card(self, session: int, job: Callable[[CardSession], T]) -> T:
        try:
            return self._reader.submit(session, job).result(ANSWER_S)
        except CardPortError as fault:
            raise CardFault("C-202", f"the card was lost while it was recognised: {fault}") from fault


def _execute(driver: Driver, command: Command, values: dict[DI, Value], card: CardSession) -> Values | DriverRefusal:
    card.power_afresh()
    return driver.execute(command, values, card.port)


def _fits(plan: Plan, said: Values) -> bool:
    """Whether the count read back is the one meant, for the commands that change a purchase."""
    if DI.AMOUNT not in plan.values:
        return True
    return said.get(DI.COUNT) == plan.count - (plan.command is Command.REVERSE)


def _is_another(card: CardReading, order: Mapping[str, Any]) -> bool:
    """Whether the card's purchase has the count of the order's, and another value: its count was used again."""
    if not card.pending or card.count != order["count"]:
        return False
    return card.amount_fen not in (None, order["fen"]) or card.energy_centi_kwh not in (None, order["energy"])
