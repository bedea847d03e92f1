"""One terminal: opens the ledger, starts drivers and devices, and runs the sale."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from kiosk.app.acceptors import coin_acceptor, note_acceptor
from kiosk.app.cards import CardSlot
from kiosk.app.in_force import InForce, Shelf, at_start, really_in_force, shelf_of
from kiosk.app.installer import Installer, Selling, Who, write_beside
from kiosk.app.office_settings import SettingsRoad
from kiosk.app.programs import Health, ProgramRoad
from kiosk.app.pruner import Pruner
from kiosk.app.readers import card_reader
from kiosk.app.releases import running
from kiosk.app.rollback import RollbackGuard, guard_of, seen_by
from kiosk.app.sent_vendors import SentVendors, check_command
from kiosk.app.signing import opened_signer, sealing_opener
from kiosk.app.slips import SlipPrinter
from kiosk.app.till import Till
from kiosk.app.tokens import TokenMaker
from kiosk.app.vendors import describe_all, open_drivers, opened_secrets, with_secrets
from kiosk.app.watch import Watch
from kiosk.billing.blocked import BlockList
from kiosk.billing.customers import CustomerList
from kiosk.billing.owed import OwedList
from kiosk.config import Config
from kiosk.devices.link import LinkSettings
from kiosk.devices.printer.host import ReceiptPrinter
from kiosk.devices.printer.raster import Faces
from kiosk.devices.reader import events as seen
from kiosk.devices.reader.roles import CardReaderHost
from kiosk.drivers.driver import Driver
from kiosk.drivers.registry import Registry
from kiosk.ledger.entry import Draft, Entry, encode
from kiosk.ledger.journal import Journal
from kiosk.ledger.receipt import receipt_text
from kiosk.ledger.sealing import Opener, parse_sealed
from kiosk.model.card import Vendor
from kiosk.model.clock import Clock
from kiosk.model.errors import KioskError, LedgerFault
from kiosk.model.texts import load_texts
from kiosk.sale import events as on
from kiosk.sale.arrivals import Sent
from kiosk.sale.books import Memory
from kiosk.sale.lists import blocked_of, is_quiet, orders_of
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Rules, State
from kiosk.sale.view import SaleView, Screen

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("zh-CN", "en")
AGAIN_S = 10.0  # before the terminal is put together again after something broke it off


class Terminal:
    """``show`` is given each view, on the terminal's thread; ``post`` takes the customer's presses, from any thread."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        show: Callable[[SaleView], None],
        settings: SettingsRoad | None = None,
        use: Callable[[Config], None] = lambda config: None,
        programs: ProgramRoad | None = None,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        """``settings``: how those of head office come into force, if at all; ``use`` is told what is then in force.
        ``programs``: the same of releases; ``leave`` is called when this program has ended itself for another one.
        """
        self._config, self._clock, self._show = config, clock, show
        self._settings, self._use = settings, use
        self._programs, self._leave = programs, leave
        self._leaving = False  # this program makes way for another one
        self._runner: Runner | None = None
        self._again = False  # the parts are to be made anew
        self._last_ms = 0  # the ledger's last time before this start
        self._looks: tuple[Callable[[], None], ...] = ()
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
            if self._leaving or (code and self._programs is not None and not self._programs.is_proven):
                self._leave()
                return
            if not code and not (self._again and not self._stopping.is_set()):
                return
            if not code:
                self._again = False
                continue
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
        signer, guard = opened_signer(config), guard_of(config, self._clock)
        reader, lend_line = card_reader(config.reader, self._hear_reader)
        with Journal.open(config.journal, signer, self._clock, seen_by(guard, memory.see)) as journal:
            self._looks = _kept_up(guard, journal)
            found = self._install_lists(journal, memory)
            if self._leaving:
                journal.append([_stopped("program")])
                return
            config = self._config
            who = Who(signer.vkey, _opener(config))
            sent = _sent_secrets(memory, shelf_of(config), who)
            folders = SentVendors(config.sent_vendors, config.vendors.folders, shelf_of(config), check_command)
            registry = folders.registry(memory)
            folders.tidy(memory)
            if config.tuf_root.exists():  # what is lacking may still come down
                registry = with_secrets(config.keys.vendor_secrets_file, registry, sent)
            drivers = open_drivers(config.keys.vendor_secrets_file, registry, lend_line, sent)
            vendors = describe_all(registry, drivers)

            def proof(entry: Entry) -> str:
                return receipt_text(signer, encode(entry), journal.frontier(entry.seq))

            try:
                self._sell(journal, memory, reader, registry, drivers, vendors, found, folders, who, proof)
            finally:
                folders.close()
                if self._programs is not None:
                    self._programs.close()
                for driver in drivers.values():
                    driver.close()

    def _install_settings(self, memory: Memory, shelf: Shelf) -> list[Draft]:
        """What head office sets is in force from here on. The ledger, its key and the devices are never among it."""
        if self._settings is None:
            return []
        self._config, drafts = self._settings.at_start(self._config, memory, shelf)
        self._use(self._config)
        return drafts

    def _install_lists(self, journal: Journal, memory: Memory) -> InForce:
        shelf = shelf_of(self._config)
        settings = self._install_settings(memory, shelf)
        found, installed = at_start(self._config, memory, shelf)
        self._last_ms = memory.last.at if memory.last is not None else 0
        last = memory.last  # of start 1 are an epoch's beginning, and what it brings over
        unclean = last is not None and last.boot > 1 and last.kind != "terminal.stopped"
        started = {"version": running().told, "unclean": unclean, "since": self._last_ms}
        drafts = [Draft("terminal.started", None, (), started)]
        if self._programs is not None:
            drafts += self._programs.at_start(memory, shelf)
        for entry in journal.append([*drafts, *settings, *installed]):
            memory.see(entry)
        self._leaving = self._programs is not None and self._programs.take_up(memory)
        shelf.tidy([digest for _, digest in memory.lists.values()])
        return found

    def _sell(
        self,
        journal: Journal,
        memory: Memory,
        reader: CardReaderHost,
        registry: Registry,
        drivers: dict[str, Driver],
        vendors: dict[str, Vendor],
        found: InForce,
        folders: SentVendors,
        who: Who,
        proof: Callable[[Entry], str],
    ) -> None:
        config, clock, prices = self._config, self._clock, found.prices
        shelf = shelf_of(config)
        words = {language: load_texts(ROOT / "assets" / "text", "receipt", language) for language in LANGUAGES}
        faces = Faces(*(ROOT / "build" / "fonts" / f"NotoSansSC-{weight}.otf" for weight in ("Regular", "Bold")))
        marks = memory.books.marks
        notes, coins = note_acceptor(config, marks.get("acceptor")), coin_acceptor(config, marks.get("coins"))
        till = Till(notes, coins, self.post)
        printer = ReceiptPrinter(LinkSettings(config.printer.path, config.printer.baud, "V-421"))
        cards = CardSlot(reader, registry, drivers, vendors, prices, clock, config.terminal.id, self.post)
        customers = found.customers or CustomerList()
        tokens = TokenMaker(customers, registry, drivers, vendors, prices, config.terminal.id, self.post)
        slips = SlipPrinter(printer, faces, config.terminal, vendors, words, proof, clock, self.post)
        in_force = really_in_force(memory, shelf)
        held, program = set(in_force), self._make_way_for
        selling = Selling(found, held, cards, tokens, config.vkeys, shelf, self._begin_again, program)
        write_beside(config.vkeys, shelf.get(in_force.get("vkeys", b"")))
        sent = Sent(blocked_of(found.blocked or BlockList()), in_force=in_force, downlink=memory.downlink)
        listed = orders_of(found.owed or OwedList())
        state = State(_rules(config), vendors, language=config.terminal.language, listed=listed, sent=sent)
        doors = Doors(journal, cards, tokens, till, slips, self._show, selling)
        self._runner = runner = Runner(state, doors, clock, memory)
        reader.start()
        till.start()
        slips.start()
        installer = Installer(
            config.downlink_folder,
            *(shelf, memory, who, selling, folders, clock, self.post, self._settings, self._programs),
        )
        pruner = Pruner(config, journal, clock)
        looks = (installer.look, pruner.look, *self._looks, *self._health(runner))
        watch = Watch(config, journal, clock, self.post, self._last_ms, looks=looks)
        watch.start()
        if self._stopping.is_set():
            runner.stop()
        try:
            runner.run()
            if runner.state.books.open is None:
                journal.append([_stopped("program" if self._leaving else "stopped")])
        finally:
            watch.stop()
            reader.close()
            till.stop()
            tokens.close()
            slips.stop()

    def _begin_again(self) -> None:
        """Between two visits: what a running driver cannot be told (secrets) needs its parts anew."""
        self._again = True
        assert self._runner is not None, "nobody runs"
        self._runner.stop()

    def _make_way_for(self, version: int) -> None:
        """Between two visits, and recorded: the launcher starts the other release when this program has ended."""
        assert self._programs is not None and self._runner is not None, "no program comes down, or nobody runs"
        try:
            self._programs.use_next(version, _down(self._runner.state))
        except LedgerFault as fault:  # the ledger says it: it is tried again at the next start
            log.critical("%s", fault)
            return
        self._end_for_another()

    def _end_for_another(self) -> None:
        self._leaving = True
        assert self._runner is not None, "nobody runs"
        self._runner.stop()

    def _health(self, runner: Runner) -> tuple[Callable[[], None], ...]:
        """Looks whether a new release comes up."""
        if self._programs is None:
            return ()
        health = Health(
            self._programs, lambda: _down(runner.state), lambda: is_quiet(runner.state), self._end_for_another
        )
        return (health.look,)

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


def _stopped(why: str) -> Draft:
    return Draft("terminal.stopped", None, (), {"why": why})


def _down(state: State) -> set[str]:
    return {*state.down, *(["coins"] if state.no_coins else [])}


def _kept_up(guard: RollbackGuard | None, journal: Journal) -> tuple[Callable[[], None], ...]:
    """Holds the ledger against the chip's counter, and says what keeps them together. Raises LedgerFault L-503."""
    if guard is None:
        return ()
    guard.check(journal)
    return (lambda: guard.keep_up(journal),)


def _opener(config: Config) -> Opener | None:
    """What opens secrets that are sealed to this terminal; its public half lies beside it as text.

    Enrolment by a code has made the key. A terminal that head office sends something down to makes it itself, once.
    None where there is no such road.
    """
    if not config.sealing_key.exists() and not config.tuf_root.exists():
        return None
    try:
        opener = sealing_opener(config)
    except KioskError as error:
        log.error("%s", error)
        return None
    write_beside(config.sealing_key.with_suffix(".txt"), f"{opener.key}\n".encode())
    return opener


def _sent_secrets(memory: Memory, shelf: Shelf, who: Who) -> dict[str, str]:
    """The secrets in use that head office sealed; they are in memory only. None where they cannot be opened any more:
    what the vault has may do.
    """
    version, digest = memory.lists.get("secrets", (0, b""))
    content = shelf.get(digest) if version else None
    if content is None or who.opener is None:
        return {}
    try:
        return opened_secrets(who.opener.open(parse_sealed(content.decode("ascii"))))
    except (KioskError, UnicodeDecodeError) as error:
        log.error("the sealed secrets in use: %s", error)
        return {}


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
