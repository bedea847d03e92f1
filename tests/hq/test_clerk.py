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

    def slowly(*given):
        held.set()
        assert let.wait(20)
        return book(*given)

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


def test_a_mistake_of_ours_in_one_log_leaves_the_others_their_books(hq, terminal, clerk, monkeypatch):
    other = hq.enrol(Terminal(ORIGIN.replace("0007", "0008"), seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()
    fell = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: fell.set())

    def stumbles(store, log_id, told):
        if log_id == terminal.hash:
            raise KeyError(log_id)
        return book(store, log_id, told)

    monkeypatch.setattr(clerk_module, "book", stumbles)
    monkeypatch.setattr(clerk_module, "catch_up", lambda *_: 0)
    assert clerk.settle(20)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert fell.wait(20)
    clerk._thread.join(20)
    assert hq.post(other, other.batch()).status_code == 200
    assert clerk.settle(20)
    assert (hq.log(terminal).booked_size, hq.log(other).booked_size) == (0, 1)
