"""The reader's thread against a real pcscd: cards that come, go, break off and are exchanged."""

import threading

import pytest

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.events import CardInserted, CardRemoved, ReaderDown, ReaderUp
from kiosk.devices.reader.host import CardReader
from kiosk.devices.reader.settings import ReaderSettings
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.errors import CardFault, ConfigFault

pytestmark = pytest.mark.slow

SECRET = b"\x1a\x2b\x3c"
SELECT_MF = bytes.fromhex("00A40000023F00")


def outcome(watcher, session, job):
    """The job's fault: a CardPortError's number or a KioskError's code."""
    with pytest.raises((CardPortError, CardFault)) as fault:
        watcher.do(session, job)
    return fault.value.code


def touch(session):
    """Any exchange with a CPU card."""
    return session.port.transmit(SELECT_MF)


def test_a_card_comes_and_goes(inserted, slot):
    watcher, session = inserted(AcsFace(Sle4442()))
    assert watcher.do(session, lambda card: card.card_type) is CardType.SLE4442
    slot.remove()
    assert watcher.next() == CardRemoved(session)
    slot.insert(FileCard(serial=bytes(8)))
    event = watcher.next()
    assert event == CardInserted(session + 1, FileCard(serial=bytes(8)).reset())
    assert watcher.do(event.session, lambda card: card.card_type) is CardType.CPU
    assert outcome(watcher, session, touch) == "C-202"


def test_a_card_that_was_in_before_we_looked(watch, slot):
    slot.insert(FileCard())
    first = watch()
    number = first.until(CardInserted).session
    first.reader.close()
    assert first.next() == CardRemoved(number)
    assert watch().until(CardInserted).session == 1


@pytest.mark.parametrize(("kind", "secret"), [(Sle4442, SECRET), (Sle4428, SECRET[:2])])
def test_reading_and_writing_equal_the_chip(inserted, kind, secret):
    chip = kind(secret=secret)
    watcher, session = inserted(AcsFace(chip))
    text = bytes(range(256))[: kind.chip.size - 32]

    def job(card):
        card.port.verify(0, secret)
        card.port.write(0, 32, text[:200])
        card.port.write(1, 0, b"\xfe")
        return card.port.read(0, 0, kind.chip.size), card.port.read(1, 0, 4)

    whole, bits = watcher.do(session, job)
    assert whole == chip.read(0, 0, kind.chip.size)
    assert whole[32:232] == text[:200]
    assert bits == b"\xfe\xff\xff\xff"


def test_power_afresh_forgets_the_secret_and_keeps_the_session(inserted):
    watcher, session = inserted(AcsFace(Sle4442(secret=SECRET)))

    def write(card):
        card.port.write(0, 40, b"a")

    watcher.do(session, lambda card: card.port.verify(0, SECRET))
    watcher.do(session, write)
    watcher.do(session, lambda card: card.power_afresh())
    assert outcome(watcher, session, write) == DENIED
    assert watcher.do(session, lambda card: card.port.read(0, 40, 1)) == b"a"
    assert watcher.events.empty()


def test_a_wrong_secret_until_the_card_is_locked(inserted):
    chip = Sle4442(secret=SECRET)
    watcher, session = inserted(AcsFace(chip))
    codes = [outcome(watcher, session, lambda card: card.port.verify(0, b"bad")) for _ in range(3)]
    assert codes == [DENIED, DENIED, LOCKED]
    assert watcher.do(session, lambda card: card.port.tries_left(0)) == chip.tries_left(0) == 0
    assert outcome(watcher, session, lambda card: card.port.verify(0, SECRET)) == LOCKED


@pytest.mark.parametrize("survived", [0, 63, 64, 100])
def test_pulled_in_the_middle_of_a_write(inserted, survived):
    chip = Sle4442(secret=SECRET)
    watcher, session = inserted(AcsFace(chip))
    seen = []

    def job(card):
        card.port.verify(0, SECRET)
        chip.tear_after = survived
        for call in (lambda: card.port.write(0, 40, b"w" * 128), lambda: card.port.read(0, 40, 1)):
            with pytest.raises(CardPortError) as fault:
                call()
            seen.append(fault.value.code)

    watcher.do(session, job)
    assert seen == [IO_FAULT, NO_CARD]
    assert watcher.next() == CardRemoved(session)
    assert outcome(watcher, session, touch) == "C-202"
    chip.reset()
    assert chip.read(0, 40, 128) == b"w" * survived + b"\xff" * (128 - survived)


def test_put_in_again_after_a_torn_write(inserted, slot):
    chip = Sle4442(secret=SECRET)
    watcher, session = inserted(AcsFace(chip))
    watcher.do(session, lambda card: card.port.verify(0, SECRET))
    chip.tear_after = 1
    assert outcome(watcher, session, lambda card: card.port.write(0, 40, b"ab")) == IO_FAULT
    assert watcher.next() == CardRemoved(session)
    slot.insert(AcsFace(chip))
    again = watcher.next()
    assert again == CardInserted(session + 1, chip.atr())
    assert watcher.do(again.session, lambda card: card.port.read(0, 40, 2)) == b"a\xff"


def test_pulled_while_the_card_thinks(inserted, slot):
    watcher, session = inserted(FileCard())
    thinking, pulled = threading.Event(), threading.Event()

    def think(_apdu):
        thinking.set()
        pulled.wait(10)

    slot.before_answer = think
    running = watcher.reader.submit(session, touch)
    waiting = watcher.reader.submit(session, touch)
    assert thinking.wait(10)
    closer = threading.Thread(target=slot.remove)
    closer.start()
    with pytest.raises(CardPortError) as fault:
        running.result(10)
    pulled.set()
    closer.join()
    assert fault.value.code == IO_FAULT
    with pytest.raises(CardFault, match="C-202"):
        waiting.result(10)
    assert watcher.next() == CardRemoved(session)


def test_an_exchanged_card_is_noticed_by_the_first_exchange(inserted, slot):
    watcher, session = inserted(FileCard(serial=b"first..."))
    slot.swap(other := FileCard(serial=b"second.."))
    assert outcome(watcher, session, touch) == IO_FAULT
    assert watcher.next() == CardRemoved(session)
    assert watcher.next() == CardInserted(session + 1, other.reset())
    assert watcher.do(session + 1, touch)[-2:] == b"\x90\x00"


@pytest.mark.parametrize("make", [FileCard, lambda: AcsFace(Sle4442())])
def test_an_exchanged_card_is_not_powered_up_unseen(inserted, slot, make):
    watcher, session = inserted(make())
    slot.swap(make())
    assert outcome(watcher, session, lambda card: card.power_afresh()) == "C-202"
    assert watcher.next() == CardRemoved(session)
    assert watcher.next().session == session + 1


def test_pcscd_restarts(inserted, pcscd, slot):
    watcher, session = inserted(FileCard())
    pcscd.restart()
    assert watcher.next() == CardRemoved(session)
    assert watcher.next() == ReaderDown("V-401")
    assert watcher.next() == ReaderUp("Virtual PCD 00 00")
    slot.insert(FileCard())
    assert watcher.next().session == session + 1
    assert watcher.do(session + 1, touch)[-2:] == b"\x90\x00"


def test_pcscd_crashes_in_the_middle_of_a_job(inserted, pcscd, slot):
    watcher, session = inserted(FileCard())

    def job(card):
        pcscd.kill()
        return touch(card)

    assert outcome(watcher, session, job) == IO_FAULT
    assert watcher.next() == CardRemoved(session)
    assert watcher.next() == ReaderDown("V-401")
    assert outcome(watcher, session, touch) == "C-202"
    pcscd.start()
    assert watcher.next() == ReaderUp("Virtual PCD 00 00")


def test_pcscd_comes_after_us(watch, pcscd):
    pcscd.stop()
    watcher = watch(expect_up=False)
    assert watcher.next() == ReaderDown("V-401")
    assert outcome(watcher, 1, touch) == "C-202"
    pcscd.start()
    assert watcher.next() == ReaderUp("Virtual PCD 00 00")


def test_no_reader_of_that_name(watch):
    watcher = watch("No Such Reader", expect_up=False)
    assert watcher.next() == ReaderDown("V-402")
    assert outcome(watcher, 1, touch) == "C-202"


def test_two_readers_do_not_know_each_other(watch, pcscd, slot):
    left, right = watch("00 00"), watch("00 01")
    other = pcscd.reader(1)
    slot.insert(FileCard(serial=b"left...."))
    other.insert(FileCard(serial=b"right..."))
    assert left.until(CardInserted).atr[5:] == b"left...."
    assert right.until(CardInserted).atr[5:] == b"right..."
    other.remove()
    assert right.next() == CardRemoved(1)
    assert left.do(1, touch)[-2:] == b"\x90\x00"
    assert left.events.empty()


def test_what_a_job_raises_reaches_whoever_waits(inserted):
    watcher, session = inserted(FileCard())
    with pytest.raises(ZeroDivisionError):
        watcher.do(session, lambda card: 1 // 0)
    assert watcher.do(session, touch)[-2:] == b"\x90\x00"


def test_jobs_run_one_after_another_on_one_thread(inserted):
    watcher, session = inserted(FileCard())
    order = []

    def job(number):
        return lambda card: order.append((number, touch(card)[-2:], threading.current_thread().name))

    for future in [watcher.reader.submit(session, job(number)) for number in range(20)]:
        future.result(10)
    assert order == [(number, b"\x90\x00", "card reader") for number in range(20)]


def test_closing_ends_what_waits(inserted):
    watcher, session = inserted(FileCard())
    begun, may_end = threading.Event(), threading.Event()

    def long(card):
        begun.set()
        may_end.wait(10)
        return touch(card)

    running = watcher.reader.submit(session, long)
    waiting = watcher.reader.submit(session, touch)
    assert begun.wait(10)
    closer = threading.Thread(target=watcher.reader.close)
    closer.start()
    while not watcher.reader.submit(session, touch).done():
        pass
    may_end.set()
    closer.join()
    assert running.result(10)[-2:] == b"\x90\x00"
    for late in (waiting, watcher.reader.submit(session, touch)):
        with pytest.raises(CardFault, match="C-202"):
            late.result(10)


def test_a_process_talks_to_one_pcscd_only(inserted):
    inserted(FileCard())
    with pytest.raises(ConfigFault, match="F-701"):
        CardReader(ReaderSettings(pcsc_socket="/elsewhere/pcscd.comm"), print)


class WrongWayRound:
    """Contacts that touch nothing sensible: no valid answer to reset."""

    def reset(self):
        return b"\x00"

    def transmit(self, apdu):
        return b"\x6f\x00"


def test_a_card_that_gives_no_answer_is_reported_and_takes_no_jobs(watch, slot):
    watcher = watch()
    slot.insert(WrongWayRound())
    event = watcher.next()
    assert event == CardInserted(1, b"")
    assert outcome(watcher, event.session, touch) == "C-205"
    slot.remove()
    assert watcher.next() == CardRemoved(1)
    slot.insert(FileCard())
    assert watcher.do(watcher.next().session, touch)[-2:] == b"\x90\x00"
