"""A TPM seals and counts, against a real one (swtpm)."""

import subprocess
import sys

import pytest
from soft_token import COUNTER, SoftTpm

from kiosk.ledger.hardware.chip import Chip
from kiosk.model.errors import LedgerFault

pytestmark = pytest.mark.slow
SECRET = b"never use in a real system"


def refused(call, *arguments):
    with pytest.raises(LedgerFault) as fault:
        call(*arguments)
    assert fault.value.code == "L-505"
    return str(fault.value)


def test_only_the_chip_that_sealed_it_opens_it(tpm, tmp_path):
    Chip(tpm.tcti).seal(SECRET, tmp_path, "sealed")
    assert SECRET not in (tmp_path / "sealed.priv").read_bytes() + (tmp_path / "sealed.pub").read_bytes()
    tpm.stop()
    tpm.start()
    assert Chip(tpm.tcti).unseal(tmp_path, "sealed") == SECRET
    (tmp_path / "other").mkdir()
    other = SoftTpm(tmp_path / "other")
    try:
        assert "never use" not in refused(Chip(other.tcti).unseal, tmp_path, "sealed")
    finally:
        other.stop()


def test_a_hundred_secrets_need_no_room_in_the_chip(tpm, tmp_path):
    chip = Chip(tpm.tcti)
    for number in range(6):  # a chip without a resource manager has room for three objects
        chip.seal(str(number).encode(), tmp_path, f"s{number}")
        assert chip.unseal(tmp_path, f"s{number}") == str(number).encode()


def test_the_counter_only_rises_and_is_not_begun_anew(tpm):
    chip = Chip(tpm.tcti)
    chip.make_counter(COUNTER)
    first = chip.counter(COUNTER)
    chip.raise_counter(COUNTER)
    chip.make_counter(COUNTER)
    assert chip.counter(COUNTER) == first + 1
    tpm.stop()
    tpm.start()
    chip = Chip(tpm.tcti)
    assert chip.counter(COUNTER) == first + 1
    undefined = subprocess.run(["tpm2_nvundefine", "-T", tpm.tcti, COUNTER], capture_output=True)
    assert undefined.returncode == 0
    chip.make_counter(COUNTER)
    assert chip.counter(COUNTER) > first + 1, "one that is made anew begins above all that were"


def test_a_chip_that_is_not_there_and_a_counter_that_is_not(tpm, tmp_path, monkeypatch):
    refused(Chip(tpm.tcti).counter, "0x01500099")
    refused(Chip(tpm.tcti).unseal, tmp_path, "none")
    tpm.stop()
    refused(Chip(tpm.tcti).counter, COUNTER)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "cannot be asked" in refused(Chip(tpm.tcti).counter, COUNTER)


def test_no_secret_is_an_argument(tpm, tmp_path, monkeypatch):
    called = []
    real = subprocess.run

    def seen(command, **more):
        called.append(" ".join(map(str, command)))
        return real(command, **more)

    monkeypatch.setattr(subprocess, "run", seen)
    chip = Chip(tpm.tcti)
    chip.seal(SECRET, tmp_path, "sealed")
    chip.unseal(tmp_path, "sealed")
    assert called and not any(SECRET.decode() in line for line in called)
    assert sys.executable not in called


def test_a_counter_whose_making_broke_off_is_raised_the_next_time(tpm, monkeypatch):
    """It is there, and cannot be read before it was raised once."""
    chip, real = Chip(tpm.tcti), Chip._call

    def cut(self, tool, *words, given=b""):
        if tool == "nvincrement":
            raise LedgerFault("L-505", "the power went")
        return real(self, tool, *words, given=given)

    with monkeypatch.context() as patch:
        patch.setattr(Chip, "_call", cut)
        refused(chip.make_counter, COUNTER)
    chip.make_counter(COUNTER)
    assert chip.counter(COUNTER) > 0
