"""The kiosk's end of a driver's process: start, one call at a time, and the end of it when it misbehaves.

The driver's file is read and held against its sha256 first, and the child is given exactly those bytes. It starts with
an empty environment, no open file but its socket (and the serial port of the old kind), in a session of its own, and
shuts itself in (confine.py) before it loads them.

A process is kept warm between calls; after one that crashed, hung or talked nonsense was ended, the next is started at
once. What it can cost is one call: DriverFault D-301 crashed, D-302 too late, D-303 nonsense, D-304 not startable,
D-305 not the file named. D-304 and D-305 come before the driver saw the request; after the others nobody knows what it
did. Not for use by two threads at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kiosk.drivers.answer import one_line
from kiosk.drivers.frame import Frame, FrameFault
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.pipe import (
    MESSAGE_MAX,
    Call,
    CardCall,
    Kind,
    Pipe,
    PipeBroken,
    PipeGone,
    PipeLate,
    Verb,
    pack_status,
    unpack_status,
)
from kiosk.drivers.task import Task
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPort, CardPortError
from kiosk.model.errors import DriverFault, KioskError

log = logging.getLogger(__name__)

START_MS = 10_000
END_MS = 5_000
PASSWORD_MAX, REQUEST_MAX = 256, 4096
HANDLE, NO_HANDLE = 1, 0
"""icdev of every call; 0 for a vendor without cards (contract 1 §8)."""
BOOT = "import sys; sys.path.append(sys.argv[1]); from kiosk.drivers.worker import main; main(sys.argv[2:])"
ROOT = Path(__file__).resolve().parents[2]

OpenSerial = Callable[[int], int]
"""Opens the reader's serial port at a baud rate; the descriptor is the caller's gift."""


class _LastWords(PipeGone):
    """A Python driver's exception; its process is about to end."""


def is_password(text: str) -> bool:
    """Contract 1 §6: printable ASCII, at most 256 characters."""
    return len(text) <= PASSWORD_MAX and text.isascii() and text.isprintable()


class DriverProcess:
    """One vendor's driver in a process of its own."""

    def __init__(self, manifest: Manifest, open_serial: OpenSerial | None = None) -> None:
        self._manifest = manifest
        self._open_serial = open_serial
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Starts the child, if none runs, and waits until its driver is loaded. Raises DriverFault D-304, D-305."""
        self.prepare()
        if self._ready or self._pipe is None:
            return
        try:
            kind, body = self._pipe.receive(time.monotonic_ns() + START_MS * 1_000_000)
        except PipeLate as fault:
            raise self._end("D-304", "did not load in time") from fault
        except PipeBroken as fault:
            raise self._end("D-304", "ended while loading", by_itself=True) from fault
        if kind is not Kind.READY:
            why = one_line(body.decode("utf-8", "replace")) if kind is Kind.REFUSED else f"said {kind.name}, not READY"
            raise self._end("D-304", why)
        self._ready = True

    def prepare(self) -> None:
        """Starts the child, if none runs, and does not wait. Raises DriverFault D-304, D-305."""
        if self._child is not None and self._child.poll() is not None:
            log.warning("%s: the driver's process ended between two calls", self._manifest.vendor.abbr)
            self.close()
        if self._child is None:
            self._spawn(self._manifest.driver.load())

    def call(self, raw: bytes, port: CardPort | None, password: str, timeout_ms: int | None = None) -> bytes:
        """One call with any request bytes: one answer frame, or ``b""`` where the driver gives none.

        ``port`` serves the calls on the card (None: every one of them is answered "no card"); the caller has powered
        the card afresh. ``timeout_ms`` counts the whole call, the card's time included; without it the manifest's
        holds. Raises DriverFault D-301 … D-305; ValueError for a password that is none or more than 4096 bytes.
        """
        if not is_password(password):
            raise ValueError("a password is printable ASCII, at most 256 characters")
        if len(raw) > REQUEST_MAX:
            raise ValueError(f"a request of {len(raw)} bytes")
        self.start()
        limit_ms = timeout_ms or self._manifest.driver.timeout_ms
        deadline_ns = time.monotonic_ns() + limit_ms * 1_000_000
        handle = NO_HANDLE if self._manifest.keypad else HANDLE
        try:
            answer = self._converse(Call(limit_ms, handle, password.encode(), raw), port, deadline_ns)
            if answer:
                Frame.decode(answer)
        except PipeLate as fault:
            raise self._end("D-302", f"no answer within {limit_ms} ms") from fault
        except _LastWords as fault:
            raise self._end("D-301", str(fault)) from fault
        except PipeGone as fault:
            raise self._end("D-301", str(fault), by_itself=True) from fault
        except (PipeBroken, FrameFault) as fault:
            raise self._end("D-303", str(fault)) from fault
        except BaseException:
            self.close()  # our own mistake: the conversation is broken off, and so must be the child
            raise
        return answer

    def discard(self) -> None:
        """Ends a child whose answer made no sense, and starts the next."""
        self.close()
        self._prepare_quietly()

    def close(self) -> None:
        """Ends the child."""
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            if self._child.returncode is None:  # else its number may be another's by now
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._child.pid, signal.SIGKILL)
                self._child.kill()
            try:
                self._child.wait(END_MS / 1000)
            except subprocess.TimeoutExpired:  # stuck in the kernel (a serial port); it cannot do more harm
                log.error("%s: process %d does not end", self._manifest.vendor.abbr, self._child.pid)
        self._child, self._pipe, self._ready = None, None, False

    def _converse(self, call: Call, port: CardPort | None, deadline_ns: int) -> bytes:
        pipe = self._pipe
        assert pipe is not None
        pipe.send(Kind.CALL, call.pack(), deadline_ns)
        while True:
            kind, body = pipe.receive(deadline_ns)
            if kind is Kind.CARD:
                pipe.send(Kind.RESULT, _serve(CardCall.unpack(body), port), deadline_ns)
            elif kind is Kind.ANSWER:
                return self._answer(*unpack_status(body))
            elif kind is Kind.CRASHED:
                raise _LastWords(one_line(body.decode("utf-8", "replace")))
            else:
                raise PipeBroken(f"said {kind.name} in the middle of a call")

    def _answer(self, status: int, answer: bytes) -> bytes:
        if status > 0:
            raise FrameFault("the driver returned neither an answer nor an error of contract 1")
        if status < 0:
            log.info("%s: the driver returned %d", self._manifest.vendor.abbr, status)
            return b""
        return answer

    def _end(self, code: str, why: str, *, by_itself: bool = False) -> DriverFault:
        """Ends the child, starts the next where that makes sense, and says what happened."""
        child, abbr = self._child, self._manifest.vendor.abbr
        self.close()  # a child that is ending by itself keeps the exit status it has
        if by_itself and child is not None:
            why = f"{why} ({_how_it_ended(child.returncode)})"
        if code != "D-304":
            self._prepare_quietly()
        fault = DriverFault(code, f"{abbr}: {why}")
        log.error("%s", fault)
        return fault

    def _prepare_quietly(self) -> None:
        try:
            self.prepare()
        except DriverFault as fault:  # how the last call ended matters more; the next call will say so
            log.error("%s: no new process: %s", self._manifest.vendor.abbr, fault)

    def _spawn(self, image: bytes) -> None:
        driver = self._manifest.driver
        ours: socket.socket | None = None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, _memory_file(image) as file, self._serial() as serial:
                access = "none" if self._manifest.keypad else driver.access
                task = Task(theirs.fileno(), file, serial, driver.kind, self._manifest.vendor.abbr, access)
                self._child = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-B", "-c", BOOT, str(ROOT), *task.words()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    close_fds=True,
                    pass_fds=[number for number in (theirs.fileno(), file, serial) if number >= 0],
                    start_new_session=True,
                )
        except (OSError, KioskError) as fault:
            if ours is not None:
                ours.close()
            raise DriverFault("D-304", f"{self._manifest.vendor.abbr}: no process: {fault}") from fault
        self._pipe = Pipe(ours)

    @contextlib.contextmanager
    def _serial(self) -> Iterator[int]:
        """The reader's serial port for a driver of the old kind, −1 for all others."""
        driver, keypad = self._manifest.driver, self._manifest.keypad
        if driver.access != "serial" or keypad:
            yield -1
            return
        if self._open_serial is None:
            raise DriverFault("D-304", "access is serial, but no reader is on a port")
        number = self._open_serial(driver.baud)
        try:
            yield number
        finally:
            os.close(number)


def _serve(call: CardCall, port: CardPort | None) -> bytes:
    """One call on the card, as RESULT's body."""
    if port is None:
        return pack_status(0 if call.verb is Verb.CARD_TYPE else NO_CARD)
    try:
        status, content = _on_card(call, port)
    except CardPortError as fault:
        return pack_status(fault.code if -5 <= fault.code <= -1 else IO_FAULT)
    except KioskError as fault:
        log.warning("the reader failed: %s", fault)
        return pack_status(IO_FAULT)
    if len(content) > MESSAGE_MAX // 2:
        return pack_status(BAD_ARGUMENT)
    return pack_status(status, content)


def _on_card(call: CardCall, port: CardPort) -> tuple[int, bytes]:
    match call.verb:
        case Verb.CARD_TYPE:
            return port.card_type(), b""
        case Verb.ATR:
            return 0, port.atr()
        case Verb.READ:
            content = port.read(call.first, call.second, call.length)
            if len(content) != call.length:
                raise CardPortError(IO_FAULT, "the reader gave another number of bytes")
            return 0, content
        case Verb.WRITE:
            port.write(call.first, call.second, call.content)
        case Verb.VERIFY:
            port.verify(call.first, call.content)
        case Verb.TRIES_LEFT:
            return port.tries_left(call.first), b""
        case Verb.TRANSMIT:
            return 0, port.transmit(call.content)
    return 0, b""


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


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "still there"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"killed by {-code}"
    return f"exit status {code}"
