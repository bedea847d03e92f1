"""Visits at a real kiosk that is killed on the way, by a plan that follows from a seed; and what must hold after each.

A batch is one world: a vendor's cards (or keypad), a real pcscd, a screen, lines, head office; only the kiosk dies and
comes back. ``kills.py`` is the command around it.
"""

import random
import select
import socket
import socketserver
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import cached_property

import zxingcpp
from PIL import Image
from stage import BUILT, Customer, Eyes, Power, entries, nothing_is_lost, office_size, sums

from kiosk.desk.customer import Caller
from kiosk.desk.town import lay_out
from kiosk.desk.world import World, has_cards
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.drivers.manifest import load_manifest
from kiosk.hq.reports import fleet
from kiosk.hq.store import Store
from kiosk.hq.tables import Balance
from kiosk.ledger.note import Vkey
from kiosk.ledger.receipt import parse_receipt
from kiosk.model.clock import SystemClock

ONE, TWO = ((1000,), (2000,), (5000,)), ((1000, 1000), (2000, 1000), (2000, 2000))
NOTES_FEN = (*ONE, *TWO, (1000, 1000, 1000), (2000, 2000, 1000))
HOW = {("sync", "before"): 20, ("sync", "after"): 20, ("write", "during"): 20, ("instant", ""): 25, ("uplink", ""): 15}
PULLED = {"no": 70, "torn": 15, "paying": 15}
SYNCS, SYNCS_A_NOTE, SYNCS_AT_START = 5, 3, 6  # durable writes of a visit, about
WRITES_A_SYNC = 6
VISIT_S, NOTE_S, START_S = 1.2, 0.7, 4.0  # how long they take, about
BATCH_SHOTS_MAX = 850  # the pictures' names sort up to 999
FASTER = 8  # the validator
PATIENCE_S = 60
TOLD = ("receipt.printed", "receipt.failed")
GIVEN_BACK = ("RETURNING", "RETURNED")  # CCNET's word of it is gone if the acceptor's power goes then: left to people


def places():
    """Every vendor that can be served, with the reader its cards need."""
    for name, folder in BUILT.items():
        manifest = load_manifest(folder)
        if manifest.keypad or has_cards(manifest):
            yield name, "pcsc"
        elif has_cards(manifest, "serial"):
            yield name, "serial"


@dataclass(frozen=True)
class Kill:
    """One death: at a durable write (``sync``), in the middle of one (``write``), at an ``instant``, or while the
    ``uplink`` sends; how far on, as a share of the visit; what happens in the dark."""

    how: str
    when: str
    share: float
    card_out: bool  # somebody takes the card out while the kiosk is dead
    blackout: bool  # the acceptor has no power meanwhile, either


@dataclass(frozen=True)
class Plan:
    """One visit: the notes, the deaths (the second one hits the recovery), what the customer does with the card."""

    notes: tuple[int, ...]
    kills: tuple[Kill, ...]
    pulled: str
    torn_after: int


def plan_of(seed, batch, visit):
    """The same for the same three numbers."""
    chance = random.Random(f"{seed}/{batch}/{visit}")

    def kill():
        how, when = chance.choices(list(HOW), list(HOW.values()))[0]
        when = when or (chance.choice(("before", "during", "after")) if how == "uplink" else "")
        return Kill(how, when, round(chance.random(), 3), chance.random() < 0.25, chance.random() < 0.3)

    notes = chance.choice(NOTES_FEN)
    kills = tuple(kill() for _ in range(chance.choices((1, 2), (55, 45))[0]))
    return Plan(notes, kills, chance.choices(list(PULLED), list(PULLED.values()))[0], chance.randrange(24))


class OfficeLine(socketserver.ThreadingTCPServer):
    """The line between kiosk and head office; ``cut`` names when the next batch on it is the kiosk's last act."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, office_port, pull_plug):
        super().__init__(("127.0.0.1", 0), Call)
        self.office_port, self.pull_plug, self.cut = office_port, pull_plug, ""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def break_in(self, when):
        self.cut = when


class Call(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self):
        self.sending = False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.office_port)) as office:
            other = {self.request: office, office: self.request}
            while True:
                for end in select.select([*other], [], [], 1)[0]:
                    carried = end.recv(1 << 16)
                    if not carried or not self.carry(carried, end is self.request, other[end]):
                        return

    def carry(self, carried, up, to):
        """False when the power went over it."""
        if up and carried.startswith(b"POST "):
            self.sending = True
        cut = self.server.cut if self.sending else ""
        if cut and up is (cut != "after"):
            self.server.cut = ""
            if cut == "during":
                to.sendall(carried[: len(carried) // 2])
            self.server.pull_plug()
            return False
        to.sendall(carried)
        return True


class Batch:
    """One world, in ``folder``. A context manager; each ``tell`` takes what is to be recorded, as a dict."""

    def __init__(self, seed, number, folder, *, offscreen):
        self.seed, self.number, self.folder = seed, number, folder
        choice = sorted(places())
        random.Random(f"{seed}/vendors/{number // len(choice)}").shuffle(choice)  # each comes once in a round
        self.vendor, self.reader = choice[number % len(choice)]
        self._offscreen = offscreen
        self.paid = self.keyed_in = self.silenced = 0

    def __enter__(self):
        self.folder.mkdir(parents=True)
        town = lay_out(self.folder, (BUILT[self.vendor],), self.folder / "screens", reader=self.reader)
        with ExitStack() as undo:
            validator = Validator(timings=Timings().faster(FASTER))
            self.world = world = undo.enter_context(World(town, offscreen=self._offscreen, validator=validator))
            self.line = line = undo.enter_context(OfficeLine(town.hq_port, world.kiosk.pull_plug))
            undo.callback(line.shutdown)
            direct, by_line = (f"127.0.0.1:{port}" for port in (town.hq_port, line.server_address[1]))
            town.config.write_text(town.config.read_text().replace(direct, by_line))
            world.open_office()
            self.power, self.eyes = Power(world, self.folder), Eyes(world)
            self.power.start()
            world.wait_until(lambda: self.eyes.page.startswith("attract"), PATIENCE_S, "the first page")
            self._open = undo.pop_all()
        return self

    def __exit__(self, *fault):
        self._open.__exit__(*fault)

    @cached_property
    def card(self):
        return self.world.cards[0] if self.world.cards else None

    @property
    def full(self):
        """Whether no more pictures fit."""
        return self.eyes.count > BATCH_SHOTS_MAX

    # ---- a visit

    def visit(self, number, tell):
        """One customer. Everything that must hold is asserted; the deaths are told when it held."""
        plan, begun = plan_of(self.seed, self.number, number), time.monotonic()
        customer, died, last = self.someone(plan), [], ""
        told = {"visit": number, "notes": plan.notes, "pulled": plan.pulled}
        try:
            for nth, kill in enumerate(plan.kills):
                if not self.killed(customer, plan, kill, nth):
                    break
                died.append(self.death(customer, kill, nth, begun))
                self.silenced += kill.blackout and died[-1]["acceptor"] in GIVEN_BACK
                self.in_the_dark(kill)
            self.power.start()
            last = customer.visit()
            self.come_to_rest()
            self.holds(customer, plan, last)
        except Exception:
            tell({"what": "visit", **told, "deaths": died, "plan": asdict(plan), "end": last, "result": "broken off"})
            raise
        self.paid += customer.paid_fen
        for each in died:
            tell({"what": "kill", "visit": number, **each, "result": "ok"})
        told |= {"paid": customer.paid_fen, "kills": len(died), "end": last, "result": "ok"}
        tell({"what": "visit", **told, "seconds": round(time.monotonic() - begun, 2)})

    def someone(self, plan):
        """The customer with the card, or one with a meter that has a keypad."""
        if self.card is None:
            return Caller(self.world, None, plan.notes, number=self.world.keypads[0].customer)
        return Customer(self.world, self.card, plan.notes)

    def killed(self, customer, plan, kill, nth):
        """The visit from its beginning, or from the start of the kiosk, to its end or to the death: whether it died."""
        power, acts = (
            self.power,
            {"instant": self.world.kiosk.pull_plug, "uplink": lambda: self.line.break_in(kill.when)},
        )
        timer = threading.Timer(self.instant_s(plan, kill, nth), acts.get(kill.how, lambda: None))
        if kill.how in ("sync", "write"):
            power.cut(self.count(plan, kill, nth), kill.when)
        power.start()
        timer.start()
        if nth == 0 and self.card is not None:
            self.mishandle(customer, plan)
        if not power.off():
            customer.visit(may_end=power.off)
        if not power.off():
            self.come_to_rest()
        timer.cancel()
        timer.join()
        power.leave()
        self.line.break_in("")
        return power.off()

    def instant_s(self, plan, kill, nth):
        return kill.share * (START_S if nth else VISIT_S + NOTE_S * len(plan.notes))

    def count(self, plan, kill, nth):
        """Which durable write from now on, or which write below it."""
        syncs = SYNCS + SYNCS_A_NOTE * len(plan.notes) + (SYNCS_AT_START if nth else 0)
        return 1 + int(kill.share * syncs * (WRITES_A_SYNC if kill.how == "write" else 1))

    def mishandle(self, customer, plan):
        """The card is pulled in the middle of the write, or while a note moves."""
        world, off = self.world, self.power.off
        if plan.pulled == "torn":
            customer.visit(may_end=lambda: off() or world.inserted is not None)
            world.tear_write(plan.torn_after)
        elif plan.pulled == "paying":
            customer.visit(may_end=lambda: off() or world.look.note_fen is not None)
            world.pull()

    def death(self, customer, kill, nth, begun):
        """What is to be said of one."""
        log = entries(self.world)
        where = {"step": log[-1].kind, "size": len(log), "acceptor": self.world.look.phase.name}
        where["page"] = customer.pages[-1] if customer.pages else ""
        return {"again": nth > 0, **asdict(kill), **where, "at_s": round(time.monotonic() - begun, 2)}

    def in_the_dark(self, kill):
        if kill.blackout:
            self.world.acceptor.power_off()
        if kill.card_out:
            self.world.pull()
        if kill.blackout:
            self.world.acceptor.power_on()

    def come_to_rest(self):
        """The end of every slip stands in the ledger, and no write is under way; or the kiosk dies over it."""

        def resting():
            if self.power.off():
                return True
            kinds = [(entry.kind, entry.data.get("paid")) for entry in entries(self.world)]
            due = sum(kind == "sale.closed" and bool(paid) for kind, paid in kinds)
            return sum(kind in TOLD for kind, _ in kinds) >= due

        self.world.wait_until(resting, PATIENCE_S, "the end of the visit in the ledger")

    # ---- what must hold

    def holds(self, customer, plan, last):
        """After every visit, whatever died in it."""
        assert not self.power.off(), "the kiosk ended by itself"
        assert last.startswith(("done", "attract")), last
        assert customer.paid_fen == sum(plan.notes), customer.paid_fen
        log = entries(self.world)
        lost = [entry.kind for entry in log if entry.kind in ("note.lost", "note.unknown")]
        assert len(lost) <= self.silenced, f"{lost}: given to people, although the acceptor could say where it is"
        assert not [entry for entry in log if entry.kind == "note.stacked" and entry.sale is None], "unassigned"
        if self.card is not None:
            self.card.chip.tear_after = None  # a write that never came tore nothing
            assert nothing_is_lost(self.world, self.card) == 0, "something is owed"
        else:
            self.digits_hold(log, self.paid + customer.paid_fen)

    def digits_hold(self, log, paid):
        """Each payment has its digits, which the meter takes once; nothing else was sold."""
        (meter,) = self.world.keypads
        made = [entry.data["token"] for entry in log if entry.kind == "write.done"]
        assert len(set(made)) == len(made)
        for count, digits in enumerate(made[self.keyed_in :], self.keyed_in + 1):
            taken = meter.enter(digits)
            assert taken["accepted"] and taken["count"] == count, taken
        self.keyed_in = len(made)
        assert not any(meter.enter(old)["accepted"] for old in made[-3:]), "digits that count twice"
        code = load_manifest(BUILT[self.vendor]).vendor.code
        assert sums(self.world)["balances"] == {"cash:box": paid, f"sold:{code}": -paid}
        assert self.world.box_fen() == paid

    def finish(self, tell):
        """At the end: every slip is genuine, and head office has the very books of the ledger."""
        self.power.start()
        world, town = self.world, self.world.town
        world.wait_until(lambda: self.eyes.page.startswith(("attract", "done")), PATIENCE_S, "a page")
        size = len(entries(world))
        world.wait_until(lambda: office_size(world) >= size, PATIENCE_S, "every entry at head office")
        world.kiosk.stop()
        self.slips_hold(Vkey.parse(town.kiosk_vkey.read_text().strip()))
        booked, told = self.booked(), sums(world)
        stacked = sum(entry.data["fen"] for entry in entries(world) if entry.kind == "note.stacked")
        assert stacked == world.box_fen() == self.paid == booked["balances"].get("cash:box", 0)
        assert booked == {"balances": told["balances"], "state": "good", "alarms": 0, "sum": 0}, (booked, told)
        tell({"what": "batch", "paid": self.paid, "entries": told["size"], "result": "ok"})

    def booked(self):
        """What head office's console would say of this terminal, after it has the last entries."""
        store = Store(f"sqlite:///{(self.world.town.hq / 'hq.db').absolute()}")
        shown = fleet(store, SystemClock().utc_ms(), 2, 36 * 3_600_000)
        (terminal,) = shown.terminals
        with store.session() as database:
            balances = {row.account: row.fen for row in Balance.select().execute(database) if row.fen}
        return {
            "balances": balances,
            "state": terminal.state,
            "alarms": len(shown.alarms),
            "sum": terminal.held.sum_fen,
        }

    def slips_hold(self, vkey):
        """Every sale that took money has a slip whose code verifies, and no other has."""
        proven = set()
        for paper in self.world.papers():
            proven |= {parse_receipt(code.text).verify(vkey).seq for code in zxingcpp.read_barcodes(Image.open(paper))}
        closed = {entry.seq for entry in entries(self.world) if entry.kind == "sale.closed" and entry.data["paid"]}
        assert proven == closed, proven ^ closed
