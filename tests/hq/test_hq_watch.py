"""Alarms that time brings: silence, entries that do not come; one each, and over by themselves."""

import pytest
from fakes import ORIGIN, Terminal

from kiosk.hq.enrol import change
from kiosk.hq.tables import Alarm

HOUR = 3_600_000
SILENT = 36 * HOUR
GAP = 6 * HOUR


def look(hq, later=0):
    """The clerk's look at the clock, so much later; (what, ended) of every alarm."""
    hq.clock.ms += later
    for _ in range(2):  # one alarm, however often it is looked at
        hq.app.state.clerk.look()
    rows = Alarm.select().order_by(Alarm.id).execute(hq.store.database)
    return [(row.what, row.ended_ms) for row in rows]


def word(hq, terminal):
    assert hq.post(terminal, terminal.batch(len(terminal.entries))).status_code == 200


def test_silence_is_one_alarm_and_ends_with_the_next_word(hq, terminal):
    hq.post(terminal, terminal.batch())
    assert look(hq, SILENT) == []
    assert look(hq, 1) == [("silent", 0)]
    assert look(hq, 1000 * HOUR) == [("silent", 0)]
    word(hq, terminal)
    spoke = hq.clock.ms
    assert look(hq, 20_000) == [("silent", spoke)]
    assert look(hq, SILENT) == [("silent", spoke), ("silent", 0)], "the next outage is an alarm of its own"


def test_a_terminal_has_an_interval_of_its_own(hq, terminal):
    hq.post(terminal, terminal.batch())
    with hq.store.turn(terminal.hash) as turn:
        turn.set(silent_after_ms=100 * HOUR)
    assert look(hq, 100 * HOUR) == []
    assert "Silent" not in hq.client.get("/?lang=en").text
    assert look(hq, 1) == [("silent", 0)]
    page = hq.client.get("/?lang=en").text
    assert ">Silent<" in page and "No contact for more than 100 hours" in page


def test_nobody_waits_for_a_blocked_log_an_old_epoch_or_one_that_never_spoke(hq, terminal):
    hq.post(terminal, terminal.batch())
    hq.enrol(Terminal(ORIGIN.replace("0007", "0009"), seed=b"NEVER USE IN A REAL SYSTEM seed3"))
    second = hq.enrol(Terminal(ORIGIN[:-1] + "2", seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    assert look(hq, SILENT + 1) == []
    hq.post(second, second.batch())
    assert look(hq, SILENT + 1) == [("silent", 0)]
    change(hq.store, second.origin, blocked=True)
    assert look(hq) == [("silent", hq.log(second).contact_ms)]


def test_entries_that_do_not_come(hq, terminal):
    terminal.grow(9)
    hq.post(terminal, terminal.batch(0, 3))
    assert hq.post(terminal, terminal.batch(9, 10)).status_code == 409
    assert look(hq, GAP) == []
    assert look(hq, 1) == [("gap", 0)]
    (alarm,) = Alarm.select().execute(hq.store.database)
    assert alarm.detail == "3 < 10"
    hq.post(terminal, terminal.batch(3, 7))
    assert look(hq) == [("gap", hq.clock.ms)], "it goes on: something came"
    ended = hq.clock.ms
    assert look(hq, GAP + 1) == [("gap", ended), ("gap", 0)]
    hq.post(terminal, terminal.batch(7))
    assert look(hq) == [("gap", ended), ("gap", hq.clock.ms)]


def test_catching_up_is_no_gap(hq, terminal):
    terminal.grow(30)
    assert hq.post(terminal, terminal.batch(29)).status_code == 409
    for first in range(0, 31, 3):
        assert look(hq, GAP - 1) == []
        assert hq.post(terminal, terminal.batch(first, min(first + 3, 31))).status_code == 200


def test_a_quarantine_ends_when_a_person_lifts_it(hq, terminal):
    terminal.grow(2)
    hq.post(terminal, terminal.batch())
    twin = Terminal().open().append(version="2", unclean=True)
    assert hq.post(terminal, twin.batch()).status_code == 422
    assert look(hq) == [("quarantine", 0)]
    change(hq.store, ORIGIN, quarantined=False)
    assert look(hq, 5) == [("quarantine", hq.clock.ms)]


@pytest.mark.parametrize(("lang", "goes_on", "ended"), [("en", "goes on", "ended 20"), ("zh-CN", "持续中", "已结束")])
def test_the_first_page_shows_what_goes_on_before_what_is_over(hq, terminal, lang, goes_on, ended):
    hq.post(terminal, terminal.batch())
    other = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    hq.post(other, other.batch())
    look(hq, SILENT + 1)
    word(hq, other)
    look(hq)
    table = hq.client.get(f"/?lang={lang}").text.split('id="alarms"')[1]
    assert table.count(f">{goes_on}<") == 1 and table.count(ended) == 1
    assert table.index(f">{goes_on}<") < table.index(ended)
