"""AT88SC102, AT88SC153 and AT88SC1608 in an ACS reader.

First byte for byte as in ACS's manuals (ACR38 1.9 and 6.04 §9.3.3, 9.3.4, 9.3.9, ACR1281U §3, 4, 9, ACR3901 §7.2.9),
then the kiosk's commands against the reader.
"""

import pytest

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.events import CardInserted, CardRemoved
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.at88sc102 import At88sc102
from kiosk.devices.reader.virtual.at88sc153 import At88sc153, At88sc1608
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.chip import NO_COUNTER
from kiosk.model.errors import ConfigFault

CODE, KEY_1, KEY_2 = b"\x12\x34", b"KEYONE", b"KEY2"
ZONE_1, ZONE_2 = b"\xc0\xff" + bytes(range(2, 64)), b"\xff\xff" + bytes(range(0x82, 0xC0))
SELECT = {
    CardType.AT88SC102: "FFA4000001 09",
    CardType.AT88SC153: "FFA4000001 03",
    CardType.AT88SC1608: "FFA4000001 04",
}


def talk(face, *dialogue):
    """Commands and answers in turn; returns the answers that differ."""
    return [
        (sent, answered.hex(" ").upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := face.transmit(bytes.fromhex(sent))) != bytes.fromhex(wanted)
    ]


class Line:
    """A connection to the face; keeps what was sent."""

    t0 = False

    def __init__(self, face):
        self.face, self.sent = face, []
        self.atr = face.reset()

    def transmit(self, apdu):
        self.sent.append(apdu.hex().upper())
        answer = self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD, "the card is gone")
        return answer


def port_of(chip, **choices):
    """A detected card as drivers see it, and its line with nothing sent yet."""
    line = Line(AcsFace(chip))
    family = detect(line.transmit, line.atr)
    line.sent.clear()
    return PcscCardPort(line, family, choices=Choices(**choices)), line


def fails(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


@pytest.fixture
def chip():
    return memory_card("AT88SC102", ZONE_1 + ZONE_2, CODE)


@pytest.fixture
def issued(chip):
    chip.set_key(1, KEY_1)
    chip.set_key(2, KEY_2)
    chip.issued = True
    return chip


# -- the reader, as the manuals have it --------------------------------------------------------------------------------


def test_an_at88sc102_in_mode_1_shows_each_bytes_first_bit_lowest(chip):
    face = AcsFace(chip)
    assert face.reset() == bytes.fromhex("3B04F0F0FFFF")
    wrong = talk(
        face,
        SELECT[CardType.AT88SC102], "9000",
        "FFB0000002", "F0F0 9000",            # 0F0F
        "FFB0000C02", "FFFF 9000",            # the attempts counter
        "FFD0001802 0000", "9000",            # says nothing of being refused
        "FFB0001802", "40C0 9000",            # 02 03
        "FF20080A02 482D", "9000",            # 12 B4: wrong, and answered as a right one
        "FFB0000C01", "FE 9000",
        "FF20080A02 482C", "9000",            # 12 34
        "FFB0000C01", "FF 9000",
        "FFD2001900", "9000",                 # the word of byte 25
        "FFB0001804", "FFFF20A0 9000",
        "FFD0001802 AA55", "9000",
        "FFB0001802", "AA55 9000",
        "FFB000FF02", "6B00",
        "FF20080B02 482C", "6B00",
        "FFD0001802 AA", "6700",
        "FFE0000000", "6D00",
    )  # fmt: skip
    assert wrong == []
    assert chip.read(1, 2, 2) == b"\x55\xaa"


def test_an_at88sc102_without_tries_says_63_00(chip):
    wrong = talk(
        AcsFace(chip),
        SELECT[CardType.AT88SC102],
        "9000",
        *("FF20080A02 0000", "9000") * 4,
        "FFB0000C01",
        "F0 9000",
        "FF20080A02 482C",
        "6300",
    )
    assert wrong == []


def test_an_at88sc102s_zones_are_erased_with_their_keys(issued):
    wrong = talk(
        AcsFace(issued),
        SELECT[CardType.AT88SC102], "9000",
        "FF20080A02 482C", "9000",
        "FFD2001800", "9000",                           # nothing happens in mode 2
        "FFB0001802", "40C0 9000",
        "FF20005606 000000000000", "9000",              # nor with a wrong key
        "FFB0001802", "40C0 9000",
        "FF20005606 D2A29AF272A2", "9000",              # KEYONE
        "FFB0001604", "FFFFFFFF 9000",
        "FF20009C04 D2A29A4C", "9000",                  # KEY2, but erases of zone 2 are counted
        "FFB0005E02", "41C1 9000",
        "FF20809C04 D2A29A4C", "9000",
        "FFB0005E02", "FFFF 9000",
        "FFB000A002", "FEFF 9000",                      # EC2
    )  # fmt: skip
    assert wrong == []


def test_blowing_fuses(chip):
    wrong = talk(
        AcsFace(chip),
        SELECT[CardType.AT88SC102],
        "9000",
        "FF05000004 05F90101",
        "9000",
        "FF05000004 06100101",
        "9000",
        "FF05000004 12340101",
        "6B00",
    )
    assert wrong == []
    assert (chip.counts_erases, chip.issued) == (False, True)


def test_an_at88sc153():
    chip = At88sc153(bytes(64) + b"\1" * 64 + b"\2" * 64, b"abc")
    face = AcsFace(chip)
    assert face.reset() == bytes.fromhex("3B042CAA55A1")
    wrong = talk(
        face,
        SELECT[CardType.AT88SC153], "9000",
        "FFB3000004", "2CAA55A1 9000",
        "FFB4000001", "00 9000",                 # fuses
        "FFB1003E02", "0101 9000",
        "FFD1003E02 EEEE", "6982",
        "FF20000003 616264", "907F",
        "FF20000003 616263", "90FF",
        "FFD1003E02 EEEE", "9000",
        "FFB1003E02", "EEEE 9000",
        "FFB2003E02", "0202 9000",
        "FFB3003004", "FF000000 9000",           # the password does not show
        "FFB1003F02", "6B00",
        "FFD1003E02 EE", "6700",
        "FFB5000001", "6D00",
    )  # fmt: skip
    assert wrong == []


def test_an_at88sc1608():
    face = AcsFace(At88sc1608(b"".join(bytes((zone,)) * 256 for zone in range(8)), b"abc"))
    assert face.reset() == bytes.fromhex("3B042CAA55A0")
    wrong = talk(
        face,
        SELECT[CardType.AT88SC1608], "9000",
        "FFB1000004", "2CAA55A0 9000",
        "FFB1008001", "00 9000",                 # fuses
        "FFB007FE02", "0707 9000",
        "FF20000004 00616264", "907F",
        "FF20000004 00616263", "90FF",
        "FFD007FE02 EEEE", "9000",
        "FFB007FE02", "EEEE 9000",
        "FFB1004004", "FF000000 9000",
        "FFB0080001", "6D00",
    )  # fmt: skip
    assert wrong == []


def test_a_locked_at88sc153_says_90_00():
    wrong = talk(
        AcsFace(At88sc153(secret=b"abc")),
        SELECT[CardType.AT88SC153], "9000",
        *(part for left in (0x7F, 0x3F, 0x1F, 0x0F, 7, 3, 1, 0) for part in ("FF20000003 000000", f"90{left:02X}")),
        "FF20000003 616263", "9000",
        "FFB3003001", "00 9000",
    )  # fmt: skip
    assert wrong == []


# -- the kiosk's commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["AT88SC102", "AT88SC153", "AT88SC1608"])
def test_the_family_is_told_by_reading_alone(kind):
    size = {"AT88SC102": 128, "AT88SC153": 192, "AT88SC1608": 2048}[kind]
    chip = memory_card(kind, b"\x5a" * size, bytes(2 if kind == "AT88SC102" else 3))
    before = chip.image()
    for atr in (None, bytes.fromhex("3B0400000000")):  # as the reader makes it, and one nobody knows
        line = Line(AcsFace(chip))
        assert detect(line.transmit, atr or line.atr) is CardType[kind]
        assert all(sent[2:4] in ("A4", "B0", "B1", "B3") for sent in line.sent)
    assert chip.image() == before


@pytest.mark.parametrize("mark", ["0F0F", "7155", "17AA"])
def test_all_of_minghuas_marks_are_an_at88sc102(mark, chip):
    chip._map[:2] = bytes.fromhex(mark)
    line = Line(AcsFace(chip))
    assert detect(line.transmit, line.atr) is CardType.AT88SC102


def test_an_sle4442_is_not_taken_for_one():
    line = Line(AcsFace(Sle4442()))
    assert detect(line.transmit, bytes.fromhex("3B0400000000")) is CardType.SLE4442


def test_an_at88sc102_reads_and_writes_word_by_word(chip):
    port, line = port_of(chip)
    assert (port.read(1, 0, 64), port.read(2, 0, 64), port.read(0, 0, 2)) == (ZONE_1, ZONE_2, b"\x0f\x0f")
    assert fails(port.write, 1, 5, b"\xaa") == DENIED
    port.verify(0, CODE)
    line.sent.clear()
    port.write(1, 5, b"\xf5\x06\xf7")
    assert line.sent == [
        "FFB0001A04",
        "FFD2001A00", "FFB0001A02", "FFD0001A0220AF",  # 04 05 → 04 F5; that it became FF FF proves mode 1
        "FFD2001C00", "FFD0001C0260EF",                # 06 07 → 06 F7
    ]  # fmt: skip
    assert port.read(1, 0, 64) == chip.read(1, 0, 64) == ZONE_1[:5] + b"\xf5\x06\xf7" + ZONE_1[8:]
    line.sent.clear()
    port.write(1, 5, b"\xf1")
    assert line.sent == ["FFB0001A02", "FFD0001A02208F"]  # zeros alone need no erase
    port.write(0, 176, b"\x5a")
    assert chip.read(0, 176, 1) == b"\x5a"


def test_a_code_is_proven_by_its_counter_and_not_by_90_00(chip):
    port, line = port_of(chip)
    assert fails(port.verify, 0, b"\0\0") == DENIED
    assert line.sent == ["FF20080A020000", "FFB0000C01", "FFB0000C01"]
    assert (port.tries_left(0), fails(port.write, 1, 2, b"x")) == (3, DENIED)
    port.verify(0, CODE)
    assert port.tries_left(0) == 4
    for _ in range(3):
        assert fails(port.verify, 0, b"\0\0") == DENIED
    assert fails(port.verify, 0, b"\0\0") == LOCKED
    assert (fails(port.verify, 0, CODE), port.tries_left(0)) == (LOCKED, 0)


def test_tries_are_counted_as_the_settings_say():
    chip = At88sc102(secret=CODE, tries=8)
    older, newer = port_of(chip, at88sc102_tries=8)[0], port_of(chip)[0]
    for left in range(7, 3, -1):
        fails(older.verify, 0, b"\0\0")
        assert (older.tries_left(0), newer.tries_left(0)) == (left, max(0, left - 4))
    with pytest.raises(ConfigFault):
        Choices(at88sc102_tries=5)


def test_in_mode_2_a_zone_is_rewritten_with_its_key(issued):
    port, line = port_of(issued)
    port.verify(0, CODE)
    port.write(1, 4, bytes(2))
    assert fails(port.write, 1, 4, b"\xff") == DENIED
    port.verify(1, b"WRONG!")
    assert fails(port.write, 1, 4, b"\xff") == DENIED
    port.verify(1, KEY_1)
    line.sent.clear()
    port.write(1, 4, b"\xff\xee")
    assert line.sent[0] == "FFB0001A02"
    assert [sent[:10] for sent in line.sent[1:]] == [
        "FFB0001640", "FF20005606", "FFB0001640", "FFD000183E", "FFD0001602"
    ]  # fmt: skip
    assert issued.read(1, 0, 64) == ZONE_1[:4] + b"\xff\xee" + ZONE_1[6:]
    assert port.tries_left(1) == NO_COUNTER


def test_in_mode_2_erases_of_zone_2_are_spent_only_where_they_are_counted(issued):
    port, _ = port_of(issued)
    port.verify(0, CODE)
    port.verify(2, KEY_2)
    port.write(2, 2, b"\xf0\xf1\xf2")
    assert issued.read(2, 0, 64) == ZONE_2[:2] + b"\xf0\xf1\xf2" + ZONE_2[5:]
    assert port.tries_left(2) == issued.tries_left(2) == 127
    issued.counts_erases = False
    port.write(2, 2, b"\xff")
    assert port.tries_left(2) == 127
    port.verify(2, b"KEY3")
    assert fails(port.write, 2, 3, b"\xff") == DENIED


def test_an_at88sc102_that_is_pulled(chip):
    port, _ = port_of(chip)
    port.verify(0, CODE)
    chip.tear_after = 1
    assert fails(port.write, 1, 4, b"\xff\xee") in (NO_CARD, IO_FAULT)
    assert fails(port.read, 1, 0, 1) == NO_CARD


def test_what_makes_no_sense_is_not_sent(chip):
    port, line = port_of(chip)
    for call in (
        (port.read, 3, 0, 1), (port.read, 1, 60, 5), (port.write, 0, 180, b"x"), (port.verify, 0, b"1"),
        (port.verify, 3, CODE), (port.verify, 1, CODE), (port.tries_left, 9),
    ):  # fmt: skip
        assert fails(*call) == BAD_ARGUMENT
    assert line.sent == []


@pytest.mark.parametrize(("kind", "zones", "size"), [(At88sc153, 3, 64), (At88sc1608, 8, 256)])
def test_paged_chips_through_the_kiosks_commands(kind, zones, size):
    chip = kind(bytes(zones * size), b"abc")
    port, line = port_of(chip)
    assert port.read(1, 0, size) == bytes(size)
    assert fails(port.write, 1, 6, b"x") == DENIED
    assert fails(port.verify, 0, b"abd") == DENIED
    assert port.tries_left(0) == 7
    port.verify(0, b"abc")
    assert port.tries_left(0) == 8
    line.sent.clear()
    port.write(1, 6, b"across two pages")
    page = {3: 8, 8: 16}[zones]
    assert all(int(sent[6:8], 16) % page + int(sent[8:10], 16) <= page for sent in line.sent)
    assert chip.read(1, 5, 18) == b"\0across two pages\0"
    assert port.read(zones, 0, 4) == chip.shape.atr
    for call in ((port.read, zones + 1, 0, 1), (port.write, 0, size, b"x"), (port.verify, 16, b"abc"),
                 (port.verify, 0, b"ab"), (port.tries_left, 16)):  # fmt: skip
        assert fails(*call) == BAD_ARGUMENT
    for _ in range(7):
        fails(port.verify, 0, b"abd")
    assert fails(port.verify, 0, b"abd") == LOCKED


# -- through a real pcscd ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["AT88SC102", "AT88SC153", "AT88SC1608"])
def test_through_pcscd_the_kiosk_sees_the_chip_also_after_it_was_pulled(inserted, slot, kind):
    size, secret = {"AT88SC102": (128, b"12"), "AT88SC153": (192, b"123"), "AT88SC1608": (2048, b"123")}[kind]
    chip = memory_card(kind, b"\xee" * size, secret)
    watcher, session = inserted(AcsFace(chip))

    def sell(card):
        assert card.card_type is CardType[kind]
        card.port.verify(0, secret)
        card.port.write(1, 3, b"not torn")
        card.power_afresh()
        seen = card.port.read(1, 2, 10)
        card.port.verify(0, secret)
        chip.tear_after = 0
        with pytest.raises(CardPortError):
            card.port.write(1, 32, b"\xff\x11")
        return seen

    assert watcher.do(session, sell) == b"\xeenot torn\xee"
    assert isinstance(watcher.next(), CardRemoved)
    slot.insert(AcsFace(chip))
    again = watcher.until(CardInserted).session
    assert watcher.do(again, lambda card: card.port.read(1, 31, 4)) == b"\xee\xff\xff\xee"
