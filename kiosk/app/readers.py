"""The card reader that the settings name: on PC/SC, or on a serial line, which old drivers can be lent."""

from __future__ import annotations

from collections.abc import Callable

from kiosk.config import Reader
from kiosk.devices.reader.events import ReaderEvent
from kiosk.devices.reader.host import CardReader
from kiosk.devices.reader.roles import CardReaderHost
from kiosk.devices.reader.serial.host import SerialCardReader
from kiosk.devices.reader.settings import ReaderSettings, SerialReaderSettings
from kiosk.drivers.host import LendLine


def card_reader(reader: Reader, on_event: Callable[[ReaderEvent], None]) -> tuple[CardReaderHost, LendLine | None]:
    """The reader's host, not started, and how its line is lent; None where it is on none (PC/SC).

    ConfigFault F-701 as ``CardReader``.
    """
    if reader.kind == "serial":
        serial = SerialCardReader(SerialReaderSettings(reader.path, reader.baud, reader.poll_ms), on_event)
        return serial, serial.lend
    settings = ReaderSettings(reader.name, reader.pcsc_socket, reader.poll_ms, reader.choices)
    return CardReader(settings, on_event), None
