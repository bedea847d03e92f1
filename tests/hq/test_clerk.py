"""The clerk's thread: books follow the intake, a page waits for them, one log's trouble is not another's."""

import threading

import pytest
from fakes import ORIGIN, Terminal

from kiosk.hq import clerk as clerk_module
from kiosk.hq.books import book


@pytest.fixture
def clerk(hq):
    one = hq.app.state.clerk
    one.start()
    yield one
    one.stop()


def test_what_is_told_is_booked_and_the_page_waits_for_it(hq, terminal, clerk, monkeypatch):
    let, held = threading.Event(), threading.Event()

    def slowly(*given, **more):
        held.set()
        assert let.wait(20)
        return book(*given, **more)

    monkeypatch.setattr(clerk_module, "book", slowly)
    assert hq.post(terminal, terminal.sell(bytes(16), 5000, 8928, [5000]).batch()).status_code == 200
    assert held.wait(20) and hq.log(terminal).booked_size == 0, "the answer does not wait for the books"
    assert not clerk.settle(0.05)
    let.set()
    assert "¥50.00" in hq.client.get("/?lang=en").text
    assert hq.log(terminal).booked_size == 4


def test_what_was_left_over_is_booked_at_the_start(hq, terminal):
    one = hq.app.state.clerk
    one.start()
    assert one.settle(20)
    one.stop()
    hq.post(terminal, terminal.batch())  # the thread is gone: booked at once
    assert hq.log(terminal).booked_size == 1
    with hq.store.turn(terminal.hash) as turn:
        turn.set(booked_size=0, boot="0")
    hq.restart()
    one = hq.app.state.clerk
    one.start()
    assert one.settle(20) and hq.log(terminal).booked_size == 1
    one.stop()


def test_a_mistake_of_ours_in_one_log_leaves_the_others_their_books(hq, terminal, clerk, monkeypatch, caplog):
    other = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()

    def stumbles(store, log_id, told, **_):
        if log_id == terminal.hash:
            raise KeyError(log_id)
        return book(store, log_id, told)

    monkeypatch.setattr(clerk_module, "book", stumbles)
    assert clerk.settle(20)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert clerk.settle(20)
    assert hq.post(other, other.batch()).status_code == 200
    assert clerk.settle(20) and clerk.is_working
    assert (hq.log(terminal).booked_size, hq.log(other).booked_size) == (0, 1)
    assert "a mistake in the books" in caplog.text
    with hq.store.turn(other.hash) as turn:
        turn.set(booked_size=0, boot="0")
    clerk.look()  # it comes to the other's after the first one's
    assert (hq.log(terminal).booked_size, hq.log(other).booked_size) == (0, 1)


def test_a_balance_that_does_not_say_of_which_write_it_doubts_is_parked(hq, terminal, clerk):
    """Two optional keys that belong together: an entry with one of them cannot be booked, and all others can."""
    other = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    post = [("carried:1", 5_000), ("owed:1a2b:10086", -5_000)]
    terminal.append("balance.brought", None, post, **{"from": 1, "intended": 8}).grow(1)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert hq.post(other, other.sell(bytes(16), 5_000, 8928, [5_000]).batch()).status_code == 200
    assert clerk.settle(20)
    assert (hq.log(terminal).booked_size, hq.log(other).booked_size) == (3, 4)
    assert hq.alarms() == ["parked"]


def test_who_stops_waits_for_one_piece_and_the_rest_is_booked_at_the_next_start(hq, terminal, monkeypatch):
    from kiosk.hq import books

    hq.app.state.clerk.tell = lambda log_id: None  # nothing is booked yet
    assert hq.post(terminal, terminal.grow(99).batch()).status_code == 200
    began, let, commit = threading.Event(), threading.Event(), books._commit

    def slowly(*given):
        began.set()
        assert let.wait(20)
        return commit(*given)

    monkeypatch.setattr(books, "ENTRIES_AT_ONCE", 10)
    monkeypatch.setattr(books, "_commit", slowly)
    one = clerk_module.Clerk(hq.store, hq.clock)
    one.start()
    assert began.wait(20)
    stops = threading.Thread(target=one.stop)
    stops.start()
    assert one.settle(20), "whoever waits for the books goes home"
    let.set()
    stops.join(20)
    assert not stops.is_alive() and hq.log(terminal).booked_size == 10
    again = clerk_module.Clerk(hq.store, hq.clock)
    again.start()
    assert again.settle(20) and hq.log(terminal).booked_size == 100
    again.stop()
