"""The ACS face: pseudo-APDUs byte for byte as in ACS's manuals (ACR38, ACR39, ACR1281U)."""

import pytest

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442

SELECT_4442, SELECT_4428 = "FFA4000001 06", "FFA4000001 05"


def talk(face, *dialogue):
    """Commands and answers in turn; returns the answers that differ."""
    return [
        (sent, answered.hex(" ").upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := face.transmit(bytes.fromhex(sent))) != bytes.fromhex(wanted)
    ]


def test_an_sle4442_from_selection_to_write():
    face = AcsFace(Sle4442(secret=b"\x11\x22\x33"))
    assert face.reset().hex() == "3b04a2131091"
    wrong = talk(
        face,
        SELECT_4442, "9000",
        "FFB0000008", "A2131091460B8115 9000",
        "FFB1000004", "07000000 9000",
        "FFB2000004", "FFFFFFFF 9000",
        "FFD0002002 5244", "6982",
        "FF20000003 112234", "9003",
        "FF20000003 112233", "9007",
        "FFD0002002 5244", "9000",
        "FFB0001F04", "FF5244FF 9000",
    )  # fmt: skip
    assert wrong == []


def test_90_00_after_a_secret_means_locked():
    face = AcsFace(Sle4442())
    wrong = talk(
        face,
        SELECT_4442, "9000",
        "FF20000003 000000", "9003",
        "FF20000003 000000", "9001",
        "FF20000003 000000", "9000",
        "FFB1000004", "00000000 9000",
        "FF20000003 FFFFFF", "9000",
        "FFD0002001 00", "6982",
        "FFB0002001", "FF 9000",
    )  # fmt: skip
    assert wrong == []


def test_an_sle4428():
    face = AcsFace(Sle4428(secret=b"\x11\x22"))
    assert face.reset().hex() == "3b0492231091"
    wrong = talk(
        face,
        SELECT_4428, "9000",
        "FFB0000004", "92231091 9000",
        "FFB1000003", "FF0000 9000",
        "FF20000002 1123", "907F",
        "FFB1000003", "7F0000 9000",
        "FF20000002 1122", "90FF",
        "FFD0020004 DEADBEEF", "9000",
        "FFB001FF06", "FFDEADBEEFFF 9000",
        "FFD003FD01 00", "6B00",
        "FFB003FD03", "FF0000 9000",
    )  # fmt: skip
    assert wrong == []


def test_protecting_compares_and_is_for_good():
    face = AcsFace(Sle4442())
    wrong = talk(
        face,
        SELECT_4442, "9000",
        "FFD1000001 A2", "6982",
        "FF20000003 FFFFFF", "9007",
        "FFD1000003 A2AA10", "9000",
        "FFB2000004", "FAFFFFFF 9000",
        "FFD0000003 000000", "9000",
        "FFB0000004", "A2001091 9000",
    )  # fmt: skip
    assert wrong == []


def test_protection_bits_of_an_sle4428():
    face = AcsFace(Sle4428())
    wrong = talk(
        face,
        SELECT_4428, "9000",
        "FF20000002 FFFF", "90FF",
        "FFD1001101 FF", "9000",
        "FFB2001001", "FD 9000",
        "FFB2000020", "FFFFFDFF" + "FF" * 28 + "9000",
        "FFB2000021", "6700",
    )  # fmt: skip
    assert wrong == []


def test_the_reader_of_2006_lets_protection_bytes_follow():
    old = AcsFace(Sle4442(), protection_follows=True)
    assert talk(old, SELECT_4442, "9000", "FFB0000004", "A2131091 FFFFFFFF 9000") == []
    old = AcsFace(Sle4428(), protection_follows=True)
    wrong = talk(
        old,
        SELECT_4428, "9000",
        "FFB0000004", "92231091 FF 9000",
        "FFB0000008", "92231091FFFFFFFF FFFF 9000",
        "FFB2000004", "92231091 9000",
    )  # fmt: skip
    assert wrong == []


def test_nothing_works_before_the_selection_and_power_off_loses_it():
    face = AcsFace(Sle4442())
    assert talk(face, "FFB0000004", "6985", SELECT_4442, "9000", "FFB0000004", "A2131091 9000") == []
    face.reset()
    assert talk(face, "FFB0000004", "6985") == []


def test_selecting_the_wrong_family_is_accepted_and_reads_nothing():
    chip = Sle4442()
    image = chip.image()
    wrong = talk(
        AcsFace(chip),
        SELECT_4428, "9000", "FFB0000004", "FFFFFFFF 9000", "FF20000002 FFFF", "6300", "FFD0002001 00", "6300",
    )  # fmt: skip
    assert wrong == []
    assert chip.image() == image


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("FFB000FF02", "6B00"), ("FFD0002002 AA", "6700"), ("FF20000002 FFFF", "6B00"), ("FFD2000103 FFFFFF", "6D00"),
        ("00A4000002 3F00", "6E00"), ("FFB000", "6700"), ("FFA4000000", "6700"), ("FFB2000104", "6B00"),
    ],
)  # fmt: skip
def test_commands_that_are_wrong(sent, answer):
    assert talk(AcsFace(Sle4442()), SELECT_4442, "9000", sent, answer) == []


def test_a_pulled_card_answers_nothing():
    chip = Sle4442()
    face = AcsFace(chip)
    assert talk(face, SELECT_4442, "9000", "FF20000003 FFFFFF", "9007") == []
    chip.tear_after = 2
    assert talk(face, "FFD0002003 010203", "", "FFB0002003", "", SELECT_4442, "", "FFB1000004", "") == []
    face.reset()
    assert talk(face, SELECT_4442, "9000", "FFB0002003", "0102FF 9000") == []
