"""The host's side against the ACS face, without pcscd: the port equals the chip, and its errors keep the contract."""

import pytest

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

KINDS = (Sle4442, Sle4428)
RIGHT = {Sle4442: b"\x1a\x2b\x3c", Sle4428: b"\x1a\x2b"}


class Wire:
    """A connection that needs no pcscd; counts, and can go bad at the n-th exchange."""

    t0 = True

    def __init__(self, face):
        self.face = face
        self.atr = face.reset()
        self.sent = []
        self.spoil = {}  # number of the exchange → its answer

    def transmit(self, apdu):
        self.sent.append(apdu)
        answer = self.spoil.get(len(self.sent)) or self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD)
        return answer


def plugged(kind, protection_follows=False, **changes):
    chip = kind(secret=RIGHT[kind], **changes)
    wire = Wire(AcsFace(chip, protection_follows))
    return chip, wire, PcscCardPort(wire, detect(wire.transmit, wire.atr))


def opened(kind, protection_follows=False):
    chip, wire, port = plugged(kind, protection_follows)
    port.verify(0, RIGHT[kind])
    return chip, wire, port


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


@pytest.mark.parametrize("protection_follows", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_reading_and_writing_equal_the_chip(kind, protection_follows):
    chip, _wire, port = opened(kind, protection_follows)
    size, end = kind.chip.size, kind.chip.writable_end
    text = bytes(range(256)) * 4
    port.write(0, 32, text[: end - 32])
    assert port.read(0, 0, size) == chip.read(0, 0, size)
    assert port.read(0, 32, end - 32) == text[: end - 32]
    assert port.read(0, size - 5, 5) == chip.read(0, size - 5, 5)
    assert (port.card_type(), port.atr()) == (chip.card_type(), chip.atr())


@pytest.mark.parametrize("protection_follows", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_protecting_through_the_port(kind, protection_follows):
    chip, _wire, port = opened(kind, protection_follows)
    bits = kind.chip.protectable // 8
    port.write(1, 1, bytes.fromhex("7EFF"))
    port.write(1, bits - 1, bytes.fromhex("FD"))
    wanted = bytearray(b"\xff" * bits)
    wanted[1], wanted[bits - 1] = 0x7E, 0xFD
    assert port.read(1, 0, bits) == chip.read(1, 0, bits) == bytes(wanted)
    assert port.read(1, 1, 2) == bytes(wanted[1:3])


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret_burns_a_try_and_the_last_one_locks(kind):
    chip, _wire, port = plugged(kind)
    wrong = bytes(len(RIGHT[kind]))
    for left in range(kind.chip.tries - 1, 0, -1):
        assert code_of(port.verify, 0, wrong) == DENIED
        assert port.tries_left(0) == chip.tries_left(0) == left
    assert code_of(port.verify, 0, wrong) == LOCKED
    assert code_of(port.verify, 0, RIGHT[kind]) == LOCKED
    assert port.tries_left(0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_sent_where_minus_3_or_4_is_promised_to_have_written_nothing(kind):
    chip, wire, port = plugged(kind)
    before, sent = chip.image(), len(wire.sent)
    end = kind.chip.writable_end
    assert code_of(port.write, 0, 40, b"a" * 100) == DENIED
    port.verify(0, RIGHT[kind])
    for zone, addr, data in ((0, end - 1, b"ab"), (0, -1, b"a"), (0, 0, b""), (2, 0, b"a"), (1, 128, b"a")):
        assert code_of(port.write, zone, addr, data) == BAD_ARGUMENT
    assert len(wire.sent) == sent + 1
    assert chip.image() == before


def test_a_wrong_try_ends_the_right_to_write():
    _chip, wire, port = opened(Sle4442)
    code_of(port.verify, 0, b"bad")
    sent = len(wire.sent)
    assert code_of(port.write, 0, 40, b"a") == DENIED
    assert len(wire.sent) == sent


def test_a_write_that_fails_in_its_second_apdu_is_never_minus_3():
    chip, wire, port = opened(Sle4442)
    wire.spoil[len(wire.sent) + 2] = bytes.fromhex("6982")
    assert code_of(port.write, 0, 40, b"a" * 100) == IO_FAULT
    assert chip.read(0, 40, 100) == b"a" * 64 + b"\xff" * 36


def test_a_card_pulled_while_written_keeps_a_prefix():
    chip, _wire, port = opened(Sle4428)
    chip.tear_after = 70
    assert code_of(port.write, 0, 600, b"b" * 100) == NO_CARD
    chip.reset()
    assert chip.read(0, 600, 100) == b"b" * 70 + b"\xff" * 30


@pytest.mark.parametrize("answer", ["6300", "6982", "9000", "41429000"])
def test_a_read_that_says_too_little_is_a_fault(answer):
    _chip, wire, port = plugged(Sle4442)
    wire.spoil[len(wire.sent) + 1] = bytes.fromhex(answer)
    assert code_of(port.read, 0, 32, 4) == IO_FAULT


@pytest.mark.parametrize("answer", ["6300", "63C2", "419007"])
def test_another_readers_answer_to_a_secret_is_no_success(answer):
    _chip, wire, port = plugged(Sle4442)
    wire.spoil[len(wire.sent) + 1] = bytes.fromhex(answer)
    assert code_of(port.verify, 0, RIGHT[Sle4442]) == IO_FAULT
    assert code_of(port.write, 0, 40, b"a") == DENIED


def test_tries_that_cannot_be_read_are_not_guessed():
    _chip, wire, port = plugged(Sle4442)
    wire.spoil[len(wire.sent) + 1] = bytes.fromhex("9000")
    assert code_of(port.tries_left, 0) == IO_FAULT


@pytest.mark.parametrize("kind", KINDS)
def test_bad_arguments(kind):
    _chip, wire, port = plugged(kind)
    sent = len(wire.sent)
    calls = [
        (port.read, 0, kind.chip.size - 1, 2), (port.read, 1, kind.chip.protectable // 8, 1), (port.read, 3, 0, 1),
        (port.verify, 1, RIGHT[kind]), (port.verify, 0, b"1"), (port.tries_left, 1), (port.transmit, b"\0\xa4\0\0"),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert len(wire.sent) == sent


def test_a_cpu_card_through_the_port():
    wire = Wire(FileCard())
    port = PcscCardPort(wire, detect(wire.transmit, wire.atr))
    assert port.card_type() == CardType.CPU
    assert wire.sent == []
    assert port.transmit(bytes.fromhex("00A40000023F0000")) == bytes.fromhex("6F0483023F009000")
    assert wire.sent[0] == bytes.fromhex("00A40000023F00")
    for call, arguments in ((port.read, (0, 0, 1)), (port.write, (0, 0, b"a")), (port.verify, (0, b"1"))):
        assert code_of(call, *arguments) == BAD_ARGUMENT
    assert code_of(port.transmit, b"\x00\xa4\x00") == BAD_ARGUMENT


def test_a_card_nobody_knows_takes_nothing():
    port = PcscCardPort(Wire(FileCard()), None)
    assert port.card_type() == 0
    assert code_of(port.transmit, bytes.fromhex("00A40000")) == BAD_ARGUMENT
    assert code_of(port.read, 0, 0, 1) == BAD_ARGUMENT


def test_the_family_by_reading_when_the_atr_is_new():
    clone = bytes.fromhex("92231001460B8115").ljust(256, b"\xff")
    for chip, wanted in (
        (Sle4442(memory=clone), CardType.SLE4442),
        (Sle4442(), CardType.SLE4442),
        (Sle4428(), CardType.SLE4428),
        (Sle4442(memory=bytes(256)), None),
    ):
        before, face = chip.image(), AcsFace(chip)
        assert detect(face.transmit, bytes.fromhex("3B0400000000")) == wanted
        assert chip.image() == before
        if wanted is not None:
            assert face.transmit(bytes.fromhex("FFB0000001"))[:1] == chip.read(0, 0, 1)


def test_detecting_writes_and_presents_nothing():
    for kind in KINDS:
        _chip, wire, _port = plugged(kind)
        assert {apdu[1] for apdu in wire.sent} <= {0xA4, 0xB0}


def test_mifare_is_recognised_by_its_answer_to_reset():
    sent = []
    atr = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
    assert detect(sent.append, atr) == CardType.MIFARE1K
    assert detect(sent.append, b"") is None
    assert sent == []


def test_no_write_longer_than_the_contract_of_one_apdu():
    _chip, wire, port = opened(Sle4428)
    wire.sent.clear()
    port.write(0, 100, bytes(300))
    port.read(0, 100, 300)
    assert [len(each) - 5 for each in wire.sent if each[1] == 0xD0] == [64, 64, 64, 64, 44]
    assert [each[4] for each in wire.sent if each[1] == 0xB0] == [128, 128, 44]
