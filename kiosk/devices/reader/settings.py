"""Settings of the card reader."""

from __future__ import annotations

from dataclasses import dataclass, field

from kiosk.devices.reader.commands import Choices


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """The card reader. ``pcsc_socket`` is read once a process, by the C library."""

    reader_name: str = ""  # part of the reader's PC/SC name; "" takes the first
    pcsc_socket: str = ""  # "" is pcscd's own
    poll_ms: int = 250
    choices: Choices = field(default_factory=Choices)


@dataclass(frozen=True, slots=True)
class SerialReaderSettings:
    """A card reader on a serial line; of one with several slots the first is used."""

    path: str
    baud: int = 19200
    poll_ms: int = 250
