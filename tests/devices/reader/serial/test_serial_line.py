"""The line to the reader lent to a library that talks to the reader itself, and taken back whatever it left."""

import os
import select
import termios
import threading

import pytest

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.line import ReaderLine
from kiosk.devices.reader.serial.session import SerialSession
from kiosk.devices.reader.settings import SerialReaderSettings
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.errors import DeviceFault


def asked_on(number, packet):
    """One question on the bare descriptor, as a library asks it."""
    os.write(number, packet.encode())
    found = b""
    while len(found) < 40:
        assert select.select([number], [], [], 5)[0]
        found += os.read(number, 40 - len(found))
    return found


def speed_of(path):
    number = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        return termios.tcgetattr(number)[4]
    finally:
        os.close(number)


def test_the_line_is_the_librarys_at_its_rate_and_ours_again(machine, line, settings):
    card = Sle4442()
    machine.insert(card, card.reset)
    with line.lend(9600) as number:
        assert speed_of(settings.path) == termios.B9600
        assert os.get_blocking(number)
        assert termios.tcgetattr(number)[6][termios.VMIN] == 1
        answer = asked_on(number, wire.read_main(1, 0, 32))
        assert (answer[0], answer[6:10].hex()) == (0x55, "a2131091")
    assert speed_of(settings.path) == termios.B19200
    with pytest.raises(OSError, match="Bad file"):
        os.write(number, b"too late")
    assert line.ask(wire.status(1)).head == wire.OK
    assert not line.broken


def test_the_library_finds_nothing_in_the_line(machine, line):
    machine.insert(Sle4442())  # the reader says so unasked
    with line.lend(19200) as number:
        answer = asked_on(number, wire.status(1))
    assert answer[2] == wire.STATUS


@pytest.mark.parametrize("sent", [1, 17, 39])
def test_a_library_ended_in_the_middle_of_a_packet_costs_us_no_wrong_answer(machine, line, sent):
    card = Sle4442(memory=bytes(range(256)))
    machine.insert(card, card.reset)
    port = SerialSession(1, line).port

    class Ended(Exception):
        pass

    with pytest.raises(Ended), line.lend(19200) as number:
        os.write(number, wire.write_main(1, 40, b"half a packet").encode()[:sent])
        raise Ended
    assert port.read(0, 0, 256) == bytes(range(256))
    port.verify(0, b"\xff\xff\xff")
    port.write(0, 40, b"whole")
    assert card.read(0, 40, 5) == b"whole"


def test_an_answer_to_the_library_that_comes_late_is_thrown_away(machine, line):
    card = Sle4442(memory=bytes(range(256)))
    machine.insert(card, card.reset)
    SerialSession(1, line)
    let_go = threading.Event()
    machine.before_answer = lambda _packet: let_go.wait(5)

    class Ended(Exception):
        pass

    with pytest.raises(Ended), line.lend(19200) as number:
        os.write(number, wire.read_main(1, 0, 32).encode())
        threading.Timer(0.1, let_go.set).start()
        raise Ended
    machine.heard = []
    answer = line.ask(wire.read_main(1, 0, 16))  # the same place: only the bytes could tell the two apart
    assert (answer.length, len(machine.heard)) == (16, 1)


def test_a_line_that_is_gone_cannot_be_lent(machine, line, pty):
    machine.close()
    pty.close()
    with pytest.raises(DeviceFault, match="V-403"), line.lend(19200):
        pytest.fail("lent")
    assert line.broken


def test_a_line_that_dies_while_it_is_lent_is_noticed_after(machine, line, pty):
    with line.lend(19200):
        machine.close()
        pty.close()
    assert line.broken


def test_nobody_else_opens_the_line(line, settings):
    with pytest.raises(DeviceFault, match="V-403"):
        ReaderLine(SerialReaderSettings(settings.path))
