"""The command line: what it says, and what it exits with."""

import argparse
import json

import pytest
from ledger_story import SALE, closed, make_journal, office_signer, stacked, terminal_signer, written

from kiosk.ledger.command import add_parsers
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import cosign
from kiosk.ledger.receipt import receipt_text
from kiosk.ledger.tree import Frontier

KEY = str(terminal_signer().vkey)


@pytest.fixture
def kiosk(capsys):
    def run(*words):
        parser = argparse.ArgumentParser()
        add_parsers(parser.add_subparsers(required=True))
        try:
            arguments = parser.parse_args([str(word) for word in words])
        except SystemExit as stop:
            return stop.code, "", capsys.readouterr().err
        code = arguments.run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "ledger.db"
    make_journal(path, [stacked(), written(), closed()]).close()
    return path


def test_a_sound_journal_exits_0(kiosk, journal, tmp_path):
    code, told, _ = kiosk("ledger", "verify", journal)
    assert code == 0 and "entries      4\n" in told and "No key was given" in told
    keys = tmp_path / "vkeys.txt"
    keys.write_text(f"{KEY}\n{office_signer().vkey}\n")
    for key in (KEY, keys):
        code, told, _ = kiosk("ledger", "verify", journal, "--key", key)
        assert code == 0 and "It verifies with the given key." in told


def test_a_wrong_key_exits_1(kiosk, journal):
    code, told, _ = kiosk("ledger", "verify", journal, "--key", terminal_signer(seed=b"other").vkey)
    assert code == 1 and "DOES NOT VERIFY" in told


def test_an_export_verifies_with_its_cosignature(kiosk, journal, tmp_path):
    with JournalReader(journal) as log:
        (tmp_path / "hq").write_text(cosign(log.newest(), office_signer(), 1_764_000_000))
    (tmp_path / "keys").write_text(f"{KEY}\n{office_signer().vkey}\n")
    code, told, _ = kiosk("ledger", "export", journal, tmp_path / "out", "--hq", tmp_path / "hq")
    assert code == 0 and "4 entries of power.example/kiosk/420100/0007/1" in told
    code, told, _ = kiosk("ledger", "verify", tmp_path / "out", "--key", tmp_path / "keys")
    assert code == 0 and "4 entries, by power.example/ledger-hq/1 at 2025-11-24T16:00:00+00:00" in told
    (tmp_path / "out/tile/0/000.p/4").unlink()
    code, told, _ = kiosk("ledger", "verify", tmp_path / "out", "--key", tmp_path / "keys")
    assert code == 1 and "000.p/4 cannot be read" in told


def test_totals_are_in_yuan(kiosk, journal):
    code, told, _ = kiosk("ledger", "totals", journal)
    assert code == 0
    assert [line.split() for line in told.split("\n")[1:3]] == [["cash:box", "¥50.00"], ["sold:1001", "-¥50.00"]]


def test_a_receipt_is_told_in_words(kiosk, journal, tmp_path):
    with JournalReader(journal) as log:
        (raw,) = log.entries(3, 4)
        text = receipt_text(terminal_signer(), raw, Frontier(log.leaf_hashes(0, 3)))
    (tmp_path / "key").write_text(KEY)
    for key in (KEY, tmp_path / "key"):
        code, told, _ = kiosk("receipt", "verify", text, "--key", key)
        assert code == 0 and "genuine" in told and "paid      ¥50.00" in told and SALE.hex() in told
    code, _, words = kiosk("receipt", "verify", text[:-1], "--key", KEY)
    assert code == 1 and words.startswith("[L-501]")
    code, _, words = kiosk("receipt", "verify", text, "--key", terminal_signer("power.example/kiosk/1/2/3").vkey)
    assert code == 1 and "none of the given keys" in words


@pytest.mark.parametrize(
    "words",
    [
        ("ledger",),
        ("ledger", "burn"),
        ("ledger", "verify", "/nowhere"),
        ("ledger", "verify", "/tmp"),
        ("ledger", "totals", "/nowhere"),
        ("ledger", "export", "/nowhere", "/nowhere/out"),
        ("ledger", "verify", "{journal}", "--key", "a+b+c"),
        ("ledger", "verify", "{journal}", "--key", "/nowhere"),
        ("receipt", "verify", "PK1:"),
        ("ledger", "export", "{journal}", "{journal}/out", "--hq", "/nowhere"),
    ],
)
def test_asked_wrongly_exits_2_with_words(kiosk, journal, words):
    code, told, error = kiosk(*(word.format(journal=journal) for word in words))
    assert (code, told) == (2, "") and error


def test_a_file_that_is_no_journal_exits_1(kiosk, tmp_path):
    (tmp_path / "x").write_text("hello")
    code, _, words = kiosk("ledger", "verify", tmp_path / "x")
    assert code == 1 and "[L-501]" in words


def test_totals_for_programs_are_in_fen(kiosk, journal):
    code, told, _ = kiosk("ledger", "totals", journal, "--json")
    sums = json.loads(told)
    assert code == 0
    assert sums["balances"] == {"cash:box": 5000, "sold:1001": -5000} and sums["size"] == sum(sums["kinds"].values())
