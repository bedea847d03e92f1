"""The plug pulled below SQLite: whole visits, cut at every operation of the disk and of the devices.

A story is played once to count its operations, then again for each operation, cut before, within and after it. What
the cut left is brought up again several times, each with other sectors lost; one time in three it is cut again on the
way. Everybody comes back, the world comes to rest, and everything is counted. All of it follows from the seed.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from random import Random

from kiosk.ledger.journal import Journal
from kiosk.model.errors import LedgerFault
from kiosk.simulation.booth import ORIGIN, SIGNER
from kiosk.simulation.clock import HandClock
from kiosk.simulation.counting import told_on, what_is_wrong
from kiosk.simulation.database import connect
from kiosk.simulation.disk import Disk
from kiosk.simulation.doors import PromiseBroken
from kiosk.simulation.power import Cut, Mains, PowerCut, When
from kiosk.simulation.scene import Rig, Scene
from kiosk.simulation.stories import CUSTOMERS, NAMED, Step, Story, story
from kiosk.simulation.things import CashMachine, Things, new_card

CUTS_AGAIN_MAX = 3  # in one recovery
WAL_PAGES = 960  # of a long log, before its story
FRAME = 24 + 4096
MOMENTS: tuple[When, ...] = ("before", "within", "after")


@dataclass(frozen=True, slots=True)
class Place:
    """One cut: everything that follows from it is decided by its words and the seed."""

    story: int
    cut: Cut | None  # None: the story without a cut
    part: int = 0  # which of the disks that a cut may leave

    def __str__(self) -> str:
        return f"{self.story}:{self.cut.at}:{self.cut.when}:{self.part}" if self.cut else f"{self.story}"

    @classmethod
    def parse(cls, words: str) -> Place:
        """Raises ValueError."""
        number, *rest = words.split(":")
        if not rest:
            return cls(int(number), None)
        at, word, part = rest
        when = next((when for when in MOMENTS if when == word), None)
        if when is None:
            raise ValueError(f"not a moment: {word}")
        return cls(int(number), Cut(int(at), when), int(part))


@dataclass(slots=True)
class Failure:
    """What broke, where, and all that happened."""

    place: Place
    story: Story
    wrong: list[str]
    operation: str = ""
    entries: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What was done."""

    stories: int = 0
    cuts: int = 0  # first ones and those on the way up
    kills: int = 0  # of these, only the process died
    by_operation: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Both together."""
        self.stories += other.stories
        self.cuts += other.cuts
        self.kills += other.kills
        self.by_operation += other.by_operation


class PowerCuts:
    """``parts``: how many disks are tried of each cut; ``thin``: only every so many cuts are made."""

    def __init__(self, rig: Rig, seed: int, parts: int = 3, thin: int = 1) -> None:
        self.rig, self.seed, self.parts, self.thin = rig, seed, parts, thin
        self.tally = Tally()
        self.operations: list[str] = []

    def story(self, number: int, steps_left_out: tuple[int, ...] = ()) -> Story:
        """The story of a number, perhaps without some steps."""
        told = story(self.seed, number)
        kept = tuple(step for at, step in enumerate(told.steps) if at not in steps_left_out)
        return replace(told, steps=kept)

    def explore(self, number: int, told: Story) -> Iterator[Failure]:
        """All cuts of one story."""
        self.tally.stories += 1
        failure = self.play(told, Place(number, None))
        if failure:
            yield failure
            return
        cuts = [(Cut(at, when), what) for at, what in enumerate(self.operations) for when in _moments(what)]
        for cut, operation in cuts[number % self.thin :: self.thin]:
            self.tally.by_operation[operation.split(" ")[0].rstrip(":")] += self.parts
            yield from self._cut(told, number, cut, operation)

    def play(self, told: Story, place: Place) -> Failure | None:
        """One place again. Sets ``operations`` if it has no cut."""
        if place.cut is not None:
            found = list(self._cut(told, place.story, place.cut, "", (place.part,)))
            return found[0] if found else None
        scene = self._opening(told, Mains(), Random(f"{self.seed}/{place.story}"))
        trace = scene.disk.mains.trace = []
        wrong = _broken(partial(_to_its_end, scene, told.steps)) or self._count(scene)
        self.operations = trace
        return Failure(place, told, wrong, entries=self._entries(scene)) if wrong else None

    def _cut(
        self, told: Story, number: int, cut: Cut, operation: str, parts: tuple[int, ...] | None = None
    ) -> Iterator[Failure]:
        mains = Mains(cut)
        scene = self._opening(told, mains, Random(f"{self.seed}/{number}"))
        trace = mains.trace = [] if not operation else None
        wrong = _broken(lambda: self._live(scene, told))
        operation = operation or (trace or ["?"])[-1]
        if wrong:
            yield Failure(Place(number, cut), told, wrong, operation)
            return
        if mains.on:
            return  # a story that ended sooner this time: none should
        scene.drop()
        for part in parts if parts is not None else range(self.parts):
            place = Place(number, cut, part)
            left, wrong = self._recover(scene, Random(f"{self.seed}/{place}"))
            if wrong:
                yield Failure(place, told, wrong, operation, self._entries(left))

    def _live(self, scene: Scene, told: Story) -> None:
        with suppress(PowerCut):
            _to_its_end(scene, told.steps)

    def _recover(self, scene: Scene, random: Random) -> tuple[Scene, list[str]]:
        """Up again, perhaps cut again on the way, until the world is at rest; and what is wrong then."""
        for again in range(CUTS_AGAIN_MAX + 1):
            self.tally.cuts += 1
            kill = random.random() < 0.1
            self.tally.kills += kill
            mains = Mains()
            if again < CUTS_AGAIN_MAX and random.random() < 0.35:
                mains.cut = Cut(random.randrange(90), random.choice(("before", "within", "after")))
            scene = scene.after(random, mains, kill)
            wrong: list[str] = []
            try:
                wrong = _broken(partial(_to_its_end, scene))
            except PowerCut:
                scene.drop()
                continue
            break
        else:
            raise AssertionError("the last way up has no cut")
        if wrong:
            scene.drop()
            return scene, wrong
        return scene, self._count(scene)

    def _count(self, scene: Scene) -> list[str]:
        scene.disk.mains.cut = None
        return what_is_wrong(scene.things, self.rig.path, self.rig.connect(scene.disk, scene.pages))

    def _entries(self, scene: Scene) -> list[str]:
        scene.drop()
        disk = scene.disk.killed(Random(0), Mains())
        disk.room, disk.failing_syncs = None, 0
        try:
            return told_on(self.rig.path, connect(disk))
        except LedgerFault as fault:
            return [str(fault)]

    def _opening(self, told: Story, mains: Mains, random: Random) -> Scene:
        disk, things, now_ms = _long_log(self.rig) if told.long_log else _new_log(self.rig)
        fresh = things.copy()
        fresh.cash.temper = told.temper
        opening = disk.killed(random, mains)
        opening.ruins = told.ruins
        return Scene(self.rig, opening, fresh, HandClock(now_ms), random, told.checkpoint_pages)


def _moments(operation: str) -> tuple[When, ...]:
    """A sync, a name made or taken away have no middle that would leave another disk than before or after."""
    has_middle = ": " in operation or operation.startswith("write")
    return MOMENTS if has_middle else ("before", "after")


def _to_its_end(scene: Scene, steps: tuple[Step, ...] = ()) -> None:
    scene.start()
    scene.play(steps)
    scene.to_rest()
    scene.stop()


def _broken(work: Callable[[], object]) -> list[str]:
    """What went wrong in the kiosk while it worked; PowerCut is not that."""
    try:
        work()
    except PromiseBroken as broken:
        return [str(broken)]
    except Exception as error:  # noqa: BLE001 - whatever it is, the kiosk made a mistake
        lines = traceback.format_exception(error)
        return [f"the kiosk made a mistake: {error!r}", *lines[-3:]]
    return []


@lru_cache(maxsize=1)
def _new_log(rig: Rig) -> tuple[Disk, Things, int]:
    """A terminal just enrolled."""
    disk, clock = Disk(Mains(), Random(0)), HandClock()
    Journal.create(rig.path, SIGNER, ORIGIN, "", "a simulation", clock, connect(disk)).close()
    return disk, Things(CashMachine("repeats"), {name: new_card(name) for name in CUSTOMERS}), clock.now_ms


@lru_cache(maxsize=1)
def _long_log(rig: Rig) -> tuple[Disk, Things, int]:
    """A terminal that has sold for days, and whose WAL is almost long enough to be checkpointed."""
    disk, things, now_ms = _new_log(rig)
    steps = story(0, list(NAMED).index("two notes")).steps
    scene = Scene(Rig(rig.path), disk.killed(Random(0), Mains()), things.copy(), HandClock(now_ms), Random(0), 1_000)
    scene.start()
    wal = next(inode for name, inode in scene.disk.names.items() if name.endswith("-wal"))
    while len(wal.now) < WAL_PAGES * FRAME:
        scene.play(steps)
    scene.booth.journal.prune_checkpoints(scene.booth.journal.size - 2)
    left = scene.disk.killed(Random(0), Mains())
    scene.drop()
    return left, scene.things, scene.clock.now_ms
