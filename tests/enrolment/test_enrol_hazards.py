"""What people do wrong around an enrolment, and what the power does: no ledger comes back, none is left behind."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from enrol_stage import PLACE, Clock, Machine, Office, files, shown
from test_new_epoch import Card, Sale

from kiosk.app import enrol_command, enrolment
from kiosk.ledger.brought import Brought
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner


@pytest.fixture
def hq(tmp_path, monkeypatch):
    office = Office(tmp_path / "hq")
    monkeypatch.setattr(enrol_command, "ask_office", office.ask)
    yield office
    office.close()


def enrol(hq, machine):
    code = hq.code()
    status, said, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert status == 0, why
    hq.confirm(code[:4], shown(said))
    return code


def test_the_code_of_an_old_epoch_does_not_bring_its_ledger_back(hq, tmp_path):
    """Else what the new epoch brought over, and perhaps paid, would be owed once more."""
    machine = Machine(tmp_path / "kiosk")
    first = enrol(hq, machine)
    enrol(hq, machine)
    before, home = files(machine.config.home), machine.config.home
    status, _, why = machine.run("--code", first, "--office", "https://hq", typed="yes\n")
    assert (machine.config.home, files(home), status) == (home, before, 1), "epoch 2 is in force"
    assert "E-903" in why


def test_a_kiosk_that_runs_is_not_enrolled_behind_its_back(hq, tmp_path):
    """It would go on selling on the old ledger, whose debts the new one has read: a debt would be paid by both."""
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    kiosk = Sale(machine)
    try:
        kiosk.broken = True
        kiosk.visit(Card("10086"), 5_000)
        code = hq.code()
        status, said, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
        assert (status, machine.config.home.name) == (1, "epoch-1"), said
        assert "L-506" in why
        kiosk.broken = False
        card = Card("10086")
        kiosk.visit(card)
        assert card.credited, "it goes on"
    finally:
        kiosk.close()
    status, said, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert (status, machine.config.home.name) == (0, "epoch-2"), why
    brought = [entry.post for entry in machine.entries() if entry.kind == "balance.brought"]
    assert brought and not any(account.startswith("owed:") for post in brought for account, _ in post)


def test_a_kiosk_that_sold_between_the_last_two_steps_has_its_ledger_read_again(hq, tmp_path, monkeypatch):
    """The power goes before the new epoch is in force, the kiosk starts by itself and pays a debt: it is paid."""

    class PowerCut(BaseException):
        pass

    machine, card = Machine(tmp_path / "kiosk"), Card("10086")
    enrol(hq, machine)
    kiosk = Sale(machine)
    kiosk.broken = True
    kiosk.visit(card, 5_000)
    kiosk.close()
    code = hq.code()

    def cut(files, name, content):
        if name == enrolment.POINTER:
            raise PowerCut
        real(files, name, content)

    real = enrolment.put
    with monkeypatch.context() as patch:
        patch.setattr(enrolment, "put", cut)
        with pytest.raises(PowerCut):
            machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert machine.config.home.name == "epoch-1"
    kiosk = Sale(machine)
    kiosk.visit(card)
    kiosk.close()
    assert [fen for _, fen in card.credited] == [5_000]
    status, _, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert (status, machine.config.home.name) == (0, "epoch-2"), why
    kiosk = Sale(machine)
    kiosk.visit(card)
    kiosk.close()
    assert [fen for _, fen in card.credited] == [5_000], "not once more"
    assert machine.run("--code", code, "--office", "https://hq")[0] == 0, "in force: nothing is left to do"
    assert machine.config.home.name == "epoch-2"


def forged(path, debt):
    """A ledger that says of itself that it is this terminal's, of a later epoch than any; its key is anybody's."""
    key = KeySigner(Ed25519PrivateKey.generate(), f"{PLACE}/9")
    with Journal.create(path, key, key.vkey.name, "", "forged", Clock()) as journal:
        journal.append([debt.draft()])


def test_an_old_ledger_of_a_key_that_nobody_knows_is_not_believed(hq, tmp_path):
    """Else whoever hands a file to the person at the terminal is owed what he writes into it."""
    machine, path = Machine(tmp_path / "kiosk"), tmp_path / "found.db"
    debt = Brought(8, "owed:0001:10086", -5_000_000, ("0001", "10086", "710086"), "420100", 892_857)
    forged(path, debt)
    code = hq.code()
    status, said, why = machine.run("--code", code, "--office", "https://hq", "--old", path, typed="yes\n")
    assert (status, machine.config.journal.exists()) == (1, False), said
    assert "E-910" in why and "nobody knows the key" in why
    status, said, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert status == 0, why
    status, _, why = machine.run("bring", path)
    assert status == 1 and "nobody knows the key" in why
    assert [entry.kind for entry in machine.entries()] == ["log.opened"]


def test_a_ledger_put_in_the_place_of_the_one_in_force_is_not_believed(hq, tmp_path):
    machine = Machine(tmp_path / "kiosk")
    enrol(hq, machine)
    for part in machine.config.home.glob("ledger.db*"):
        part.unlink()
    debt = Brought(8, "owed:0001:10086", -5_000_000, ("0001", "10086", "710086"), "420100", 892_857)
    forged(machine.config.journal, debt)
    code = hq.code()
    status, _, why = machine.run("--code", code, "--office", "https://hq", typed="yes\n")
    assert status == 0 and "nobody knows the key" in why, "by head office's books"
    assert [entry.kind for entry in machine.entries() if entry.post] == []
