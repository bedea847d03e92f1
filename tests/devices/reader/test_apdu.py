"""T=0: what travels, and how an answer is fetched."""

import pytest

from kiosk.devices.reader.apdu import ROUNDS_MAX, as_t0, follow, is_short


def x(text):
    return bytes.fromhex(text)


class Script:
    """Answers in turn, and remembers what was sent."""

    def __init__(self, *answers):
        self.answers = [x(each) for each in answers]
        self.sent = []

    def __call__(self, apdu):
        self.sent.append(apdu.hex().upper())
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("apdu", "carried"),
    [
        ("00A40000", "00A4000000"), ("00B0810004", "00B0810004"), ("00A40000023F00", "00A40000023F00"),
        ("00A40000023F0000", "00A40000023F00"),
    ],
)  # fmt: skip
def test_the_four_cases_on_the_wire(apdu, carried):
    assert is_short(x(apdu))
    assert as_t0(x(apdu)) == x(carried)


@pytest.mark.parametrize("apdu", ["", "00A400", "00A40000033F00", "00A40000013F0000", "00A40000003F00"])
def test_what_is_no_short_apdu(apdu):
    assert not is_short(x(apdu))


def test_an_answer_in_two_pieces():
    card = Script("6103", "AABB6101", "CC9000")
    assert follow(card, x("00A40000023F00")) == x("AABBCC9000")
    assert card.sent == ["00A40000023F00", "00C0000003", "00C0000001"]


def test_the_wrong_length_is_put_right():
    card = Script("6C04", "010203049000")
    assert follow(card, x("00B0810000")) == x("010203049000")
    assert card.sent == ["00B0810000", "00B0810004"]


def test_the_wrong_length_after_data_and_in_get_response():
    card = Script("6C02", "6105", "6C02", "AABB9000")
    assert follow(card, x("00880001020102FF")) == x("AABB9000")
    assert card.sent == ["00880001020102FF", "0088000102010202", "00C0000005", "00C0000002"]


@pytest.mark.parametrize("answers", [("",), ("6103", ""), ("6C03", ""), ("6103", "AA6101", "")])
def test_a_card_that_dies_on_the_way_gives_nothing(answers):
    assert follow(Script(*answers), x("00B0810004")) == b""


def test_a_card_that_never_ends_is_left():
    card = Script(*["AA6101"] * (ROUNDS_MAX + 1))
    assert follow(card, x("00B0810004"))[-2:] == x("6101")
    assert len(card.sent) == ROUNDS_MAX + 1


def test_an_error_is_an_answer():
    assert follow(Script("6A82"), x("00A40000023F00")) == x("6A82")
