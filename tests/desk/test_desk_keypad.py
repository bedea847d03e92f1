"""The meter with a keypad on the desk: digits are keyed in like on a wall, and the meter has the last word."""

import pytest
from played_world import PlayedKeypad, PlayedWorld, settle
from test_desk_window import labels, tap

TOKEN = "420533534046"


@pytest.fixture
def world():
    made = PlayedWorld()
    made.keypads = [PlayedKeypad(made.calls, TOKEN, 8928)]
    return made


def keys(desk):
    from kiosk.screens.widgets import Press

    place = next(child for child in desk.ids.cards.children if hasattr(child, "digits"))
    return place, {w.text: w for w in place.walk(restrict=True) if isinstance(w, Press)}


def key_in(desk, digits):
    place, pressed = keys(desk)
    desk.ids.cards.parent.scroll_x = 1
    settle(desk)
    for digit in digits:
        tap(desk, pressed[digit])
    return place


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_digits_off_the_slip_are_taken_once(desk, world, language):
    desk.language = language
    place = key_in(desk, [*TOKEN, "OK"])
    assert world.calls[-1] == ("enter", TOKEN) and place.digits == "" and not place.refused
    assert "89.28" in desk.happened
    key_in(desk, [*TOKEN, "OK"])
    assert place.refused and place.digits == TOKEN
    assert desk.word(language, "news.keypad-refused") in desk.happened


def test_a_wrong_key_is_taken_back_and_the_line_is_grouped(desk, world):
    place = key_in(desk, "42053←←53")
    assert place.digits == "42053" and "4205 3" in [label.text for label in labels(desk)]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_nothing_is_cut_off(desk, world, language):
    desk.language = language
    key_in(desk, [*"1" * 20, "OK"])
    settle(desk)
    place, _ = keys(desk)
    for label in (w for w in labels(desk) if w in list(place.walk(restrict=True))):
        width, height = label.texture_size
        assert width <= label.width + 2 and height <= label.height + 2, f"{label.text!r} needs {width}x{height}"
