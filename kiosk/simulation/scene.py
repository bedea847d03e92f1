"""A story on the stage: steps done at a booth, the power back after a cut, and the world brought to rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from kiosk.ledger.rows import Connect
from kiosk.model.errors import LedgerFault
from kiosk.sale import events as on
from kiosk.sale.state import Idle
from kiosk.simulation.booth import Booth
from kiosk.simulation.clock import HandClock
from kiosk.simulation.database import connect
from kiosk.simulation.disk import Disk
from kiosk.simulation.doors import KEYPADS, PromiseBroken
from kiosk.simulation.power import Mains
from kiosk.simulation.stories import Step
from kiosk.simulation.things import Tear, Things

AGAIN_MS = 10_000  # the terminal is put together again after a fault
ROUNDS_MAX = 8  # visits of everybody until all must be settled
TIMERS_MAX = 30


@dataclass(frozen=True, slots=True)
class Rig:
    """What a scene stands on: ``path`` lends the journal its lock; ``connect`` may be planted with a fault."""

    path: Path
    connect: Callable[[Disk, int], Connect] = connect


class Scene:
    """One world in one order of things. PowerCut leaves it as the cut left it; see ``after``."""

    def __init__(self, rig: Rig, disk: Disk, things: Things, clock: HandClock, random: Random, pages: int) -> None:
        self.rig, self.disk, self.things, self.clock, self.random, self.pages = rig, disk, things, clock, random, pages
        self._booth: Booth | None = None

    @property
    def booth(self) -> Booth:
        """The kiosk that is running."""
        assert self._booth is not None, "the kiosk is not running"
        return self._booth

    def start(self) -> None:
        """The terminal comes up; where the disk keeps it from that, somebody sees to the disk."""
        for _ in range(3):
            try:
                at = self.rig.connect(self.disk, self.pages)
                self._booth = Booth(self.disk, self.things, self.clock, self.random, self.rig.path, at)
            except LedgerFault as fault:
                if fault.code != "L-502":
                    raise PromiseBroken(f"the ledger cannot be opened: {fault}") from fault
                self.clock.now_ms += AGAIN_MS
                self.disk.room, self.disk.failing_syncs = None, 0
            else:
                return
        raise PromiseBroken("the terminal does not come up on a sound disk")

    def drop(self) -> None:
        """What is left of a process that is gone: nothing that could write."""
        if self._booth is not None:
            self.disk.mains = Mains()
            self.disk.mains.on = False
            self._booth.journal.close()
            self._booth = None

    def after(self, random: Random, mains: Mains, kill: bool) -> Scene:
        """The world when the power is back, or the process is; may be asked again of the same cut."""
        self.drop()
        disk = self.disk.killed(random, mains) if kill else self.disk.cut(random, mains)
        if not kill:
            disk.room, disk.lies = self.disk.room, self.disk.lies
        return Scene(self.rig, disk, self.things.copy(), HandClock(self.clock.now_ms + 60_000), random, self.pages)

    def play(self, steps: tuple[Step, ...]) -> None:
        """All steps, in order."""
        for what, which in steps:
            _STEPS[what](self, which)

    def to_rest(self) -> None:
        """Everything works again, everybody comes back: all must be settled. Raises PromiseBroken."""
        self.disk.room, self.disk.failing_syncs = None, 0
        self.things.tear, self.things.blink, self.things.paper = Tear.NO, False, True
        booth = self.booth
        booth.say(on.DeviceUp("printer"))
        for _ in range(ROUNDS_MAX):
            self.wait_out()
            if booth.at_rest() and not self.things.in_slot:
                return
            booth.pull()
            for customer in self.things.cards:
                booth.insert(customer)
                booth.say(on.Finish(), on.Cancel())
                self.wait_out()
                booth.pull()
                self.wait_out()
            for number in KEYPADS:
                booth.say(on.AskNumber(), on.GiveNumber(number))
                booth.say(on.Finish(), on.Cancel())
                self.wait_out()
        raise PromiseBroken(f"does not come to rest: {booth.runner.state.phase}, {booth.books}")

    def wait(self) -> None:
        """Until the next timer runs out."""
        self.booth.wait()

    def wait_out(self) -> None:
        """Until nobody is there, or nothing moves any more."""
        booth = self.booth
        for _ in range(TIMERS_MAX):
            if isinstance(booth.runner.state.phase, Idle) or not booth.wait():
                return

    def stop(self) -> None:
        """Switched off in good order."""
        self.booth.stop()
        self._booth = None

    def kill(self) -> None:
        """The process dies and comes again; the power stays, and with it what was written and not synced."""
        gone = self.disk
        self.disk = gone.killed(self.random, gone.mains)
        gone.mains = Mains()
        gone.mains.on = False
        self.booth.journal.close()
        self._booth = None
        self.start()


def _presses(event: on.Event) -> Callable[[Scene, str], None]:
    return lambda scene, _: scene.booth.say(event)


def _tear(scene: Scene, how: str) -> None:
    scene.things.tear = Tear(how)


def _blink(scene: Scene, _: str) -> None:
    scene.things.blink = True


def _paper(scene: Scene, which: str) -> None:
    scene.things.paper = which == "in"
    if scene.things.paper:
        scene.booth.say(on.DeviceUp("printer"))


def _room(scene: Scene, size: str) -> None:
    scene.disk.room = int(size) if size else None


def _sync_fails(scene: Scene, times: str) -> None:
    scene.disk.failing_syncs = int(times)


def _restart(scene: Scene, _: str) -> None:
    try:
        scene.stop()
    except LedgerFault:
        scene.kill()  # the disk is full: it goes off as it is
    else:
        scene.start()


def _prune(scene: Scene, _: str) -> None:
    try:
        scene.booth.journal.prune_checkpoints(scene.booth.journal.size - 2)
    except LedgerFault:
        return  # the disk is full: another time


_STEPS: dict[str, Callable[[Scene, str], None]] = {
    "insert": lambda scene, who: scene.booth.insert(who),
    "pull": lambda scene, _: scene.booth.pull(),
    "number": lambda scene, number: scene.booth.say(on.AskNumber(), on.GiveNumber(number)),
    "continue": _presses(on.Continue()),
    "amount": lambda scene, fen: scene.booth.say(on.ChooseAmount(int(fen))),
    "feed": lambda scene, fen: scene.booth.feed(int(fen)),
    "finish": _presses(on.Finish()),
    "cancel": _presses(on.Cancel()),
    "repeat": lambda scene, _: scene.booth.repeat_credit(),
    "wait": lambda scene, _: scene.wait(),
    "wait-out": lambda scene, _: scene.wait_out(),
    "tear": _tear,
    "blink": _blink,
    "paper": _paper,
    "room": _room,
    "more-room": _room,
    "sync-fails": _sync_fails,
    "prune": _prune,
    "restart": _restart,
    "kill": lambda scene, _: scene.kill(),
}
