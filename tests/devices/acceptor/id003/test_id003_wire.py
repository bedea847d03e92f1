"""ID003 frames: those that others have published, and any that chance brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor import kermit
from kiosk.devices.acceptor.id003 import wire

# Each frame stands in at least one public host; named is where its bytes, check included, can be read.
FRAMES = [
    # TerminalClient and Portalum.Id003 build them; lamassu-machine's id003rs232.js lists them whole
    ("FC 05 11 27 56", "11"),  # STATUS REQUEST
    ("FC 05 40 2B 15", "40"),  # RESET
    ("FC 05 41 A2 04", "41"),  # STACK-1
    ("FC 05 43 B0 27", "43"),  # RETURN
    ("FC 05 50 AA 05", "50"),  # ACK
    ("FC 06 C3 00 04 D6", "C3 00"),  # takes notes
    ("FC 06 C3 01 8D C7", "C3 01"),  # takes none
    ("FC 05 8A 7D 7C", "8A"),  # CURRENCY ASSIGN REQUEST
    ("FC 05 88 6F 5F", "88"),  # VERSION REQUEST
    # a Unity game's JCM driver on GitHub (AcceptBill, DisableBV, EnableBV)
    ("FC 05 42 39 36", "42"),  # STACK-2
    ("FC 07 C0 00 00 2D B5", "C0 00 00"),  # all denominations
    ("FC 07 C0 82 00 51 0A", "C0 82 00"),  # not the second and the eighth
    # slot machines' JCM_Bill_Acceptor and Mod_UBA on GitHub (StartVals)
    ("FC 07 C1 00 00 F1 EF", "C1 00 00"),  # SECURITY as shipped
    ("FC 06 C2 00 DC CF", "C2 00"),  # answers when asked only
    ("FC 07 C5 03 00 F8 A6", "C5 03 00"),  # OPTIONAL FUNCTION, two of them on
    ("FC 07 C6 01 12 BF 49", "C6 01 12"),  # BAR CODE FUNCTION
    ("FC 06 C7 FC 87 8C", "C7 FC"),  # BAR INHIBIT
]
# The form in which JCM's own firmware names itself, from a comment in a casino platform's note acceptor driver.
VERSION = b"i(USA)100-SS ID003-05V280-42 01AUG17 964D"


def h(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize(("frame", "body"), FRAMES)
def test_published_frames(frame, body):
    assert wire.encode(h(body)) == h(frame)
    assert wire.Decoder().feed(h(frame)) == [h(body)]


def test_the_check_is_the_catalogues():
    assert kermit.crc(b"123456789") == h("89 21")


def test_our_commands_are_the_published_ones():
    assert [wire.STATUS_REQUEST, wire.RESET, wire.STACK_1, wire.STACK_2] == [0x11, 0x40, 0x41, 0x42]
    assert [wire.RETURN, wire.HOLD, wire.WAIT, wire.ACK] == [0x43, 0x44, 0x45, 0x50]
    assert [wire.VERSION, wire.BOOT_VERSION, wire.CURRENCY] == [0x88, 0x89, 0x8A]
    assert wire.INHIBIT_OFF.hex() + wire.INHIBIT_ON.hex() == "c300c301"
    assert wire.SET_OPTIONS == 0xC5 and wire.OPTIONS == 0x85


def test_our_states_are_the_published_ones():
    """TerminalClient's and CIM-ARM's tables of states."""
    regular = [wire.IDLING, wire.ACCEPTING, wire.ESCROW, wire.STACKING, wire.VEND_VALID, wire.STACKED]
    regular += [wire.REJECTING, wire.RETURNING, wire.HOLDING, wire.DISABLED, wire.INITIALIZING]
    assert regular == list(range(0x11, 0x1C))
    errors = [wire.FULL, wire.OPEN, wire.JAM_IN_ACCEPTOR, wire.JAM_IN_STACKER, wire.PAUSE, wire.CHEATED, wire.FAILURE]
    assert errors == list(range(0x43, 0x4A))
    assert [wire.POWER_UP, wire.POWER_UP_IN_ACCEPTOR, wire.POWER_UP_IN_STACKER] == [0x40, 0x41, 0x42]
    assert {*regular, *errors, 0x40, 0x41, 0x42, wire.COMMUNICATION_ERROR} == wire.STATES


def test_a_set_bit_forbids():
    assert wire.set_denominations(frozenset(range(0x61, 0x71))) == h("C0 00 00")
    assert wire.set_denominations(frozenset()) == h("C0 FF FF")
    assert wire.set_denominations(frozenset(range(0x61, 0x71)) - {0x62, 0x68}) == h("C0 82 00")
    assert wire.set_denominations(frozenset({0x69})) == h("C0 FF FE")


@given(st.frozensets(st.integers(0x61, 0x70)))
def test_masks_are_read_back(kinds):
    assert wire.parse_denominations(wire.set_denominations(kinds)[1:]) == kinds


def test_a_currency_table():
    """Codes 2D for China (TerminalClient, and a casino platform's list: 45) and 01 for the United States."""
    rows = "61 2D 01 00  62 2D 05 00  63 2D 01 01  64 00 00 00  65 01 14 00  66 2D 05 01  67 2D 01 02  6F 2D 01 00"
    assert wire.parse_currency(h(rows)) == {0x61: 100, 0x62: 500, 0x63: 1000, 0x66: 5000, 0x67: 10_000}
    table = {0x61: 100, 0x62: 1000, 0x63: 10_000, 0x64: 2000}
    assert wire.parse_currency(wire.encode_currency(table)[1:]) == table


@pytest.mark.parametrize("rows", ["61 2D 01", "60 2D 01 00", "71 2D 01 00", "00 00 00 00", "61 2D 01 00" * 17])
def test_a_currency_table_that_is_none(rows):
    with pytest.raises(ValueError):
        wire.parse_currency(h(rows))


@pytest.mark.parametrize("fen", [50, 0, 25_700])
def test_a_value_that_no_row_says(fen):
    with pytest.raises(ValueError):
        wire.encode_currency({0x61: fen})


def test_a_version_is_text():
    assert wire.printable(VERSION + b"\x00\xff ") == VERSION.decode()
    assert wire.printable(b"") == ""


@pytest.mark.parametrize(
    ("question", "body", "fits"),
    [
        ("11", "11", True),
        ("11", "13 61", True),
        ("11", "4A", True),
        ("11", "4B", True),
        ("11", "50", False),
        ("11", "88 69", False),
        ("42", "50", True),
        ("42", "4B", True),
        ("42", "13 61", False),
        ("C3 01", "C3 01", True),
        ("C3 01", "C3 00", True),
        ("C3 01", "1A", False),
        ("8A", "8A 61 2D 01 00", True),
        ("8A", "88 69", False),
        ("8A", "4B", True),
    ],
)
def test_what_can_answer_what(question, body, fits):
    assert wire.answers(h(question), h(body)) is fits


@pytest.mark.parametrize("body", [b"", b"x" * 252])
def test_a_body_no_frame_carries(body):
    with pytest.raises(ValueError):
        wire.encode(body)


bodies = st.binary(min_size=1, max_size=251)


@given(st.lists(bodies, max_size=6), st.data())
def test_frames_are_found_however_they_are_cut(sent, data):
    stream = b"".join(wire.encode(body) for body in sent)
    decoder, got = wire.Decoder(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert got == sent


@given(st.binary(max_size=60), bodies)
def test_after_any_garbage_frames_are_heard_again(noise, body):
    decoder = wire.Decoder()
    decoder.feed(noise)
    for _ in range(60):  # the longest frame that garbage can pretend to begin runs out
        decoder.feed(wire.encode(b"\x11"))
    assert decoder.feed(wire.encode(body))[-1] == body


@given(bodies, st.data())
def test_one_wrong_bit_makes_it_no_frame(body, data):
    frame = bytearray(wire.encode(body))
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    assert body not in wire.Decoder().feed(bytes(frame))


def test_a_begun_frame_can_be_given_up():
    decoder = wire.Decoder()
    assert decoder.feed(h("FC 2F 88")) == [] and decoder.begun
    decoder.clear()
    assert not decoder.begun and decoder.feed(h("FC 05 11 27 56")) == [h("11")]
    assert wire.Decoder().feed(h("FC 03 FC 05 11 27 56")) == [h("11")], "no frame is shorter than five"
