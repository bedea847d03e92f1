"""One kiosk of the simulation: everything of the terminal is real but its threads, its screen and its paper.

A *life* is one process: journal, sale, runner, drivers, the host's half of the cash protocol, the uplink. It ends when
the power goes or the process is killed, at any of its steps; the disk, the acceptor, the card in the slot stay.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.app.cards import CardSlot
from kiosk.app.till import Till
from kiosk.app.tokens import TokenMaker
from kiosk.app.vendors import describe_all
from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.billing.owed import OwedList
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, NOTE_PROTOCOLS, Options
from kiosk.devices.acceptor.talk import NEVER
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.drivers.registry import Registry
from kiosk.ledger.entry import Draft, Entry, encode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.receipt import receipt_text
from kiosk.model.errors import LedgerFault
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.effects import Effect
from kiosk.sale.lists import orders_of
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Rules, State
from kiosk.sale.view import SaleView, Screen
from kiosk.simulation.clock import HandClock
from kiosk.simulation.database import connect
from kiosk.simulation.disk import Disk
from kiosk.simulation.power import Cut, Mains, PowerCut, When
from kiosk.simulation.town.cash import BadLine, Hands, LineAcceptor
from kiosk.simulation.town.chance import Chance
from kiosk.simulation.town.courier import DOMAIN, HeadOffice, Road
from kiosk.simulation.town.slips import Slips, Tray
from kiosk.simulation.town.slot import AtOnce, Slot
from kiosk.simulation.town.vendor import simulated_driver
from kiosk.sync.door import Door
from kiosk.sync.outbox import Outbox
from kiosk.sync.state import SyncStateFile
from kiosk.sync.uplink import Pace, Uplink

DISK_STEPS_MAX = 700  # a cut at the disk falls on one of a life's first so many operations
FAILURES_MAX = 20  # to begin, one after the other
BOOT_MS, AWAY_MAX_MS = 2_000, 60_000
FULL_MS = 20_000
UPLINK_MS = 6_000  # between two turns of the uplink: a simulation need not be in a hurry
BEAT_MS = 120_000  # so often a terminal speaks to head office, if only to say that it lives
COINS_MS = 800  # a coin acceptor remembers five coins
POLL_MS = 200  # CCNET's slowest: a simulation spends most of its time asking
RULES = Rules(
    coins_fen=(50, 100),
    visit_ms=20_000,
    paying_ms=20_000,
    away_ms=15_000,
    refused_ms=8_000,
    done_ms=6_000,
    jam_ms=15_000,
    fraud_ms=30_000,
)
Later = Callable[[int, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Wares:
    """What head office and the vendors gave: the same for every kiosk."""

    registry: Registry
    passwords: Mapping[str, str] = field(repr=False)  # by vendor code
    prices: PriceBook
    customers: Mapping[str, CustomerList]  # of each terminal: a meter with a keypad belongs to one


class SimulatedRunner(Runner):
    """The power may go, or the process be killed, before any effect and after the last."""

    chance: Chance

    def _do(self, effect: Effect) -> None:
        if self.chance.happens("power cut at an effect"):
            raise PowerCut
        if self.chance.happens("process killed at an effect"):
            raise Killed
        super()._do(effect)


class Killed(PowerCut):
    """Only the process ends: the disk keeps what was written."""


class BoxMemory(Memory):
    """Adds up the cash in the box."""

    def __init__(self) -> None:
        super().__init__()
        self.box_fen = 0

    def see(self, entry: Entry) -> None:
        """One more committed entry."""
        super().see(entry)
        self.box_fen += sum(fen for account, fen in entry.post if account == "cash:box")


class Life:
    """One process. Raises PowerCut at any time, LedgerFault if it cannot begin."""

    def __init__(self, station: Station) -> None:
        self.station = station
        chance, clock = station.chance, station.clock
        self.memory = BoxMemory()
        self.view = SaleView(Screen.OUT_OF_SERVICE, "zh-CN")
        self.journal = Journal.open(station.path, station.signer, clock, self._see, connect(station.disk))
        self.reader: JournalReader | None = None
        self.state_file: SyncStateFile | None = None
        try:
            unclean = self.memory.last is not None and self.memory.last.kind != "log.opened"
            drafts = [Draft("terminal.started", None, (), {"version": "0", "unclean": unclean})]
            if station.listed.version > self.memory.version("owed"):
                digest = sha256(station.listed.text().encode()).digest()
                drafts.append(Draft("owed.installed", None, (), {"version": station.listed.version, "sha256": digest}))
            for entry in self.journal.append(drafts):
                self._see(entry)
            self.drivers = {
                manifest.vendor.code: simulated_driver(manifest, station.wares.passwords[manifest.vendor.code], chance)
                for manifest in station.wares.registry.manifests
            }
            self.runner = self._runner()
            self._open_uplink()
        except BaseException:
            self.leave()
            raise

    def _see(self, entry: Entry) -> None:
        self.memory.see(entry)

    def _runner(self) -> SimulatedRunner:
        station, wares, chance = self.station, self.station.wares, self.station.chance
        known, protocol = self.memory.books.marks.get("acceptor"), NOTE_PROTOCOLS[station.protocol]
        talk = protocol.make_talk(
            station.acceptor_memory, known, Options(POLL_MS, keeps_count=True, random_below=chance.random.randrange)
        )
        self.acceptor = LineAcceptor(talk, station.voice, station.line, station.clock.now_ms)
        vendors = describe_all(wares.registry, self.drivers)
        self.slips = Slips(chance, self.post, station.later, self._proof, station.tray)
        coin_talk = COIN_PROTOCOLS["cctalk"].make_talk(b"", self.memory.books.marks.get("coins"), Options(COINS_MS))
        self.coins = LineAcceptor(coin_talk, station.coin_voice, station.line, station.clock.now_ms)
        till = Till(self.acceptor, self.coins, self.post)
        cards = CardSlot(
            station.slot, wares.registry, self.drivers, vendors, wares.prices, station.clock, station.name, self.post
        )
        tokens = TokenMaker(
            wares.customers[station.name],
            wares.registry,
            self.drivers,
            vendors,
            wares.prices,
            station.name,
            self.post,
            AtOnce(),
        )
        doors = Doors(self.journal, cards, tokens, till, self.slips, self._show)
        runner = SimulatedRunner(
            State(replace(RULES, terminal=station.name), vendors, listed=orders_of(station.listed)),
            doors,
            station.clock,
            self.memory,
            chance.random.randbytes,
        )
        runner.chance = chance
        self.till = till
        return runner

    def _proof(self, entry: Entry) -> str:
        return receipt_text(self.station.signer, encode(entry), self.journal.frontier(entry.seq))

    def begin(self) -> None:
        """The first steps."""
        self.runner.begin()
        self.station.slot.taken_by(self.post)
        self.till.start()
        self.post(on.DeviceUp("printer"))

    def _open_uplink(self) -> None:
        station = self.station
        self.reader = JournalReader(station.path, connect(station.disk))
        self.state_file = SyncStateFile(station.sync_file, station.origin)
        pace = Pace(
            retry_min_ms=2_000,
            retry_max_ms=60_000,
            refused_ms=60_000,
            heartbeat_ms=BEAT_MS,
            chance=station.chance.random.random,
        )
        keys = station.signer.vkey, [station.office.signer.vkey]
        door = cast("Door", station.road)
        self.uplink = Uplink(Outbox(self.reader), self.state_file, door, keys, station.clock, pace)
        self.uplink_due_ms = station.clock.now_ms

    def post(self, event: on.Event) -> None:
        """Hands an event to this life's sale; a dead one hears nothing."""
        if self.station.life is self:
            self.runner.post(event)

    def _show(self, view: SaleView) -> None:
        self.view = view

    def due_ms(self) -> int:
        """When something of this life falls due."""
        timer = self.runner.due_ms()
        now_ms = self.station.clock.now_ms
        cash = min(self.acceptor.due_ms(now_ms), self.coins.due_ms(now_ms))
        return min(self.uplink_due_ms, cash, NEVER if timer is None else timer)

    def play(self) -> None:
        """All that is due."""
        now_ms = self.station.clock.now_ms
        for device in (self.acceptor, self.coins):
            if device.due_ms(now_ms) <= now_ms:
                device.play(now_ms)
        self.runner.drain()
        if self.uplink_due_ms <= now_ms:
            self._turn_uplink()

    def _turn_uplink(self) -> None:
        assert self.state_file is not None, "an uplink has its state"
        try:
            wait_ms = self.uplink.turn()
        except LedgerFault:
            wait_ms = 10_000
        wanted = self.state_file.now.wanted_size
        if 0 < wanted <= self.journal.size:
            with suppress(LedgerFault):
                self.journal.sign(wanted)
        self.uplink_due_ms = self.station.clock.now_ms + max(wait_ms, UPLINK_MS)

    def leave(self) -> None:
        """Lets go of what belongs to a process; writes nothing."""
        for thing in (self.reader, self.state_file, self.journal):
            if thing is not None:
                with suppress(PowerCut, LedgerFault, sqlite3.Error):
                    thing.close()


class Station:
    """One kiosk on its place, with its power switch."""

    def __init__(
        self, name: str, protocol: str, wares: Wares, office: HeadOffice, clock: HandClock, chance: Chance, folder: Path
    ) -> None:
        self.name, self.protocol, self.wares, self.office = name, protocol, wares, office
        self.clock, self.chance = clock, chance
        self.origin = f"{DOMAIN}/kiosk/420100/{name}/1"
        self.signer = KeySigner(Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest()), self.origin)
        self.path, self.sync_file = folder / f"{name}.db", folder / f"{name}.sync"
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self.machine = Validator(timings=Timings().faster(4), capacity=10_000)
        self.voice = NOTE_PROTOCOLS[protocol].make_voice(self.machine)
        self.machine.power_on(0)
        self.coin_machine = CoinMachine()
        self.coin_voice = COIN_PROTOCOLS["cctalk"].make_voice(self.coin_machine)
        self.coin_machine.power_on(0)
        self.line, self.hands = BadLine(chance), Hands(self.machine, chance, self.later)
        self.acceptor_memory = b""
        self.slot = Slot(chance, self.later)
        self.listed = OwedList()  # head office's orders, as they lie here
        self.tray: Tray = {}
        self.life: Life | None = None
        self.lives = self._failures = 0
        self.back_ms = 0  # when the power is back
        self.disk = Disk(Mains(), chance.random)
        office.enrol(self.signer.vkey)
        self.road = Road(office, self.origin, chance)
        Journal.create(self.path, self.signer, self.origin, "", "new", clock, connect(self.disk)).close()

    def later(self, ms: int, act: Callable[[], None]) -> None:
        """Acts after so many ms, whatever becomes of the process."""
        self._number += 1
        self.agenda.append((self.clock.now_ms + ms, self._number, act))

    def due_ms(self) -> int:
        """When something happens here."""
        own = self.back_ms if self.life is None else self.life.due_ms()
        return min(own, min((at for at, _, _ in self.agenda), default=NEVER))

    def play(self) -> None:
        """All that happens now; the power may go at any of it."""
        try:
            self._play()
        except PowerCut as cut:
            self._end(killed=isinstance(cut, Killed))

    def _play(self) -> None:
        now_ms = self.clock.now_ms
        if self.life is None and self.back_ms <= now_ms:
            self._begin()
        due = sorted((item for item in self.agenda if item[0] <= now_ms), key=lambda item: item[:2])
        for item in due:
            self.agenda.remove(item)
            item[2]()
        if self.life is not None:
            self.life.play()

    def _begin(self) -> None:
        chance = self.chance
        self.disk.mains = Mains(self._cut() if chance.lies_ahead("power cut at the disk") else None)
        self.lives += 1
        life: Life | None = None
        try:
            self.life = life = Life(self)
            life.begin()
        except LedgerFault:  # the terminal tries again a little later
            self._failures += 1
            if self._failures > FAILURES_MAX:
                raise
            self._end(killed=True)
        else:
            self._failures = 0

    def _cut(self) -> Cut:
        random = self.chance.random
        when: When = random.choice(("before", "within", "after"))
        return Cut(random.randrange(DISK_STEPS_MAX), when)

    def _end(self, *, killed: bool) -> None:
        """The process is gone, and what it had not made certain with it."""
        life, self.life, random = self.life, None, self.chance.random
        self.chance.tell(f"{self.name}: {'killed' if killed else 'power cut'}")
        self.slot.taken_by(None)
        if life is not None:
            self.acceptor_memory = life.acceptor.talk.memory() if random.random() < 0.9 else b""
        old, mains = self.disk, Mains()
        if not old.mains.on:
            self.chance.happened("power cut at the disk")
        old.mains.on = False
        if life is not None:
            life.leave()
        self.disk = old.killed(random, mains) if killed else old.cut(random, mains)
        self.disk.room, self.disk.failing_syncs = None, 0
        if not killed and random.random() < 0.7:
            self.hands.blink()  # the acceptor hangs on the same mains
        self.back_ms = self.clock.now_ms + random.randrange(
            BOOT_MS, AWAY_MAX_MS if random.random() < 0.2 else 2 * BOOT_MS
        )

    def feed_coin(self, fen: int) -> None:
        """A coin is thrown in."""
        self.coin_machine.feed(fen, self.clock.now_ms)

    @property
    def box_fen(self) -> int:
        """What really lies in the box: notes and coins."""
        return sum(fen * pieces for box in (self.machine.box, self.coin_machine.box) for fen, pieces in box.items())

    def bring(self, listed: OwedList) -> None:
        """A list is laid beside the kiosk, which reads it when it starts; an older one than it had is refused."""
        if listed.version > self.listed.version:
            self.listed = listed

    def restart(self) -> None:
        """Somebody ends the process; it comes back by itself."""
        if self.life is not None:
            self._end(killed=True)

    def hurt_the_disk(self) -> None:
        """The disk is full, or fails to sync, for a while."""
        if self.chance.happens("disk full"):
            self.disk.room = self.chance.random.randrange(20_000)
            self.later(FULL_MS, self._mend_the_disk)
        if self.chance.happens("fsync failed"):
            self.disk.failing_syncs = self.chance.random.randrange(1, 4)
        if self.chance.happens("clock set"):
            self.clock.set_by(self.chance.random.randrange(-3_600_000, 3_600_000))

    def _mend_the_disk(self) -> None:
        self.disk.room = None

    @property
    def view(self) -> SaleView:
        """What the screen shows; dark without power."""
        return self.life.view if self.life is not None else SaleView(Screen.OUT_OF_SERVICE, "")
