"""Accidents of the note: in escrow, on its way, or just stacked when the power of kiosk and acceptor goes; a jam."""

import pytest
from stage import VENDORS, Customer, entries, nothing_is_lost

from kiosk.devices.acceptor.ccnet.validator import Phase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTE_FEN = 2000
VENDOR = "nlt"


def blackout(world, power, moment):
    """The power of kiosk and acceptor goes when the acceptor is so far, and comes back."""

    def goes():
        if world.look.phase is moment:
            world.acceptor.power_off()
            world.kiosk.pull_plug()
            return True
        return False

    return goes


@pytest.mark.parametrize("moment", [Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.STACKED])
def test_the_power_of_everything_goes_while_a_note_moves(stage, moment):
    world, power = stage(VENDORS[VENDOR])
    (card,) = world.cards
    power.start()
    customer = Customer(world, card, (NOTE_FEN,))
    customer.visit(may_end=blackout(world, power, moment))
    assert power.off()
    world.acceptor.power_on()
    power.start()
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    assert nothing_is_lost(world, card) == 0
    assert not [entry for entry in entries(world) if entry.kind == "note.lost"]


def test_a_note_jams_and_is_freed(stage):
    world, power = stage(VENDORS[VENDOR])
    (card,) = world.cards
    power.start()
    customer = Customer(world, card, (NOTE_FEN,))
    customer.visit(may_end=lambda: world.look.phase is Phase.STACKING and world.acceptor.jam())
    world.wait_until(lambda: "V-412" in customer.eyes.page, 20, "the word that a note is jammed")
    world.acceptor.clear_jam()
    assert customer.visit().startswith("done")
    assert customer.paid_fen == NOTE_FEN
    assert nothing_is_lost(world, card) == 0
    assert not [entry for entry in entries(world) if entry.kind == "note.lost"]


def test_a_forged_note_and_one_over_the_limit_come_back(stage):
    world, power = stage(VENDORS[VENDOR])
    (card,) = world.cards
    power.start()
    customer = Customer(world, card, (NOTE_FEN, NOTE_FEN, 1000))
    customer.visit(may_end=lambda: bool(world.look.open_for_fen))
    assert world.feed(5000, genuine=False)
    world.wait_until(lambda: "note-rejected" in customer.eyes.page, 20, "the word that the note was not taken")
    assert customer.paid_fen == 0
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and 1000 in world.look.open_for_fen)
    world.feed(5000)  # 20 of 50 yuan are in; the slot may be open for it a moment longer
    world.wait_until(lambda: 5000 not in world.look.open_for_fen and not world.look.note_fen, 20, "the limit to hold")
    assert customer.paid_fen == NOTE_FEN
    assert customer.visit() == "done-zh-CN"
    assert nothing_is_lost(world, card) == 0
