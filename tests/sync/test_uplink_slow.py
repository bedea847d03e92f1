"""Slow modems, lines that break, and a head office that asks for patience: how the uplink shares its line."""

import hashlib

import pytest
from sync_bench import DAY, HOUR, grow, state

from kiosk.ledger.entry import Draft

MINUTE = 60_000
BIT_S = 9_600


def grow_unlike(journal, count, together):
    """Entries that hardly pack."""
    for at in range(count):
        words = [hashlib.sha512(b"%d %d" % (at, n)).hexdigest() for n in range(together)]
        journal.append([Draft("terminal.stopped", None, (), {"why": word}) for word in words])


def slow(bench, bit_s=BIT_S, trip_ms=900):
    bench.travel_ms = lambda sent: (sent + 600) * 8_000 // bit_s + trip_ms


def lengths(bench):
    return [end - first for first, end in bench.office.batches]


def test_at_9600_bits_a_second_no_request_lasts_longer_than_a_minute(bench):
    slow(bench)
    carry, took = bench.travel_ms, []
    bench.travel_ms = lambda sent: took.append(carry(sent)) or took[-1]
    grow_unlike(bench.journal, 50, together=50)
    bench.settle()
    assert bench.office.size == 2_501
    assert max(took) <= MINUTE
    assert sum(took) > 120_000 and len(took) < 15, "and they are not so small that the round trips eat the line"


def test_after_a_month_new_entries_and_signs_of_life_do_not_wait_behind_one_long_request(bench):
    """With a limit: from one answer to the next is never more than a minute, so head office always hears of us."""
    bench.use_limit(9)
    grow(bench.journal, 100, together=40)
    heard, begun = [], bench.clock.ms
    while bench.office.size < 4_001:
        bench.next_exchange()
        heard.append(bench.clock.ms)
    gaps = [later - earlier for earlier, later in zip([begun, *heard], heard, strict=False)]
    assert max(gaps) <= MINUTE
    sent = sum(len(seen.body) for seen in bench.office.requests)
    assert bench.clock.ms - begun + 100 >= sent * 8 // 9, "no faster than 9 kbit/s"


def test_a_sign_of_life_is_daily_on_a_limited_line_too(bench):
    bench.use_limit(1)
    bench.settle()
    begun = bench.clock.ms
    while bench.clock.ms - begun < 3 * DAY + HOUR:
        bench.turn()
        bench.clock.ms += 300_000
    assert bench.office.batches[1:] == [(1, 1)] * 3


def test_a_line_that_breaks_in_every_large_batch_is_met_with_smaller_ones(bench):
    """The same batch again and again, as the contract says; but not for ever: then it begins anew, as at a start."""
    grow(bench.journal, 400, together=5)
    bench.line.answered(bench.line.body_bytes, 1_000, 10)  # it was a good line until now
    bench.breaks_after = 3_000
    for _ in range(60):
        bench.turn()
    assert bench.office.size == 2_001 and state(bench).problem_code == ""
    asked = [seen.method for seen in bench.tried]
    first = asked.index("POST")
    same = {seen.content for seen in bench.tried[first : first + 8]}
    assert len(same) == 1, "the very same, eight times"
    assert asked[first + 8] == "GET"


def test_silence_that_is_no_break_never_changes_the_batch(bench):
    """A head office that is out for a week is no bad line."""
    bench.settle()
    grow(bench.journal, 50)
    bench.office.script.extend([None] * 20 + [(503, "x")] * 20)
    for _ in range(41):
        bench.next_exchange()
    assert len({seen.body for seen in bench.office.requests[-41:]}) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_heeded_with_jitter_up_to_an_hour(bench, status):
    bench.settle()
    grow(bench.journal, 1)
    wishes = {"120": 120_000, "1": 5_000, "999999": HOUR, "soon": 10_000, "-5": 20_000, "": 40_000}
    bench.chance = 0.0
    waits = []
    for wish in wishes:
        bench.office.script.append((status, "later\n", {"Retry-After": wish}))
        waits.append(bench.next_exchange())
    assert waits == [120_000, 10_000, HOUR, 40_000, 80_000, 160_000]
    bench.chance = 0.5
    bench.office.script.append((status, "later\n", {"Retry-After": "1000"}))
    assert bench.next_exchange() == 1_002_500
    bench.settle()
    assert state(bench).problem_code == ""


def test_what_one_commit_wrote_goes_out_whole_unless_it_is_far_too_long(bench):
    bench.settle()
    grow(bench.journal, 1, together=300)
    assert bench.line.body_bytes < 300 * 100
    bench.settle()
    assert bench.office.batches[-1] == (1, 301) and state(bench).wanted_size == 0
