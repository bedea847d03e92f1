"""An entry that head office wrongly refuses: it is named, what lies before it goes over, signs of life go on."""

import pytest
from sync_bench import DAY, HOUR, grow, state


def poisoned(bench, seq, size=64):
    grow(bench.journal, size - 1)
    (entry,) = bench.reader.entries(seq, seq + 1)
    bench.office.poison = {entry}
    return entry


def days_of_trying(bench, days):
    begun = bench.clock.ms
    while bench.clock.ms - begun < days * DAY:
        bench.turn()
        bench.sign_what_is_wanted()


@pytest.mark.parametrize("seq", [0, 1, 37, 63])
def test_it_is_found_by_hourly_halving_and_named(bench, seq):
    poisoned(bench, seq)
    days_of_trying(bench, 1)
    assert bench.office.size == seq, "all that lies before it is at head office"
    assert (state(bench).problem_code, bench.state.work.refused_seq) == ("S-607", seq)
    assert not state(bench).stop_selling and not state(bench).quarantined
    assert bench.reader.size == 64


def test_while_it_is_looked_for_head_office_is_asked_once_an_hour_and_not_more(bench):
    poisoned(bench, 50)
    bench.settle()
    refused = []
    for _ in range(20):
        wait = bench.turn()
        bench.sign_what_is_wanted()
        refused += [wait] if bench.statuses[-1] == 400 else []
    assert refused and set(refused) <= {HOUR, 1_000}
    assert state(bench).problem_code == "S-607"


def test_entries_that_come_meanwhile_wait_and_a_sign_of_life_tells_of_them_daily(bench):
    poisoned(bench, 37)
    days_of_trying(bench, 1)
    for _ in range(3):
        grow(bench.journal, 10)
        tried = len(bench.office.batches)
        days_of_trying(bench, 1)
        alive = [span for span in bench.office.batches[tried:] if span[0] == span[1]]
        assert alive == [(bench.reader.size,) * 2], "once a day, at its own size"
        alone = [span for span in bench.office.batches[tried:] if span == (37, 38)]
        assert 22 <= len(alone) <= 25, "hourly"
    assert bench.office.size == 37 and not state(bench).quarantined


def test_when_head_office_takes_it_everything_follows_at_once_and_nothing_is_twice(bench):
    poisoned(bench, 37, size=100)
    days_of_trying(bench, 2)
    bench.office.poison = set()
    begun = bench.clock.ms
    while bench.office.size < bench.reader.size:
        bench.turn()
        bench.sign_what_is_wanted()
    assert bench.clock.ms - begun <= HOUR + 60_000
    bench.settle()
    assert bench.office.entries == list(bench.reader.entries(0, bench.reader.size))
    assert (state(bench).problem_code, bench.state.work.refused_seq) == ("", -1)


def test_a_head_office_that_refused_everything_for_a_day_gets_everything_without_more_waits(bench):
    grow(bench.journal, 30)
    bench.settle()
    grow(bench.journal, 30)
    bench.office.script.extend([(400, "my own fault\n")] * 8)
    for _ in range(8):
        bench.next_exchange()
        bench.sign_what_is_wanted()
    begun = bench.clock.ms
    while bench.office.size < 61:
        bench.turn()
        bench.sign_what_is_wanted()
    assert bench.clock.ms - begun <= 60_000
    bench.settle()
    assert (state(bench).problem_code, bench.state.work.refused_seq) == ("", -1)


def test_two_poisoned_ones_are_named_one_after_the_other(bench):
    first = poisoned(bench, 20)
    (second,) = bench.reader.entries(60, 61)
    bench.office.poison = {first, second}
    days_of_trying(bench, 1)
    assert bench.state.work.refused_seq == 20
    bench.office.poison = {second}
    days_of_trying(bench, 1)
    assert (bench.office.size, bench.state.work.refused_seq) == (60, 60)


def test_a_restart_in_the_middle_finds_it_again(bench):
    poisoned(bench, 37)
    days_of_trying(bench, 1)
    bench.restart()
    assert bench.state.work.refused_seq == -1, "nothing is refused until it has been tried"
    days_of_trying(bench, 1)
    assert (bench.office.size, bench.state.work.refused_seq) == (37, 37)


def test_one_that_is_too_large_even_alone_is_named_too(bench):
    bench.settle()
    grow(bench.journal, 3)
    bench.office.bytes_max = 300
    days_of_trying(bench, 1)
    assert (state(bench).problem_code, bench.state.work.refused_seq) == ("S-607", 1)
    bench.office.bytes_max = 8_388_608
    days_of_trying(bench, 1)
    assert (bench.office.size, bench.state.work.refused_seq, state(bench).problem_code) == (4, -1, "")
