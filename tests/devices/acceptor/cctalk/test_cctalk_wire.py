"""ccTalk frames: those that others have published, and any that chance brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor.cctalk import values, wire
from kiosk.devices.acceptor.cctalk.wire import Frame

# (the frame, to, from, header, data)
GENERIC = [  # ccTalk Generic Specification, part 1; dotnet-cctalk's tests; hackaday.io project 194826 (Microcoin QL)
    ("02 00 01 F2 0B", 2, 1, wire.SERIAL, ""),
    ("01 03 02 00 4E 61 BC 8F", 1, 2, wire.REPLY, "4E 61 BC"),
    ("02 00 01 F5 08", 2, 1, wire.CATEGORY, ""),
    ("01 0D 02 00 43 6F 69 6E 20 41 63 63 65 70 74 6F 72 16", 1, 2, wire.REPLY, b"Coin Acceptor".hex()),
    ("02 00 01 F6 07", 2, 1, wire.MANUFACTURER, ""),
    ("02 00 01 FE FF", 2, 1, wire.SIMPLE_POLL, ""),
    ("01 00 02 00 FD", 1, 2, wire.REPLY, ""),
]
PELICANO = [  # Azkoyen Pelicano hosts on GitHub (ValidatorPelicano.hpp, a Python test of one), a host emulator there
    ("02 02 01 E7 FF FF 16", 2, 1, wire.INHIBITS, "FF FF"),
    ("02 02 01 E7 F7 FE 1F", 2, 1, wire.INHIBITS, "F7 FE"),
    ("02 01 01 E4 01 17", 2, 1, wire.MASTER_INHIBIT, "01"),
    ("02 01 01 E4 00 18", 2, 1, wire.MASTER_INHIBIT, "00"),
    ("02 00 01 E5 18", 2, 1, wire.COIN_EVENTS, ""),
    ("02 00 01 E8 15", 2, 1, wire.SELF_CHECK, ""),
    ("02 00 01 01 FC", 2, 1, wire.RESET, ""),
    ("01 03 02 00 59 47 51 09", 1, 2, wire.REPLY, "59 47 51"),  # serial number 5326681
]
AZKOYEN = [  # Azkoyen, Modular X6 ccTalk, manual E 10210, §5.5, §5.19, §5.20, §5.48
    ("03 00 01 FA 02", 3, 1, 250, ""),
    ("01 00 03 00 FC", 1, 3, wire.REPLY, ""),
    ("02 00 01 E6 17", 2, 1, 230, ""),
    ("01 02 02 00 00 00 FB", 1, 2, wire.REPLY, "00 00"),
    ("01 0B 02 00 06 06 04 00 14 00 17 06 04 0D 02 9E", 1, 2, wire.REPLY, "06 06 04 00 14 00 17 06 04 0D 02"),
    ("01 01 02 00 06 F6", 1, 2, wire.REPLY, "06"),
]
SUZOHAPP = [  # SuzoHapp, Flow Hopper ccTalk manual 0.6, headers 244, 242, 241, 163, 164
    ("03 00 01 F4 08", 3, 1, wire.PRODUCT, ""),
    ("01 06 03 00 50 61 79 6F 75 74 74", 1, 3, wire.REPLY, b"Payout".hex()),
    ("03 00 01 F2 0A", 3, 1, wire.SERIAL, ""),
    ("01 03 03 00 4E 46 05 60", 1, 3, wire.REPLY, "4E 46 05"),  # serial number 345678
    ("03 00 01 F1 0B", 3, 1, 241, ""),
    ("03 00 01 A3 59", 3, 1, 163, ""),
    ("01 02 03 00 80 80 FA", 1, 3, wire.REPLY, "80 80"),
    ("03 01 01 A4 A5 B2", 3, 1, 164, "A5"),
    ("03 08 01 A1 5B DA AA 6F 9A 5D C5 06 43", 3, 1, 161, "5B DA AA 6F 9A 5D C5 06"),
    ("01 08 03 00 B9 FE 5F AC 75 0A 7B 98 A0", 1, 3, wire.REPLY, "B9 FE 5F AC 75 0A 7B 98"),
]
WITH_CRC = [  # 4gsim/dotnet-cctalk, CcTalkCrc16Tests
    ("28 00 46 01 3F", 40, wire.RESET, ""),
    ("01 00 30 00 37", 1, wire.REPLY, ""),
]


def h(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize(("frame", "to", "sender", "header", "data"), GENERIC + PELICANO + AZKOYEN + SUZOHAPP)
def test_published_frames(frame, to, sender, header, data):
    assert wire.encode(to, header, h(data), sender) == h(frame)
    assert wire.decode(h(frame)) == Frame(to, header, h(data), sender)
    with pytest.raises(ValueError):
        wire.decode(h(frame), "crc")


@pytest.mark.parametrize(("frame", "to", "header", "data"), WITH_CRC)
def test_published_frames_with_a_crc(frame, to, header, data):
    assert wire.encode(to, header, h(data), check="crc") == h(frame)
    assert wire.decode(h(frame), "crc") == Frame(to, header, h(data), None)
    with pytest.raises(ValueError):
        wire.decode(h(frame))


@pytest.mark.parametrize(
    ("checked", "crc"),
    [(b"123456789", 0x31C3), (b"\x01", 0x1021), (b"\x80", 0x9188), (b"\xff", 0x1EF0), (b"", 0)],
)
def test_the_crc_of_the_catalogue_and_of_cctalk_hosts_table(checked, crc):
    assert wire.crc(checked) == crc


def test_what_the_published_answers_say():
    assert wire.serial_number(h("4E 61 BC")) == "12345678"
    assert wire.serial_number(h("4E 46 05")) == "345678"
    assert wire.serial_number(b"") == ""
    assert wire.text(b"AZK\0 ") == "AZK"
    assert wire.polling_ms(h("02 14")) == 200  # Azkoyen X6, §5.6
    assert [wire.polling_ms(h(said)) for said in ("01 64", "03 01", "00 00", "02 00", "02", "")] == [
        100,
        1_000,
        None,
        None,
        None,
        None,
    ]
    assert wire.count(h("01 02 00")) == 513 and wire.count(b"\1\2") is None


def test_masks():
    assert wire.parse_mask(h("F7 FE")) == frozenset(range(1, 17)) - {4, 9}  # "inhibit 50": coins 4 and 9
    assert wire.mask(frozenset({1})) == h("01 00") and wire.mask(frozenset({16})) == h("00 80")
    assert wire.mask(frozenset(range(1, 17))) == wire.KINDS_ALL
    with pytest.raises(ValueError):
        wire.parse_mask(b"\1")


frames = st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=wire.DATA_MAX))
checks = st.sampled_from(["sum", "crc"])


@given(frames, checks)
def test_any_frame_is_read_as_it_was_written(frame, check):
    to, header, data = frame
    made = wire.encode(to, header, data, check=check)
    assert wire.length(made) == len(made) and wire.length(made[:1]) is None
    read = wire.decode(made, check)
    assert (read.to, read.header, read.data) == frame


@given(frames, checks, st.data())
def test_one_wrong_bit_makes_it_no_frame(frame, check, data):
    made = bytearray(wire.encode(*frame, check=check))
    bit = data.draw(st.integers(0, len(made) * 8 - 1))
    made[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError):
        wire.decode(bytes(made), check)


@pytest.mark.parametrize("frame", ["", "02 00 01 FE", "02 01 01 FE FE", "02 00 01 FE FF 00"])
def test_what_is_no_whole_frame(frame):
    with pytest.raises(ValueError):
        wire.decode(h(frame))


def test_too_much_for_a_frame():
    with pytest.raises(ValueError, match="252"):
        wire.encode(2, 1, bytes(253))


@pytest.mark.parametrize(
    ("name", "fen"),
    [
        ("CN010A", 10),
        ("CN050A", 50),
        ("CN100B", 100),
        ("CN1K0A", 1_000),
        ("CN10KA", 10_000),
        ("CNK25A", 250),
        ("CN2M0A", 2_000_000),
        ("CN2.5A", None),  # no whole fen
        ("CN5m0A", None),
        ("CN000A", None),
        ("CN1KKA", None),
        ("EU100A", None),
        ("TK100A", None),  # a token
        ("......", None),
        ("CN100", None),
        ("CN1²0A", None),
        ("", None),
    ],
)
def test_what_a_coin_is_worth(name, fen):
    assert values.coin_fen(name.encode("utf-8"), "CN") == fen


@pytest.mark.parametrize(
    ("name", "scaling", "fen"),
    [
        ("CN0001A", "64 00 02", 100),
        ("CN0100A", "64 00 02", 10_000),
        ("CN0050B", "01 00 00", 5_000),
        ("CN5000A", "01 00 02", 5_000),
        ("CN0005A", "E8 03 02", 5_000),
        ("CN0005A", "01 00 03", None),  # half a fen
        ("CN0005A", "00 00 00", None),  # the device does not know the country
        ("CN0005A", "64 00", None),
        ("EU0005A", "64 00 02", None),
        (".......", "64 00 02", None),
        ("CN5A", "64 00 02", None),
        ("CNxxxxA", "64 00 02", None),
    ],
)
def test_what_a_note_is_worth(name, scaling, fen):
    assert values.bill_fen(name.encode("ascii"), "CN", h(scaling)) == fen


@given(st.binary(max_size=8), st.binary(max_size=4))
def test_no_name_breaks_it(name, scaling):
    for worth in (values.coin_fen(name, "CN"), values.bill_fen(name, "CN", scaling)):
        assert worth is None or worth > 0
