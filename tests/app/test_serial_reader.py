"""The sale's card slot on a serial reader: old drivers and new ones, read and bought on; bad lines and dead ones."""

import importlib.util
import queue
from pathlib import Path
from types import SimpleNamespace

import pytest

from kiosk.app.cards import CardSlot
from kiosk.app.readers import card_reader
from kiosk.app.vendors import describe_all
from kiosk.billing.book import PriceBook
from kiosk.config import Reader
from kiosk.devices.link import PtyLine
from kiosk.devices.reader import events as seen
from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.simulator import SerialReaderSimulator
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.driver import Driver
from kiosk.drivers.registry import load_registry
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Person
from kiosk.model.card import PurchaseState, WriteOrder
from kiosk.model.clock import SystemClock
from kiosk.sale.events import CardRead, CardRejected, CardWritten, WriteFailed

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = "0008", "0001"
LI = Person("420100", "10023400567", "202600012345")


@pytest.fixture(scope="module")
def vendors(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("build_vendors", ROOT / "scripts" / "build_vendors.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    finished = tmp_path_factory.mktemp("vendors")
    for name in ("rdk", "yhd"):
        (finished / name).mkdir()
        script.build(script.SOURCE / name, finished / name)
    return {OLD: finished / "yhd", NEW: finished / "rdk"}


def order(count, fen=5000):
    return WriteOrder(bytes(15) + bytes((count,)), LI.customer, LI.meter, LI.region, count, fen, 8928)


class Kiosk:
    """The card slot of a terminal, and what it told the sale; ``reader`` is the machine on the line."""

    def __init__(self, folder, vendors, settings=None):
        self.pty = PtyLine(folder / "reader")
        self.reader = SerialReaderSimulator(self.pty)
        self.reader.start()
        self.seen, self.told = queue.Queue(), queue.Queue()
        self.folders = {code: load_folder(path) for code, path in vendors.items()}
        settings = settings or Reader(kind="serial", path=str(self.pty.path), poll_ms=20)
        self.host, self.lend_line = card_reader(settings, self.seen.put)
        registry = load_registry(vendors.values(), check_files=True)
        self.drivers = {
            code: Driver(folder.manifest, folder.password, self.lend_line) for code, folder in self.folders.items()
        }
        self.vendors = describe_all(registry, self.drivers)
        prices = PriceBook(1, dict.fromkeys(vendors, 5600))
        self.slot = CardSlot(
            self.host, registry, self.drivers, self.vendors, prices, SystemClock(), "0007", self.told.put
        )

    def blank(self, code):
        folder = self.folders[code]
        return Sle4442(folder.blank, folder.secret)

    def insert(self, card):
        """Its session."""
        self.reader.insert(card, card.reset)
        while not isinstance(event := self.seen.get(timeout=10), seen.CardInserted):
            pass
        return event.session

    def opened(self, code):
        """A customer's card, opened through the reader, in it: card, session."""
        card = self.blank(code)
        session = self.insert(card)

        def job(it):
            it.power_afresh()
            items = {
                DI.REGION: LI.region,
                DI.CUSTOMER: LI.customer,
                DI.METER: LI.meter,
                DI.WHEN: "20260215103001",
                DI.TERMINAL: "office",
            }
            return self.drivers[code].execute(Command.OPEN, items, it.port)

        said = self.host.submit(session, job).result(20)
        assert isinstance(said, dict), said
        return card, session

    def answer(self):
        return self.told.get(timeout=20)

    def close(self):
        self.host.close()
        for driver in self.drivers.values():
            driver.close()
        self.reader.close()
        self.pty.close()


@pytest.fixture
def kiosk(tmp_path, vendors):
    made = Kiosk(tmp_path, vendors)
    made.host.start()
    yield made
    made.close()


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("code", [OLD, NEW])
def test_a_card_is_read_bought_on_taken_by_its_meter_and_read_again(kiosk, code, extended):
    kiosk.reader.extended = extended
    card, session = kiosk.opened(code)
    kiosk.slot.read(session)
    read = kiosk.answer()
    assert isinstance(read, CardRead), read
    assert (read.vendor.code, read.reading.count, read.reading.state) == (code, 0, PurchaseState.NONE)

    kiosk.slot.write(session, code, order(1))
    written = kiosk.answer()
    assert isinstance(written, CardWritten), written
    assert (written.reading.count, written.reading.state) == (1, PurchaseState.PENDING)

    kiosk.reader.remove()
    card.reset()
    meter = load_python(kiosk.folders[code].conformance / "meter.py")
    assert meter.insert(card)["count"] == 1
    session = kiosk.insert(card)
    kiosk.slot.read(session)
    assert kiosk.answer().reading.state is PurchaseState.TAKEN


def test_recognition_is_the_kiosks_and_the_librarys_call_has_the_line_alone(kiosk):
    _card, session = kiosk.opened(OLD)
    kiosk.reader.heard = []
    kiosk.slot.read(session)
    assert isinstance(kiosk.answer(), CardRead)
    areas = [packet.area for packet in kiosk.reader.heard]
    begin = next(at for at, area in enumerate(areas) if area == wire.STATUS)  # the library asks so, the host by CHIP
    assert areas[begin : begin + 9] == [wire.STATUS, *[wire.MAIN] * 8]
    assert wire.POWER in areas[:begin]
    assert wire.PSC | wire.WRITE not in areas


def test_an_old_driver_over_its_deadline_in_the_middle_of_a_packet_leaves_a_line_that_works(tmp_path, vendors):
    made = Kiosk(tmp_path, vendors)
    made.host.start()
    _card, session = made.opened(OLD)
    process = made.drivers[OLD].process
    made.reader.heard = []

    def job(it):
        it.power_afresh()
        raw = bytes.fromhex("68 11 00 00 11 16")
        made.reader.before_answer = lambda packet: packet.area != wire.MAIN or packet.address < 0x60
        with pytest.raises(Exception, match="D-302"):
            process.call(raw, it.port, "psc=594844", timeout_ms=300)
        made.reader.before_answer = lambda _packet: True
        it.power_afresh()
        return it.port.read(0, 32, 4)

    assert made.host.submit(session, job).result(20) == b"YHD1"
    made.slot.read(session)
    read = made.answer()
    assert isinstance(read, CardRead), read
    made.close()


def test_a_write_whose_answer_was_lost_is_unknown_and_the_card_says_what_it_was(kiosk):
    _card, session = kiosk.opened(OLD)
    lost = []

    def lose_one(direction, content):
        if direction == "to-host" and content[2] == wire.MAIN | wire.WRITE and not lost:
            lost.append(content)
            return b""
        return content

    kiosk.pty.tamper = lose_one
    kiosk.slot.write(session, OLD, order(1))
    failed = kiosk.answer()
    assert isinstance(failed, WriteFailed)
    assert not failed.unchanged
    kiosk.slot.read(session)
    assert kiosk.answer().reading.count == 0
    kiosk.slot.write(session, OLD, order(1))
    assert kiosk.answer().reading.count == 1
    kiosk.slot.write(session, OLD, order(1))  # once more: it is there, nothing is written twice
    assert kiosk.answer().reading.count == 1


def test_a_reader_unplugged_before_the_driver_is_asked_wrote_nothing(kiosk):
    card, session = kiosk.opened(OLD)
    before = card.image()
    kiosk.reader.close()
    kiosk.pty.close()
    kiosk.slot.write(session, OLD, order(1))
    failed = kiosk.answer()
    assert isinstance(failed, WriteFailed)
    assert failed.unchanged
    assert card.image() == before


def test_without_a_serial_reader_an_old_driver_is_d_304_and_the_others_go_on(tmp_path, vendors, caplog):
    made = Kiosk(tmp_path, vendors, Reader())
    try:
        assert made.lend_line is None
        assert set(made.vendors) == {NEW}
        assert '[D-304] YHD: the driver is of the old kind (access = "serial")' in caplog.text
        card = made.blank(OLD)
        card_in_pcsc = SimpleNamespace(number=1, port=card, card_type=21, atr=b"", power_afresh=card.reset)
        made.host.submit = lambda _session, job: _done(job, card_in_pcsc)
        made.slot.read(1)
        assert made.answer() == CardRejected(1, "D-304")
    finally:
        made.close()


def _done(job, card):
    from concurrent.futures import Future

    future = Future()
    try:
        future.set_result(job(card))
    except Exception as fault:  # noqa: BLE001 - as the reader does
        future.set_exception(fault)
    return future
