"""Thousands of notes and coins, and everything goes wrong at once: what is booked is what lies in the box.

ccTalk's events are gone with the power. Where that can matter, the most that may be missing is what people are told
to look for: a note that was sent to the box and of which no word came, a coin whose event nobody had read.
"""

import random
from collections import Counter

import pytest
from cctalk_bench import Bench, DiedError, booked, coins

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk.line import LineSettings
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings
from kiosk.devices.acceptor.cctalk.voice import Plate
from kiosk.devices.acceptor.validator import Phase

NOTES = (500, 1000, 2000, 5000, 10_000)
COINS = (10, 50, 100)
WITH_POWER = ("kill", "jam", "pull", "cut", "slow", "box", "fish", "refuse")
ALL = (*WITH_POWER, "power", "blink", "blackout")
MOMENTS = (Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.RETURNING)
MODES = {
    "sum": (CctalkSettings(), Plate()),
    "crc without echo": (
        CctalkSettings(line=LineSettings(check="crc", echo="off")),
        Plate(check="crc", echo=False),
    ),
    "echo known": (CctalkSettings(line=LineSettings(echo="on")), Plate()),
}


class Campaign:
    """The line's noise, the process's deaths and the hand's mishaps, all from one seed."""

    def __init__(self, bench, seed, mishaps, deaths=0.01):
        self.bench, self.random, self.mishaps = bench, random.Random(seed), mishaps
        self.deaths, self.noise, self.slow_until, self.frauds = deaths, 0.0, 0, 0
        self.accidents = Counter()
        bench.die, bench.duet.tamper, bench.duet.delay = self.maybe_die, self.hurt, self.delayed

    def maybe_die(self):
        if self.random.random() < self.deaths:
            self.accidents["died between steps"] += 1
            raise DiedError

    def hurt(self, way, passing):
        if self.random.random() >= self.noise:
            return passing
        self.accidents["line"] += 1
        at = self.random.randrange(len(passing))
        flip = bytes((passing[at] ^ 1 << self.random.randrange(8),))
        return self.random.choice(
            (b"", passing[:at], passing[at:], passing * 2, passing[:at] + flip + passing[at + 1 :])
        )

    def delayed(self, way, passing):
        return self.random.randrange(300) if self.bench.now < self.slow_until else 0

    def is_open(self):
        frauds = len(self.bench.said(on.FraudSeen))
        if frauds > self.frauds:  # somebody has looked
            self.frauds = frauds
            self.bench.talk.want(self.bench.wanted)
        return bool(self.bench.open_for)

    def mishap(self, what):
        bench, chance = self.bench, self.random
        self.accidents[what] += 1
        match what:
            case "power":
                bench.power_cut(chance.randrange(15_000))
            case "blink":
                bench.power_cut()
            case "kill":
                bench.kill()
            case "blackout":
                bench.machine.power_off(bench.now)
                bench.now += chance.randrange(5_000)
                bench.machine.power_on(bench.now)
                bench.kill()
            case "jam" if bench.machine.jam(bench.now):
                bench.run(chance.randrange(20_000))
                bench.machine.clear_jam(bench.now)
            case "cut":
                bench.duet.tamper = lambda way, passing: b""
                bench.run(chance.randrange(15_000))
                bench.duet.tamper = self.hurt
            case "slow":
                self.slow_until = bench.now + chance.randrange(20_000)
            case _:
                self.own(what)

    def end(self):
        self.deaths = 0
        self.bench.until(self.is_open)
        self.bench.settle()

    def story(self):
        return f"fed {self.bench.fed.total()}, {Counter(it.kind for it in self.bench.journal)}, {self.accidents}"


class NoteCampaign(Campaign):
    def own(self, what):
        bench, machine = self.bench, self.bench.machine
        match what:
            case "pull":
                machine.pull(bench.now)
            case "box":
                bench.taken += machine.take_box(bench.now)
                bench.run(self.random.randrange(10_000))
                machine.put_box(bench.now)
                machine.clear_jam(bench.now)
            case "fish":
                machine.cheat(bench.now)
            case "refuse":
                bench.talk.decide(False)

    def note(self):
        bench, chance = self.bench, self.random
        bench.until(self.is_open)
        if not bench.feed(chance.choice(NOTES), chance.random() > 0.1):
            return
        if chance.random() < 0.4:
            moment = chance.choice(MOMENTS)
            bench.until(lambda: bench.machine.phase is moment or bench.at_rest() or bench.machine.note_fen is None)
            bench.run(chance.choice((0, 0, chance.randrange(600), chance.randrange(30))))
            self.mishap(chance.choice(self.mishaps))
        bench.until(self.rest)

    def rest(self):
        self.is_open()
        if self.bench.machine.phase in (Phase.FULL, Phase.REMOVED):
            self.bench.machine.put_box(self.bench.now)
        return self.bench.at_rest()


def play_notes(seed, notes, mishaps, mode, **more):
    settings, plate = MODES[mode]
    campaign = NoteCampaign(Bench(settings=settings, plate=plate, **more), seed, mishaps)
    for turn in range(notes):
        campaign.noise = (0.0, 0.02, 0.1)[turn % 3]
        campaign.note()
    campaign.end()
    bench = campaign.bench
    assert bench.in_box + bench.machine.handed_back == bench.fed, campaign.story()
    return campaign


def check_notes_with_power(campaign):
    assert booked(campaign.bench.journal) == campaign.bench.in_box, campaign.story()


def check_notes_without(campaign):
    """A power cut may erase the word of a note; then its row says so, and no other money is missing or doubled."""
    bench = campaign.bench
    said_lost = Counter(entry.fen for entry in bench.journal if entry.kind == "lost")
    missing = bench.in_box - booked(bench.journal)
    assert booked(bench.journal) <= bench.in_box and missing <= said_lost, campaign.story()
    assert bench.said(on.EventsLost), campaign.story()


class CoinCampaign(Campaign):
    """``missing``: coins that no book has. It may grow only by a power cut, or by what the device counted unread."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.missing, self.uncounted = Counter(), 0

    def own(self, what):
        if what == "fish":
            self.random.choice((self.bench.machine.string, self.bench.machine.pull_backwards))(self.bench.now)
        elif what == "pull":
            self.bench.talk.want(frozenset())  # coins that roll are not called back
        elif what == "refuse":
            self.bench.till.mute = True  # it hangs
            self.bench.run(self.random.randrange(8_000))
            self.bench.till.mute = False

    def watch_the_plug(self):
        pull = self.bench.machine.power_off
        self.at_cut = Counter()

        def power_off(now):
            pull(now)
            self.at_cut |= self.bench.in_box - booked(self.bench.journal)

        self.bench.machine.power_off = power_off

    def counted_unread(self):
        return sum(entry.fen for entry in self.bench.journal if entry.kind == "events lost")

    def coins(self):
        """A handful is thrown in, and something may happen while they roll."""
        bench, chance = self.bench, self.random
        bench.until(self.is_open)
        self.at_cut, unread = Counter(), self.counted_unread()
        for _ in range(chance.randrange(1, 9)):
            bench.feed(chance.choice(COINS), chance.random() > 0.1)
            bench.run(chance.randrange(100, 400))
        if chance.random() < 0.4:
            self.mishap(chance.choice(self.mishaps))
        bench.talk.want(bench.wanted)
        bench.until(bench.at_rest)
        bench.until(self.all_told)
        missing = bench.in_box - booked(bench.journal)
        grown = (missing - self.missing) - self.at_cut
        assert grown.total() <= self.counted_unread() - unread, f"{grown} {self.story()} {bench.story}"
        self.uncounted += grown.total()
        self.missing = missing

    def all_told(self):
        """Open, and the last of its events is in the books."""
        table = self.bench.voice.table
        talk = self.bench.talk
        return self.is_open() and talk._heard.table == table and not talk._teller.pending


def play_coins(seed, turns, mishaps, mode):
    settings, plate = MODES[mode]
    campaign = CoinCampaign(coins(settings=settings, plate=plate), seed, mishaps)
    campaign.watch_the_plug()
    for turn in range(turns):
        campaign.noise = (0.0, 0.02, 0.1)[turn % 3]
        campaign.coins()
    campaign.end()
    bench = campaign.bench
    assert bench.in_box + bench.machine.handed_back == bench.fed, campaign.story()
    assert booked(bench.journal) + campaign.missing == bench.in_box, campaign.story()
    assert not campaign.missing or bench.said(on.EventsLost), campaign.story()
    return campaign


@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_notes_while_the_device_has_power(mode):
    campaign = play_notes(f"notes {mode}", 100, WITH_POWER, mode)
    check_notes_with_power(campaign)
    assert booked(campaign.bench.journal).total() > 40, campaign.story()


@pytest.mark.parametrize("tells_power_up", [True, False])
def test_a_hundred_notes_and_power_cuts(tells_power_up):
    campaign = play_notes(f"cuts {tells_power_up}", 100, ALL, "sum", tells_power_up=tells_power_up)
    check_notes_without(campaign)
    assert booked(campaign.bench.journal).total() > 40, campaign.story()


@pytest.mark.parametrize("mode", MODES)
def test_hundreds_of_coins_while_the_device_has_power(mode):
    campaign = play_coins(f"coins {mode}", 60, WITH_POWER, mode)
    assert campaign.missing.total() == campaign.uncounted <= 3, campaign.story()
    assert booked(campaign.bench.journal).total() > 100, campaign.story()


def test_hundreds_of_coins_and_power_cuts():
    campaign = play_coins("coin cuts", 60, ALL, "sum")
    assert booked(campaign.bench.journal).total() > 100, campaign.story()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_notes(seed):
    check_notes_with_power(play_notes(f"thousands {seed}", 500, WITH_POWER, "sum"))
    campaign = play_notes(f"thousands {seed}", 500, ALL, "crc without echo", tells_power_up=bool(seed % 2))
    check_notes_without(campaign)
    assert {*ALL, "line", "died between steps"} <= {*campaign.accidents}, campaign.story()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_coins(seed):
    with_power = play_coins(f"thousands {seed}", 200, WITH_POWER, "crc without echo")
    assert with_power.missing.total() == with_power.uncounted <= 12, with_power.story()
    campaign = play_coins(f"thousands {seed}", 200, ALL, "sum")
    assert booked(campaign.bench.journal).total() > 500, campaign.story()
    assert {"power", "blink", "blackout", "line", "died between steps"} <= {*campaign.accidents}, campaign.story()
