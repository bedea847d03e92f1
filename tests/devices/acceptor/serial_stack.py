"""A machine on a pseudo-terminal, a host on its thread at the other end, and somebody who watches both."""

import threading
from contextlib import contextmanager

from device_till import DiedError

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.host import HostSettings, SerialAcceptor
from kiosk.devices.acceptor.simulator import AcceptorSimulator
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.devices.link import LinkSettings
from kiosk.model.errors import DeviceFault

FAST = Timings().faster(40)
ALL = frozenset({500, 1000, 2000, 5000, 10_000})
PATIENCE_S = 20


class Witness:
    """Remembers events in order; ``wait`` takes the next one that fits and forgets those before it."""

    def __init__(self):
        self.changed, self.events, self.all = threading.Condition(), [], []

    def __call__(self, event):
        with self.changed:
            self.events.append(event)
            self.all.append(event)
            self.changed.notify_all()

    def wait(self, fits):
        def find():
            return next((at for at, event in enumerate(self.events) if fits(event)), None)

        with self.changed:
            assert self.changed.wait_for(lambda: find() is not None, PATIENCE_S), f"not in {self.events}"
            at = find()
            event = self.events[at]
            del self.events[: at + 1]
            return event

    def wait_kind(self, kind):
        return self.wait(lambda event: isinstance(event, kind))

    def count(self, kind):
        with self.changed:
            return sum(isinstance(event, kind) for event in self.all)


class MortalAcceptor(SerialAcceptor):
    """A host whose process can be killed: it says and sends nothing more, and its port falls shut."""

    dead = False

    def kill(self):
        self.dead = True
        self._stopping.set()
        with self._lock:
            self._kick()
        if threading.current_thread() is self._thread:
            raise DiedError
        self._thread.join()

    def decide(self, to_box):
        self.stack() if to_box else self.give_back()

    def _listen(self, link, due_ms):
        super()._listen(link, due_ms)
        if self.dead:
            raise DeviceFault("V-411", "killed")

    def _tell_one(self, event):
        if self.dead:
            return
        try:
            super()._tell_one(event)
        except DiedError as died:
            raise DeviceFault("V-411", "killed") from died


class Stack:
    def __init__(self, folder, pair, capacity=600):
        self.folder, self.pair = folder, pair
        self.looked = threading.Condition()
        self.path, self.memory_file = folder / "acceptor", folder / "acceptor.memory"
        self.hosts = []
        self.asked = 0  # how often the machine heard something
        machine = Validator(timings=FAST, capacity=capacity)
        self.sim = AcceptorSimulator(self.path, machine, pair.make_voice, on_change=self._look, tamper=self._count)

    def _look(self, look):
        with self.looked:
            self.looked.notify_all()

    def _count(self, way, passing):
        self.asked += way == "to-device"
        return passing

    def pass_questions(self, questions=6):
        """So many are asked."""
        asked = self.asked
        self.until(lambda: self.asked >= asked + questions)

    def see(self, fits):
        """Waits until the machine looks so."""
        with self.looked:
            assert self.looked.wait_for(lambda: fits(self.sim.look), PATIENCE_S), self.sim.look

    def until(self, fits):
        """Waits for something that changes without anybody being told."""
        with self.looked:
            for _ in range(PATIENCE_S * 500):
                if fits():
                    return
                self.looked.wait(0.002)
        raise AssertionError(f"it did not happen: {self.sim.look}")

    def acceptor(self, known=None, make_talk=None):
        """A new host, not started."""
        settings = HostSettings(LinkSettings(str(self.path), 9600, "V-411"), self.memory_file, reopen_ms=5)
        make = make_talk or self.pair.make_talk
        self.hosts.append(MortalAcceptor(settings, lambda memory: make(memory, known)))
        return self.hosts[-1]

    def open(self, known=None):
        """A host that takes notes, and a machine that is open for them; settled as often as it is asked."""
        acceptor, witness = self.acceptor(known), Witness()

        def hear(event):
            witness(event)
            if isinstance(event, on.AcceptorUp):
                acceptor.settled()

        acceptor.enable(ALL)
        acceptor.start(hear)
        self.see(lambda look: look.open_for_fen == ALL)
        return acceptor, witness

    def close(self):
        for acceptor in self.hosts:
            acceptor.stop()
        self.sim.close()


@contextmanager
def stack(folder, pair, **more):
    it = Stack(folder, pair, **more)
    try:
        yield it
    finally:
        it.close()
