"""SLE44xx behind an OMNIKEY 3x21: pseudo-APDUs byte for byte, the port equals the chip, and through a real pcscd."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.dialects import ACS, OMNIKEY, dialect_of
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.omnikey.face import OmnikeyFace
from kiosk.devices.reader.omnikey.sle44 import raw_answer
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

VISIT = Path(__file__).with_name("omnikey_visit.py")
KINDS = (Sle4442, Sle4428)
RIGHT = {Sle4442: b"\x1a\x2b\x3c", Sle4428: b"\x1a\x2b"}
COUNTER_4442, COUNTER_4428 = "FF70076B07 A605A003 310000 00", "FF70076B07 A605A103 CEFD00 00"


class Wire:
    t0 = True

    def __init__(self, face):
        self.face, self.sent, self.spoil = face, [], {}
        self.atr = face.reset()

    def transmit(self, apdu):
        self.sent.append(apdu)
        answer = self.spoil.get(len(self.sent)) or self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD)
        return answer


def plugged(kind, **how):
    chip = kind(secret=RIGHT[kind])
    wire = Wire(OmnikeyFace(chip, **how))
    return chip, wire, PcscCardPort(wire, detect(wire.transmit, wire.atr, OMNIKEY), OMNIKEY)


def opened(kind, **how):
    chip, wire, port = plugged(kind, **how)
    port.verify(0, RIGHT[kind])
    return chip, wire, port


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def talk(face, *dialogue):
    return [
        (sent, answered.hex(" ").upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := face.transmit(bytes.fromhex(sent))) != bytes.fromhex(wanted)
    ]


def test_an_sle4442_as_the_guide_shows_it():
    face = OmnikeyFace(Sle4442(secret=b"\x11\x22\x33"))
    assert face.reset().hex() == "3b04a2131091"
    wrong = talk(
        face,
        "FFB0000008", "A2131091460B8115 9000",
        COUNTER_4442, "9D04 07000000 9000",
        "FF3A000004", "00000000 9000",
        "FFD6002002 5244", "6982",
        "FF20000003 112234", "63C2",
        COUNTER_4442, "9D04 03000000 9000",
        "FF20000003 112233", "9000",
        "FFD6002002 5244", "9000",
        "FFB0001F04", "FF5244FF 9000",
        "FF30000306 010000 0000 A2", "9000",
        "FF30000306 010000 0001 AA", "0001 6F00",
        "FF30000306 010000 0020 52", "0020 6A82",
        "FF3A000004", "01000000 9000",
        "FFD6000001 00", "6581",
    )  # fmt: skip
    assert wrong == []


def test_an_sle4428():
    face = OmnikeyFace(Sle4428(secret=b"\x11\x22"))
    assert face.reset().hex() == "3b0492231091"
    wrong = talk(
        face,
        COUNTER_4428, "9D01 FF 9000",
        "FF20000002 1123", "63C7",
        COUNTER_4428, "9D01 7F 9000",
        "FF20000002 1122", "9000",
        "FFD6020004 DEADBEEF", "9000",
        "FFB001FF06", "FFDEADBEEFFF 9000",
        "FFB003FD03", "FF0000 9000",
        "FFD603FD01 00", "6A82",
        "FF30000306 010000 0011 FF", "9000",
        "FF3A001002", "0001 9000",
    )  # fmt: skip
    assert wrong == []


def test_locked_is_69_83():
    face = OmnikeyFace(Sle4442())
    wrong = talk(
        face, "FF20000003 000000", "63C2", "FF20000003 000000", "63C1", "FF20000003 000000", "6983",
        "FF20000003 FFFFFF", "6983", COUNTER_4442, "9D04 00000000 9000", "FFB0002001", "FF 9000",
    )  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("FFB000FF02", "FF 6282"), ("FFB0010001", "6A82"), ("FFB0002000", "FF" * 224 + "9000"), ("FF3A002001", "6A82"),
        ("FFD600FF02 0000", "6A82"), ("FF20000002 FFFF", "6700"), ("FFD0002001 00", "6D00"), ("FFA4000001 06", "6D00"),
        ("FF70076B07 A605A103 CEFD00 00", "9E020003 9000"), ("FF70076B07 A605A003 380000 00", "9E020003 9000"),
        ("FFD6002003 AA", "6700"), ("FFB0", "6700"), ("00A4000002 3F00", "6E00"), ("FF30000403 010000", "6D00"),
    ],
)  # fmt: skip
def test_commands_that_are_wrong_or_another_makers(sent, answer):
    assert talk(OmnikeyFace(Sle4442()), sent, answer) == []


@pytest.mark.parametrize("kind", KINDS)
def test_reading_and_writing_equal_the_chip(kind):
    chip, wire, port = opened(kind)
    size, end = kind.chip.size, kind.chip.writable_end
    text = bytes(range(256)) * 4
    port.write(0, 32, text[: end - 32])
    assert port.read(0, 0, size) == chip.read(0, 0, size)
    assert port.read(0, 32, end - 32) == text[: end - 32]
    assert (port.card_type(), port.atr()) == (chip.card_type(), chip.atr())
    assert port.still_here()
    assert {each[1] for each in wire.sent} == {0x20, 0xD6, 0xB0}  # no selection, and nothing of another maker's


@pytest.mark.parametrize("kind", KINDS)
def test_protecting_through_the_port(kind):
    chip, _wire, port = opened(kind)
    bits = kind.chip.protectable // 8
    port.write(1, 1, bytes.fromhex("7EFF"))
    port.write(1, bits - 1, bytes.fromhex("FD"))
    wanted = bytearray(b"\xff" * bits)
    wanted[1], wanted[bits - 1] = 0x7E, 0xFD
    assert port.read(1, 0, bits) == chip.read(1, 0, bits) == bytes(wanted)
    assert port.read(1, 1, 2) == bytes(wanted[1:3])
    assert code_of(port.write, 0, 15, b"xy") == IO_FAULT  # a protected byte is told here, not dropped


@pytest.mark.parametrize("raw", ["9D", "BD"])
@pytest.mark.parametrize("kind", KINDS)
def test_tries_are_read_without_costing_one(kind, raw):
    chip, _wire, port = plugged(kind, raw=raw)
    wrong = bytes(len(RIGHT[kind]))
    for left in range(kind.chip.tries, 1, -1):
        before = chip.image()
        assert port.tries_left(0) == chip.tries_left(0) == left
        assert chip.image() == before
        assert code_of(port.verify, 0, wrong) == DENIED
    assert port.tries_left(0) == 1
    assert code_of(port.verify, 0, wrong) == LOCKED
    assert code_of(port.verify, 0, RIGHT[kind]) == LOCKED
    assert port.tries_left(0) == 0
    assert code_of(port.write, 0, 40, b"a") == DENIED


def test_a_reader_without_the_raw_command_leaves_the_tries_unreadable():
    chip, _wire, port = plugged(Sle4442, raw="")
    assert code_of(port.tries_left, 0) == IO_FAULT
    assert chip.tries_left(0) == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("9D04 07112233 9000", "07112233"), ("BD06A004 07000000 9000", "07000000"), ("9D01 FF 9900", "FF"),
        ("BD03A101 3F 9000", "3F"), ("9E020003 9000", ""), ("9D04 07 9000", ""), ("9000", ""), ("9D00 9000", ""),
        ("BD03A001 9000", ""), ("07 9000", ""), ("9D0107 6D00", ""), ("6D00", ""), ("A00107 63C1", ""),
    ],
)  # fmt: skip
def test_what_the_bus_said_or_nothing(answer, told):
    if told:
        assert raw_answer(bytes.fromhex(answer)) == bytes.fromhex(told)
    else:
        assert code_of(raw_answer, bytes.fromhex(answer)) == IO_FAULT


@given(
    st.binary(max_size=14).map(lambda tail: b"\x9d" + tail) | st.binary(max_size=14).map(lambda tail: b"\xbd" + tail)
)
def test_any_answer_of_the_bus_is_bytes_or_a_fault(answer):
    for each in (answer, answer + b"\x90\x00"):
        try:
            assert 1 <= len(raw_answer(each)) < len(each)
        except CardPortError as fault:
            assert fault.code == IO_FAULT


@given(st.sampled_from(KINDS), st.lists(st.binary(max_size=12), max_size=6))
def test_any_bytes_a_pc_sends_are_answered(kind, sent):
    face = OmnikeyFace(kind(secret=RIGHT[kind]))
    for apdu in (b"\x20\x00\x00" + bytes((len(RIGHT[kind]),)) + RIGHT[kind], *sent):
        for each in (apdu, b"\xff" + apdu, b"\xff\x30\x00" + apdu, b"\xff\xd6" + apdu, b"\xff\x70\x07\x6b" + apdu):
            assert len(face.transmit(each)) >= 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [("63C0", LOCKED), ("6983", LOCKED), ("63C1", DENIED), ("9007", IO_FAULT), ("6300", IO_FAULT), ("6D00", IO_FAULT)],
)
def test_answers_to_a_secret(answer, code):
    _chip, wire, port = plugged(Sle4442)
    wire.spoil[len(wire.sent) + 1] = bytes.fromhex(answer)
    assert code_of(port.verify, 0, RIGHT[Sle4442]) == code
    assert code_of(port.write, 0, 40, b"a") == DENIED


def test_90_00_means_right_here_and_locked_at_an_acs_reader():
    for dialect, face in ((OMNIKEY, OmnikeyFace), (ACS, AcsFace)):
        wire = Wire(face(Sle4442(secret=RIGHT[Sle4442])))
        port = PcscCardPort(wire, detect(wire.transmit, wire.atr, dialect), dialect)
        wire.spoil[len(wire.sent) + 1] = b"\x90\x00"
        if dialect == OMNIKEY:
            port.verify(0, RIGHT[Sle4442])
        else:
            assert code_of(port.verify, 0, RIGHT[Sle4442]) == LOCKED


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_sent_where_minus_3_or_4_is_promised_to_have_written_nothing(kind):
    chip, wire, port = plugged(kind)
    before, sent = chip.image(), len(wire.sent)
    end = kind.chip.writable_end
    assert code_of(port.write, 0, 40, b"a" * 100) == DENIED
    port.verify(0, RIGHT[kind])
    calls = [
        (port.write, 0, end - 1, b"ab"), (port.write, 0, 0, b""), (port.write, 2, 0, b"a"), (port.write, 1, 128, b"a"),
        (port.read, 2, 0, 1), (port.read, 0, kind.chip.size, 1), (port.verify, 1, RIGHT[kind]), (port.tries_left, 1),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert (len(wire.sent), chip.image()) == (sent + 1, before)


def test_a_wrong_try_ends_the_right_to_write():
    _chip, wire, port = opened(Sle4442)
    code_of(port.verify, 0, b"bad")
    sent = len(wire.sent)
    assert code_of(port.write, 0, 40, b"a") == DENIED
    assert len(wire.sent) == sent


def test_pulled_while_written():
    chip, _wire, port = opened(Sle4428)
    chip.tear_after = 70
    assert code_of(port.write, 0, 600, b"b" * 100) == NO_CARD
    chip.reset()
    assert chip.read(0, 600, 100) == b"b" * 70 + b"\xff" * 30


def test_the_family_by_reading_when_the_atr_is_new():
    clone = bytes.fromhex("92231001460B8115").ljust(256, b"\xff")
    for chip, wanted in ((Sle4442(memory=clone), CardType.SLE4442), (Sle4428(), CardType.SLE4428)):
        before, face = chip.image(), OmnikeyFace(chip)
        assert detect(face.transmit, bytes.fromhex("3B0400000000"), OMNIKEY) == wanted
        assert chip.image() == before


def test_the_dialect_goes_by_the_readers_name():
    assert dialect_of("HID Global OMNIKEY 3x21 Smart Card Reader [OMNIKEY 3x21 Smart Card Reader] 00 00") == OMNIKEY
    assert dialect_of("ACS ACR39U ICC Reader 00 00") == ACS


@pytest.mark.slow
def test_through_a_real_pcscd_with_a_reader_of_that_name(tmp_path):
    # a process of its own: the C library looks for pcscd's socket once
    done = subprocess.run(
        [sys.executable, str(VISIT), str(tmp_path / "p")], capture_output=True, text=True, timeout=60, check=True
    )
    seen = json.loads(done.stdout)
    assert seen["reader"].startswith("HID Global OMNIKEY 3x21 Smart Card Reader")
    assert seen["cards"] == {
        "SLE4442": {"type": 21, "tries": [3, 2, 3], "read": True, "equal": True, "denied": DENIED},
        "SLE4428": {"type": 31, "tries": [8, 7, 8], "read": True, "equal": True, "denied": DENIED},
        "AT24C01": {"type": 1, "read": True, "equal": True},
        "AT24C04": {"type": 3, "read": True, "equal": True},
        "AT24C16": {"type": 5, "read": True, "equal": True},
    }
