"""The PC's end of the line to a serial reader: one question, one answer, and the line lent to a vendor's library.

A question that only reads is asked again when no good answer comes. One that writes is asked once: its answer may be
lost after the card was written, and nobody but the card can tell.
"""

from __future__ import annotations

import contextlib
import os
import termios
import time
from collections.abc import Callable, Iterator

from kiosk.devices.link import LinkSettings, line_faults, open_link
from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.wire import Packet
from kiosk.devices.reader.settings import SerialReaderSettings
from kiosk.model.cardport import IO_FAULT, CardPortError
from kiosk.model.errors import DeviceFault

FAULT = "V-403"
SLOT = 1  # the one in the kiosk's front, whatever else the reader has
READS_MAX = 3  # times a reading question is asked
READ_MS = 200  # the reader's own time, beyond the packets' on the wire
WRITE_MS = 1_000  # 32 bytes at up to 10 ms, and a generous rest
QUIET_MS = 20  # a line that says nothing so long after a good call has nothing left to say
DRAIN_MAX_MS = 3_000
BITS_A_BYTE = 10  # 8N1
CONTROL = 6  # where tcgetattr has the control characters


class ReaderLine:
    """See above; for one thread. ``gone`` once the reader said that the slot is empty, asked or not; ``broken`` once
    the line itself failed. DeviceFault V-403 when it cannot be opened."""

    def __init__(self, settings: SerialReaderSettings) -> None:
        self._settings = settings
        self._link_settings = LinkSettings(settings.path, settings.baud, FAULT)
        self._link = open_link(self._link_settings)
        self._decoder = wire.Decoder()
        self._runs = 0
        self._packet_ms = 2 * wire.PACKET * BITS_A_BYTE * 1_000 // settings.baud + 1  # there and back
        self.slot = SLOT
        self.gone = self.broken = False

    def close(self) -> None:
        """Lets the line go."""
        self._link.close()

    def ask(self, asked: Packet) -> Packet:
        """The answer, whatever its head. CardPortError −2: no whole one came."""
        try:
            with line_faults(self._link_settings):
                for _ in range(1 if asked.writes else READS_MAX):
                    self._hear()
                    self._link.write(asked.encode())
                    answer = self._await(asked)
                    if answer is not None:
                        return answer
        except DeviceFault as fault:
            self.broken = True
            raise CardPortError(IO_FAULT, f"the line to the reader failed: {fault}") from fault
        raise CardPortError(IO_FAULT, "the reader gives no answer")

    def run(self) -> int:
        """The next running number for a packet of our extension."""
        self._runs = (self._runs + 1) & 0xFF
        return self._runs

    @contextlib.contextmanager
    def lend(self, baud: int) -> Iterator[int]:
        """The line as a descriptor of its own, at that baud rate and with nothing waiting in it, to the context's end.

        Then it is ours again, at our rate, and what still comes is thrown away; after a call that was broken off we
        wait as long as a write may take. DeviceFault V-403 when it cannot be lent; the end raises nothing.
        """
        number = self._open_again(baud)
        well = False
        try:
            yield number
            well = True
        finally:
            os.close(number)
            self._take_back(well)

    def _open_again(self, baud: int) -> int:
        number = -1
        try:
            with line_faults(self._link_settings):
                number = os.open(self._settings.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
                os.set_blocking(number, True)
                self._link.baudrate = baud
                waiting = termios.tcgetattr(number)
                waiting[CONTROL][termios.VMIN] = 1  # libraries of the old kind wait in read()
                termios.tcsetattr(number, termios.TCSANOW, waiting)
                self._link.reset_input_buffer()
        except DeviceFault:
            self.broken = True
            if number >= 0:
                os.close(number)
            raise
        return number

    def _take_back(self, well: bool) -> None:
        quiet_ms = QUIET_MS + self._packet_ms + (0 if well else WRITE_MS)
        end_ns = _from_now(DRAIN_MAX_MS)
        try:
            self._link.baudrate = self._settings.baud  # with all else as pyserial has it
            self._link.timeout = quiet_ms / 1_000
            while self._link.read(1) and time.monotonic_ns() < end_ns:
                self._link.reset_input_buffer()
            self._link.timeout = self._link_settings.read_timeout_ms / 1_000
        except (OSError, termios.error):
            self.broken = True
        self._decoder.clear()

    def _hear(self) -> None:
        """What came unasked."""
        for packet in self._decoder.feed(self._link.read(self._link.in_waiting)):
            self._note(packet)

    def _await(self, asked: Packet) -> Packet | None:
        end_ns = _from_now(self._packet_ms + (WRITE_MS if asked.writes else READ_MS))
        while time.monotonic_ns() < end_ns:
            came = self._link.read(1)
            for packet in self._decoder.feed(came + self._link.read(self._link.in_waiting)):
                self._note(packet)
                if packet.answers(asked):
                    return packet
        return None

    def _note(self, packet: Packet) -> None:
        if packet.slot == self.slot and packet.head == wire.NO_CARD:
            self.gone = True


def _from_now(ms: int) -> int:
    return time.monotonic_ns() + ms * 1_000_000


Lend = Callable[[int], contextlib.AbstractContextManager[int]]
"""``ReaderLine.lend``."""
