"""A new epoch: what the old ledger leaves, and that the cards get it once, whichever way the old one ended."""

import random
from dataclasses import replace

import pytest
from world import BLANK, VENDOR, World

from kiosk.ledger.brought import corrections
from kiosk.ledger.carry import Carry
from kiosk.model.card import KeypadCustomer
from kiosk.sale import events as on
from kiosk.sale.books import fold
from kiosk.sale.matters import Matters
from kiosk.sale.state import Books

KEY = (VENDOR.code, "1001", "2001")


def carry_of(entries):
    carry = Carry()
    for entry in entries:
        carry.take(entry)
    return carry


def books_of(entries):
    books = Books()
    for entry in entries:
        books = fold(books, entry)
    return books


def next_epoch(world, rows):
    """The same machine, card and cash box, with a new ledger."""
    world.entries = [row.draft() for row in rows]
    world.boot()
    return world


def brought_over(world, *, sure, entries=None):
    return next_epoch(world, carry_of(entries or world.entries).rows(1, sure=sure))


def correct(world, truth):
    carry = carry_of(world.entries)
    rows = corrections(truth, carry.came, carry.held)
    world.entries += [row.draft() for row in rows]
    return rows


def owing(world=None):
    """A kiosk that took 50 yuan and could not write them."""
    world = world or World()
    world.write_fails = True
    world.buy(5000, 5000)
    world.write_fails = False
    assert world.state.books.owed[KEY].fen == 5000
    world.pull()
    return world


def test_a_debt_and_the_cash_go_over_and_the_books_balance():
    rows = carry_of(owing().entries).rows(1, sure=True)
    assert {row.account: row.fen for row in rows} == {"owed:0001:1001": -5000, "cash:box": 5000}
    (debt,) = [row for row in rows if row.key == KEY]
    assert (debt.region, debt.centi_kwh, debt.bound) == ("420100", 8928, None)
    for row in rows:
        assert sum(fen for _, fen in row.draft().post) == 0


@pytest.mark.parametrize("sure", [True, False])
def test_the_card_gets_it_at_its_next_visit_once(sure):
    world = brought_over(owing(), sure=sure)
    world.insert()
    assert world.card.credited == {4: (world.card.reading.sale, 5000)}
    world.pull().insert()
    assert len(world.card.credited) == 1 and world.phase == "Account"
    world.check()
    agree(world.entries)


def test_a_debt_that_the_lost_tail_paid_is_not_paid_again():
    world = owing()
    known = list(world.entries)
    world.insert().pull()  # the old kiosk writes it, and head office never hears of it
    assert world.card.reading.count == 4
    brought_over(world, sure=False, entries=known)
    world.insert()
    assert len(world.card.credited) == 1 and world.phase == "Account"
    assert world.state.books.held[KEY].fen == 5000
    world.say(on.Continue(), on.ChooseAmount(5000)).feed(5000)
    agree(world.entries)
    assert world.card.credited[5][1] == 5000, "what is held is not written along with a purchase"


def test_what_is_held_is_on_the_list_of_the_people():
    world = brought_over(owing(), sure=False)
    matters = Matters()
    for number, draft in enumerate(world.entries):
        matters.see(_numbered(number, draft))
    (held,) = [matter for matter in matters.list() if matter.what == "held"]
    assert (held.fen, held.customer, held.count) == (5000, "1001", 3)


def _numbered(number, draft):
    from kiosk.ledger.entry import Entry

    return Entry(number, 0, 1, draft.kind, draft.sale, draft.post, draft.data)


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("sure", [True, False])
def test_a_write_whose_end_nobody_knows_is_decided_by_the_card(sure, lands):
    world = World()
    world.insert().say(on.Continue(), on.ChooseAmount(5000))
    world.tear_next, world.lands = True, lands
    world.feed(5000)
    cut = [entry for entry in world.entries if entry.kind not in ("write.done", "sale.closed", "receipt.printed")]
    cut = cut[: [entry.kind for entry in cut].index("write.intended") + 1]
    world.inserted = False
    world.card.credited = {count: row for count, row in world.card.credited.items() if lands and count == 4}
    if not lands:
        world.card.reading = BLANK
    else:
        world.card.reading = replace(world.card.reading, count=4)
    brought_over(world, sure=sure, entries=cut)
    assert world.state.books.doubts[KEY].count == 4
    world.insert()
    assert len(world.card.credited) == 1 and not world.state.books.owed and not world.state.books.doubts


def test_a_customer_without_a_card_is_held_until_somebody_knows():
    world = World(vendor=replace(VENDOR, keypad=True))
    world.customers["1001"] = KeypadCustomer("0001", "1001", "2001", "420100", 3)
    rows = carry_of(owing().entries).rows(1, sure=False)
    next_epoch(world, rows)
    world.say(on.AskNumber(), on.GiveNumber("1001"))
    assert world.asked == [] and world.state.books.held[KEY].fen == 5000


def by_number(world):
    world.say(on.AskNumber(), on.GiveNumber("1001")).say(on.Continue(), on.ChooseAmount(5000)).feed(5000)


def test_the_next_token_of_a_meter_has_a_count_above_the_last_ones_of_the_old_ledger():
    world = World(vendor=replace(VENDOR, keypad=True))
    world.customers["1001"] = KeypadCustomer("0001", "1001", "2001", "420100", 3)
    for _ in range(2):
        by_number(world)
        world.wait()
    assert [asked.order.count for asked in world.asked] == [4, 5]
    brought_over(world, sure=True)
    agree(world.entries)
    brought_over(world, sure=True)
    by_number(world)
    assert world.asked[-1].order.count == 6


def test_a_token_that_the_lost_tail_may_have_shown_is_not_made_again():
    world = World(vendor=replace(VENDOR, keypad=True))
    world.customers["1001"] = KeypadCustomer("0001", "1001", "2001", "420100", 3)
    by_number(world)
    cut = world.entries[: [entry.kind for entry in world.entries].index("write.intended") + 1]
    brought_over(world, sure=False, entries=cut)
    world.say(on.AskNumber(), on.GiveNumber("1001"))
    assert len(world.asked) == 1 and world.state.books.held[KEY].fen == 5000


def test_the_old_ledger_is_found_and_the_debt_was_paid_in_its_tail():
    world = owing()
    known = carry_of(world.entries).rows(1, sure=False)
    world.insert().pull()
    truth = carry_of(world.entries).rows(1, sure=True)
    next_epoch(world, known)
    correct(world, truth)
    world.boot()
    assert not world.state.books.held and not world.state.books.owed
    assert world.balance("owed:") == 0
    assert correct(world, truth) == [], "a second time there is nothing to do"


def test_the_old_ledger_is_found_and_says_that_the_debt_stands():
    world = owing()
    rows = carry_of(world.entries)
    truth, known = rows.rows(1, sure=True), carry_of(world.entries).rows(1, sure=False)
    next_epoch(world, known)
    world.card.reading = replace(world.card.reading, count=9)  # bought at another kiosk meanwhile
    world.insert()
    assert not world.card.credited
    world.pull()
    correct(world, truth)
    world.boot()
    assert world.state.books.owed[KEY].fen == 5000
    world.insert()
    assert world.card.credited[10][1] == 5000 and world.balance("owed:") == 0


def test_a_debt_that_only_the_tail_knew_is_brought_by_the_correction():
    world = World()
    known = carry_of(world.entries).rows(1, sure=False)
    owing(world)
    truth = carry_of(world.entries).rows(1, sure=True)
    next_epoch(world, known)
    correct(world, truth)
    world.boot()
    assert world.state.books.owed[KEY].fen == 5000 and world.balance("cash:box") == 5000


def test_what_was_brought_and_not_paid_goes_over_a_second_time():
    world = brought_over(owing(), sure=False)
    again = carry_of(world.entries).rows(2, sure=True)
    assert {(row.account, row.fen, row.bound) for row in again} == {
        ("owed:0001:1001", -5000, 3),
        ("cash:box", 5000, None),
    }
    next_epoch(world, again).insert()
    assert len(world.card.credited) == 1


@pytest.mark.parametrize("seed", range(60))
def test_the_ledgers_own_fold_agrees_with_the_sales_books(seed):
    """Whatever people, notes, cards and power cuts do; also in the middle of a sale."""
    rng = random.Random(seed)
    world = World()
    for _ in range(25):
        deed = rng.choice(["buy", "pull", "feed", "fail", "tear", "wait", "cut", "insert", "voucher", "epoch"])
        if deed == "buy":
            world.insert().say(on.Continue(), on.ChooseAmount(rng.choice([2000, 5000])))
        elif deed == "feed":
            world.feed(rng.choice([1000, 2000, 5000]))
        elif deed == "fail":
            world.write_fails = not world.write_fails
        elif deed == "tear":
            world.tear_next, world.lands = True, rng.random() < 0.5
        elif deed == "wait":
            world.wait(rng.choice(["visit", "note", "read"]))
        elif deed == "voucher":
            world.say(on.TakeVoucher())
        elif deed == "epoch" and rng.random() < 0.3 and world.state.books.open is None and world.escrow is None:
            brought_over(world, sure=rng.random() < 0.5)
        else:
            getattr(world, deed if deed in ("pull", "cut", "insert") else "cut")()
        agree(world.entries)


def agree(entries):
    books, carry = books_of(entries), carry_of(entries)
    if books.open is None:
        rows = carry.rows(1, sure=True)
        owed: dict = {}
        for row in rows:
            if row.fen and row.key[0] and row.bound is None:
                fen, energy = owed.get(row.key, (0, 0))
                owed[row.key] = (fen - row.fen, energy + row.centi_kwh)
        assert owed == {key: (each.fen, each.centi_kwh) for key, each in books.owed.items()}
        held = {row.key: (-row.fen, row.bound) for row in rows if row.bound is not None}
        assert held == {key: (each.fen, each.count) for key, each in books.held.items()}
        doubts = {row.key: (row.doubt.sale, row.doubt.count, -row.fen) for row in rows if row.doubt}
        assert doubts == {key: (each.sale, each.count, each.amount_fen) for key, each in books.doubts.items()}
        assert not [row for row in rows if row.account.startswith("owed:") and not row.key[0]], "a debt without a card"
