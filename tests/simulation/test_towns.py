"""Whole towns hold, whatever goes wrong; and a town with a planted bug does not: the short form of `kiosk simulate`."""

import time
from itertools import count

import pytest
from planted import RULES, VOUCHERS

from kiosk.simulation.town import command
from kiosk.simulation.town.command import ROOT, Plan, live, smaller

VENDORS = tuple(ROOT / "build" / "vendors" / name for name in ("rdk", "nlt", "tly", "opg"))
PROTOCOLS = [("ccnet", "ssp"), ("id003", "cctalk")]
TOWNS, VISITS = 3, 40
TOWNS_UNTIL_FOUND = 25
OFTEN = {
    "assume_it_landed": {"card torn in a write", "driver crashed"},
}
"""Each bug shows where its own fault meets it; so that a short test meets it, too."""
UNSEEN = {  # found by the power cuts below SQLite, which try every step; here chance would have to hit one
    "stack_before_recording",  # the acceptor repeats its credit: a power cut in between loses nothing by itself
    "write_before_recording",
    "settle_before_recording",  # the power would have to go between two effects, and the acceptor's with it
    "print_before_recording",  # the town reads no slips
    "do_not_read_after_a_tear",  # the driver finds the same purchase on the card, mostly
    "ignore_power_up",  # the note is left to people by name, which a town allows
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("protocols", PROTOCOLS, ids="-".join)
def test_every_fen_is_on_a_card_or_owed_and_every_credit_is_there_once(protocols):
    told = [live(f"towns/{town}", Plan(VENDORS, protocols, VISITS)) for town in range(TOWNS)]
    assert [each.broken for each in told] == [""] * TOWNS
    assert sum(each.visits for each in told) == TOWNS * VISITS and all(each.sold_fen for each in told)
    faults = sum((each.faults for each in told), start=type(told[0].faults)())
    assert len(faults) > 15 and sum(each.lives for each in told) > 2 * TOWNS


def test_the_same_seed_is_the_same_town():
    first, again = (live("twice", Plan(VENDORS, PROTOCOLS[0], 25), with_story=True) for _ in range(2))
    assert first.faults == again.faults and first.sold_fen == again.sold_fen and first.lives == again.lives
    assert first.faults != live("other", Plan(VENDORS, PROTOCOLS[0], 25)).faults


def test_nothing_in_a_town_looks_at_the_walls_clock(monkeypatch):
    """A meter stamps what it writes; what it writes decides how much of a write is done when the card is torn out."""
    strftime = time.strftime

    def asked(form, *at):
        assert at, "the wall's clock was asked"
        return strftime(form, *at)

    monkeypatch.setattr(time, "strftime", asked)
    monkeypatch.setattr(time, "localtime", lambda *_: pytest.fail("the wall's clock was asked"))
    assert live("clock", Plan(VENDORS, PROTOCOLS[0], 25)).broken == ""


@pytest.mark.parametrize("bug", sorted(RULES.keys() - UNSEEN))
def test_a_planted_bug_is_found(bug, monkeypatch):
    RULES[bug](monkeypatch)
    plan = Plan(VENDORS[:2], ("ccnet", "ssp"), 30, often=frozenset(OFTEN.get(bug, ())))
    for town in count():
        assert town < TOWNS_UNTIL_FOUND, f"{bug}: nothing was found in {TOWNS_UNTIL_FOUND} towns"
        if live(f"{bug}/{town}", plan).broken:
            return


@pytest.mark.parametrize("bug", sorted(VOUCHERS))
def test_a_planted_bug_with_vouchers_is_found(bug, monkeypatch):
    VOUCHERS[bug](monkeypatch)
    monkeypatch.setattr(command, "OFTEN", 60)  # a driver that mostly fails leaves debts, of which vouchers are made
    plan = Plan(VENDORS, ("ccnet", "cctalk"), 40, often=frozenset({"driver crashed", "driver too late"}))
    for town in count():
        assert town < TOWNS_UNTIL_FOUND, f"{bug}: nothing was found in {TOWNS_UNTIL_FOUND} towns"
        if live(f"{bug}/{town}", plan).broken:
            return


def test_a_failure_is_made_small_and_told_with_the_command_that_plays_it_again(monkeypatch, capsys):
    RULES["credit_a_repeat"](monkeypatch)
    plan = Plan(VENDORS[:1], ("ccnet",), 12)
    town = next(f"small/{n}" for n in count() if live(f"small/{n}", plan).broken)
    least = smaller(town, plan)
    assert least.visits <= plan.visits and least.without
    assert live(town, least).broken
    monkeypatch.setattr(command, "VISITS_A_TOWN", 12)
    words = ["--seed", "small", "--visits", "120", "--jobs", "1", "--vendors", "rdk", "--protocols", "ccnet"]
    assert command.main(words) == 1
    said = capsys.readouterr().out
    assert "python -m kiosk simulate --seed small --town" in said and "commit" in said


def test_asked_wrongly(capsys):
    assert command.main(["--vendors", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_a_stick_called_safe_before_it_was_flushed_is_found(monkeypatch):
    monkeypatch.setattr("kiosk.simulation.medium.Medium.flush", lambda *_: None)
    plan = Plan(VENDORS[:1], ("ccnet", "ssp"), 15, often=frozenset({"no line at all"}))
    assert any("were safe on the stick" in live(f"sticks/{town}", plan).broken for town in range(5))


def test_what_a_kiosk_without_a_line_has_to_tell_travels_in_a_pocket():
    told = live("pocket", Plan(VENDORS[:1], ("ccnet", "ssp"), 15, often=frozenset({"no line at all"})))
    assert told.broken == "" and told.faults["no line at all"] == 2
    assert told.sticks["rounds"] > 2 and told.sticks["taken"] > 2
