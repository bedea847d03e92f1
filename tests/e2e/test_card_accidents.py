"""Accidents of the card: pulled in mid-write and brought back, brought back another day, or not this one."""

import pytest
from stage import PLAYED, VENDORS, Customer, entries, nothing_is_lost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTE_FEN = 2000
# what a torn write leaves where a card is not written byte by byte: an erased page, erased words, a block of garbage
COARSE = [("hld", 7), ("axn", 7), ("mfc", 7)]


def kinds(world):
    return [entry.kind for entry in entries(world)]


@pytest.mark.parametrize(
    ("vendor", "torn_after"), [*((vendor, after) for vendor in PLAYED for after in (0, 7, 20)), *COARSE]
)
def test_the_card_is_pulled_in_mid_write_and_put_back(stage, vendor, torn_after):
    world, power = stage(VENDORS[vendor])
    (card,) = world.cards
    power.start()
    customer = Customer(world, card, (NOTE_FEN,))
    tear(world, customer, torn_after)
    last = customer.visit()
    assert last == "done-zh-CN"
    assert any(page.startswith("put-back") for page in customer.pages)
    assert nothing_is_lost(world, card) == 0
    assert "write.failed" in kinds(world)


def tear(world, customer, torn_after):
    """The customer's card, in the slot, will die under the write: its bytes are counted from here, once."""
    customer.visit(may_end=lambda: world.inserted is not None)
    world.tear_write(torn_after)


@pytest.mark.parametrize("vendor", PLAYED)
def test_the_customer_walks_off_with_the_torn_card_and_comes_back_the_next_day(stage, vendor):
    world, power = stage(VENDORS[vendor], changes="away_ms = 2500\ndone_ms = 4000")
    (card,) = world.cards
    power.start()
    customer = Customer(world, card, (NOTE_FEN,))
    tear(world, customer, 7)
    customer.visit(may_end=lambda: customer.eyes.page.startswith("put-back"))
    world.pull()
    world.wait_until(lambda: customer.eyes.page.startswith("done-doubt"), 20, "the page that names the debt")
    assert nothing_is_owed_but(world, NOTE_FEN)
    world.wait_until(lambda: customer.eyes.page.startswith("attract"), 20, "the kiosk to be free again")
    again = Customer(world, card, ())
    assert again.visit() == "done-zh-CN"
    assert nothing_is_lost(world, card) == 0


def nothing_is_owed_but(world, fen):
    closed = [entry for entry in entries(world) if entry.kind == "sale.closed"][-1]
    return closed.data["kept"] == -fen and closed.data["doubt"]


def test_another_card_is_put_in_while_money_waits_for_the_first(stage):
    world, power = stage(*(VENDORS[name] for name in PLAYED))
    mine, other = world.cards
    power.start()
    customer = Customer(world, mine, (NOTE_FEN,))
    tear(world, customer, 7)
    customer.visit(may_end=lambda: customer.eyes.page.startswith("put-back"))
    before = other.chip.image()
    world.insert(other)
    world.wait_until(lambda: "other-card" in customer.eyes.page, 20, "the word that this is not the card")
    assert other.chip.image() == before
    world.pull()
    assert customer.visit() == "done-zh-CN"
    assert nothing_is_lost(world, mine) == 0
