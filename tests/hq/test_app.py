"""Head office against a fake terminal, status by status in the order of contract 2 §6."""

import gzip

import cbor2
import pytest
import zstandard
from fakes import NOON, ORIGIN, Terminal, b64, cosigned_time

VKEY = "hq.vkey"


def _time(hq, terminal, answer, size=None):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return cosigned_time(answer.text, terminal.note(size), (hq.folder / VKEY).read_text().strip())


def _size(answer, status, size):
    assert (answer.status_code, answer.content) == (status, b"%d\n" % size)
    assert answer.headers["content-type"] == "text/x.tlog.size"


# step 1


def test_unknown_log_is_404_whatever_it_sends(hq):
    stranger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").open()
    assert hq.post(stranger, b"rubbish").status_code == 404
    assert hq.get(stranger).status_code == 404
    assert hq.floor(stranger, "rubbish").status_code == 404


def test_hash_in_capitals_is_another_log(hq, terminal):
    assert hq.client.get(f"/v1/logs/{terminal.hash.upper()}/checkpoint").status_code == 404


def test_blocked_is_403_before_anything_else(hq, terminal):
    from kiosk.hq.enrol import change

    assert hq.post(terminal, terminal.batch()).status_code == 200
    change(hq.store, ORIGIN, blocked=True)
    assert hq.post(terminal, bytes(9_000_000)).status_code == 403
    assert hq.get(terminal).status_code == 403
    assert hq.floor(terminal, "rubbish").status_code == 403
    change(hq.store, ORIGIN, blocked=False)
    assert hq.get(terminal).status_code == 200


def test_over_a_limit_is_413_before_415_and_400(hq, terminal):
    assert hq.post(terminal, bytes(8_388_609)).status_code == 413
    assert hq.post(terminal, bytes(8_388_609), content_type="text/plain").status_code == 413
    assert hq.post(terminal, bytes(8_388_609), content_encoding="br").status_code == 413
    assert hq.post(terminal, gzip.compress(bytes(8_388_609)), content_encoding="gzip").status_code == 413
    assert hq.post(terminal, terminal.batch(entries=[b""] * 4097, origin="wrong")).status_code == 413
    assert hq.post(terminal, terminal.batch(entries=[bytes(65_536)])).status_code == 413
    assert hq.log(terminal).size == 0


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "", "application/cbor-seq"])
def test_another_content_type_is_415(hq, terminal, media_type):
    assert hq.post(terminal, b"rubbish", content_type=media_type).status_code == 415


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "identity"])
def test_an_unknown_coding_is_415(hq, terminal, coding):
    assert hq.post(terminal, terminal.batch(), content_encoding=coding).status_code == 415


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress), ("GZIP", gzip.compress)],
)
def test_packed_bodies(hq, terminal, coding, pack):
    packed = pack(terminal.batch())
    assert hq.post(terminal, packed + packed, content_encoding=coding).status_code == 400
    assert hq.post(terminal, packed + b"x", content_encoding=coding).status_code == 400
    assert hq.post(terminal, packed[:-2], content_encoding=coding).status_code == 400
    _time(hq, terminal, hq.post(terminal, packed, content_encoding=coding))


def test_a_torn_upload_is_400_and_the_whole_one_passes(hq, terminal):
    body = terminal.batch()
    for cut in range(0, len(body), 7):
        assert hq.post(terminal, body[:cut]).status_code == 400
    assert hq.log(terminal).size == 0
    _time(hq, terminal, hq.post(terminal, body))


def _malformed(terminal):
    other = Terminal("power.example/kiosk/420100/0008/1").open()
    good = terminal.note()
    return {
        "origin of the body": terminal.batch(origin=other.origin),
        "origin of the checkpoint": terminal.batch(checkpoint=other.note()),
        "both origins": other.batch(),
        "size too large": terminal.batch(checkpoint=terminal.note(body=terminal.body(1).replace("\n1\n", "\n2\n"))),
        "size 0": terminal.batch(entries=[], checkpoint=terminal.note(0)),
        "size with a leading zero": terminal.batch(
            checkpoint=terminal.note(body=terminal.body(1).replace("\n1\n", "\n01\n"))
        ),
        "size of entries": terminal.batch(**{"from": 1}),
        "a fourth line": terminal.batch(checkpoint=terminal.note(body=terminal.body(1) + "more\n")),
        "two signatures": terminal.batch(checkpoint=good + good.split("\n\n")[1]),
        "no signature": terminal.batch(checkpoint=terminal.body(1) + "\n"),
        "no last LF": terminal.batch(checkpoint=good[:-1]),
        "base64 without padding": terminal.batch(checkpoint=good.replace("=\n\n", "\n\n")),
        "not CBOR": b"\xff",
        "a key too many": cbor2.dumps(cbor2.loads(terminal.batch()) | {"x": 1}),
        "empty body": b"",
    }


@pytest.mark.parametrize("what", _malformed(Terminal().open()))
def test_malformed_is_400(hq, terminal, what):
    assert hq.post(terminal, _malformed(terminal)[what]).status_code == 400
    assert hq.log(terminal).contact_ms == 0


# step 2


def test_a_bad_signature_is_403_and_keeps_nothing(hq, terminal):
    thief = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").open()
    flipped = bytearray(terminal.key.sign(terminal.body(1).encode()))
    flipped[3] ^= 1
    forged = f"{terminal.body(1)}\n— {ORIGIN} {b64(terminal.id + bytes(flipped))}\n"
    short = f"{terminal.body(1)}\n— {ORIGIN} {b64(terminal.id + bytes(flipped[:60]))}\n"
    for note in (thief.note(), forged, short):
        assert hq.post(terminal, terminal.batch(checkpoint=note)).status_code == 403
    log = hq.log(terminal)
    assert (log.size, log.contact_ms, log.claimed_size, hq.alarms()) == (0, 0, 0, [])
    assert hq.get(terminal).status_code == 404


# steps 3 to 6


def test_entries_are_cosigned_and_kept(hq, terminal):
    terminal.grow(4)
    assert hq.get(terminal).status_code == 404
    first = hq.post(terminal, terminal.batch(0, 3))
    assert _time(hq, terminal, first, 3) == NOON // 1000
    second = hq.post(terminal, terminal.batch(3))
    _time(hq, terminal, second, 5)
    assert hq.get(terminal).text == second.text
    assert hq.get(terminal).headers["content-type"] == "text/plain; charset=utf-8"
    assert hq.log(terminal).size == 5


def test_sending_twice_is_harmless_and_bears_the_new_time(hq, terminal):
    body = terminal.batch()
    hq.post(terminal, body)
    hq.clock.ms += 400 * 86_400_000
    assert _time(hq, terminal, hq.post(terminal, body)) == hq.clock.ms // 1000
    assert hq.log(terminal).size == 1


def test_overlap_is_skipped_without_looking(hq, terminal):
    terminal.grow(5)
    hq.post(terminal, terminal.batch(0, 4))
    rewritten = terminal.batch(2, entries=[b"", b"x", *terminal.entries[4:]])
    _time(hq, terminal, hq.post(terminal, rewritten))
    _time(hq, terminal, hq.post(terminal, terminal.batch(0)))
    assert hq.log(terminal).size == 6


def test_an_old_batch_is_answered_with_the_newest_checkpoint(hq, terminal):
    terminal.grow(5)
    hq.post(terminal, terminal.batch())
    _time(hq, terminal, hq.post(terminal, terminal.batch(0, 2)))
    _time(hq, terminal, hq.post(terminal, terminal.batch(3, 3)))


def test_a_heartbeat_is_an_empty_batch_at_its_own_size(hq, terminal):
    hq.post(terminal, terminal.batch())
    hq.clock.ms += 3_600_000
    _time(hq, terminal, hq.post(terminal, terminal.batch(1, 1)))
    assert hq.log(terminal).contact_ms == hq.clock.ms


def test_the_time_of_cosigning_never_falls_and_is_never_0(hq, terminal):
    hq.clock.ms = 0
    assert _time(hq, terminal, hq.post(terminal, terminal.batch())) == 1
    hq.clock.ms = NOON
    assert _time(hq, terminal, hq.post(terminal, terminal.batch())) == NOON // 1000
    hq.clock.ms = NOON - 5_000_000
    terminal.grow(1)
    assert _time(hq, terminal, hq.post(terminal, terminal.batch())) == NOON // 1000


def test_a_gap_is_409_with_our_size(hq, terminal):
    terminal.grow(9)
    _size(hq.post(terminal, terminal.batch(4)), 409, 0)
    hq.post(terminal, terminal.batch(0, 3))
    _size(hq.post(terminal, terminal.batch(4)), 409, 3)
    _size(hq.post(terminal, terminal.batch(10, 10)), 409, 3)
    assert hq.log(terminal).size == 3
    assert hq.log(terminal).claimed_size == 10


def test_entries_that_do_not_make_the_root_are_422_without_quarantine(hq, terminal):
    terminal.grow(3)
    hq.post(terminal, terminal.batch(0, 2))
    assert hq.post(terminal, terminal.batch(2, entries=[b"other", terminal.entries[3]])).status_code == 422
    assert not hq.log(terminal).quarantined
    assert hq.log(terminal).size == 2
    _time(hq, terminal, hq.post(terminal, terminal.batch(2, 2)), 2)
    _time(hq, terminal, hq.post(terminal, terminal.batch(2)))


def test_a_fork_is_422_and_quarantine_with_evidence(hq, terminal, tmp_path):
    from kiosk.hq.enrol import change, write_evidence

    twin = Terminal().open()
    terminal.grow(3)
    twin.append(version="2", unclean=True).grow(2)
    for end in (1, 3, 4):
        hq.post(terminal, terminal.batch(0, end))
    good = hq.get(terminal).text
    refused = twin.batch(0, 2)
    assert hq.post(terminal, refused).status_code == 422
    assert hq.log(terminal).quarantined
    assert hq.alarms() == ["quarantine"]
    # both sides are now met with 422, a stranger with 403, and GET still answers
    assert hq.post(terminal, terminal.batch(4, 4)).status_code == 422
    assert hq.post(terminal, terminal.batch(0)).status_code == 422
    stranger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").open()
    assert hq.post(terminal, stranger.batch()).status_code == 403
    assert hq.get(terminal).text == good
    # evidence: theirs, our smallest signed one of at least that size, the leaf hashes up to it
    assert write_evidence(hq.store, ORIGIN, tmp_path / "proof") == 1
    proof = tmp_path / "proof" / "1"
    assert (proof / "refused").read_text() == twin.note(2)
    assert (proof / "held").read_text() == terminal.note(3)
    from fakes import leaf

    assert (proof / "leaves").read_text().split() == [leaf(entry).hex() for entry in terminal.entries[:3]]
    change(hq.store, ORIGIN, quarantined=False)
    _time(hq, terminal, hq.post(terminal, terminal.batch(4, 4)))


def test_a_longer_fork_shows_as_wrong_entries_and_then_by_its_empty_batch(hq, terminal):
    twin = Terminal().open()
    terminal.grow(2)
    twin.append(version="2", unclean=True).grow(4)
    hq.post(terminal, terminal.batch())
    assert hq.post(twin, twin.batch(3)).status_code == 422
    assert not hq.log(twin).quarantined
    assert hq.post(twin, twin.batch(3, 3)).status_code == 422
    assert hq.log(twin).quarantined


def test_head_office_takes_bytes_and_not_sense(hq, terminal):
    terminal.entries += [b"", b"\xff" * 65_535, b"\xa0"]
    _time(hq, terminal, hq.post(terminal, terminal.batch()))
    assert hq.log(terminal).size == 4
    assert hq.alarms() == ["parked"]


def test_it_is_all_there_after_a_restart(hq, terminal):
    terminal.grow(2)
    answer = hq.post(terminal, terminal.batch())
    hq.restart()
    assert hq.get(terminal).text == answer.text
    _time(hq, terminal, hq.post(terminal.grow(1), terminal.batch(3)))


def test_a_full_disk_is_503_and_nothing_is_acknowledged(hq, terminal, monkeypatch):
    from peewee import OperationalError

    from kiosk.hq.tables import StoredCheckpoint

    hq.post(terminal, terminal.batch())
    terminal.grow(2)
    good = StoredCheckpoint.insert

    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(StoredCheckpoint, "insert", full)
    assert hq.post(terminal, terminal.batch(1)).status_code == 503
    monkeypatch.setattr(StoredCheckpoint, "insert", good)
    assert hq.log(terminal).size == 1
    _time(hq, terminal, hq.post(terminal, terminal.batch(1)))


def test_a_database_that_was_tampered_with_is_not_cosigned(hq, terminal):
    from kiosk.hq.tables import StoredEntry

    terminal.grow(2)
    answer = hq.post(terminal, terminal.batch())
    StoredEntry.update(leaf=bytes(32)).where(StoredEntry.seq == 1).execute(hq.store.database)
    hq.restart()
    assert hq.post(terminal, terminal.batch(3, 3)).status_code == 503
    assert hq.get(terminal).text == answer.text


def test_two_programs_on_one_database_do_not_trip_over_each_other(hq, terminal):
    """An operator's slip, or the moment of a change-over: each sees what the other one stored."""
    second = type(hq)(hq.folder, hq.database)
    terminal.grow(6)
    for end, office in enumerate((hq, second, hq, second, second, hq, hq), 1):
        _time(office, terminal, office.post(terminal, terminal.batch(end - 1, end)), end)
    assert hq.get(terminal).text == second.get(terminal).text
    second.store.close()
