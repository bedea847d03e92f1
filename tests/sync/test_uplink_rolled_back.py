"""A terminal that was rolled back or cloned: only what both have signed stops it, and then for good."""

import pytest
from fake_office import FakeOffice, size_of
from sync_bench import clone, grow, signer, state

from kiosk.sync.state import SyncStateReader


@pytest.mark.parametrize("commits", [0, 2, 4, 9])
def test_a_signed_answer_that_is_not_on_this_disk_stops_the_selling_for_good(bench, commits):
    """An old image (0: shorter), another history of any length."""
    grow(bench.journal, 4)
    bench.settle()
    evidence = bench.office.cosigned
    bench.stop()
    bench.replace_ledger(commits)
    (bench.folder / "sync.db").unlink()  # the old image had an old one
    bench.start()
    bench.settle()
    assert (state(bench).stop_selling, state(bench).problem_code) == (True, "L-503")
    assert state(bench).evidence == evidence
    asked = len(bench.office.requests)
    bench.restart()
    for _ in range(50):
        bench.turn()
    assert len(bench.office.requests) == asked, "it says nothing more under this key"
    assert (state(bench).stop_selling, state(bench).evidence) == (True, evidence)


def test_a_rolled_back_ledger_beside_a_newer_state_is_seen_without_head_office(bench):
    grow(bench.journal, 4)
    bench.settle()
    known = bench.office.cosigned
    bench.stop()
    bench.replace_ledger(1)
    bench.start()
    bench.office.script.extend([None] * 50)
    bench.settle()
    assert (state(bench).stop_selling, state(bench).problem_code) == (True, "L-503")
    assert state(bench).evidence == known


def test_a_signed_answer_to_a_batch_stops_it_as_well(bench):
    bench.settle()
    grow(bench.journal, 1)
    bench.office.script.append((200, bench.office.cosign(clone(bench, 6).checkpoint_note)))
    bench.next_exchange()
    assert (state(bench).stop_selling, state(bench).problem_code) == (True, "L-503")
    assert size_of(state(bench).evidence) == 7


def test_only_a_new_epoch_ends_it_and_the_evidence_stays(bench, tmp_path):
    grow(bench.journal, 4)
    bench.settle()
    bench.stop()
    bench.replace_ledger(1)
    bench.start()
    bench.settle()
    evidence = state(bench).evidence
    bench.stop()
    bench.journal.close()
    bench.path.unlink()
    second = "power.example/kiosk/420100/0007/2"
    bench.__init__(tmp_path, FakeOffice(str(signer(second).vkey)), second)
    assert not state(bench).stop_selling
    bench.settle()
    assert (bench.office.size, state(bench).cosigned_size, state(bench).problem_code) == (1, 1, "")
    with SyncStateReader(tmp_path / "sync.db", "power.example/kiosk/420100/0007/1") as reader:
        assert (reader.state().stop_selling, reader.state().evidence) == (True, evidence)
