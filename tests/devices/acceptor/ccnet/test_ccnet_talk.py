"""The host's half of CCNET byte by byte: when it asks, when it listens, when it acknowledges."""

import pytest
from ccnet_pair import make_talk

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.voice import CcnetVoice
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.talk import NEVER
from kiosk.devices.acceptor.validator import Phase, Validator

POLL, ACK = wire.encode(bytes((wire.POLL,))), wire.encode(bytes((wire.ACK,)))
ALL = frozenset({2000})


def said(*body):
    return wire.encode(bytes(body))


IDLE, STACKING, ESCROW, STACKED = said(wire.IDLING), said(wire.STACKING), said(wire.ESCROWED, 3), said(wire.STACKED, 3)
DISABLE = wire.encode(wire.enable(frozenset()))


class Wire:
    """A talk, and the machine played by hand."""

    def __init__(self, talk):
        self.talk, self.now = talk, 0
        talk.opened(0)

    def quiet(self, ms):
        """So long nothing is heard; gives what the talk sends meanwhile."""
        sent, until = b"", self.now + ms
        while self.now < until:
            sent += self.talk.wake(self.now)
            self.now = min(until, max(self.now + 1, self.talk.due_ms()))
        return sent

    def sends(self, ms=2_000):
        """What it sends next, at once when it is due."""
        until = self.now + ms
        while True:
            sent = self.talk.wake(self.now)
            if sent:
                return sent
            due = self.talk.due_ms()
            assert due <= until, "it sends nothing"
            self.now = max(self.now, due)

    def say(self, answer, after_ms=5):
        """The machine answers; gives what follows at once, the acknowledgement or nothing."""
        self.now += after_ms
        self.talk.received(answer, self.now)
        return self.talk.wake(self.now)


def remembered():
    """A talk that knows machine and notes from before."""
    machine = Validator()
    talk, voice = make_talk(), CcnetVoice(machine)
    machine.power_on(0)
    duet = Duet(talk, voice, lambda event: talk.settled(), 0)
    duet.run(0, 10_000)
    assert talk.memory()
    return make_talk(talk.memory())


@pytest.fixture
def line():
    """A conversation that has been in order for a while, with a note on its way into the box."""
    line = Wire(remembered())
    for answer in (STACKING, STACKING, STACKING):
        assert line.sends() == POLL
        line.say(answer)
    line.talk.events()
    return line


def test_in_order_every_answer_is_acknowledged_at_once(line):
    for _ in range(3):
        assert line.sends() == POLL
        assert line.say(STACKING) == ACK


def test_it_polls_every_tenth_of_a_second(line):
    line.sends()
    line.say(STACKING)
    began = line.now
    line.sends()
    assert line.now - began == 100


def test_an_answer_one_question_behind_lets_no_credit_go(line):
    """A slow machine: "stacking" comes after the next poll went out, and the credit, asked for by that poll, after it.

    Seen on a slow computer. An acknowledgement of "stacking" would reach the machine behind the credit.
    """
    assert line.sends() == POLL
    assert line.quiet(160) == b"", "it gave up, and asks nothing before the line is quiet"
    assert line.sends() == POLL
    assert line.say(STACKING, after_ms=20) == b"", "that may be the answer to the poll before"
    assert line.quiet(550) == b"", "its own may still come"
    assert line.say(STACKED, after_ms=0) == b""
    assert line.talk.events() == [], "nobody asked: it is not taken for an answer"
    assert line.sends() == POLL
    assert line.say(STACKED) == b"", "told, and not acknowledged before it is recorded"
    assert line.talk.events() == [on.NoteStacked(2000, found=True)]
    line.talk.credited()
    assert line.talk.wake(line.now) == ACK


@pytest.mark.parametrize("takes_ms", [160, 290, 310, 350, 450, 590])
def test_a_machine_that_is_always_late_is_never_acknowledged(line, takes_ms):
    """Each of its answers might be taken for the next question's."""
    pending, sent = [], []
    for _ in range(20_000):
        if pending and pending[0] <= line.now:
            pending.pop(0)
            line.talk.received(STACKING, line.now)
        out = line.talk.wake(line.now)
        sent.append(out)
        if out == POLL:
            pending.append(line.now + takes_ms)
        line.now += 1
    assert ACK not in sent and sent.count(POLL) > 10


def test_a_late_answer_heard_while_listening_makes_it_listen_on(line):
    line.sends()
    line.quiet(290)
    line.say(STACKING, after_ms=0)
    assert line.quiet(149) == b""
    assert line.sends() == POLL


def test_at_the_opening_it_listens_first_and_acknowledges_nothing_that_may_be_anothers():
    line = Wire(remembered())
    assert line.quiet(149) == b""
    assert line.sends() == POLL
    assert line.say(STACKING) == b""
    assert line.quiet(500) == b""
    assert line.sends() == POLL
    assert line.say(STACKING) == ACK


def test_a_line_that_never_falls_quiet_is_asked_in_the_end(line):
    line.sends()
    line.quiet(151)
    for _ in range(200):
        if line.say(b"\x00", after_ms=10) == POLL:
            break
    else:
        raise AssertionError("it listens for ever")
    assert line.now > 1_000


def test_two_answers_at_once_are_in_doubt(line):
    line.sends()
    assert line.say(STACKING + STACKED) == b""
    assert line.talk.events() == []
    assert line.quiet(140) == b""
    assert line.sends() == POLL


def test_what_comes_before_the_acknowledgement_takes_it_away(line):
    line.sends()
    line.now += 5
    line.talk.received(STACKING, line.now)
    line.talk.received(STACKED, line.now)
    assert line.talk.wake(line.now) == b""


@pytest.mark.parametrize(("record_ms", "at_once"), [(0, True), (8, True), (9, False), (50, False)])
def test_a_credit_recorded_within_eight_ms_is_acknowledged_at_once(line, record_ms, at_once):
    line.sends()
    line.say(STACKED)
    assert line.talk.due_ms() == line.now + 8
    assert line.quiet(record_ms) == b""
    line.talk.credited()
    assert line.talk.wake(line.now) == (ACK if at_once else b"")
    if not at_once:
        assert line.sends() == POLL
        assert line.say(STACKED) == ACK


def test_an_acknowledgement_that_is_too_late_is_not_given(line):
    """The computer was busy elsewhere."""
    line.sends()
    line.now += 5
    line.talk.received(STACKING, line.now)
    line.now += 9
    assert line.talk.wake(line.now) == b""
    assert line.sends() == POLL


def test_a_wish_goes_out_at_once_and_not_with_the_next_poll():
    line = Wire(remembered())
    line.talk.want(ALL)
    for answer in (IDLE, said(wire.ACK), said(wire.DISABLED)):
        line.sends()
        line.say(answer)
    for _ in range(20):
        sent = line.sends()
        if sent == wire.encode(wire.enable(frozenset({3}))):
            break
        line.say(said(wire.DISABLED) if sent == POLL else said(wire.ILLEGAL))
    else:
        raise AssertionError("it never opens")
    line.say(said(wire.ACK))
    line.sends()
    line.say(IDLE)
    line.sends()
    line.say(ESCROW)
    assert on.NoteEscrowed(2000) in line.talk.events()
    line.quiet(40)
    line.talk.decide(True)
    assert line.talk.wake(line.now) == said(wire.STACK)


def test_leaving_closes_an_open_machine(line):
    line.sends()
    line.talk.leave()
    assert line.say(IDLE) == POLL, "what it said to an older question is not asked of it now"
    assert line.say(IDLE) == DISABLE
    assert not line.talk.left()
    line.say(said(wire.ACK))
    assert line.talk.left() and line.talk.due_ms() == NEVER and line.talk.wake(line.now) == b""


def test_leaving_lets_no_event_go(line):
    line.talk.leave()
    assert line.sends() == POLL
    assert line.say(STACKED) == b""
    assert line.talk.left() and line.talk.events() == []


def test_leaving_takes_an_acknowledgement_away(line):
    line.sends()
    line.now += 5
    line.talk.received(STACKING, line.now)
    line.talk.leave()
    assert line.talk.wake(line.now) == POLL


def test_leaving_a_machine_that_does_not_answer_ends(line):
    line.sends()
    line.talk.leave()
    sent = line.quiet(1_000)
    assert sent == POLL and line.talk.left()


def test_leaving_without_a_line_is_done():
    talk = make_talk()
    assert not talk.left()
    talk.leave()
    assert talk.left()


@pytest.mark.parametrize("damage", [lambda kept: b"x", lambda kept: kept[:-1], lambda kept: b"x" * len(kept)])
def test_a_damaged_memory_is_none(damage):
    kept = remembered().memory()
    assert make_talk(damage(kept)).memory() == b"" and make_talk(kept).memory() == kept


def test_one_wrong_bit_in_the_memory_gives_no_note_another_value():
    kept = bytearray(remembered().memory())
    for at in range(len(kept)):
        kept[at] ^= 4
        assert make_talk(bytes(kept)).memory() == b""
        kept[at] ^= 4


def test_the_machine_hears_nothing_without_power_and_forgets_what_it_said():
    machine = Validator()
    voice = CcnetVoice(machine)
    assert voice.received(POLL, 0) == b""
    machine.power_on(0)
    assert voice.received(POLL, 0) == said(wire.POWER_UP)
    machine.power_off(1)
    voice.wake(1)
    machine.power_on(1)
    assert voice.received(said(wire.NAK), 1) == b""
    assert machine.phase is Phase.POWER_UP


def test_a_frame_that_breaks_off_is_forgotten_by_the_machine():
    machine = Validator()
    voice = CcnetVoice(machine)
    machine.power_on(0)
    assert voice.received(POLL[:3], 0) == b""
    assert voice.received(POLL[3:], 5) == said(wire.POWER_UP)
    assert voice.received(POLL[:3], 100) == b""
    assert voice.received(POLL[3:], 120) == b""
    assert voice.received(POLL, 200) == said(wire.POWER_UP)
