"""What the desk makes of two looks at the world: what is new, and what to do next."""

from dataclasses import replace

import pytest

from kiosk.desk.sight import News, Sight, advice, news
from kiosk.devices.acceptor.simulator import CoinLook
from kiosk.devices.acceptor.validator import Look, Phase

ON = Sight(kiosk_on=True, office_on=True, look=Look(phase=Phase.DISABLED))
OPEN = replace(ON, card=0, look=Look(phase=Phase.IDLE, open_for_fen=frozenset((500, 10_000))))


def seen(sight=OPEN, **changes):
    return replace(sight, look=replace(sight.look, **changes))


def test_nothing_new_says_nothing():
    assert news(OPEN, OPEN) == []


def test_notes_are_counted_from_box_and_mouth_even_when_several_moved_between_two_looks():
    before = seen(box=((2000, 1),), handed_back=((500, 1),))
    now = seen(box=((1000, 1), (2000, 2)), handed_back=((500, 2),))
    assert news(before, now) == [News("stacked", 3000), News("returned", 500)]


def test_coins_are_counted_from_their_box_and_the_tray():
    before = replace(OPEN, coins=CoinLook(box=((100, 2),), handed_back=((50, 1),)))
    now = replace(OPEN, coins=CoinLook(box=((50, 1), (100, 3)), handed_back=((50, 2),)))
    assert news(before, now) == [News("coin", 150), News("coin-back", 50)]


def test_an_emptied_box_is_no_note_that_came():
    assert news(seen(box=((2000, 3),)), seen(box=())) == []


def test_a_forged_note_is_called_so_and_a_refused_genuine_one_is_not():
    before = seen(phase=Phase.REJECTING, reason="verification", open_for_fen=frozenset())
    assert news(before, seen(reason="verification", handed_back=((10_000, 1),))) == [
        News("forged", 10_000, tried="forged")
    ]
    before = seen(phase=Phase.REJECTING, reason="inhibited", open_for_fen=frozenset())
    assert news(before, seen(reason="inhibited", handed_back=((10_000, 1),))) == [News("returned", 10_000)]


def test_the_mouth_is_told_to_open_once_not_after_each_note():
    assert News("open") in news(ON, OPEN)
    assert news(seen(phase=Phase.STACKING, open_for_fen=frozenset()), OPEN) == []


def test_a_card_that_dies_under_a_write_is_torn_and_not_also_taken_out():
    torn = replace(OPEN, torn=True)
    assert news(OPEN, torn) == [News("torn", card=0, tried="tear")]
    assert news(torn, replace(torn, torn=False, card=None)) == []


def test_the_plug_counts_as_tried_only_in_mid_sale():
    assert news(OPEN, replace(OPEN, kiosk_on=False)) == [News("kiosk-off", tried="plug")]
    assert news(ON, replace(ON, kiosk_on=False)) == [News("kiosk-off")]
    assert news(replace(OPEN, kiosk_on=False), OPEN) == [News("kiosk-on")]


@pytest.mark.parametrize(
    ("sight", "paid", "waiting", "told"),
    [
        (replace(ON, kiosk_on=False), False, False, "plug"),
        (ON, False, False, "card"),
        (ON, False, True, "meter"),
        (replace(ON, card=1), False, False, "kiosk"),
        (OPEN, False, False, "money"),
        (OPEN, True, False, "money"),
        (replace(ON, card=0, coins=CoinLook(open_for_fen=frozenset((50, 100)))), True, False, "money"),
        (seen(phase=Phase.ACCEPTING, open_for_fen=frozenset()), False, False, "note"),
        (replace(ON, card=1), True, False, "finish"),
        (seen(phase=Phase.JAM_IN_STACKER), True, False, "jam"),
        (seen(ON, phase=Phase.REMOVED), False, False, "box"),
    ],
)
def test_one_thing_to_do_next(sight, paid, waiting, told):
    assert advice(sight, paid=paid, waiting=waiting) == told
