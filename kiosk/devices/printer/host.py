"""The receipt printer, as the kiosk uses it.

The line has no handshake, so the printer is never sent more than it can hold: a picture goes in bands, each followed
by a question that is answered when the band is printed, and at most two bands are unanswered. So the printer can
always be asked how it is, even when it stopped in the middle. Nobody can see paper come out of the slot; what comes
nearest is the answer behind the last band and the cut, with paper there before and after.
"""

from __future__ import annotations

from enum import Enum

import serial
from PIL import Image

from kiosk.devices.link import LinkSettings, line_faults, open_link
from kiosk.devices.printer import wire
from kiosk.model.clock import Clock, SystemClock
from kiosk.model.errors import DeviceFault

BANDS_AHEAD_MAX = 2
ASKED_MAX = 2  # times, before no answer means silence


class PrinterState(Enum):
    """Whether it can print. No answer is not the same as no paper."""

    OK = "ok"
    LOW = "low"  # prints; the roll should be changed
    OUT = "out"
    SILENT = "silent"  # no line, no answer, or no answer that makes sense
    FAULT = "fault"  # cover open, knife stuck, head hot or broken, somebody holds the feed button


_CODES = {PrinterState.SILENT: "V-421", PrinterState.OUT: "V-422", PrinterState.FAULT: "V-423"}


class ReceiptPrinter:
    """An ESC/POS printer on a serial line, opened when first needed and again after each loss. For one thread."""

    def __init__(
        self, settings: LinkSettings, *, answer_ms: int = 400, print_ms: int = 10_000, clock: Clock | None = None
    ) -> None:
        """``answer_ms``: for one answer; ``print_ms``: for a slip, of which the line takes 6 s at 115,200 baud."""
        self._settings = settings
        self._answer_ms = answer_ms
        self._print_ms = print_ms
        self._clock = clock or SystemClock()
        self._link: serial.Serial | None = None
        self._unanswered = 0  # GS r
        # The last slip, so that the printer may wait for the rest of a band, or a piece hang out; who knows at first?
        self._broken_off = True

    def status(self) -> PrinterState:
        """How the printer is, asked just now; blocks ≤ 2 · ``answer_ms`` when it is silent."""
        try:
            with line_faults(self._settings):
                return _state(self._sensors())
        except DeviceFault:
            self.close()
            return PrinterState.SILENT

    def print(self, image: Image.Image) -> None:
        """Prints a picture of mode '1', ≤ 576 dots wide, and cuts; returns when the printer says that it is done.

        Raises DeviceFault: V-421 it does not answer or does not finish, V-422 no paper, V-423 cover or fault. Then
        nothing, a part, or (when only the last answer is missing) all of the slip may have come out.
        """
        self._check("before the slip")
        try:
            with line_faults(self._settings):
                self._send_slip(image)
        except DeviceFault:
            self.close()
            raise
        self._check("after the slip")

    def close(self) -> None:
        """Gives the line back; the next call opens it again."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _check(self, when: str) -> None:
        state = self.status()
        if state in _CODES:
            raise DeviceFault(_CODES[state], f"printer {state.value} {when}")

    def _send_slip(self, image: Image.Image) -> None:
        deadline_ms = self._clock.monotonic_ms() + self._print_ms
        parts = [wire.reset(), *wire.picture(image), wire.cut()]
        if self._broken_off:
            parts = [wire.FILLING, wire.reset() + wire.cut(), *parts]
        self._broken_off, self._unanswered = True, 0
        for part in parts:
            self._open().write(part + wire.ASK_DONE)
            self._unanswered += 1
            self._wait_until(BANDS_AHEAD_MAX - 1, deadline_ms)
        self._wait_until(0, deadline_ms)
        self._broken_off = False

    def _wait_until(self, unanswered: int, deadline_ms: int) -> None:
        """Waits until so many bands or fewer are unanswered. Raises DeviceFault if the printer stopped or is late."""
        asked_ms = self._clock.monotonic_ms()
        while self._unanswered > unanswered:
            if self._take() is not None:
                continue
            now_ms = self._clock.monotonic_ms()
            if now_ms > deadline_ms:
                raise DeviceFault("V-421", f"slip not printed within {self._print_ms} ms")
            if now_ms - asked_ms >= self._answer_ms:
                state = _state(self._sensors())
                if state in _CODES:
                    raise DeviceFault(_CODES[state], f"printer {state.value} in the middle of a slip")
                asked_ms = self._clock.monotonic_ms()

    def _sensors(self) -> wire.Sensors | None:
        """The four answers to DLE EOT; None if they do not come."""
        for _ in range(ASKED_MAX):
            while self._take() is not None:
                pass  # answers that came too late for an earlier question
            answers = b""
            for question in wire.QUESTIONS:
                self._open().write(question)
                answers += self._answer()
                if not answers:
                    break
            if len(answers) == len(wire.QUESTIONS):
                return wire.Sensors.understood(answers)
        return None

    def _answer(self) -> bytes:
        deadline_ms = self._clock.monotonic_ms() + self._answer_ms
        while self._clock.monotonic_ms() < deadline_ms:
            byte = self._take()
            if byte is not None and wire.is_status(byte):
                return bytes((byte,))
        return b""

    def _take(self) -> int | None:
        """The next byte that answers one of our questions; None if none comes within the line's read timeout.

        Answers to GS r are counted here, whoever waits; other bytes are noise.
        """
        while came := self._open().read(1):
            if wire.is_done(came[0]):
                self._unanswered = max(0, self._unanswered - 1)
                return int(came[0])
            if wire.is_status(came[0]):
                return int(came[0])
        return None

    def _open(self) -> serial.Serial:
        if self._link is None:
            self._link = open_link(self._settings)
        return self._link


def _state(sensors: wire.Sensors | None) -> PrinterState:
    if sensors is None:
        return PrinterState.SILENT
    if sensors.fault:  # first: an open cover often lifts the paper from its sensor too
        return PrinterState.FAULT
    if sensors.paper_out or sensors.stopped:
        return PrinterState.OUT
    if sensors.offline:
        return PrinterState.FAULT
    return PrinterState.LOW if sensors.paper_low else PrinterState.OK
