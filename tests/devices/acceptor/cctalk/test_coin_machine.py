"""A coin acceptor as a machine: coins that roll, a gate, and hands."""

import pytest

from kiosk.devices.acceptor.coins import CoinMachine, CoinTimings

ALL = frozenset({0, 1, 2})
LOOK, FALL = CoinTimings().look_ms, CoinTimings().fall_ms
ROLL = LOOK + FALL


@pytest.fixture
def machine():
    it = CoinMachine()
    it.power_on(0)
    it.open(ALL, 0)
    return it


def test_a_coin_falls_past_the_gate_into_the_box(machine):
    machine.feed(100, 0)
    assert machine.due_ms == LOOK and not machine.at_rest
    machine.pass_time(LOOK)
    assert machine.due_ms == ROLL and not machine.box
    machine.pass_time(ROLL)
    assert machine.box == {100: 1} and machine.seen() == [("credit", 2)]
    assert machine.at_rest and machine.due_ms is None and machine.seen() == []


def test_coins_roll_one_behind_the_other(machine):
    for at, fen in enumerate((10, 50, 100, 10)):
        machine.feed(fen, at * 40)
    machine.pass_time(1_000)
    assert machine.seen() == [("credit", 0), ("credit", 1), ("credit", 2), ("credit", 0)]
    assert machine.box == {10: 2, 50: 1, 100: 1}


@pytest.mark.parametrize(
    ("fen", "genuine", "kinds", "why"),
    [(100, True, {0, 1}, ("inhibited", 2)), (100, False, ALL, ("unknown", -1)), (25, True, ALL, ("unknown", -1))],
)
def test_what_is_not_taken_comes_back(machine, fen, genuine, kinds, why):
    machine.open(frozenset(kinds), 0)
    machine.feed(fen, 0, genuine)
    machine.pass_time(1_000)
    assert machine.seen() == [why] and machine.handed_back == {fen: 1} and not machine.box


def test_who_is_past_the_gate_is_not_stopped(machine):
    machine.feed(100, 0)
    machine.feed(50, LOOK)
    machine.open(frozenset(), LOOK + 1)
    machine.pass_time(1_000)
    assert machine.box == {100: 1} and machine.handed_back == {50: 1}


def test_the_power_goes_while_coins_roll(machine):
    machine.feed(100, 0)
    machine.feed(50, LOOK)
    machine.power_off(LOOK + 1)
    assert machine.box == {100: 1} == machine.unseen and machine.handed_back == {50: 1}
    assert machine.seen() == [] and machine.open_for_fen == frozenset()
    machine.feed(10, 500)
    assert machine.handed_back == {50: 1, 10: 1}
    machine.power_on(600)
    assert machine.powered_times == 2 and machine.open_for_fen == frozenset(), "it takes nothing by itself"


def test_a_coin_sticks_before_the_gate(machine):
    assert not machine.jam(0)
    machine.feed(100, 0)
    machine.feed(50, 10)
    assert machine.jam(20) and machine.jammed
    assert machine.handed_back == {50: 1} and machine.open_for_fen == frozenset()
    machine.feed(10, 30)
    machine.clear_jam(40)
    assert machine.handed_back == {50: 1, 10: 1, 100: 1} and machine.at_rest
    assert machine.seen() == [("jam", -1)] and machine.open_for_fen == {10, 50, 100}


def test_what_is_past_the_gate_does_not_stick(machine):
    machine.feed(100, 0)
    assert not machine.jam(LOOK)
    machine.pass_time(ROLL)
    assert machine.box == {100: 1}


def test_attempts_are_noticed_while_there_is_power(machine):
    machine.string(0)
    machine.pull_backwards(0)
    assert machine.seen() == [("string", -1), ("backwards", -1)]
    machine.power_off(1)
    machine.string(2)
    assert machine.seen() == [] and not machine.box
