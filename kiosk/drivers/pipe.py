"""What kiosk and driver process say to each other: one socket, one message at a time (not part of contract 1).

::

    kiosk → child   CALL   timeout_ms (4) · handle (4) · length of password (2) · password · request frame
                    RESULT status (4, signed; contract 1 §6) · bytes read        answers a CARD
    child → kiosk   READY                                                       loaded, Bind done
                    REFUSED text                                                not loaded
                    CARD   verb (1) · first (4) · second (4) · length (4) · bytes
                    ANSWER status (4, signed) · answer frame
                    CRASHED text                                                a Python driver's last words

The socket keeps message borders (SOCK_SEQPACKET), so a message is whole or it is not there. What the child says is
never believed: whatever does not fit these shapes is ``PipeBroken``.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

MESSAGE_MAX = 8192
CARD_BYTES_MAX = 4096
"""Most bytes one call on the card may move."""
NO_DEADLINE = None

_CALL = struct.Struct(">IIH")
_CARD = struct.Struct(">BIII")
_STATUS = struct.Struct(">i")


class PipeBroken(Exception):
    """The other end said something that is no message, or is gone."""


class PipeGone(PipeBroken):
    """The other end is closed."""


class PipeLate(Exception):
    """The deadline passed."""


class Kind(IntEnum):
    """First byte of a message."""

    CALL = 1
    RESULT = 2
    READY = 3
    REFUSED = 4
    CARD = 5
    ANSWER = 6
    CRASHED = 7


class Verb(IntEnum):
    """Calls on the card, contract 1 §6."""

    CARD_TYPE = 1
    ATR = 2
    READ = 3
    WRITE = 4
    VERIFY = 5
    TRIES_LEFT = 6
    TRANSMIT = 7


@dataclass(frozen=True, slots=True)
class Call:
    """One driver call."""

    timeout_ms: int
    handle: int  # icdev; 0 for a vendor without cards
    password: bytes
    frame: bytes

    def pack(self) -> bytes:
        """The message's body."""
        return _CALL.pack(self.timeout_ms, self.handle, len(self.password)) + self.password + self.frame

    @classmethod
    def unpack(cls, body: bytes) -> Call:
        """From a message's body."""
        timeout_ms, handle, size = _CALL.unpack_from(body)
        at = _CALL.size + size
        return cls(timeout_ms, handle, body[_CALL.size : at], body[at:])


@dataclass(frozen=True, slots=True)
class CardCall:
    """One call on the card: ``first`` and ``second`` are zone and addr, or which; ``length`` of a read."""

    verb: Verb
    first: int = 0
    second: int = 0
    length: int = 0
    content: bytes = b""

    def pack(self) -> bytes:
        """The message's body. ValueError for numbers outside 32 bits or too many bytes."""
        if max(len(self.content), self.length) > CARD_BYTES_MAX:
            raise ValueError(f"more than {CARD_BYTES_MAX} bytes")
        try:
            return _CARD.pack(self.verb, self.first, self.second, self.length) + self.content
        except struct.error as fault:
            raise ValueError(str(fault)) from fault

    @classmethod
    def unpack(cls, body: bytes) -> CardCall:
        """From a message's body. Raises PipeBroken."""
        try:
            verb, first, second, length = _CARD.unpack_from(body)
            call = cls(Verb(verb), first, second, length, body[_CARD.size :])
        except (struct.error, ValueError) as fault:
            raise PipeBroken(f"not a call on the card: {fault}") from fault
        if max(len(call.content), length) > CARD_BYTES_MAX:
            raise PipeBroken(f"a call on the card of {max(len(call.content), length)} bytes")
        return call


def pack_status(status: int, content: bytes = b"") -> bytes:
    """Body of RESULT and ANSWER."""
    return _STATUS.pack(status) + content


def unpack_status(body: bytes) -> tuple[int, bytes]:
    """Status and bytes. Raises PipeBroken."""
    if len(body) < _STATUS.size:
        raise PipeBroken("an answer without its status")
    return _STATUS.unpack_from(body)[0], body[_STATUS.size :]


class Pipe:
    """One end of the socket. Deadlines are ``time.monotonic_ns`` values; None waits for ever."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, kind: Kind, body: bytes = b"", deadline_ns: int | None = NO_DEADLINE) -> None:
        """One message. Raises PipeGone, PipeLate."""
        try:
            self._wait(deadline_ns)
            self._end.send(bytes((kind,)) + body)
        except TimeoutError as fault:
            raise PipeLate from fault
        except OSError as fault:
            raise PipeGone(str(fault)) from fault

    def receive(self, deadline_ns: int | None = NO_DEADLINE) -> tuple[Kind, bytes]:
        """The next message. Raises PipeBroken, PipeLate."""
        try:
            self._wait(deadline_ns)
            message = self._end.recv(MESSAGE_MAX + 1)
        except TimeoutError as fault:
            raise PipeLate from fault
        except OSError as fault:
            raise PipeGone(str(fault)) from fault
        if not message:
            raise PipeGone("the other end is closed")
        if len(message) > MESSAGE_MAX or message[0] not in set(Kind):
            raise PipeBroken("not a message")
        return Kind(message[0]), message[1:]

    def close(self) -> None:
        """Closes this end."""
        self._end.close()

    def _wait(self, deadline_ns: int | None) -> None:
        if deadline_ns is None:
            self._end.settimeout(None)
            return
        left_ns = deadline_ns - time.monotonic_ns()
        if left_ns <= 0:
            raise PipeLate
        self._end.settimeout(left_ns / 1e9)
