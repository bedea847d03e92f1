"""The whole stack, with its threads: many notes and everything goes wrong at the speed of the wall's clock.

What can be said without threads is said by the device kit, in simulated time and for every protocol.
"""

import random
from collections import Counter

import ccnet_pair
import pytest
from device_till import Till, booked, kinds
from serial_stack import ALL, stack

from kiosk.devices.acceptor.ccnet.dialogue import DialogueSettings
from kiosk.devices.acceptor.ccnet.talk import CcnetTalk, TalkSettings
from kiosk.devices.acceptor.validator import AT_REST, Phase

NOTES = (500, 1000, 2000, 5000, 10_000)
MOMENTS = (Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.STACKED, Phase.RETURNING)
QUICK = TalkSettings(
    poll_ms=4,
    answer_ms=60,
    table_ms=60,
    dialogue=DialogueSettings(hold_every_ms=100, reset_again_ms=100, remind_ms=300),
)


def quick_talk(memory, known):
    return CcnetTalk(memory, QUICK)


class Campaign:
    """One machine, one journal, and one host after the other."""

    def __init__(self, it, seed, deaths):
        self.it, self.journal = it, []
        # one for each thread, so that they do not disturb each other
        self.random, self.line_random, self.host_random = (
            random.Random(f"{seed} {who}") for who in ("hand", "line", "host")
        )
        self.deaths = deaths  # how likely it is that the process ends between two steps
        self.noise = 0.0  # how likely it is that a chunk on the line is hurt
        self.fed, self.accidents = Counter(), Counter()
        it.sim.line.tamper = self.hurt
        self.acceptor = None
        self.revive()

    def hurt(self, direction, passing):
        if self.line_random.random() >= self.noise:
            return passing
        self.accidents["line"] += 1
        at = self.line_random.randrange(len(passing))
        return self.line_random.choice(
            (b"", passing[:at], passing[at:], passing[:at] + bytes((passing[at] ^ 0x10,)) + passing[at + 1 :])
        )

    def maybe_die(self):
        if self.host_random.random() < self.deaths:
            self.accidents["killed between steps"] += 1
            self.acceptor.kill()

    def revive(self):
        if self.acceptor and not self.acceptor.dead:
            return
        if self.acceptor:
            self.acceptor._thread.join()
        self.acceptor = self.it.acceptor(make_talk=quick_talk)
        self.till = Till(self.journal, self.acceptor, self.maybe_die)
        self.acceptor.enable(ALL)
        self.acceptor.start(self.till)

    def open_for_notes(self):
        self.revive()
        return bool(self.it.sim.look.open_for_fen)

    def note(self):
        """One note is fed, and something may happen to it, until the machine is at rest again."""
        self.it.until(self.open_for_notes)
        fen, genuine = self.random.choice(NOTES), self.random.random() > 0.1
        sim = self.it.sim
        if not (sim.feed(fen) if genuine else sim.feed_forged(fen)):
            return
        self.fed[fen] += 1
        if self.random.random() < 0.35:
            self.mishap(self.random.choice(MOMENTS))
        self.it.until(self.rest)

    def mishap(self, moment):
        sim = self.it.sim
        self.it.until(lambda: self.revive() or sim.look.phase in (moment, *AT_REST))
        what = self.random.choice(("power", "blink", "kill", "jam", "pull", "cut"))
        self.accidents[what] += 1
        if what in ("power", "blink"):
            sim.power_off()
            if what == "power":
                self.pause(self.random.randrange(3, 12))
            sim.power_on()
        elif what == "kill":
            self.acceptor.kill()
        elif what == "jam" and sim.jam():
            self.pause(2)
            sim.clear_jam()
        elif what == "pull":
            sim.pull()
        elif what == "cut":
            noise, self.noise = self.noise, 1.0
            self.pause(self.random.randrange(3, 12))
            self.noise = noise

    def pause(self, polls):
        """About as long as so many unanswered polls take."""
        with self.it.looked:
            self.it.looked.wait_for(lambda: False, polls * 0.06)

    def rest(self):
        self.revive()
        look = self.it.sim.look
        return look.note_fen is None and look.phase in (*AT_REST, Phase.POWER_UP)

    def settle_row(self):
        """No word came of the note: it is left to people, as the sale's timer does."""
        polls = self.it.sim.voice.polls
        self.it.until(lambda: self.revive() or self.it.sim.voice.polls > polls + 5)
        if self.till.row is not None and self.it.sim.look.phase in AT_REST:
            self.till.record("lost", self.till.row)

    def close(self):
        """All accidents end."""
        self.noise = self.deaths = 0
        self.it.until(self.open_for_notes)
        self.settle_row()
        self.acceptor.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_note_is_lost_or_doubled_whatever_the_threads_do(tmp_path):
    with stack(tmp_path, ccnet_pair, capacity=10_000) as it:
        campaign = Campaign(it, 0, deaths=0.02)
        for turn in range(120):
            campaign.noise = 0.03 if turn % 2 else 0.0
            campaign.note()
            assert booked(campaign.journal) <= Counter(dict(it.sim.look.box)), (turn, campaign.journal[-6:])
            if campaign.till.row is not None:
                campaign.settle_row()
        campaign.close()
        look = it.sim.look
        said = f"fed {campaign.fed.total()}, {dict(kinds(campaign.journal))}, {dict(campaign.accidents)}"
        assert booked(campaign.journal) == Counter(dict(look.box)), said
        assert Counter(dict(look.box)) + Counter(dict(look.handed_back)) == campaign.fed, said
        assert look.box, said
