"""The frame of contract 1 §1, to the byte; the golden frames are typed from the contract's text."""

import pytest
from driver_bench import by_hand
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers.frame import DATA_MAX, FRAME_MAX, Frame, FrameFault, ItemFault, pack_items, unpack_items

GOLDEN = {
    "DESCRIBE": ("68 10 00 00 10 16", 0x10, {}),
    "READ": ("68 11 00 00 11 16", 0x11, {}),
    "no card": ("68 D1 00 05 FF 01 00 01 03 DA 16", 0xD1, {0xFF01: b"\x03"}),
    "count 0 and an unknown customer": (
        "68 91 00 0C 02 06 00 04 00 00 00 00 02 03 00 00 AE 16",
        0x91,
        {0x0206: bytes(4), 0x0203: b""},
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frames(name):
    text, command, items = GOLDEN[name]
    raw = bytes.fromhex(text)
    frame = Frame.decode(raw)
    assert (frame.command, frame.items()) == (command, items)
    assert Frame(command, pack_items(items)).encode() == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "68",
        "68 11 00 00 11",
        "67 11 00 00 11 16",
        "68 11 00 00 11 17",
        "68 11 00 00 12 16",
        "68 11 00 00 79 16",  # the 68 counted in
        "68 11 00 01 12 16",
        "68 11 00 00 00 11 16",  # a byte of DATA that L does not know of
        "68 11 00 00 11 16 00",
        "00 68 11 00 00 11 16",
        "68 11 01 00 AA 12 16 16",  # length low byte first
        "68 11 00 00 11 16 68 11 00 00 11 16",
    ],
)
def test_a_fault_of_the_outer_frame_is_a_frame_fault(text):
    with pytest.raises(FrameFault):
        Frame.decode(bytes.fromhex(text))


def test_data_has_2048_bytes_at_most_in_both_directions():
    longest = by_hand(0x91, (0x0205, bytes(2044)))
    assert len(longest) == FRAME_MAX == 2054
    assert Frame.decode(longest).items() == {0x0205: bytes(2044)}
    assert Frame(0x91, longest[4:-2]).encode() == longest
    with pytest.raises(FrameFault):
        Frame.decode(by_hand(0x91, (0x0205, bytes(2045))))
    with pytest.raises(ValueError, match="2049"):
        Frame(0x91, bytes(2049)).encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("02", "cut short"),
        ("02 06 00", "cut short"),
        ("02 06 00 04 00 00 00", "cut short"),
        ("02 06 FF FF 00", "cut short"),
        ("05 05 00 01 01 05 05 00 01 01", "twice"),
        ("7F 01 00 00 7F 01 00 00", "twice"),
    ],
)
def test_a_fault_inside_data_is_an_item_fault(text, why):
    with pytest.raises(ItemFault, match=why):
        unpack_items(bytes.fromhex(text))


def test_items_keep_the_order_they_were_given_in():
    items = {0x0504: b"b", 0x0203: b"a", 0x0206: b""}
    assert pack_items(items) == bytes.fromhex("05 04 00 01 62 02 03 00 01 61 02 06 00 00")
    assert list(unpack_items(pack_items(items))) == [0x0504, 0x0203, 0x0206]


@given(st.integers(0, 255), st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=20))
def test_what_is_encoded_is_decoded_again(command, items):
    raw = Frame(command, pack_items(items)).encode()
    assert raw == by_hand(command, *items.items())
    assert Frame.decode(raw).items() == items


@given(st.binary(max_size=64) | st.binary(max_size=20).map(lambda middle: b"\x68" + middle + b"\x16"))
def test_any_bytes_are_a_frame_or_a_frame_fault(raw):
    try:
        frame = Frame.decode(raw)
    except FrameFault:
        return
    assert frame.encode() == raw


@given(st.binary(max_size=64))
def test_any_data_is_items_or_an_item_fault(content):
    try:
        items = unpack_items(content)
    except ItemFault:
        return
    assert pack_items(items) == content


@given(st.data())
def test_a_frame_with_one_byte_changed_is_never_taken(data):
    raw = bytearray(by_hand(0x13, (0x0203, b"1234567890"), (0x0206, bytes(4))))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameFault):
        Frame.decode(bytes(raw))


def test_the_limits_are_the_contracts():
    assert (DATA_MAX, FRAME_MAX) == (2048, 2054)
