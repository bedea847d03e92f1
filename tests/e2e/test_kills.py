"""The command around the kills: plans that follow from a seed, a record that goes on, a report that tells all."""

import socket
import threading

import pytest
from killing import HOW, OfficeLine, places, plan_of
from kills import Record, main, report
from stage import BUILT

KILL = {
    "what": "kill",
    "batch": 4,
    "step": "note.accepted",
    "how": "sync",
    "when": "after",
    "vendor": "nlt",
    "again": False,
}
KILL |= {"reader": "pcsc", "acceptor": "ESCROW", "page": "cash-zh-CN", "blackout": True, "card_out": False}


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "kills", 7)


def test_a_plan_is_the_same_again_and_every_way_to_die_comes():
    plans = [plan_of(7, 0, visit) for visit in range(300)]
    assert plans == [plan_of(7, 0, visit) for visit in range(300)] != [plan_of(8, 0, visit) for visit in range(300)]
    kills = [kill for plan in plans for kill in plan.kills]
    assert {kill.how for kill in kills} == {how for how, _ in HOW}
    assert {kill.when for kill in kills if kill.how == "uplink"} == {"before", "during", "after"}
    assert {len(plan.kills) for plan in plans} == {1, 2} and {len(plan.notes) for plan in plans} == {1, 2, 3}
    assert all(sum(plan.notes) <= 5000 for plan in plans)  # what the customer asks for at the screen


def test_every_vendor_is_played():
    assert {name for name, _ in places()} == set(BUILT)


def test_the_record_goes_on_with_a_new_batch(record):
    assert (record.kills(), record.next_batch()) == (0, 0)
    record.append(**KILL)
    assert (Record(record.folder, 7).kills(), Record(record.folder, 7).next_batch()) == (1, 5)


def test_the_report_counts_and_fails_with_the_first_thing_that_did_not_hold(record, capsys):
    record.append(**KILL)
    record.append(what="visit", batch=4, result="ok", paid=3000, seconds=4.0)
    record.append(what="batch", batch=4, paid=3000)
    assert main(["--report", "--folder", str(record.folder), "--seed", "7"]) == 0
    told = capsys.readouterr().out
    assert "1 kills" in told and "1  note.accepted" in told and "3000 fen paid; 3000 fen in the books" in told
    assert "0 fen lost, 0 fen doubled" in told
    record.append(what="failure", batch=5, visit=2, fault="AssertionError('something is owed')")
    assert report(record) == 1
    told = capsys.readouterr().out
    assert "DOES NOT HOLD: batch 5, visit 2: AssertionError('something is owed')" in told and "0 fen lost" not in told


@pytest.mark.parametrize(
    ("cut", "heard", "answered"),
    [("before", b"", b""), ("during", b"POST /v1", b""), ("after", b"POST /v1/batches", b"")],
)
def test_the_line_to_head_office_breaks_where_it_is_told_to(cut, heard, answered):
    pulled, took = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as office:

        def serve():
            call, _ = office.accept()
            with call:
                took.append(call.recv(100))
                if took[0] == b"POST /v1/batches":
                    call.sendall(b"200")
                    call.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        with OfficeLine(office.getsockname()[1], pulled.set) as line:
            line.cut = cut
            with socket.create_connection(line.server_address) as kiosk:
                kiosk.sendall(b"POST /v1/batches")
                assert pulled.wait(5) and kiosk.recv(100) == answered
            line.shutdown()
        server.join()
    assert took == [heard]
