"""The limit over a real line: what is not wanted yet stays at the sender, and the process sets the limit both ways."""

import argparse
import socket
import threading
from types import SimpleNamespace

import pytest
from tuf_office import Publisher

from kiosk.sync import command
from kiosk.sync.downlink.sources import HttpSource
from kiosk.sync.line import Pacing

SIZE = 300_000
HELD_MAX = 68_000  # by both kernels; without the limit they hold 82,000 and more


class Sender:
    """A server that sends as fast as it is let, and knows how much it has."""

    def __init__(self):
        self.pushed, self._listener = 0, socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_400)  # as on a line, and not the loopback's
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        line, _ = self._listener.accept()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        line.recv(10_000)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        while self.pushed < SIZE:
            try:
                self.pushed += line.send(bytes(min(16_384, SIZE - self.pushed)))
            except OSError:
                break
        line.close()

    def at_rest(self):
        """How much it has sent, once it can send no more."""
        before, still, clock = -1, 0, threading.Event()
        while still < 3:
            still = still + 1 if self.pushed == before else 0
            before = self.pushed
            clock.wait(0.005)
        return before

    def close(self):
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def sender():
    sender = Sender()
    yield sender
    sender.close()


class Hand:
    def __init__(self):
        self.ms = 0

    def monotonic_ms(self):
        return self.ms

    def rest(self, seconds):
        self.ms += round(seconds * 1000)


def test_the_kernel_takes_in_little_ahead_of_what_the_limit_lets_through(sender):
    hand = Hand()
    source, read, ahead = HttpSource(sender.url, pacing=Pacing(hand, 64, hand.rest)), 0, 0
    looks = iter(range(20))
    with source.opened(f"{sender.url}/v1/tuf/targets/x", 0) as (_, chunks):
        for chunk in chunks:
            read += len(chunk)
            if next(looks, None) is not None:
                ahead = max(ahead, sender.at_rest() - read)
    source.close()
    assert read == SIZE and ahead < HELD_MAX
    assert SIZE / 8_000 * 0.9 <= hand.ms / 1000 <= SIZE / 8_000 + 1


@pytest.mark.parametrize("kbit_s", [0, 9])
def test_the_sync_process_gives_both_roads_the_same_limit(tmp_path, monkeypatch, kbit_s):
    office = Publisher(tmp_path / "hq")
    reader = SimpleNamespace(vkey=SimpleNamespace(name="power.example/kiosk/420100/0007/1"))
    journal = type("Log", (), {"__enter__": lambda _: reader, "__exit__": lambda *_: None})
    monkeypatch.setattr(command, "JournalReader", lambda _: journal())
    given = argparse.Namespace(
        journal=tmp_path, downlink=tmp_path / "d", tuf_root=office.first_root, hq="https://hq.power.example",
        downlink_poll_ms=900_000, retry_min_ms=5_000, limit_kbit_s=kbit_s,
    )  # fmt: skip
    assert command._downlink(given)._source._pacing.bytes_s == kbit_s * 125
