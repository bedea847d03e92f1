"""The host's half of SSP's transport: one question at a time, sent again until it is answered, done exactly once.

The sequence bit makes it so. A device that hears the bit of its last question again does not act again: it repeats its
last answer. So a question whose answer was lost is sent again, byte for byte, and an answer with the other bit is
another question's. The bit alone does not tell an answer from that of the question before the last; sealed answers are
counted, the others must fit the question, and the line is listened to until it is quiet, each time a question had to
be sent again.

A POLL that is not acknowledged empties the device: what it told stands in its last answer and nowhere else. So the
owner does not lightly ``abandon`` such a question.

Source: GA138 (2.2.2), transport layer: 1 s for an answer, up to 20 tries, then SYNC.
"""

from __future__ import annotations

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import Seal
from kiosk.devices.acceptor.talk import NEVER

QUIET_ROUNDS_MAX = 8  # a device that never falls quiet is asked in the end


class Exchange:
    """Who has the word. Times in ms."""

    def __init__(self, address: int, answer_ms: int) -> None:
        """``answer_ms``: from a question to the end of its answer, at most."""
        self._address, self._answer_ms = address, answer_ms
        self._decoder = wire.Decoder()
        self._bit = wire.SEQUENCE  # of the next question
        self._frame = b""  # the question that is out
        self._sealed = False
        self._due_ms = NEVER  # it is sent (again) then
        self._quiet_ms: int | None = None
        self._latest_ms = 0
        self.question = b""
        self.tries = 0  # of the question that is out
        self.seal: Seal | None = None

    @property
    def waiting(self) -> bool:
        """Whether a question is out."""
        return bool(self._frame)

    def may_ask(self, now_ms: int) -> bool:
        """Whether none is, and no answer to an older one may still come."""
        if self._quiet_ms is not None and now_ms >= min(self._quiet_ms, self._latest_ms):
            self._quiet_ms = None
        return not self._frame and self._quiet_ms is None

    def ask(self, question: bytes, now_ms: int) -> None:
        """Puts a question; ``wake`` sends it. SYNC is never sealed, and begins a new sequence."""
        if question[0] == wire.SYNC:
            self._bit, self.seal = wire.SEQUENCE, None
        self._sealed = self.seal is not None
        data = self.seal.close(question) if self.seal else question
        if self.seal:
            self.seal.count += 1  # the answer's, and the next question's
        self._frame = wire.encode(wire.Packet(self._bit | self._address, data))
        self.question, self.tries, self._due_ms = question, 0, now_ms
        self._decoder.clear()

    def wake(self, now_ms: int) -> bytes:
        """The question, when it is due for the first time or again."""
        if not self._frame or now_ms < self._due_ms:
            return b""
        self.tries += 1
        self._due_ms = now_ms + self._answer_ms
        return self._frame

    def received(self, came: bytes, now_ms: int) -> bytes | None:
        """The answer to the question that is out, once it is whole."""
        packets = self._decoder.feed(came)
        answer = next((data for data in map(self._opened, packets) if data), None) if self._frame else None
        if answer is None:
            if not self._frame and self._quiet_ms is not None:
                self._quiet_ms = now_ms + self._answer_ms
            return None
        again, self._frame = self.tries > 1, b""
        self._bit ^= wire.SEQUENCE
        if again:
            self.listen(now_ms)
        return answer

    def _opened(self, packet: wire.Packet) -> bytes | None:
        if packet.head != self._bit | self._address:
            return None
        if self._sealed and self.seal and packet.data[0] == wire.SEALED:
            return self.seal.open(packet.data)
        lost_key = packet.data == bytes((wire.NO_KEY,))
        meant = packet.data[0] in wire.ANSWERS and wire.fits(self.question, packet.data)
        return packet.data if meant and (lost_key or not self._sealed) else None

    def listen(self, now_ms: int) -> None:
        """Nothing is asked until the line has been quiet for a while."""
        self._quiet_ms = now_ms + self._answer_ms
        self._latest_ms = now_ms + QUIET_ROUNDS_MAX * self._answer_ms

    def abandon(self, now_ms: int) -> None:
        """Gives up the question; only SYNC can follow."""
        self._frame = b""
        self.listen(now_ms)

    def again(self, now_ms: int) -> None:
        """The line is new: what is out is sent again after a quiet while."""
        self._decoder.clear()
        if self._frame:
            self.tries, self._due_ms = max(self.tries, 1), now_ms + self._answer_ms
        else:
            self.listen(now_ms)

    def due_ms(self) -> int:
        """When something of this falls due."""
        if self._frame:
            return self._due_ms
        return NEVER if self._quiet_ms is None else min(self._quiet_ms, self._latest_ms)
