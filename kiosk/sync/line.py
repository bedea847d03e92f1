"""How fast the line to head office is, and how fast it may be used: what one request holds, and its pacing.

A request should last about half a minute: long enough that its round trip hardly counts, short enough that a line which
breaks every few minutes carries it, that a sign of life is never far away, and that new entries do not wait behind it.
So the first bodies are small, they grow while answers come fast, and shrink when requests are slow or break off. At
9.6 kbit/s a body settles at some 30 kB packed, about a thousand entries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from kiosk.model.clock import Clock

REQUEST_MS = 30_000  # what a request should last
FIRST_BYTES = 16_384  # as sent; 14 s at 9.6 kbit/s
LEAST_BYTES, MOST_BYTES = 2_048, 8_388_608
GROWTH = 4
BREAKS_MAX = 8  # of one batch, over some twenty minutes, before it is cut smaller
PIECES_A_SECOND = 10
PIECE_BYTES_MIN = 64


class Pacing:
    """One way of a line that may be used so fast at most; 0: no limit. Not for several threads."""

    def __init__(self, clock: Clock, limit_kbit_s: int = 0, rest: Callable[[float], None] = time.sleep) -> None:
        """``rest`` waits so many seconds."""
        self._clock, self._rest = clock, rest
        self.bytes_s = limit_kbit_s * 125
        self._free_at_ms = 0  # when the limit lets the next piece go

    @property
    def piece_bytes(self) -> int:
        """A tenth of a second's."""
        return max(PIECE_BYTES_MIN, self.bytes_s // PIECES_A_SECOND)

    def wait(self) -> None:
        """Until the next piece may go."""
        wait_ms = self._free_at_ms - self._clock.monotonic_ms()
        if wait_ms > 0:
            self._rest(wait_ms / 1000)

    def took(self, size: int) -> None:
        """So many bytes go over now."""
        if self.bytes_s:
            taken_ms = -(-size * 1000 // self.bytes_s)
            self._free_at_ms = max(self._free_at_ms, self._clock.monotonic_ms()) + taken_ms


class Line:
    """Not for several threads. ``limit_kbit_s`` is for what we send, without TCP's and TLS's own bytes; 0: no limit."""

    def __init__(self, clock: Clock, limit_kbit_s: int = 0, rest: Callable[[float], None] = time.sleep) -> None:
        """``rest`` waits so many seconds."""
        self._clock = clock
        self._pacing = Pacing(clock, limit_kbit_s, rest)
        self._goal = self._within(FIRST_BYTES)  # bytes as sent
        self._packing = 1.0  # unpacked bytes for one byte sent, as it was last
        self._breaks = 0

    @property
    def body_bytes(self) -> int:
        """What the next body should hold at most, in bytes before it is packed."""
        return int(self._goal * self._packing)

    @property
    def keeps_breaking(self) -> bool:
        """So many requests in a row broke off on their way that the same batch has no chance on this line."""
        return self._breaks >= BREAKS_MAX

    def now_ms(self) -> int:
        """For measuring."""
        return self._clock.monotonic_ms()

    def pieces(self, sent: bytes) -> Iterator[bytes]:
        """The same bytes, in pieces that come no faster than the limit lets them."""
        pacing = self._pacing
        if not pacing.bytes_s:
            yield sent
            return
        for at in range(0, len(sent), pacing.piece_bytes):
            piece = sent[at : at + pacing.piece_bytes]
            pacing.wait()
            pacing.took(len(piece))
            yield piece

    def answered(self, body: int, sent: int, took_ms: int) -> None:
        """A request with a body of so many bytes, sent as so many, was answered after so long."""
        self._breaks = 0
        fitting = sent * REQUEST_MS // max(1, took_ms)
        if body * GROWTH >= self.body_bytes:  # a small one tells of the round trip more than of the line
            self._goal = self._within(min(fitting, self._goal * GROWTH))
            self._packing = max(1.0, body / sent)
        elif took_ms > REQUEST_MS:
            self._goal = self._within(min(fitting, self._goal))

    def broke(self) -> None:
        """A request broke off on its way, or its answer did."""
        self._breaks += 1
        self._goal = self._within(self._goal // 2)

    def begin_anew(self) -> None:
        """The batch that kept breaking is given up; the next one is smaller."""
        self._breaks = 0

    def _within(self, size: int) -> int:
        limit = self._pacing.bytes_s
        most = min(MOST_BYTES, limit * REQUEST_MS // 1000) if limit else MOST_BYTES
        return max(LEAST_BYTES, min(size, most))
