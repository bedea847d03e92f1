"""A serial reader made of software at one end of a pseudo-terminal, our host at the other."""

import pytest
from serial_bench import Watcher

from kiosk.devices.link import PtyLine
from kiosk.devices.reader.events import CardInserted, ReaderUp
from kiosk.devices.reader.serial.line import ReaderLine
from kiosk.devices.reader.serial.simulator import SerialReaderSimulator
from kiosk.devices.reader.settings import SerialReaderSettings


@pytest.fixture
def pty(tmp_path):
    line = PtyLine(tmp_path / "reader")
    yield line
    line.close()


@pytest.fixture
def machine(pty):
    """The reader itself."""
    simulator = SerialReaderSimulator(pty)
    simulator.start()
    yield simulator
    simulator.close()


@pytest.fixture
def settings(pty):
    return SerialReaderSettings(str(pty.path), poll_ms=20)


@pytest.fixture
def line(machine, settings):
    """The PC's end, without a thread."""
    opened = ReaderLine(settings)
    yield opened
    opened.close()


@pytest.fixture
def watch(machine, settings):
    """Starts a SerialCardReader on the line."""
    watchers = []

    def start():
        watcher = Watcher(settings)
        watchers.append(watcher)
        watcher.reader.start()
        assert watcher.next() == ReaderUp(settings.path)
        return watcher

    yield start
    for watcher in watchers:
        watcher.reader.close()


@pytest.fixture
def inserted(watch, machine):
    """Puts a virtual card in and waits for its event: watcher, session number."""

    def insert(card):
        watcher = watch()
        machine.insert(card, card.reset)
        return watcher, watcher.until(CardInserted).session

    return insert
