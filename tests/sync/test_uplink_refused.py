"""What a terminal does with 400, 403, 404, 409, 413 and 415."""

import pytest
from sync_bench import HOUR, grow, state

from kiosk.ledger.entry import Draft

# 409


def test_409_goes_on_from_the_size_it_names(bench):
    grow(bench.journal, 9)
    bench.office.entries = list(bench.reader.entries(0, 4))
    bench.office.script.extend([(404, "none\n"), (409, "4\n")])
    bench.settle()
    assert bench.office.batches == [(0, 10), (4, 10)]
    assert state(bench).problem_code == ""


def test_409_beyond_our_own_size_is_unsigned_so_it_only_asks(bench):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.append((409, "77\n"))
    wait = bench.next_exchange()
    assert wait >= 5_000
    assert (state(bench).stop_selling, state(bench).problem_code) == (False, "S-605")
    bench.settle()
    assert [seen.method for seen in bench.office.requests[-3:]] == ["POST", "GET", "POST"]
    assert state(bench).cosigned_size == 2


@pytest.mark.parametrize("text", ["4", "04\n", "-1\n", "4 \n", "+4\n", "4294967296\n", "", "x\n", "4\n\n"])
@pytest.mark.parametrize("status", [202, 409])
def test_a_size_that_is_none_is_silence(bench, status, text):
    bench.settle()
    grow(bench.journal, 6)
    bench.office.script.append((status, text))
    assert bench.next_exchange() >= 5_000
    assert state(bench).problem_code == "S-605"
    bench.settle()
    assert bench.office.batches[-2:] == [(1, 7), (1, 7)]


def test_sizes_named_one_after_the_other_do_not_make_it_run_in_circles(bench):
    grow(bench.journal, 9)
    bench.office.script.append((404, "none\n"))
    bench.office.script.extend([(409, f"{n % 5}\n") for n in range(200)])
    waits = [bench.turn() for _ in range(40)]
    assert sum(wait >= 5_000 for wait in waits) > 30
    assert max(waits) == HOUR * 3 // 4


# 400, 403, 404, 415


@pytest.mark.parametrize(("status", "code"), [(400, "S-604"), (403, "S-603"), (404, "S-602"), (415, "S-604")])
def test_a_refusal_keeps_everything_is_reported_and_tried_again_hourly(bench, status, code):
    bench.settle()
    grow(bench.journal, 2)
    bench.office.script.extend([(status, "no\n")] * 3)
    for _ in range(3):
        assert bench.next_exchange() == HOUR
        alone = bench.office.batches[-1] == (1, 2)
        assert state(bench).problem_code == ("S-607" if status == 400 and alone else code)
    assert bench.reader.size == 3 and not state(bench).stop_selling
    bench.settle()
    assert (state(bench).cosigned_size, state(bench).problem_code) == (3, "")


@pytest.mark.parametrize(("status", "code"), [(400, "S-604"), (403, "S-603"), (415, "S-604")])
def test_a_refusal_of_the_question_is_met_hourly_too(bench, status, code):
    bench.office.script.extend([(status, "no\n")] * 2)
    assert bench.next_exchange() == HOUR
    assert state(bench).problem_code == code
    assert bench.next_exchange() == HOUR
    bench.settle()
    assert state(bench).cosigned_size == 1


def test_a_terminal_that_nobody_enrolled_waits_until_it_is(bench):
    bench.office.enrolled = False
    assert bench.settle() == HOUR
    assert state(bench).problem_code == "S-602"
    bench.office.enrolled = True
    bench.settle()
    assert (bench.office.size, state(bench).problem_code) == (1, "")


# 413


def test_413_halves_until_it_fits_and_grows_again(bench):
    bench.office.entries_max = 3
    grow(bench.journal, 19)
    bench.settle()
    sizes = [end - first for first, end in bench.office.batches]
    assert sizes[:4] == [20, 10, 5, 2]
    assert max(sizes[4:]) <= 4
    assert bench.office.size == 20 and state(bench).problem_code == ""
    bench.office.entries_max = 4096
    grow(bench.journal, 60)
    bench.settle()
    assert bench.office.size == 80
    assert max(end - first for first, end in bench.office.batches[-8:]) >= 16


def test_413_inside_one_commit_has_the_terminal_sign_between(bench):
    bench.settle()
    grow(bench.journal, 1, together=8)
    bench.office.entries_max = 3
    for _ in range(40):
        bench.turn()
        bench.sign_what_is_wanted()
    assert bench.office.size == 9
    assert state(bench).wanted_size == 0


def test_413_to_a_single_entry_is_reported_and_tried_hourly(bench):
    bench.office.entries_max = 0
    grow(bench.journal, 3)
    assert bench.settle() == HOUR
    assert (state(bench).problem_code, bench.state.work.refused_seq) == ("S-607", 0)
    bench.office.entries_max = 4096
    bench.settle()
    assert (bench.office.size, state(bench).problem_code) == (4, "")


def test_a_ledger_longer_than_a_batch_goes_out_in_batches_of_4096(bench):
    grow(bench.journal, 100, together=100)
    bench.settle()
    assert bench.office.size == 10_001
    sizes = [end - first for first, end in bench.office.batches]
    assert max(sizes) >= 4000 and len(sizes) <= 7, "small at first, then as large as may be"


def test_large_entries_make_batches_below_8_mib(bench):
    opened = Draft("terminal.stopped", None, (), {"why": "x" * 16_000})
    for _ in range(18):
        bench.journal.append([opened] * 50)
    for _ in range(60):
        bench.turn()
        bench.sign_what_is_wanted()
    assert bench.office.size == 901 and 413 not in bench.statuses
    lengths = [end - first for first, end in bench.office.batches]
    assert max(lengths) == 500, "the most that fits"
