"""The line that exists only in simulated time."""

import pytest

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.talk import NEVER


class Asker:
    """Asks every 100 ms."""

    def __init__(self):
        self.due, self.came, self.opened_at = NEVER, [], []

    def opened(self, now_ms):
        self.opened_at.append(now_ms)
        self.due = now_ms

    def received(self, came, now_ms):
        self.came.append((now_ms, came))

    def wake(self, now_ms):
        if now_ms < self.due:
            return b""
        self.due = now_ms + 100
        return b"?"

    def due_ms(self):
        return self.due

    def events(self):
        return [on.Accepting()] if self.came else []


class Answerer:
    """Answers at once, and says something unasked at 250."""

    def __init__(self):
        self.heard, self.due = [], 250

    def received(self, came, now_ms):
        self.heard.append((now_ms, came))
        return b"!" * len(came)

    def wake(self, now_ms):
        if now_ms < self.due:
            return b""
        self.due = NEVER
        return b"hey"

    def due_ms(self):
        return self.due


@pytest.fixture
def duet():
    return Duet(Asker(), Answerer(), lambda event: None, 0)


def test_bytes_arrive_whole_and_at_once(duet):
    assert duet.run(0, 300) == 300
    assert duet.voice.heard == [(0, b"?"), (100, b"?"), (200, b"?"), (300, b"?")]
    assert duet.talk.came == [(0, b"!"), (100, b"!"), (200, b"!"), (250, b"hey"), (300, b"!")]


def test_a_delay_each_way_and_nothing_overtakes(duet):
    delays = iter([30, 50, 10, 0])
    duet.delay = lambda way, passing: next(delays, 0)
    duet.run(0, 99)
    assert (duet.voice.heard, duet.talk.came) == ([(30, b"?")], [(80, b"!")])
    duet.run(99, 120)
    assert duet.talk.came[-1] == (110, b"!")


def test_a_slow_answer_comes_after_the_next_question(duet):
    late = iter([150, 0])
    duet.delay = lambda way, passing: next(late, 0) if way == "to-host" else 0
    duet.run(0, 160)
    assert duet.voice.heard == [(0, b"?"), (100, b"?")]
    assert duet.talk.came == [(150, b"!!")], "the second is queued behind the first"


def test_what_is_on_the_line_comes_to_the_next_process(duet):
    duet.delay = lambda way, passing: 40 if way == "to-host" else 0
    duet.play(0)
    another, told = Asker(), []
    duet.delay = None
    duet.succeed(another, told.append, 10)
    duet.run(10, 60)
    assert another.opened_at == [10] and another.came[0] == (40, b"!!")
    assert told


def test_tampering(duet):
    duet.tamper = lambda way, passing: b"" if way == "to-host" else passing * 2
    duet.run(0, 100)
    assert duet.voice.heard == [(0, b"??"), (100, b"??")] and not duet.talk.came


def test_halves_that_never_come_to_rest_are_found(duet):
    duet.talk.wake = lambda now_ms: b"?"
    with pytest.raises(AssertionError, match="never come to rest"):
        duet.play(0)
