"""I2C cards behind both makers' readers: golden APDUs, how the size is told, and no write across a page."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiosk.devices.reader.acs import face_at24
from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.dialects import ACS, OMNIKEY
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.omnikey import face_at24 as omnikey_face_at24
from kiosk.devices.reader.omnikey.face import OmnikeyFace
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.at24 import PAGES, At24
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError
from kiosk.model.errors import ConfigFault

C01, C02, C04, C08, C16 = PAGES
I2C, OTHER = bytes.fromhex("3B044932432E"), bytes.fromhex("3B0400000000")
FACES = {ACS: AcsFace, OMNIKEY: OmnikeyFace}
NAMED = {C01: (4, 8), C02: (4, 8), C04: (8, 16), C08: (16,), C16: (16,)}
"""Pages of chips of that size: data sheets; an old driver (4 on C01); HID's list (X24026 4, ST14C04C 8)."""
EVERY = [(dialect, kind) for dialect in FACES for kind in PAGES]


class Wire:
    t0 = True

    def __init__(self, face):
        self.face, self.sent = face, []
        self.atr = face.reset()

    def transmit(self, apdu):
        self.sent.append(apdu)
        answer = self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD)
        return answer


def filled(kind, **how):
    return At24(kind, random.Random(7).randbytes(At24(kind).size), **how)


def plugged(dialect, chip, **choices):
    wire = Wire(FACES[dialect](chip))
    believed = Choices(**choices)
    return wire, PcscCardPort(wire, detect(wire.transmit, wire.atr, dialect, believed), dialect, believed)


def told(dialect, chip, atr, **choices):
    face = FACES[dialect](chip)
    face.reset()
    return detect(face.transmit, atr, dialect, Choices(**choices))


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def talk(face, *dialogue):
    """Commands and answers in turn; returns the answers that differ."""
    return [
        (sent, answered.hex(" ").upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := face.transmit(bytes.fromhex(sent))) != bytes.fromhex(wanted)
    ]


def test_an_acs_reader_as_its_manual_shows_it():
    # ACR38, ACR1281U: "1, 2, 4, 8 and 16 kbit I2C card"
    face = AcsFace(At24(C04))
    wrong = talk(
        face,
        "FFB0000004", "6985",
        "FFA4000001 01", "9000",
        "FF01000001 04", "9000",
        "FFD0000E04 41424344", "9000",
        "FFB0000C08", "FFFF41424344FFFF 9000",
        "FFB001FF01", "FF 9000",
        "FFB0020001", "6300",
        "FFD0020001 00", "6300",
        "FF01000001 02", "6300",
        "FFD0000001", "6700",
        "FF20000002 FFFF", "6D00",
    )  # fmt: skip
    assert wrong == []


def test_an_acs_reader_cuts_where_the_page_it_believes_in_ends():
    small = At24(C04, page=8)  # such as ST14C04C
    assert talk(AcsFace(small), "FFA4000001 01", "9000", "FFD0000608 4142434445464748", "9000") == []
    assert small.read(0, 6, 8) == b"ABCDEFGH"
    small = At24(C04, page=8)
    talk(AcsFace(small), "FFA4000001 01", "9000", "FF01000001 04", "9000", "FFD0000608 4142434445464748", "9000")
    assert small.read(0, 0, 8) + small.read(0, 8, 8) == b"CDEFGHAB" + b"\xff" * 8  # it rolled over
    face = AcsFace(At24(C04))
    talk(face, "FFA4000001 01", "9000", "FF01000001 04", "9000")
    face.reset()
    assert talk(face, "FFA4000001 01", "9000", "FFD0000408 4142434445464748", "9000") == []
    assert face.chip.pages_written == 2  # 8 bytes again after power-off


def test_an_omnikey_reader_as_the_guide_shows_it():
    # PLT-03099 §8.1.7 to 8.1.9: INIT 01 type page address-bytes size, READ 01 address length, WRITE 01 address data
    face = OmnikeyFace(At24(C04))
    wrong = talk(
        face,
        "FF30000509 01 00000000 00000004 00", "6985",
        "FF30000408 01 00 10 01 00000200", "9000",
        "FF30000609 01 0000000E 41424344", "9000",
        "FF30000509 01 0000000C 00000008 00", "FFFF41424344FFFF 9000",
        "FF30000509 01 000001FF 00000001 00", "FF 9000",
        "FF30000509 01 00000200 00000001 00", "6A82",
        "FF30000509 02 00000000 00000001 00", "6A80",
        "FF30000408 01 00 10 01 00000800", "9000",
        "FF30000509 01 00000200 00000001 00", "6F00",
        "FF30000606 01 00000200 00", "6F00",
        "FFB0000004", "6D00",
    )  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(("dialect", "kind"), EVERY)
def test_the_size_is_told_by_reading_only(dialect, kind):
    for atr in (I2C, OTHER):
        chip = filled(kind)
        before = chip.image()
        assert told(dialect, chip, atr) == kind
        assert (chip.image(), chip.pages_written) == (before, 0)


def test_what_cannot_be_told():
    for dialect in FACES:
        for blank in (b"\xff", b"\0"):
            # halves that hold the same: taken for the smaller, where every write is right on both
            assert told(dialect, At24(C02, blank * 256), I2C) == C01
            assert told(dialect, At24(C02, blank * 256), I2C, at24_type=2) == C02
            assert told(dialect, At24(C04, blank * 512), OTHER) == C04
        # nothing but FF wherever it is read: what a reader says of another maker's card, too
        assert told(dialect, At24(C16), OTHER) is None
        assert told(dialect, At24(C16), I2C) == C16
        assert told(dialect, At24(C16, b"\xff" * 2047 + b"\0"), OTHER) == C16


def test_another_card_is_no_i2c_card_whatever_is_believed():
    for dialect in FACES:
        unknown = Sle4442(memory=bytes(256))
        assert told(dialect, unknown, OTHER, at24_type=3) is None
    assert told(ACS, Sle4442(), Sle4442().atr(), at24_type=3) == CardType.SLE4442


@pytest.mark.parametrize(("dialect", "kind"), EVERY)
def test_reading_and_writing_equal_the_chip(dialect, kind):
    chip = filled(kind)
    _wire, port = plugged(dialect, chip)
    assert (port.card_type(), port.atr()) == (kind, chip.atr())
    assert port.read(0, 0, chip.size) == chip.image()
    wanted = bytearray(chip.image())
    for at, size in ((0, 1), (3, 40), (chip.size - 37, 37), (15, 2)):
        wanted[at : at + size] = bytes(range(100, 100 + size))
        port.write(0, at, bytes(wanted[at : at + size]))
    assert chip.image() == port.read(0, 0, chip.size) == bytes(wanted)
    assert port.still_here()


@pytest.mark.parametrize(("dialect", "kind"), EVERY)
@pytest.mark.parametrize("page", [0, 4, 8])
def test_no_write_rolls_over_on_any_chip_of_that_size(dialect, kind, page):
    for chips_page in (each for each in NAMED[kind] if each >= page):
        chip = filled(kind, page=chips_page)
        _wire, port = plugged(dialect, chip, at24_page=page)
        port.write(0, 5, bytes(range(90)))
        assert chip.read(0, 5, 90) == bytes(range(90))


def test_a_piece_is_a_page_and_16_bytes_are_announced_once():
    wire, port = plugged(ACS, filled(C16))
    wire.sent.clear()
    port.write(0, 8, bytes(range(48)))
    assert [each[:5].hex() for each in wire.sent] == [
        "ffd0000808", "ff01000001", "ffd0001010", "ffd0002010", "ffd0003008",
    ]  # fmt: skip
    wire, port = plugged(ACS, filled(C01))
    wire.sent.clear()
    port.write(0, 2, bytes(range(8)))
    assert [each[:5].hex() for each in wire.sent] == ["ffd0000202", "ffd0000404", "ffd0000802"]


@pytest.mark.parametrize(("dialect", "kind"), EVERY)
def test_what_the_port_refuses_it_does_not_send(dialect, kind):
    chip = filled(kind)
    wire, port = plugged(dialect, chip)
    before, sent = chip.image(), len(wire.sent)
    calls = [
        (port.read, 0, chip.size - 1, 2), (port.read, 1, 0, 1), (port.write, 0, chip.size - 1, b"ab"),
        (port.write, 0, 0, b""), (port.write, 1, 0, b"a"), (port.verify, 0, b"abc"), (port.tries_left, 0),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert (len(wire.sent), chip.image()) == (sent, before)


@pytest.mark.parametrize("dialect", FACES)
def test_pulled_while_written_and_an_answer_that_is_no_success(dialect):
    chip = filled(C04)
    wire, port = plugged(dialect, chip)
    chip.tear_after = 20
    assert code_of(port.write, 0, 64, bytes(64)) == NO_CARD
    assert code_of(port.still_here) == NO_CARD
    chip.reset()
    assert chip.read(0, 64, 24) == bytes(16) + b"\xff" * 8
    wire.face = type("Mute", (), {"transmit": lambda _self, _apdu: bytes.fromhex("6300")})()
    assert code_of(port.read, 0, 0, 4) == IO_FAULT
    assert code_of(port.write, 0, 0, b"a") == IO_FAULT
    assert not port.still_here()


def test_settings_that_make_no_sense():
    for wrong in ({"at24_page": 5}, {"at24_page": 32}, {"at24_type": 6}, {"at24_type": -1}):
        with pytest.raises(ConfigFault, match=r"F-701.*at24"):
            Choices(**wrong)


@pytest.mark.parametrize(("dialect", "module"), [(ACS, face_at24), (OMNIKEY, omnikey_face_at24)])
def test_a_page_takes_5_ms_however_few_of_its_bytes(dialect, module, monkeypatch):
    slept = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))
    chip = filled(C04)
    wire = Wire(FACES[dialect](chip, byte_ms=5))
    port = PcscCardPort(wire, detect(wire.transmit, wire.atr, dialect), dialect)
    port.read(0, 0, 512)
    assert slept == []
    port.write(0, 15, b"ab")
    port.write(0, 64, bytes(16))  # in pieces of 8: safe on every chip of this size
    assert slept == [0.005] * 4


@given(st.sampled_from([ACS, OMNIKEY]), st.sampled_from(list(PAGES)), st.lists(st.binary(max_size=12), max_size=6))
@example(OMNIKEY, C04, [bytes.fromhex("FF300004080100100100000200"), bytes.fromhex("FF3000050901FFFFFFFFFFFFFFFF00")])
def test_any_bytes_a_pc_sends_are_answered(dialect, kind, sent):
    face = FACES[dialect](At24(kind))
    for apdu in (bytes.fromhex("FFA400000101"), bytes.fromhex("FF300004080100080100000800"), *sent):
        for each in (apdu, b"\xff" + apdu, b"\xff\x30\x00" + apdu, b"\xff\xd0\x00" + apdu):
            assert len(face.transmit(each)) >= 2
