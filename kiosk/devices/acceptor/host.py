"""The kiosk's end of a cash device's line: one thread, and any ``Talk``."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import serial

from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.port import OnEvent
from kiosk.devices.acceptor.talk import NEVER, Talk
from kiosk.devices.link import LinkSettings, line_faults, open_link
from kiosk.model.clock import Clock, SystemClock
from kiosk.model.errors import DeviceFault

log = logging.getLogger(__name__)

MakeTalk = Callable[[bytes], Talk]
"""Given what an earlier Talk remembered, makes a new one."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Times in ms. ``link``'s parity and stop bits are the protocol's."""

    link: LinkSettings
    memory_file: Path | None = None  # what the device said of itself; may be lost, then it is asked again
    reopen_ms: int = 1_000  # between two attempts to open a dead line
    leave_ms: int = 3_000  # a device that is slow to be disabled is left as it is


class SerialAcceptor:
    """A device on a serial line as a ``NoteAcceptor``; ``name`` says which in the log."""

    def __init__(
        self, settings: HostSettings, make_talk: MakeTalk, clock: Clock | None = None, name: str = "note acceptor"
    ) -> None:
        self._settings, self._name = settings, name
        self._clock = clock or SystemClock()
        self._memory = _remembered(settings.memory_file)
        self._talk = make_talk(self._memory)
        shape = self._talk.shape
        self._line = replace(settings.link, parity=shape.parity, stop_bits=shape.stop_bits)
        self._lock = threading.Lock()  # guards the talk and the pipe; never held while somebody is told
        self._pipe: tuple[int, int] | None = None  # wakes the thread
        self._stopping = threading.Event()
        self._leave_by = NEVER
        self._thread: threading.Thread | None = None
        self._on_event: OnEvent = lambda event: None

    # ---- NoteAcceptor

    def start(self, on_event: OnEvent) -> None:
        """Begins to look for the device; once."""
        self._on_event = on_event
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; a device at rest is disabled first. Waits for the thread."""
        with self._lock:
            self._leave_by = self._clock.monotonic_ms() + self._settings.leave_ms
            self._stopping.set()
            self._talk.leave()
            self._kick()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def enable(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values."""
        with self._lock:
            self._talk.want(denominations_fen)
            self._kick()

    def disable(self) -> None:
        """Takes no notes, as soon as none moves."""
        self.enable(frozenset())

    def stack(self) -> None:
        """Takes the note in escrow into the cash box."""
        with self._lock:
            self._talk.decide(to_box=True)
            self._kick()

    def give_back(self) -> None:
        """Gives the note in escrow back."""
        with self._lock:
            self._talk.decide(to_box=False)
            self._kick()

    def credited(self) -> None:
        """The money that was told last is durably recorded."""
        with self._lock:
            self._talk.credited()
            self._kick()

    def settled(self) -> None:
        """What AcceptorUp said is durably recorded."""
        with self._lock:
            self._talk.settled()
            self._kick()

    def _kick(self) -> None:
        if self._pipe:
            with contextlib.suppress(BlockingIOError):  # full of kicks: it wakes anyway
                os.write(self._pipe[1], b"\0")

    # ---- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    with open_link(self._line) as link, line_faults(self._line):
                        self._converse(link)
                except DeviceFault as fault:
                    log.warning("%s: %s", self._name, fault)
                    with self._lock:
                        self._talk.lost(self._clock.monotonic_ms())
                    self._tell()
                    self._stopping.wait(self._settings.reopen_ms / 1000)
        finally:
            with self._lock:
                for end in self._pipe or ():
                    os.close(end)
                self._pipe = None

    def _converse(self, link: serial.Serial) -> None:
        """Until the talk has left."""
        with self._lock:
            self._talk.opened(self._clock.monotonic_ms())
        while True:
            with self._lock:
                now = self._clock.monotonic_ms()
                sent = self._talk.wake(now)
            if sent:
                link.write(sent)
            self._tell()
            with self._lock:
                if self._talk.left() or now >= self._leave_by:
                    return
                due = min(self._talk.due_ms(), self._leave_by)
            self._listen(link, due)

    def _listen(self, link: serial.Serial, due_ms: int) -> None:
        """Until bytes come, somebody wishes something, or it is time; what came is heard before anything falls due."""
        woken = self._pipe[0] if self._pipe else -1
        timeout = None if due_ms >= NEVER else max(0, due_ms - self._clock.monotonic_ms()) / 1000
        ready, _, _ = select.select([link.fileno(), woken], [], [], timeout)
        if woken in ready:
            os.read(woken, 4096)
        if link.fileno() not in ready:
            return
        came = link.read(max(1, link.in_waiting))
        if came:
            with self._lock:
                self._talk.received(came, self._clock.monotonic_ms())
            self._tell()

    def _tell(self) -> None:
        """What is to be remembered, then what is to be told."""
        with self._lock:
            memory, events = self._talk.memory(), self._talk.events()
        if memory and memory != self._memory:
            self._memory = memory
            _remember(self._settings.memory_file, memory)
        for event in events:
            self._tell_one(event)

    def _tell_one(self, event: AcceptorEvent) -> None:
        log.info("%s: %s", self._name, event)
        self._on_event(event)


def _remembered(file: Path | None) -> bytes:
    try:
        return file.read_bytes() if file else b""
    except OSError:
        return b""  # never written, or not readable: the device will say it again


def _remember(file: Path | None, memory: bytes) -> None:
    if not file:
        return
    fresh = file.with_name(file.name + ".new")
    try:
        with fresh.open("wb") as writing:
            writing.write(memory)
            writing.flush()
            os.fsync(writing.fileno())
        fresh.replace(file)
    except OSError as error:
        log.warning("%s cannot be written: %s", file, error)
