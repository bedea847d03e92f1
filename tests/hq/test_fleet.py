"""What the page says of each terminal: its state, its last contact, and everything that needs a person."""

import pytest
from fakes import NOON, ORIGIN, Terminal

from kiosk.hq.console import bars, count, day_name, energy, language_for, money, when
from kiosk.hq.enrol import change
from kiosk.hq.reports import STATES, DayRow, Sold, fleet

HOUR = 3_600_000
SILENT = 36 * HOUR


def states(hq):
    return {row.terminal: row.state for row in fleet(hq.store, hq.clock.ms, 7, SILENT).terminals}


def test_a_terminal_that_was_only_enrolled_is_new(hq, terminal):
    assert states(hq) == {"0007": "new"}
    hq.clock.ms += 1000 * HOUR
    assert states(hq) == {"0007": "new"}


def test_fresh_and_silent_for_long(hq, terminal):
    hq.post(terminal, terminal.batch())
    assert states(hq) == {"0007": "good"}
    hq.clock.ms += SILENT
    assert states(hq) == {"0007": "good"}
    hq.clock.ms += 1
    assert states(hq) == {"0007": "silent"}
    hq.post(terminal, terminal.batch(1, 1))
    assert states(hq) == {"0007": "good"}


def test_a_request_without_a_good_signature_is_no_contact(hq, terminal):
    hq.post(terminal, terminal.batch())
    hq.clock.ms += SILENT + 1
    forger = Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed2").open()
    hq.post(terminal, forger.batch())
    hq.post(terminal, b"rubbish")
    hq.get(terminal)
    assert states(hq) == {"0007": "silent"}


def test_behind_what_it_has_signed_or_what_was_cosigned(hq, terminal):
    terminal.grow(9)
    hq.post(terminal, terminal.batch(0, 3))
    hq.post(terminal, terminal.batch(9, 10))
    assert states(hq) == {"0007": "behind"}
    hq.post(terminal, terminal.batch(3))
    assert states(hq) == {"0007": "good"}


def test_the_worst_that_is_true(hq, terminal):
    hq.post(terminal, terminal.batch())
    hq.clock.ms += SILENT + 1
    change(hq.store, ORIGIN, quarantined=True)
    assert states(hq) == {"0007": "quarantined"}
    change(hq.store, ORIGIN, blocked=True)
    assert states(hq) == {"0007": "blocked"}


def test_every_state_and_every_alarm_has_its_words_in_both_languages():
    from pathlib import Path

    from kiosk.hq.console import HERE, LANGUAGES
    from kiosk.model.texts import load_texts

    source = "".join(path.read_text(encoding="utf-8") for path in Path(HERE).glob("*.py"))
    alarms = [what for what in ("quarantine", "floor", "contradiction", "parked", "damaged") if f'"{what}"' in source]
    assert len(alarms) == 5
    texts = [load_texts(HERE / "texts", "console", language) for language in LANGUAGES]
    assert set(texts[0]) == set(texts[1])
    for words in texts:
        assert {f"state.{state}" for state in STATES} <= set(words)
        assert {f"state-hint.{state}" for state in STATES} <= set(words)
        assert {f"alarms.{what}" for what in alarms} <= set(words)


def test_a_damaged_database_is_told_to_people(hq, terminal):
    from kiosk.hq.tables import StoredEntry

    terminal.grow(2)
    hq.post(terminal, terminal.batch())
    StoredEntry.update(leaf=bytes(32)).where(StoredEntry.seq == 1).execute(hq.store.database)
    hq.restart()
    for _ in range(2):
        assert hq.post(terminal, terminal.batch(3, 3)).status_code == 503
    assert hq.alarms() == ["damaged"]


def test_figures():
    assert [money(fen) for fen in (0, 5, -5, 123_456_789, -100)] == [
        "¥0.00",
        "¥0.05",
        "−¥0.05",
        "¥1,234,567.89",
        "−¥1.00",
    ]
    assert [energy(part) for part in (0, 1, 123_456, -150)] == ["0.00", "0.01", "1,234.56", "−1.50"]
    assert (count(1234567), when(NOON), day_name(0)) == ("1,234,567", "2026-11-24 11:40", "1970-01-01")
    assert when(2**53) == "9998-12-31 23:59" or when(2**53)[:4] >= "9998"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("en", "zh", "en"),
        ("zh-CN", "en", "zh-CN"),
        ("xx", "en-GB,en;q=0.9", "en"),
        ("", "zh-TW,en;q=0.5", "zh-CN"),
        ("", "fr,en;q=0.1,zh;q=0.2", "zh-CN"),
        ("", "en;q=0,fr", "zh-CN"),
        ("", "", "zh-CN"),
        ("", ";;;q=x", "zh-CN"),
    ],
)
def test_language(asked, accepted, language):
    assert language_for(asked, accepted) == language


def test_bars_keep_their_frame_and_a_day_below_zero_has_none():
    drawn = bars(tuple(DayRow(day, Sold(sold_fen=fen)) for day, fen in enumerate((0, 50, 100, -30))))
    assert [bar.height > 0 for bar in drawn] == [False, True, True, False]
    assert max(bar.height for bar in drawn) == drawn[2].height == drawn[1].height * 2
    assert all(bar.left >= 0 and bar.left + bar.width <= 1120 and bar.top >= 28 for bar in drawn)
    assert [bar.height for bar in bars(tuple(DayRow(day, Sold()) for day in range(3)))] == [0, 0, 0]


def test_the_page_says_no_more_than_it_should(hq, terminal):
    """What entries say reaches the page as text: no markup of theirs, and nothing from elsewhere."""
    terminal.append("<script>alert(1)</script>")
    hq.post(terminal, terminal.batch())
    page = hq.client.get("/?lang=en")
    assert page.status_code == 200
    assert "<script" not in page.text and "&lt;script&gt;" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text and "https://" not in page.text


@pytest.mark.parametrize("query", ["", "?days=31", "?days=5000", "?days=-1", "?lang=xx", "?lang=en&days=7"])
def test_any_query_shows_a_page(hq, terminal, query):
    assert hq.client.get(f"/{query}").status_code == 200
    assert hq.client.get("/console.css").headers["content-type"].startswith("text/css")
