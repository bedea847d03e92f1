"""Whose answer is this? The discipline of question and answer on a line that numbers nothing."""

from kiosk.devices.acceptor.asking import DOUBT_ROUNDS, QUIET_ROUNDS_MAX, Asking
from kiosk.devices.acceptor.talk import NEVER


def asked(at=0, answer_ms=100):
    asking = Asking(answer_ms)
    assert asking.may_ask(at)
    asking.asked(at)
    return asking


def test_an_answer_in_time_frees_the_line():
    asking = asked()
    assert asking.waiting and not asking.may_ask(50) and asking.due_ms() == 100
    assert not asking.answered(50)
    assert asking.may_ask(50) and asking.due_ms() == NEVER


def test_a_long_answer_may_be_given_longer():
    asking = Asking(100)
    asking.asked(0, 300)
    assert not asking.gave_up(299) and asking.gave_up(300)


def test_after_a_silence_it_listens():
    asking = asked()
    assert asking.gave_up(100) and not asking.gave_up(101), "once a question"
    assert not asking.may_ask(199) and asking.due_ms() == 200
    asking.noise(150)
    assert not asking.may_ask(249) and asking.may_ask(250)


def test_it_does_not_listen_for_ever():
    asking = asked()
    asking.gave_up(100)
    now = 100
    while not asking.may_ask(now):
        asking.noise(now)
        now += 10
    assert now == 100 + QUIET_ROUNDS_MAX * 100


def test_the_answer_after_a_silence_is_in_doubt_and_its_own_is_waited_for():
    asking = asked()
    asking.gave_up(100)
    assert asking.may_ask(200)
    asking.asked(200)
    assert asking.answered(250)
    assert not asking.may_ask(250 + DOUBT_ROUNDS * 100 - 1)
    asking.noise(300)
    assert not asking.may_ask(300 + DOUBT_ROUNDS * 100 - 1) and asking.may_ask(300 + DOUBT_ROUNDS * 100)
    asking.asked(700)
    assert not asking.answered(710)


def test_the_first_answer_on_a_new_line_is_in_doubt():
    asking = Asking(100)
    asking.opened(0)
    assert not asking.may_ask(99) and asking.may_ask(100)
    asking.asked(100)
    assert asking.answered(110)


def test_a_line_that_is_gone_is_forgotten():
    asking = asked()
    asking.gave_up(100)
    asking.forget()
    assert asking.may_ask(101) and asking.due_ms() == NEVER
    asking.noise(102)
    assert asking.may_ask(102), "noise before anything was asked"
