"""Serial lines: a device's port, and a simulator's pseudo-terminal in its place.

Lines have 8 data bits and no handshake. Every opener asks for the lock, because pyserial's lock only keeps out those
who ask too.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import termios
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import serial

from kiosk.model.errors import ConfigFault, DeviceFault

log = logging.getLogger(__name__)

_CHUNK = 4096  # bytes taken from a line at once


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where a device is. ``fault_code`` (kiosk.model.codes) is what a dead line means for this device."""

    path: str
    baud: int
    fault_code: str
    read_timeout_ms: int = 20  # read() returns what came until then, perhaps nothing
    write_timeout_ms: int = 1_000
    parity: Literal["none", "even"] = "none"
    stop_bits: Literal[1, 2] = 1


def open_link(settings: LinkSettings) -> serial.Serial:
    """Opens the line for us alone; what was waiting in it is dropped.

    A port that has no parity (a pseudo-terminal refuses it at its second opening, a Raspberry Pi's mini-UART always) is
    used without it, and the log says so: every frame has its own check.
    Wrap later reads and writes in ``line_faults``. Raises DeviceFault with the settings' code.
    """
    with line_faults(settings):
        try:
            link = _port(settings)
        except ValueError as error:  # a baud rate that no port has
            raise DeviceFault(settings.fault_code, f"{settings.path}: {error}") from error
        try:
            link.reset_input_buffer()
        except (OSError, termios.error):
            link.close()
            raise
        return link


def _port(settings: LinkSettings) -> serial.Serial:
    try:
        return _opened(settings, serial.PARITY_EVEN if settings.parity == "even" else serial.PARITY_NONE)
    except termios.error as error:
        if settings.parity == "none" or error.args[:1] != (errno.EINVAL,):
            raise
        link = _opened(settings, serial.PARITY_NONE)
        log.warning("%s has no %s parity: used without", settings.path, settings.parity)
        return link


def _opened(settings: LinkSettings, parity: str) -> serial.Serial:
    return serial.Serial(
        settings.path,
        settings.baud,
        parity=parity,
        stopbits=settings.stop_bits,
        timeout=settings.read_timeout_ms / 1000,
        write_timeout=settings.write_timeout_ms / 1000,
        exclusive=True,
    )


@contextlib.contextmanager
def line_faults(settings: LinkSettings) -> Iterator[None]:
    """Turns every error of the line inside it into DeviceFault with the settings' code.

    pyserial lets OSError and termios.error through besides its own SerialException (which is an OSError).
    """
    try:
        yield
    except (OSError, termios.error) as error:
        raise DeviceFault(settings.fault_code, f"{settings.path}: {error}") from error


Direction = Literal["to-device", "to-host"]
Tamper = Callable[[Direction, bytes], bytes]
"""Given what passes, gives what arrives: the same, less (a cut), other bytes (noise)."""


class PtyLine:
    """The device's end of a pseudo-terminal; the host opens ``path`` like any serial port.

    The pair lives as long as this object, over any number of hosts that come and go. ``tamper`` may be set at any
    time. ``receive`` belongs to one thread; ``send``, ``wake`` and ``close`` may come from any.
    """

    def __init__(self, path: Path, tamper: Tamper | None = None) -> None:
        """Makes ``path`` a symbolic link to the host's end, replacing one that is there. Raises ConfigFault F-701."""
        self.path = path
        self.tamper = tamper
        try:
            self._device, self._host = os.openpty()
            tty.setraw(self._host)
            os.set_blocking(self._device, False)
            self._woken, self._waker = os.pipe()
            self._target = os.ttyname(self._host)
            self._point_here()
        except (OSError, termios.error) as error:
            raise ConfigFault("F-701", f"{path}: no pseudo-terminal can be put here: {error}") from error

    def _point_here(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._target)
        fresh.replace(self.path)

    def receive(self, timeout_ms: int | None) -> bytes:
        """What the host sent; nothing after ``timeout_ms`` (None waits for ever), ``wake`` or ``close``."""
        if self._device < 0:
            return b""
        ready, _, _ = select.select(
            [self._device, self._woken], [], [], None if timeout_ms is None else timeout_ms / 1000
        )
        if self._woken in ready:
            os.read(self._woken, _CHUNK)
        if self._device not in ready:
            return b""
        came = os.read(self._device, _CHUNK)
        return self.tamper("to-device", came) if self.tamper else came

    def send(self, sent: bytes) -> None:
        """Sends to the host; what nobody reads is lost once the line is full, as on a wire."""
        if self.tamper:
            sent = self.tamper("to-host", sent)
        with contextlib.suppress(BlockingIOError):
            while sent:
                sent = sent[os.write(self._device, sent) :]

    def wake(self) -> None:
        """Makes a waiting ``receive`` return."""
        if self._device < 0:
            return
        os.write(self._waker, b"\0")

    def close(self) -> None:
        """Ends the line; the host meets an error. Nobody may be in ``receive``."""
        if self._device < 0:
            return
        with contextlib.suppress(OSError):  # first the name: the pair's number may soon be somebody else's
            if str(self.path.readlink()) == self._target:
                self.path.unlink()
        for end in (self._device, self._host, self._woken, self._waker):
            os.close(end)
        self._device = -1
