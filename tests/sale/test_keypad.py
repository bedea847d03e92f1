"""A customer without a card: digits that are made once, recorded before they are seen, and never lost."""

from dataclasses import replace

import pytest
from world import VENDOR, PowerCut, World, digits_for

from kiosk.model.card import KeypadCustomer
from kiosk.sale import events as on
from kiosk.sale.view import Screen, view

KEYPAD_VENDOR = replace(VENDOR, code="0009", keypad=True, may_stack=False)
WHO = KeypadCustomer("0009", "30000001", "71000001", "420100", 4)
KEY = ("0009", "30000001", "71000001")


def world(**changes):
    made = World(vendor=KEYPAD_VENDOR, **changes)
    made.customers = {WHO.customer: WHO}
    return made


def visit(made, *notes, number="30000001", fen=10_000):
    made.say(on.AskNumber(), on.GiveNumber(number)).say(on.Continue(), on.ChooseAmount(fen))
    for note in notes:
        made.feed(note)
    return made


def recorded(made):
    return [entry.data["token"] for entry in made.entries if entry.data.get("token")]


def test_from_the_number_to_the_digits():
    made = world()
    assert view(made.state).may_enter_number
    made.say(on.AskNumber())
    assert view(made.state).screen is Screen.NUMBER
    made.say(on.GiveNumber("30000001"))
    shown = view(made.state)
    assert (shown.screen, shown.keypad, shown.reading.meter, shown.token) == (Screen.ACCOUNT, True, "71000001", "")
    made.say(on.Continue(), on.ChooseAmount(10_000)).feed(10_000)
    shown = view(made.state)
    assert (shown.screen, shown.token) == (Screen.DONE, digits_for(made.asked[0]))
    assert recorded(made) == [shown.token] == [made.slips[0].sale.token]
    assert made.asked[0].order.count == 5 and made.asked[0].order.amount_fen == 10_000
    assert made.balance("sold:0009") == -10_000 and made.balance("owed:") == 0


def test_the_digits_stand_in_the_ledger_before_anybody_sees_them():
    made = world()
    seen = []
    commit = made._Record
    made._Record = lambda effect: (seen.append(view(made.state).token), commit(effect))
    visit(made, 10_000)
    assert recorded(made) and all(token in ("", *recorded(made)) for token in seen)
    kinds = [entry.kind for entry in made.entries]
    assert kinds.index("write.done") < kinds.index("sale.closed")


def test_the_next_purchase_has_the_next_count_and_a_later_minute_and_the_last_digits_can_be_seen_again():
    made = visit(world(), 10_000)
    first = recorded(made)[0]
    made.say(on.Finish())
    made.say(on.AskNumber(), on.GiveNumber("30000001"))
    assert view(made.state).token == first and view(made.state).reading.count == 5
    made.say(on.Continue(), on.ChooseAmount(10_000)).feed(10_000)
    assert [each.order.count for each in made.asked] == [5, 6]
    assert [each.when for each in made.asked] == ["20261124120000", "20261124120200"]
    assert len(set(recorded(made))) == 2


def test_a_later_visit_asks_with_its_own_time():
    made = visit(world(), 10_000)
    made.say(on.Finish())
    made.civil = "20261124130500"
    visit(made, 10_000)
    assert [each.when for each in made.asked] == ["20261124120000", "20261124130500"]


def test_what_the_digits_give_is_what_is_recorded_and_printed():
    made = world()
    made.gives = 20_004
    visit(made, 10_000)
    done = next(entry for entry in made.entries if entry.kind == "write.done")
    assert done.data["energy"] == 20_004 and done.data["fen"] == 10_000
    assert view(made.state).written_centi_kwh == made.slips[0].sale.written_centi_kwh == 20_004


def test_a_number_nobody_has_may_be_keyed_in_again():
    made = world().say(on.AskNumber(), on.GiveNumber("99"))
    assert (made.phase, view(made.state).notice) == ("Entering", "number-unknown")
    made.say(on.GiveNumber("30000001"))
    assert made.phase == "Account"


@pytest.mark.parametrize("number", ["", "12a", "1" * 21, "٣"])
def test_what_is_no_number_is_not_looked_up(number):
    assert world().say(on.AskNumber(), on.GiveNumber(number)).state.phase.asked == ""


def test_without_a_price_nothing_is_sold():
    made = world(price=None).say(on.AskNumber(), on.GiveNumber("30000001"))
    assert (made.phase, made.state.phase.code) == ("Refused", "C-113")


def test_a_customer_of_another_region_is_refused():
    made = world()
    made.customers = {WHO.customer: replace(WHO, region="420200")}
    made.say(on.AskNumber(), on.GiveNumber("30000001"))
    assert (made.phase, made.state.phase.code) == ("Refused", "C-103")


def test_where_no_vendor_has_keypads_there_is_no_number_to_ask_for():
    made = World().say(on.AskNumber())
    assert made.phase == "Idle" and not view(made.state).may_enter_number


def test_no_digits_the_money_is_owed_and_the_next_visit_gives_them():
    made = world()
    made.token_fails = "C-114"
    visit(made, 10_000)
    assert view(made.state).owed_fen == 10_000 and made.slips[0].code == "C-114"
    assert recorded(made) == [] and made.balance("owed:") == -10_000
    made.say(on.Finish())
    made.token_fails = ""
    made.say(on.AskNumber(), on.GiveNumber("30000001"))
    assert view(made.state).token == recorded(made)[0]
    assert made.balance("owed:") == 0 and not made.state.books.owed


def test_a_crashed_driver_is_asked_again():
    made = world()
    made.token_fails = "D-301"
    visit(made, 10_000)
    assert len(made.asked) == 3 and len({each.order.count for each in made.asked}) == 1
    assert made.balance("owed:") == -10_000


def test_a_card_put_in_meanwhile_waits():
    made = world().say(on.AskNumber(), on.GiveNumber("30000001")).say(on.Continue(), on.ChooseAmount(10_000))
    made.insert().feed(5000)
    assert made.phase == "Paying"
    made.pull().insert().feed(5000)
    assert view(made.state).screen is Screen.DONE and recorded(made)


def test_a_card_put_in_at_the_number_pad_is_read():
    made = world().say(on.AskNumber()).insert()
    assert made.phase == "Account" and not view(made.state).keypad


def test_leaving_the_number_pad():
    assert world().say(on.AskNumber(), on.Cancel()).phase == "Idle"
    assert world().say(on.AskNumber()).wait().phase == "Idle"


def effects_of_a_visit():
    made = world()
    made.cut_after = 10_000
    visit(made, 5000, 5000)
    return 10_000 - made.cut_after


@pytest.mark.parametrize("cut_at", range(effects_of_a_visit()))
def test_the_power_goes_at_each_effect_and_no_digits_are_lost_or_made_twice(cut_at):
    made = world()
    made.cut_after = cut_at
    with pytest.raises(PowerCut):
        visit(made, 5000, 5000)
    made.cut()
    for timer in ("note", "note-last", "visit"):
        made.wait(timer)
    paid = sum(made.box)
    assert made.balance("cash:box") == paid == -made.balance("sold:0009"), "paid is not in digits"
    assert made.state.books.open is None and not made.state.books.owed and not made.state.books.doubts
    assert len(recorded(made)) == (1 if paid else 0)
    by_count = {each.order.count: digits_for(each) for each in made.asked if digits_for(each) in recorded(made)}
    assert len(by_count) == len(recorded(made))
    if paid:
        made.say(on.Finish(), on.AskNumber(), on.GiveNumber("30000001"))
        assert view(made.state).token == recorded(made)[0]
        assert [slip.sale.token for slip in made.slips][-1] == recorded(made)[0]


def test_the_vendor_is_gone_after_the_power_cut_and_the_money_is_owed():
    made = world()
    made.cut_after = effects_of_a_visit() - 4
    with pytest.raises(PowerCut):
        visit(made, 5000, 5000)
    made.vendor = VENDOR
    made.cut()
    assert made.state.books.owed[KEY].fen == 10_000 and recorded(made) == []


def test_a_meter_that_moves_to_another_customer_takes_no_count_and_no_minute_twice():
    """Head office may not have our entries yet when it makes the new list."""
    made = visit(world(), 10_000)
    made.say(on.Finish())
    made.customers = {"30000009": replace(WHO, customer="30000009", count=4)}
    made.say(on.AskNumber(), on.GiveNumber("30000009"))
    assert view(made.state).token == "", "another customer's digits"
    made.say(on.Continue(), on.ChooseAmount(10_000)).feed(10_000)
    assert [(each.order.count, each.when) for each in made.asked] == [(5, "20261124120000"), (6, "20261124120200")]


@pytest.mark.parametrize("back", ["20261124110000", "20261123120000", "20120101000000"])
def test_the_clock_is_set_back_and_the_next_token_is_later_all_the_same(back):
    made = visit(world(), 10_000)
    made.say(on.Finish())
    made.civil = back
    visit(made, 10_000)
    assert [each.when for each in made.asked] == ["20261124120000", "20261124120200"]


@pytest.mark.parametrize(("listed", "next_count"), [(2, 6), (5, 6), (9, 10)])
def test_a_new_list_with_a_lower_or_higher_count_and_the_higher_one_counts(listed, next_count):
    made = visit(world(), 10_000)
    made.say(on.Finish())
    made.customers = {WHO.customer: replace(WHO, count=listed)}
    visit(made, 10_000)
    assert made.asked[-1].order.count == next_count
