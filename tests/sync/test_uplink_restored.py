"""Head office restored from an old backup gets back what it has forgotten."""

import pytest
from sync_bench import HOUR, grow, state


@pytest.mark.parametrize("running", [True, False])
def test_a_restored_head_office_gets_its_own_note_back_first_and_then_the_entries(bench, running):
    for _ in range(4):
        grow(bench.journal, 3)
        bench.settle()
    cosigned = bench.office.cosigned
    bench.office.restore(7)
    asked = len(bench.office.requests)
    if running:
        grow(bench.journal, 2)
    else:
        bench.restart()
        grow(bench.journal, 2)
    bench.settle()
    later = bench.office.requests[asked:]
    brought = [(n, seen) for n, seen in enumerate(later) if (seen.method, seen.what) == ("POST", "checkpoint")]
    assert [seen.body.decode() for _, seen in brought] == [cosigned]
    assert all(n < brought[0][0] for n, seen in enumerate(later) if seen.batch is not None and seen.span[0] > 7)
    assert (bench.office.size, bench.office.floor) == (15, "")
    assert bench.office.entries == list(bench.reader.entries(0, 15))
    assert (state(bench).cosigned_size, state(bench).problem_code) == (15, "")


def test_a_restored_and_empty_head_office_is_filled_again(bench):
    grow(bench.journal, 30)
    bench.settle()
    bench.office.restore(0)
    bench.office.entries_max = 9
    bench.restart()
    bench.settle()
    assert bench.office.size == 31
    assert [seen.what for seen in bench.office.requests].count("checkpoint") >= 3
    assert (state(bench).cosigned_size, state(bench).problem_code) == (31, "")


def test_below_the_floor_202_is_progress_without_a_cosignature(bench):
    grow(bench.journal, 30)
    bench.settle()
    note = state(bench).cosigned_note
    bench.office.restore(0)
    bench.office.entries_max = 9
    bench.restart()
    seen_sizes = set()
    while bench.office.size < 31:
        bench.turn()
        seen_sizes.add(bench.office.size)
        if bench.office.size < 31:
            assert state(bench).cosigned_note == note, "what is known is not forgotten on the way"
    assert len(seen_sizes) >= 4


def test_a_head_office_restored_again_on_the_way_gets_the_note_again(bench):
    grow(bench.journal, 30)
    bench.settle()
    bench.office.restore(0)
    bench.office.entries_max = 9
    bench.restart()
    while bench.office.size < 10:
        bench.turn()
    bench.office.restore(0)
    bench.settle()
    notes = [seen for seen in bench.office.requests if (seen.method, seen.what) == ("POST", "checkpoint")]
    assert len(notes) == 2
    assert (bench.office.size, bench.office.floor) == (31, "")


def test_a_restored_head_office_behind_pruned_checkpoints_is_filled_with_the_terminals_help(bench):
    """The terminal forgets checkpoints below the cosigned size; with the key it can sign them again."""
    grow(bench.journal, 60)
    bench.settle()
    bench.journal.prune_checkpoints(61)
    bench.office.restore(0)
    bench.office.entries_max = 20
    bench.restart()
    for _ in range(40):
        bench.turn()
        bench.sign_what_is_wanted()
    assert (bench.office.size, state(bench).cosigned_size, state(bench).problem_code) == (61, 61, "")


def test_a_smaller_200_to_a_batch_brings_the_note_too(bench):
    grow(bench.journal, 4)
    bench.settle()
    bench.office.restore(0)
    grow(bench.journal, 4)
    small = bench.office.cosign(next(iter(bench.reader.checkpoints())))
    bench.office.script.append((200, small))
    bench.settle()
    assert ("POST", "checkpoint") in [(seen.method, seen.what) for seen in bench.office.requests]
    assert (bench.office.size, state(bench).cosigned_size) == (9, 9)


@pytest.mark.parametrize(("status", "code"), [(400, "S-604"), (403, "S-603"), (404, "S-602"), (415, "S-604")])
def test_a_note_that_is_refused_is_brought_again_hourly(bench, status, code):
    grow(bench.journal, 4)
    bench.settle()
    bench.office.restore(0)
    bench.restart()
    bench.office.script.extend([(404, "none\n"), (status, "no\n")])
    assert bench.settle() == HOUR
    assert state(bench).problem_code == code
    bench.settle()
    assert bench.office.size == 5


def test_a_note_that_meets_silence_is_brought_again(bench):
    grow(bench.journal, 4)
    bench.settle()
    bench.office.restore(0)
    bench.restart()
    bench.office.script.extend([(404, "none\n"), None, (500, "")])
    for _ in range(3):
        bench.settle()
    notes = [seen.body for seen in bench.office.requests if (seen.method, seen.what) == ("POST", "checkpoint")]
    assert len(notes) == 3 and len(set(notes)) == 1
    assert bench.office.size == 5


def test_a_head_office_that_keeps_no_floor_is_filled_without_long_waits(bench, monkeypatch):
    """Its 200s stay below what was cosigned for a while; each one is a batch that arrived."""
    grow(bench.journal, 30)
    bench.settle()
    bench.office.restore(0)
    bench.office.entries_max = 3
    monkeypatch.setattr(bench.office, "take_floor", lambda seen: (204, "text/plain", ""))
    bench.restart()
    for _ in range(100):
        assert bench.turn() <= 1_000
    assert (bench.office.size, state(bench).cosigned_size) == (31, 31)
