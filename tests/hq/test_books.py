"""The books: what entries mean in fen and kWh, what is parked, and that nothing is ever booked twice."""

import pytest
from fakes import NOON, ORIGIN, Terminal, cbor, cosigned_time

from kiosk.hq.books import rebuild
from kiosk.hq.reports import Held, Sold, fleet
from kiosk.hq.tables import PROJECTIONS, OpenSale, Parked

DAY = 86_400_000
EIGHT_HOURS = 8 * 3_600_000


def page(hq, days=7):
    return fleet(hq.store, hq.clock.ms, days, 36 * 3_600_000)


def parked(hq):
    return {row.seq: row.why for row in Parked.select().execute(hq.store.database)}


def rows(hq):
    """Every projection, to compare."""
    return {table: sorted(map(repr, table.select().dicts().execute(hq.store.database))) for table in PROJECTIONS}


def take(hq, terminal, first=0, end=None):
    answer = hq.post(terminal, terminal.batch(first, end))
    assert answer.status_code == 200
    cosigned_time(answer.text, terminal.note(end), hq.vkey)
    return answer


def test_a_sale_is_money_energy_and_cash_of_its_day(hq, terminal):
    terminal.sell(bytes(16), 7000, 12_500, [5000, 2000])
    take(hq, terminal)
    shown = page(hq)
    assert shown.today == Sold(sales=1, sold_fen=7000, energy_centi_kwh=12_500, cash_fen=7000)
    assert shown.held == Held(cash_box_fen=7000)
    assert shown.balanced


def test_what_is_paid_and_not_written_is_owed(hq, terminal):
    terminal.sell(bytes(16), 5000, 9000, [5000, 2000]).sell(bytes([1]) * 16, 0, 0, [1000])
    take(hq, terminal)
    shown = page(hq)
    assert shown.today == Sold(sales=1, sold_fen=5000, energy_centi_kwh=9000, cash_fen=8000)
    assert shown.held == Held(cash_box_fen=8000, owed_fen=3000)
    assert parked(hq) == {}


def test_owed_and_written_later(hq, terminal):
    terminal.sell(bytes(16), 0, 0, [2000]).sell(bytes([1]) * 16, 2000, 3500, [])
    take(hq, terminal)
    assert page(hq).held == Held(cash_box_fen=2000)
    assert parked(hq) == {}


def test_a_note_that_no_sale_explains(hq, terminal):
    post = [("cash:box", 10_000), ("unassigned", -10_000)]
    terminal.append("note.stacked", None, post, note=b"12345678", fen=10_000, how="unasked")
    take(hq, terminal)
    assert page(hq).held == Held(cash_box_fen=10_000, unassigned_fen=10_000)
    assert page(hq).today.cash_fen == 10_000


def test_days_are_those_of_beijing(hq, terminal):
    midnight = (NOON + EIGHT_HOURS) // DAY * DAY - EIGHT_HOURS
    for sale, at in enumerate((midnight - 1, midnight, midnight + DAY - 1)):
        terminal.at = at
        terminal.sell(bytes([sale]) * 16, 1000 * (sale + 1), 100, [1000 * (sale + 1)])
    take(hq, terminal)
    assert [row.whole.sold_fen for row in page(hq).days[-2:]] == [1000, 5000]


def test_sending_twice_books_once(hq, terminal):
    terminal.sell(bytes(16), 5000, 9000, [5000])
    for first, end in ((0, 2), (0, 3), (1, 4), (0, 4), (0, None)):
        hq.post(terminal, terminal.batch(first, end))
    assert page(hq).today == Sold(1, 5000, 9000, 5000)


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_sale_cut_into_two_batches_is_one_sale(hq, terminal, cut):
    terminal.sell(bytes(16), 5000, 9000, [5000, 2000]).sell(bytes([1]) * 16, 1000, 1800, [1000])
    take(hq, terminal, 0, cut)
    take(hq, terminal, cut)
    assert page(hq).today == Sold(2, 6000, 10_800, 8000)
    assert (page(hq).held.owed_fen, parked(hq)) == (2000, {})


def _wrong(terminal):
    seq = len(terminal.entries)
    good = {"seq": seq, "at": NOON, "boot": 1, "kind": "terminal.stopped", "post": [], "data": {"why": "x"}}
    posting = [["cash:box", 5000], ["owed:1a2b:1", -5000]]
    stacked = good | {
        "kind": "note.stacked",
        "sale": bytes(16),
        "data": {"note": bytes(8), "fen": 5000, "how": "credit"},
    }
    return {
        "no bytes": b"",
        "no CBOR": b"\xff\x00",
        "not a map": cbor([1]),
        "bytes behind it": cbor(good) + b"\x00",
        "a gap in seq": cbor(good | {"seq": seq + 1}),
        "boot that falls": cbor(good | {"boot": 0}),
        "an unknown kind": cbor(good | {"kind": "tea.made"}),
        "a second log.opened": cbor(good | {"kind": "log.opened"}),
        "an unknown account": cbor(stacked | {"post": [["cash:box", 5000], ["tea:cups", -5000]]}),
        "postings that do not sum to 0": cbor(stacked | {"post": [["cash:box", 5000], ["unassigned", -4999]]}),
        "postings out of order": cbor(stacked | {"post": posting[::-1]}),
        "a posting too large": cbor(stacked | {"post": [["cash:box", 10**12 + 1], ["unassigned", -(10**12) - 1]]}),
        "a float": cbor(good | {"data": {"x": 1.5}}),
        "a tag that unfolds": b"\xc5\x82\x1b\x00\x00\x01\x00\x00\x00\x00\x00\x03",
        "nothing at all": cbor({}),
        "far too deep": b"\x81" * 60_000 + b"\x00",
        "65,535 bytes": bytes(65_535),
        "a kept that is another": cbor(good | {"kind": "sale.closed", "sale": bytes(16), "data": {"kept": -5}}),
        "energy that is text": cbor(good | {"kind": "write.done", "sale": bytes(16), "data": {"energy": "9"}}),
    }


@pytest.mark.parametrize("what", _wrong(Terminal().open()))
def test_what_cannot_be_booked_is_stored_cosigned_reported_and_the_rest_goes_on(hq, terminal, what):
    other = hq.enrol(Terminal("power.example/kiosk/420100/0008/1")).open()
    terminal.entries.append(_wrong(terminal)[what])
    terminal.sell(bytes(16), 5000, 9000, [5000])
    take(hq, terminal)
    assert hq.log(terminal).size == 5
    assert list(parked(hq)) == [1]
    assert hq.alarms() == ["parked"]
    assert page(hq).today == Sold(1, 5000, 9000, 5000), "the entries behind it are booked"
    other.sell(bytes(16), 100, 100, [100])
    take(hq, other)
    take(hq, terminal.grow(1), 5)
    assert list(parked(hq)) == [1]
    by_terminal = {row.terminal: (row.parked, row.sold.sold_fen) for row in page(hq).terminals}
    assert by_terminal == {"0007": (1, 5000), "0008": (0, 100)}


def test_an_entry_0_that_opens_another_log_is_parked_too(hq, terminal):
    terminal.entries.clear()
    terminal.append("log.opened", origin=ORIGIN, vkey="another", prev="", why="x").grow(1)
    take(hq, terminal)
    assert list(parked(hq)) == [0]


def test_a_long_reason_does_not_flood_the_page(hq, terminal):
    terminal.append("x" * 15_000)
    take(hq, terminal)
    assert len(page(hq).alarms[0].detail) < 300


def test_parked_entries_are_booked_once_a_newer_program_knows_them(hq, terminal, monkeypatch):
    from kiosk.hq import booking

    known = dict(booking.KINDS)
    monkeypatch.delitem(known, "note.stacked")
    monkeypatch.setattr(booking, "KINDS", known)
    terminal.sell(bytes(16), 5000, 9000, [5000])
    take(hq, terminal)
    assert set(parked(hq)) == {1, 3}, "the note, and the closing that cannot be checked without it"
    monkeypatch.undo()
    assert rebuild(hq.store, terminal.hash) == {}
    assert page(hq).today == Sold(1, 5000, 9000, 5000)


def test_a_rebuild_makes_the_same_books(hq, terminal):
    for sale in range(9):
        terminal.at += DAY // 3
        terminal.sell(bytes([sale]) * 16, 1000 * sale, 1000, [5000, 5000])
        terminal.boot += 1
        if sale % 4 == 0:
            terminal.entries.append(b"rubbish")
    for first in range(0, len(terminal.entries), 2):  # so that sales lie open in between
        take(hq, terminal, first, min(first + 2, len(terminal.entries)))
    before = rows(hq)
    assert list(parked(hq)) == [at for at, entry in enumerate(terminal.entries) if entry == b"rubbish"]
    rebuild(hq.store, terminal.hash)
    assert rows(hq) == before
    assert before[OpenSale] == []


def test_a_backup_without_its_latest_bookings_catches_up(hq, terminal):
    terminal.sell(bytes(16), 5000, 9000, [5000])
    take(hq, terminal, 0, 2)
    hq.backup()
    take(hq, terminal)
    hq.restore()
    take(hq, terminal, 2)
    assert page(hq).today == Sold(1, 5000, 9000, 5000)
