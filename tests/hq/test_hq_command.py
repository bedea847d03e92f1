"""``kiosk hq …`` by its words: what it does, and what it says when it cannot."""

import argparse
from pathlib import Path

import pytest
from fakes import NOON, ORIGIN, Terminal

from kiosk.hq.app import Settings, create_app
from kiosk.hq.command import add_parsers
from kiosk.hq.store import Store


@pytest.fixture
def hq(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        parser = argparse.ArgumentParser("kiosk")
        add_parsers(parser.add_subparsers(required=True))
        try:
            arguments = parser.parse_args(["hq", *map(str, words)])
            code = arguments.run(arguments)
        except SystemExit as stop:
            code = stop.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def office(hq, database, tmp_path):
    code, vkey, _ = hq("init", "--domain", "power.example")
    assert code == 0
    (tmp_path / "hq" / "hq.toml").write_text(f'database = "{database.url}"\n')
    return vkey.strip()


def test_a_new_head_office(hq, office, tmp_path):
    assert office.startswith("power.example/ledger-hq/1+")
    assert hq("vkey") == (0, office + "\n", "")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "hq" / "hq.key", tmp_path / "hq" / "passphrase")} == {
        0o600
    }
    assert (tmp_path / "hq").stat().st_mode & 0o077 == 0


def test_a_second_key_is_never_made_by_accident(hq, office, tmp_path):
    before = (tmp_path / "hq" / "hq.key").read_bytes()
    code, _, said = hq("init", "--domain", "power.example", "--number", "2")
    assert code == 1 and "already" in said and "kiosk hq vkey" in said
    assert (tmp_path / "hq" / "hq.key").read_bytes() == before


@pytest.mark.parametrize("words", [("--domain", "Power Example"), ("--domain", "a.b", "--number", "0")])
def test_a_name_that_is_none(hq, words, tmp_path):
    code, _, said = hq("init", *words)
    assert code == 1 and "power.example" in said
    assert not (tmp_path / "hq" / "hq.key").exists()


def test_the_list_of_all_keys_old_epochs_too(hq, office, database):
    terminals = [Terminal(f"power.example/kiosk/420100/0007/{epoch}", seed=bytes([epoch]) * 32) for epoch in (1, 2)]
    for terminal in terminals:
        assert hq("enrol", terminal.vkey)[:2] == (0, "enrolled\n")
    assert hq("enrol", terminals[0].vkey)[:2] == (0, "enrolled already\n")
    everyone = [terminals[0].vkey, terminals[1].vkey, office]
    assert hq("vkeys")[1].splitlines() == everyone
    create_app(Settings(Path("hq"), database.url)).state.store.close()
    assert hq("vkeys")[1].splitlines() == everyone, "the server's first start changes nothing"


@pytest.mark.parametrize("wrong", ["abc", "a+b+c", ""])
def test_a_key_that_is_none(hq, office, wrong):
    code, _, said = hq("enrol", wrong)
    assert code == 1 and "the whole line that `kiosk enrol` printed" in said


def test_head_offices_own_key_is_no_terminal(hq, office):
    code, _, said = hq("enrol", office)
    assert code == 1 and "head office's own" in said


def test_another_key_for_an_epoch_that_is_enrolled(hq, office):
    hq("enrol", Terminal().vkey)
    code, _, said = hq("enrol", Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").vkey)
    assert code == 1 and "new epoch" in said


@pytest.mark.parametrize("command", ["vkeys", "enrol", "block", "lift", "rebuild", "evidence", "vkey", "serve"])
def test_a_slip_in_data_makes_nothing_anywhere(hq, command, tmp_path):
    words = {"enrol": [Terminal().vkey], "evidence": [ORIGIN, "--out", "x"]}.get(command, [ORIGIN])
    words = [] if command in ("vkeys", "vkey", "serve") else words
    code, _, said = hq(command, *words, "--data", "elsewhere")
    assert code == 1 and "--data" in said and "kiosk hq init" in said
    assert list(tmp_path.iterdir()) == []


def test_block_unblock_lift_rebuild_and_evidence(hq, office, database, tmp_path):
    hq("enrol", Terminal().vkey)
    for command, first, again in (
        ("block", "is blocked", "is blocked already"),
        ("unblock", "is served again", "is not blocked"),
        ("lift", None, "is not in quarantine"),
    ):
        if first:
            assert hq(command, ORIGIN) == (0, f"{ORIGIN} {first}\n", "")
        assert hq(command, ORIGIN) == (0, f"{ORIGIN} {again}\n", "")
    store = Store(database.url)
    with store.turn(Terminal().hash) as turn:
        turn.set(quarantined=True)
        turn.add_evidence(NOON, "refused\n", "held\n", [bytes(32)])
    store.close()
    assert hq("lift", ORIGIN)[1] == f"{ORIGIN} is out of quarantine\n"
    assert hq("evidence", ORIGIN, "--out", tmp_path / "proof")[1].startswith("1 written")
    assert (tmp_path / "proof" / "1" / "leaves").read_text() == "00" * 32 + "\n"
    assert "0 entries are parked" in hq("rebuild", ORIGIN)[1]


@pytest.mark.parametrize("command", ["block", "unblock", "lift", "rebuild", "evidence"])
def test_a_ledger_that_nobody_enrolled(hq, office, command):
    code, _, said = hq(command, ORIGIN, *(["--out", "x"] if command == "evidence" else []))
    assert code == 1 and "not enrolled" in said and "kiosk hq vkeys" in said


@pytest.mark.parametrize("listen", ["8600", "127.0.0.1", "127.0.0.1:x", ":8600", "127.0.0.1:70000"])
def test_an_address_that_is_none(hq, office, listen):
    code, _, said = hq("serve", "--listen", listen)
    assert code == 1 and "127.0.0.1:8600" in said


@pytest.mark.parametrize("url", ["mysql://u:secret@h", "foo://u:secret@h/x", "postgresql://u:secret@127.0.0.1:1/x"])
def test_a_database_that_cannot_be_used_without_telling_its_password(hq, office, url):
    code, _, said = hq("vkeys", "--db", url)
    assert code == 1 and "L-502" in said and "secret" not in said


def test_a_key_that_cannot_be_opened(hq, office, tmp_path):
    (tmp_path / "hq" / "passphrase").write_text("another\n")
    code, _, said = hq("serve")
    assert code == 1 and "L-505" in said and "another" not in said
    (tmp_path / "hq" / "passphrase").unlink()
    assert hq("serve")[0] == 1


def test_a_certificate_that_cannot_be_used(hq, office, tmp_path):
    (tmp_path / "hq.pem").write_text("no certificate")
    for file in ("hq.pem", "nothing.pem"):
        code, _, said = hq("serve", "--listen", "127.0.0.1:0", "--certificate", file)
        assert code == 1 and file in said and "F-701" in said


def test_help_leads_the_way(hq):
    code, said, _ = hq("--help")
    assert code == 0
    for word in ("init", "enrol", "serve", "first steps", "evidence"):
        assert word in said
    for command in ("init", "serve", "enrol", "vkey", "vkeys", "block", "unblock", "lift", "rebuild", "evidence"):
        code, said, _ = hq(command, "--help")
        assert code == 0 and "--data DIR" in said
