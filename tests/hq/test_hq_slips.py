"""The page that says whether a slip is genuine, as a clerk with a scanner uses it."""

import pytest
from fakes import Terminal
from voucher_fakes import issue, qr

from kiosk.hq.slips import check

NO = "0007-3f2a91c0de"
OTHER = "power.example/kiosk/420100/0008/1"


@pytest.fixture
def slip(terminal):
    return qr(terminal.sell(bytes(16), 5000, 8928, [5000]), prefix="PK1:")


def page(hq, text, lang="en"):
    return hq.client.post(f"/slips?lang={lang}", data={"text": text}).text


def test_a_slip_is_genuine_before_its_ledger_has_arrived_and_after(hq, terminal, slip):
    assert check(hq.store, slip).verdict == "not-here"
    assert hq.post(terminal, terminal.batch()).status_code == 200
    said = check(hq.store, slip + "\r\n")
    assert (said.verdict, said.origin, said.entry.data["written"]) == ("booked", terminal.origin, 5000)


def test_a_voucher_is_a_slip_too(hq, terminal):
    said = check(hq.store, qr(issue(terminal)))
    assert (said.verdict, said.is_voucher) == ("not-here", True)
    assert f"Voucher {NO}" in page(hq, qr(terminal))


def test_one_whose_place_in_the_ledger_holds_another_entry(hq, terminal, slip):
    twin = Terminal(terminal.origin).open().sell(bytes([1]) * 16, 2000, 3571, [2000])
    assert hq.post(twin, twin.batch()).status_code == 200
    assert check(hq.store, slip).verdict == "two-histories"
    assert "pay nothing out" in page(hq, slip)


def test_one_signed_by_another_key(hq, terminal):
    forger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed9").open().sell(bytes(16), 5000, 8928, [5000])
    said = check(hq.store, qr(forger, prefix="PK1:"))
    assert (said.verdict, said.entry) == ("forged", None)


def test_one_of_a_terminal_that_nobody_enrolled(hq):
    stranger = Terminal(OTHER).open().sell(bytes(16), 5000, 8928, [5000])
    assert check(hq.store, qr(stranger, prefix="PK1:")).verdict == "unknown"


@pytest.mark.parametrize("text", ["", "PK1:", "hello", "PV1:ABC", "PK1:" + "0" * 3000, "https://example.com/"])
def test_what_is_no_slip(hq, text):
    assert check(hq.store, text).verdict == "unreadable"


def test_every_letter_counts(hq, slip):
    for place in range(len(slip)):
        wrong = slip[:place] + ("A" if slip[place] != "A" else "B") + slip[place + 1 :]
        assert check(hq.store, wrong).verdict in ("unreadable", "forged", "unknown"), place


@pytest.mark.parametrize(("lang", "good", "bad"), [("en", "Genuine", "Not genuine"), ("zh-CN", "真凭条", "假凭条")])
def test_the_page_says_it_in_both_languages(hq, terminal, slip, lang, good, bad):
    assert good in page(hq, slip, lang) and "¥50.00" in page(hq, slip, lang)
    forger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed9").open().sell(bytes(16), 5000, 8928, [5000])
    assert bad in page(hq, qr(forger, prefix="PK1:"), lang)


def test_double_spaces_and_signs_come_through_the_form(hq, terminal):
    for number in range(40):
        terminal.sell(number.to_bytes(16), 5000, 8928, [5000])
        slip = qr(terminal, prefix="PK1:")
        if "  " in slip and "+" in slip and "%" in slip:
            break
    assert "Genuine" in page(hq, slip), slip


def test_the_empty_page_and_what_is_pasted_are_shown_as_text(hq):
    assert "<input" in hq.client.get("/slips").text
    shown = page(hq, "<script>alert(1)</script>" + "x" * 100_000)
    assert "<script>alert" not in shown and "&lt;script&gt;" in shown and len(shown) < 60_000
