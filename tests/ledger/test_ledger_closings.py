"""Day, month and year closings: made once, in the same commit, and nothing but what the entries add up to."""

import dataclasses
import json
import random
import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from ledger_story import OWED, StillClock, closed, make_journal, repeated, stacked, terminal_signer, written

from kiosk.__main__ import _ledger
from kiosk.ledger.audit import Problem
from kiosk.ledger.closing import Closer, ClosingCheck, civil_date, civil_day, summed
from kiosk.ledger.entry import Draft, Entry, decode, encode
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.kinds import PERIOD

CHINA = timezone(timedelta(hours=8))
DAY = 86_400_000


def at(*civil):
    """UTC ms of a civil time."""
    return int(datetime(*civil, tzinfo=CHINA).timestamp() * 1000)


def sale(fen=5000, number=1):
    id_ = number.to_bytes(16)
    return [stacked(fen, number.to_bytes(8), id_), written(fen, id_), closed(fen, 0, id_)]


def entries(path):
    with JournalReader(path) as log:
        return [decode(raw) for raw in log.entries(0, log.size)]


def closings(path):
    return [entry for entry in entries(path) if entry.kind == PERIOD]


def closing_problems(raws):
    """What does not fit, by number; ``b""`` for an entry that is not here."""
    check, found = ClosingCheck(), []
    for raw in raws:
        words = check.take(decode(raw)) if raw else check.skip()
        if words:
            found.append(Problem(decode(raw).seq, words))
    return found


def problems(path):
    with JournalReader(path) as log:
        return closing_problems(log.entries(0, log.size))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def test_the_civil_day_is_chinas_and_the_calendar_gregorian():
    assert civil_day(at(2026, 11, 26)) == civil_day(at(2026, 11, 25, 23, 59)) + 1
    for day in (*range(-200_000, 400_000, 97), 0, 11_016, 20_782, 47_540):
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        assert civil_date(day) == (date.year, date.month, date.day)
    assert civil_date(civil_day(2**53 - 1))[0] == 287_396  # no calendar of the library goes so far


def test_the_first_entry_of_the_next_day_comes_behind_the_closing_of_the_day(path):
    clock = StillClock(at(2026, 11, 25, 8))
    with make_journal(path, sale(), clock) as journal:
        clock.now = at(2026, 11, 25, 23, 59, 59)
        journal.append(repeated())
        clock.now = at(2026, 11, 26)
        (entry,) = journal.append(repeated())
        assert entry.kind == "note.repeated" and entry.seq == 6, "only the caller's own entries are given back"
        journal.append(repeated())
    (day,) = closings(path)
    assert (day.seq, day.at, day.sale, day.post) == (5, at(2026, 11, 26), None, ())
    assert day.data == {
        "period": "day",
        "name": "2026-11-25",
        "first": 0,
        "last": 4,
        "sales": 1,
        "sums": {"cash:box": 5000, "sold:1001": -5000},
        "balances": {"cash:box": 5000, "sold:1001": -5000},
        "ever": {"cash_in": 5000, "cash_out": 0, "energy": 8928, "reversed": 0, "sales": 1, "sold": 5000},
    }


def test_a_month_and_a_year_that_end_are_closed_behind_the_day(path):
    clock = StillClock(at(2026, 11, 29, 12))
    with make_journal(path, sale(100, 1), clock) as journal:
        for fen, moment in ((200, at(2026, 11, 30, 9)), (400, at(2026, 12, 31, 9)), (800, at(2027, 1, 1, 0))):
            clock.now = moment
            journal.append(sale(fen, fen))
        clock.now = at(2029, 5, 1)
        journal.append(repeated())
    rows = [(c.data["period"], c.data["name"], c.data["sales"], c.data["sums"]["cash:box"]) for c in closings(path)]
    assert rows == [
        ("day", "2026-11-29", 1, 100),
        ("day", "2026-11-30", 1, 200),
        ("month", "2026-11", 2, 300),
        ("day", "2026-12-31", 1, 400),
        ("month", "2026-12", 1, 400),
        ("year", "2026", 3, 700),
        ("day", "2027-01-01", 1, 800),
        ("month", "2027-01", 1, 800),
        ("year", "2027", 1, 800),
    ]
    assert closings(path)[-1].data["ever"]["sold"] == 1500
    assert problems(path) == []


def test_what_was_closed_leaves_no_gap_and_never_overlaps(path):
    clock = StillClock(at(2026, 11, 29))
    with make_journal(path, (), clock) as journal:
        for _ in range(70):
            clock.now += DAY // 3 * 2
            journal.append(repeated())
        size = journal.size
    for period in ("day", "month"):
        reached = 0
        for each in closings(path):
            if each.data["period"] == period:
                assert (each.data["first"], each.data["last"]) == (reached, each.seq - 1)
                reached = each.seq + 1
        assert reached > size - 120
    assert problems(path) == []


def test_a_terminal_that_was_off_closes_when_it_starts_and_not_twice(path):
    clock = StillClock(at(2026, 11, 25, 18))
    make_journal(path, sale(), clock).close()
    for _ in range(3):
        clock.now += 40 * DAY
        for _ in range(2):
            with Journal.open(path, terminal_signer(), clock) as journal:
                journal.append(repeated())
    names = [each.data["name"] for each in closings(path) if each.data["period"] == "day"]
    assert names == ["2026-11-25", "2027-01-04", "2027-02-13"]
    assert problems(path) == []


def test_the_closing_and_the_entry_behind_it_are_one_commit(path, monkeypatch):
    clock = StillClock(at(2026, 11, 25, 18))
    with make_journal(path, sale(), clock) as journal:
        clock.now += DAY
        signed = []
        monkeypatch.setattr(journal._signer.__class__, "sign", lambda signer, text: signed.append(text) or b"\0" * 64)
        journal.append(repeated(2))
        assert len(signed) == 1 and b"\n7\n" in signed[0]
    connection = sqlite3.connect(path)
    assert [size for (size,) in connection.execute("SELECT size FROM checkpoint ORDER BY size")][-2:] == [4, 7]
    connection.close()


def test_an_append_that_fails_closes_nothing_and_the_next_does(path):
    clock = StillClock(at(2026, 11, 25, 18))
    with make_journal(path, sale(), clock) as journal:
        clock.now += DAY
        connection = journal._connection
        room = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {room}")
        with pytest.raises(Exception, match="full"):
            while True:
                journal.append([Draft("terminal.stopped", None, (), {"why": "x" * 15_000})])
        connection.execute("PRAGMA max_page_count = 1000000")
        journal.append(repeated())
    assert [each.data["name"] for each in closings(path)] == ["2026-11-25"]
    assert problems(path) == []


def test_a_clock_set_back_across_midnight_opens_no_day_and_one_that_was_years_wrong_closes_it(path):
    clock = StillClock(at(2026, 11, 25, 23, 59))
    with make_journal(path, (), clock) as journal:
        moments = (at(2026, 11, 26, 0, 1), at(2026, 11, 25, 23, 58), at(2026, 11, 26, 0, 2), at(2099, 1, 1))
        for clock.now in (*moments, at(2026, 11, 26, 0, 5), at(2026, 11, 27)):
            journal.append(repeated())
    names = [each.data["name"] for each in closings(path)]
    assert names == [
        *("2026-11-25", "2026-11-26", "2026-11", "2026"),
        *("2099-01-01", "2099-01", "2099"),
        "2026-11-26",
    ]
    assert problems(path) == []


def test_perpetual_totals_count_what_goes_in_and_out_and_not_what_is_carried_about():
    closer, clock = Closer(), at(2026, 11, 25)
    moves = [
        ("note.stacked", (("cash:box", 900), (OWED, -900)), {}),
        ("write.done", ((OWED, 900), ("sold:1001", -900)), {"energy": 77}),
        ("cash.collected", (("cash:bag:B1", 800), ("cash:box", -800)), {}),
        ("card.done", (("cash:bag:B1", -300), ("sold:1001", 300)), {"energy": 20}),
        ("counter.refunded", (("cash:bag:B1", -50), (OWED, 50)), {}),
        ("voucher.issued", ((OWED, 70), ("voucher:7", -70)), {"energy": 5}),
    ]
    for seq, (kind, post, data) in enumerate(moves):
        closer.take(Entry(seq, clock, 1, kind, None, post, data))
    (day,) = closer.due(clock + DAY, len(moves))
    ever = {"cash_in": 900, "cash_out": 350, "sold": 900, "reversed": 300, "energy": 77, "sales": 0}
    assert day.data["ever"] == ever
    assert day.data["sums"] == {"cash:box": 100, "cash:bag": 450, "owed": 120, "sold:1001": -600, "voucher": -70}


def test_a_closing_names_no_customer_and_fits_an_entry_however_many_vendors_there_are():
    closer = Closer()
    for number in range(500):
        name, fen = f"{number:064}", 10**12
        post = ((f"owed:{name}:{name}", -2 * fen), (f"qr:{name}", fen), (f"sold:{name}", fen))
        closer.take(Entry(number, at(2026, 1, 1), 1, "x", None, post, {}))
    drafts = closer.due(at(2027, 1, 2), 500)
    assert [draft.data["sums"] for draft in drafts] == [{"owed": -(10**15), "qr": 5 * 10**14, "sold": 5 * 10**14}] * 3
    assert {summed(name) for name in ("cash:bag:1", "owed:a:b", "voucher:1", "carried:2", "float", "cash:box")} == {
        *("cash:bag", "owed", "voucher", "carried", "float", "cash:box")
    }
    few = Closer()
    for number in range(32):
        name = f"{number:064}"
        few.take(Entry(number, at(2026, 1, 1), 1, "x", None, ((f"qr:{name}", -(10**12)), (f"sold:{name}", 10**12)), {}))
    for seq, draft in enumerate(few.due(at(2027, 1, 2), 32)):
        assert len(draft.data["sums"]) == 64
        assert len(encode(Entry(seq, 0, 1, draft.kind, None, (), draft.data))) < 16_384


def test_numbers_beyond_all_reason_do_not_stop_the_ledger():
    closer = Closer()
    for seq in range(3):
        closer.take(Entry(seq, 0, 1, "write.done", None, (("float", 1), ("sold:1", -1)), {"energy": 2**64 - 1}))
    (draft,) = closer.due(DAY, 3)
    assert draft.data["ever"]["energy"] == 2**64 - 1 and encode(Entry(3, 0, 1, draft.kind, None, (), draft.data))


# ---- the check


def story(seed, days=24):
    """A log of random days, with a clock that is sometimes wrong; made without a journal."""
    chance, closer, log = random.Random(seed), Closer(), []
    clock = at(2026, 12, 20)

    def put(draft):
        entry = Entry(len(log), clock, 1, draft.kind, draft.sale, draft.post, draft.data)
        log.append(decode(encode(entry)))
        closer.take(log[-1])

    for day in range(days):
        clock += chance.choice((DAY // 2, DAY, DAY, 3 * DAY, 20 * DAY, -DAY // 3, -9 * DAY))
        for number in range(chance.randrange(4)):
            for draft in sale(chance.randrange(100, 9000), 1000 * day + number + 1):
                for due in closer.due(clock, len(log)):
                    put(due)
                put(draft)
                clock += chance.randrange(DAY // 6)
    return log


def found(log):
    return closing_problems([encode(entry) for entry in log])


@pytest.mark.parametrize("seed", range(6))
def test_every_closing_of_a_random_log_adds_up(seed):
    log = story(seed)
    assert {entry.data["period"] for entry in log if entry.kind == PERIOD} == {"day", "month", "year"}
    assert found(log) == []


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_changed_in_a_closing_is_found_and_named(seed):
    log = story(seed)
    for place, entry in enumerate(log):
        if entry.kind != PERIOD or (entry.data["period"] == "day" and place % 3):
            continue
        for key, value in entry.data.items():
            other = {"period": "week"}.get(key, f"{value}x") if isinstance(value, str) else value
            other = value + 1 if isinstance(value, int) else other
            other = {**value, "cash:box": value.get("cash:box", 0) + 1} if isinstance(value, dict) else other
            forged = dataclasses.replace(entry, data={**entry.data, key: other})
            wrong = found([*log[:place], forged, *log[place + 1 :]])
            assert wrong and wrong[0].seq == entry.seq, key
            assert entry.data["name"] in wrong[0].words or key in ("period", "name")


@pytest.mark.parametrize("seed", range(2))
def test_a_closing_that_is_missing_or_comes_twice_is_found(seed):
    log = story(seed)
    places = [place for place, entry in enumerate(log) if entry.kind == PERIOD]
    for place in places:
        number = iter(range(len(log)))
        without = [dataclasses.replace(e, seq=next(number)) for e in log[:place] + log[place + 1 :]]
        if place != places[0]:  # without its first closing a log is one whose program closed nothing yet
            assert found(without), log[place]
        number = iter(range(len(log) + 1))
        twice = [dataclasses.replace(e, seq=next(number)) for e in log[: place + 1] + log[place:]]
        assert any("was not due" in each.words for each in found(twice))


def test_a_log_whose_program_closed_nothing_is_not_at_fault():
    log = [entry for entry in story(1) if entry.kind != PERIOD]
    assert found([dataclasses.replace(entry, seq=seq) for seq, entry in enumerate(log)]) == []


def test_a_day_of_which_entries_are_not_here_is_taken_as_it_stands_and_the_next_adds_up():
    log = story(2)
    days = [place for place, entry in enumerate(log) if entry.kind == PERIOD and entry.data["period"] == "day"]
    kept = [entry if entry.kind == PERIOD or entry.seq > days[4] else None for entry in log]
    check = ClosingCheck()
    for entry in kept:
        assert check.skip() is None if entry is None else check.take(entry) == ""
    assert 1 <= check.blind <= 5
    later = next(place for place in days if place > days[5])
    forged = dataclasses.replace(log[later], data={**log[later].data, "sales": 77})
    raws = [b"" if entry is None else encode(entry) for entry in (*kept[:later], forged, *kept[later + 1 :])]
    assert closing_problems(raws)[0].seq == later


# ---- the command


@pytest.fixture
def busy(path):
    clock = StillClock(at(2026, 12, 30, 12))
    with make_journal(path, sale(100, 1), clock) as journal:
        for number in range(2, 5):
            clock.now += DAY
            journal.append(sale(100 * number, number))
    return path


def run(*words):
    return _ledger("ledger", [str(word) for word in words])


def test_verify_adds_the_closings_up_again(busy, capsys, tmp_path):
    assert run("verify", busy) == 0
    forged = tmp_path / "forged.db"
    signer = terminal_signer()
    with make_journal(forged, sale(), StillClock(at(2026, 11, 25))) as journal:
        wrong = {**closings(busy)[0].data, "last": 3, "name": "2026-11-25"}
        journal._append([Draft(PERIOD, None, (), wrong)])  # a program that adds up wrongly, and signs it
    assert run("verify", forged, "--key", str(signer.vkey)) == 1
    said = capsys.readouterr().out
    assert "entry 4: the closing of day 2026-11-25 was not due" in said and "DOES NOT VERIFY: 1 problem." in said


def test_the_list_in_both_languages_from_a_journal_and_from_an_export(busy, tmp_path, capsys):
    assert run("closings", busy) == 0
    chinese = capsys.readouterr().out
    assert "累计售电" in chinese and "每次结账都与之前的流水相符。" in chinese
    rows = [line.split() for line in chinese.splitlines() if line.startswith("20")]
    assert [row[0] for row in rows] == ["2026-12-30", "2026-12-31", "2026-12", "2026", "2027-01-01"]
    with JournalReader(busy) as log:
        list(write_export(tmp_path / "export", log))
    assert run("closings", tmp_path / "export", "--language", "en", "--period", "day") == 0
    english = capsys.readouterr().out
    assert "Every closing is what the entries before it add up to." in english and "2026-12 " not in english
    assert run("closings", busy, "--json") == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert objects[3]["ever"]["sold"] == 300 and objects[3]["problems"] == []


def test_the_list_says_what_does_not_add_up(path, capsys):
    with make_journal(path, sale(), StillClock(at(2026, 11, 25))) as journal:
        (right,) = journal._closer.due(at(2026, 11, 26), 4)
        journal._clock.now = at(2026, 11, 26)
        journal._closer = Closer()
        wrong = {**right.data, "sums": {"cash:box": 1, "sold:1001": -1}}
        journal._append([Draft(PERIOD, None, (), wrong)])
    assert run("closings", path, "--language", "en") == 1
    said = capsys.readouterr().out
    assert "DOES NOT ADD UP" in said and "4: the closing of day 2026-11-25: sums is {'cash:box': 1" in said


def test_a_log_without_closings_says_so(path, capsys):
    make_journal(path).close()
    assert run("closings", path) == 0 and "还没有结账" in capsys.readouterr().out
    assert run("closings", path / "not there") == 2
