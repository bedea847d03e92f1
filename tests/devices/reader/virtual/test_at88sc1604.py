"""The virtual AT88SC1604: its map, five codes, bytes that are erased one by one."""

import copy

import pytest

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError
from kiosk.model.chip import CHIPS, NO_COUNTER

CODE = b"\x16\x04"
SIZES = [zone.size for _, zone in CHIPS[CardType.AT88SC1604].own]


@pytest.fixture
def card():
    return memory_card("AT88SC1604", b"".join(bytes((number,)) * size for number, size in enumerate(SIZES, 0xA1)), CODE)


@pytest.fixture
def issued(card):
    for which in range(1, 9):
        card.set_key(which, bytes((which, which)))
    card.issued = True
    return card


def fails(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def test_the_zones_stand_in_the_map_where_the_driver_of_the_facts_has_them(card):
    assert card.read(0, 0, 2) == b"\x31\x3a"
    for number, origin in ((1, 0x1B), (2, 0x4CB), (3, 0x5D0), (4, 0x6D5)):
        size = SIZES[number - 1]
        assert card.read(number, 0, size) == card.read(0, origin, size) == bytes((0xA0 + number,)) * size
    assert fails(card.read, 0, 2008, 2) == BAD_ARGUMENT
    assert fails(card.read, 5, 0, 1) == BAD_ARGUMENT


def test_the_security_code_has_eight_tries(card):
    for left in range(7, 0, -1):
        assert fails(card.verify, 0, b"\0\0") == DENIED
        assert card.tries_left(0) == left
    card.verify(0, CODE)
    assert card.tries_left(0) == 8
    card.write(1, 100, b"\x00\xff")
    assert card.read(1, 99, 4) == b"\xa1\x00\xff\xa1"


def test_in_mode_1_no_other_code_is_asked_for(card):
    assert fails(card.write, 4, 0, b"x") == DENIED
    card.verify(0, CODE)
    for number in (1, 2, 3, 4):
        card.write(number, 2, b"\x5e\x5e")
        assert card.read(number, 2, 2) == b"\x5e\x5e"


def test_in_mode_2_a_zone_asks_for_its_code_and_its_erase_key(issued):
    issued.verify(0, CODE)
    assert fails(issued.write, 2, 4, b"\xa0") == DENIED
    issued.verify(2, b"\2\2")
    issued.write(2, 4, b"\xa0")
    assert fails(issued.write, 2, 4, b"\xa1") == DENIED
    assert fails(issued.write, 3, 4, b"\xa0") == DENIED
    issued.verify(6, b"\6\6")
    issued.write(2, 4, b"\xa5")
    assert issued.read(2, 3, 3) == b"\xa2\xa5\xa2"
    issued.reset()
    assert fails(issued.write, 2, 4, b"\xa0") == DENIED


def test_codes_of_zones_2_to_4_are_not_counted_but_erase_keys_are(issued):
    for which, left in ((1, 7), (2, NO_COUNTER), (3, NO_COUNTER), (4, NO_COUNTER), (5, 7), (6, 7), (7, 7), (8, 7)):
        assert fails(issued.verify, which, b"\0\0") == DENIED
        assert issued.tries_left(which) == left
    for _ in range(7):
        last = fails(issued.verify, 5, b"\0\0")
    assert (last, fails(issued.verify, 5, b"\5\5"), issued.tries_left(5)) == (LOCKED, LOCKED, 0)


def test_secrets_and_counters_cannot_be_reached_once_issued(issued):
    issued.verify(0, CODE)
    before = issued.image()
    for place in (0, 2, 0x0C, 0x15, 0x18, 0x1A, 0x4C6, 0x6D4, 0x7D7):
        issued.write(0, place, b"\x00")
    assert issued.image() == before
    assert issued.read(0, 0x15, 2) == b"\xff\xff"


def test_access_bits_close_a_zone_once_issued(card):
    card.verify(0, CODE)
    card.write(3, 0, b"\x3f")
    card.set_key(3, b"\3\3")
    card.issued = True
    card.reset()
    assert card.read(3, 2, 2) == b"\xff\xff"
    card.verify(0, CODE)
    card.verify(3, b"\3\3")
    card.write(3, 2, b"\x00")
    assert card.read(3, 2, 2) == b"\xa3\xa3"


@pytest.mark.parametrize("leaves", ["old", "erased", "part"])
def test_a_torn_byte_never_touches_its_neighbours(card, leaves):
    card.verify(0, CODE)
    for survived in range(4):
        torn = copy.deepcopy(card)
        torn.tear_after, torn.tear_leaves = survived, leaves
        assert fails(torn.write, 2, 10, b"\x5e\x5e\x5e\x5e") == IO_FAULT
        torn.reset()
        byte = {"old": b"\xa2", "erased": b"\xff", "part": b"\x5f"}[leaves]
        wanted = b"\x5e" * survived + byte + b"\xa2" * (5 - survived)
        assert torn.read(2, 10, 6) == wanted
