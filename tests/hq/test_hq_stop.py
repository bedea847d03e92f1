"""`kiosk hq serve` is told to stop while its clerk has much to book and a slow request is under way."""

import socket
import time

import pytest
from fakes import Terminal
from hq_server import PATIENCE_S, Server

pytestmark = pytest.mark.slow
BATCH = 2_000
BATCHES = 60  # some seconds of booking: more than a start and a stop take
STOPS_WITHIN_S = 5  # a second or two on a machine that has nothing else to do


BOOKS = (
    "days",
    "balances",
    "opensales",
    "parked",
    "vouchers",
    "purchases",
    "sales",
    "cash",
    "owed",
    "events",
    "carried",
)


def booked(hq):
    ((size, done),) = hq.sql("SELECT size, booked_size FROM logs")
    return size, done


def forget_the_books(hq):
    """As a rebuild does that was cut off: all is still to be booked."""
    for table in BOOKS:
        hq.sql(f"DELETE FROM {table}")
    hq.sql("UPDATE logs SET booked_size = 0, boot = '0'")


def test_it_stops_at_once_and_books_the_rest_at_its_next_start(tmp_path):
    with Server(tmp_path) as hq:
        terminal = hq.enrol(Terminal()).open().grow(BATCH * BATCHES - 1)
        for first in range(0, BATCH * BATCHES, BATCH):
            assert hq.post(terminal, terminal.batch(first, first + BATCH)).status_code == 200
        hq.stop()
        forget_the_books(hq)
        hq.start()
        slow = socket.create_connection(hq.client.base_url.netloc.decode().split(":"))
        path = f"/v1/logs/{terminal.hash}/entries"
        slow.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nx".encode())
        assert hq.stop() < STOPS_WITHIN_S
        slow.close()
        size, done = booked(hq)
        assert size == BATCH * BATCHES > done, "there was something left to book, or nothing is tested"
        hq.start()
        until = time.monotonic() + PATIENCE_S
        while booked(hq)[1] < size and time.monotonic() < until:
            assert hq.client.get("/").status_code == 200  # a page waits for the books, for a moment
        assert booked(hq) == (size, size)
