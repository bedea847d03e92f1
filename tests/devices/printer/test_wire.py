import pytest
from PIL import Image

from kiosk.devices.printer import wire
from kiosk.devices.printer.wire import Sensors


def dots(rows, width=8):
    """An image from rows of '#' and '.', white to the right."""
    image = Image.new("1", (width, len(rows)), 1)
    for y, row in enumerate(rows):
        for x, dot in enumerate(row):
            image.putpixel((x, y), dot != "#")
    return image


def test_golden_questions():
    assert [question.hex(" ") for question in wire.QUESTIONS] == ["10 04 01", "10 04 02", "10 04 03", "10 04 04"]
    assert wire.ASK_DONE.hex(" ") == "1d 72 01"


@pytest.mark.parametrize(
    ("answers", "sensors"),
    [  # Epson's tables of DLE EOT; 1A 32 12 7E is a TM-T20 without paper
        ("12 12 12 12", Sensors()),
        ("16 12 12 12", Sensors()),  # the drawer's pin says nothing of paper
        ("12 12 12 1e", Sensors(paper_low=True)),
        ("1a 32 12 7e", Sensors(offline=True, stopped=True, paper_low=True, paper_out=True)),
        ("1a 16 12 12", Sensors(offline=True, cover_open=True)),
        ("1a 52 1a 12", Sensors(offline=True, cutter_error=True)),
        ("1a 52 32 12", Sensors(offline=True, broken=True)),
        ("1a 52 52 12", Sensors(offline=True, hot=True)),
        ("1a 1a 12 12", Sensors(offline=True, feeding=True)),
    ],
)
def test_golden_answers(answers, sensors):
    assert Sensors.understood(bytes.fromhex(answers)) == sensors
    if answers[:2] != "16":
        assert bytes(sensors.answer(n) for n in (1, 2, 3, 4)).hex(" ") == answers


def test_an_error_without_a_cause_and_the_older_mechanical_bit_are_faults():
    assert Sensors.understood(bytes.fromhex("1a 52 12 12")).fault
    assert Sensors.understood(bytes.fromhex("1a 52 16 12")).fault


@pytest.mark.parametrize("answers", ["12 12 12", "12 12 12 12 12", "12 12 12 00", "ff 12 12 12", "13 12 12 12"])
def test_other_bytes_are_not_answers(answers):
    with pytest.raises(ValueError, match="not four answers"):
        Sensors.understood(bytes.fromhex(answers))


def test_no_byte_can_answer_both_questions():
    status = {byte for byte in range(256) if wire.is_status(byte)}
    done = {byte for byte in range(256) if wire.is_done(byte)}
    assert {0x12, 0x7E} <= status
    assert {0x00, 0x03, 0x0C, 0x0F} <= done
    assert not status & done
    assert not {0xFF, 0x55, 0x11, 0x13} & (status | done)


def test_golden_picture_cut_and_reset():
    image = dots(["#......#", "........", "...##..."])
    assert [band.hex(" ") for band in wire.picture(image)] == [
        "1d 76 30 00 01 00 01 00 81",
        "1d 76 30 00 01 00 01 00 00",
        "1d 76 30 00 01 00 01 00 18",
    ]
    assert wire.reset().hex(" ") == "1b 40"
    assert wire.cut().hex(" ") == "1d 56 42 00"


def test_a_band_is_no_wider_than_its_ink_and_no_higher_than_the_buffer_holds():
    image = dots(["#" * 576] * 50 + ["." * 576] * 300 + ["." * 7 + "###"] * 2, 576)
    heads = [band[4:8].hex(" ") for band in wire.picture(image)]
    assert heads == ["48 00 18 00", "48 00 18 00", "48 00 02 00", "01 00 ff 00", "01 00 2d 00", "02 00 02 00"]
    band = len(next(wire.picture(image))) + len(wire.ASK_DONE)
    assert 2 * band <= 4096
    assert len(wire.FILLING) >= band - len(wire.ASK_DONE) - 8


@pytest.mark.parametrize("second", ["04", "05", "14"])
def test_a_picture_never_holds_a_real_time_command(second):
    image = Image.frombytes("1", (16, 2), bytes(byte ^ 0xFF for byte in bytes.fromhex("0110" + second + "10")))
    (band,) = wire.picture(image)
    assert band[8:].hex(" ") == f"01 18 {second} 10"


@pytest.mark.parametrize("image", [Image.new("L", (576, 8)), Image.new("1", (584, 8)), Image.new("1", (12, 8))])
def test_other_pictures_are_refused(image):
    with pytest.raises(ValueError, match="prints black and white"):
        next(wire.picture(image))
