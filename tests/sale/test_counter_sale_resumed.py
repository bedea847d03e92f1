"""A sale at the counter that was cut off, at the next start of the kiosk: settled by the card, and no note is taken."""

from dataclasses import replace

import pytest
from world import BLANK, PRICE, VENDOR, World

from kiosk.ledger.entry import Draft
from kiosk.model.card import WriteOrder
from kiosk.sale import entries
from kiosk.sale.state import Card

OWED = "owed:0001:1001"


def cut_off(made, sale=b"counter's sale 1", fen=2000):
    """What the counter commits before it calls the driver."""
    reading = made.card.reading
    order = WriteOrder(sale, "1001", "2001", "420100", reading.count + 1, fen, 3571)
    post = (("cash:bag:B1", fen), (OWED, -fen))
    made.entries += [
        entries.sale_opened(sale, Card(-1, VENDOR, reading, PRICE), fen, 0),
        Draft("counter.paid", sale, post, {"fen": fen, "bag": "B1", "operator": "Li Si"}),
        entries.write_intended(order, 1),
    ]
    return order


def assert_settled(made, fen):
    assert made.state.books.open is None and not made.state.books.owed and not made.state.books.doubts
    assert made.balance("cash:bag:B1") == fen and made.balance(OWED) == 0
    assert made.balance("cash:box") == sum(made.box) and not made.enabled


@pytest.mark.parametrize("written", [True, False])
def test_settled_by_what_the_card_says(written):
    made = World()
    order = cut_off(made)
    if written:
        made.card.write(order)
    made.cut()
    made.insert()
    assert made.phase == "Done" and made.card.credit_fen == 2000 and made.slips[-1].sale.notes == (2000,)
    assert_settled(made, 2000)


def test_the_card_does_not_come_back_and_the_money_stays_owed():
    made = World()
    cut_off(made)
    made.cut()
    made.wait()
    assert made.balance(OWED) == -2000 and made.slips[-1].why == "doubt" and made.balance("cash:box") == 0
    made.insert()
    assert made.card.credit_fen == 2000
    assert_settled(made, 2000)


def test_an_older_slip_is_printed_first_and_the_sale_is_not_forgotten():
    """The counter was cut off twice: while a slip was printed, and in the middle of the next sale."""
    made = World()
    made.buy(5000, 5000)
    while made.entries[-1].kind != "sale.closed":
        made.entries.pop()
    made.card.reading = replace(made.card.reading)
    cut_off(made)
    made.inserted, made.slips = False, []
    for paper in (False, True):
        made.paper = paper
        made.cut()
        assert made.state.books.open is not None and made.phase == "Away"
    made.insert()
    assert made.card.credit_fen == 7000 and made.card.reading.count == BLANK.count + 2
    assert_settled(made, 2000)
