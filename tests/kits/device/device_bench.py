"""One machine, one journal, and one host after the other, in simulated time."""

from collections import Counter

from device_till import DiedError, Till, booked, kinds

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.validator import AT_REST, Timings, Validator

ALL = frozenset({500, 1000, 2000, 5000, 10_000})
STEP_MS = 100  # the longest time in which nobody looks
PATIENCE_MS = 180_000


class Recorder:
    """Wishes go to the talk of the process that lives; ``mute`` names those that are forgotten."""

    def __init__(self, talk):
        self.talk, self.mute = talk, set()

    def __getattr__(self, wish):
        def make(*arguments):
            if wish not in self.mute:
                getattr(self.talk, wish)(*arguments)

        return make


class Bench:
    def __init__(self, pair, timings=Timings(), capacity=100_000, on=True, wanted=ALL):
        self.pair, self.now = pair, 1_000_000
        self.machine = Validator(timings=timings, capacity=capacity)
        self.voice = pair.make_voice(self.machine)
        self.journal, self.events, self.memory, self.wanted = [], [], b"", wanted
        self.fed, self.taken = Counter(), Counter()  # by the slot; by the attendant, with the box
        self.die = lambda: None
        self.plays = 0
        if on:
            self.machine.power_on(self.now)
        self.begin()
        self.duet = Duet(self.talk, self.voice, self.hear, self.now)

    # ---- the process

    def begin(self):
        known = next((entry.mark for entry in reversed(self.journal) if entry.mark), None)
        self.talk = self.pair.make_talk(self.memory, known)
        self.wishes = Recorder(self.talk)
        self.till = Till(self.journal, self.wishes, lambda: self.die(), lambda: self.now)
        self.talk.want(self.wanted)

    def hear(self, event):
        self.events.append(event)
        self.till(event)

    def kill(self):
        """The process ends; another takes its place at once."""
        self.begin()
        self.duet.succeed(self.talk, self.hear, self.now)

    # ---- time

    def play(self):
        self.plays += 1
        try:
            self.duet.play(self.now)
            self.till.tick()
        except DiedError:
            self.kill()
        self.memory = self.talk.memory() or self.memory
        assert booked(self.journal) <= self.in_box, f"booked and not in the box: {self.story}"

    def step(self):
        self.play()
        self.now = min(self.now + STEP_MS, max(self.now + 1, self.duet.due_ms()))

    def run(self, ms):
        until = self.now + ms
        while self.now < until:
            self.play()
            self.now = min(until, self.now + STEP_MS, max(self.now + 1, self.duet.due_ms()))
        self.play()

    def until(self, fits, limit_ms=PATIENCE_MS):
        latest = self.now + limit_ms
        while True:
            self.machine.pass_time(self.now)  # first the machine alone: else what is asked in this instant is missed
            if fits():
                return
            self.play()
            if fits():
                return
            assert self.now < latest, f"it did not happen: {self.story}"
            self.now = min(self.now + STEP_MS, max(self.now + 1, self.duet.due_ms()))

    # ---- looks

    @property
    def look(self):
        return self.machine.look

    @property
    def in_box(self):
        return self.machine.box + self.taken

    @property
    def story(self):
        return f"{self.look}; journal …{self.journal[-8:]} {dict(kinds(self.journal))}; events …{self.events[-8:]}"

    def is_open(self):
        return bool(self.machine.look.open_for_fen)

    def at_rest(self):
        """Nothing moves, and the books have no question."""
        return self.machine.phase in AT_REST and self.machine.note_fen is None and self.till.row is None

    def said(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    # ---- hands

    def open(self):
        self.until(lambda: self.machine.look.open_for_fen == self.wanted)
        return self

    def feed(self, fen=2000, genuine=True):
        """Pushes a note in, and says whether the slot took it."""
        took = self.machine.feed(fen, self.now, genuine)
        self.fed[fen] += took
        return took

    def to(self, phase, place=None):
        """Plays until the machine is so far."""
        self.until(lambda: self.machine.phase is phase and place in (None, self.machine.place))

    def take_box(self):
        self.taken += self.machine.take_box(self.now)

    def power_cut(self, ms):
        self.machine.power_off(self.now)
        if ms:
            self.run(ms)
        self.machine.power_on(self.now)

    def settle(self):
        """No more accidents: it opens again, at rest, with nothing open in the books."""
        self.duet.tamper = self.duet.delay = None
        self.die = lambda: None
        self.until(lambda: self.is_open() and self.at_rest())
        self.run(6_000)  # whatever would be told late, or again, is told

    def nothing_is_lost(self):
        """Note for note: what is booked lies in the box, and every note fed is there or in the customer's hand."""
        assert booked(self.journal) == self.in_box, self.story
        assert self.in_box + self.machine.handed_back == self.fed, self.story


def faults(bench):
    return [event.code for event in bench.said(on.AcceptorFault)]
