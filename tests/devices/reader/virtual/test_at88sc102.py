"""The virtual AT88SC102: words, the security code, what the fuses close, and cards pulled at every byte."""

import copy

import pytest

from kiosk.devices.reader.virtual.at88sc102 import At88sc102
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.chip import NO_COUNTER

CODE, WRONG = b"\x12\x34", b"\x12\x35"
KEY_1, KEY_2 = b"KEYONE", b"KEY2"
ZONE_1 = b"\xc0\xff" + bytes(range(2, 64))
ZONE_2 = b"\xff\xff" + bytes(range(0x82, 0xC0))


@pytest.fixture
def card():
    return memory_card("AT88SC102", ZONE_1 + ZONE_2, CODE)


@pytest.fixture
def issued(card):
    """Mode 2: the issuer's fuse is blown."""
    card.set_key(1, KEY_1)
    card.set_key(2, KEY_2)
    card.issued = True
    return card


def fails(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def opened(card, *keys):
    card.reset()
    card.verify(0, CODE)
    for which, key in enumerate(keys, 1):
        if key is not None:
            card.verify(which, key)
    return card


def test_a_new_card_is_read_freely_and_has_the_makers_bytes(card):
    assert card.card_type() == 51
    assert card.read(0, 0, 2) == b"\x0f\x0f"
    assert (card.read(1, 0, 64), card.read(2, 0, 64)) == (ZONE_1, ZONE_2)
    assert (card.read(0, 22, 64), card.read(0, 92, 64)) == (ZONE_1, ZONE_2)
    assert card.atr() == bytes.fromhex("3B04F0F0FFFF")  # first bits lowest, as an ACR38 showed it


def test_places_outside_and_unknown_secrets_are_bad_arguments(card):
    for call in (
        (card.read, 1, 60, 5), (card.read, 3, 0, 1), (card.read, 0, 180, 1), (card.read, 1, 0, 0),
        (card.write, 2, -1, b"x"), (card.verify, 0, b"123"), (card.verify, 1, b"short"), (card.verify, 3, CODE),
        (card.tries_left, 3), (card.transmit, b"\0\xa4\0\0"),
    ):  # fmt: skip
        assert fails(*call) == BAD_ARGUMENT
    with pytest.raises(ValueError, match="two application zones"):
        memory_card("AT88SC102", bytes(64), CODE)
    with pytest.raises(ValueError, match="security code of 2 bytes"):
        memory_card("AT88SC102", bytes(128), b"123")


@pytest.mark.parametrize("tries", [4, 8])
def test_wrong_codes_burn_tries_and_a_right_one_gives_them_back(tries):
    card = At88sc102(secret=CODE, tries=tries)
    for left in range(tries - 1, 0, -1):
        assert fails(card.verify, 0, WRONG) == DENIED
        assert card.tries_left(0) == left
    card.verify(0, CODE)
    assert card.tries_left(0) == tries
    for _ in range(tries - 1):
        fails(card.verify, 0, WRONG)
    assert fails(card.verify, 0, WRONG) == LOCKED
    assert (fails(card.verify, 0, CODE), card.tries_left(0)) == (LOCKED, 0)
    assert fails(card.write, 1, 2, b"x") == DENIED


def test_a_right_code_pulled_before_its_end_costs_a_try(card):
    card.tear_in_verify = True
    assert fails(card.verify, 0, CODE) == IO_FAULT
    assert fails(card.tries_left, 0) == NO_CARD
    card.reset()
    assert card.tries_left(0) == 3


def test_the_code_and_keys_show_only_to_who_knows_the_code(card):
    card.set_key(1, KEY_1)
    assert (card.read(0, 10, 2), card.read(0, 86, 6)) == (b"\xff\xff", b"\xff" * 6)
    opened(card)
    assert (card.read(0, 10, 2), card.read(0, 86, 6)) == (CODE, KEY_1)
    card.issued = True
    assert card.read(0, 10, 2) == b"\xff\xff"


def test_writing_needs_the_code_but_in_the_test_zone(card):
    assert fails(card.write, 1, 2, b"x") == DENIED
    card.write(0, 176, b"\x5a\xa5")
    assert card.read(0, 176, 2) == b"\x5a\xa5"
    opened(card).write(1, 3, b"\xf0\x0f")
    assert card.read(1, 0, 8) == ZONE_1[:3] + b"\xf0\x0f" + ZONE_1[5:8]


def test_what_the_chip_keeps_for_itself_drops_silently(card):
    opened(card).write(0, 0, b"\0\0")
    card.write(0, 12, b"\0")
    card.write(0, 160, b"\0" * 16)
    assert (card.read(0, 0, 2), card.tries_left(0), card.read(0, 160, 16)) == (b"\x0f\x0f", 4, b"\xff" * 16)


def test_the_issuers_fuse_closes_what_is_the_issuers(issued):
    before = issued.image()
    opened(issued).write(0, 2, b"\x00" * 8)
    issued.write(0, 86, b"\x00" * 6)
    assert issued.image() == before
    assert issued.read(0, 86, 6) == b"\xff" * 6


def test_access_bits_close_a_zone_once_the_fuse_is_blown(card):
    opened(card).write(1, 0, b"\x3f")  # never written, never read without the code
    assert card.read(1, 0, 2) == b"\x3f\xff"
    card.issued = True
    card.reset()
    assert card.read(1, 2, 4) == b"\xff" * 4
    opened(card)
    before = card.image()
    card.write(1, 2, b"\x00" * 8)
    assert card.image() == before
    assert card.read(1, 2, 4) == ZONE_1[2:6]


def test_in_mode_2_zeros_need_no_key_and_ones_the_zones_own(issued):
    opened(issued).write(1, 4, bytes(2))
    assert issued.read(1, 2, 6) == ZONE_1[2:4] + bytes(2) + ZONE_1[6:8]
    assert fails(issued.write, 1, 4, b"\x01") == DENIED
    assert fails(opened(issued, b"WRONG!").write, 1, 4, b"\x01") == DENIED
    opened(issued, KEY_1).write(1, 4, b"\xff\xff")
    assert issued.read(1, 0, 64) == ZONE_1[:4] + b"\xff\xff" + ZONE_1[6:]


def test_ec2_counts_128_erases_of_zone_2_and_no_more(issued):
    opened(issued, None, KEY_2)
    assert (issued.tries_left(1), issued.tries_left(2)) == (NO_COUNTER, 128)
    for erase in range(128):
        issued.write(2, 2, bytes((0x55 if erase % 2 else 0xAA,)))
    assert issued.tries_left(2) == 0
    assert fails(issued.write, 2, 2, b"\xff") == DENIED
    issued.counts_erases = False  # the EC2EN fuse is blown
    issued.write(2, 2, b"\xff")
    assert issued.tries_left(2) == NO_COUNTER


def test_a_wrong_erase_key_costs_an_erase_and_writes_nothing(issued):
    before = issued.read(2, 0, 64)
    assert fails(opened(issued, None, b"KEY3").write, 2, 2, b"\xff") == DENIED
    assert issued.tries_left(2) == 127
    assert issued.read(2, 0, 64) == before


def test_erase_keys_and_code_are_forgotten_without_power(issued):
    opened(issued, KEY_1)
    issued.reset()
    assert fails(issued.write, 1, 4, bytes(2)) == DENIED
    issued.verify(0, CODE)
    assert fails(issued.write, 1, 4, b"\xff") == DENIED


@pytest.mark.parametrize("leaves", ["old", "erased", "part"])
def test_a_torn_word_never_touches_its_neighbours(card, leaves):
    new = bytes(range(0xF1, 0xF8))  # from the odd byte 5 on: every word must be erased
    for survived in range(len(new)):
        torn = opened(copy.deepcopy(card))
        torn.tear_after, torn.tear_leaves = survived, leaves
        assert fails(torn.write, 1, 5, new) == IO_FAULT
        assert fails(torn.read, 1, 0, 1) == NO_CARD
        torn.reset()
        found, word = torn.read(1, 0, 64), (5 + survived) & ~1
        assert found[:5] == ZONE_1[:5] or word == 4
        assert found[6:word] == (ZONE_1[:5] + new)[6:word]
        assert found[word + 2 :] == ZONE_1[word + 2 :]
        first_of_word = survived == 0 or (5 + survived) % 2 == 0
        if leaves == "old" and first_of_word:
            assert found[word : word + 2] == ZONE_1[word : word + 2]
        else:
            written = (ZONE_1[:5] + new)[word : 5 + survived]
            rest = found[word + len(written) : word + 2]
            assert found[word : word + len(written)] == written
            assert rest[1:] == b"\xff" * (len(rest) - 1)
            half = 0xFF if leaves != "part" else 0x0F | new[survived]
            assert rest[0] == half


def test_a_prefix_is_a_prefix_though_the_word_had_to_be_erased(card):
    new = bytes(range(0xF1, 0xF8))
    for survived in range(len(new)):
        torn = opened(copy.deepcopy(card))
        torn.tear_after, torn.tear_leaves = survived, "prefix"
        assert fails(torn.write, 1, 5, new) == IO_FAULT
        torn.reset()
        assert torn.read(1, 0, 64) == ZONE_1[:5] + new[:survived] + ZONE_1[5 + survived :]


def test_a_card_pulled_in_mode_2_has_lost_what_was_not_written_again(issued):
    for survived in range(4):
        torn = opened(copy.deepcopy(issued), KEY_1)
        torn.tear_after = survived
        assert fails(torn.write, 1, 8, b"\xf1\xf2\xf3\xf4") == IO_FAULT
        torn.reset()
        written = ZONE_1[:8] + b"\xf1\xf2\xf3\xf4"[:survived]
        assert torn.read(1, 0, 64) == written + b"\xff" * (64 - len(written))
        assert torn.read(2, 0, 64) == ZONE_2


def test_a_pull_counts_the_bytes_of_all_writes(card):
    opened(card)
    card.tear_after = 5
    card.write(1, 2, b"\0\0\0")
    card.write(2, 2, b"\0\0")
    assert fails(card.write, 2, 4, b"\0") == IO_FAULT
    card.reset()
    assert card.tear_after is None


def test_a_copy_goes_its_own_way(card):
    other = opened(copy.deepcopy(card))
    other.write(1, 2, b"\xee")
    assert card.read(1, 2, 1) == ZONE_1[2:3]
    assert card.image() != other.image()
