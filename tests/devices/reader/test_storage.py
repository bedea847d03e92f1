"""PC/SC part 3's storage-card commands, both sides: golden APDUs of Microsoft's page and ACS's manuals, then pcscd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.dialects import STORAGE
from kiosk.devices.reader.faces import face_of, shown_over_pcsc
from kiosk.devices.reader.families import detect, spoken_to
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.storage.face import StorageFace
from kiosk.devices.reader.virtual.at88sc1604 import At88sc1604
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.devices.reader.virtual.mifare import ATR, Mifare1K
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, NO_CARD, CardPortError
from kiosk.model.errors import CardFault, ConfigFault

PUBLIC, SECRET, OTHER = bytes.fromhex("A0A1A2A3A4A5"), b"secret", b"wrong!"
TRAILER = PUBLIC + bytes.fromhex("78778869") + SECRET
RAW = b"".join(bytes((sector,)) * 48 + TRAILER for sector in range(16))
LOAD_FF, AUTH_A_4 = "FF82000006 FFFFFFFFFFFF", "FF86000005 0100046000"


class Wire:
    """A connection that needs no pcscd."""

    t0 = False

    def __init__(self, face):
        self.face = face
        self.atr = face.reset()
        self.sent = []
        self.spoil = {}  # number of the exchange → its answer

    def transmit(self, apdu):
        self.sent.append(apdu)
        answer = self.spoil.get(len(self.sent)) or self.face.transmit(apdu)
        if not answer:
            raise CardPortError(NO_CARD)
        return answer


def plugged(choices=None, **reader):
    chip = Mifare1K(RAW)
    wire = Wire(StorageFace(chip, **reader))
    return chip, wire, PcscCardPort(wire, detect(wire.transmit, wire.atr), choices=choices)


def talk(face, *dialogue):
    """Commands and answers in turn; returns the answers that differ."""
    return [
        (sent, answered.hex(" ").upper())
        for sent, wanted in zip(dialogue[::2], dialogue[1::2], strict=True)
        if (answered := face.transmit(bytes.fromhex(sent))) != bytes.fromhex(wanted)
    ]


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def test_a_new_card_from_its_number_to_a_block():
    face = StorageFace(Mifare1K())
    assert face.reset().hex().upper() == "3B8F8001804F0CA000000306030001000000006A"
    wrong = talk(
        face,
        "FFCA000000", "4B494F53 9000",
        LOAD_FF, "9000",
        AUTH_A_4, "9000",
        "FFB0000410", "00" * 16 + "9000",
        "FFD6000410 000102030405060708090A0B0C0D0E0F", "9000",
        "FFB0000410", "000102030405060708090A0B0C0D0E0F 9000",
        "FFB0000710", "000000000000 FF078069 FFFFFFFFFFFF 9000",
    )  # fmt: skip
    assert wrong == []


def test_an_acr1281u_keeps_keys_in_other_places():
    face = StorageFace(Mifare1K(), reader="ACR1281U")
    wrong = talk(
        face,
        LOAD_FF, "6300",
        "FF82002006 FFFFFFFFFFFF", "9000",
        "FF86000005 0100046020", "9000",
        "FF82200506 FFFFFFFFFFFF", "9000",
        "FF86000005 0100086005", "9000",
        "FF86000005 0100086006", "6300",
    )  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("FFCA010000", "6A81"), ("FFB0000810", "6982"), ("FFB0004010", "6A82"), ("FFB0000408", "6700"),
        ("FFD6000408 0001020304050607", "6981"), ("FF86000005 0100046001", "6988"), ("FF86000005 0100406000", "6A82"),
        ("FF86000005 0100046200", "6700"), ("FF82000005 0001020304", "6700"), ("FFC0000000", "6D00"),
        ("00A4000002 3F00", "6E00"), ("FFB000", "6700"), ("FFD6000810" + "00" * 16, "6982"),
    ],
)  # fmt: skip
def test_faults_by_their_own_names_or_all_as_one(sent, answer):
    assert talk(StorageFace(Mifare1K(), one_fault=False), LOAD_FF, "9000", AUTH_A_4, "9000", sent, answer) == []
    acs = answer if answer in ("6D00", "6E00") or len(sent) < 10 else "6300"
    assert talk(StorageFace(Mifare1K()), LOAD_FF, "9000", AUTH_A_4, "9000", sent, acs) == []


def test_after_a_wrong_key_the_reader_wakes_the_card_and_nothing_is_open():
    face = StorageFace(Mifare1K())
    wrong = talk(
        face,
        LOAD_FF, "9000", AUTH_A_4, "9000", "FFB0000410", "00" * 16 + "9000",
        "FF82000106 000000000000", "9000", "FF86000005 0100046001", "6300",
        "FFB0000410", "6300", AUTH_A_4, "9000", "FFB0000410", "00" * 16 + "9000",
    )  # fmt: skip
    assert wrong == []


def test_a_card_taken_away_answers_nothing():
    chip = Mifare1K()
    face = StorageFace(chip)
    assert talk(face, LOAD_FF, "9000", AUTH_A_4, "9000") == []
    chip.tear_after = 2
    assert talk(face, "FFD6000410" + "00" * 16, "", "FFCA000000", "", "FFB0000410", "") == []
    face.reset()
    assert talk(face, AUTH_A_4, "9000") == []


def test_reading_tries_public_keys_and_says_exactly_this():
    _chip, wire, port = plugged()
    assert port.read(2, 14, 4) == b"\2" * 4
    assert [apdu.hex().upper() for apdu in wire.sent] == [
        "FF82000006A0A1A2A3A4A5", "FF860000050100086000", "FFB0000810", "FFB0000910",
    ]  # fmt: skip
    wire.sent.clear()
    assert port.read(3, 0, 16) == b"\3" * 16
    assert [apdu.hex().upper() for apdu in wire.sent] == ["FF8600000501000C6000", "FFB0000C10"]


def test_a_sector_no_public_key_opens_is_denied_and_no_other_key_is_ever_tried():
    chip = Mifare1K(bytes(768), SECRET)
    wire = Wire(StorageFace(chip))
    port = PcscCardPort(wire, CardType.MIFARE1K)
    assert code_of(port.read, 1, 0, 16) == DENIED
    assert [apdu[5:].hex().upper() for apdu in wire.sent if apdu[1] == 0x82] == list(Choices().public_keys)
    assert {apdu[8] for apdu in wire.sent if apdu[1] == 0x86} == {0x60}
    assert chip.image() == Mifare1K(bytes(768), SECRET).image()


def test_writing_after_verify_says_exactly_this_and_equals_the_chip():
    chip, wire, port = plugged()
    port.verify(2 * 2 + 1, SECRET)
    port.write(2, 8, b"12345678" + b"x" * 16)
    assert [apdu.hex().upper() for apdu in wire.sent] == [
        "FF82000006" + SECRET.hex().upper(), "FF860000050100086100",
        "FFB0000810", "FFD6000810" + "02" * 8 + b"12345678".hex().upper(),
        "FFD6000910" + "78" * 16,
    ]  # fmt: skip
    assert port.read(2, 0, 48) == b"\2" * 8 + b"12345678" + b"x" * 16 + b"\2" * 16 == chip.read(2, 0, 48)
    assert port.tries_left(5) == 255


def test_nothing_is_sent_where_minus_3_or_4_is_promised_to_have_written_nothing():
    chip, wire, port = plugged()
    port.read(1, 0, 1)
    sent = len(wire.sent)
    assert code_of(port.write, 1, 0, b"a") == DENIED  # a public key is no right to write
    calls = [
        (port.write, 0, 15, b"ab"), (port.write, 1, 47, b"ab"), (port.write, 16, 0, b"a"), (port.write, 1, 0, b""),
        (port.read, 1, 40, 9), (port.read, -1, 0, 1), (port.verify, 32, SECRET), (port.verify, 1, b"short"),
        (port.tries_left, 32), (port.transmit, bytes.fromhex("00A40000")),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert len(wire.sent) == sent
    assert chip.image() == RAW


def test_another_sector_and_a_wrong_key_end_the_right_to_write():
    _chip, wire, port = plugged()
    port.verify(3, SECRET)
    port.read(2, 0, 1)
    for sector in (1, 2):  # a public key has opened 2: that is no right to write
        assert code_of(port.write, sector, 0, b"a") == DENIED
    port.verify(3, SECRET)
    assert code_of(port.verify, 3, OTHER) == DENIED
    assert code_of(port.write, 1, 0, b"a") == DENIED
    port.verify(3, SECRET)
    port.write(1, 0, b"a")
    assert sum(apdu[1] == 0xD6 for apdu in wire.sent) == 1


@pytest.mark.parametrize("answer", ["6300", "6982", "6581", "00009000"])
def test_a_write_that_fails_is_never_minus_3_and_closes_the_sector(answer):
    _chip, wire, port = plugged()
    port.verify(3, SECRET)
    wire.spoil[len(wire.sent) + 2] = bytes.fromhex(answer)
    assert code_of(port.write, 1, 0, b"a" * 48) == IO_FAULT
    assert code_of(port.write, 1, 0, b"a" * 48) == DENIED


def test_a_part_that_cannot_be_read_before_it_is_written():
    for number, answer, wanted in ((1, "6982", DENIED), (1, "6300", IO_FAULT), (3, "6982", IO_FAULT)):
        _chip, wire, port = plugged()
        port.verify(3, SECRET)
        wire.spoil[len(wire.sent) + number] = bytes.fromhex(answer)
        assert code_of(port.write, 1, 8, b"a" * 16) == wanted
        assert sum(apdu[1] == 0xD6 for apdu in wire.sent) == (number == 3)


@pytest.mark.parametrize("answer", ["6300", "9000", "41429000"])
def test_a_read_that_says_too_little_is_a_fault(answer):
    _chip, wire, port = plugged()
    port.read(1, 0, 1)
    wire.spoil[len(wire.sent) + 1] = bytes.fromhex(answer)
    assert code_of(port.read, 1, 0, 1) == IO_FAULT


def test_a_key_goes_where_the_reader_takes_it_and_not_into_its_lasting_memory():
    chip, wire, port = plugged(reader="ACR1281U")
    port.verify(3, SECRET)
    port.write(1, 0, b"a")
    assert port.read(2, 0, 1) == b"\2"
    assert chip.read(1, 0, 1) == b"a"
    assert [apdu[2:4].hex() for apdu in wire.sent if apdu[1] == 0x82] == ["0000", "0020", "0020"]
    lasting = Choices(key_places=("2000",))
    _chip, wire, port = plugged(lasting, reader="ACR1281U")
    port.verify(3, SECRET)
    assert wire.sent[0][2:4].hex() == "2000"
    _chip, _wire, port = plugged(lasting)
    assert code_of(port.verify, 3, SECRET) == IO_FAULT


def test_choices_that_make_no_sense():
    keys, places = ({"public_keys": ("A0A1",)}, {"public_keys": ("A0A1A2A3A4AX",)}), ((), ("20",), ("00GG",))
    for wrong in (*keys, *({"key_places": each} for each in places)):
        with pytest.raises(ConfigFault):
            Choices(**wrong)
    _chip, wire, port = plugged(Choices(public_keys=()))
    assert code_of(port.read, 1, 0, 1) == DENIED
    assert wire.sent == []


class Babbler:
    """A reader that answers anything, and then nothing any more."""

    t0, atr = False, ATR

    def __init__(self, answers):
        self.answers = list(answers)

    def transmit(self, apdu):
        if not self.answers:
            raise CardPortError(NO_CARD)
        return self.answers.pop(0)


SOME = st.sampled_from((b"\x90\x00", b"\x63\x00", b"\x69\x82", bytes(16) + b"\x90\x00"))


@given(st.lists(SOME | st.binary(min_size=2, max_size=20), max_size=9))
def test_whatever_a_reader_answers_is_sixteen_bytes_a_block_or_a_port_error(answers):
    for call, wanted in (("read", (1, 3, 40)), ("verify", (3, SECRET)), ("write", (1, 8, b"a" * 20))):
        port = PcscCardPort(Babbler(answers), CardType.MIFARE1K)
        try:
            if call == "write":
                port.verify(3, SECRET)
            found = getattr(port, call)(*wanted)
        except CardPortError as fault:
            assert fault.code in (NO_CARD, IO_FAULT, DENIED)
        else:
            assert found is None or len(found) == 40


def test_still_here_asks_for_the_number_and_changes_nothing():
    chip, wire, port = plugged()
    port.verify(3, SECRET)
    assert port.provable
    assert port.still_here()
    assert wire.sent[-1] == bytes.fromhex("FFCA000000")
    port.write(1, 0, b"a")
    chip.tear_after = 0
    assert code_of(port.write, 1, 0, b"b") == NO_CARD
    assert code_of(port.still_here) == NO_CARD


def test_every_makers_reader_is_spoken_to_alike_and_each_card_gets_its_reader():
    assert {spoken_to(CardType.MIFARE1K, dialect) for dialect in ("acs", "omnikey")} == {STORAGE}
    chips = (Mifare1K(), Sle4442(), VirtualCpuCard(FileCard()), At88sc1604())
    assert [type(face_of(chip)).__name__ for chip in chips] == ["StorageFace", "AcsFace", "FileCard", "NoFace"]
    assert [kind.name for kind in CardType if not shown_over_pcsc(kind)] == ["AT88SC1604"]
    assert face_of(At88sc1604()).transmit(bytes.fromhex("FFA4000001 09")) == bytes.fromhex("6D00")


@pytest.mark.slow
def test_reading_and_writing_through_pcscd(inserted, slot):
    chip = Mifare1K(RAW)
    watcher, session = inserted(face_of(chip))

    def job(card):
        card.port.verify(2 * 15 + 1, SECRET)
        card.port.write(15, 0, b"written by the kiosk")
        found = card.port.read(15, 0, 48), card.port.read(1, 0, 48), card.port.atr(), card.card_type
        card.power_afresh()
        with pytest.raises(CardPortError) as fault:
            card.port.write(15, 0, b"a")
        return *found, fault.value.code

    text = b"written by the kiosk".ljust(48, b"\x0f")
    assert watcher.do(session, job) == (text, b"\1" * 48, ATR, CardType.MIFARE1K, DENIED)
    assert chip.read(15, 0, 48) == text


@pytest.mark.slow
def test_pulled_in_the_middle_of_a_block_through_pcscd(inserted, slot):
    chip = Mifare1K(RAW)
    watcher, session = inserted(face_of(chip))

    def job(card):
        card.port.verify(3, SECRET)
        chip.tear_after = 20
        card.port.write(1, 0, b"n" * 48)

    with pytest.raises((CardPortError, CardFault)) as fault:
        watcher.do(session, job)
    assert fault.value.code in (IO_FAULT, NO_CARD)
    chip.reset()
    found = chip.read(1, 0, 48)
    assert (found[:16], found[32:]) == (b"n" * 16, b"\1" * 16)
    assert found[16:32] not in (b"n" * 16, b"\1" * 16)
