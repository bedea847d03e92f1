"""A card of any family in the serial reader as a driver sees it, and what a bad line may do to a call."""

import pytest

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.port import SerialCardPort
from kiosk.devices.reader.serial.session import SerialSession
from kiosk.devices.reader.virtual.blank import MEMORY_CARDS, memory_card
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.chip import CHIPS

NEW = {CardType.SLE4442: b"\xff" * 3, CardType.SLE4428: b"\xff" * 2}
FAMILIES = [kind for kind in CHIPS if kind not in NEW]


class AnyChip:
    """A chip of any family with the measures of kiosk/model/chip.py, open to reads, closed to writes until verified."""

    def __init__(self, kind):
        self.kind, self.verified = kind, not CHIPS[kind].secrets
        self.zones = {number: bytearray(zone.size) for number, zone in CHIPS[kind].zones.items()}
        self.tries = dict.fromkeys(CHIPS[kind].secrets, 8)
        self.secrets = {which: bytes([which + 1] * size) for which, size in CHIPS[kind].secrets.items()}

    def reset(self):
        self.verified = not self.secrets

    def card_type(self):
        return self.kind

    def atr(self):
        return b""

    def read(self, zone, addr, length):
        return bytes(self.zones[zone][addr : addr + length])

    def write(self, zone, addr, data):
        if not self.verified:
            raise CardPortError(DENIED)
        self.zones[zone][addr : addr + len(data)] = data

    def verify(self, which, secret):
        if secret != self.secrets[which]:
            self.tries[which] -= 1
            raise CardPortError(DENIED if self.tries[which] else LOCKED)
        self.verified = True

    def tries_left(self, which):
        return self.tries[which]

    def transmit(self, apdu):
        raise CardPortError(BAD_ARGUMENT)


@pytest.fixture
def session(machine, line):
    """Puts a card in: the session over it."""

    def begin(card):
        machine.insert(card, card.reset)
        return SerialSession(1, line)

    return begin


def code_of(act, *arguments):
    with pytest.raises(CardPortError) as fault:
        act(*arguments)
    return fault.value.code


@pytest.mark.parametrize("card", [Sle4442, Sle4428])
def test_a_card_with_a_secret_is_read_freely_and_written_after_it(session, card):
    chip = card()
    port = session(chip).port
    size = CHIPS[port.card_type()].zones[0].size
    assert port.read(0, 0, size) == chip.read(0, 0, size)
    assert port.read(0, size - 1, 1) == chip.read(0, size - 1, 1)
    assert code_of(port.write, 0, 100, b"abc") == DENIED
    port.verify(0, NEW[port.card_type()])
    port.write(0, 40, bytes(range(100)))
    assert chip.read(0, 40, 100) == bytes(range(100)) == port.read(0, 40, 100)
    port.write(1, 0, b"\xfe")  # a protection bit, which the published packets do not know
    assert chip.protected(0)
    assert port.read(1, 0, 2) == b"\xfe\xff"
    assert port.tries_left(0) == chip.tries_left(0)


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_every_contact_family_can_be_read_and_written_in_every_zone(session, kind):
    chip = AnyChip(kind)
    port = session(chip).port
    assert port.card_type() == kind
    for which, secret in chip.secrets.items():
        assert port.tries_left(which) == 8
        port.verify(which, secret)
    for number, zone in CHIPS[kind].zones.items():
        content = bytes((number * 7 + at) & 0xFF for at in range(zone.size))
        port.write(number, 0, content)
        assert bytes(chip.zones[number]) == content
        assert port.read(number, 0, zone.size) == content


@pytest.mark.parametrize("name", MEMORY_CARDS)
def test_the_houses_virtual_card_of_every_family_is_written_after_its_secret(session, name):
    chip = CHIPS[CardType[name]]
    secret = b"\x5a" * chip.secrets.get(0, 0)
    card = memory_card(name, b"\xff" * chip.image_size, secret)
    port = session(card).port
    zone, measures = chip.own[-1]
    content = bytes(range(40))
    if secret:
        assert port.tries_left(0) == card.tries_left(0)
        port.verify(2 * zone if CardType[name] is CardType.MIFARE1K else 0, secret)
    port.write(zone, measures.first + 2, content)
    assert card.read(zone, measures.first + 2, len(content)) == content == port.read(zone, measures.first + 2, 40)


def test_a_wrong_secret_costs_a_try_and_the_last_one_locks(session):
    chip = Sle4442()
    port = session(chip).port
    assert code_of(port.verify, 0, b"\1\2\3") == DENIED
    assert (port.tries_left(0), chip.counter) == (2, 0b011)
    assert code_of(port.verify, 0, b"\1\2\3") == DENIED
    assert code_of(port.verify, 0, b"\1\2\3") == LOCKED
    assert port.tries_left(0) == 0


def test_what_is_outside_the_chip_never_reaches_the_reader(machine, session):
    port = session(Sle4442()).port
    machine.heard = []
    assert code_of(port.read, 0, 250, 7) == BAD_ARGUMENT
    assert code_of(port.read, 2, 0, 1) == BAD_ARGUMENT
    assert code_of(port.write, 0, -1, b"a") == BAD_ARGUMENT
    assert code_of(port.write, 1, 0, b"abcde") == BAD_ARGUMENT
    assert code_of(port.verify, 0, b"ab") == BAD_ARGUMENT
    assert code_of(port.verify, 1, b"abc") == BAD_ARGUMENT
    assert code_of(port.tries_left, 1) == BAD_ARGUMENT
    assert code_of(port.transmit, b"\0\xa4\0\0") == BAD_ARGUMENT
    assert machine.heard == []


def test_a_place_the_chip_itself_refuses_is_a_bad_argument(session):
    port = session(Sle4428()).port
    port.verify(0, b"\xff\xff")
    assert code_of(port.write, 0, 1020, b"ab") == BAD_ARGUMENT  # the counter stands at 1021


def test_a_refusal_in_the_middle_of_a_write_does_not_say_nothing_was_written(session):
    chip = AnyChip(CardType.AT24C16)
    port = session(chip).port

    def once(zone, addr, data, write=chip.write):
        write(zone, addr, data)
        chip.verified = False

    chip.write = once
    assert code_of(port.write, 0, 0, b"x" * 60) == IO_FAULT
    assert bytes(chip.zones[0][:30]) == b"x" * 29 + b"\0"
    assert code_of(port.write, 0, 0, b"y") == DENIED


def test_a_plain_reader_serves_the_sle4442_and_nothing_beyond_its_page(machine, session):
    machine.extended = False
    chip = Sle4442()
    port = session(chip).port
    assert port.card_type() == CardType.SLE4442
    port.verify(0, b"\xff\xff\xff")
    port.write(0, 60, b"plain")
    assert port.read(0, 60, 5) == b"plain"
    assert port.tries_left(0) == 3
    assert code_of(port.read, 1, 0, 4) == BAD_ARGUMENT
    assert code_of(port.write, 1, 0, b"\xfe") == BAD_ARGUMENT


@pytest.mark.parametrize("extended", [True, False])
def test_a_card_pulled_out_is_no_card(machine, session, extended):
    machine.extended = extended
    port = session(Sle4442()).port
    machine.remove()
    assert code_of(port.read, 0, 0, 4) == NO_CARD
    assert code_of(port.write, 0, 40, b"a") == NO_CARD


@pytest.mark.parametrize("lost", ["question", "answer", "a byte of it"])
def test_a_read_whose_packet_is_lost_is_asked_again(machine, session, pty, lost):
    port = session(Sle4442()).port
    port.verify(0, b"\xff\xff\xff")
    port.write(0, 40, b"there it is")
    left = [2]

    def tamper(direction, content):
        if direction != ("to-device" if lost == "question" else "to-host") or not left[0]:
            return content
        left[0] -= 1
        return content[:20] + content[21:] if lost == "a byte of it" else b""

    pty.tamper = tamper
    assert port.read(0, 40, 11) == b"there it is"
    assert left == [0]


@pytest.mark.parametrize("packets", ["plain", "extended"])
def test_a_write_whose_answer_is_lost_is_never_sent_again(machine, session, pty, packets):
    chip = Sle4442() if packets == "plain" else Sle4428()
    port = session(chip).port
    port.verify(0, NEW[port.card_type()])
    machine.heard = []
    pty.tamper = lambda direction, content: b"" if direction == "to-host" else content
    assert code_of(port.write, 0, 40, b"unsure") == IO_FAULT
    pty.tamper = None
    assert [each.area for each in machine.heard] == [wire.WRITE | (wire.MAIN if packets == "plain" else wire.ZONE)]
    assert port.read(0, 40, 6) == b"unsure"


def test_a_secret_whose_answer_is_lost_is_never_presented_again(machine, session, pty):
    chip = Sle4442(secret=b"abc")
    port = session(chip).port
    pty.tamper = lambda direction, content: b"" if direction == "to-host" else content
    assert code_of(port.verify, 0, b"xyz") == IO_FAULT
    pty.tamper = None
    assert port.tries_left(0) == 2  # one try, not three


def test_a_late_answer_is_not_taken_for_the_next_ones(machine, session, pty):
    chip = AnyChip(CardType.AT24C16)
    chip.zones[0][:] = bytes(at // 32 for at in range(2048))
    port = session(chip).port
    kept = []

    def hold(direction, content):
        if direction == "to-device":
            return content
        kept.append(content)
        return b"" if len(kept) == 1 else b"".join(kept[-2:])  # each answer behind the one before it, which is late

    pty.tamper = hold
    assert port.read(0, 0, 2048) == bytes(at // 32 for at in range(2048))


def test_what_the_reader_says_unasked_is_no_answer(machine, session):
    port = session(Sle4442()).port
    machine.before_answer = lambda _packet: machine.insert(machine._slots[2].card or Sle4442(), slot=2) is None
    assert port.read(0, 0, 4) == bytes.fromhex("A2131091")


def test_a_dead_line_is_an_io_fault(machine, session, line, pty):
    port = session(Sle4442()).port
    machine.close()
    pty.close()
    assert code_of(port.read, 0, 0, 4) == IO_FAULT
    assert line.broken


def test_a_cpu_card_has_no_zones_here(line):
    port = SerialCardPort(line, CardType.CPU, b"\x3b\x00", extended=True)
    assert code_of(port.read, 0, 0, 1) == BAD_ARGUMENT
    assert port.atr() == b"\x3b\x00"
