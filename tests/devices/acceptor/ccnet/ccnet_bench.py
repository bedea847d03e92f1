"""A validator on a pseudo-terminal, a host at its other end, and somebody who watches both."""

import threading
from contextlib import contextmanager
from dataclasses import replace

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet.dialogue import DialogueSettings
from kiosk.devices.acceptor.ccnet.host import CcnetAcceptor, HostSettings
from kiosk.devices.acceptor.ccnet.simulator import CcnetSimulator
from kiosk.devices.acceptor.ccnet.validator import Timings, Validator
from kiosk.devices.link import LinkSettings
from kiosk.model.clock import SystemClock
from kiosk.model.errors import DeviceFault

FAST = Timings().faster(40)
IDENTITY = "SM-CN1001 30K000000001"
ALL = frozenset({500, 1000, 2000, 5000, 10_000})
PATIENCE_S = 10


class MovedClock(SystemClock):
    """A clock that stands until it is moved."""

    def __init__(self):
        super().__init__()
        self.now_ms = 1_000_000

    def monotonic_ms(self):
        return self.now_ms


class Witness:
    """Remembers events in order; ``wait`` takes the next one that fits and forgets those before it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.events = []
        self.all = []

    def __call__(self, event):
        with self.changed:
            self.events.append(event)
            self.all.append(event)
            self.changed.notify_all()

    def wait(self, wanted):
        def find():
            return next((at for at, event in enumerate(self.events) if event == wanted), None)

        with self.changed:
            assert self.changed.wait_for(lambda: find() is not None, PATIENCE_S), f"no {wanted} in {self.events}"
            del self.events[: find() + 1]

    def count(self, kind):
        with self.changed:
            return sum(isinstance(event, kind) for event in self.all)


class MortalAcceptor(CcnetAcceptor):
    """A host whose process can be killed: it says and sends nothing more, and its port falls shut."""

    dead = False

    def kill(self):
        self.dead = True
        self._running = False
        if threading.current_thread() is self._thread:
            raise DeviceFault("V-411", "killed")
        self._thread.join()

    def _ask(self, link, command):
        if self.dead:
            raise DeviceFault("V-411", "killed")
        return super()._ask(link, command)

    def _tell(self, events):
        for event in events:
            if not self.dead:
                super()._tell([event])


class Bench:
    def __init__(self, folder, timings=FAST, clock=None, capacity=600, tamper=None):
        self.folder, self.clock = folder, clock or SystemClock()
        self.looked = threading.Condition()
        self.sim = CcnetSimulator(
            folder / "acceptor",
            Validator(timings=timings, capacity=capacity),
            self.clock,
            on_change=self._look,
            tamper=tamper,
            tick_ms=2,
        )
        self.settings = HostSettings(
            LinkSettings(str(folder / "acceptor"), 9600, "V-411", read_timeout_ms=5),
            memory_file=folder / "acceptor.memory",
            poll_ms=4,
            answer_ms=60,
            reopen_ms=5,
            dialogue=DialogueSettings(hold_every_ms=100, reset_again_ms=100, remind_ms=300),
        )
        self.hosts = []

    def _look(self, look):
        with self.looked:
            self.looked.notify_all()

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
        raise AssertionError("it did not happen")

    def acceptor(self, dialogue=None, memory=True):
        """A new host, not started."""
        settings = replace(self.settings, dialogue=dialogue or self.settings.dialogue)
        acceptor = MortalAcceptor(settings if memory else replace(settings, memory_file=None), self.clock)
        self.hosts.append(acceptor)
        return acceptor

    def host(self, **more):
        """A new host and its witness."""
        acceptor, witness = self.acceptor(**more), Witness()
        acceptor.start(witness)
        return acceptor, witness

    def open(self, **more):
        """A host that takes notes, and a machine that is open for them."""
        acceptor, witness = self.host(**more)
        witness.wait(on.AcceptorUp(IDENTITY, "none"))
        acceptor.settled()
        acceptor.enable(ALL)
        self.see(lambda look: look.open_for_fen == ALL)
        return acceptor, witness

    def close(self):
        for acceptor in self.hosts:
            acceptor.stop()
        self.sim.close()


@contextmanager
def bench(folder, **more):
    it = Bench(folder, **more)
    try:
        yield it
    finally:
        it.close()
