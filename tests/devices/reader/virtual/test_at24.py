"""The I2C chips alone: pages that roll over, addresses that mean another byte, blocks not there, torn pages."""

import copy

import pytest

from kiosk.devices.reader.virtual.at24 import PAGES, At24
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError

C01, C02, C04, C08, C16 = PAGES
TEXT = bytes(range(1, 65))


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


def torn(leaves, after, at=8, size=24, kind=C04):
    """A card of 00 on which a write of TEXT was pulled."""
    card = At24(kind, bytes(At24(kind).size))
    card.tear_leaves, card.tear_after = leaves, after
    assert code_of(card.write, 0, at, TEXT[:size]) == IO_FAULT
    assert code_of(card.read, 0, 0, 1) == NO_CARD
    card.reset()
    return card.image()


SHEET = [(C01, 128, 8), (C02, 256, 8), (C04, 512, 16), (C08, 1024, 16), (C16, 2048, 16)]


@pytest.mark.parametrize(("kind", "size", "page"), SHEET)
def test_sizes_and_pages(kind, size, page):
    card = At24(kind)
    assert (card.size, card.page, card.card_type()) == (size, page, kind)
    assert card.read(0, 0, size) == b"\xff" * size
    assert code_of(card.read, 0, size - 1, 2) == BAD_ARGUMENT
    assert code_of(card.read, 1, 0, 1) == BAD_ARGUMENT
    assert code_of(card.write, 0, size, b"a") == BAD_ARGUMENT


def test_there_is_no_secret():
    card = At24(C04)
    for call, arguments in ((card.verify, (0, b"")), (card.tries_left, (0,)), (card.transmit, (b"\0\xa4\0\0",))):
        assert code_of(call, *arguments) == BAD_ARGUMENT
    with pytest.raises(ValueError, match="no secret"):
        At24(C04, secret=b"\xff")


@pytest.mark.parametrize("kind", PAGES)
def test_the_port_writes_across_pages_and_the_bus_rolls_over_within_one(kind):
    card = At24(kind)
    page = card.page
    card.write(0, page - 3, TEXT[: page + 6])
    assert card.read(0, page - 3, page + 6) == TEXT[: page + 6]
    assert card.pages_written == 3
    bus = At24(kind)
    bus.bus_write(page - 2, b"abcd")
    assert bus.read(0, 0, 2) + bus.read(0, page - 2, 4) == b"cdab\xff\xff"


def test_what_the_address_means():
    card = At24(C01)
    card.bus_write(128 + 5, b"a")
    assert card.read(0, 5, 1) == card.bus_read(133, 1) == b"a"
    there = {C01: (0, 255), C02: (0, 255), C04: (0, 511), C08: (0, 1023), C16: (0, 2047)}
    for kind, (first, last) in there.items():
        answers = [At24(kind).acknowledges(at) for at in (first, last, last + 1, -1)]
        assert answers == [True, True, False, False]
    assert code_of(At24(C04).bus_read, 512, 1) == IO_FAULT
    assert code_of(At24(C04).bus_write, 512, b"a") == IO_FAULT
    card = At24(C02, bytes(range(256)))
    assert card.bus_read(254, 4) == b"\xfe\xff\x00\x01"


def test_pages_before_the_torn_one_are_written_and_those_after_it_not():
    for leaves in ("prefix", "erased", "old", "half", "page"):
        image = torn(leaves, after=10)  # 8 bytes end the first page, 2 of the next had arrived
        assert image[8:16] == TEXT[:8]
        assert image[32:] == bytes(480)
        assert image[:8] == bytes(8)
    assert torn("old", 0) == bytes(512)


def test_what_a_torn_page_shows():
    assert torn("old", 10)[16:32] == bytes(16)
    assert torn("prefix", 10)[16:32] == TEXT[8:10] + bytes(14)
    assert torn("prefix", 8)[16:32] == bytes(16)
    assert torn("erased", 10)[16:32] == b"\xff" * 16
    assert torn("erased", 0)[8:24] == b"\xff" * 8 + bytes(8)
    assert torn("page", 0)[:24] == b"\xff" * 16 + bytes(8)
    half = torn("half", 10)[16:32]
    assert half not in (TEXT[8:24], b"\xff" * 16, bytes(16))
    assert all(got & new == new for got, new in zip(half, TEXT[8:24], strict=True))  # zeros only where one belongs
    assert half == torn("half", 10)[16:32]  # chance is the same every time


def test_a_write_that_arrives_whole_is_not_torn():
    card = At24(C04)
    card.tear_after = 3
    card.write(0, 0, b"abc")
    assert code_of(card.write, 0, 3, b"d") == IO_FAULT
    card.reset()
    assert card.read(0, 0, 4) == b"abc\xff"
    card.write(0, 3, b"d")
    assert card.tear_after is None


def test_a_copy_is_another_card():
    card = memory_card("AT24C04", bytes(512), b"")
    other = copy.deepcopy(card)
    other.write(0, 100, b"x")
    assert (card.image()[100], other.image()[100]) == (0, ord("x"))
    assert card.card_type() == CardType.AT24C04
    with pytest.raises(ValueError, match="512 bytes"):
        memory_card("AT24C04", bytes(256), b"")
