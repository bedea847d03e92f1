"""One terminal: opens the ledger, starts drivers and devices, and runs the sale."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from kiosk.app.acceptors import coin_acceptor, note_acceptor
from kiosk.app.cards import CardSlot
from kiosk.app.lists import load_customers, load_owed, load_prices, orders_of
from kiosk.app.readers import card_reader
from kiosk.app.slips import SlipPrinter
from kiosk.app.till import Till
from kiosk.app.tokens import TokenMaker
from kiosk.app.vendors import describe_all, open_drivers
from kiosk.app.watch import Watch
from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.billing.owed import OwedList
from kiosk.config import Config
from kiosk.devices.link import LinkSettings
from kiosk.devices.printer.host import ReceiptPrinter
from kiosk.devices.printer.raster import Faces
from kiosk.devices.reader import events as seen
from kiosk.devices.reader.roles import CardReaderHost
from kiosk.drivers.driver import Driver
from kiosk.drivers.registry import Registry, load_registry
from kiosk.ledger.entry import Draft, Entry, encode
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import load_key
from kiosk.ledger.receipt import receipt_text
from kiosk.model.card import Vendor
from kiosk.model.clock import Clock
from kiosk.model.errors import KioskError
from kiosk.model.texts import load_texts
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Rules, State
from kiosk.sale.view import SaleView, Screen

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("zh-CN", "en")
AGAIN_S = 10.0  # before the terminal is put together again after something broke it off
EPOCH = 1


class Terminal:
    """``show`` is given each view, on the terminal's thread; ``post`` takes the customer's presses, from any thread."""

    def __init__(self, config: Config, clock: Clock, show: Callable[[SaleView], None]) -> None:
        self._config, self._clock, self._show = config, clock, show
        self._runner: Runner | None = None
        self._last_ms = 0  # the ledger's last time before this start
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sale")

    def start(self) -> None:
        """Begins; what goes wrong shows on the screen."""
        self._thread.start()

    def stop(self) -> None:
        """Ends in good order."""
        self._stopping.set()
        if self._runner is not None:
            self._runner.stop()
        self._thread.join()

    def post(self, event: on.Event) -> None:
        """Hands an event to the sale, once there is one."""
        if self._runner is not None:
            self._runner.post(event)

    def _run(self) -> None:
        self._show(SaleView(Screen.OUT_OF_SERVICE, self._config.terminal.language))
        while True:
            code = self._until_it_ends()
            if not code:
                return
            self._show(SaleView(Screen.OUT_OF_SERVICE, self._config.terminal.language, code=code))
            if self._stopping.wait(AGAIN_S):
                return

    def _until_it_ends(self) -> str:
        """ "" when it was stopped, else the code of what broke it off: the ledger takes up where it was."""
        try:
            self._open_and_run()
        except KioskError as error:
            log.critical("the kiosk cannot run: %s", error)
            return error.code
        except Exception:
            log.critical("the kiosk made a mistake", exc_info=True)
            return "P-801"
        return ""

    def _open_and_run(self) -> None:
        config, memory = self._config, Memory()
        signer = load_key(config.signing_key, config.keys.passphrase_file, config.origin(EPOCH))
        registry = load_registry(config.vendors.folders)
        reader, lend_line = card_reader(config.reader, self._hear_reader)
        drivers = open_drivers(config.keys.vendor_secrets_file, registry, lend_line)
        with Journal.open(config.journal, signer, self._clock, memory.see) as journal:
            prices, customers, owed = self._install_lists(journal, memory)
            vendors = describe_all(registry, drivers)

            def proof(entry: Entry) -> str:
                return receipt_text(signer, encode(entry), journal.frontier(entry.seq))

            try:
                self._sell(journal, memory, reader, registry, drivers, vendors, prices, customers, owed, proof)
            finally:
                for driver in drivers.values():
                    driver.close()

    def _install_lists(self, journal: Journal, memory: Memory) -> tuple[PriceBook, CustomerList, OwedList]:
        files, roll, debts = self._config.prices, self._config.customers, self._config.owed
        book, digest = load_prices(files.file, files.vkey_file, memory.price_version)
        customers, owed = CustomerList(), OwedList()
        self._last_ms = memory.last.at if memory.last is not None else 0
        unclean = memory.last is not None and memory.last.kind not in ("terminal.stopped", "log.opened")
        drafts = [Draft("terminal.started", None, (), {"version": version("prepaid-kiosk"), "unclean": unclean})]
        if book.version != memory.price_version:
            drafts.append(Draft("price.installed", None, (), {"version": book.version, "sha256": digest}))
        if roll.note is not None and roll.file is not None and roll.vkey_file is not None:
            customers, sum_ = load_customers(roll.note, roll.file, roll.vkey_file, memory.customers_version)
            if customers.version != memory.customers_version:
                drafts.append(Draft("customers.installed", None, (), {"version": customers.version, "sha256": sum_}))
        if debts.note is not None and debts.file is not None and debts.vkey_file is not None:
            owed, sum_ = load_owed(debts.note, debts.file, debts.vkey_file, memory.owed_version)
            if owed.version != memory.owed_version:
                drafts.append(Draft("owed.installed", None, (), {"version": owed.version, "sha256": sum_}))
        for entry in journal.append(drafts):
            memory.see(entry)
        return book, customers, owed

    def _sell(
        self,
        journal: Journal,
        memory: Memory,
        reader: CardReaderHost,
        registry: Registry,
        drivers: dict[str, Driver],
        vendors: dict[str, Vendor],
        prices: PriceBook,
        customers: CustomerList,
        owed: OwedList,
        proof: Callable[[Entry], str],
    ) -> None:
        config, clock = self._config, self._clock
        words = {language: load_texts(ROOT / "assets" / "text", "receipt", language) for language in LANGUAGES}
        faces = Faces(*(ROOT / "build" / "fonts" / f"NotoSansSC-{weight}.otf" for weight in ("Regular", "Bold")))
        marks = memory.books.marks
        notes, coins = note_acceptor(config, marks.get("acceptor")), coin_acceptor(config, marks.get("coins"))
        till = Till(notes, coins, self.post)
        printer = ReceiptPrinter(LinkSettings(config.printer.path, config.printer.baud, "V-421"))
        cards = CardSlot(reader, registry, drivers, vendors, prices, clock, config.terminal.id, self.post)
        tokens = TokenMaker(customers, registry, drivers, vendors, prices, config.terminal.id, self.post)
        slips = SlipPrinter(printer, faces, config.terminal, vendors, words, proof, clock, self.post)
        state = State(_rules(config), vendors, language=config.terminal.language, listed=orders_of(owed))
        doors = Doors(journal, cards, tokens, till, slips, self._show)
        self._runner = runner = Runner(state, doors, clock, memory)
        reader.start()
        till.start()
        slips.start()
        watch = Watch(config, journal, clock, self.post, self._last_ms)
        watch.start()
        if self._stopping.is_set():
            runner.stop()
        try:
            runner.run()
            if runner.state.books.open is None:
                journal.append([Draft("terminal.stopped", None, (), {"why": "stopped"})])
        finally:
            watch.stop()
            reader.close()
            till.stop()
            tokens.close()
            slips.stop()

    def _hear_reader(self, event: seen.ReaderEvent) -> None:
        match event:
            case seen.CardInserted(session):
                self.post(on.CardInserted(session))
            case seen.CardRemoved(session):
                self.post(on.CardRemoved(session))
            case seen.ReaderDown(code):
                self.post(on.DeviceDown("reader", code))
            case seen.ReaderUp():
                self.post(on.DeviceUp("reader"))


def _rules(config: Config) -> Rules:
    visit = config.visit
    return Rules(
        denominations_fen=visit.denominations_fen,
        coins_fen=config.coins_fen,
        amounts_fen=visit.amounts_fen,
        language=config.terminal.language,
        visit_ms=visit.visit_ms,
        paying_ms=visit.paying_ms,
        away_ms=visit.away_ms,
        refused_ms=visit.refused_ms,
        done_ms=visit.done_ms,
        note_ms=visit.note_ms,
        jam_ms=visit.jam_ms,
        terminal=config.terminal.id,
    )
