"""One kiosk at work: the real sale machine, runner and journal, on a disk in memory, among simple things.

A ``Booth`` is one life of the terminal's process, from power-up to power cut; things, disk and clock outlive it.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.rows import Connect
from kiosk.sale import events as on
from kiosk.sale.books import Memory
from kiosk.sale.events import Event
from kiosk.sale.runner import Doors, Runner
from kiosk.sale.state import Books, Idle, Rules, State
from kiosk.sale.view import SaleView
from kiosk.simulation.clock import HandClock
from kiosk.simulation.disk import Disk
from kiosk.simulation.doors import (
    VENDORS,
    CardDoor,
    KeypadDoor,
    LedgerDoor,
    NoteDoor,
    PromiseBroken,
    SlipDoor,
    what_it_says,
)
from kiosk.simulation.things import Things

ORIGIN = "power.example/kiosk/420100/0007/1"
SIGNER = KeySigner(Ed25519PrivateKey.from_private_bytes(sha256(b"NEVER USE: simulated").digest()), ORIGIN)
TURNS_MAX = 2_000


class Booth:
    """Raises LedgerFault if the ledger cannot be opened or begun, PowerCut whenever the mains go off.

    ``path`` need not exist: only its lock is a real file. ``connect`` is ``database.connect(disk)``, or a planted one.
    """

    def __init__(
        self, disk: Disk, things: Things, clock: HandClock, random: Random, path: Path, connect: Connect
    ) -> None:
        self.disk, self.things, self.clock, self.random, self.mains = disk, things, clock, random, disk.mains
        self.enabled: frozenset[int] = frozenset()
        self.entries: list[Entry] = []
        self._memory, self._waiting = Memory(), 0
        self.journal = Journal.open(path, SIGNER, clock, self._see, connect)
        try:
            ledger = LedgerDoor(self)
            ledger.check_promises()
            unclean = self.entries[-1].kind not in ("terminal.stopped", "log.opened")
            for entry in ledger.append([Draft("terminal.started", None, (), {"version": "0", "unclean": unclean})]):
                self._memory.see(entry)
            doors = Doors(ledger, CardDoor(self), KeypadDoor(self), NoteDoor(self), SlipDoor(self), self._show)
            self.runner = Runner(State(Rules(), VENDORS), doors, clock, self._memory, random.randbytes)
            self.runner.begin()
            self._devices_report()
        except BaseException:
            self.journal.close()
            raise

    # the process

    def post(self, *events: Event) -> None:
        """What devices and people say."""
        self._waiting += len(events)
        for event in events:
            self.runner.post(event)

    def say(self, *events: Event) -> None:
        """Something happens, and everything it causes, but for what waits for a timer."""
        self.post(*events)
        for _ in range(TURNS_MAX):
            if not self._waiting:
                return
            self._waiting -= 1
            self.runner.turn(0)
        raise PromiseBroken("the kiosk talks to itself without end")

    def wait(self) -> bool:
        """Until the next timer runs out, and what that causes; False if there is none."""
        due_ms = self.runner.due_ms()
        if due_ms is None:
            return False
        self.clock.now_ms = max(self.clock.now_ms, due_ms)
        self.runner.turn(0)
        self.say()
        return True

    def stop(self) -> None:
        """Switched off in good order."""
        self.say()
        if self.books.open is None:
            LedgerDoor(self).append([Draft("terminal.stopped", None, (), {"why": "stopped"})])
        self.journal.close()

    @property
    def books(self) -> Books:
        """What the machine believes."""
        return self.runner.state.books

    def at_rest(self) -> bool:
        """Nobody is here, and nothing waits for anybody."""
        books = self.books
        waits = books.open or books.note or books.owed or books.doubts or books.unprinted or books.unclaimed
        return isinstance(self.runner.state.phase, Idle) and not self.runner.state.down and not waits

    # people

    def insert(self, customer: str) -> None:
        """A card into the slot, if that is free."""
        if not self.things.in_slot:
            self.things.in_slot = customer
            self.things.session += 1
            self.say(on.CardInserted(self.things.session))

    def pull(self) -> None:
        """The card out of the slot."""
        if self.things.in_slot:
            self.things.in_slot = ""
            self.say(on.CardRemoved(self.things.session))

    def feed(self, fen: int) -> None:
        """A note into the acceptor; what it does not take comes straight back."""
        cash = self.things.cash
        self.things.fed_fen += fen
        if fen not in self.enabled or cash.escrow is not None:
            cash.handed_back.append(fen)
            self.say(on.NoteRejected("inhibited"))
            return
        cash.escrow = fen
        self.say(on.NoteEscrowed(fen))

    def repeat_credit(self) -> None:
        """The line lost the acknowledgement: the acceptor says the last credit again."""
        cash = self.things.cash
        if cash.temper == "repeats" and cash.box and self.books.note is None:
            self.say(on.NoteStacked(cash.box[-1]))

    def _devices_report(self) -> None:
        things = self.things
        things.cash.comes_up(self.random)
        printer: Event = on.DeviceUp("printer") if things.paper else on.DeviceDown("printer", "V-422")
        reports: list[tuple[Event, ...]] = [
            (on.DeviceUp("reader"),),
            (printer,),
            (on.DeviceUp("acceptor"), *what_it_says(things)),
        ]
        if things.in_slot:
            things.session += 1
            reports.append((on.CardInserted(things.session),))
        self.random.shuffle(reports)
        for report in reports:
            self.say(*report)

    def _see(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._memory.see(entry)

    def _show(self, view: SaleView) -> None:
        if view.token:
            self.things.seen.add(view.token)
        told = self._memory.books.open
        if view.paid_fen and (told is None or told.paid_fen != view.paid_fen) and self._memory.books.unprinted is None:
            closed = self._memory.closing
            if closed is None or closed.data["paid"] != view.paid_fen:
                raise PromiseBroken(f"the screen says {view.paid_fen} fen are paid, the ledger does not")
