"""The kiosk's end of a driver's process: start, one call at a time, and the end of it when it misbehaves.

The driver's file is read and held against its sha256 first, and the child is given exactly those bytes. It is started
in a sandbox where there is one (child.py, sandbox.py), and shuts itself in (confine.py) before it loads them. A driver
of the old kind, which talks to the reader itself, is lent the reader's serial line for one call on a card. With that
call its process ends, whatever it kept, and only then is the line taken back.

A process is kept warm between calls; after one that crashed, hung or talked nonsense was ended, the next is started at
once. What it can cost is one call: DriverFault D-301 crashed, D-302 too late, D-303 nonsense, D-304 not startable,
D-305 not the file named. D-304 and D-305 come before the driver saw the request; after the others nobody knows what it
did. Not for use by two threads at once.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from kiosk.drivers.answer import one_line
from kiosk.drivers.child import Child
from kiosk.drivers.frame import Frame, FrameFault
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.pipe import (
    KINDS,
    MESSAGE_MAX,
    NO_LINE,
    PASSWORD_MAX,
    CardCall,
    Kind,
    PipeBroken,
    PipeGone,
    PipeLate,
    Verb,
    pack_call,
    pack_status,
    unpack_card,
    unpack_status,
    wipe,
)
from kiosk.drivers.timed_pipe import TimedPipe
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPort, CardPortError
from kiosk.model.errors import DriverFault, KioskError

log = logging.getLogger(__name__)

START_MS = 10_000
REQUEST_MAX = 4096
HANDLE, NO_HANDLE = 1, 0
"""icdev of every call; 0 for a vendor without cards (contract 1 §8)."""

LendLine = Callable[[int], contextlib.AbstractContextManager[int]]
"""Lends the reader's serial line at a baud rate: its descriptor, until the context ends. Raises KioskError when there
is none now; the context's end raises nothing of its own."""


class _LastWords(PipeGone):
    """A Python driver's exception; its process is about to end."""


def is_password(text: str) -> bool:
    """Contract 1 §6: printable ASCII, at most 256 characters."""
    return len(text) <= PASSWORD_MAX and text.isascii() and text.isprintable()


class DriverProcess:
    """One vendor's driver in a process of its own. ``trusted``: one of the old kind is kept warm, too (on a bench)."""

    def __init__(self, manifest: Manifest, lend_line: LendLine | None = None, *, trusted: bool = False) -> None:
        self._manifest, self._lend_line, self._trusted = manifest, lend_line, trusted
        self._child: Child | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """The process id while there is one; with a sandbox it is the sandbox's."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Starts the child, if none runs, and waits until its driver is loaded. Raises DriverFault D-304, D-305."""
        self.prepare()
        if self._ready or self._child is None:
            return
        try:
            message = self._child.pipe.receive_by(time.monotonic_ns() + START_MS * 1_000_000)
        except PipeLate as fault:
            raise self._end("D-304", "did not load in time") from fault
        except PipeBroken as fault:
            raise self._end("D-304", "ended while loading", by_itself=True) from fault
        if message[0] == Kind.REFUSED:
            raise self._end("D-304", _text(message))
        if message[0] != Kind.READY:
            raise self._end("D-304", f"said {KINDS[message[0]]}, not READY")
        self._ready = True

    def prepare(self) -> None:
        """Starts the child, if none runs, and does not wait. Raises DriverFault D-304, D-305."""
        child = self._child
        if child is not None and (child.ended or (self._ready and child.pipe.heard())):
            log.warning("%s: the driver's process ended, or spoke, between two calls", self._manifest.vendor.abbr)
            self.close()  # what it said belongs to no call
        if self._child is None:
            self._child = self._start(self._manifest.driver.load())

    def call(self, raw: bytes, port: CardPort | None, password: str, timeout_ms: int | None = None) -> bytes:
        """One call with any request bytes: one answer frame, or ``b""`` where the driver gives none.

        ``port`` serves the calls on the card (None: every one of them is answered "no card"); the caller has powered
        the card afresh. ``timeout_ms`` counts the whole call, the card's time included; without it the manifest's
        holds. Raises DriverFault D-301 … D-305, and what ``lend_line`` raises, before the driver saw the request;
        ValueError for a password that is none or more than 4096 bytes.
        """
        if not is_password(password):
            raise ValueError("a password is printable ASCII, at most 256 characters")
        if len(raw) > REQUEST_MAX:
            raise ValueError(f"a request of {len(raw)} bytes")
        self.start()
        limit_ms = timeout_ms or self._manifest.driver.timeout_ms
        handle = NO_HANDLE if self._manifest.keypad else HANDLE
        with self._lent(port) as line:
            answer = self._call(pack_call(limit_ms, handle, password.encode(), raw), port, line, limit_ms)
            if line != NO_LINE and not self._trusted:
                self.discard()
        return answer

    def _call(self, call: bytearray, port: CardPort | None, line: int, limit_ms: int) -> bytes:
        try:
            answer = self._converse(call, port, line, time.monotonic_ns() + limit_ms * 1_000_000)
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
        """Ends the child, and starts the next: its answer made no sense, or it may have kept what it must not."""
        self.close()
        self._prepare_quietly()

    def close(self) -> None:
        """Ends the child."""
        self._end_child()

    def _end_child(self, *, by_itself: bool = False) -> str:
        child, self._child, self._ready = self._child, None, False
        return child.end(self._manifest.vendor.abbr, by_itself=by_itself) if child is not None else ""

    def _converse(self, call: bytearray, port: CardPort | None, line: int, deadline_ns: int) -> bytes:
        assert self._child is not None
        pipe: TimedPipe = self._child.pipe
        try:
            pipe.send_by(call, deadline_ns, line)
        finally:
            wipe(call)
        while True:
            message = pipe.receive_by(deadline_ns)
            kind = message[0]
            if kind == Kind.CARD:
                pipe.send_by(_serve(unpack_card(message), port), deadline_ns)
            elif kind == Kind.ANSWER:
                return self._answer(*unpack_status(message))
            elif kind == Kind.CRASHED:
                raise _LastWords(_text(message))
            else:
                raise PipeBroken(f"said {KINDS[kind]} in the middle of a call")

    def _answer(self, status: int, answer: bytes) -> bytes:
        if status > 0:
            raise FrameFault("the driver returned neither an answer nor an error of contract 1")
        if status < 0:
            log.info("%s: the driver returned %d", self._manifest.vendor.abbr, status)
            return b""
        return answer

    def _end(self, code: str, why: str, *, by_itself: bool = False) -> DriverFault:
        """Ends the child, starts the next where that makes sense, and says what happened."""
        abbr = self._manifest.vendor.abbr
        ended = self._end_child(by_itself=by_itself)  # a child that is ending by itself keeps the status it has
        if by_itself:
            why = f"{why} ({ended})"
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

    def _start(self, image: bytes) -> Child:
        driver, abbr = self._manifest.driver, self._manifest.vendor.abbr
        if self._old_kind and self._lend_line is None:
            why = 'the driver is of the old kind (access = "serial"), and no reader is on a port'
            raise DriverFault("D-304", f"{abbr}: {why} ([reader] kind)")
        try:
            return Child.start(image, driver.kind, abbr, "none" if self._manifest.keypad else driver.access)
        except OSError as fault:
            raise DriverFault("D-304", f"{abbr}: no process: {fault}") from fault

    @property
    def _old_kind(self) -> bool:
        return self._manifest.driver.access == "serial" and not self._manifest.keypad

    def _lent(self, port: CardPort | None) -> contextlib.AbstractContextManager[int]:
        """The reader's line for this call, where the driver is of the old kind and there is a card to talk to."""
        if self._lend_line is None or port is None or not self._old_kind:
            return contextlib.nullcontext(NO_LINE)
        return self._lend_line(self._manifest.driver.baud)


def _serve(call: CardCall, port: CardPort | None) -> bytes:
    """One call on the card, and the RESULT."""
    if port is None:
        return pack_status(Kind.RESULT, 0 if call.verb == Verb.CARD_TYPE else NO_CARD)
    try:
        status, content = _on_card(call, port)
    except CardPortError as fault:
        return pack_status(Kind.RESULT, fault.code if -5 <= fault.code <= -1 else IO_FAULT)
    except KioskError as fault:
        log.warning("the reader failed: %s", fault)
        return pack_status(Kind.RESULT, IO_FAULT)
    if len(content) > MESSAGE_MAX // 2:
        return pack_status(Kind.RESULT, BAD_ARGUMENT)
    return pack_status(Kind.RESULT, status, content)


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


def _text(message: bytes) -> str:
    return one_line(message[1:].decode("utf-8", "replace"))
