"""A host's and a machine's half joined by a line that exists only in simulated time: no thread, no port, no waiting.

Bytes arrive whole and at once, unless ``tamper`` makes of them what a bad line does, or ``delay`` what slow ones do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.talk import NEVER, Talk, Voice
from kiosk.devices.link import Direction

Tamper = Callable[[Direction, bytes], bytes]
Delay = Callable[[Direction, bytes], int]
"""How many ms these bytes are on their way; none overtakes those before it."""
TURNS_MAX = 64  # exchanges within one millisecond: more are two halves that never end


class Duet:
    """Both halves, and what the host's half tells. The owner moves the clock."""

    def __init__(self, talk: Talk, voice: Voice, on_event: Callable[[AcceptorEvent], None], now_ms: int) -> None:
        self.talk, self.voice = talk, voice
        self.tamper: Tamper | None = None
        self.delay: Delay | None = None
        self._on_event = on_event
        self._to_host: deque[tuple[int, bytes]] = deque()  # (when it arrives, what)
        self._to_device: deque[tuple[int, bytes]] = deque()
        talk.opened(now_ms)

    def succeed(self, talk: Talk, on_event: Callable[[AcceptorEvent], None], now_ms: int) -> None:
        """The host's process ended and another begins; what is still on the line comes to the new one."""
        self.talk, self._on_event = talk, on_event
        talk.opened(now_ms)

    def due_ms(self) -> int:
        """When ``play`` is to be called next, if no wish is made and no hand touches the machine before."""
        arrivals = (way[0][0] for way in (self._to_host, self._to_device) if way)
        return min(self.talk.due_ms(), self.voice.due_ms(), *arrivals, NEVER)

    def play(self, now_ms: int) -> None:
        """Everything that happens by now. Raises AssertionError if the two halves do not come to rest."""
        for _ in range(TURNS_MAX):
            self._send("to-host", self.voice.wake(now_ms), now_ms)
            said = _arrived(self._to_host, now_ms)
            if said:
                self.talk.received(said, now_ms)
                self._tell()
            self._send("to-device", self.talk.wake(now_ms), now_ms)
            asked = _arrived(self._to_device, now_ms)
            if asked:
                self._send("to-host", self.voice.received(asked, now_ms), now_ms)
            self._tell()
            if not asked and not said:
                return
        raise AssertionError("host and machine never come to rest")

    def run(self, now_ms: int, until_ms: int) -> int:
        """Plays on until then, from one due time to the next; gives the time."""
        while now_ms < until_ms:
            self.play(now_ms)
            now_ms = min(until_ms, max(now_ms + 1, self.due_ms()))
        self.play(now_ms)
        return now_ms

    def _send(self, direction: Direction, sent: bytes, now_ms: int) -> None:
        if sent and self.tamper:
            sent = self.tamper(direction, sent)
        if not sent:
            return
        way = self._to_host if direction == "to-host" else self._to_device
        way.append((now_ms + (self.delay(direction, sent) if self.delay else 0), sent))

    def _tell(self) -> None:
        for event in self.talk.events():
            self._on_event(event)


def _arrived(way: deque[tuple[int, bytes]], now_ms: int) -> bytes:
    came = b""
    while way and way[0][0] <= now_ms:
        came += way.popleft()[1]
    return came
