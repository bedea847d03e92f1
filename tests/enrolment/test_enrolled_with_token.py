"""A terminal whose key is made in a token (SoftHSM): enrolled by code, and its next epoch with a key of its own."""

import pytest
from enrol_stage import PLACE, Machine, Office, files, shown

from kiosk.app import enrol_command
from kiosk.app.signing import opened_signer


@pytest.fixture
def hq(tmp_path, monkeypatch):
    office = Office(tmp_path / "hq")
    monkeypatch.setattr(enrol_command, "ask_office", office.ask)
    yield office
    office.close()


@pytest.fixture
def machine(tmp_path, tokens):
    place = tokens.make()
    table = f'[token]\nmodule = "{place.module}"\nlabel = "{place.label}"\npin_file = "{place.pin_file}"\n'
    return Machine(tmp_path / "kiosk", keys='kept = "token"', more=table)


def test_from_the_code_to_the_second_epoch(hq, machine):
    vkeys = []
    for epoch in (1, 2):
        code = hq.code()
        status, said, why = machine.run("--code", code, "--office", "x", typed="yes\n")
        assert status == 0, why
        hq.confirm(code[:4], shown(said))
        assert f"{PLACE}/{epoch}" in said
        vkeys.append(opened_signer(machine.config).vkey)
        with machine.opened() as journal:
            assert journal.origin == f"{PLACE}/{epoch}"
        assert hq.take(machine.config.journal).status_code == 200
    assert vkeys[0].key != vkeys[1].key, "an epoch is one key"
    keys = [name for name in files(machine.folder) if name.endswith(".pem")]
    assert keys == ["kiosk/sealing-key.pem"], "no key on the disk that signs"


def test_without_a_code_as_well(machine):
    status, said, _ = machine.run()
    assert status == 0 and said.startswith(f"{PLACE}/1+")
