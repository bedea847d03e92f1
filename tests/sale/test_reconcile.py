"""The reconciliation table, a row a test: books, device and counter lose their power at any moment."""

from dataclasses import replace

import pytest
from world import World

from kiosk.model.cash import Mark
from kiosk.sale import effects as do
from kiosk.sale import entries
from kiosk.sale import events as on
from kiosk.sale.books import fold
from kiosk.sale.reconcile import TABLE, Count, Row, Said, Verdict, row_of, verdict
from kiosk.sale.state import Books, NoteRow, Rules
from kiosk.sale.view import view

NOTE = bytes(8)


def paying(row="none", total=None):
    """A sale with 20 yuan credited, and perhaps a note of 50 on its way, as the ledger tells it after a restart."""
    world = World().insert().say(on.Continue(), on.ChooseAmount(20_000))
    if total is not None:
        world.say(on.AcceptorUp("none", None, total, "A1"))
    world.feed(2000)
    if row == "none":
        return world
    sale = world.state.books.open
    world.entries.append(entries.note_escrowed(sale, NOTE, 5000))
    if row == "sent":
        world.entries.append(entries.note_accepted(sale, NOTE))
    world.boot()
    return world


def cash(world):
    """What the last entries say of cash: (kind, how or why)."""
    told = [(entry.kind, entry.data.get("how") or entry.data.get("why")) for entry in world.entries]
    return [each for each in told if each[0].startswith(("note", "events", "device.counted"))]


def test_every_row_of_the_table_is_one_of_these():
    for said in Said:
        for row in Row:
            for count in Count:
                assert isinstance(verdict(row, said, count), Verdict)
    assert len(TABLE) == 16


def test_no_row_and_an_idle_device_is_nothing():
    world = paying()
    before = list(world.entries)
    world.say(on.AcceptorUp("none"), on.AcceptorUp("validator"))
    assert world.entries == before


def test_no_row_and_a_note_in_the_box_is_unassigned_with_a_slip_of_its_own():
    world = World().say(on.AcceptorUp("stacker", 10_000))
    assert cash(world)[-1] == ("note.stacked", "unasked")
    assert world.balance("unassigned") == -10_000 and len(world.slips) == 1
    assert world.entries[-1].kind == "receipt.printed" and not world.state.books.unclaimed


def test_no_row_and_a_note_of_unknown_value_in_the_box_is_left_to_people():
    world = World().say(on.AcceptorUp("stacker"))
    assert cash(world)[-1] == ("note.unknown", None) and world.balance("cash:box") == 0


def test_no_row_and_the_last_credit_told_again_is_not_credited_twice():
    world = paying().say(on.AcceptorUp("stacker"), on.NoteStacked(2000, found=True))
    assert [kind for kind, _ in cash(world)[-2:]] == ["note.repeated"] * 2 and world.balance("cash:box") == 2000


def test_no_row_and_another_value_than_the_last_credit_is_unassigned():
    assert cash(paying().say(on.NoteStacked(5000, found=True)))[-1] == ("note.stacked", "unasked")


def test_the_last_value_again_with_one_more_on_the_counter_is_another_note():
    world = paying(total=100).say(on.AcceptorUp("none", None, 102, "A1"), on.NoteStacked(2000, found=True))
    assert cash(world)[-1] == ("note.stacked", "unasked")


@pytest.mark.parametrize(("row", "how"), [("open", "unsent"), ("sent", "credit")])
def test_a_row_and_the_credit_point_is_credited_once(row, how):
    world = paying(row).say(on.NoteStacked(5000, found=True), on.NoteStacked(5000, found=True))
    assert cash(world)[-2:] == [("note.stacked", how), ("note.repeated", None)]
    assert world.state.books.open.paid_fen == 7000


@pytest.mark.parametrize(("row", "how"), [("open", "unsent"), ("sent", "power-up")])
def test_a_row_and_in_the_stacker_at_power_up_is_credited_and_flagged(row, how):
    assert cash(paying(row).say(on.AcceptorUp("stacker")))[-1] == ("note.stacked", how)


@pytest.mark.parametrize("row", ["open", "sent"])
@pytest.mark.parametrize("event", [on.AcceptorUp("validator"), on.NoteReturned()])
def test_a_row_and_in_the_validator_or_returned_is_returned(row, event):
    world = paying(row).say(event)
    assert cash(world)[-1][0] == "note.returned" and world.state.books.open.paid_fen == 2000


def test_open_and_no_word_is_returned_for_stack_was_never_sent():
    assert cash(paying("open").wait("note-last"))[-1] == ("note.returned", "no word")


def test_sent_and_no_word_and_no_counter_is_lost_and_the_slip_says_so():
    world = paying("sent").wait("note-last")
    assert cash(world)[-1] == ("note.lost", None) and world.state.books.open.lost_fen == 5000


@pytest.mark.parametrize(("total", "last"), [(101, ("note.returned", "no word")), (102, ("note.stacked", "counted"))])
def test_sent_and_no_word_is_what_the_devices_counter_says(total, last):
    world = paying("sent", total=100).say(on.AcceptorUp("none", None, total, "A1")).wait("note")
    assert cash(world)[-1] == last


def test_a_counter_that_was_read_before_the_note_was_sent_says_nothing_of_it():
    world = paying(total=100).say(on.AcceptorUp("none", None, 101, "A1"))
    world._StackNote = lambda effect: setattr(world, "escrow", None)
    world.feed(5000).wait("note")
    assert cash(world)[-1] == ("note.lost", None)


def test_open_and_one_more_on_the_counter_is_credited_and_flagged():
    world = paying("open", total=100).say(on.AcceptorUp("none", None, 102, "A1")).wait("note")
    assert cash(world)[-1] == ("note.stacked", "unsent")


def test_what_only_the_counter_knows_is_told_to_people_once():
    world = paying("sent", total=100).say(on.AcceptorUp("none", None, 104, "A1")).wait("note")
    assert [kind for kind, _ in cash(world)[-3:]] == ["note.stacked", "events.lost", "device.counted"]
    assert world.entries[-2].data["count"] == 2
    before = list(world.entries)
    world.say(on.AcceptorUp("none", None, 104, "A1")).wait("note")
    assert world.entries == before


def test_a_credit_without_a_value_is_the_note_of_the_row_or_left_to_people():
    world = paying("sent").say(on.NoteStacked(None, found=True))
    assert cash(world)[-1] == ("note.stacked", "credit") and world.state.books.open.paid_fen == 7000
    assert cash(world.say(on.NoteStacked(None, found=True)))[-1] == ("note.repeated", None)
    assert cash(World().say(on.NoteStacked(None, found=True)))[-1] == ("note.unknown", None)


def test_a_strange_acceptors_counter_is_where_counting_begins():
    world = paying("sent", total=100).say(on.AcceptorUp("none", None, 7, "B2")).wait("note")
    assert [kind for kind, _ in cash(world)[-2:]] == ["device.counted", "note.lost"]


def test_a_credit_found_after_the_counter_had_told_of_it_is_counted_once():
    world = paying("sent", total=100).say(on.AcceptorUp("none", None, 102, "A1"), on.NoteStacked(5000, found=True))
    world.wait("note")
    assert cash(world)[-1] == ("note.stacked", "credit") and world.state.surplus == 0


def test_a_devices_own_number_tells_a_new_note_of_the_same_value_from_an_old_one():
    world = paying("sent").say(on.NoteStacked(5000, mark=Mark("A1", 3)), on.NoteStacked(5000, mark=Mark("A1", 3)))
    assert cash(world)[-1] == ("note.repeated", None)
    assert cash(world.say(on.NoteStacked(5000, mark=Mark("A1", 4))))[-1] == ("note.stacked", "unasked")
    assert world.state.books.marks["acceptor"] == Mark("A1", 4)


def test_row_of_forgets_a_credit_when_another_note_lies_in_escrow():
    books = Books(credited_fen=500, note=NoteRow(NOTE, 500, False, b""))
    assert row_of(books, 500) is Row.OPEN
    assert row_of(replace(books, note=None), 1000) is Row.NONE
    assert row_of(replace(books, note=None), None) is Row.CREDITED


# ---- coins


COINS = Rules(coins_fen=(50, 100))


def coin_sale():
    world = World(COINS)
    return world.say(on.DeviceUp("coins")).insert().say(on.Continue(), on.ChooseAmount(2000))


def test_coins_are_credited_and_bought_with():
    world = coin_sale()
    assert world.coins_enabled == {50, 100}
    for counter in range(1, 6):
        world.say(on.CoinTaken(100, mark=Mark("C7", counter)))
    assert world.state.books.open.paid_fen == 500 and world.state.books.marks["coins"] == Mark("C7", 5)
    world.say(on.CoinTaken(100, mark=Mark("C7", 5)))
    assert world.state.books.open.paid_fen == 500
    world.say(on.Finish())
    assert -world.balance("sold:") == 500


def test_a_coin_that_rolls_late_is_unassigned_with_a_slip():
    world = World(COINS).say(on.DeviceUp("coins"), on.CoinTaken(100, mark=Mark("C7", 1)))
    assert world.balance("unassigned") == -100 and len(world.slips) == 1


def test_coins_that_passed_the_limit_are_credited_still():
    world = coin_sale()
    for counter in range(1, 21):
        world.say(on.CoinTaken(100, mark=Mark("C7", counter)))
    assert -world.balance("sold:") == 2000
    world = coin_sale()
    world.feed(1000).feed(500)
    for counter in range(1, 7):
        world.say(on.CoinTaken(100, mark=Mark("C7", counter)))
    assert world.balance("cash:box") == 2100 and -world.balance("sold:") - world.balance("unassigned") == 2100


def test_a_coin_too_little_to_be_written_is_owed_and_goes_with_the_next_purchase():
    world = coin_sale().say(on.CoinTaken(50, mark=Mark("C7", 1)))
    world.wait("visit")
    key = ("0001", "1001", "2001")
    assert world.state.books.owed[key].fen == 50 and not world.card.credited
    world.pull().wait("visit").insert()
    assert world.phase == "Account"
    world.say(on.Continue(), on.ChooseAmount(2000)).feed(1000).say(on.Finish())
    assert world.card.credit_fen == 1050 and key not in world.state.books.owed
    assert world.balance("cash:box") == 1050 == -world.balance("sold:")


def test_a_kiosk_whose_coin_acceptor_has_not_spoken_sells_for_notes():
    world = World(COINS).insert().say(on.Continue(), on.ChooseAmount(2000))
    assert world.coins_enabled == frozenset() and 1000 in world.enabled and not view(world.state).takes_coins
    world.say(on.DeviceUp("coins"))
    assert world.coins_enabled == {50, 100} and view(world.state).takes_coins
    assert "device.up" not in [entry.kind for entry in world.entries], "nothing was down"


def test_a_coin_acceptor_that_fails_in_a_visit_closes_the_coins_only_and_is_told():
    world = coin_sale().say(on.CoinTaken(100, mark=Mark("C7", 1)), on.DeviceDown("coins", "V-419"))
    world.say(on.DeviceDown("coins", "V-419"))
    assert world.coins_enabled == frozenset() and 1000 in world.enabled
    world.feed(1000).say(on.DeviceUp("coins"))
    assert world.coins_enabled == {50, 100}
    told = [(entry.kind, entry.data.get("code")) for entry in world.entries if entry.kind.startswith("device.")]
    assert told == [("device.down", "V-419"), ("device.up", "V-419")]
    world.say(on.Finish())
    assert -world.balance("sold:") == 1100


def test_lost_events_and_another_device_are_told_to_people_and_the_selling_goes_on():
    world = coin_sale().say(on.EventsLost("coins", 4, Mark("C7", 9)), on.EventsLost("coins", 4, Mark("C7", 9)))
    assert [entry.kind for entry in world.entries].count("events.lost") == 1
    assert world.state.books.marks["coins"] == Mark("C7", 9) and world.phase == "Paying"


# ---- tampering


def test_tampering_stops_the_taking_of_cash_and_what_is_in_is_written():
    world = World().buy(10_000, 2000)
    world.say(on.FraudSeen("acceptor", "string"))
    assert world.enabled == frozenset() and [entry.kind for entry in world.entries][-2:] == [
        "fraud.seen",
        "device.down",
    ]
    world.say(on.NoteEscrowed(5000))
    assert isinstance(world.state.books, Books) and world.state.books.note is None
    world.say(on.Finish())
    assert -world.balance("sold:") == 2000
    world.pull().wait("visit").insert()
    assert world.phase == "Idle"
    world.wait("fraud")
    assert world.phase == "Account"


def test_a_note_that_moves_while_somebody_tampers_is_credited():
    world = paying("sent").say(on.FraudSeen("acceptor", "path"))
    assert not any(isinstance(effect, do.ReturnNote) for effect in world.effects)
    assert cash(world.say(on.NoteStacked(5000, found=True)))[-1] == ("note.stacked", "credit")


def test_every_unfit_part_stops_the_taking_of_cash_and_a_fit_one_starts_it():
    for device, code in (("printer", "V-422"), ("disk", "L-502"), ("clock", "V-431"), ("heat", "V-432")):
        world = World().buy(10_000, 2000).say(on.DeviceDown(device, code))
        assert world.enabled == frozenset(), device
        world.feed(2000)
        assert world.balance("cash:box") == 2000
        world.say(on.DeviceUp(device))
        assert world.enabled, device


def test_unclaimed_money_whose_slip_was_cut_off_gets_it_after_the_restart():
    world = World()
    world.entries.append(entries.note_unassigned(NOTE, 500))
    world.boot()
    assert len(world.slips) == 1 and fold(Books(), world.entries[-1]).unclaimed == ()
