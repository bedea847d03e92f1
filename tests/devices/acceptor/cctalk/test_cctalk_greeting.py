"""What a device is asked when it is met, and which answers are believed."""

import pytest

from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.greeting import SERIAL, TRIES_LONG, Greeting, Question
from kiosk.devices.acceptor.cctalk.trade import COINS, NOTES

SERIAL_ANSWER = bytes.fromhex("4E 61 BC")


def answers(question):
    if question.header in (wire.COIN_ID, wire.BILL_ID):
        name = (
            {1: "CN010A", 2: "CN100A", 3: "EU100A"} if question.header == wire.COIN_ID else {1: "CN0005A", 2: "CN0100A"}
        )
        return name.get(question.data[0], "." * (6 if question.header == wire.COIN_ID else 7)).encode("ascii")
    said = {
        wire.SERIAL: SERIAL_ANSWER,
        wire.MANUFACTURER: b"AZK",
        wire.PRODUCT: b"X6",
        wire.SCALING: bytes.fromhex("64 00 02"),
        wire.ACCEPT_COUNTER: b"\7\1\0",
        wire.POLLING_PRIORITY: bytes((2, 20)),
    }
    return said.get(question.header, b"?")


def finish(greeting, answer=answers):
    asked = []
    while question := greeting.next():
        asked.append(question)
        greeting.heard(answer(question))
    return asked


@pytest.mark.parametrize(("trade", "worth"), [(COINS, {1: 10, 2: 100}), (NOTES, {1: 500, 2: 10_000})])
def test_all_that_is_asked(trade, worth):
    greeting = Greeting(trade, "CN", keeps_count=True)
    asked = finish(greeting)
    assert (greeting.serial, greeting.identity, greeting.polling_ms) == ("12345678", "AZK X6 12345678", 200)
    assert greeting.worth_fen == worth and greeting.accepted == 263
    assert asked[0] == SERIAL and asked[-1].header == wire.ACCEPT_COUNTER
    assert asked.count(SERIAL) == 2 and asked.count(Question(trade.names, b"\1")) == 2
    assert asked.count(Question(wire.MANUFACTURER)) == 1


def test_the_count_is_asked_only_if_it_is_kept():
    greeting = Greeting(COINS, "CN", keeps_count=False)
    assert wire.ACCEPT_COUNTER not in {question.header for question in finish(greeting)}
    assert greeting.accepted is None


def test_what_money_hangs_on_is_heard_twice_the_same():
    greeting = Greeting(COINS, "CN", keeps_count=False)
    for said in (SERIAL_ANSWER, b"\1\2\3", SERIAL_ANSWER):
        greeting.heard(said)
        assert greeting.next() == SERIAL
    greeting.heard(SERIAL_ANSWER)
    assert greeting.next() != SERIAL and greeting.serial == "12345678"


@pytest.mark.parametrize("late", [b"", b"CN010A", b"Coin Acceptor"])
def test_an_answer_of_another_length_belongs_to_another_question(late):
    greeting = Greeting(COINS, "CN", keeps_count=False)
    for _ in range(4):
        greeting.heard(late)
    assert greeting.next() == SERIAL


def test_what_is_refused_or_never_answered():
    greeting = Greeting(COINS, "CN", keeps_count=False)
    for _ in range(TRIES_LONG):
        assert not greeting.stuck
        greeting.unanswered()
    assert greeting.next() == SERIAL and greeting.stuck, "a bad line makes no other device of it"
    greeting.refused()
    assert greeting.next() == Question(wire.MANUFACTURER) and greeting.serial == ""
    for _ in range(3):
        greeting.unanswered()
    assert greeting.next() == Question(wire.CATEGORY)


def test_the_same_device_is_not_asked_for_its_names_again():
    first = Greeting(NOTES, "CN", keeps_count=True)
    finish(first)
    again = Greeting(NOTES, "CN", keeps_count=True, earlier=first)
    assert {question.header for question in finish(again)} == {wire.SERIAL, wire.ACCEPT_COUNTER}
    assert (again.worth_fen, again.identity) == (first.worth_fen, first.identity)
    other = Greeting(NOTES, "CN", keeps_count=True, earlier=first)
    finish(other, lambda question: b"\1\1\1" if question == SERIAL else answers(question))
    assert other.serial == "65793"
    assert len(finish(Greeting(NOTES, "CN", keeps_count=True, earlier=None))) > 30
