"""The serial reader's owner: cards that come and go, lines that fall silent or die, and jobs in between."""

import threading

import pytest
from serial_bench import Watcher

from kiosk.devices.link import PtyLine
from kiosk.devices.reader.events import CardInserted, CardRemoved, ReaderDown, ReaderUp
from kiosk.devices.reader.serial.simulator import SerialReaderSimulator
from kiosk.devices.reader.settings import SerialReaderSettings
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import IO_FAULT, CardPortError
from kiosk.model.errors import CardFault, DeviceFault


def code_of(watcher, session, job):
    with pytest.raises(CardFault) as fault:
        watcher.do(session, job)
    return fault.value.code


def started(watch, machine, **how):
    for name, value in how.items():
        setattr(machine, name, value)
    return watch()


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("tells", [True, False])
def test_cards_come_and_go(watch, machine, extended, tells):
    watcher = started(watch, machine, extended=extended, tells=tells)
    for number in (1, 2):
        card = Sle4442()
        machine.insert(card, card.reset)
        assert watcher.next() == CardInserted(number, bytes.fromhex("3B04A2131091"))
        assert watcher.do(number, lambda it: (it.number, it.card_type, it.atr)) == (
            number,
            CardType.SLE4442,
            bytes.fromhex("3B04A2131091"),
        )
        machine.remove()
        assert watcher.next() == CardRemoved(number)
        assert code_of(watcher, number, lambda it: it) == "C-202"


def test_the_family_is_the_readers_word(inserted):
    watcher, session = inserted(Sle4428())
    assert watcher.do(session, lambda it: it.card_type) == CardType.SLE4428


def test_a_card_changed_faster_than_anybody_looks_is_another_session(inserted, machine):
    watcher, session = inserted(Sle4442())
    done = []

    def job(it):
        other = Sle4442()
        machine.swap(other, other.reset)
        done.append("swapped")

    watcher.do(session, job)
    assert watcher.next() == CardRemoved(session)
    assert watcher.next().session == session + 1
    assert code_of(watcher, session, lambda _it: done.append("wrong card")) == "C-202"
    assert done == ["swapped"]


def test_a_reader_that_says_the_card_was_out_is_believed(watch, machine):
    watcher = started(watch, machine, extended=False)
    card = Sle4442()
    machine.insert(card, card.reset)
    session = watcher.until(CardInserted).session

    def job(it):
        machine.remove()
        machine.insert(Sle4442())
        with pytest.raises(CardFault, match="C-202"):
            it.power_afresh()

    watcher.do(session, job)
    assert watcher.next() == CardRemoved(session)


def test_powered_afresh_a_secret_is_forgotten(inserted):
    card = Sle4442()
    watcher, session = inserted(card)
    watcher.do(session, lambda it: it.port.verify(0, b"\xff\xff\xff"))
    card.read(0, 0, 1)
    assert card._verified

    def job(it):
        it.power_afresh()
        with pytest.raises(CardPortError):
            it.port.write(0, 40, b"a")

    watcher.do(session, job)
    assert not card._verified


def test_without_our_extension_a_presented_secret_stays(watch, machine):
    watcher = started(watch, machine, extended=False)
    card = Sle4442()
    machine.insert(card, card.reset)
    session = watcher.until(CardInserted).session

    def job(it):
        it.port.verify(0, b"\xff\xff\xff")
        it.power_afresh()
        it.port.write(0, 40, b"still open")

    watcher.do(session, job)
    assert card.read(0, 40, 10) == b"still open"


@pytest.mark.parametrize("extended", [True, False])
def test_a_card_gone_is_told_when_it_is_powered_afresh(watch, machine, extended):
    watcher = started(watch, machine, extended=extended)
    machine.insert(Sle4442(), lambda: None)
    session = watcher.until(CardInserted).session

    def job(it):
        machine.remove()
        it.power_afresh()

    assert code_of(watcher, session, job) == "C-202"
    assert watcher.next() == CardRemoved(session)


def test_a_power_packet_that_is_lost_is_sent_again(inserted, pty):
    card = Sle4442()
    watcher, session = inserted(card)
    lost = []

    def lose_first(direction, content):
        if direction == "to-device" and content[2] == 0x07 and not lost:
            lost.append(content)
            return b""
        return content

    def job(it):
        it.port.verify(0, b"\xff\xff\xff")
        pty.tamper = lose_first
        it.power_afresh()

    watcher.do(session, job)
    assert lost
    assert not card._verified


def test_a_card_of_another_chip_in_a_plain_reader_is_mute(watch, machine):
    watcher = started(watch, machine, extended=False)
    machine.insert(Sle4428())
    event = watcher.next()
    assert event == CardInserted(1, b"")
    assert code_of(watcher, 1, lambda it: it) == "C-205"
    machine.remove()
    assert watcher.next() == CardRemoved(1)


def test_a_card_that_cannot_be_read_is_mute_and_stays_so(watch, machine):
    class Dead(Sle4442):
        def read(self, zone, addr, length):
            raise CardPortError(IO_FAULT)

    watcher = watch()
    machine.insert(Dead())
    assert watcher.next() == CardInserted(1, b"")
    assert code_of(watcher, 1, lambda it: it) == "C-205"
    assert code_of(watcher, 1, lambda it: it) == "C-205"
    machine.remove()
    assert watcher.next() == CardRemoved(1)
    machine.insert(Sle4442())
    assert watcher.next().session == 2


def test_a_reader_that_falls_silent_is_down_and_comes_back_by_itself(inserted, machine):
    watcher, session = inserted(Sle4442())
    machine.silent = True
    assert watcher.next() == CardRemoved(session)
    assert watcher.next() == ReaderDown("V-403")
    assert code_of(watcher, session, lambda it: it) == "C-202"
    machine.silent = False
    assert isinstance(watcher.next(), ReaderUp)
    assert watcher.next().session == session + 1


def test_a_job_on_a_silent_reader_never_runs(inserted, machine):
    watcher, session = inserted(Sle4442())
    ran = []

    def job(it):
        machine.silent = True
        with pytest.raises(CardFault, match="C-201"):
            it.power_afresh()
        ran.append(it.number)

    watcher.do(session, job)
    with pytest.raises(CardFault) as fault:
        watcher.do(session, lambda it: ran.append("again"))
    assert fault.value.code in ("C-201", "C-202")
    assert ran == [session]


def test_a_line_that_dies_and_is_there_again(inserted, machine, pty):
    watcher, session = inserted(Sle4442())
    machine.close()
    pty.close()
    assert watcher.next() == CardRemoved(session)
    assert watcher.next() == ReaderDown("V-403")
    fresh = PtyLine(pty.path)
    other = SerialReaderSimulator(fresh)
    other.start()
    other.insert(Sle4442())
    assert isinstance(watcher.next(), ReaderUp)
    assert watcher.next().session == session + 1
    watcher.reader.close()
    other.close()
    fresh.close()


def test_a_line_that_is_not_there_is_down(tmp_path):
    watcher = Watcher(SerialReaderSettings(str(tmp_path / "nothing"), poll_ms=20))
    watcher.reader.start()
    assert watcher.next() == ReaderDown("V-403")
    watcher.reader.close()
    assert watcher.events.empty()


def test_a_job_waits_for_the_one_before_it(inserted):
    watcher, session = inserted(Sle4442())
    inside, go, order = threading.Event(), threading.Event(), []

    def slow(it):
        inside.set()
        go.wait(10)
        order.append("first")

    first = watcher.reader.submit(session, slow)
    assert inside.wait(10)
    second = watcher.reader.submit(session, lambda it: order.append("second"))
    go.set()
    first.result(10)
    second.result(10)
    assert order == ["first", "second"]


def test_a_closed_reader_takes_no_jobs(inserted):
    watcher, session = inserted(Sle4442())
    watcher.reader.close()
    assert watcher.next() == CardRemoved(session)
    assert code_of(watcher, session, lambda it: it) == "C-202"


def test_the_line_is_lent_within_a_job_alone(inserted):
    watcher, session = inserted(Sle4442())
    with pytest.raises(DeviceFault, match="V-403"), watcher.reader.lend(19200):
        pass

    def job(it):
        with watcher.reader.lend(9600) as number:
            return number > 2

    assert watcher.do(session, job)
