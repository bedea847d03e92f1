"""A debt whose old disk is gone for good: a person closes it, once, with a reason, and only if no kiosk can pay it."""

import argparse

import pytest
from enrol_stage import PLACE, Machine
from test_new_epoch import Card, Sale, dies_in_debt, enrol, hq, owed  # noqa: F401

from kiosk.hq.carried import left_of
from kiosk.hq.command import add_parsers
from kiosk.hq.held import held_debts
from kiosk.hq.store import log_hash
from kiosk.model.card import CardKind, CardReading, PurchaseState


def office_does(hq, *words):  # noqa: F811
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    given = parser.parse_args(["hq", *map(str, words), "--data", str(hq.folder)])
    return given.run(given)


@pytest.fixture
def town(hq, tmp_path):  # noqa: F811
    """Two debts by head office's books; the first card has been bought on elsewhere, the second was not seen since."""
    old, new = Machine(tmp_path / "old"), Machine(tmp_path / "new")
    cards = [Card("10086"), Card("10087")]
    enrol(hq, old)
    dies_in_debt(hq, old, cards)
    enrol(hq, new)
    cards[0].reading = CardReading(CardKind.PURCHASE, "420100", "10086", "710086", 12, PurchaseState.TAKEN)
    sale = Sale(new)
    sale.visit(cards[0], 2000)
    sale.close()
    assert cards[0].credited == [(13, 2000)] and hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 10000}
    return old, new, cards


def closed(hq, seq, *more, reason="card seen, 50 yuan paid in cash", operator="李四"):  # noqa: F811
    return office_does(hq, "held", "close", f"{PLACE}/2", seq, "--reason", reason, "--operator", operator, *more)


def test_what_no_kiosk_can_pay_is_closed_once_with_a_reason(hq, town, capsys):  # noqa: F811
    gone, waiting = sorted(held_debts(hq.store), key=lambda each: each.seq)
    assert ("count 13" in gone.why, waiting.why, gone.fen) == (True, "", 5000)
    assert office_does(hq, "held", "list") == 0
    said = capsys.readouterr().out
    assert f"{PLACE}/2 {gone.seq}  ¥50.00" in said and "would still be paid" in said
    assert closed(hq, gone.seq) == 0
    assert owed(hq) == {"1": 0, "2": 5000} and left_of(hq.store, hq.store.log(log_hash(f"{PLACE}/2")))["cash:box"]
    assert closed(hq, gone.seq) == 1 and "closed already, by 李四" in capsys.readouterr().err
    assert owed(hq) == {"1": 0, "2": 5000}
    assert office_does(hq, "held", "list") == 0 and f"/2 {gone.seq} " not in capsys.readouterr().out
    assert office_does(hq, "held", "list", "--all") == 0 and "50 yuan paid in cash" in capsys.readouterr().out
    page = hq.client.get("/sales?lang=en&q=10086").text
    assert "50 yuan paid in cash" in page and "李四" in page and 'id="owed"' not in page
    assert 'id="owed"' in hq.client.get("/sales?lang=en&q=10087").text


def test_what_a_kiosk_may_still_pay_is_not_closed_and_is_paid(hq, town, capsys):  # noqa: F811
    _, new, cards = town
    (waiting,) = [each for each in held_debts(hq.store) if not each.why]
    for more in ((), ("--count", 7)):
        assert closed(hq, waiting.seq, *more) == 1 and "would still be paid" in capsys.readouterr().err
    Sale(new).visit(cards[1]).close()
    assert cards[1].credited == [(8, 5000)] and hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 5000}
    assert closed(hq, waiting.seq) == 1 and "holds no debt" in capsys.readouterr().err


@pytest.mark.parametrize("slip", [{"reason": " "}, {"operator": ""}])
def test_who_and_why_must_be_said(hq, town, slip, capsys):  # noqa: F811
    gone = next(each for each in held_debts(hq.store) if each.why)
    assert closed(hq, gone.seq, **slip) == 1 and "--reason" in capsys.readouterr().err
    assert owed(hq) == {"1": 0, "2": 10000}


def test_once_its_terminal_is_retired_any_held_debt_may_be_closed(hq, town):  # noqa: F811
    assert office_does(hq, "retire", f"{PLACE}/2") == 0
    waiting = max(held_debts(hq.store), key=lambda each: each.seq)
    assert waiting.why and closed(hq, waiting.seq) == 0
    assert owed(hq) == {"1": 0, "2": 5000}


def test_the_next_epoch_is_not_given_what_was_closed(hq, town, tmp_path):  # noqa: F811
    gone = next(each for each in held_debts(hq.store) if each.why)
    assert closed(hq, gone.seq) == 0
    third = Machine(tmp_path / "third")
    said, _ = enrol(hq, third)
    assert "¥50.00 owed to 1 cards" in said
    assert hq.take(third.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 0, "3": 5000}


def test_a_closing_follows_the_debt_that_a_readable_disk_brings_over(hq, town):  # noqa: F811
    """The terminal knows nothing of the closing: its next epoch holds the debt again, and head office's sum stays."""
    _, new, _ = town
    gone = next(each for each in held_debts(hq.store) if each.why)
    assert closed(hq, gone.seq) == 0
    said, _ = enrol(hq, new)
    assert "¥100.00 owed to 2 cards" in said
    assert hq.take(new.config.journal).status_code == 200
    assert owed(hq) == {"1": 0, "2": 0, "3": 5000}
    assert [each.closing is not None for each in sorted(held_debts(hq.store), key=lambda e: e.row.key)] == [True, False]


def test_a_count_that_a_person_has_read_on_the_card_is_proof_too(hq, town):  # noqa: F811
    (waiting,) = [each for each in held_debts(hq.store) if not each.why]
    assert closed(hq, waiting.seq, "--count", 8) == 0
    assert owed(hq) == {"1": 0, "2": 5000}
    (row,) = [each.closing for each in held_debts(hq.store) if each.closing is not None]
    assert row.reason.endswith("(count 8)") and row.operator == "李四"
