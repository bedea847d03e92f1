"""The file card over T=0, and the same card as drivers see it."""

import copy

import pytest

from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.model.cardport import BAD_ARGUMENT, NO_CARD, CardPortError

SERIAL = bytes.fromhex("1122334455667788")
HEAD = "68010027"


def x(text):
    return bytes.fromhex(text)


def at_the_meters_files(card):
    for apdu in ("00A40000023F00", "00A4000002DF01"):
        card.transmit(x(apdu))
    return card


def talk(card, *dialogue):
    """Commands and answers in turn; returns the answers that differ."""
    return [
        (sent, answered.hex().upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := card.transmit(x(sent))) != x(wanted)
    ]


def test_the_answer_to_reset_carries_the_serial():
    atr = FileCard(serial=SERIAL).reset()
    assert (len(atr), atr[:2], atr[5:13]) == (13, x("3B69"), SERIAL)


def test_selecting_and_reading_the_way_a_meter_does():
    card = FileCard({0xDF01: {1: x(HEAD).ljust(45, b"\x00"), 2: bytes(8), 5: bytes(49)}})
    wrong = talk(
        card,
        "00A40000023F00", "6106",
        "00C0000006", "6F0483023F009000",
        "00A4000002DF01", "6106",
        "00B0810004", HEAD + "9000",
        "00B0820008", "00000000000000009000",
        "00B0820009", "6C08",
        "00B0810000", "6C2D",
        "00B0812C01", "009000",
        "00B0812D01", "6B00",
        "00B0830004", "6A82",
    )  # fmt: skip
    assert wrong == []


def test_updating_and_reading_back():
    card = at_the_meters_files(FileCard())
    wrong = talk(
        card,
        "00D68200080000271000000008", "9000",
        "00B0820008", "00002710000000089000",
        "00D682060300000A", "6B00",
        "00D6820004AABB", "6700",
        "00D6890001AA", "6A82",
        "00B0000001", "009000",
    )  # fmt: skip
    assert wrong == []


def test_what_the_card_does_not_know():
    wrong = talk(
        FileCard(),
        "00A4000002DF02", "6A82",
        "00B0810004", "6A82",
        "00B0000004", "6986",
        "0084000008", "6D00",
        "80CA000000", "6E00",
        "00C0000004", "6F00",
    )  # fmt: skip
    assert wrong == []


def test_get_response_in_pieces():
    card = FileCard()
    card.transmit(x("00A40000023F00"))
    assert talk(card, "00C0000002", "6F046104", "00C0000009", "6C04", "00C0000004", "83023F009000") == []


def test_torn_in_the_middle_of_an_update():
    card = at_the_meters_files(FileCard())
    card.transmit(x("00D68200081111111122222222"))
    card.tear_after = 3
    assert card.transmit(x("00D6820008AAAAAAAABBBBBBBB")) == b""
    assert card.transmit(x("00B0820008")) == b""
    card.reset()
    at_the_meters_files(card)
    assert card.transmit(x("00B0820008")) == x("AAAAAA11222222229000")
    assert card.tear_after is None


def test_drivers_see_answers_fetched_already():
    port = VirtualCpuCard(FileCard(serial=SERIAL))
    assert port.card_type() == 60
    assert port.atr()[5:] == SERIAL
    assert port.transmit(x("00A40000023F00")) == x("6F0483023F009000")
    assert port.transmit(x("00A4000002DF01")) == x("6F048302DF019000")
    assert port.transmit(x("00B0820000")) == x("00000000000000009000")


def test_a_torn_cpu_card_is_no_card_until_reset():
    port = VirtualCpuCard(FileCard())
    at_the_meters_files(port)
    port.tear_after = 1
    for apdu in ("00D68200021234", "00B0820002"):
        with pytest.raises(CardPortError) as fault:
            port.transmit(x(apdu))
        assert fault.value.code == NO_CARD
    port.reset()
    assert at_the_meters_files(port).transmit(x("00B0820002")) == x("12009000")


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.read(0, 0, 1), lambda port: port.write(0, 0, b"a"), lambda port: port.verify(0, b"1"),
        lambda port: port.tries_left(0), lambda port: port.transmit(b"\x00\xa4\x00"),
        lambda port: port.transmit(x("00D6820008AA")),
    ],
)  # fmt: skip
def test_a_cpu_card_takes_apdus_only(call):
    with pytest.raises(CardPortError) as fault:
        call(VirtualCpuCard(FileCard()))
    assert fault.value.code == BAD_ARGUMENT


class PlainCard:
    """Somebody else's card: no ``image``, no T=0 habits."""

    tear_after = None

    def __init__(self):
        self.memory = bytearray(4)

    def reset(self):
        return x("3B00")

    def transmit(self, apdu):
        self.memory[0] = apdu[3]
        return x("9000")


@pytest.mark.parametrize("make", [FileCard, PlainCard])
def test_copies_are_other_cards_and_their_images_tell(make):
    card = VirtualCpuCard(make())
    other = copy.deepcopy(card)
    assert card.image() == other.image()
    at_the_meters_files(other)
    other.transmit(x("00D682020155"))
    assert card.image() != other.image()
    at_the_meters_files(card)
    card.transmit(x("00D682020155"))
    assert card.image() == other.image()
