"""The file in which the kiosk keeps what an ID003 machine last had in escrow is lost, again and again.

VEND VALID does not say what it is worth. What is booked is yet what lies in the box, note for note.
"""

import random
from collections import Counter

import id003_pair
import pytest
from device_bench import Bench
from device_till import DiedError, booked, kinds

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.validator import Phase

NOTES = (500, 1000, 2000, 5000, 10_000)


class Forgetful(Bench):
    """A kiosk whose file is gone whenever its process dies."""

    def begin(self):
        self.memory = b""
        super().begin()


def life(bench):
    bench.feed(5000)
    bench.until(lambda: bench.at_rest() or bench.machine.phase is Phase.POWER_UP)


def test_the_process_dies_between_any_two_steps_and_the_file_is_gone():
    blank = 0
    for nth in range(60):
        bench, left = Forgetful(id003_pair).open(), [nth]

        def die(left=left):
            left[0] -= 1
            if left[0] == -1:
                raise DiedError

        bench.die = die
        life(bench)
        bench.settle()
        bench.nothing_is_lost()
        blank += any(up.note_at_power_up == "stacker" for up in bench.said(on.AcceptorUp))
        if left[0] >= 0:
            break
    assert 5 < nth < 59 and bench.in_box == {5000: 1}
    assert blank, "VEND VALID of unknown value was heard"


@pytest.mark.parametrize("after_ms", range(0, 1_500, 50))
def test_it_dies_at_any_time_on_the_way_to_the_box_and_the_file_is_gone(after_ms):
    bench = Forgetful(id003_pair).open()
    bench.feed(5000)
    bench.to(Phase.STACKING)
    bench.run(after_ms)
    bench.kill()
    bench.settle()
    bench.nothing_is_lost()
    assert bench.in_box == {5000: 1}


def forget_and_remember(seed, notes):
    chance = random.Random(seed)
    bench, accidents = Forgetful(id003_pair), Counter()

    def die():
        if chance.random() < 0.02:
            accidents["died"] += 1
            raise DiedError

    def hurt(way, passing):
        if chance.random() >= 0.03:
            return passing
        at = chance.randrange(len(passing))
        accidents["line"] += 1
        return chance.choice((b"", passing[:at], passing * 2, passing[:at] + b"\xfc" + passing[at + 1 :]))

    bench.die, bench.duet.tamper = die, hurt
    for _ in range(notes):
        bench.run(1_000)  # time to close a machine that was open for the process before
        bench.until(bench.is_open)
        if not bench.feed(chance.choice(NOTES), genuine=chance.random() > 0.05):
            continue
        if chance.random() < 0.5:
            bench.run(chance.randrange(3_500))
            what = chance.choice(("kill", "power", "blackout"))
            accidents[what] += 1
            if what != "kill":
                bench.machine.power_off(bench.now)
                bench.now += chance.choice((0, 400, 3_000))
                bench.machine.power_on(bench.now)
            if what != "power":
                bench.kill()
        bench.until(bench.at_rest)
    bench.settle()
    bench.nothing_is_lost()
    return bench, accidents


def test_a_hundred_notes_and_the_file_is_never_there():
    bench, accidents = forget_and_remember("a hundred", 100)
    assert booked(bench.journal).total() > 40, (accidents, kinds(bench.journal))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_notes_and_the_file_is_never_there(seed):
    bench, accidents = forget_and_remember(f"thousands {seed}", 1_500)
    assert booked(bench.journal).total() > 500, (accidents, kinds(bench.journal))
    assert {"died", "line", "kill", "power", "blackout"} <= {*accidents}
    assert any(up.note_at_power_up == "stacker" for up in bench.said(on.AcceptorUp))
