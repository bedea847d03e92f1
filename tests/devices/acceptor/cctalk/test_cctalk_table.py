"""The table of five events: what is new, what is lost, and when the device was powered up."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk.heard import Heard
from kiosk.devices.acceptor.cctalk.table import News, Table, news
from kiosk.model.cash import Mark

OTHER = (9, 9)  # an event that was there before


def full(counter, *newest):
    """A table in which something stands at every place; ``newest``: newest first."""
    return Table(counter, (*newest, *[OTHER] * 5)[:5])


def test_the_published_table():
    # Azkoyen, Modular X6 ccTalk, §5.20: coin 6 on path 4, a string, one unknown, coin 6 again, coin 13 on path 2
    table = tables.parse(bytes((6, 6, 4, 0, 20, 0, 23, 6, 4, 13, 2)))
    assert table == Table(6, ((6, 4), (0, 20), (0, 23), (6, 4), (13, 2)))
    assert table.newest(5) == ((2, (13, 2)), (3, (6, 4)), (4, (0, 23)), (5, (0, 20)), (6, (6, 4)))
    assert tables.encode(table) == bytes((6, 6, 4, 0, 20, 0, 23, 6, 4, 13, 2))


@pytest.mark.parametrize("answer", [b"", bytes(10), bytes(12)])
def test_what_is_no_table(answer):
    with pytest.raises(ValueError):
        tables.parse(answer)


@pytest.mark.parametrize(
    ("last", "now", "numbers"),
    [
        (7, 7, ()),
        (7, 8, (8,)),
        (253, 2, (254, 255, 1, 2)),
        (255, 1, (1,)),
        (254, 255, (255,)),
        (255, 5, (1, 2, 3, 4, 5)),
        (0, 1, (1,)),
        (10, 15, (11, 12, 13, 14, 15)),  # exactly five
    ],
)
def test_what_is_new(last, now, numbers):
    events = tuple((number, (number, 1)) for number in numbers)
    pairs = (*(pair for _, pair in reversed(events)), *([(0, 0)] if last == 0 else [OTHER]) * 5)[:5]
    assert news(last, (OTHER,) * 5, Table(now, pairs)) == News(events)
    assert news(last, None, Table(now, pairs)) == News(events), "nobody remembers the places"


@pytest.mark.parametrize(
    ("last", "now", "lost", "start"),
    [
        (10, 16, 1, 11),
        (253, 4, 1, 254),
        (255, 6, 1, 1),
        (0, 6, 1, 1),
        (250, 3, 3, 253),
        (249, 5, 6, 255),
        (10, 60, 45, 55),
    ],
)
def test_more_than_five_some_are_lost_and_five_are_not(last, now, lost, start):
    table = full(now, (1, 1), (2, 1), (3, 1), (4, 1), (5, 1))
    said = news(last, (OTHER,) * 5, table)
    assert (said.lost, said.start, said.reset) == (lost, start, False)
    assert [event for _, event in said.events] == [(5, 1), (4, 1), (3, 1), (2, 1), (1, 1)]
    assert said.events[0][0] == tables.after(start) and said.events[-1][0] == now


@pytest.mark.parametrize(("last", "now", "lost"), [(10, 61, 51), (250, 249, 254), (0, 200, 200), (0, 255, 255)])
def test_a_count_that_went_back_or_jumped_is_believed_in_nothing(last, now, lost):
    assert news(last, None, full(now, (1, 1))) == News(lost=lost, start=now)


def test_the_count_is_zero():
    assert news(0, None, Table()) == News()
    assert news(17, (OTHER,) * 5, Table()) == News(lost=0, reset=True)
    assert news(17, None, Table()) == News(lost=0, reset=True)


def test_powered_up_and_counted_on():
    after = Table(2, ((1, 1), (2, 1), (0, 0), (0, 0), (0, 0)))
    said = News(((1, (2, 1)), (2, (1, 1))), lost=0, reset=True)
    assert news(200, None, after) == said
    assert news(1, full(1, (5, 1)).pairs, after) == said, "the count alone would say that one is new"
    assert news(2, full(2, (5, 1)).pairs, after) == said, "the count alone would say that nothing is"


def test_places_that_do_not_fit_are_not_explained():
    assert news(7, (OTHER,) * 5, full(8, (1, 1), (3, 3))) == News(lost=0, start=8)
    assert news(7, (OTHER,) * 5, full(7, (3, 3))) == News(lost=0, start=7)


def test_five_events_since_the_power_came_are_not_told_from_260():
    five = Table(5, ((1, 1),) * 5)
    assert not tables.fresh(five) and tables.fresh(Table(4, (*[(1, 1)] * 4, (0, 0))))
    assert news(200, None, five) == News(lost=60, start=5)
    assert news(250, None, five).lost == 5, "ten by the count; if it was powered up instead, five are said too many"


pair = st.tuples(st.integers(1, 16), st.integers(0, 1))


@given(st.integers(0, 1000), st.lists(pair, max_size=40), st.data())
def test_whoever_reads_often_enough_hears_every_event_once(before, events, data):
    """A device with some history logs on; it is read at any times, but before six events are new."""
    table = Table()
    for _ in range(before):
        table = tables.logged(table, OTHER)
    last, seen, heard = table.counter, table.pairs, []
    unread = 0
    for event in events:
        if unread == 5 or data.draw(st.booleans()):
            told = news(last, seen, table)
            assert told.lost is None and not told.reset
            heard += [it for _, it in told.events]
            last, seen, unread = table.counter, table.pairs, 0
        table = tables.logged(table, event)
        unread += 1
    heard += [it for _, it in news(last, seen, table).events]
    assert heard == events


@given(
    st.integers(0, 255),
    st.one_of(st.none(), st.lists(pair, min_size=5, max_size=5).map(tuple)),
    st.binary(min_size=11, max_size=11),
)
def test_any_table_says_something_that_can_be(last, seen, answer):
    told = news(last, seen, tables.parse(answer))
    assert len(told.events) <= 5
    assert not told.reset or told.lost == 0
    numbers = [number for number, _ in told.events]
    assert all(tables.after(one) == other for one, other in itertools.pairwise(numbers))


# ---- over the end of the process


S = "12345678"


def test_the_first_device_of_a_kiosk_tells_all_it_ever_said():
    heard = Heard(None, b"")
    assert heard.met(S, Table(2, ((2, 1), (1, 1), (0, 0), (0, 0), (0, 0)))) == News(((1, (1, 1)), (2, (2, 1))))
    assert Heard(None, b"").met(S, Table()) == News()
    assert Heard(None, b"").met(S, full(17)) == News(lost=0, start=17), "it has a history that is not ours"


def test_the_delta_is_taken_from_the_ledgers_mark():
    table = full(2, (4, 1), (3, 1), (2, 1), (1, 1))
    assert [number for number, _ in Heard(Mark(S, 253), b"").met(S, table).events] == [254, 255, 1, 2]
    assert Heard(Mark(S, 2), b"").met(S, table) == News()
    assert Heard(Mark(S, 200), b"").met(S, table) == News(lost=57, start=2)


def test_another_serial_number_credits_nothing():
    assert Heard(Mark("777", 1), b"").met(S, full(2, (4, 1))) == News(lost=0, start=2)
    heard = Heard(Mark(S, 2), b"")
    heard.met(S, full(2))
    assert heard.met("777", full(3)) == News(lost=0, start=3)
    heard.recorded(heard.mark(3))
    assert heard.known == Mark("777", 3)
    assert heard.met(S, full(3, (1, 1))) == News(lost=0, start=3), "the first is back, and nobody watched it"


def test_events_that_are_no_money_are_remembered_in_the_file():
    heard = Heard(Mark(S, 10), b"")
    heard.met(S, full(10))
    for counter in range(11, 19):
        heard.passed(Mark(S, counter))
    again = Heard(Mark(S, 10), heard.memory())
    assert again.met(S, full(19, (1, 1))) == News(((19, (1, 1)),))
    assert Heard(Mark(S, 10), b"").met(S, full(19, (1, 1))).lost == 4, "without the file it is an alarm"


def test_a_file_from_before_the_ledgers_mark_does_not_count():
    heard = Heard(Mark(S, 10), b"")
    heard.met(S, full(10))
    heard.passed(Mark(S, 14))
    assert Heard(Mark(S, 12), heard.memory()).met(S, full(14)).events == ((13, OTHER), (14, OTHER))


@pytest.mark.parametrize(
    "memory", [b"{", b"[]", b"{}", b"\xff\xfe", b'{"known": null, "heard": ["1", 700]}', b'{"heard": 1}']
)
def test_a_damaged_file_is_none(memory):
    assert Heard(Mark(S, 10), memory).met(S, full(11, (1, 1))) == News(((11, (1, 1)),))
