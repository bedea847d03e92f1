"""The attendant's list: nothing that a person must look after ends in silence, and nothing settled stays on it."""

from pathlib import Path

import pytest
from world import World

from kiosk.app.matters import KEYS, KINDS, TEXTS, lines, main
from kiosk.ledger.entry import Entry
from kiosk.model.cash import Mark
from kiosk.model.texts import load_texts
from kiosk.sale import events as on
from kiosk.sale.matters import ORDER, Matter, Matters

AT_MS = 1_795_564_800_000


def matters(world):
    """The list after all that the world's ledger holds."""
    list_ = Matters()
    for seq, draft in enumerate(world.entries):
        list_.see(Entry(seq, AT_MS + seq, 1, draft.kind, draft.sale, draft.post, draft.data))
    return list_.list()


def kinds(world):
    return [matter.what for matter in matters(world)]


def test_a_card_that_never_comes_back_ends_on_the_list_and_leaves_it_when_it_does():
    world = World().buy(10_000, 5000).pull()
    world.wait()
    (matter,) = matters(world)
    assert (matter.what, matter.fen, matter.customer, matter.meter, matter.code) == (
        "owed",
        5000,
        "1001",
        "2001",
        "C-202",
    )
    world.wait()
    world.insert()
    assert kinds(world) == []


def test_a_write_whose_end_nobody_knows_is_in_doubt_until_the_card_is_read():
    world = World().buy(10_000)
    world.tear_next = True
    world.feed(5000)
    original = world._ReadCard
    world._ReadCard = lambda effect: world.queue.append(on.CardRejected(effect.session, "C-201"))
    world.say(on.Finish())
    for _ in range(6):
        world.wait("read")
    world._ReadCard = original
    (matter,) = matters(world)
    assert (matter.what, matter.fen, matter.count) == ("doubt", 5000, 4)
    world.pull().wait()
    world.insert()
    assert kinds(world) == []


def test_cash_that_only_a_person_can_find_stays_on_the_list():
    world = World().say(on.AcceptorUp("stacker"), on.NoteStacked(2000), on.FraudSeen("acceptor", "string"))
    world.say(on.EventsLost("coins", 3, Mark("C7", 9)))
    assert kinds(world) == ["down", "note-unknown", "events-lost", "fraud", "unclaimed"]
    world.wait("fraud")
    assert kinds(world)[0] == "note-unknown"


def test_a_device_that_counts_anew_when_switched_on_is_listed_only_if_it_is_another_one():
    world = World().say(on.EventsLost("coins", 0, Mark("C7", 0)), on.EventsLost("coins", 0, Mark("C7", 3)))
    assert kinds(world) == []
    assert kinds(world.say(on.EventsLost("coins", 0, Mark("D8", 0)))) == ["events-lost"]


def test_a_device_that_is_down_is_listed_until_it_is_up():
    world = World().say(on.DeviceDown("printer", "V-422"))
    assert [(m.what, m.device, m.code) for m in matters(world)] == [("down", "printer", "V-422")]
    assert kinds(world.say(on.DeviceUp("printer"))) == []


def test_a_slip_that_did_not_come_out_is_listed():
    world = World().buy(10_000, 2000)
    world.paper = False
    world.say(on.Finish())
    assert kinds(world) == ["no-slip"]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_kind_has_its_words_and_what_to_do_in_both_languages(language):
    texts = load_texts(TEXTS, "matters", language)
    texts.check(KEYS)
    assert KINDS == ORDER
    list_ = [Matter(what, 7, AT_MS, 5000, "0001", "1001", "2001", "acceptor", "V-412", 4) for what in ORDER]
    told = lines(list_, texts)
    assert len(told) == 1 + 3 * len(ORDER) and all("{" not in line for line in told)
    assert texts.text("code.V-412") in told[3]  # not only where to look it up
    assert lines([], texts) == [texts.text("head.none")]


def test_a_ledger_that_is_not_there_is_asked_wrongly(tmp_path: Path, capsys):
    assert main([str(tmp_path / "ledger.db")]) == 2
    assert "L-501" in capsys.readouterr().err


def test_a_device_that_was_down_before_a_restart_is_not_told_for_ever():
    world = World()
    world.say(on.DeviceDown("printer", "V-422"))
    assert kinds(world) == ["down"]
    world.paper = False
    world.cut()
    assert kinds(world) == ["down"]
    world.paper = True
    world.cut()
    assert kinds(world) == []
    world.say(on.DeviceUp("printer"), on.DeviceDown("printer", "V-421"))
    assert [matter.code for matter in matters(world)] == ["V-421"]
