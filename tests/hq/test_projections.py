"""The books are made from the entries and from nothing else: whatever the batches, made again they are the same."""

import random

import pytest
from fakes import Terminal
from stories import NUL, Story

from kiosk.hq import books
from kiosk.hq.books import book, catch_up, rebuild
from kiosk.hq.tables import PROJECTIONS, Balance, Cash, Event, Log, Owed, Parked, Sale
from kiosk.ledger.entry import decode


def rows(hq):
    """Every row of every projection."""
    found = {}
    for table in PROJECTIONS:
        found[table.__name__] = sorted(map(repr, table.select().dicts().execute(hq.store.database)))
    return found


def feed(hq, terminal, first, chance):
    while first < len(terminal.entries):
        end = min(len(terminal.entries), first + chance.randrange(1, 40))
        assert hq.post(terminal, terminal.batch(first, end)).status_code == 200
        first = end


@pytest.mark.parametrize("seed", range(3))
def test_made_again_they_are_the_same(hq, terminal, seed, monkeypatch):
    story = Story(terminal, seed)
    feed(hq, story.grow(250), 0, random.Random(seed))
    other = hq.enrol(Terminal(terminal.origin.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    feed(hq, Story(other, seed + 100).grow(60), 0, random.Random(seed))
    before = rows(hq)
    assert all(before[table] for table in before if table != "Carried"), "every table has rows, or nothing is compared"
    for at_once in (7, 100, 1024):
        monkeypatch.setattr(books, "ENTRIES_AT_ONCE", at_once)
        parked = rebuild(hq.store, terminal.hash)
        assert rows(hq) == before
        assert len(parked) == Parked.select().where(Parked.log == hq.log(terminal).id).count(hq.store.database)


def test_what_they_add_up_to(hq, terminal):
    """Against sums made from the entries themselves, by nobody's booking."""
    Story(terminal, 7).grow(300)
    feed(hq, terminal, 0, random.Random(7))
    database = hq.store.database
    refused = {row.seq for row in Parked.select().execute(database)}
    sums, cash, owed = {}, {}, {}
    for seq, raw in enumerate(terminal.entries):
        if seq in refused:
            continue
        for account, fen in decode(raw).post:
            sums[account] = sums.get(account, 0) + fen
            if account.startswith("cash:"):
                cash[seq, account] = fen
            if account.startswith("owed:"):
                vendor, customer = account.split(":")[1:]
                owed[vendor, customer] = owed.get((vendor, customer), 0) - fen
    assert {row.account: row.fen for row in Balance.select().execute(database)} == sums
    assert {(row.seq, row.account): row.fen for row in Cash.select().execute(database)} == cash
    assert {(row.vendor, row.customer): row.fen for row in Owed.select().execute(database)} == {
        who: fen for who, fen in owed.items() if fen
    }


def test_a_sale_from_its_opening_to_its_end(hq, terminal):
    story = Story(terminal, 1)
    story.opened()
    sale, customer = story.open[0]
    feed(hq, terminal, 0, random.Random(1))
    (row,) = Sale.select().execute(hq.store.database)
    assert (row.sale, row.opened_seq, row.closed_seq, row.customer) == (sale.hex(), 1, None, customer)
    terminal.append("sale.closed", sale, vendor="1a2b", customer=customer, meter="70001", paid=0, count=3, written=0,
                    energy=0, why="left", doubt=False)  # fmt: skip
    feed(hq, terminal, 2, random.Random(1))
    (row,) = Sale.select().execute(hq.store.database)
    assert (row.opened_seq, row.closed_seq, row.why) == (1, 2, "left")


def test_an_outage_ends_with_the_device_that_began_it(hq, terminal):
    for device in ("printer", "acceptor"):
        terminal.append("device.down", None, device=device, code="V-421")
    terminal.at += 60_000
    terminal.append("device.up", None, device="printer").append("device.down", None, device="printer", code="V-422")
    feed(hq, terminal, 0, random.Random(2))
    found = {
        (row.seq, row.what): row.ended_ms
        for row in Event.select().where(Event.topic == "outage").execute(hq.store.database)
    }
    assert found == {(1, "printer"): terminal.at, (2, "acceptor"): 0, (4, "printer"): 0}


def test_what_no_database_can_add_up_is_parked_alone(hq, terminal, monkeypatch):
    """A sum beyond 63 bits needs millions of absurd entries; the limit is brought nearer."""
    monkeypatch.setattr(books, "SUM_MAX", 2 * 10**12)
    huge = [("cash:box", 10**12), ("unassigned", -(10**12))]
    for _ in range(4):
        terminal.append("note.stacked", None, huge, note=bytes(8), fen=10**12, how="unasked")
    terminal.sell(bytes(16), 5000, 8928, [5000])
    assert hq.post(terminal, terminal.batch()).status_code == 200
    parked = {row.seq: row.why for row in Parked.select().execute(hq.store.database)}
    assert all("cannot be booked" in parked[seq] for seq in (3, 4, 5)), "the note on top of a full box, too"
    assert list(parked) == [3, 4, 5, 7], "and the closing that misses it"
    monkeypatch.undo()
    assert rebuild(hq.store, terminal.hash) == {}


def test_a_rebuild_that_breaks_off_goes_on_later(hq, terminal, monkeypatch):
    feed(hq, Story(terminal, 3).grow(120), 0, random.Random(3))
    before = rows(hq)
    monkeypatch.setattr(books, "ENTRIES_AT_ONCE", 16)
    calls = []

    def breaks_off(turn, first, parked):
        calls.append(first)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with hq.store.turn(terminal.hash) as turn:
        for table in PROJECTIONS:
            table.delete().where(table.log == turn.log.id).execute(turn.database)
        turn.set(booked_size=0, boot="0")
    with pytest.raises(KeyboardInterrupt):
        book(hq.store, terminal.hash, breaks_off)
    assert 0 < hq.log(terminal).booked_size < hq.log(terminal).size
    assert hq.client.get("/?lang=en").text.count("to be booked") == 1, "the page says that its figures are not whole"
    assert catch_up(hq.store) == 1 and catch_up(hq.store) == 0
    assert rows(hq) == before


def test_the_intake_answers_although_the_books_cannot_be_written(hq, terminal, monkeypatch):
    from peewee import OperationalError

    def full(*_):
        raise OperationalError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(books, "_write", full)
        answer = hq.post(terminal, terminal.sell(bytes(16), 5000, 8928, [5000]).batch())
    assert answer.status_code == 200 and hq.get(terminal).text == answer.text
    (log,) = Log.select().execute(hq.store.database)
    assert (log.size, log.booked_size) == (4, 0)
    hq.app.state.clerk.look()
    assert hq.log(terminal).booked_size == 4


def test_a_text_that_a_database_may_not_hold_leaves_its_field_empty_and_the_money_whole(hq, terminal):
    terminal.append("device.down", None, device=NUL, code="V-421")
    terminal.sell(b"a sale by NUL...", 5000, 8928, [5000], customer="10086", meter=NUL)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert list(Parked.select().execute(hq.store.database)) == []
    (down, _) = Event.select().order_by(Event.seq.desc()).execute(hq.store.database)
    (sale,) = Sale.select().execute(hq.store.database)
    assert (down.what, down.code) == ("", "V-421")
    assert (sale.customer, sale.meter, sale.written_fen) == ("10086", "", 5000)
