"""The order of contract 2 §6: where a request is wrong in two ways, the answer is that of the earlier rule."""

import gzip

import pytest
import zstandard
from fakes import ORIGIN, Terminal, b64, cbor

from kiosk.hq.enrol import change

FORGER = b"NEVER USE IN A REAL SYSTEM seed2"
LIMIT = 8_388_608


def wide_frame():
    """A zstd frame whose window is above 8 MiB."""
    options = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=options).compressobj()
    return packer.compress(b"x") + packer.flush()


def quarantined(hq, terminal):
    terminal.grow(3)
    hq.post(terminal, terminal.batch())
    change(hq.store, ORIGIN, quarantined=True)


def test_404_before_403_413_415_and_400(hq):
    stranger = Terminal().open()
    for body, headers in ((bytes(LIMIT + 1), {}), (b"x", {"content_type": "text/plain"}), (b"x", {})):
        assert hq.post(stranger, body, **headers).status_code == 404


def test_403_of_a_blocked_log_before_413_415_400_and_the_quarantine(hq, terminal):
    quarantined(hq, terminal)
    change(hq.store, ORIGIN, blocked=True)
    for body, headers in (
        (bytes(LIMIT + 1), {}),
        (b"x", {"content_type": "text/plain"}),
        (b"x", {"content_encoding": "br"}),
        (b"x", {}),
        (terminal.batch(4, 4), {}),
    ):
        assert hq.post(terminal, body, **headers).status_code == 403


@pytest.mark.parametrize("headers", [{"content_type": "text/plain"}, {"content_type": ""}, {"content_encoding": "br"}])
def test_413_before_415(hq, terminal, headers):
    assert hq.post(terminal, bytes(LIMIT + 1), **headers).status_code == 413
    assert hq.post(terminal, terminal.batch(entries=[b""] * 4097), **headers).status_code == 413
    assert hq.post(terminal, terminal.batch(entries=[bytes(65_536)]), **headers).status_code == 413
    assert hq.post(terminal, terminal.batch(), **headers).status_code == 415


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_413_before_415_by_what_is_packed(hq, terminal, pack):
    coding = "gzip" if pack is gzip.compress else "zstd"
    body = pack(bytes(LIMIT + 1))
    assert hq.post(terminal, body, content_encoding=coding, content_type="text/plain").status_code == 413


def test_413_before_400(hq, terminal):
    many = [b""] * 4097
    assert hq.post(terminal, gzip.compress(bytes(LIMIT + 1)) + b"behind", content_encoding="gzip").status_code == 413
    assert hq.post(terminal, terminal.batch(entries=many, origin="wrong")).status_code == 413
    assert hq.post(terminal, terminal.batch(entries=many) + b"behind").status_code == 413
    assert hq.post(terminal, terminal.batch(entries=many, checkpoint="no note")).status_code == 413


@pytest.mark.parametrize("body", [b"\xff", b"", b"{}"])
def test_415_before_400(hq, terminal, body):
    assert hq.post(terminal, body, content_type="application/json").status_code == 415
    assert hq.post(terminal, body, content_encoding="br").status_code == 415
    assert hq.post(terminal, wide_frame(), content_encoding="zstd", content_type="text/plain").status_code == 415
    assert hq.post(terminal, body).status_code == 400


def test_a_window_above_8_mib_is_400(hq, terminal):
    assert hq.post(terminal, wide_frame(), content_encoding="zstd").status_code == 400


def test_400_before_the_signature_and_the_quarantine(hq, terminal):
    quarantined(hq, terminal)
    forger = Terminal(seed=FORGER)
    forger.entries = terminal.entries
    other = Terminal("power.example/kiosk/420100/0008/1", seed=FORGER).open()
    for who in (terminal, forger):
        assert hq.post(terminal, who.batch(0, 3, checkpoint=who.note(4))).status_code == 400, "another size"
        assert hq.post(terminal, who.batch(0, 0, checkpoint=who.note(0))).status_code == 400, "size 0"
        assert hq.post(terminal, who.batch(origin=other.origin)).status_code == 400, "another origin"
        assert hq.post(terminal, who.batch(checkpoint=other.note())).status_code == 400, "another log's checkpoint"


def test_the_signature_before_the_quarantine(hq, terminal):
    quarantined(hq, terminal)
    forger = Terminal(seed=FORGER)
    forger.entries = terminal.entries
    assert hq.post(terminal, forger.batch()).status_code == 403
    assert hq.post(terminal, terminal.batch()).status_code == 422


def test_the_signature_before_the_fork_the_gap_and_the_root(hq, terminal):
    terminal.grow(3)
    hq.post(terminal, terminal.batch())
    forger = Terminal(seed=FORGER).open().append(version="2", unclean=True).grow(9)
    assert hq.post(terminal, forger.batch(0, 3)).status_code == 403, "a fork, were it signed"
    assert hq.post(terminal, forger.batch(8, 9)).status_code == 403, "a gap"
    assert hq.post(terminal, forger.batch(4, 9)).status_code == 403, "another root"
    assert (hq.log(terminal).quarantined, hq.log(terminal).claimed_size) == (False, 4)


def test_the_quarantine_before_the_fork_and_the_gap(hq, terminal):
    quarantined(hq, terminal)
    twin = Terminal().open().append(version="2", unclean=True).grow(9)
    assert hq.post(terminal, twin.batch(0, 3)).status_code == 422
    assert hq.post(terminal, twin.batch(8, 9)).status_code == 422
    assert hq.evidence(terminal) == [], "nothing new is looked at"


def test_the_fork_before_what_is_wrong_with_the_entries(hq, terminal):
    """An old size with another root is a fork whatever the batch holds: the checkpoint alone proves it."""
    terminal.grow(5)
    hq.post(terminal, terminal.batch())
    twin = Terminal().open().append(version="2", unclean=True).grow(2)
    assert hq.post(terminal, twin.batch(1, 3, entries=[b"not", b"those"])).status_code == 422
    assert hq.log(terminal).quarantined
    assert hq.evidence(terminal)[0][:2] == (twin.note(3), terminal.note(6))


def test_the_gap_before_the_root(hq, terminal):
    terminal.grow(9)
    hq.post(terminal, terminal.batch(0, 2))
    assert hq.post(terminal, terminal.batch(5, 7, entries=[b"not", b"those"])).status_code == 409
    assert hq.log(terminal).size == 2


def test_a_good_root_with_other_bytes_in_the_overlap_is_taken(hq, terminal):
    """Overlap is skipped: what lies there already is not looked at again."""
    terminal.grow(5)
    hq.post(terminal, terminal.batch(0, 4))
    assert hq.post(terminal, terminal.batch(2, entries=[b"", b"x", *terminal.entries[4:]])).status_code == 200
    assert hq.post(terminal, terminal.batch(1, 3, entries=[b"", b"x"])).status_code == 200


@pytest.mark.parametrize("key", ["origin", "from", "entries", "checkpoint"])
def test_exactly_four_keys(hq, terminal, key):
    fields = {"origin": ORIGIN, "from": 0, "entries": terminal.entries, "checkpoint": terminal.note()}
    assert hq.post(terminal, cbor({name: value for name, value in fields.items() if name != key})).status_code == 400
    assert hq.post(terminal, cbor(fields | {"more": 0})).status_code == 400
    assert hq.post(terminal, cbor(fields | {key: None})).status_code == 400
    assert hq.post(terminal, cbor(fields)).status_code == 200


def test_the_limits_are_met_exactly(hq, terminal):
    """4,096 entries and 8,388,608 bytes pass; so does an entry of 65,535 bytes."""
    terminal.entries += [b""] * 4095
    assert hq.post(terminal, terminal.batch()).status_code == 200
    terminal.entries += [bytes(65_535)] * 127
    room = LIMIT - len(terminal.batch(4096, checkpoint=terminal.note()))
    terminal.entries.append(bytes(room - 3))
    body = terminal.batch(4096)
    while len(body) < LIMIT:  # the checkpoint's size may have grown by a digit
        terminal.entries[-1] += bytes(LIMIT - len(body))
        body = terminal.batch(4096)
    assert len(body) == LIMIT
    assert hq.post(terminal, body).status_code == 200
    assert hq.log(terminal).size == 4096 + 128


def test_a_forged_line_of_the_right_name_is_403_and_of_another_name_400(hq, terminal):
    body = terminal.body(1)
    signature = terminal.key.sign(body.encode())
    other_id = bytes(4)
    assert (
        hq.post(terminal, terminal.batch(checkpoint=f"{body}\n— {ORIGIN} {b64(other_id + signature)}\n")).status_code
        == 403
    )
    named = f"{body}\n— power.example/ledger-hq/1 {b64(terminal.id + signature)}\n"
    assert hq.post(terminal, terminal.batch(checkpoint=named)).status_code == 400
