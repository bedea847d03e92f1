"""A key's file on a disk that is nearly full: whole, or not there."""

import errno
import os

import pytest

from kiosk.ledger import keys
from kiosk.ledger.keys import load_key, make_key
from kiosk.model.errors import LedgerFault

NAME = "power.example/kiosk/420100/0007/1"
real = os.write


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("never use in a real system")
    return path


def test_a_disk_that_takes_a_piece_at_a_time_gets_the_whole_key(tmp_path, passphrase, monkeypatch):
    """write(2) may take less than it was given; half a key would open the ledger today, and never again."""
    monkeypatch.setattr(keys.os, "write", lambda handle, content: real(handle, bytes(content)[:40]))
    signer = make_key(tmp_path / "key.pem", passphrase, NAME)
    assert load_key(tmp_path / "key.pem", passphrase, NAME).vkey == signer.vkey


def test_a_disk_that_becomes_full_leaves_no_key(tmp_path, passphrase, monkeypatch):
    left = 100

    def full(handle, content):
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        took = real(handle, bytes(content)[:left])
        left -= took
        return took

    monkeypatch.setattr(keys.os, "write", full)
    with pytest.raises(LedgerFault) as fault:
        make_key(tmp_path / "key.pem", passphrase, NAME)
    assert fault.value.code == "L-505" and not (tmp_path / "key.pem").exists()
    monkeypatch.setattr(keys.os, "write", real)
    make_key(tmp_path / "key.pem", passphrase, NAME)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
