"""What people do at a kiosk, and what else happens there: stories of steps. The first are named, then any by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from kiosk.simulation.things import Temper

Step = tuple[str, str]  # what, and which
TEMPERS: tuple[Temper, ...] = ("repeats", "power-up", "counts")
CUSTOMERS = ("1001", "1002")
NUMBERS = ("30000001", "30000002")
RUINS = (0, 0, 512, 4096)  # a card that is powersafe, or ruins its sector, or its page


@dataclass(frozen=True, slots=True)
class Story:
    """``long_log``: hundreds of entries before it, and a WAL that will be checkpointed within."""

    name: str
    steps: tuple[Step, ...]
    temper: Temper = "repeats"
    long_log: bool = False
    checkpoint_pages: int = 1_000  # SQLite's own; fewer bring checkpoints into a short story
    ruins: int = 0  # bytes that the disk ruins around a write that is cut off


def _steps(text: str) -> tuple[Step, ...]:
    words = (step.strip().partition(" ") for step in text.split(","))
    return tuple((what, which) for what, _, which in words)


def _buy(fen: int, *notes: int, who: str = "1001", before_last: str = "") -> str:
    feeds = [f"feed {note}" for note in notes]
    if before_last:
        feeds.insert(len(feeds) - 1, before_last)
    return ", ".join([f"insert {who}", "continue", f"amount {fen}", *feeds])


_AWAY = "pull, wait-out"
NAMED: dict[str, str] = {
    "two notes": f"{_buy(10_000, 5000, 5000)}, {_AWAY}",
    "finished early": f"{_buy(10_000, 2000)}, finish, {_AWAY}",
    "torn, landed": f"{_buy(5000, 5000, before_last='tear lands')}, {_AWAY}",
    "torn, lost": f"{_buy(5000, 5000, before_last='tear lost')}, {_AWAY}",
    "snatched, in doubt": f"{_buy(5000, 5000, before_last='tear snatched')}, wait-out, insert 1001, {_AWAY}",
    "snatched, not written": f"{_buy(5000, 5000, before_last='tear snatched-lost')}, wait-out, insert 1001, {_AWAY}",
    "walked away, owed, brought": f"{_buy(10_000, 2000)}, pull, wait-out, insert 1001, {_AWAY}",
    "walked away and back": f"{_buy(10_000, 2000)}, pull, insert 1002, pull, insert 1001, feed 1000, finish, {_AWAY}",
    "digits": "number 30000001, continue, amount 5000, feed 5000, cancel, number 30000001, cancel",
    "digits twice": "number 30000001, continue, amount 5000, feed 2000, finish, cancel,"
    "number 30000001, continue, amount 2000, feed 2000, wait-out",
    "acceptor blinks": f"{_buy(5000, 5000, before_last='blink')}, wait, {_AWAY}",
    "credit told again": f"{_buy(10_000, 2000)}, repeat, finish, repeat, {_AWAY}",
    "disk full": f"{_buy(10_000, 2000, 2000, before_last='room 9000')}, wait, wait, more-room, wait, finish, {_AWAY}",
    "a sync fails": f"{_buy(10_000, 2000, 2000, before_last='sync-fails 1')}, wait, finish, {_AWAY}",
    "a sync fails, restarted": f"{_buy(10_000, 2000, 2000, before_last='sync-fails 1')}, kill, wait, finish, {_AWAY}",
    "no paper for the slip": f"{_buy(5000, 5000, before_last='paper out')}, {_AWAY}, paper in",
    "switched off and on": f"{_buy(2000, 2000)}, {_AWAY}, restart, {_buy(1000, 1000)}, {_AWAY}",
    "killed while paying": f"{_buy(10_000, 2000)}, kill, feed 1000, finish, {_AWAY}",
    "cosigned and pruned": f"{_buy(2000, 2000)}, {_AWAY}, prune, {_buy(1000, 1000, who='1002')}, {_AWAY}",
    "nothing paid": f"insert 1001, continue, amount 10000, cancel, {_AWAY}",
}


def story(seed: int, number: int) -> Story:
    """The first are the named ones, with each temper of acceptor; then as many as there are numbers."""
    names = list(NAMED)
    random = Random(f"story {seed}/{number}")
    if number < len(names) * len(TEMPERS):
        name, temper = names[number % len(names)], TEMPERS[(number % len(names) + number // len(names)) % len(TEMPERS)]
        return Story(name, _steps(NAMED[name]), temper, False, random.choice((1_000, 1_000, 8)), random.choice(RUINS))
    text = ", ".join(_any_visit(random) for _ in range(random.randint(1, 3)))
    pages = random.choice((1_000, 20, 8, 3))
    temper, long_log = random.choice(TEMPERS), random.random() < 0.05
    return Story(f"any {number}", _steps(text), temper, long_log, pages, random.choice(RUINS))


def _any_visit(random: Random) -> str:
    fen = random.choice((2000, 5000, 10_000))
    keypad = random.random() < 0.25
    who = random.choice(NUMBERS if keypad else CUSTOMERS)
    steps = [f"number {who}"] if keypad else [f"insert {who}"]
    steps += ["continue", f"amount {fen}"]
    for _ in range(random.randint(1, 4)):
        if random.random() < 0.5:
            steps.append(_accident(random, keypad))
        steps.append(f"feed {random.choice((500, 1000, 2000, 5000))}")
    steps.append(random.choice(("finish", "finish", "wait", "cancel")))
    steps += ["paper in", "more-room", random.choice(("pull", "pull", "wait")), "pull", "wait-out"]
    return ", ".join(steps)


def _accident(random: Random, keypad: bool) -> str:
    accidents = ["repeat", "blink", f"room {random.randint(0, 20_000)}", f"sync-fails {random.randint(1, 3)}", "wait"]
    accidents += ["kill", "restart", "paper out", "prune", "finish", "cancel"]
    if not keypad:
        accidents += ["pull", f"pull, insert {random.choice(CUSTOMERS)}", "tear lands", "tear lost"]
        accidents += ["tear snatched", "tear snatched-lost", f"pull, wait-out, insert {random.choice(CUSTOMERS)}"]
    return random.choice(accidents)
