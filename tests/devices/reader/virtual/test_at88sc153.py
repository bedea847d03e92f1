"""The virtual AT88SC153 and AT88SC1608: passwords with counters, access registers, pages, fuses."""

import copy

import pytest

from kiosk.devices.reader.virtual.at88sc153 import ATE, MDF, PGO, RPE, WPE, At88sc153, At88sc1608
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

PASSWORD = b"abc"
FAMILIES = {"AT88SC153": (3, 64, 8, 0x30), "AT88SC1608": (8, 256, 16, 0x40)}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def card(family):
    zones, size, _, _ = FAMILIES[family]
    return memory_card(family, b"".join(bytes((zone,)) * size for zone in range(zones)), PASSWORD)


def fails(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def test_the_answer_to_reset_is_atmels(card, family):
    register = {"AT88SC153": "2CAA55A1", "AT88SC1608": "2CAA55A0"}[family]  # Atmel 1016D, 0971G: answer-to-reset
    assert card.atr() == bytes.fromhex("3B04" + register)
    assert card.read(FAMILIES[family][0], 0, 4) == bytes.fromhex(register)


def test_zones_are_read_freely_and_written_after_the_password(card, family):
    zones, size, _, _ = FAMILIES[family]
    for zone in range(zones):
        assert card.read(zone, 0, size) == bytes((zone,)) * size
        assert fails(card.write, zone, 5, b"x") == DENIED
    card.verify(0, PASSWORD)
    for zone in range(zones):
        card.write(zone, 5, b"over a page's end, twice")
        assert card.read(zone, 4, 26) == bytes((zone,)) + b"over a page's end, twice" + bytes((zone,))
    card.reset()
    assert fails(card.write, 0, 5, b"x") == DENIED


def test_places_outside_and_unknown_passwords_are_bad_arguments(card, family):
    zones, size, _, _ = FAMILIES[family]
    for call in (
        (card.read, zones + 1, 0, 1), (card.read, 0, size, 1), (card.write, 0, size - 1, b"xx"), (card.read, 0, 0, 0),
        (card.verify, 0, b"ab"), (card.verify, 16, PASSWORD), (card.tries_left, 16), (card.transmit, b"\0\0\0\0"),
    ):  # fmt: skip
        assert fails(*call) == BAD_ARGUMENT
    with pytest.raises(ValueError, match="zones of"):
        memory_card(family, b"", PASSWORD)


def test_the_attempts_counter_stands_before_its_password(card, family):
    zones, _, _, counters = FAMILIES[family]
    for left in range(7, 0, -1):
        assert fails(card.verify, 0, b"abd") == DENIED
        assert card.tries_left(0) == card.read(zones, counters, 1)[0].bit_count() == left
    card.verify(0, PASSWORD)
    assert card.read(zones, counters, 4) == b"\xff\0\0\0"  # the counter shows, the password never
    for _ in range(7):
        fails(card.verify, 0, b"abd")
    assert fails(card.verify, 0, b"abd") == LOCKED
    assert (fails(card.verify, 0, PASSWORD), card.tries_left(0)) == (LOCKED, 0)


def test_a_right_password_pulled_before_its_end_costs_a_try(card):
    card.tear_in_verify = True
    assert fails(card.verify, 0, PASSWORD) == IO_FAULT
    card.reset()
    assert card.tries_left(0) == 7


def test_each_zone_asks_for_the_set_its_access_register_names(card, family):
    write, read = 1, 1 + {"AT88SC153": 2, "AT88SC1608": 8}[family]
    card.set_password(write, b"wwW")
    card.set_password(read, b"rrR")
    card.set_access(2, 0xFF & ~WPE & ~RPE, 1)
    assert card.read(2, 0, 2) == b"\0\0"
    card.verify(0, PASSWORD)
    assert card.read(2, 0, 2) == b"\0\0"
    card.verify(read, b"rrR")
    assert card.read(2, 0, 2) == b"\2\2"
    assert fails(card.write, 2, 0, b"x") == DENIED
    card.verify(write, b"wwW")
    card.write(2, 0, b"x")
    assert card.read(2, 0, 2) == b"x\2"
    assert fails(card.write, 0, 0, b"x") == DENIED  # only the password presented last is in force


def test_access_registers_close_zones_for_good(card):
    card.set_access(0, 0xFF & ~MDF)
    card.set_access(1, 0xFF & ~PGO)
    card.set_access(2, 0xFF & ~ATE)
    card.verify(0, PASSWORD)
    card.write(0, 0, b"\xee")
    card.write(1, 0, b"\xee")
    assert (card.read(0, 0, 1), card.read(1, 0, 1)) == (b"\0", b"\0")  # 01 & EE
    assert fails(card.write, 2, 0, b"\xee") == DENIED  # asks for the authentication, which is not played
    assert card.read(2, 0, 1) == b"\0"


def test_the_configuration_zone_is_open_to_the_secure_code_until_the_fuses_are_blown(family):
    zones, _, _, counters = FAMILIES[family]
    card = {"AT88SC153": At88sc153, "AT88SC1608": At88sc1608}[family]()
    secure = {"AT88SC153": 1, "AT88SC1608": 7}[family]
    card.set_password(secure, b"SEC")
    card.verify(secure, b"SEC")
    assert fails(card.write, zones, counters + 1, b"new") == DENIED
    card.personalised = False
    card.write(zones, counters + 1, b"new")
    card.write(zones, 0, b"\0\0")
    assert card.read(zones, counters + 1, 3) == b"new"
    assert card.read(zones, 0, 2) == b"\x2c\xaa"
    card.verify(0, b"new")


@pytest.mark.parametrize("leaves", ["old", "erased"])
def test_a_torn_page_loses_only_its_own_bytes(card, family, leaves):
    page = FAMILIES[family][2]
    new = b"N" * (page + 4)
    for survived in range(len(new)):
        torn = copy.deepcopy(card)
        torn.verify(0, PASSWORD)
        torn.tear_after, torn.tear_leaves = survived, leaves
        assert fails(torn.write, 1, 2, new) == IO_FAULT
        assert fails(torn.read, 1, 0, 1) == NO_CARD
        torn.reset()
        found = torn.read(1, 0, 2 * page)
        end = min(2 + len(new), page if 2 + survived < page else 2 * page)
        rest = b"\xff" if leaves == "erased" else b"\1"
        assert found == (b"\1\1" + new[:survived] + rest * (end - 2 - survived) + b"\1" * (2 * page - end))


def test_a_copy_goes_its_own_way(card):
    other = copy.deepcopy(card)
    other.verify(0, PASSWORD)
    other.write(0, 0, b"x")
    assert card.image() != other.image()
    assert fails(card.write, 0, 0, b"x") == DENIED
