import pytest
from escpos.printer import Dummy
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kiosk.devices.printer.commands import Commands, Cut, Feed, Ignored, Picture, RealTime, Report, Reset, Text, rows


def understood(*pieces):
    stream, found = Commands(), []
    for piece in pieces:
        stream.receive(piece)
        while command := stream.next():
            found.append(command)
    return found, len(stream)


@pytest.mark.parametrize(
    ("raw", "command"),
    [
        ("1b 40", Reset()),
        ("1b 64 06", Feed(180)),
        ("1b 4a 50", Feed(80)),
        ("1d 56 00", Cut()),
        ("1d 56 01", Cut()),
        ("1d 56 30", Cut()),
        ("1d 56 41 10", Cut()),
        ("1d 56 42 00", Cut()),
        ("1b 69", Cut()),
        ("1b 6d", Cut()),
        ("1d 72 01", Report(1)),
        ("1d 76 30 00 02 00 02 00 1b 40 10 04", Picture(2, bytes.fromhex("1b 40 10 04"))),
        ("48 69 0a", Text(b"Hi\n")),
        ("10 04 01", Ignored(b"\x10\x04\x01")),
        ("1b 2a 21 02 00 01 02 03 04 05 06", Ignored(bytes.fromhex("1b 2a 21 02 00 01 02 03 04 05 06"))),
        ("1d 6b 04 31 32 00", Ignored(b"\x1dk\x0412\x00")),
        ("1d 6b 49 02 31 32", Ignored(b"\x1dkI\x0212")),
    ],
)
def test_golden_commands_whole_and_byte_by_byte(raw, command):
    raw = bytes.fromhex(raw)
    assert understood(raw + b"\x1b@") == ([command, Reset()], 0)
    if not isinstance(command, Text):
        assert understood(*(bytes((byte,)) for byte in raw)) == ([command], 0)


def test_everything_python_escpos_sends_is_stepped_over_and_the_pictures_found():
    image = Image.frombytes("1", (16, 2), bytes(byte ^ 0xFF for byte in b"\x01\x02\x03\x04"))
    maker = Dummy(profile="TM-T20II")
    maker.hw("INIT")
    maker.set(bold=True, underline=1, align="center", double_height=True, font="b", invert=True, density=3, smooth=True)
    maker.charcode("CP437")
    maker.line_spacing(60)
    maker.panel_buttons(enable=False)
    maker.cashdraw(2)
    maker.barcode("123456789012", "EAN13")
    maker.barcode("{B1234", "CODE128", function_type="B")
    maker.qr("https://example.org", native=True)
    maker.image(image, impl="bitImageRaster")
    maker.image(image, impl="graphics")
    maker.image(image, impl="bitImageColumn")
    maker.buzzer()
    maker.text("End\n")
    maker.cut()
    found, left = understood(maker.output)
    assert left == 0
    assert [command for command in found if isinstance(command, Picture)] == [Picture(2, b"\x01\x02\x03\x04")] * 2
    assert found[0] == Reset()
    assert found[-2:] == [Feed(180), Cut()]
    assert b"End\n" in b"".join(command.text for command in found if isinstance(command, Text))


def test_rows():
    assert list(rows(Picture(2, b"abcdef"))) == [b"ab", b"cd", b"ef"]
    assert list(rows(Picture(0, b""))) == []


def test_questions_are_heard_inside_data_and_across_pieces():
    heard = RealTime()
    assert heard.heard(b"\x1dv0\x00\x10\x04\x01\x10") == [1]
    assert heard.heard(b"\x04") == []
    assert heard.heard(b"\x04\x10\x04\x02\x10\x04\x05") == [4, 2]
    assert heard.heard(b"\x10\x04") == []


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=8))
def test_no_noise_stops_the_printer_or_makes_it_invent_bytes(pieces):
    found, left = understood(*pieces)
    assert left <= sum(map(len, pieces))
    assert len(found) <= sum(map(len, pieces))
