"""The downlink's rhythm: often enough, not all at once, and never ended by a mistake."""

import pytest
from tuf_office import WHO, Calendar, Publisher, Web

from kiosk.sync.downlink.loop import DownlinkLoop, Rhythm
from kiosk.sync.downlink.offer import read_offer
from kiosk.sync.downlink.round import Place


@pytest.fixture
def office(tmp_path):
    return Publisher(tmp_path / "hq")


def test_it_comes_more_often_after_a_failure_and_less_often_after_many(tmp_path, office):
    web = Web(office.files)
    place = Place(tmp_path / "downlink", office.first_root, WHO)
    loop = DownlinkLoop(place, web.source(), Calendar(), Rhythm(900_000, 5_000, lambda: 1.0))
    assert loop.turn() == 900_000
    web.away = True
    assert [loop.turn() for _ in range(9)] == [10_000 << n for n in range(7)] + [900_000, 900_000]
    web.away = False
    office.publish(prices=b"price list 1\n")
    assert loop.turn() == 900_000 and read_offer(place.folder).version == 2


def test_a_thousand_terminals_do_not_come_at_once():
    dice = [Rhythm(900_000, 5_000, lambda die=die: die / 10) for die in range(11)]
    waits = [rhythm.wait_ms(0) for rhythm in dice]
    assert waits == [450_000 + 45_000 * n for n in range(11)]
