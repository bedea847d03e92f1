"""The command line: what it says, and what it exits with."""

import argparse
import json

import pytest
from ledger_story import SALE, closed, make_journal, office_signer, stacked, terminal_signer, written

from kiosk.ledger.cli import Progress
from kiosk.ledger.command import add_parsers
from kiosk.ledger.entry import AT_MAX, Entry, encode
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Checkpoint, cosign, sign_checkpoint
from kiosk.ledger.receipt import receipt_text
from kiosk.ledger.tree import Frontier, leaf_hash, root_hash

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
    assert code == 0 and "entries      4\n" in told and "No key of a terminal was given" in told
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


def test_a_cosignature_that_nobody_checked_is_said_to_be_so(kiosk, journal, tmp_path):
    with JournalReader(journal) as log:
        (tmp_path / "hq").write_text(cosign(log.newest(), office_signer(), 2**62))
    kiosk("ledger", "export", journal, tmp_path / "out", "--hq", tmp_path / "hq")
    code, told, _ = kiosk("ledger", "verify", tmp_path / "out", "--key", KEY)
    assert code == 0 and "4 entries: NOT CHECKED, no key of head office was given" in told
    code, told, _ = kiosk("ledger", "verify", tmp_path / "out", "--key", office_signer().vkey)
    assert code == 0 and "No key of a terminal was given" in told
    assert f"at {2**62} s after 1970" in told  # no calendar goes there; the cosignature holds all the same


def test_a_text_in_the_ledger_cannot_speak_for_us(kiosk, tmp_path):
    signer = terminal_signer()
    opened = {"origin": signer.vkey.name, "vkey": str(signer.vkey), "prev": "", "why": ""}
    raws = [
        encode(Entry(0, 1, 1, "log.opened", None, (), opened)),
        encode(Entry(1, 1, 1, "x\nIt verifies with the given key.\x1b[2J\u202e", None, (), {})),
    ]

    class Log:
        whole_from = 0

        def newest(self):
            return sign_checkpoint(signer, Checkpoint(signer.vkey.name, 2, root_hash(map(leaf_hash, raws))))

        def entries(self, first, end):
            return iter(raws[first:end])

    assert list(write_export(tmp_path / "out", Log())) == [2]
    code, told, _ = kiosk("ledger", "verify", tmp_path / "out")
    assert code == 0 and "\x1b" not in told and "\u202e" not in told
    assert "It verifies with the given key." not in told.split("\n") and r"x\nIt verifies" in told


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


def test_a_receipt_of_the_farthest_time_is_genuine(kiosk):
    raw = encode(Entry(1, AT_MAX, 1, "sale.closed", SALE, (), closed().data))
    text = receipt_text(terminal_signer(), raw, Frontier([leaf_hash(b"")]))
    code, told, _ = kiosk("receipt", "verify", text, "--key", KEY)
    assert code == 0 and f"{AT_MAX // 1000} s after 1970 by the terminal's clock" in told


def test_a_file_without_a_key_is_asked_wrongly(kiosk, journal, tmp_path):
    (tmp_path / "keys").write_text("\n")
    code, told, words = kiosk("ledger", "verify", journal, "--key", tmp_path / "keys")
    assert (code, told) == (2, "") and "holds no key" in words


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
    assert sums["problems"] == 0


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now * 1_000_000


@pytest.mark.parametrize("screen", [True, False])
def test_a_long_work_says_how_far_it_is(capsys, monkeypatch, screen):
    monkeypatch.setattr("sys.stderr.isatty", lambda: screen, raising=False)
    clock = Clock()
    progress = Progress(4_000, clock)
    for clock.now, done in ((0, 1), (150, 500), (10_000, 1_000), (10_100, 1_001), (20_000, 4_000)):
        progress(done)
    progress.end()
    lines = ["1000 of 4000 (25 %) entries 条, 100/s", "4000 of 4000 (100 %) entries 条, 200/s"]
    assert capsys.readouterr().err == (
        "".join(f"\r{line} " for line in lines) + "\n" if screen else "".join(f"{line}\n" for line in lines)
    )


def test_a_short_work_says_nothing(kiosk, journal):
    assert kiosk("ledger", "verify", journal)[2] == ""


def test_what_does_not_verify_is_told_with_what_to_do(kiosk, journal):
    code, told, _ = kiosk("ledger", "verify", journal, "--key", terminal_signer(seed=b"other").vkey)
    assert code == 1 and "tell head office" in told and "校验未通过" in told and "报告总部" in told
