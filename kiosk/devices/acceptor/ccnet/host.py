"""The kiosk's end of a CCNET line: one thread that asks, listens and acknowledges as the dialogue says."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import serial

from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.dialogue import Dialogue, DialogueSettings, Memory, Stage
from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.port import OnEvent
from kiosk.devices.link import LinkSettings, line_faults, open_link
from kiosk.model.clock import Clock, SystemClock
from kiosk.model.errors import DeviceFault

log = logging.getLogger(__name__)

_IDENTITY_LENGTH = 34
QUIET_ROUNDS_MAX = 8  # answer_ms of listening, at most, before a question after a silence


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Times in ms of the wall, except the dialogue's, which are the clock's."""

    link: LinkSettings
    memory_file: Path | None = None  # what the validator said of itself; may be lost, then it is asked again
    poll_ms: int = 100  # CCNET asks for 200 at most
    answer_ms: int = 150  # from the end of a question to the end of its answer; a validator begins within 10
    acknowledge_ms: int = 8  # a credit recorded within it is acknowledged at once, later at the next poll: CCNET's 10
    reopen_ms: int = 1_000  # between two attempts to open a dead line
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)


class CcnetAcceptor:
    """A CCNET validator as a ``NoteAcceptor``."""

    def __init__(self, settings: HostSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._memory = _remembered(settings.memory_file)
        self._dialogue = Dialogue(settings.dialogue, self._memory)
        self._changed = threading.Condition()  # guards the dialogue; told of every wish
        self._running = False
        self._thread: threading.Thread | None = None
        self._on_event: OnEvent = lambda event: None
        self._decoder = wire.Decoder()
        self._silent = False  # the last question had no answer

    # ---- NoteAcceptor

    def start(self, on_event: OnEvent) -> None:
        """Begins to look for the device."""
        self._on_event = on_event
        self._running = True
        self._thread = threading.Thread(target=self._run, name="note acceptor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; a validator at rest is disabled first. Waits for the thread."""
        with self._changed:
            self._running = False
            self._changed.notify_all()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def enable(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values."""
        with self._changed:
            self._dialogue.want(denominations_fen)
            self._changed.notify_all()

    def disable(self) -> None:
        """Takes no notes, as soon as none moves."""
        self.enable(frozenset())

    def stack(self) -> None:
        """Takes the note in escrow into the cash box."""
        with self._changed:
            self._dialogue.decide(Stage.TO_BOX)
            self._changed.notify_all()

    def give_back(self) -> None:
        """Gives the note in escrow back."""
        with self._changed:
            self._dialogue.decide(Stage.TO_CUSTOMER)
            self._changed.notify_all()

    def credited(self) -> None:
        """The stacked note is durably recorded."""
        with self._changed:
            self._dialogue.credited()
            self._changed.notify_all()

    def settled(self) -> None:
        """What AcceptorUp said is durably recorded."""
        with self._changed:
            self._dialogue.settled()
            self._changed.notify_all()

    # ---- the thread

    def _run(self) -> None:
        while self._running:
            try:
                with open_link(self._settings.link) as link, line_faults(self._settings.link):
                    self._converse(link)
            except DeviceFault as fault:
                log.warning("note acceptor: %s", fault)
                with self._changed:
                    events = self._dialogue.lost()
                self._tell(events)
                self._wait(self._settings.reopen_ms)

    def _converse(self, link: serial.Serial) -> None:
        while self._running:
            with self._changed:
                command = self._dialogue.next(self._clock.monotonic_ms())
            self._exchange(link, command)
            self._rest()
        # What else the machine has to say is not acknowledged here: the next process hears it.
        if self._ask(link, bytes((wire.POLL,))) == bytes((wire.IDLING,)):
            self._ask(link, wire.enable(frozenset()))

    def _exchange(self, link: serial.Serial, command: bytes) -> None:
        answer = self._ask(link, command)
        with self._changed:
            events = self._dialogue.heard(command, answer, self._clock.monotonic_ms())
            memory = self._dialogue.memory
        if memory != self._memory:
            self._memory = memory
            _remember(self._settings.memory_file, memory)
        self._tell(events)
        with self._changed:
            self._changed.wait_for(lambda: self._answerable(events), self._settings.acknowledge_ms / 1000)
            acknowledge = self._dialogue.may_acknowledge
        if acknowledge:
            link.write(wire.encode(bytes((wire.ACK,))))

    def _answerable(self, events: list[AcceptorEvent]) -> bool:
        return not events or self._dialogue.may_acknowledge or not self._running

    def _ask(self, link: serial.Serial, command: bytes) -> bytes | None:
        """Sends and listens; the first whole frame that comes in time is the answer."""
        if self._silent:
            self._listen_until_quiet(link)
        link.reset_input_buffer()  # an answer that came too late would be taken for the next one
        self._decoder.clear()
        link.write(wire.encode(command))
        end = time.monotonic() + self._settings.answer_ms / 1000
        while time.monotonic() < end:
            bodies = self._decoder.feed(link.read(max(1, link.in_waiting)))
            if bodies:
                self._silent = False
                return bodies[0]
        self._silent = True
        return None

    def _listen_until_quiet(self, link: serial.Serial) -> None:
        """After a silence: answers still on their way are thrown away before the next question.

        Else each question might get the answer to the one before it, for as long as the machine is slow; and the
        acknowledgement of such an answer would let go the credit right behind it, which nobody has read yet.
        """
        quiet_s, now = self._settings.answer_ms / 1000, time.monotonic()
        end, latest = now + quiet_s, now + QUIET_ROUNDS_MAX * quiet_s
        while self._running and time.monotonic() < min(end, latest):
            if link.read(max(1, link.in_waiting)):
                end = time.monotonic() + quiet_s

    def _tell(self, events: list[AcceptorEvent]) -> None:
        for event in events:
            log.info("note acceptor: %s", event)
            self._on_event(event)

    def _rest(self) -> None:
        """Until the next poll is due; a command that the last one allows goes out at once."""
        with self._changed:
            self._changed.wait_for(self._pressed, self._settings.poll_ms / 1000)

    def _pressed(self) -> bool:
        return not self._running or self._dialogue.command(self._clock.monotonic_ms()) is not None

    def _wait(self, wait_ms: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, wait_ms / 1000)


def _remembered(file: Path | None) -> Memory:
    """The file's first 34 bytes are the answer to IDENTIFY, the rest that to TABLE."""
    try:
        kept = file.read_bytes() if file else b""
    except OSError:
        kept = b""  # never written, or not readable: the device will say it again
    whole = len(kept) == _IDENTITY_LENGTH + wire.NOTE_TYPES * 5
    return Memory(kept[:_IDENTITY_LENGTH], kept[_IDENTITY_LENGTH:]) if whole else Memory()


def _remember(file: Path | None, memory: Memory) -> None:
    if not file or not (memory.identity and memory.table):
        return
    fresh = file.with_name(file.name + ".new")
    try:
        with fresh.open("wb") as writing:
            writing.write(memory.identity + memory.table)
            writing.flush()
            os.fsync(writing.fileno())
        fresh.replace(file)
    except OSError as error:
        log.warning("note acceptor: %s cannot be written: %s", file, error)
