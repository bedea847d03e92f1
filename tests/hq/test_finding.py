"""The pages where people look things up: a sale by number or time, events by topic, evidence."""

import pytest
from fakes import NOON, ORIGIN, Terminal
from stories import NUL

from kiosk.hq.finding import SHOWN_MAX, Wish, debts, events, sales

DAY = 86_400_000
TODAY = (NOON + 8 * 3_600_000) // DAY


@pytest.fixture
def shop(hq, terminal):
    """Sales of two terminals on three days, and a device that was down."""
    terminal.sell(b"first sale......", 5000, 8928, [5000], customer="10086", meter="70001")
    terminal.at += DAY
    terminal.sell(b"second sale.....", 5000, 8928, [10_000], customer="10087", meter="70002")
    terminal.append("device.down", None, device="printer", code="V-422")
    terminal.append("fraud.seen", None, device="acceptor", what="string")
    other = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    other.at += 2 * DAY
    other.sell(b"third sale......", 2000, 3571, [2000], customer="10086", meter="70003")
    for one in (terminal, other):
        assert hq.post(one, one.batch()).status_code == 200
    return terminal


def found(hq, text="", first=None, last=None):
    rows, count = sales(hq.store, Wish(text, first, last))
    assert count == len(rows)
    return [(row.terminal, row.number, row.customer) for row in rows]


FIRST, SECOND, THIRD = ("0007", 3, "10086"), ("0007", 6, "10087"), ("0008", 3, "10086")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10086", [THIRD, FIRST]),
        ("70002", [SECOND]),
        ("6", [SECOND]),
        ("3", [THIRD, FIRST]),
        ("0007 · 3", [FIRST]),
        ("0008 3", [THIRD]),
        ("0009 · 3", []),
        ("", [THIRD, SECOND, FIRST]),
        ("1008", []),
        ("99999999999999999999", []),
        (NUL, []),
        ("x" * 500, []),
        ("' OR 1=1 --", []),
        ("%", []),
    ],
)
def test_by_number(hq, shop, text, expected):
    assert found(hq, text) == expected


def test_by_time(hq, shop):
    assert found(hq, first=TODAY, last=TODAY) == [FIRST]
    assert found(hq, first=TODAY + 1) == [THIRD, SECOND]
    assert found(hq, last=TODAY + 1) == [SECOND, FIRST]
    assert found(hq, "10086", first=TODAY + 1) == [THIRD]
    assert found(hq, first=-(10**6), last=10**6) == [THIRD, SECOND, FIRST]


def test_a_sale_that_is_still_open_is_found(hq, shop):
    who = {"vendor": "1a2b", "customer": "10099", "meter": "70009", "region": "420100", "count": 1}
    shop.append("sale.opened", b"cut by the power", **who, unit=2, price=5600, tariff=1, limit=0, brought=0)
    hq.post(shop, shop.batch(9))
    assert found(hq, "10099") == [("0007", None, "10099")]
    assert "Not closed" in hq.client.get("/sales?lang=en&q=10099").text


def test_what_is_owed_to_a_customer(hq, shop):
    (debt,) = debts(hq.store, "")
    assert (debt.terminal, debt.customer, debt.fen, debt.since_ms) == ("0007", "10087", 5000, NOON + DAY)
    assert debts(hq.store, "10086") == [] and debts(hq.store, "10087") == [debt]


def test_more_than_a_page_says_so(hq, terminal):
    for sale in range(SHOWN_MAX + 5):
        terminal.sell(sale.to_bytes(16, "big"), 0, 0, [])
    hq.post(terminal, terminal.batch())
    rows, count = sales(hq.store, Wish())
    assert (len(rows), count) == (SHOWN_MAX, SHOWN_MAX + 5)
    page = hq.client.get("/sales?lang=en").text
    assert "Sales: 205" in page and "the newest 200 are shown" in page


@pytest.mark.parametrize(
    ("wish", "kinds"),
    [
        (Wish(topic="outage"), ["device.down"]),
        (Wish(topic="fraud"), ["fraud.seen"]),
        (Wish(topic="refusal"), []),
        (Wish("0008"), ["log.opened"]),
        (Wish(ORIGIN, topic="outage"), ["device.down"]),
        (Wish("0009"), []),
        (Wish(first_day=TODAY + 1, last_day=TODAY + 1), ["fraud.seen", "device.down"]),
        (Wish("0007", topic="nonsense", last_day=TODAY), ["log.opened"]),
    ],
)
def test_events(hq, shop, wish, kinds):
    rows, count = events(hq.store, wish)
    assert [row.kind for row in rows] == kinds and count == len(kinds)


def test_every_event_and_topic_has_its_words_in_both_languages():
    from kiosk.hq.console_books import KINDS, books_texts
    from kiosk.hq.happenings import TOPICS, event_kinds

    assert set(KINDS) >= event_kinds()
    texts = [books_texts(language) for language in ("zh-CN", "en")]
    assert set(texts[0]) == set(texts[1])
    assert all(f"topic.{topic}" in texts[0] for topic in TOPICS)


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize(
    "path",
    ["/sales", "/sales?q=10086", "/sales?q=%00", "/sales?from=x&to=2026-11-24", "/sales?from=0001-01-01&to=9999-12-31",
     "/events", "/events?topic=outage", "/events?topic=x", "/events?q=%27&from=2026-11-24"],
)  # fmt: skip
def test_every_page_answers_whatever_is_asked(hq, shop, path, lang):
    page = hq.client.get(
        path, params=dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair) | {"lang": lang}
    )
    assert page.status_code == 200 and f'lang="{lang}"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"] and "<script" not in page.text


def test_evidence_is_on_the_page_and_in_the_folder(hq, terminal, tmp_path):
    from kiosk.hq.enrol import write_evidence

    terminal.grow(3)
    hq.post(terminal, terminal.batch())
    twin = Terminal().open().append(version="2", unclean=True)
    assert hq.post(terminal, twin.batch()).status_code == 422
    page = hq.client.get("/events?lang=en").text
    for note in (twin.note(), terminal.note()):
        _, size, root = note.split("\n")[:3]
        assert f"{size} entries" in page and root.replace("+", "&#43;") in page.replace("+", "&#43;")
    assert "kiosk hq evidence" in page and ORIGIN in page
    assert write_evidence(hq.store, ORIGIN, tmp_path / "proof") == 1
    assert (tmp_path / "proof" / "1" / "refused").read_text() == twin.note()
    assert (tmp_path / "proof" / "1" / "held").read_text() == terminal.note()
    assert "/events" in hq.client.get("/?lang=en").text
