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
never believed: whatever does not fit these shapes is ``PipeBroken``. With the CALL of a driver of the old kind travels
a descriptor, the reader's line (SCM_RIGHTS).

The child loads this file at its start, so it asks for nothing that is slow to load (no enum, no dataclass, no socket).
Messages that hold a secret are bytearrays, which whoever made them wipes.
"""

from __future__ import annotations

import os
import struct

MESSAGE_MAX = 8192
CARD_BYTES_MAX = 4096
"""Most bytes one call on the card may move."""
PASSWORD_MAX = 256
NO_LINE = -1

_CALL = struct.Struct(">BIIH")
_CARD = struct.Struct(">BBIII")
_STATUS = struct.Struct(">Bi")


class PipeBroken(Exception):
    """The other end said something that is no message, or is gone."""


class PipeGone(PipeBroken):
    """The other end is closed."""


class PipeLate(Exception):
    """The deadline passed."""


class Kind:
    """First byte of a message."""

    CALL, RESULT, READY, REFUSED, CARD, ANSWER, CRASHED = range(1, 8)


KINDS = ("", "CALL", "RESULT", "READY", "REFUSED", "CARD", "ANSWER", "CRASHED")
"""Their names, for people."""


class Verb:
    """Calls on the card, contract 1 §6."""

    CARD_TYPE, ATR, READ, WRITE, VERIFY, TRIES_LEFT, TRANSMIT = range(1, 8)


class CardCall:
    """One call on the card: ``first`` and ``second`` are zone and addr, or which; ``length`` of a read."""

    __slots__ = ("content", "first", "length", "second", "verb")

    def __init__(self, verb: int, first: int, second: int, length: int, content: bytes) -> None:
        self.verb, self.first, self.second, self.length, self.content = verb, first, second, length, content


def pack_call(timeout_ms: int, handle: int, password: bytes, frame: bytes) -> bytearray:
    """CALL, whole. ``handle`` is icdev, 0 for a vendor without cards. Wipe it when it is sent."""
    message = bytearray(_CALL.size + len(password) + len(frame))
    _CALL.pack_into(message, 0, Kind.CALL, timeout_ms, handle, len(password))
    at = _CALL.size + len(password)
    message[_CALL.size : at] = password
    message[at:] = frame
    return message


def unpack_call(message: memoryview) -> tuple[int, int, memoryview, bytes]:
    """timeout_ms, handle, the password where it lies in ``message``, the frame. Raises PipeBroken."""
    if len(message) < _CALL.size or message[0] != Kind.CALL:
        raise PipeBroken("not a call")
    _, timeout_ms, handle, size = _CALL.unpack_from(message)
    at = _CALL.size + size
    return timeout_ms, handle, message[_CALL.size : at], bytes(message[at:])


def pack_card(verb: int, first: int, second: int, length: int, content: bytes) -> bytes | bytearray:
    """CARD, whole. ValueError for numbers outside 32 bits or too many bytes. One with content is to be wiped when it is
    sent.
    """
    size = len(content)
    if size > CARD_BYTES_MAX or length > CARD_BYTES_MAX:
        raise ValueError(f"more than {CARD_BYTES_MAX} bytes")
    try:
        if not size:
            return _CARD.pack(Kind.CARD, verb, first, second, length)
        message = bytearray(_CARD.size + size)
        _CARD.pack_into(message, 0, Kind.CARD, verb, first, second, length)
    except struct.error as fault:
        raise ValueError(str(fault)) from fault
    message[_CARD.size :] = content
    return message


def unpack_card(message: bytes) -> CardCall:
    """From a whole CARD. Raises PipeBroken."""
    if len(message) < _CARD.size:
        raise PipeBroken("not a call on the card: too short")
    _, verb, first, second, length = _CARD.unpack_from(message)
    if not Verb.CARD_TYPE <= verb <= Verb.TRANSMIT:
        raise PipeBroken(f"not a call on the card: {verb}")
    size = max(len(message) - _CARD.size, length)
    if size > CARD_BYTES_MAX:
        raise PipeBroken(f"a call on the card of {size} bytes")
    return CardCall(verb, first, second, length, message[_CARD.size :])


def pack_status(kind: int, status: int, content: bytes = b"") -> bytes:
    """RESULT or ANSWER, whole."""
    return _STATUS.pack(kind, status) + content


def unpack_status(message: bytes) -> tuple[int, bytes]:
    """Status and bytes of a RESULT or ANSWER. Raises PipeBroken."""
    if len(message) < _STATUS.size:
        raise PipeBroken("an answer without its status")
    return _STATUS.unpack_from(message)[1], message[_STATUS.size :]


def wipe(message: bytearray, size: int | None = None) -> None:
    """Zeros over it, or over its first ``size`` bytes."""
    size = len(message) if size is None else size
    message[:size] = bytes(size)


class Pipe:
    """One end of the socket, by its descriptor, which now belongs to the pipe. Waits for ever."""

    def __init__(self, end: int) -> None:
        self.end = end

    def send(self, message: bytes | bytearray) -> None:
        """One whole message. Raises PipeGone."""
        try:
            os.write(self.end, message)
        except OSError as fault:
            raise PipeGone(str(fault)) from fault

    def receive(self) -> bytes:
        """The next message, whole; its first byte is a ``Kind``. Raises PipeBroken."""
        try:
            message = os.read(self.end, MESSAGE_MAX + 1)
        except OSError as fault:
            raise PipeGone(str(fault)) from fault
        if not message:
            raise PipeGone("the other end is closed")
        if len(message) > MESSAGE_MAX or not Kind.CALL <= message[0] <= Kind.CRASHED:
            raise PipeBroken("not a message")
        return message

    def receive_into(self, room: bytearray) -> int:
        """The next message's length; its bytes lie in ``room`` and nowhere else. Raises PipeGone."""
        try:
            size = os.readv(self.end, [room])
        except OSError as fault:
            raise PipeGone(str(fault)) from fault
        if size == 0:
            raise PipeGone("the other end is closed")
        return size

    def close(self) -> None:
        """Closes this end."""
        end, self.end = self.end, -1
        if end >= 0:
            os.close(end)
