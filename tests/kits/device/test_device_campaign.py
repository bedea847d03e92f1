"""The device kit: thousands of notes, and everything goes wrong at once: what is booked is what lies in the box."""

import random
from collections import Counter

import pytest
from device_bench import Bench
from device_till import DiedError, booked, kinds

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.validator import AT_REST, MOVING, Phase

NOTES = (500, 1000, 2000, 5000, 10_000)
MOMENTS = (Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.STACKED, Phase.RETURNING)
MISHAPS = ("power", "blink", "kill", "blackout", "jam", "pull", "cut", "slow", "box", "fish", "refuse")


class Campaign:
    """``deaths``: how likely it is that the process ends between two steps; the seed repeats everything."""

    def __init__(self, pair, seed, deaths=0.01):
        self.random = random.Random(seed)
        self.bench, self.accidents = Bench(pair), Counter()
        self.deaths, self.noise = deaths, 0.0
        self.slow_until = self.frauds = 0
        self.longest_ms = getattr(pair, "SLOW_MS", 300) // 2  # one way
        self.bench.die, self.bench.duet.tamper, self.bench.duet.delay = self.maybe_die, self.hurt, self.delayed

    def maybe_die(self):
        if self.random.random() < self.deaths:
            self.accidents["died between steps"] += 1
            raise DiedError

    def hurt(self, way, passing):
        if self.random.random() >= self.noise:
            return passing
        self.accidents["line"] += 1
        at = self.random.randrange(len(passing))
        return self.random.choice(
            (
                b"",
                passing[:at],
                passing[at:],
                passing * 2,
                passing[:at] + bytes((passing[at] ^ 1 << self.random.randrange(8),)) + passing[at + 1 :],
            )
        )

    def delayed(self, way, passing):
        return self.random.randrange(self.longest_ms) if self.bench.now < self.slow_until else 0

    def note(self):
        """One note is fed, and something may happen to it, until the machine is at rest again."""
        bench, chance = self.bench, self.random
        bench.until(self.open)
        if not bench.feed(chance.choice(NOTES), genuine=chance.random() > 0.1):
            return
        if chance.random() < 0.4:
            moment = chance.choice(MOMENTS)
            bench.until(lambda: bench.machine.phase is moment or bench.machine.phase not in (*MOVING, *MOMENTS))
            bench.run(chance.choice((0, 0, chance.randrange(600))))
            self.mishap(chance.choice(MISHAPS))
        bench.until(self.rest)

    def open(self):
        """Open for notes; after fraud only once somebody has said so, and it may be told late."""
        frauds = len(self.bench.said(on.FraudSeen))
        if frauds > self.frauds:
            self.frauds = frauds
            self.bench.talk.want(self.bench.wanted)
        return self.bench.is_open()

    def rest(self):
        """Nothing moves, and the books know it."""
        if self.bench.machine.phase in (Phase.FULL, Phase.REMOVED):
            self.bench.take_box()
            self.bench.machine.put_box(self.bench.now)
        return self.bench.at_rest()

    def mishap(self, what):
        bench, machine, chance = self.bench, self.bench.machine, self.random
        self.accidents[what] += 1
        match what:
            case "power":
                bench.power_cut(chance.randrange(15_000))
            case "blink":
                bench.power_cut(0)
            case "kill":
                bench.kill()
            case "blackout":
                machine.power_off(bench.now)
                bench.now += chance.randrange(5_000)
                machine.power_on(bench.now)
                bench.kill()
            case "jam" if machine.jam(bench.now):
                bench.run(chance.randrange(20_000))
                machine.clear_jam(bench.now)
            case "pull":
                machine.pull(bench.now)
            case "cut":
                noise, self.noise = self.noise, 1.0
                bench.duet.tamper = lambda way, passing: b""
                bench.run(chance.randrange(15_000))
                self.noise, bench.duet.tamper = noise, self.hurt
            case "slow":
                self.slow_until = bench.now + chance.randrange(20_000)
            case "box":
                bench.take_box()
                bench.run(chance.randrange(10_000))
                machine.put_box(bench.now)
                machine.clear_jam(bench.now)
            case "fish":
                machine.cheat(bench.now)
                bench.talk.want(bench.wanted)
            case "refuse":
                bench.talk.decide(False)

    def story(self):
        return f"fed {self.bench.fed.total()}, {dict(kinds(self.bench.journal))}, {dict(self.accidents)}"


def play(pair, seed, notes):
    campaign = Campaign(pair, seed)
    for turn in range(notes):
        campaign.noise = (0.0, 0.02, 0.1)[turn % 3]
        campaign.note()
    campaign.deaths = 0
    campaign.bench.until(campaign.open)
    campaign.bench.settle()
    campaign.bench.nothing_is_lost()
    return campaign


def test_a_hundred_notes_and_everything_at_once(pair):
    campaign = play(pair, "a hundred", 100)
    assert booked(campaign.bench.journal).total() > 40, campaign.story()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_notes_and_everything_at_once(pair, seed):
    campaign = play(pair, f"thousands {seed}", 1_000)
    assert booked(campaign.bench.journal).total() > 400, campaign.story()
    assert {*MISHAPS, "line", "died between steps"} <= {*campaign.accidents}, campaign.story()
    assert campaign.bench.machine.phase in AT_REST
