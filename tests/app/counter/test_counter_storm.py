"""A storm at the counter: orders, torn writes, power cuts, a full disk, the meter and the kiosk in any order."""

import contextlib
import random

import pytest
from counter_world import KEY, UNCHANGED, UNKNOWN, Desk, KioskVisit, PowerCut, assert_head_office_agrees, reverse

from kiosk.drivers.answer import DriverRefusal
from kiosk.drivers.contract import DriverError
from kiosk.model.card import CardKind
from kiosk.model.errors import KioskError
from kiosk.sale import events as on

pytestmark = pytest.mark.slow
TEARS = (
    *("", "", "", "", "before", "after", "power"),
    DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN),
    DriverRefusal(DriverError.WRITE_FAILED, "as before", UNCHANGED),
)


class Storm:
    def __init__(self, desk, seed):
        self.desk, self.dice, self.metered = desk, random.Random(seed), 0
        desk.plastic.open()

    def blow(self):
        desk, dice = self.desk, self.dice
        desk.plastic.tears = [dice.choice(TEARS), dice.choice(TEARS)] if dice.random() < 0.5 else []
        desk.cut_before = dice.randrange(2) if dice.random() < 0.2 else None
        desk.full_at = dice.randrange(2) if dice.random() < 0.1 else None
        try:
            dice.choice((self.buy, self.buy, self.reverse, self.reverse, self.meter, self.kiosk, self.clear))()
        except PowerCut:
            desk.restart()
        except (KioskError, ValueError):
            pass  # refused, or the disk was full: the next order finds what that left
        desk.plastic.tears, desk.cut_before, desk.full_at = [], None, None
        if desk.plastic.kind is CardKind.BLANK:
            desk.plastic.open()

    def buy(self):
        self.desk.card("purchase", fen=self.dice.choice((1000, 2000, 5000)), bag="B1")

    def reverse(self):
        reverse(self.desk)

    def clear(self):
        self.desk.card("clear")

    def meter(self):
        plastic = self.desk.plastic
        self.metered, plastic.taken = self.metered + plastic.credit, plastic.last
        plastic.waiting.clear()

    def kiosk(self):
        self.desk.plastic.tears = [tear for tear in self.desk.plastic.tears if tear != "power"]
        self.desk.cut_before = self.desk.full_at = None
        visit = KioskVisit(self.desk)
        if self.dice.random() < 0.5:
            visit.say(on.Continue(), on.ChooseAmount(5000)).say(on.NoteEscrowed(5000))
        visit.say(on.TimerFired("visit")).say(on.TimerFired("visit"))
        self.desk.restart()

    def calm(self):
        """The kiosk settles what it can; reversals that have no end are given again."""
        for _ in range(3):
            KioskVisit(self.desk).say(on.TimerFired("visit")).say(on.TimerFired("visit"))
            self.desk.restart()
            for key in self.desk.unfinished.reversals(*KEY):
                with contextlib.suppress(KioskError):  # the meter has it
                    reverse(self.desk, count=key[4])


@pytest.mark.parametrize("seed", range(60))
def test_what_was_paid_is_on_the_card_in_the_meter_or_back_in_the_customers_hand(tmp_path, seed):
    desk = Desk(tmp_path)
    storm = Storm(desk, seed)
    for _ in range(storm.dice.randrange(4, 18)):
        storm.blow()
    storm.calm()
    money = desk.balance("cash:bag:B1") + desk.balance("cash:box")
    assert money == -desk.balance("sold:0001") == desk.plastic.credit + storm.metered
    assert desk.balance("owed:0001:1001") == 0 and not desk.unfinished.reversals(*KEY)
    assert_head_office_agrees(desk)
    desk.journal.close()
