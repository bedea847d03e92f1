"""The serial reader's packets: golden bytes, and whatever a line may make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.wire import Decoder, Packet


def by_hand(*head, data=""):
    """Tables 1 and 2 of the reader's page once more: six bytes, 32 of data, the sum of all, high byte first."""
    packet = bytes(head) + bytes.fromhex(data).ljust(32, b"\0")
    return packet + bytes((sum(packet) >> 8, sum(packet) & 0xFF))


# The page's own example is "read card 3 from 0A, 32 bytes"; its sum, like the others' here, is worked out by hand.
GOLDEN = [
    (wire.read_main(3, 0x0A, 32), "55 03 00 00 0A 20" + " 00" * 32 + " 00 82"),
    (wire.write_main(1, 0x20, bytes.fromhex("52444B01")), "55 01 80 00 20 04 52 44 4B 01" + " 00" * 28 + " 01 DC"),
    (wire.present_psc(1, b"\xff\xff\xff"), "55 01 82 00 00 03 FF FF FF" + " 00" * 29 + " 03 D8"),
    (wire.read_counter(2), "55 02 01 00 00 01" + " 00" * 32 + " 00 59"),
    (wire.status(1), "55 01 03 00 00 00" + " 00" * 32 + " 00 59"),
]


@pytest.mark.parametrize(("packet", "golden"), GOLDEN)
def test_the_published_packets_byte_by_byte(packet, golden):
    assert packet.encode().hex(" ").upper() == golden


def test_our_extension_leaves_the_published_areas_alone():
    ours = [
        wire.chip(1, 7),
        wire.read_zone(1, 7, 2, 0x1FF, 16),
        wire.write_zone(1, 7, 2, 0x1FF, b"ab"),
        wire.read_tries(1, 7, 3),
        wire.present(1, 7, 3, b"\1\2"),
        wire.power(1, 7),
    ]
    assert [(each.area, each.address, each.frame, each.data.hex()) for each in ours] == [
        (0x04, 7, 0, ""),
        (0x05, 7, 0, "0201ff10"),
        (0x85, 7, 0, "0201ff6162"),
        (0x06, 7, 0, "03"),
        (0x86, 7, 0, "030102"),
        (0x07, 7, 0, ""),
    ]
    assert [each.writes for each in ours] == [False, False, True, False, True, False]


@pytest.mark.parametrize("head", [0x55, 0x5A, 0xA5, 0xAA, 0xAB, 0xBB])
def test_an_answer_of_every_published_head_is_heard(head):
    (answer,) = Decoder().feed(by_hand(head, 1, 0x80, 0, 0x20, 4))
    assert answer == Packet(head, 1, 0x80, 0x20, 4, bytes(32))
    assert answer.answers(wire.write_main(1, 0x20, b"abcd"))
    assert not answer.answers(wire.read_main(1, 0x20, 4))
    assert not answer.answers(wire.write_main(1, 0x24, b"abcd"))
    assert not answer.answers(wire.write_main(2, 0x20, b"abcd"))


def test_more_than_a_packet_holds_is_our_mistake():
    with pytest.raises(ValueError, match="32 bytes"):
        wire.write_main(1, 0, bytes(33)).encode()


@pytest.mark.parametrize("place", range(40))
def test_one_wrong_byte_anywhere_and_it_is_no_packet(place):
    packet = bytearray(by_hand(0x55, 1, 0, 0, 0, 32, data="0102"))
    packet[place] ^= 0x40
    assert list(Decoder().feed(bytes(packet))) == []


def test_a_packet_that_stopped_short_costs_only_itself():
    decoder = Decoder()
    whole = by_hand(0x55, 1, 0, 0, 0x40, 32, data="55" * 32)
    assert list(decoder.feed(whole[:23])) == []
    assert [each.address for each in decoder.feed(whole + whole)] == [0x40, 0x40]


def test_a_packet_begun_can_be_forgotten():
    decoder = Decoder()
    whole = by_hand(0x55, 1, 3, 0, 0, 1, data="01")
    list(decoder.feed(whole[:39]))
    decoder.clear()
    assert len(list(decoder.feed(whole))) == 1


PACKETS = st.builds(
    Packet,
    st.sampled_from(sorted(wire.HEADS)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 255),
)


@given(PACKETS, st.lists(st.integers(1, 39), max_size=5))
def test_what_is_encoded_is_decoded_however_it_comes_in_pieces(packet, cuts):
    raw, decoder, found, at = packet.encode(), Decoder(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += decoder.feed(raw[at : max(at, cut)])
        at = max(at, cut)
    assert found == [packet]


@given(st.binary(max_size=300))
def test_noise_is_no_packet_and_holds_nothing_up(noise):
    decoder = Decoder()
    assert all(isinstance(each, Packet) for each in decoder.feed(noise))
    list(decoder.feed(bytes(80)))  # no byte of these is a head
    packet = wire.status(1)
    assert list(decoder.feed(packet.encode())) == [Packet(0x55, 1, 3, data=bytes(32))]
