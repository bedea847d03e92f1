"""CCNET frames: those that others have published, and any that chance brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor.ccnet import wire

# "CashCode NET Interface" MAN_CCNET; TerminalClient; desionlab/node-cashcode-bv; pdewit converter tests
COMMANDS = [
    ("02 03 06 33 DA 81", "33"),  # POLL
    ("02 03 06 30 41 B3", "30"),  # RESET
    ("02 03 06 00 C2 82", "00"),  # ACK
    ("02 03 06 FF BA 8D", "FF"),  # NAK
    ("02 03 06 31 C8 A2", "31"),  # GET STATUS
    ("02 03 06 35 EC E4", "35"),  # STACK
    ("02 03 06 36 77 D6", "36"),  # RETURN
    ("02 03 06 37 FE C7", "37"),  # IDENTIFICATION
    ("02 03 06 41 4F D1", "41"),  # GET BILL TABLE
    ("02 03 06 32 53 90", "32"),  # SET SECURITY without its content
    ("02 03 0C 34 FF FF FF 00 00 00 B5 C1", "34 FF FF FF 00 00 00"),
    ("02 03 0C 34 FF FF FF FF FF FF FE F7", "34 FF FF FF FF FF FF"),
    ("02 03 0C 34 00 00 00 00 00 00 17 0C", "34 00 00 00 00 00 00"),
    ("02 03 0C 34 00 00 7C 00 00 00 66 C1", "34 00 00 7C 00 00 00"),
]
IDENTITY = (
    "02 03 27 46 4C 53 2D 45 55 31 30 2D 36 39 33 36 33 39 30 37 4B 49 34 31 41 53 37 34 38 32 "
    "75 ED 8D C8 03 3F 7B 35 DA"
)
# The same sources, and a CashCode SM with Ukrainian notes as an Arduino stand-in for one on GitHub replays it
# (CashCode_request_reply, CashCode_request_type_reply, CashCode_1000uah …).
SM_IDENTITY = (
    "02 03 27 56 55 2D 55 41 31 38 33 37 41 46 20 20 20 20 30 30 4B 35 30 35 30 32 31 38 31 31 "
    "41 10 00 00 00 C9 FF BB 46"
)
SM_TABLE = (
    "02 03 7D 05 55 4B 52 00 01 55 4B 52 01 02 55 4B 52 01 05 55 4B 52 01 01 55 4B 52 02 02 55 4B 52 02 05 55 4B 52 02 "
    "01 55 4B 52 03" + " 00" * 80 + " F9 E7"
)
ANSWERS = [
    ("02 03 06 14 67 D4", "14"),  # IDLING
    ("02 03 06 19 82 0F", "19"),  # UNIT DISABLED
    ("02 03 06 15 EE C5", "15"),  # ACCEPTING
    ("02 03 06 17 FC E6", "17"),  # STACKING
    ("02 03 07 80 07 33 47", "80 07"),  # escrow, type 7
    ("02 03 07 81 07 EB 5E", "81 07"),  # stacked, type 7
]


def h(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize(("frame", "body"), COMMANDS + ANSWERS)
def test_published_frames(frame, body):
    assert wire.encode(h(body)) == h(frame)
    assert wire.Decoder().feed(h(frame)) == [h(body)]


def test_published_identities():
    [body] = wire.Decoder().feed(h(IDENTITY))
    assert wire.parse_identity(body) == "FLS-EU10-693639 07KI41AS7482"
    [body] = wire.Decoder().feed(h(SM_IDENTITY))
    assert wire.parse_identity(body) == "VU-UA1837AF 00K505021811"
    with pytest.raises(ValueError, match="34"):
        wire.parse_identity(body[:-1])


def test_a_published_table():
    [body] = wire.Decoder().feed(h(SM_TABLE))
    table = wire.parse_table(body)
    assert [kind.fen for kind in table[:8]] == [500, 1000, 2000, 5000, 10000, 20000, 50000, 100000]
    assert {kind.country for kind in table[:8]} == {"UKR"}
    assert table[8:] == (None,) * 16
    assert wire.encode_table(table) == body


def test_the_masks_of_the_published_commands():
    assert wire.enable(frozenset(range(24))) == h("34 FF FF FF FF FF FF")
    assert wire.enable(frozenset()) == h("34 00 00 00 00 00 00")
    assert wire.mask(frozenset({2, 3, 4, 5, 6})) == h("00 00 7C")
    assert wire.parse_mask(h("80 00 01")) == {0, 23}


@pytest.mark.parametrize(
    ("value", "exponent", "fen"), [(1, 0, 100), (5, -1, 50), (1, 2, 10_000), (1, -2, 1), (5, -3, None)]
)
def test_the_exponent_has_a_sign(value, exponent, fen):
    kind = wire.NoteType(value, "CNY", exponent)
    assert kind.fen == fen
    assert wire.parse_table(wire.encode_table((kind,)))[0] == kind


@pytest.mark.parametrize("answer", [b"", b"\0" * 119, b"\0" * 121, bytes((1, 0xFF, 0xFF, 0xFF, 0)) * 24])
def test_a_table_that_is_none(answer):
    with pytest.raises(ValueError):
        wire.parse_table(answer)


def test_a_long_frame_has_two_bytes_of_length():
    frame = wire.encode(b"\x41" * 251)
    assert frame[:5] == h("02 03 00 01 02")
    assert len(frame) == 0x102
    assert wire.Decoder().feed(frame) == [b"\x41" * 251]
    assert wire.encode(b"\x41" * 250)[2] == 255


@pytest.mark.parametrize("body", [b"", b"x" * 1017])
def test_a_body_no_frame_carries(body):
    with pytest.raises(ValueError):
        wire.encode(body)


bodies = st.binary(min_size=1, max_size=400)


@given(st.lists(bodies, max_size=6), st.data())
def test_frames_are_found_however_they_are_cut(sent, data):
    stream = b"".join(wire.encode(body) for body in sent)
    decoder, got = wire.Decoder(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert got == sent


@given(st.binary(max_size=40).filter(lambda noise: wire.SYNC not in noise), bodies)
def test_garbage_before_a_frame_is_passed_over(noise, body):
    assert wire.Decoder().feed(noise + wire.encode(body)) == [body]


@given(st.binary(max_size=60), bodies)
def test_after_any_garbage_frames_are_heard_again(noise, body):
    # The longest frame that garbage can pretend to begin must run out; then every frame is heard.
    decoder = wire.Decoder()
    decoder.feed(noise)
    filler = wire.encode(b"\x14")
    for _ in range(wire.LENGTH_MAX // len(filler) + 2):
        decoder.feed(filler)
    assert decoder.feed(wire.encode(body))[-1] == body


@given(bodies, st.data())
def test_one_wrong_bit_makes_it_no_frame(body, data):
    frame = bytearray(wire.encode(body))
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    assert body not in wire.Decoder().feed(bytes(frame))


def test_a_broken_frame_does_not_take_the_next_with_it():
    good = wire.encode(b"\x14")
    assert wire.Decoder().feed(good[:4] + good) == [b"\x14"]
    decoder = wire.Decoder()
    assert decoder.feed(h("02 03 27 46") + good) == [], "39 bytes may still be coming"
    decoder.clear()
    assert decoder.feed(good) == [b"\x14"]
    assert wire.Decoder().feed(h("02 03 06 33 DA 80") + good) == [b"\x14"]
