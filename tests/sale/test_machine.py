from dataclasses import replace

import pytest
from world import BLANK, PRICE, VENDOR, World

from kiosk.billing.quote import energy_for
from kiosk.model.card import CardKind, PurchaseState
from kiosk.model.money import Money
from kiosk.sale import events as on
from kiosk.sale.view import Screen, view


def test_a_visit_card_in_paid_written_slip_card_out():
    world = World().buy(10_000, 5000, 5000)
    assert world.phase == "Done"
    assert world.card.credit_fen == 10_000 and world.card.reading.count == 4
    assert world.slips[0].sale.written_centi_kwh == energy_for(Money(10_000), PRICE).centi_kwh
    shown = view(world.state)
    assert (shown.screen, shown.written_fen, shown.slip) == (Screen.DONE, 10_000, True)
    world.pull().wait()
    assert world.phase == "Idle"
    kinds = [entry.kind for entry in world.entries]
    assert kinds == [
        "sale.opened",
        *["note.escrowed", "note.accepted", "note.stacked"] * 2,
        "write.intended",
        "write.done",
        "sale.closed",
        "receipt.printed",
    ]
    world.check()


def test_finishing_early_writes_what_is_paid():
    world = World().buy(10_000, 2000).say(on.Finish())
    assert world.card.credit_fen == 2000
    world.check()


def test_a_note_that_would_pass_the_limit_comes_back_and_nothing_is_booked():
    world = World().buy(5000, 2000)
    world.feed(5000)
    assert world.handed_back == [5000] and world.box == [2000]
    world.escrow = 5000  # one that was on its way before the limit fell
    world.say(on.NoteEscrowed(5000))
    assert world.handed_back == [5000, 5000]
    assert view(world.state).notice in ("over-limit", "note-returned")
    world.check()


def test_once_money_is_in_there_is_no_cancel_and_a_time_out_writes_it():
    world = World().buy(10_000, 2000).say(on.Cancel())
    assert world.phase == "Paying" and not view(world.state).may_cancel
    world.wait()
    assert world.card.credit_fen == 2000 and world.phase == "Done"
    world.check()


def test_leaving_before_the_first_note_closes_the_sale_without_a_slip():
    world = World().buy(10_000).say(on.Cancel())
    assert world.phase == "Leftover" and world.slips == []
    assert world.entries[-1].kind == "sale.closed"
    assert world.pull().phase == "Idle"


def test_without_paper_no_note_is_taken():
    world = World()
    world.paper = False
    world.insert().say(on.Continue(), on.ChooseAmount(5000))
    assert world.phase == "Refused" and view(world.state).code == "V-422"
    assert world.enabled == frozenset()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"region": "330100"}, "C-103"),
        ({"kind": CardKind.BLANK}, "C-104"),
        ({"kind": CardKind.SET}, "C-104"),
        ({"customer": ""}, "C-104"),
    ],
)
def test_a_card_that_is_not_ours_is_refused_with_the_reason_and_nothing_is_written(changes, code):
    world = World()
    world.card.reading = replace(BLANK, **changes)
    world.insert()
    assert world.phase == "Refused" and view(world.state).code == code
    assert world.entries == []


def test_a_vendor_without_a_price_sells_nothing():
    world = World(price=None).insert()
    assert view(world.state).code == "C-113"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": PurchaseState.PENDING}, "C-105"),
        ({"state": PurchaseState.UNKNOWN}, "C-107"),
        ({"hoard_limit": 10_000, "remaining": 9_950}, "C-110"),
    ],
)
def test_a_card_that_cannot_be_bought_on_is_shown_but_takes_no_money(changes, code):
    world = World(vendor=replace(VENDOR, may_stack=False))
    world.card.reading = replace(BLANK, **changes)
    world.insert().say(on.Continue())
    assert world.phase == "Account" and view(world.state).code == code


def test_a_write_that_failed_unchanged_is_tried_again_and_then_owed():
    world = World()
    world.write_fails = True
    world.buy(5000, 5000)
    assert world.phase == "Done" and view(world.state).why == "owed"
    assert [e.data["attempt"] for e in world.entries if e.kind == "write.intended"] == [1, 2, 3]
    assert world.entries[-2].data["kept"] == -5000
    world.check()
    world.write_fails = False
    world.say(on.Cancel()).pull().wait()
    world.insert()
    assert world.card.credit_fen == 5000 and view(world.state).why == "done"
    assert world.entries[-2].data["kept"] == 5000
    assert world.balance("owed:") == 0
    world.check()


@pytest.mark.parametrize("lands", [True, False])
def test_a_torn_write_is_settled_by_reading_the_card(lands):
    world = World()
    world.tear_next, world.lands = True, lands
    world.buy(5000, 5000)
    assert world.phase == "Done" and world.card.credit_fen == 5000
    assert [e.data["how"] for e in world.entries if e.kind == "write.done"] == ["found" if lands else "written"]
    world.check()


@pytest.mark.parametrize("lands", [True, False])
def test_a_card_torn_out_in_mid_write_and_never_shown_ends_in_doubt_and_its_next_visit_decides(lands):
    world = World()
    world.buy(5000)
    world.tear_next, world.lands = True, lands
    world.state = world.state  # the card goes while the driver writes
    original = world._WriteCard

    def torn(effect):
        original(effect)
        world.inserted = False
        world.queue.insert(0, on.CardRemoved(world.session))

    world._WriteCard = torn
    world.feed(5000)
    assert world.phase == "Away" and "5000" in str(view(world.state).paid_fen)
    world.wait()
    assert view(world.state).why == "doubt" and view(world.state).owed_fen == 5000
    assert world.entries[-2].data["doubt"] is True
    world.check()
    world._WriteCard = original
    world.wait()
    world.insert()
    assert world.card.credit_fen == 5000 and world.phase == "Done"
    assert view(world.state).why == ("found" if lands else "done")
    assert not world.state.books.doubts and not world.state.books.owed
    world.check()


def test_the_card_taken_out_while_paying_may_come_back_and_go_on():
    world = World().buy(10_000, 5000).pull()
    assert view(world.state).screen is Screen.PUT_BACK
    world.insert()
    assert world.phase == "Paying" and world.enabled
    world.feed(5000)
    assert world.card.credit_fen == 10_000
    world.check()


def test_another_card_does_not_get_the_credit():
    world = World().buy(10_000, 5000).pull()
    mine = world.card.reading
    world.card.reading = replace(mine, customer="9999")
    world.insert()
    assert world.phase == "Away" and view(world.state).notice == "other-card"
    world.pull().wait()
    assert view(world.state).why == "owed" and world.card.credit_fen == 0
    world.check()


def test_a_purchase_of_another_office_under_our_count_is_not_taken_for_ours():
    world = World()
    world.tear_next, world.lands = True, False
    world.buy(5000)
    original = world._WriteCard

    def torn(effect):
        original(effect)
        world.inserted = False
        world.queue.insert(0, on.CardRemoved(world.session))

    world._WriteCard = torn
    world.feed(5000).wait()
    world._WriteCard = original
    world.card.reading = replace(world.card.reading, count=4, sale=bytes([9]) * 16, amount_fen=700)
    world.wait()
    world.insert()
    assert world.card.reading.count == 5 and world.card.credit_fen == 5000
    world.check()


def test_a_stacked_note_reported_again_is_not_credited_again():
    world = World().buy(10_000, 5000)
    world.say(on.NoteStacked(5000))
    assert world.balance("cash:box") == 5000 and world.entries[-1].kind == "note.repeated"


def test_a_note_nobody_asked_for_is_booked_as_unassigned():
    world = World().say(on.NoteStacked(2000))
    assert world.entries[-2].post == (("cash:box", 2000), ("unassigned", -2000))


def test_a_full_disk_takes_no_note_and_goes_on_when_there_is_room():
    world = World().buy(10_000, 5000)
    world.disk_full = True
    world.feed(2000)
    assert world.handed_back == [2000] and world.enabled == frozenset()
    assert view(world.state).screen is Screen.OUT_OF_SERVICE and view(world.state).paid_fen == 5000
    world.wait("ledger")
    assert view(world.state).code == "L-502"
    world.disk_full = False
    world.wait("ledger")
    assert world.phase == "Paying"
    world.say(on.Finish())
    assert world.card.credit_fen == 5000
    world.check()


def test_a_card_pulled_while_the_disk_is_full_is_gone_when_there_is_room_again():
    world = World().insert().say(on.Continue(), on.ChooseAmount(5000))
    world.disk_full = True
    world.pull()
    assert world.state.session is None and world.state.card is None
    world.disk_full = False
    world.wait("ledger")
    assert view(world.state).screen is Screen.ATTRACT, "nobody is asked to take a card that is not there"


def test_a_device_that_goes_down_while_the_disk_is_full_is_down():
    world = World().insert().say(on.Continue(), on.ChooseAmount(5000))
    world.disk_full = True
    world.say(on.DeviceDown("printer", "V-422"))
    world.disk_full = False
    world.wait("ledger")
    assert world.state.down == {"printer": "V-422"}


def test_a_disk_that_fills_between_stacking_and_crediting_loses_nothing():
    world = World().buy(10_000)
    stack = world._StackNote

    def full(effect):
        stack(effect)
        world.disk_full = True

    world._StackNote = full
    world.feed(5000)
    assert world.box == [5000] and world.balance("cash:box") == 0
    world.disk_full = False
    world.wait("ledger").say(on.NoteStacked(5000))
    assert world.balance("cash:box") == 5000
    world.check()


def test_a_note_the_acceptor_lost_is_named_for_a_person_and_on_the_slip():
    world = World().buy(10_000, 2000)
    world._StackNote = lambda effect: setattr(world, "escrow", None)
    world.feed(5000)
    world.say(on.DeviceDown("acceptor", "V-412")).wait("note").wait("note-last")
    assert "note.lost" in [e.kind for e in world.entries]
    world.say(on.Finish())
    assert world.slips[0].sale.lost_fen == 5000 and world.card.credit_fen == 2000


@pytest.mark.parametrize("event", [on.Continue(), on.ChooseAmount(5000), on.Finish(), on.Cancel(), on.PaperReady()])
def test_a_press_that_nobody_waits_for_changes_nothing(event):
    world = World()
    before = world.state
    world.say(event)
    assert world.state == before
