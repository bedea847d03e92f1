"""The kiosk's end of the pipe: nothing is waited for longer than a deadline, whatever the child does."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Self

from kiosk.drivers.pipe import NO_LINE, Pipe, PipeGone, PipeLate


class TimedPipe(Pipe):
    """As ``Pipe``, with deadlines: ``time.monotonic_ns`` values."""

    @classmethod
    def pair(cls) -> tuple[Self, socket.socket]:
        """Our end, and the child's. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours.detach()), theirs

    def __init__(self, end: int) -> None:
        super().__init__(end)
        os.set_blocking(end, False)
        self._in, self._out = select.poll(), select.poll()
        self._in.register(end, select.POLLIN)
        self._out.register(end, select.POLLOUT)

    def send_by(self, message: bytes | bytearray, deadline_ns: int, line: int = NO_LINE) -> None:
        """One whole message, and with it a copy of the descriptor ``line``. Raises PipeGone, PipeLate (a child that
        does not listen).
        """
        while True:
            try:
                if line == NO_LINE:
                    os.write(self.end, message)
                else:
                    _send_with(self.end, message, line)
            except BlockingIOError:
                _wait(self._out, deadline_ns)
            except OSError as fault:
                raise PipeGone(str(fault)) from fault
            else:
                return

    def heard(self) -> bool:
        """Whether a message waits, or the other end is closed."""
        return bool(self._in.poll(0))

    def receive_by(self, deadline_ns: int) -> bytes:
        """The next message, whole. Raises PipeBroken, PipeLate."""
        _wait(self._in, deadline_ns)
        return self.receive()


def _send_with(end: int, message: bytes | bytearray, line: int) -> None:
    ours = socket.socket(fileno=end)
    try:
        socket.send_fds(ours, [message], [line])
    finally:
        ours.detach()


def _wait(something: select.poll, deadline_ns: int) -> None:
    left_ns = deadline_ns - time.monotonic_ns()
    if left_ns <= 0 or not something.poll(-(-left_ns // 1_000_000)):
        raise PipeLate
