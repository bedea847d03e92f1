"""A ccTalk device, a till, and one process after the other, in simulated time."""

from collections import Counter
from dataclasses import dataclass

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings, CctalkTalk
from kiosk.devices.acceptor.cctalk.trade import COINS, NOTES
from kiosk.devices.acceptor.cctalk.voice import Plate
from kiosk.devices.acceptor.cctalk.voice_bills import BillVoice
from kiosk.devices.acceptor.cctalk.voice_coins import CoinVoice
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.validator import AT_REST, Validator
from kiosk.model.cash import Mark

ALL_NOTES = frozenset({500, 1000, 2000, 5000, 10_000})
ALL_COINS = frozenset({10, 50, 100})
WORD_MS = 8_000
STEP_MS = 100
PATIENCE_MS = 180_000
SERIAL = "12345678"


class DiedError(Exception):
    """The process ends here."""


@dataclass(frozen=True)
class Entry:
    kind: str
    fen: int = 0
    mark: Mark | None = None


class Till:
    """Records, then acts. ``mute``: it records nothing of money, as one that hangs."""

    def __init__(self, journal, talk, die, now):
        self.journal, self.talk, self.die, self.now = journal, talk, die, now
        self.row, self.word_by, self.down, self.mute, self.hold = None, None, False, False, False
        for entry in journal:
            self.fold(entry)
        if self.row is not None:
            self.word_by = self.now() + WORD_MS

    def record(self, *entry):
        self.die()
        self.journal.append(Entry(*entry))
        self.fold(self.journal[-1])
        self.die()

    def fold(self, entry):
        if entry.kind == "escrowed":
            self.row = entry.fen
        elif entry.kind in ("credited", "returned", "lost"):
            self.row = None

    @property
    def mark(self):
        return known(self.journal)

    def __call__(self, event):
        match event:
            case on.AcceptorUp():
                self.up(event)
            case on.AcceptorDown() | on.AcceptorFault():
                self.down = True
            case on.AcceptorClear():
                self.down, self.word_by = False, self.now() + WORD_MS
            case on.NoteEscrowed(fen, found) if not self.hold:
                self.escrowed(fen, found)
            case on.NoteReturned() if self.row is not None:
                self.record("returned", self.row)
            case on.NoteStacked() | on.CoinTaken() | on.EventsLost() if not self.mute:
                self.money(event)
        self.die()

    def up(self, event):
        self.down, self.word_by = False, self.now() + WORD_MS
        if event.note_at_power_up == "stacker" and self.row is not None:
            self.record("credited", self.row)
        self.talk.settled()

    def escrowed(self, fen, found):
        if found or self.row is not None:
            self.talk.decide(False)
        else:
            self.record("escrowed", fen)
            self.word_by = self.now() + WORD_MS
            self.talk.decide(True)

    def money(self, event):
        if event.mark == self.mark:
            self.journal.append(Entry("repeated"))
        elif isinstance(event, on.EventsLost):
            self.record("events lost", event.count, event.mark)
        elif self.row is not None and isinstance(event, on.NoteStacked):
            self.record("credited", event.fen, event.mark)
        else:
            self.record("unassigned", event.fen, event.mark)
        self.talk.credited()

    def tick(self):
        if self.word_by is not None and not self.down and self.now() >= self.word_by:
            self.word_by = None
            if self.row is not None:
                self.record("lost", self.row)


def known(journal):
    return next((entry.mark for entry in reversed(journal) if entry.mark), None)


def booked(journal):
    return Counter(entry.fen for entry in journal if entry.kind in ("credited", "unassigned"))


class Bench:
    def __init__(self, trade=NOTES, settings=CctalkSettings(), plate=Plate(), wanted=None, mark=None, **more):
        self.trade, self.settings, self.now = trade, settings, 1_000_000
        self.machine = Validator(capacity=100_000) if trade is NOTES else CoinMachine()
        self.voice = BillVoice(self.machine, plate, **more) if trade is NOTES else CoinVoice(self.machine, plate)
        self.wanted = (ALL_NOTES if trade is NOTES else ALL_COINS) if wanted is None else wanted
        self.journal, self.events, self.memory = [], [], b""
        if mark is not None:
            self.journal.append(Entry("repeated", 0, mark))
        self.fed, self.taken = Counter(), Counter()
        self.die = lambda: None
        self.machine.power_on(self.now)
        self.begin()
        self.duet = Duet(self.talk, self.voice, self.hear, self.now)

    # ---- the process

    def begin(self):
        self.talk = CctalkTalk(self.trade, self.settings, self.memory, known(self.journal))
        self.till = Till(self.journal, self.talk, lambda: self.die(), lambda: self.now)
        self.talk.want(self.wanted)

    def hear(self, event):
        self.events.append(event)
        self.till(event)

    def kill(self):
        self.begin()
        self.duet.succeed(self.talk, self.hear, self.now)

    def exchange(self, plate):
        """Another device in the place of this one, already powered up."""
        self.voice = BillVoice(self.machine, plate) if self.trade is NOTES else CoinVoice(self.machine, plate)
        self.duet.voice = self.voice
        self.voice.wake(self.now)

    # ---- time

    def play(self):
        try:
            self.duet.play(self.now)
            self.till.tick()
        except DiedError:
            self.kill()
        self.memory = self.talk.memory() or self.memory
        assert booked(self.journal) <= self.in_box, f"booked and not in the box: {self.story}"

    def run(self, ms):
        until = self.now + ms
        while self.now < until:
            self.play()
            self.now = min(until, self.now + STEP_MS, max(self.now + 1, self.duet.due_ms()))
        self.play()

    def until(self, fits, limit_ms=PATIENCE_MS):
        latest = self.now + limit_ms
        while True:
            self.play()
            if fits():
                return
            assert self.now < latest, f"it did not happen: {self.story}"
            self.now = min(self.now + STEP_MS, max(self.now + 1, self.duet.due_ms()))

    # ---- looks

    @property
    def in_box(self):
        return self.machine.box + self.taken

    @property
    def story(self):
        return f"{self.machine.box}; journal …{self.journal[-8:]}; events …{self.events[-8:]}; {self.voice.table}"

    @property
    def open_for(self):
        return self.machine.look.open_for_fen if self.trade is NOTES else self.machine.open_for_fen

    def at_rest(self):
        if self.trade is COINS:
            return self.machine.at_rest
        return self.machine.phase in AT_REST and self.machine.note_fen is None and self.till.row is None

    def said(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    # ---- hands

    def open(self):
        self.until(lambda: self.open_for == self.wanted)
        return self

    def feed(self, fen, genuine=True):
        took = self.machine.feed(fen, self.now, genuine)
        self.fed[fen] += 1 if took is None else took
        return took

    def power_cut(self, ms=0):
        self.machine.power_off(self.now)
        if ms:
            self.run(ms)
        self.machine.power_on(self.now)

    def settle(self):
        self.duet.tamper = self.duet.delay = None
        self.die = lambda: None
        self.talk.want(self.wanted)
        self.until(lambda: self.open_for == self.wanted and self.at_rest())
        self.run(20_000)


def coins(**more):
    return Bench(COINS, **more)
