"""SSP packets: those that others have published, and any that chance brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.wire import Channel, Packet, Setup, Told

# Innovative Technology, SSP manual GA138 (2.2.2, and 2.2.2129 of the NV9USB, packet examples); tests of kybarg/ssp
COMMANDS = [
    ("7F8001116582", "11"),  # SYNC
    ("7F8001010602", "01"),  # RESET
    ("7F800206072194", "0607"),  # HOST PROTOCOL VERSION 7
    ("7F800206080394", "0608"),
    ("7F800206090614", "0609"),
    ("7F8001093582", "09"),  # DISABLE
    ("7F80010A3F82", "0A"),  # ENABLE
    ("7F8001071202", "07"),  # POLL
    ("7F8001083002", "08"),  # REJECT
    ("7F8001177182", "17"),  # LAST REJECT CODE
    ("7F8001185382", "18"),  # HOLD
    ("7F800156F783", "56"),  # POLL WITH ACK
    ("7F800157F203", "57"),  # EVENT ACK
    ("7F8001051D82", "05"),  # SETUP REQUEST
    ("7F80010C2B82", "0C"),  # GET SERIAL NUMBER
    ("7F800158D003", "58"),  # GET COUNTERS
    ("7F8003020700 2BB6", "020700"),  # SET INHIBITS, channels 1 to 3
    ("7F800302FFFF25A4", "02FFFF"),
    ("7F80094AC5058F3A00000000B273", "4AC5058F3A00000000"),  # SET GENERATOR 982451653
    ("7F80094B8DA61300000000006CF6", "4B8DA6130000000000"),  # SET MODULUS 1287821
    ("7F80094C79C89CE2DE0600009D52", "4C79C89CE2DE060000"),  # REQUEST KEY EXCHANGE 7554354432121
]
ANSWERS = [
    ("7F8001F02380", "F0"),
    ("7F8001F53D80", "F5"),  # COMMAND CANNOT BE PROCESSED
    ("7F8001F81000", "F8"),  # FAIL
    ("7F8005F0001C962CD497", "F0001C962C"),  # serial number 1873452
    ("7F8002F0080C20", "F008"),  # rejected by the host
    ("7F8016F005110000002800000023000000 0A0000001000000072B7", "F005110000002800000023000000 0A00000010000000"),
    ("7F8009F023681BFAE53C27DB808A", "F023681BFAE53C27DB"),  # a device's part of a key
    ("7F8009F0273B000000000000C7EA", "F0273B000000000000"),
]
POLLS = [
    ("7F8002F0F11A22", [Told(0xF1)]),
    ("7F8003F0F1E8BF8C", [Told(0xF1), Told(0xE8)]),
    ("7F8003F0EF00CFCA", [Told(0xEF, 0)]),
    ("7F8003F0EF03C5CA", [Told(0xEF, 3)]),
    ("7F8003F0EE04D7CC", [Told(0xEE, 4)]),
    ("7F8004F0EE01EBB948", [Told(0xEE, 1), Told(0xEB)]),
    ("7F8004F0CCEE0162AA", [Told(0xCC), Told(0xEE, 1)]),
    ("7F8002F0ED51A2", [Told(0xED)]),
    ("7F8002F0EC5422", [Told(0xEC)]),
    ("7F8002F0CC97A2", [Told(0xCC)]),
    ("7F8002F0EB45A2", [Told(0xEB)]),
    ("7F8002F0E94A22", [Told(0xE9)]),
    ("7F8002F0E84FA2", [Told(0xE8)]),
    ("7F8003F0E602C07C", [Told(0xE6, 2)]),
    ("7F8002F0E76DA2", [Told(0xE7)]),
    ("7F8003F0E100CC6E", [Told(0xE1, 0)]),
    ("7F8003F0E202C3E4", [Told(0xE2, 2)]),
    ("7F8002F0E07C22", [Told(0xE0)]),
    ("7F8002F0B58223", [Told(0xB5)]),
    ("7F8002F0B68823", [Told(0xB6)]),
]
# GA138's example; its real value multiplier is none, so nobody knows what the notes are worth
SETUP_GBP = "7F8017F0003031303047425000000103050A14020202400000056181"
# kybarg/ssp: a SMART Payout with a USD dataset, protocols 4 and 6; a validator with EUR
SETUP_USD_4 = "F0063034353955534400000107010205 0A14326402020202020202 000064 04"
SETUP_USD_6 = (
    "F0063034353955534400000107010205 0A14326402020202020202 000064 06"
    + "555344" * 7
    + "01000000 02000000 05000000 0A000000 14000000 32000000 64000000"
)
SETUP_EUR_4 = "F0003031303045555200000103050A14020202000064 04"


def data(hexed):
    packets = wire.Decoder().feed(bytes.fromhex(hexed))
    assert [wire.encode(packet) for packet in packets] == [bytes.fromhex(hexed)]
    return packets[0].data


@pytest.mark.parametrize(("hexed", "inside"), COMMANDS + ANSWERS)
def test_published_packets_are_read_and_written_byte_for_byte(hexed, inside):
    assert data(hexed) == bytes.fromhex(inside)


@pytest.mark.parametrize(("hexed", "told"), POLLS)
def test_published_answers_to_polls(hexed, told):
    assert wire.parse_poll(data(hexed)) == (told, True)
    assert wire.encode_poll(told) == data(hexed)
    assert wire.fits(bytes((wire.POLL,)), data(hexed))


# kybarg/ssp, its tests of the check
@pytest.mark.parametrize(
    ("text", "check"),
    [("", "FFFF"), ("A", "84FC"), ("ABC", "9B06"), ("AAAAAAAA", "E8A6"), ("ABCD", "8C9A")],
)
def test_published_checks(text, check):
    assert wire.crc(text.encode()) == bytes.fromhex(check)


def test_inhibits_of_the_manual():
    assert wire.inhibits(frozenset({1, 2, 3})) == data("7F80030207002BB6")
    assert wire.inhibits(frozenset(range(1, 17))) == data("7F800302FFFF25A4")
    assert wire.parse_inhibits(bytes.fromhex("0700")) == {1, 2, 3}
    assert wire.inhibits(frozenset({17})) == bytes.fromhex("020000")


def test_counters_and_serial_number_of_the_manual():
    assert wire.parse_counters(data(ANSWERS[5][0])) == 17
    assert wire.parse_serial(data("7F8005F0001C962CD497")) == "1873452"
    assert wire.parse_counters(wire.encode_counters((1 << 32) + 5, 7)) == 5
    with pytest.raises(ValueError, match="no counters"):
        wire.parse_counters(bytes.fromhex("F0") * 22)
    with pytest.raises(ValueError, match="5 bytes"):
        wire.parse_serial(b"\xf0\0\0\0")
    assert wire.serial_of(b"\xf2") == ""


def test_setups():
    channels = (Channel(5, "GBP", None), Channel(10, "GBP", None), Channel(20, "GBP", None))
    assert wire.parse_setup(data(SETUP_GBP)) == Setup(0, "0100", "GBP", 5, channels)
    dollars = tuple(Channel(value, "USD", value * 100) for value in (1, 2, 5, 10, 20, 50, 100))
    assert wire.parse_setup(bytes.fromhex(SETUP_USD_4)) == Setup(6, "0459", "USD", 4, dollars)
    assert wire.parse_setup(bytes.fromhex(SETUP_USD_6)) == Setup(6, "0459", "USD", 6, dollars)
    assert wire.encode_setup(Setup(6, "0459", "USD", 6, dollars)) == bytes.fromhex(SETUP_USD_6)
    euros = tuple(Channel(value, "EUR", value * 100) for value in (5, 10, 20))
    assert wire.parse_setup(bytes.fromhex(SETUP_EUR_4)) == Setup(0, "0100", "EUR", 4, euros)


@given(st.binary(max_size=60))
def test_any_setup_is_read_or_refused(rest):
    try:
        wire.parse_setup(b"\xf0" + rest)
    except ValueError:
        return
    assert len(rest) >= 16


def test_an_event_that_nobody_knows_hides_the_rest():
    assert wire.parse_poll(bytes.fromhex("F0EE01DAEE02")) == ([Told(0xEE, 1)], False)
    assert wire.parse_poll(bytes.fromhex("F0EE")) == ([], False)


def test_an_answer_of_another_length_is_another_questions():
    poll, serial, hold = b"\x07", b"\x0c", b"\x18"
    assert not wire.fits(hold, bytes.fromhex("F0EE01"))
    assert not wire.fits(serial, bytes.fromhex("F0"))
    assert not wire.fits(poll, bytes.fromhex("F0004A78B4"))
    assert wire.fits(serial, bytes.fromhex("F0004A78B4"))
    assert wire.fits(poll, bytes.fromhex("F0"))
    assert wire.fits(serial, bytes.fromhex("F2"))


# kybarg/ssp, its tests of the parser: a doubled 7F inside, at the end, before another packet; a start within a packet
@pytest.mark.parametrize(
    "inside", ["800211 7F", "0001F0", "7F7F7F7F"], ids=["in the data", "plain", "everywhere it can be"]
)
def test_a_start_byte_inside_is_doubled(inside):
    packet = Packet(0x80, bytes.fromhex(inside))
    sent = wire.encode(packet)
    assert sent.count(0x7F) >= 1 + 2 * packet.data.count(0x7F)
    for cut in range(len(sent)):
        decoder = wire.Decoder()
        assert decoder.feed(sent[:cut]) + decoder.feed(sent[cut:]) == [packet]


def test_a_lone_start_byte_begins_anew():
    poll = bytes.fromhex("7F8001071202")
    for before in ("7F800102", "7F", "7F7F", "B6C2", "7F80", "7F80FF"):
        assert wire.Decoder().feed(bytes.fromhex(before) + poll) == [Packet(0x80, b"\x07")]
    decoder = wire.Decoder()
    decoder.feed(poll[:4])
    decoder.clear()
    assert decoder.feed(poll[4:]) == []


@given(st.lists(st.tuples(st.sampled_from((0, 0x80, 0x7D, 0xFD)), st.binary(min_size=1, max_size=40)), max_size=4))
def test_packets_in_a_row_are_all_read(many):
    packets = [Packet(head, inside) for head, inside in many]
    assert wire.Decoder().feed(b"".join(map(wire.encode, packets))) == packets


@given(st.binary(min_size=1, max_size=30), st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_never_another_packet(inside, at, bit):
    sent = bytearray(wire.encode(Packet(0, inside)))
    sent[at % len(sent)] ^= 1 << bit
    assert Packet(0, inside) not in wire.Decoder().feed(bytes(sent))
    assert not [packet for packet in wire.Decoder().feed(bytes(sent)) if len(packet.data) == len(inside)]


@given(st.binary(max_size=400))
def test_noise_breaks_nothing(noise):
    decoder = wire.Decoder()
    decoder.feed(noise)
    decoder.feed(bytes(600))  # whatever seemed to begin has ended
    decoder.clear()
    assert decoder.feed(bytes.fromhex("7F8001116582")) == [Packet(0x80, b"\x11")]


@pytest.mark.parametrize("inside", [b"", bytes(256)])
def test_what_no_packet_can_carry(inside):
    with pytest.raises(ValueError, match="1…255"):
        wire.encode(Packet(0, inside))
