"""One private pcscd for the whole run: the C library looks for its socket once a process."""

import queue
import shutil
import tempfile
from pathlib import Path

import pytest

from kiosk.devices.reader.events import CardInserted, ReaderUp
from kiosk.devices.reader.host import CardReader
from kiosk.devices.reader.pcscd import PrivatePcscd
from kiosk.devices.reader.settings import ReaderSettings

PATIENCE_S = 10


class Watcher:
    """A CardReader and the events it told, in order."""

    def __init__(self, settings):
        self.events = queue.Queue()
        self.reader = CardReader(settings, self.events.put)

    def next(self):
        return self.events.get(timeout=PATIENCE_S)

    def until(self, kind):
        while not isinstance(event := self.next(), kind):
            pass
        return event

    def do(self, session, job):
        return self.reader.submit(session, job).result(PATIENCE_S)


@pytest.fixture(scope="session")
def pcscd():
    folder = Path(tempfile.mkdtemp(prefix="pcscd-"))
    with PrivatePcscd(folder) as service:
        yield service
    shutil.rmtree(folder)


@pytest.fixture
def watch(pcscd):
    """Starts a CardReader on one of the two virtual readers, slot 0 if nothing is said."""
    watchers = []

    def start(name="Virtual PCD 00 00", expect_up=True):
        watcher = Watcher(ReaderSettings(reader_name=name, pcsc_socket=str(pcscd.socket), poll_ms=100))
        watchers.append(watcher)
        watcher.reader.start()
        if expect_up:
            assert isinstance(watcher.next(), ReaderUp)
        return watcher

    yield start
    for watcher in watchers:
        watcher.reader.close()


@pytest.fixture
def slot(pcscd):
    """The card side of slot 0; left empty."""
    reader = pcscd.reader(0)
    yield reader
    reader.remove()


@pytest.fixture
def inserted(watch, slot):
    """Puts a card into slot 0 and waits for its event: watcher, session number."""

    def insert(face):
        watcher = watch()
        slot.insert(face)
        return watcher, watcher.until(CardInserted).session

    return insert
