"""The list of outages: what each entry says, in the customer's two languages."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from ledger_story import StillClock, make_journal, repeated, terminal_signer

from kiosk.__main__ import _ledger
from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.outages import Outage, Outages

NOON = int(datetime(2026, 11, 25, 12, tzinfo=timezone(timedelta(hours=8))).timestamp() * 1000)
HOUR = 3_600_000


def told(*facts):
    """Facts: (ms after noon, kind, data)."""
    outages, ended = Outages(), []
    for seq, (ms, kind, data) in enumerate(facts):
        ended.append(outages.take(Entry(seq, NOON + ms, 1, kind, None, (), data)))
    return [each for each in ended if each], list(outages.open())


def down(ms, device="printer", code="V-422"):
    return ms, "device.down", {"device": device, "code": code}


def up(at, /, device="printer", **more):
    return at, "device.up", {"device": device, **more}


def test_an_outage_goes_from_its_first_word_to_its_last_and_keeps_every_reason():
    ended, still = told(
        down(0), down(5), down(10, code="V-421"), down(20, "reader", "V-402"), up(90, code="V-421", ms=80)
    )
    assert ended == [Outage("printer", ("V-422", "V-421"), 0, NOON - 0, 4, NOON + 90, 80)]
    assert still == [Outage("reader", ("V-402",), 3, NOON + 20)]


def test_one_that_came_and_went_says_how_often():
    ended, _ = told(down(0), up(90, code="V-422", ms=80, flaps=37), down(100), up(101, flaps="x"))
    assert [each.flaps for each in ended] == [37, 0]


def test_without_a_length_in_the_entry_the_two_times_give_it_and_a_clock_set_back_gives_none():
    ended, _ = told(down(0), up(700), down(800), up(100))
    assert [each.lasted_ms for each in ended] == [700, 0]


def test_what_was_told_late_began_when_it_began():
    ended, _ = told(
        (0, "note.repeated", {}), down(9_000, "ledger", "L-502"), up(9_000, "ledger", code="L-502", ms=8_000)
    )
    assert ended == [Outage("ledger", ("L-502",), 1, NOON + 1_000, 2, NOON + 9_000, 8_000)]


def test_an_end_without_a_beginning_and_data_of_another_program_are_passed_over():
    assert told(up(1), (2, "device.down", {}), (3, "device.up", {"device": 7}), up(4)) == ([], [])


def test_the_terminal_itself_was_off_between_its_last_entry_and_its_start():
    started = {"version": "1", "unclean": True}
    ended, _ = told(
        (0, "log.opened", {}),
        (1, "terminal.started", started),
        (10, "note.repeated", {}),
        (HOUR, "terminal.started", started),
        (HOUR + 1, "terminal.stopped", {"why": "stopped"}),
        (2 * HOUR, "terminal.started", started),
    )
    assert [(each.codes, each.from_ms - NOON, each.lasted_ms) for each in ended] == [
        (("power",), 10, HOUR - 10),
        (("stopped",), HOUR + 1, HOUR - 1),
    ]


@pytest.fixture
def path(tmp_path):
    path, clock = tmp_path / "ledger.db", StillClock(NOON)
    rows = [down(60_000), up(61_000, ms=1_000, code="V-422"), down(HOUR, "reader", "V-402"), up(27 * HOUR, "reader")]
    with make_journal(path, repeated(), clock) as journal:
        for ms, kind, data in [*rows, down(28 * HOUR, "heat", "V-432"), down(28 * HOUR, "gate\n", "X")]:
            clock.now = NOON + ms
            journal.append([Draft(kind, None, (), data)])
    clock.now += 125_000
    with Journal.open(path, terminal_signer(), clock) as journal:
        journal.append([Draft("terminal.started", None, (), {"version": "1", "unclean": True, "since": NOON})])
    return path


def run(*words):
    return _ledger("ledger", [str(word) for word in words])


def test_the_list_in_both_languages_from_a_journal_and_from_an_export(path, tmp_path, capsys):
    assert run("outages", path) == 0
    chinese = capsys.readouterr().out.splitlines()
    assert " ".join(chinese[2].split()) == "打印机 2026-11-25 12:01:00 2026-11-25 12:01:01 1 秒 V-422 2–3"
    assert "1 天 2 小时" in chinese[3] and "断电或中断" in chinese[4] and "2 分 5 秒" in chinese[4]
    assert "仍未恢复" in chinese[5] and "机内温度" in chinese[5]
    assert chinese[6].startswith("gate\\n ") and chinese[-1].startswith("共 5 次停用")
    with JournalReader(path) as log:
        list(write_export(tmp_path / "export", log))
    assert run("outages", tmp_path / "export", "--language", "en") == 0
    english = capsys.readouterr().out
    assert "the card reader" in english and "power gone, or cut off" in english and "5 outages." in english


def test_the_list_for_programs(path, capsys):
    assert run("outages", path, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["codes"] == ["V-422"] and rows[0]["lasted_ms"] == 1_000 and rows[3]["to_ms"] is None


def test_a_ledger_without_outages_says_so(tmp_path, capsys):
    make_journal(tmp_path / "ledger.db").close()
    assert run("outages", tmp_path / "ledger.db", "--language", "en") == 0
    assert capsys.readouterr().out == "There was no outage.\n"
