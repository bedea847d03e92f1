"""Accidents of the house: paper out, disk full, head office gone and back, the card service restarted."""

import pytest
from stage import VENDORS, Customer, entries, nothing_is_lost, office_size

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTE_FEN = 2000
VENDOR = "nlt"


@pytest.fixture
def sold_at(stage):
    world, power = stage(VENDORS[VENDOR])
    power.start()
    return world, power, Customer(world, world.cards[0], (NOTE_FEN,))


def test_no_cash_is_taken_without_paper(sold_at):
    world, _, customer = sold_at
    world.printer.paper_out()
    world.wait_until(lambda: "V-422" in customer.eyes.page, 20, "the word that there is no paper")
    assert not world.look.open_for_fen
    world.printer.refill()
    assert customer.visit() == "done-zh-CN"
    assert nothing_is_lost(world, customer.card) == 0


def test_the_paper_ends_in_the_middle_of_the_slip(sold_at):
    world, _, customer = sold_at
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN)
    world.printer.paper_out(rows_left=300)
    assert customer.visit() == "done-V-422-zh-CN"
    assert nothing_is_lost(world, customer.card) == 0
    assert entries(world)[-1].kind in ("receipt.failed", "device.down")


def test_the_disk_is_full_when_a_note_lies_in_escrow(sold_at):
    world, power, customer = sold_at
    customer.visit(may_end=lambda: bool(world.look.open_for_fen))
    power.full.touch()
    assert world.feed(NOTE_FEN)
    world.wait_until(lambda: "L-502" in customer.eyes.page, 20, "the word that nothing can be recorded")
    world.wait_until(lambda: bool(world.look.handed_back), 20, "the note to come back")
    power.full.unlink()
    assert customer.visit() == "done-zh-CN"
    assert customer.paid_fen == NOTE_FEN
    assert nothing_is_lost(world, customer.card) == 0


def test_the_disk_is_full_when_the_card_is_to_be_written(sold_at):
    world, power, customer = sold_at
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN and bool(world.look.open_for_fen))
    power.full.touch()
    customer.visit(may_end=lambda: "L-502" in customer.eyes.page)
    assert card_is_as_before(customer)
    power.full.unlink()
    assert customer.visit() == "done-zh-CN"
    assert nothing_is_lost(world, customer.card) == 0


def card_is_as_before(customer):
    return customer.card.reading().count == 0


def test_head_office_is_gone_and_comes_back(sold_at):
    world, _, customer = sold_at
    world.office.pull_plug()
    assert customer.visit() == "done-zh-CN"
    world.open_office()
    world.wait_until(lambda: office_size(world) >= len(entries(world)), 40, "every entry at head office")
    assert nothing_is_lost(world, customer.card) == 0


def test_the_card_service_restarts_in_mid_visit(sold_at):
    world, _, customer = sold_at
    customer.visit(may_end=lambda: customer.paid_fen == NOTE_FEN)
    world.slot.remove()
    world.pcscd.restart()
    world.inserted = None
    assert customer.visit() == "done-zh-CN"
    assert nothing_is_lost(world, customer.card) == 0
