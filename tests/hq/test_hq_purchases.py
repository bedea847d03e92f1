"""One purchase number of a card, sold by two terminals: neither can know, head office does and says so."""

import pytest
from fakes import Terminal

from kiosk.hq.books import rebuild
from kiosk.hq.purchases import ALARM
from kiosk.hq.store import log_hash
from kiosk.hq.tables import Alarm, Purchase


@pytest.fixture
def other(hq):
    return hq.enrol(Terminal("power.example/kiosk/420100/0008/1")).open()


def told(hq):
    return [row.detail for row in Alarm.select().where(Alarm.what == ALARM).execute(hq.store.database)]


def send(hq, *terminals):
    for terminal in terminals:
        assert hq.post(terminal, terminal.batch(0)).status_code == 200


def test_two_terminals_sold_the_same_purchase_of_one_card(hq, terminal, other):
    terminal.sell(bytes(16), 1450, 2589, [1450], meter="202600012345", count=8)
    other.sell(bytes(16), 4000, 7142, [4000], meter="202600012345", count=8)
    send(hq, terminal, other)
    (line,) = told(hq)
    assert line.startswith("1a2b 10086 202600012345 8: ")
    assert f"1450 fen, {terminal.origin}" in line and f"4000 fen, {other.origin}" in line
    send(hq, other, terminal)
    assert told(hq) == [line], "said once, however often it is sent"


def test_a_purchase_sold_very_often_is_one_line_that_does_not_grow(hq, terminal, other):
    """A terminal out of its mind: the line says how many, and where all of them are to be seen."""
    for number in range(40):
        terminal.sell(number.to_bytes(16, "big"), 1450, 2589, [1450], meter="202600012345", count=8)
        send(hq, terminal)
    (line,) = told(hq)
    assert line.count(" fen, ") == 5 and line.endswith(", and 35 more: 40 in all, see /sales?q=10086")
    assert len(line) < 400 and "40 in all" in hq.client.get("/?lang=en").text
    page = hq.client.get("/sales?lang=en&q=10086").text
    assert page.count('<td class="n">8</td>') == 40
    other.sell(bytes(16), 4000, 7142, [4000], meter="202600012345", count=8)
    send(hq, other)
    first, second = told(hq)
    assert first == line and "41 in all" in second, "another terminal's is told again, for it has another owner"


@pytest.mark.parametrize(("meter", "count"), [("202600012345", 9), ("202600012346", 8)])
def test_other_counts_and_other_meters_are_other_purchases(hq, terminal, other, meter, count):
    terminal.sell(bytes(16), 1450, 2589, [1450], meter="202600012345", count=8)
    other.sell(bytes(16), 4000, 7142, [4000], meter=meter, count=count)
    send(hq, terminal, other)
    assert told(hq) == []


def test_a_reversal_gives_the_count_back(hq, terminal, other):
    terminal.sell(bytes(16), 1450, 2589, [1450], meter="202600012345", count=8)
    data = {"vendor": "1a2b", "customer": "10086", "meter": "202600012345", "count": 8, "fen": 1450, "energy": 2589}
    post = [("cash:box", -1450), ("sold:1a2b", 1450)]
    terminal.append("card.done", bytes([1]) * 16, post, function="reverse", how="written", **data)
    other.sell(bytes(16), 4000, 7142, [4000], meter="202600012345", count=8)
    send(hq, terminal, other)
    assert told(hq) == []


def test_nothing_written_is_no_purchase_and_a_rebuild_gives_the_same(hq, terminal):
    terminal.sell(bytes(16), 0, 0, [2000], meter="1", count=3).sell(bytes([1]) * 16, 2000, 3500, [], meter="1", count=3)
    send(hq, terminal)
    before = list(Purchase.select().dicts().execute(hq.store.database))
    assert [(row["meter"], row["count"], row["fen"]) for row in before] == [("1", 3, 2000)]
    rebuild(hq.store, log_hash(terminal.origin))
    assert list(Purchase.select().dicts().execute(hq.store.database)) == before


@pytest.mark.parametrize(
    "strange", [{"meter": 7}, {"count": "8"}, {"count": -1}, {"written": "1450"}, {"meter": "x" * 65}]
)
def test_an_entry_in_another_form_says_nothing_of_a_card(hq, terminal, strange):
    closed = {"vendor": "1a2b", "customer": "10086", "meter": "7", "count": 8, "written": 1450, "kept": 0}
    terminal.append("sale.closed", bytes(16), **closed | strange)
    send(hq, terminal)
    assert Purchase.select().count(hq.store.database) == 0
