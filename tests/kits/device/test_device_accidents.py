"""The device kit: the power goes, the process dies, the line loses, doubles and delays, at every single step."""

import random

import pytest
from device_bench import Bench
from device_till import DiedError, booked

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.talk import NEVER
from kiosk.devices.acceptor.validator import Phase

MOMENTS = [
    Phase.POWER_UP,
    Phase.INITIALIZING,
    Phase.IDLE,
    Phase.ACCEPTING,
    Phase.ESCROW,
    Phase.STACKING,
    Phase.STACKED,
    Phase.RETURNING,
    Phase.REJECTING,
]
LIFE_STEPS = 60  # more than one note's life has, in steps of the bench


def life(bench):
    """One note, until nobody knows anything new of it."""
    if not bench.feed(2000):
        return
    bench.until(lambda: bench.at_rest() or bench.machine.phase in (Phase.POWER_UP, Phase.OFF))


def bring_to(pair, moment):
    """A machine so far on its way; False if this protocol's machine is never seen so."""
    if moment in getattr(pair, "NEVER_SEEN", ()):
        return None
    bench = Bench(pair)
    if moment in (Phase.POWER_UP, Phase.INITIALIZING):
        bench.to(moment)
        return bench
    bench.open()
    if moment is Phase.IDLE:
        return bench
    if moment is Phase.RETURNING:
        bench.till.sent = bench.wishes.mute.add("decide")
    bench.feed(2000, genuine=moment is not Phase.REJECTING)
    if moment is Phase.RETURNING:
        bench.until(lambda: bench.said(on.NoteEscrowed))
        bench.wishes.mute.clear()
        bench.talk.decide(False)
    bench.to(moment)
    return bench


@pytest.mark.parametrize("away_ms", [0, 300, 20_000])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_power_of_the_machine_goes(pair, moment, away_ms):
    bench = bring_to(pair, moment)
    if bench is None:
        assert moment in pair.NEVER_SEEN
        return
    bench.power_cut(away_ms)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.said(on.AcceptorDown) or away_ms < 10_000


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_process_dies(pair, moment):
    bench = bring_to(pair, moment)
    if bench is None:
        assert moment in pair.NEVER_SEEN
        return
    bench.kill()
    bench.settle()
    bench.nothing_is_lost()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_power_of_everything_goes(pair, moment):
    bench = bring_to(pair, moment)
    if bench is None:
        assert moment in pair.NEVER_SEEN
        return
    bench.machine.power_off(bench.now)
    bench.now += 5_000
    bench.machine.power_on(bench.now)
    bench.kill()
    bench.settle()
    bench.nothing_is_lost()


@pytest.mark.slow
@pytest.mark.parametrize("away_ms", [0, 2_000])
def test_the_power_goes_at_every_step_of_a_notes_life(pair, away_ms):
    for step in range(LIFE_STEPS):
        bench = Bench(pair).open()
        bench.feed(2000)
        for _ in range(step):
            bench.step()
        bench.power_cut(away_ms)
        bench.settle()
        bench.nothing_is_lost()
    assert bench.in_box == {2000: 1}, "the last cut came after the note's life"


def test_the_process_dies_at_every_step_of_a_notes_life(pair):
    """Between any two steps of the till; the machine keeps its power."""
    for nth in range(200):
        bench, left = Bench(pair).open(), [nth]

        def die(left=left):
            left[0] -= 1
            if left[0] == -1:
                raise DiedError

        bench.die = die
        life(bench)
        bench.settle()
        bench.nothing_is_lost()
        if left[0] >= 0:
            break
    assert 5 < nth < 199 and bench.in_box == {2000: 1}


@pytest.mark.slow
@pytest.mark.parametrize("away_ms", [0, 2_000])
def test_the_process_dies_and_the_machines_power_goes_at_every_step(pair, away_ms):
    for nth in range(200):
        bench, left = Bench(pair).open(), [nth]

        def die(left=left, bench=bench):
            left[0] -= 1
            if left[0] == -1:
                bench.machine.power_off(bench.now)
                bench.now += away_ms
                bench.machine.power_on(bench.now)
                raise DiedError

        bench.die = die
        life(bench)
        bench.settle()
        bench.nothing_is_lost()
        if left[0] >= 0:
            break
    assert 5 < nth < 199


def lost(passing):
    return b""


def doubled(passing):
    return passing * 2


def torn(passing):
    return passing[: len(passing) // 2]


def flipped(passing):
    at = len(passing) // 2
    return passing[:at] + bytes((passing[at] ^ 0x20,)) + passing[at + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["to-host", "to-device"])
@pytest.mark.parametrize("hurt", [lost, doubled, torn, flipped])
def test_any_one_frame_is_hurt(pair, hurt, direction):
    for nth in range(LIFE_STEPS):
        bench, seen = Bench(pair).open(), []

        def tamper(way, passing, seen=seen, nth=nth):
            seen.append(way) if way == direction else None
            return hurt(passing) if way == direction and len(seen) == nth + 1 else passing

        bench.duet.tamper = tamper
        life(bench)
        bench.settle()
        bench.nothing_is_lost()
        assert bench.in_box, bench.story
        if len(seen) <= nth:
            break
    assert 5 < nth < LIFE_STEPS - 1


def slow_ms(pair):
    """How long a question and its answer may take together, at most, and still do no harm."""
    return getattr(pair, "SLOW_MS", 300)


@pytest.mark.slow
@pytest.mark.parametrize("share", [20, 40, 60, 80, 100])
def test_any_one_answer_is_late(pair, share):
    """In percent of what is borne; all that follows it is queued behind it."""
    late_ms = slow_ms(pair) * share // 100
    for nth in range(LIFE_STEPS):
        bench, seen = Bench(pair).open(), []

        def delay(way, passing, seen=seen, nth=nth):
            seen.append(way) if way == "to-host" else None
            return late_ms if way == "to-host" and len(seen) == nth + 1 else 0

        bench.duet.delay = delay
        life(bench)
        bench.settle()
        bench.nothing_is_lost()
        assert bench.in_box, bench.story
        if len(seen) <= nth:
            break
    assert 5 < nth < LIFE_STEPS - 1


@pytest.mark.parametrize("seed", range(12))
def test_a_slow_machine(pair, seed):
    """Every answer takes its time, often more than it has: what is told late is not told wrong."""
    chance = random.Random(f"slow {seed}")
    bench = Bench(pair).open()
    bench.duet.delay = lambda way, passing: chance.choice((0, 5, 50, chance.randrange(slow_ms(pair) // 2)))
    for _ in range(12):
        if bench.feed(chance.choice((500, 1000, 2000))):
            bench.run(chance.randrange(30_000))
        if chance.random() < 0.3:
            bench.kill()
        elif chance.random() < 0.2:
            bench.power_cut(chance.randrange(3_000))
    bench.settle()
    bench.nothing_is_lost()
    assert bench.in_box


def test_a_cut_line_is_told_once_and_heals(pair):
    bench = Bench(pair).open()
    before = len(bench.events)
    bench.duet.tamper = lambda way, passing: b""
    bench.until(lambda: bench.said(on.AcceptorDown))
    bench.run(60_000)
    assert bench.events[before:] == [on.AcceptorDown("V-411")]
    bench.duet.tamper = None
    bench.until(lambda: isinstance(bench.events[-1], on.AcceptorUp))
    bench.settle()
    life(bench)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.in_box == {2000: 1}


@pytest.mark.parametrize("moment", [Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.STACKED])
def test_the_line_is_cut_while_a_note_moves(pair, moment):
    bench = bring_to(pair, moment)
    if bench is None:
        assert moment in pair.NEVER_SEEN
        return
    bench.duet.tamper = lambda way, passing: b""
    bench.run(40_000)
    bench.settle()
    bench.nothing_is_lost()


def test_a_dead_port_asks_nothing_and_comes_back(pair):
    bench = Bench(pair).open()
    bench.talk.lost(bench.now)
    assert bench.talk.events() == [on.AcceptorDown("V-411")]
    assert bench.talk.wake(bench.now) == b"" and bench.talk.due_ms() == NEVER
    bench.now += 5_000
    bench.talk.opened(bench.now)
    bench.until(lambda: bench.said(on.AcceptorUp)[1:])
    bench.settle()
    life(bench)
    assert booked(bench.journal) == {2000: 1}
