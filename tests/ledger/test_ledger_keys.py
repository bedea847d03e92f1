"""The key file: what opens it, what does not, and that it is never lost."""

import stat

import pytest
from ledger_story import OFFICE, ORIGIN

from kiosk.ledger.keys import load_key, make_key
from kiosk.ledger.note import HEAD_OFFICE
from kiosk.model.errors import LedgerFault


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    return path


def refused(function, *arguments):
    with pytest.raises(LedgerFault) as fault:
        function(*arguments)
    assert fault.value.code == "L-505"
    return str(fault.value)


def test_a_key_comes_back_from_its_file(tmp_path, passphrase):
    path = tmp_path / "key.pem"
    made = make_key(path, passphrase, ORIGIN)
    loaded = load_key(path, passphrase, ORIGIN)
    assert loaded.vkey == made.vkey
    assert made.vkey.verify(b"message", loaded.sign(b"message"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["key.pem", "passphrase"]


def test_head_offices_key_has_type_4(tmp_path, passphrase):
    made = make_key(tmp_path / "hq.pem", passphrase, OFFICE, HEAD_OFFICE)
    assert made.vkey.type == 4
    assert load_key(tmp_path / "hq.pem", passphrase, OFFICE, HEAD_OFFICE).vkey == made.vkey


def test_a_key_is_never_written_over(tmp_path, passphrase):
    path = tmp_path / "key.pem"
    make_key(path, passphrase, ORIGIN)
    before = path.read_bytes()
    refused(make_key, path, passphrase, ORIGIN)
    assert path.read_bytes() == before


def test_a_start_that_was_cut_off_leaves_no_way_blocked(tmp_path, passphrase):
    (tmp_path / "key.pem.new").write_bytes(b"half")
    make_key(tmp_path / "key.pem", passphrase, ORIGIN)
    assert load_key(tmp_path / "key.pem", passphrase, ORIGIN).vkey.name == ORIGIN


def test_what_does_not_open_is_told_without_the_secret(tmp_path, passphrase):
    path = tmp_path / "key.pem"
    make_key(path, passphrase, ORIGIN)
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong horse")
    empty = tmp_path / "empty"
    empty.write_text("\n")
    assert "wrong horse" not in refused(load_key, path, wrong, ORIGIN)
    refused(load_key, path, empty, ORIGIN)
    refused(load_key, path, tmp_path / "none", ORIGIN)
    refused(load_key, tmp_path / "none.pem", passphrase, ORIGIN)
    path.write_bytes(path.read_bytes()[:60])
    refused(load_key, path, passphrase, ORIGIN)


def test_a_key_of_another_sort_is_refused(tmp_path, passphrase):
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = generate_private_key(SECP256R1())
    encryption = BestAvailableEncryption(b"correct horse")
    (tmp_path / "ec.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    refused(load_key, tmp_path / "ec.pem", passphrase, ORIGIN)


def test_everything_is_flushed_before_the_key_has_its_name(tmp_path, passphrase, monkeypatch):
    import os

    order = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "link", lambda *names: (order.append("link"), link(*names)))
    make_key(tmp_path / "key.pem", passphrase, ORIGIN)
    assert order == ["fsync", "link", "fsync"]
