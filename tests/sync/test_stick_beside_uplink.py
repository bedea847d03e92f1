"""A stick's answer and a running uplink: two files, two writers, one truth for kiosk and uplink."""

import pytest
from stick_bench import HQ, Clock, Medium, finished
from sync_bench import ORIGIN, Bench, grow

from kiosk.ledger.export import stick_folder
from kiosk.ledger.note import cosign
from kiosk.model.errors import LedgerFault
from kiosk.sync.state import SyncStateFile, SyncStateReader, stick_state
from kiosk.sync.stick import Stick


def stick_at(bench, medium):
    return Stick(medium, bench.reader, bench.folder / "sync.db", [*bench.keys, HQ.vkey], Clock())


def state(bench):
    """As the kiosk reads it."""
    with SyncStateReader(bench.folder / "sync.db", ORIGIN) as reader:
        return reader.state()


def brought(bench, note):
    """A round with a stick that brings this answer."""
    medium = Medium()
    medium.write(f"{stick_folder(ORIGIN)}/checkpoint.hq", note.encode())
    return finished(stick_at(bench, medium).round())


def test_a_round_works_beside_an_uplink_and_each_keeps_its_file(bench):
    grow(bench.journal, 5)
    with pytest.raises(LedgerFault, match="L-506"):  # the uplink holds its file all the while
        SyncStateFile(bench.folder / "sync.db", ORIGIN)
    assert brought(bench, cosign(bench.reader.newest(), HQ, 5)).taken.sentence == "ack-new"
    assert bench.state.now.cosigned_size == 0  # nobody wrote into the uplink's file
    assert state(bench).cosigned_size == 6  # and whoever reads the state reads both


def test_the_uplink_takes_over_what_the_stick_brought(bench):
    grow(bench.journal, 5)
    brought(bench, cosign(bench.reader.newest(), HQ, 5))
    bench.turn()
    assert bench.state.now.cosigned_size == 6


def test_a_restored_head_office_is_told_over_the_network_what_it_said_on_a_stick(bench):
    bench.settle()
    grow(bench.journal, 5)
    note = bench.office.cosign(bench.reader.newest())  # head office read a stick, and forgot it
    brought(bench, note)
    bench.settle()
    posted = [seen for seen in bench.office.requests if (seen.method, seen.what) == ("POST", "checkpoint")]
    assert [seen.body.decode() for seen in posted] == [note]
    assert bench.office.entries == list(bench.reader.entries(0, 6)) and state(bench).cosigned_size == 6


def test_a_stop_by_stick_stops_the_uplink_and_outlives_it(bench, tmp_path):
    grow(bench.journal, 5)
    (tmp_path / "original").mkdir()
    larger = Bench(tmp_path / "original")
    grow(larger.journal, 9)
    note = cosign(larger.reader.newest(), HQ, 5)
    larger.close()
    assert brought(bench, note).code == "L-503"
    bench.turn()
    assert bench.state.now.stop_selling and bench.state.now.evidence == note
    stick_state(bench.folder / "sync.db").unlink()
    assert state(bench).stop_selling and state(bench).problem_code == "L-503"


def test_without_an_uplink_there_is_a_state_all_the_same(bench):
    bench.stop()
    for path in bench.folder.glob("sync.db*"):
        path.unlink()
    bench.reader = type(bench.reader)(bench.path)
    brought(bench, cosign(bench.reader.newest(), HQ, 5))
    with SyncStateReader(bench.folder / "sync.db", ORIGIN) as reader:
        assert reader.state().cosigned_size == 1
    assert not (bench.folder / "sync.db").exists()
    bench.start()


def test_two_rounds_at_once_do_not_mix(bench):
    path = stick_state(bench.folder / "sync.db")
    other = SyncStateFile(path, ORIGIN)
    with pytest.raises(LedgerFault, match="L-506"):
        brought(bench, cosign(bench.reader.newest(), HQ, 5))
    other.close()
    assert brought(bench, cosign(bench.reader.newest(), HQ, 5)).taken.sentence == "ack-new"


def test_a_stick_whose_round_was_later_by_the_clock_holds_up_nothing(bench):
    """The clock was set back since: what the stick brought is known, and the uplink has other things to do."""
    bench.settle()
    grow(bench.journal, 5)
    medium, later = Medium(), Clock()
    medium.write(f"{stick_folder(ORIGIN)}/checkpoint.hq", bench.office.cosign(bench.reader.newest()).encode())
    later.utc_ms = lambda: bench.clock.utc_ms() + 86_400_000
    round_ = Stick(medium, bench.reader, bench.folder / "sync.db", bench.keys, later).round()
    assert finished(round_).taken.sentence == "ack-new"
    bench.settle()
    assert bench.office.entries == list(bench.reader.entries(0, 6))
