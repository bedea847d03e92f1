"""A validator and its host in simulated time, and somebody who watches both."""

from contextlib import contextmanager
from dataclasses import replace

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet.dialogue import DialogueSettings
from kiosk.devices.acceptor.ccnet.talk import CcnetTalk, TalkSettings
from kiosk.devices.acceptor.ccnet.voice import CcnetVoice
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.validator import Validator

SERIAL = "30K000000001"
IDENTITY = f"SM-CN1001 {SERIAL}"
ALL = frozenset({500, 1000, 2000, 5000, 10_000})
PATIENCE_MS = 120_000


def up(where):
    return on.AcceptorUp(IDENTITY, where, serial=SERIAL)


class Witness:
    """Remembers events in order; ``wait`` takes the next one that fits and forgets those before it."""

    def __init__(self, bench):
        self.bench, self.events, self.all = bench, [], []

    def __call__(self, event):
        self.events.append(event)
        self.all.append(event)

    def wait(self, wanted):
        self.bench.until(lambda: wanted in self.events)
        del self.events[: self.events.index(wanted) + 1]

    def count(self, kind):
        return sum(isinstance(event, kind) for event in self.all)


class Acceptor:
    """What a process can wish."""

    def __init__(self, bench, talk, on_event):
        self.bench, self.talk, self.on_event = bench, talk, on_event
        self.credited, self.settled = talk.credited, talk.settled
        self.enable = talk.want

    def disable(self):
        self.talk.want(frozenset())

    def stack(self):
        self.talk.decide(True)

    def give_back(self):
        self.talk.decide(False)

    def stop(self):
        self.talk.leave()
        self.bench.until(self.talk.left)


class Sim:
    """The machine's hands."""

    def __init__(self, machine, bench):
        self.machine, self.bench, self.voice = machine, bench, CcnetVoice(machine)

    def __getattr__(self, hand):
        def touch(*arguments):
            return getattr(self.machine, hand)(*arguments, self.bench.now)

        return touch

    @property
    def look(self):
        return self.machine.look

    def fail(self, failure=0x50):
        self.machine.fail(failure, self.bench.now)

    def feed_forged(self, fen):
        return self.machine.feed(fen, self.bench.now, genuine=False)


class Bench:
    def __init__(self, capacity=600):
        self.now, self.memory = 1_000_000, b""
        self.sim = Sim(Validator(capacity=capacity), self)
        self.sim.power_on()
        self.duet = None

    def play(self):
        self.duet.play(self.now)
        self.memory = self.duet.talk.memory() or self.memory
        self.now = min(self.now + 100, max(self.now + 1, self.duet.due_ms()))

    def until(self, fits):
        latest = self.now + PATIENCE_MS
        while not fits():
            assert self.now < latest, f"it did not happen: {self.sim.look}"
            self.sim.machine.pass_time(self.now)
            if not fits():
                self.play()

    def see(self, fits):
        """Waits until the machine looks so."""
        self.until(lambda: fits(self.sim.look))

    def host(self, dialogue=None, memory=True):
        """A new process and its witness; the one before it is gone."""
        settings = replace(TalkSettings(), dialogue=dialogue or DialogueSettings())
        acceptor = Acceptor(self, CcnetTalk(self.memory if memory else b"", settings), Witness(self))
        if self.duet is None:
            self.duet = Duet(acceptor.talk, self.sim.voice, lambda event: None, self.now)
        self.duet.succeed(acceptor.talk, lambda event: acceptor.on_event(event), self.now)
        return acceptor, acceptor.on_event

    def open(self, **more):
        """A host that takes notes, and a machine that is open for them."""
        acceptor, witness = self.host(**more)
        witness.wait(up("none"))
        acceptor.settled()
        acceptor.enable(ALL)
        self.see(lambda look: look.open_for_fen == ALL)
        return acceptor, witness


@contextmanager
def bench(**more):
    yield Bench(**more)
