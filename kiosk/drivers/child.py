"""A driver's process from outside: its start, within bubblewrap's sandbox where there is one, and its end.

It starts with an empty environment, no open file but its socket, in a session of its own. Within a sandbox, the process
we start is bubblewrap's; the driver is a grandchild of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from kiosk.drivers import sandbox
from kiosk.drivers.rooms import BOOT, packed
from kiosk.drivers.timed_pipe import TimedPipe

log = logging.getLogger(__name__)

END_MS = 5_000
LAST_MS = 1_000
"""How long a sandbox may take to hand on how the driver ended by itself."""

_STARTER = ThreadPoolExecutor(1, "driver starter")
"""bubblewrap ends with the thread that started it, so that thread must live as long as we do."""


class Child:
    """One process with its pipe."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: TimedPipe, *, sandboxed: bool) -> None:
        self._process, self.pipe, self._sandboxed = process, pipe, sandboxed

    @classmethod
    def start(cls, image: bytes, kind: str, abbr: str, access: str) -> Self:
        """``image``: the driver's file; ``access``: api, serial, or none for a vendor without cards. Raises OSError."""
        python = sandbox.interpreter()
        wrap = sandbox.words(python)
        pipe, theirs = TimedPipe.pair()
        try:
            with theirs, _memory_file(packed()) as rooms, _memory_file(image) as file:
                held = [rooms, theirs.fileno(), file]
                command = [*wrap, python, "-I", "-S", "-B", "-c", BOOT, *map(str, held), kind, abbr, access]
                process = _STARTER.submit(_popen, command, held).result() if wrap else _popen(command, held)
        except BaseException as fault:
            pipe.close()
            if isinstance(fault, RuntimeError):  # the interpreter is ending: no thread is started any more
                raise OSError(str(fault)) from fault
            raise
        return cls(process, pipe, sandboxed=bool(wrap))

    @property
    def pid(self) -> int:
        """The process we started: when it is gone, all is gone."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    def end(self, abbr: str, *, by_itself: bool = False) -> str:
        """Kills what still lives, waits until it is gone, and says how it ended. ``by_itself``: it is just ending."""
        self.pipe.close()
        if self._process.returncode is None:  # else its number may be another's by now
            if by_itself and self._sandboxed:  # bubblewrap hands its child's status on
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(LAST_MS / 1000)
            self._kill()
        try:
            self._process.wait(END_MS / 1000)
        except subprocess.TimeoutExpired:  # stuck in the kernel (a serial port); it cannot do more harm
            log.error("%s: process %d does not end", abbr, self._process.pid)
        return self._how_it_ended()

    def _kill(self) -> None:
        if self._process.returncode is not None:
            return
        if self._sandboxed:
            self._process.send_signal(signal.SIGSTOP)  # so that what it started stays its child while we look
            for number in _children(self._process.pid):
                _kill_and_wait(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        if code is None:
            return "still there"
        if self._sandboxed and code > 128:  # as bubblewrap says it
            code = 128 - code
        if code < 0:
            return f"killed by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"killed by {-code}"
        return f"exit status {code}"


def _popen(command: list[str], held: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        close_fds=True,
        pass_fds=held,
        start_new_session=True,
    )


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[int]:
    """A file without a name, so that what is loaded is what was checked."""
    number = os.memfd_create("driver", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(content)
        yield number
    finally:
        os.close(number)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]
    except OSError:  # gone, or a kernel without that file: then the sandbox ends with bubblewrap's process
        return []


def _kill_and_wait(number: int) -> None:
    """The sandbox's first process: the kernel lets it go only when all others in the sandbox are gone."""
    try:
        process = os.pidfd_open(number)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        gone = select.poll()
        gone.register(process, select.POLLIN)
        gone.poll(END_MS)
    finally:
        os.close(process)
