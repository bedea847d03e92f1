"""The memory chips alone: counter procedure, torn writes, protection bits, and a card that is copied."""

import copy

import pytest

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

RIGHT = {Sle4442: b"\x1a\x2b\x3c", Sle4428: b"\x1a\x2b"}
KINDS = (Sle4442, Sle4428)


def new(kind):
    return kind(secret=RIGHT[kind])


def opened(kind):
    card = new(kind)
    card.verify(0, RIGHT[kind])
    return card


def code_of(call, *arguments):
    with pytest.raises(CardPortError) as fault:
        call(*arguments)
    return fault.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_reading_is_free_and_writing_is_not(kind):
    card = new(kind)
    assert code_of(card.write, 0, 32, b"\x00") == DENIED
    assert card.read(0, 32, 1) == b"\xff"
    card.verify(0, RIGHT[kind])
    card.write(0, 32, b"\x12\x34")
    assert card.read(0, 31, 4) == b"\xff\x12\x34\xff"


def test_the_counter_falls_07_03_01_00():
    card = new(Sle4442)
    seen = [card.counter]
    codes = []
    for _ in range(3):
        codes.append(code_of(card.verify, 0, b"bad"))
        seen.append(card.counter)
    assert seen == [0x07, 0x03, 0x01, 0x00]
    assert codes == [DENIED, DENIED, LOCKED]


@pytest.mark.parametrize(("kind", "tries"), [(Sle4442, 3), (Sle4428, 8)])
def test_the_right_secret_restores_the_tries_and_a_locked_card_refuses_it(kind, tries):
    card = new(kind)
    wrong = bytes(len(RIGHT[kind]))
    code_of(card.verify, 0, wrong)
    assert card.tries_left(0) == tries - 1
    card.verify(0, RIGHT[kind])
    assert card.tries_left(0) == tries
    for _ in range(tries):
        code_of(card.verify, 0, wrong)
    assert card.tries_left(0) == 0
    assert code_of(card.verify, 0, RIGHT[kind]) == LOCKED
    assert code_of(card.write, 0, 40, b"\x00") == DENIED


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_try_ends_an_open_session(kind):
    card = opened(kind)
    code_of(card.verify, 0, bytes(len(RIGHT[kind])))
    assert code_of(card.write, 0, 40, b"\x00") == DENIED


def test_pulled_between_burning_and_comparing_the_right_secret_costs_a_try():
    card = new(Sle4442)
    card.tear_in_verify = True
    assert code_of(card.verify, 0, RIGHT[Sle4442]) == IO_FAULT
    assert code_of(card.tries_left, 0) == NO_CARD
    card.reset()
    assert card.tries_left(0) == 2
    card.verify(0, RIGHT[Sle4442])
    assert card.tries_left(0) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_power_off_forgets_the_secret_and_nothing_else(kind):
    card = opened(kind)
    card.write(0, 100, b"kept")
    image = card.image()
    assert card.reset() == card.atr()
    assert card.image() == image
    assert code_of(card.write, 0, 100, b"x") == DENIED


@pytest.mark.parametrize("leaves", ["old", "erased"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_torn_at_each_byte(kind, leaves):
    before, after = b"\x0f\x00\xf0\x55\xaa", b"\xf0\x00\x30\xaa\x2a"
    for survived in range(len(after)):
        card = opened(kind)
        card.write(0, 60, before)
        card.tear_leaves, card.tear_after = leaves, survived
        assert code_of(card.write, 0, 60, after) == IO_FAULT
        assert code_of(card.read, 0, 60, 1) == NO_CARD
        assert code_of(card.verify, 0, RIGHT[kind]) == NO_CARD
        card.reset()
        erased = leaves == "erased" and bool(after[survived] & ~before[survived])
        torn = b"\xff" if erased else before[survived : survived + 1]
        assert card.read(0, 60, 5) == after[:survived] + torn + before[survived + 1 :]
        assert card.tear_after is None


def test_bytes_may_be_spent_over_several_writes_and_the_last_one_still_counts():
    card = opened(Sle4442)
    card.tear_after = 5
    card.write(0, 40, b"abc")
    card.write(0, 50, b"de")
    assert card.tear_after == 0
    assert code_of(card.write, 0, 60, b"f") == IO_FAULT
    card.reset()
    assert (card.read(0, 40, 3), card.read(0, 50, 2), card.read(0, 60, 1)) == (b"abc", b"de", b"\xff")


def test_a_reset_does_not_save_a_card_from_the_pull_that_is_still_to_come():
    card = new(Sle4442)
    card.tear_after = 1
    card.reset()
    assert card.tear_after == 1


@pytest.mark.parametrize(("kind", "bits", "place"), [(Sle4442, 4, 9), (Sle4428, 128, 900)])
def test_protected_bytes_drop_silently_and_for_good(kind, bits, place):
    card = opened(kind)
    assert card.read(1, 0, bits) == b"\xff" * bits
    card.write(0, place, b"\x42")
    card.write(1, place // 8, bytes((0xFF & ~(1 << place % 8),)))
    card.write(1, place // 8, b"\xff")  # a fallen bit cannot rise
    card.write(0, place - 1, b"\x01\x02\x03")
    assert card.read(0, place - 1, 3) == b"\x01\x42\x03"
    assert card.protected(place)
    assert not card.protected(place + 1)


def test_an_sle4442_has_no_protection_above_31():
    card = opened(Sle4442)
    card.write(1, 0, b"\x00\x00\x00\x00")
    card.write(0, 30, b"\x01\x02\x03\x04")
    assert card.read(0, 30, 4) == b"\xff\xff\x03\x04"
    assert code_of(card.write, 1, 4, b"\x00") == BAD_ARGUMENT


def test_protection_bits_need_the_secret():
    card = new(Sle4442)
    assert code_of(card.write, 1, 0, b"\x00") == DENIED
    assert card.read(1, 0, 4) == b"\xff" * 4


def test_the_tail_of_an_sle4428_reads_counter_and_zeros_and_is_not_writable():
    card = opened(Sle4428)
    assert card.read(0, 1020, 4) == b"\xff\xff\x00\x00"
    code_of(card.verify, 0, b"no")
    assert card.read(0, 1021, 3) == b"\x7f\x00\x00"
    card.verify(0, RIGHT[Sle4428])
    for addr, data in ((1021, b"\x00"), (1019, b"\x00\x00\x00"), (1022, b"ab")):
        assert code_of(card.write, 0, addr, data) == BAD_ARGUMENT
    assert card.read(0, 1019, 2) == b"\xff\xff"
    card.write(0, 1019, b"\x00\x01")
    assert card.read(0, 1019, 2) == b"\x00\x01"


@pytest.mark.parametrize("kind", KINDS)
def test_bad_arguments_do_nothing(kind):
    card = opened(kind)
    image = card.image()
    size = kind.chip.size
    calls = [
        (card.read, 0, size, 1), (card.read, 0, size - 1, 2), (card.read, 2, 0, 1), (card.read, 0, -1, 1),
        (card.read, 0, 0, 0), (card.write, 0, size - 1, b"ab"), (card.write, 2, 0, b"a"), (card.write, 0, 0, b""),
        (card.verify, 1, RIGHT[kind]), (card.verify, 0, RIGHT[kind] + b"0"), (card.tries_left, 1),
        (card.transmit, b"\x00\xa4\x00\x00"),
    ]  # fmt: skip
    assert [code_of(*each) for each in calls] == [BAD_ARGUMENT] * len(calls)
    assert card.image() == image


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_another_card(kind):
    card = opened(kind)
    other = copy.deepcopy(card)
    other.write(0, 40, b"other")
    assert card.read(0, 40, 5) == b"\xff" * 5
    assert card.image() != other.image()
    card.write(0, 40, b"other")
    assert card.image() == other.image()


def test_a_blank_card_is_made_by_the_familys_name():
    memory = bytes(range(256)) * 4
    card = memory_card("SLE4428", memory, b"\x12\x34")
    assert card.card_type() == 31
    assert card.atr().hex() == "3b0492231091"
    assert card.read(0, 0, 1024) == memory[:1021] + b"\xff\x00\x00"
    card.verify(0, b"\x12\x34")
    assert memory_card("SLE4442", memory[:256], b"abc").card_type() == 21
    with pytest.raises(ValueError, match="SLE4442"):
        memory_card("CPU", memory[:256], b"")
    with pytest.raises(ValueError, match="256 bytes"):
        memory_card("SLE4442", memory, b"abc")
