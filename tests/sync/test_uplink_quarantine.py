"""422: quarantine, or entries that do not match their signatures; the empty batch decides."""

import pytest
from fake_office import size_of
from sync_bench import DAY, HOUR, clone, grow, state

from kiosk.ledger.journal import JournalReader


def test_422_and_an_empty_batch_that_is_422_too_is_quarantine(bench):
    grow(bench.journal, 2)
    bench.settle()
    grow(bench.journal, 2)
    bench.office.quarantined = True
    wait = bench.settle()
    assert wait == HOUR
    assert (state(bench).quarantined, state(bench).problem_code) == (True, "L-504")
    assert not state(bench).stop_selling
    assert bench.office.batches[-2:] == [(3, 5), (3, 3)]
    assert bench.office.requests[-1].method == "GET"


def test_a_quarantine_lasts_over_restarts_until_head_office_takes_a_batch(bench):
    bench.settle()
    bench.office.quarantined = True
    grow(bench.journal, 1)
    bench.settle()
    for _ in range(5):  # a GET that is answered says nothing about it
        bench.restart()
        bench.turn(), bench.turn()
        assert (state(bench).quarantined, state(bench).problem_code) == (True, "L-504")
        assert bench.settle() == HOUR
    for _ in range(3):
        assert bench.settle() == HOUR
    bench.office.quarantined = False
    bench.settle()
    assert (state(bench).quarantined, state(bench).problem_code, bench.office.size) == (False, "", 2)


def test_a_quarantine_at_size_0_is_not_taken_for_wrong_entries(bench):
    """Head office was restored to nothing and found a fork at its floor: GET has nothing to say."""
    bench.settle()
    grow(bench.journal, 2)
    bench.office.quarantined = True
    bench.settle()
    bench.office.entries, bench.office.cosigned = [], ""
    for _ in range(3):
        bench.restart()
        assert bench.settle() == HOUR
        assert (state(bench).quarantined, state(bench).problem_code) == (True, "L-504")
    asked = len(bench.office.batches)
    bench.settle()
    assert len(bench.office.batches) > asked, "it goes on trying"


def test_silence_does_not_end_a_quarantine(bench):
    bench.settle()
    bench.office.quarantined = True
    grow(bench.journal, 1)
    bench.settle()
    bench.office.script.extend([None, (500, ""), (403, ""), (409, "1\n"), None])
    for _ in range(8):
        bench.turn()
        assert state(bench).quarantined


def test_a_heartbeat_that_is_422_is_quarantine_and_a_lift_is_seen_within_an_hour(bench):
    bench.settle()
    bench.office.quarantined = True
    bench.clock.ms += DAY
    bench.settle()
    assert state(bench).quarantined
    bench.office.quarantined = False
    begun = bench.clock.ms
    while state(bench).quarantined:
        bench.turn()
    assert bench.clock.ms - begun <= HOUR


def test_422_where_the_empty_batch_is_200_calls_a_person_and_stops_sending(bench):
    grow(bench.journal, 2)
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.append((422, "not the root\n"))
    bench.settle()
    assert bench.office.batches[-2:] == [(3, 4), (3, 3)]
    assert state(bench).problem_code == "S-606"
    assert not state(bench).stop_selling and not state(bench).quarantined
    asked = len(bench.office.requests)
    for _ in range(100):
        bench.turn()
    assert len(bench.office.requests) == asked


def test_422_where_the_empty_batch_is_202_calls_a_person_too(bench):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.extend([(422, "not the root\n"), (202, "1\n")])
    bench.settle()
    assert state(bench).problem_code == "S-606"


def test_422_at_size_0_decides_itself(bench):
    grow(bench.journal, 1)
    bench.office.script.extend([(404, "none\n"), (422, "not the root\n")])
    bench.settle()
    assert state(bench).problem_code == "S-606"
    assert bench.office.batches == [(0, 2)], "an empty batch of size 0 is malformed"


def test_a_202_that_names_more_than_the_empty_batch_moves_the_question_there(bench):
    """Below a floor head office holds more than it has cosigned: its size is what the answer says."""
    bench.settle()
    grow(bench.journal, 4)
    bench.office.script.extend([(422, "not the root\n"), (202, "3\n"), (422, "another root\n")])
    bench.settle()
    assert bench.office.batches[-3:] == [(1, 5), (1, 1), (3, 3)]
    assert state(bench).quarantined


def test_the_empty_batch_has_exactly_head_offices_size_even_inside_a_commit(bench):
    grow(bench.journal, 2, together=5)
    bench.office.script.extend([(404, "none\n"), (409, "3\n"), (422, "not the root\n")])
    for _ in range(10):
        bench.turn()
    assert state(bench).wanted_size == 3
    assert bench.office.batches[-1] == (3, 11)
    bench.sign_what_is_wanted()
    bench.office.entries = [*bench.reader.entries(0, 2), b"another"]
    bench.settle()
    assert bench.office.batches[-1] == (3, 3)
    assert (state(bench).quarantined, state(bench).problem_code) == (True, "L-504")


@pytest.mark.parametrize("answer", [None, (500, ""), (200, "x"), (204, ""), (413, "")])
def test_a_question_that_is_not_answered_is_asked_again(bench, answer):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.extend([(422, "not the root\n"), answer])
    wait = bench.settle()
    assert wait >= 5_000
    bench.office.quarantined = True
    bench.settle()
    assert bench.office.batches[-2:] == [(1, 1), (1, 1)]
    assert state(bench).quarantined


def test_a_clone_that_was_faster_is_found_by_the_empty_batch(bench):
    """The other one was faster, and this one only thinks that it knows head office's size."""
    other = clone(bench, 1)
    bench.settle()
    with JournalReader(bench.folder / "clone.db") as reader:
        bench.office.entries = list(reader.entries(0, 2))
    bench.office.notes[2] = other.checkpoint_note
    grow(bench.journal, 3)
    bench.settle()
    assert bench.office.batches[-2:] == [(1, 4), (1, 1)]
    assert (state(bench).stop_selling, state(bench).problem_code) == (True, "L-503")
    assert size_of(state(bench).evidence) == 2
