"""Whose answer is this? One question at a time, sent again until answered, and no late answer taken for another's."""

from ssp_pair import below

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import FIXED_KEY, Seal
from kiosk.devices.acceptor.ssp.exchange import Exchange
from kiosk.devices.acceptor.ssp.wire import Packet

SYNC, POLL, SERIAL, HOLD = b"\x11", b"\x07", b"\x0c", b"\x18"
OK = b"\xf0"


def answer(bit, data=OK):
    return wire.encode(Packet(bit, data))


def fresh():
    exchange = Exchange(0, 1_000)
    exchange.ask(SYNC, 0)
    assert exchange.wake(0) == bytes.fromhex("7F8001116582")
    assert exchange.received(answer(0x80), 10) == OK
    return exchange


def test_the_bit_flips_with_each_question_and_sync_sets_it():
    exchange = fresh()
    sent = []
    for now, question in ((20, POLL), (40, POLL), (60, SYNC), (80, POLL)):
        exchange.ask(question, now)
        sent.append(exchange.wake(now)[1])
        assert exchange.received(answer(sent[-1]), now + 10) == OK
    assert sent == [0, 0x80, 0x80, 0]


def test_a_question_is_sent_again_as_it_was():
    exchange = fresh()
    exchange.ask(POLL, 100)
    first = exchange.wake(100)
    assert exchange.wake(1_099) == b"" and exchange.due_ms() == 1_100
    assert [exchange.wake(now) for now in (1_100, 2_100, 3_100)] == [first] * 3
    assert exchange.tries == 4


def test_an_answer_with_the_other_bit_is_another_questions():
    exchange = fresh()
    exchange.ask(POLL, 100)
    exchange.wake(100)
    assert exchange.received(answer(0x80, b"\xf0\xee\x01"), 110) is None
    assert exchange.received(answer(0, b"\xf0\xee\x02"), 120) == b"\xf0\xee\x02"


def test_another_devices_answer_is_none():
    exchange = fresh()
    exchange.ask(POLL, 100)
    exchange.wake(100)
    assert exchange.received(answer(0x10), 110) is None and exchange.waiting


def test_after_a_question_was_sent_again_the_line_is_listened_to():
    exchange = fresh()
    exchange.ask(POLL, 100)
    exchange.wake(100)
    exchange.wake(1_100)
    assert exchange.received(answer(0), 1_200) == OK
    assert not exchange.may_ask(2_199)
    assert exchange.received(answer(0), 2_199) is None  # the answer to the second sending
    assert not exchange.may_ask(3_198) and exchange.due_ms() == 3_199
    assert exchange.may_ask(3_199)


def test_a_line_that_never_falls_quiet_is_asked_in_the_end():
    exchange = fresh()
    exchange.listen(0)
    for now in range(0, 8_000, 500):
        assert not exchange.may_ask(now)
        exchange.received(b"\x55", now)
    assert exchange.may_ask(8_000)


def test_what_does_not_fit_the_question_is_not_its_answer():
    exchange = fresh()
    exchange.ask(HOLD, 100)
    exchange.wake(100)
    assert exchange.received(answer(0, b"\xf0\xee\x01"), 110) is None
    assert exchange.received(answer(0, b"\xf5"), 120) == b"\xf5"


def test_sealed_answers_are_counted_and_plain_ones_are_none_but_the_lost_key():
    exchange, device = fresh(), Seal(FIXED_KEY, 99, below("device"))
    exchange.seal = Seal(FIXED_KEY, 99, below("host"))
    exchange.ask(POLL, 100)
    sent = wire.Decoder().feed(exchange.wake(100))[0]
    assert device.open(sent.data) == POLL
    old = answer(0, device.close(b"\xf0\xee\x01"))
    device.count += 1
    assert exchange.received(old, 110) is None  # its count is the question's
    assert exchange.received(answer(0), 120) is None
    assert exchange.received(answer(0, device.close(OK)), 130) == OK
    exchange.ask(POLL, 200)
    exchange.wake(200)
    assert exchange.received(answer(0x80, b"\xfa"), 210) == b"\xfa"


def test_an_abandoned_question_has_no_answer():
    exchange = fresh()
    exchange.ask(POLL, 100)
    exchange.wake(100)
    exchange.abandon(200)
    assert exchange.received(answer(0), 210) is None
    assert not exchange.may_ask(1_209) and exchange.may_ask(1_210)
    assert exchange.wake(1_210) == b""


def test_a_new_line_repeats_the_question_after_a_quiet_while():
    exchange = fresh()
    exchange.ask(POLL, 100)
    first = exchange.wake(100)
    exchange.again(500)
    assert exchange.wake(1_499) == b"" and exchange.wake(1_500) == first
