"""`kiosk card FUNCTION`: staff's work on a card, at a terminal whose kiosk program is stopped.

Exit status: 0 done, 1 refused (the card is as before), 2 asked wrongly, 3 nobody knows (the same order again).
"""

from __future__ import annotations

import argparse
import queue
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from kiosk.app.counter.plan import MAKING, Asked, Plan, plan
from kiosk.app.counter.words import asked_of, lines_of, parser
from kiosk.app.counter.work import Counter, Ended, Found, Unfinished
from kiosk.app.in_force import kept_list, prices_now, shelf_of
from kiosk.app.office_settings import config_in_force
from kiosk.app.readers import card_reader
from kiosk.app.rollback import guard_of, seen_by
from kiosk.app.signing import opened_signer
from kiosk.app.slips import receipt_of
from kiosk.app.terminal import ROOT
from kiosk.app.vendors import open_drivers
from kiosk.billing.blocked import BlockList, parse_blocked
from kiosk.config import Config
from kiosk.devices.link import LinkSettings
from kiosk.devices.printer.host import ReceiptPrinter
from kiosk.devices.printer.layout import slip
from kiosk.devices.printer.raster import Faces, draw_slip
from kiosk.devices.reader.events import ReaderEvent
from kiosk.drivers.contract import Command
from kiosk.drivers.registry import load_registry
from kiosk.ledger.entry import Entry, encode
from kiosk.ledger.journal import Journal
from kiosk.ledger.receipt import receipt_text
from kiosk.model.clock import SystemClock
from kiosk.model.errors import DeviceFault, KioskError, LedgerFault
from kiosk.model.money import Money
from kiosk.model.texts import Texts, load_texts
from kiosk.sale import entries
from kiosk.sale.books import Memory
from kiosk.sale.lists import blocked_of
from kiosk.sync.state import SyncStateReader

DONE, REFUSED, WRONG_WORDS, UNKNOWN = 0, 1, 2, 3


def main(arguments: Sequence[str]) -> int:
    """The program."""
    given = parser().parse_args(arguments)
    try:
        config = config_in_force(given.config)
        language = given.language or config.terminal.language
        words = load_texts(ROOT / "assets" / "text", "counter", language)
        asked = asked_of(given)
        with _opened(config) as (counter, journal):
            if asked.command is not Command.READ:
                _refuse_while_stopped(config, journal)
            return _Desk(config, counter, journal, words, given).serve(asked)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_WORDS
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED


class _Desk:
    """One order, from the card to the slip, in words."""

    def __init__(
        self, config: Config, counter: Counter, journal: Journal, words: Texts, given: argparse.Namespace
    ) -> None:
        self._config, self._counter, self._journal, self._words, self._given = config, counter, journal, words, given

    def serve(self, asked: Asked) -> int:
        """The exit status."""
        for key in self._counter.unfinished.orders:
            self._say("unfinished", function=key[0], customer=key[2] or "—", meter=key[3] or "—", count=key[4])
        self._say("insert")
        session = self._counter.wait_for_card(self._given.wait)
        found = self._counter.look(session, asked)
        self._show(found)
        if asked.command is Command.READ:
            return DONE
        if asked.command is Command.REVERSE and found.card is not None:
            asked = self._counter.taken_up(asked, found.card, found.vendor)
        made = plan(asked, found.vendor, found.card, self._counter.prices.price(found.vendor.code))
        if not self._confirmed(asked, made):
            self._say("left")
            return REFUSED
        ended = self._counter.carry_out(asked, found, made)
        return self._told(ended, found, made)

    def _show(self, found: Found) -> None:
        name = found.vendor.name_zh if self._words.language == "zh-CN" else found.vendor.name_en
        self._say("card", vendor=f"{found.vendor.abbr} {name}")
        if found.card is None:
            self._say("no-content", why=found.why)
        for line in lines_of(found.values, found.vendor, self._words):
            self._line(line)

    def _confirmed(self, asked: Asked, made: Plan) -> bool:
        """What will be done, in full, and the operator's yes."""
        say = self._words.text
        self._line("")
        self._line(say(f"function.{asked.function}"))
        rows = {"customer": made.customer, "meter": made.meter, "region": made.region, "operator": asked.operator}
        if made.count:
            rows["count"] = str(made.count)
        if made.fen:
            rows["amount"] = f"{Money(made.fen)} · {made.centi_kwh // 100}.{made.centi_kwh % 100:02d} kWh"
        for name, value in rows.items():
            if value:
                self._line(f"  {say(f'row.{name}')}: {value}")
        if made.sells:
            self._say("takes", fen=Money(made.fen), bag=made.bag)
        if made.pays_back_fen:
            self._say("pays", fen=Money(made.pays_back_fen), bag=made.bag)
        if asked.command in MAKING and asked.vendor:
            self._say("marks", vendor=made.vendor.abbr)
        if self._given.yes:
            return True
        sys.stdout.write(say("confirm.ask"))
        sys.stdout.flush()
        return sys.stdin.readline().strip() in ("yes", "是")

    def _told(self, ended: Ended, found: Found, made: Plan) -> int:
        if not ended.code:
            self._say("done")
            shown = replace(found, values=ended.values)
            for line in lines_of(shown.values, found.vendor, self._words):
                self._line(line)
        else:
            self._line(ended.words)
            self._say(("unknown-sale" if made.sells else "unknown") if ended.unknown else "unchanged")
        if ended.hand_out_fen:
            self._say("hand-out", fen=Money(ended.hand_out_fen))
        if ended.outcome is not None and ended.closing is not None:
            self._print(ended, found)
        return DONE if not ended.code else UNKNOWN if ended.unknown else REFUSED

    def _print(self, ended: Ended, found: Found) -> None:
        assert ended.outcome is not None, "a slip without a sale"
        assert ended.closing is not None, "a slip without a sale"
        config, closing, sale = self._config, ended.closing, ended.outcome.sale.id
        language = self._words.language
        now = SystemClock(config.terminal.utc_offset_minutes).civil()
        receipt = receipt_of(ended.outcome, closing, language, config.terminal, found.vendor, now, self._proof)
        faces = Faces(*(ROOT / "build" / "fonts" / f"NotoSansSC-{weight}.otf" for weight in ("Regular", "Bold")))
        printer = ReceiptPrinter(LinkSettings(config.printer.path, config.printer.baud, "V-421"))
        try:
            printer.print(draw_slip(slip(receipt, load_texts(ROOT / "assets" / "text", "receipt", language)), faces))
        except DeviceFault as fault:
            self._counter.slip_told(entries.receipt_failed(sale, closing.seq, fault.code))
            self._say("no-slip", code=fault.code)
        else:
            self._counter.slip_told(entries.receipt_printed(sale, closing.seq))
        finally:
            printer.close()

    def _proof(self, closing: Entry) -> str:
        signer = opened_signer(self._config)
        return receipt_text(signer, encode(closing), self._journal.frontier(closing.seq))

    def _say(self, key: str, **values: object) -> None:
        self._line(self._words.text(f"say.{key}", **values))

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _refuse_while_stopped(config: Config, journal: Journal) -> None:
    """LedgerFault L-503, L-504: what stops the kiosk's selling stops the counter (contract 2 §6)."""
    with SyncStateReader(config.sync_state, journal.origin) as reader:
        state = reader.state()
    if state.stop_selling:
        raise LedgerFault("L-503", "head office has more of this ledger, or another: it needs a new epoch")
    if state.quarantined and not config.head_office.sell_in_quarantine:
        raise LedgerFault("L-504", "head office has put this ledger in quarantine")


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Counter, Journal]]:
    """The terminal's parts, closed again in good order. L-506 while the kiosk runs: it owns ledger and reader."""
    clock = SystemClock(config.terminal.utc_offset_minutes)
    signer, guard = opened_signer(config), guard_of(config, clock)
    registry = load_registry(config.vendors.folders)
    memory, unfinished = Memory(), Unfinished()
    heard: queue.SimpleQueue[ReaderEvent] = queue.SimpleQueue()

    with ExitStack() as undo:
        see = seen_by(guard, memory.see, unfinished.see)
        journal = undo.enter_context(Journal.open(config.journal, signer, clock, see))
        if guard is not None:
            guard.check(journal)
        prices = prices_now(config, memory, shelf_of(config))
        reader, lend_line = card_reader(config.reader, heard.put)
        drivers = open_drivers(config.keys.vendor_secrets_file, registry, lend_line)
        for driver in drivers.values():
            undo.callback(driver.close)
        undo.callback(reader.close)
        reader.start()
        counter = Counter(
            journal, memory, unfinished, reader, heard, registry, drivers, prices, clock, config.terminal.id
        )
        counter.blocked = blocked_of(kept_list(memory, shelf_of(config), "blocked", parse_blocked) or BlockList())
        yield counter, journal
