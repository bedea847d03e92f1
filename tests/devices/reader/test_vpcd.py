"""The card's side of vpcd, byte for byte, with this test in vpcd's place."""

import socket

import pytest

from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.devices.reader.vpcd import VirtualReader
from kiosk.model.errors import DeviceFault

ATR = FileCard().reset()


class Slot:
    """A listening vpcd; ``say`` sends a message, ``hear`` reads one."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.reader = VirtualReader(lambda: socket.create_connection(self.listener.getsockname()))

    def accept(self):
        self.line, _ = self.listener.accept()
        self.line.settimeout(5)

    def say(self, text):
        body = bytes.fromhex(text)
        self.line.sendall(len(body).to_bytes(2, "big"))
        self.line.sendall(body)

    def hear(self):
        head = self.line.recv(2, socket.MSG_WAITALL)
        return self.line.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL).hex().upper() if head else None


@pytest.fixture
def slot():
    with_card = Slot()
    yield with_card
    with_card.reader.remove()
    with_card.line.close()
    with_card.listener.close()


def put(slot, card):
    slot.reader.insert(card)
    slot.accept()
    return card


def test_control_codes_and_an_apdu(slot):
    put(slot, FileCard())
    slot.say("01")
    slot.say("04")
    assert slot.line.recv(2 + len(ATR), socket.MSG_WAITALL) == b"\x00\x0d" + ATR
    slot.say("00A40000023F00")
    assert slot.hear() == "6106"
    slot.say("02")
    slot.say("00C0000006")
    assert slot.hear() == "6F00"  # the reset forgot the answer that waited
    slot.say("00")
    slot.say("04")
    assert slot.hear() == ATR.hex().upper()


def test_pulling_hangs_up_and_another_card_may_come(slot):
    put(slot, FileCard())
    assert slot.reader.occupied
    with pytest.raises(DeviceFault, match="V-402"):
        slot.reader.insert(FileCard())
    slot.reader.remove()
    assert not slot.reader.occupied
    assert slot.hear() is None
    slot.line.close()
    put(slot, FileCard(serial=b"the next"))
    slot.say("04")
    assert slot.hear().endswith(b"the next".hex().upper())


def test_a_card_that_dies_under_a_write_leaves_the_reader(slot):
    card = put(slot, FileCard())
    slot.say("00A4000002DF01")
    slot.hear()
    card.tear_after = 1
    slot.say("00D68200021234")
    assert slot.hear() is None
    slot.line.close()
    put(slot, card)
    slot.say("00A4000002DF01")
    slot.hear()
    slot.say("00B0820002")
    assert slot.hear() == "12009000"


def test_pulled_while_it_thinks_it_never_saw_the_command(slot):
    card = put(slot, FileCard())
    slot.say("00A4000002DF01")
    slot.hear()
    before = card.image()
    slot.reader.delay_ms = 3_600_000
    slot.say("00D68200021234")
    slot.reader.remove()
    assert slot.hear() is None
    assert card.image() == before


def test_nobody_listens():
    empty = socket.create_server(("127.0.0.1", 0))
    address = empty.getsockname()
    empty.close()
    with pytest.raises(DeviceFault, match="V-402"):
        VirtualReader(lambda: socket.create_connection(address)).insert(FileCard())
