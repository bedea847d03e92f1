"""``kiosk hq voucher …`` and ``owed-list`` by their words: what the person at the counter is told, and exit codes."""

import argparse

import pytest
from fakes import Terminal
from voucher_fakes import issue, qr, write

from kiosk.app.lists import load_owed
from kiosk.hq.command import add_parsers
from kiosk.hq.store import Store
from kiosk.hq.tables import Redemption
from kiosk.ledger.keys import make_key

NO = "0007-3f2a91c0de"


@pytest.fixture
def hq(capsys, tmp_path, monkeypatch, database):
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

    assert run("init", "--domain", "power.example")[0] == 0
    (tmp_path / "hq" / "hq.toml").write_text(f'database = "{database.url}"\n')
    return run


@pytest.fixture
def slip(hq):
    """The QR of a voucher whose ledger has not arrived."""
    terminal = Terminal().open()
    assert hq("enrol", terminal.vkey)[0] == 0
    return qr(issue(terminal))


def test_check_changes_nothing_and_redeem_says_pay_once(hq, slip):
    for _ in range(2):
        code, said, _ = hq("voucher", "check", slip)
        assert code == 0 and "genuine" in said and "not redeemed" in said and NO in said
        assert "¥50.00, 89.28 kWh" in said and "customer  10086, meter 70001" in said and "has not arrived" in said
    code, said, _ = hq("voucher", "redeem", slip, "--as", "cash", "--operator", "李四")
    assert code == 0 and said.endswith("REDEEMED: pay ¥50.00.\n")
    code, said, why = hq("voucher", "redeem", slip, "--as", "card", "--operator", "王五")
    assert code == 1 and "REDEEMED: pay" not in said
    assert (
        why.startswith(f"NOT REDEEMED: voucher {NO} was redeemed in cash, ¥50.00, 20")
        and "by 李四. Pay nothing." in why
    )
    code, said, _ = hq("voucher", "check", slip)
    assert code == 1 and "redeemed in cash" in said and "by 李四" in said


def test_the_text_can_be_read_from_a_scanner(hq, slip, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(slip + "\r\n"))
    assert hq("voucher", "check", "-")[0] == 0


def test_a_forged_one_is_refused_and_nothing_is_stored(hq, slip, database):
    forged = qr(issue(Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed9").open()))
    for words in (("check", forged), ("redeem", forged, "--as", "cash", "--operator", "x")):
        code, said, why = hq("voucher", *words)
        assert (code, said) == (1, "") and "not signed by" in why
    store = Store(database.url)
    with store.session() as database:
        assert Redemption.select().count(database) == 0
    store.close()


@pytest.mark.parametrize("words", [("--as", "cash"), ("--operator", "x"), ("--as", "tea", "--operator", "x")])
def test_who_and_how_must_be_said(hq, slip, words):
    assert hq("voucher", "redeem", slip, *words)[0] == 2


@pytest.mark.parametrize("words", [("--as", "cash", "--count", "9"), ("--as", "card", "--count", "6")])
def test_a_count_that_makes_no_sense(hq, slip, words):
    code, _, why = hq("voucher", "redeem", slip, "--operator", "x", *words)
    assert code == 1 and "--count" in why


def owed_list(hq, tmp_path, key="prices"):
    words = (
        "--key",
        tmp_path / f"{key}.pem",
        "--passphrase-file",
        tmp_path / "words",
        "--vkey",
        tmp_path / "prices.vkey",
    )
    return hq("owed-list", "--out", tmp_path / "lists", *words)


@pytest.fixture
def signer(tmp_path):
    (tmp_path / "words").write_text("never use in a real system")
    (tmp_path / "words").chmod(0o600)
    made = make_key(tmp_path / "prices.pem", tmp_path / "words", "power.example/prices/1")
    (tmp_path / "prices.vkey").write_text(f"{made.vkey}\n")
    make_key(tmp_path / "other.pem", tmp_path / "words", "power.example/prices/1")
    return made


def test_the_list_that_is_written_is_the_one_terminals_take(hq, slip, signer, tmp_path):
    assert hq("voucher", "redeem", slip, "--as", "card", "--operator", "李四")[1].endswith("do not pay ¥50.00.\n")
    versions = []
    for _ in range(2):
        code, said, _ = owed_list(hq, tmp_path)
        assert code == 0 and said.startswith("1 vouchers for cards are in")
        here = tmp_path / "lists"
        listed, _ = load_owed(here / "owed.note", here / "owed.txt", tmp_path / "prices.vkey", max(versions, default=0))
        assert [(row.no, row.count, row.fen) for row in listed.rows] == [(NO, 7, 5000)]
        versions.append(listed.version)
    assert versions[0] < versions[1]


def test_a_key_that_is_not_the_one_terminals_know(hq, signer, tmp_path):
    code, _, why = owed_list(hq, tmp_path, "other")
    assert code == 1 and "is not the key of" in why and not (tmp_path / "lists").exists()


def test_the_list_of_what_waits_and_a_release(hq, slip, tmp_path, database):
    hq("voucher", "redeem", slip, "--as", "card", "--operator", "李四")
    code, said, _ = hq("voucher", "list")
    assert code == 0 and NO in said and "which has not come to a kiosk" in said and "1 vouchers" in said
    assert "may still be met" in hq("voucher", "release", NO, "--operator", "王五")[2]
    other = Terminal("power.example/kiosk/420100/0008/1", seed=bytes([8]) * 32).open()
    hq("enrol", other.vkey)
    from starlette.testclient import TestClient

    from kiosk.hq.app import Settings, create_app

    app = create_app(Settings(tmp_path / "hq", database.url))
    sent = write(other, bytes(16), "", brings=False).batch()
    headers = {"Content-Type": "application/cbor"}
    assert TestClient(app).post(f"/v1/logs/{other.hash}/entries", content=sent, headers=headers).status_code == 200
    app.state.store.close()
    code, said, _ = hq("voucher", "release", NO, "--operator", "王五")
    assert code == 0 and said.startswith(f"{NO} may be redeemed again: purchase 8 on this card is entry 2")
    assert hq("voucher", "redeem", slip, "--as", "cash", "--operator", "王五")[0] == 0


@pytest.mark.parametrize(
    "words", [("voucher", "check", "x"), ("voucher", "list"), ("voucher", "release", "x", "--operator", "y")]
)
def test_a_slip_in_data_makes_nothing_anywhere(hq, words, tmp_path):
    code, _, why = hq(*words, "--data", "elsewhere")
    assert code == 1 and "--data" in why and not (tmp_path / "elsewhere").exists()
