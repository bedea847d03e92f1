"""The plug pulled below SQLite, in its short form; and the same harness held against bugs that it must find."""

import logging

import pytest
from planted import BELOW, RULES

from kiosk.__main__ import main
from kiosk.simulation.power import Cut
from kiosk.simulation.powercuts import Place, PowerCuts
from kiosk.simulation.scene import Rig
from kiosk.simulation.stories import NAMED, TEMPERS, story

SEED = 20261125
EVERY_STORY = len(NAMED) * len(TEMPERS)


@pytest.fixture(autouse=True)
def silence():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path / "journal.db")


def failures(cuts, numbers):
    return [(str(each.place), each.wrong) for n in numbers for each in cuts.explore(n, cuts.story(n))]


def first_failure(rig):
    """Every story without a cut; then cut here and there, and there; then with other acceptors."""
    cuts = PowerCuts(rig, SEED, parts=1, thin=12)
    for number in range(len(NAMED)):
        failure = cuts.play(cuts.story(number), Place(number, None))
        if failure:
            return failure
    return next((each for n in range(EVERY_STORY) for each in cuts.explore(n, cuts.story(n))), None)


def test_every_kind_of_visit_is_cut_here_and_there_and_nothing_is_lost(rig):
    cuts = PowerCuts(rig, SEED, parts=1, thin=30)
    assert failures(cuts, range(len(NAMED))) == []
    assert cuts.tally.cuts > 150 and set(cuts.tally.by_operation) >= {"write", "sync", "card", "acceptor", "printer"}


@pytest.mark.slow
@pytest.mark.parametrize("shift", range(2))
def test_every_kind_of_visit_with_every_acceptor_is_cut_in_many_places(rig, shift):
    cuts = PowerCuts(rig, SEED + shift, parts=1, thin=16)
    assert failures(cuts, range(shift, EVERY_STORY, 2)) == []
    assert cuts.tally.cuts > 300


@pytest.mark.slow
def test_a_wal_that_is_checkpointed_in_the_middle_of_a_visit(rig):
    number = next(n for n in range(EVERY_STORY, 10_000) if story(SEED, n).long_log)
    cuts = PowerCuts(rig, SEED, parts=1, thin=40)
    assert failures(cuts, [number]) == []
    assert cuts.tally.by_operation["write"]


def test_a_cut_is_replayed_exactly(rig):
    place = Place(2, Cut(40, "within"), 1)
    assert Place.parse(str(place)) == place
    ends = []
    for _ in range(2):
        cuts = PowerCuts(rig, SEED)
        cuts.play(cuts.story(2), Place(2, None))
        trace = list(cuts.operations)
        assert cuts.play(cuts.story(2), place) is None
        ends.append((trace, cuts.tally.cuts, cuts.tally.kills))
    assert ends[0] == ends[1] and len(ends[0][0]) > 50


@pytest.mark.parametrize("name", sorted(BELOW))
def test_a_journal_that_does_not_sync_is_caught(rig, name, monkeypatch):
    BELOW[name](monkeypatch)
    failure = first_failure(rig)
    assert failure is not None, f"{name} went unseen"
    assert "entries were acknowledged" in failure.wrong[0] or "cannot be opened" in failure.wrong[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RULES))
def test_a_planted_bug_is_caught(rig, name, monkeypatch):
    RULES[name](monkeypatch)
    failure = first_failure(rig)
    assert failure is not None, f"{name} went unseen"


@pytest.mark.slow
def test_the_command_counts_and_a_failure_is_told_with_its_replay(monkeypatch, capsys):
    monkeypatch.setattr(
        "sys.argv", ["kiosk", "powercuts", "--seed", "7", "--cuts", "1", "--jobs", "1", "--every", "20"]
    )
    assert main() == 0
    assert "0 fen lost, 0 doubled" in capsys.readouterr().out
    with pytest.MonkeyPatch.context() as patch:
        RULES["credit_at_escrow"](patch)
        assert main() == 1
        told = capsys.readouterr().out
        again = told.rsplit("again: python -m kiosk ", 1)[1].split()
        patch.setattr("sys.argv", ["kiosk", *again])
        assert main() == 1 and capsys.readouterr().out == told
    monkeypatch.setattr("sys.argv", ["kiosk", *again])
    assert main() == 0
