"""A one-wire line on which the host hears itself: whose bytes are these?"""

import pytest
from cctalk_bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.line import Line, LineSettings
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings, CctalkTalk
from kiosk.devices.acceptor.cctalk.trade import COINS, NOTES
from kiosk.devices.acceptor.cctalk.voice import Plate
from kiosk.devices.acceptor.talk import NEVER
from kiosk.model.cash import Mark

POLL = bytes.fromhex("02 00 01 FE FF")
ACK = bytes.fromhex("01 00 02 00 FD")


def asked(**more):
    line = Line(LineSettings(**more), 2)
    assert line.ask(wire.SIMPLE_POLL, b"", 0) == POLL
    return line


@pytest.mark.parametrize(
    ("echo", "came", "heard"),
    [
        ("detect", POLL + ACK, True),
        ("detect", ACK, True),
        ("on", POLL + ACK, True),
        ("on", ACK, False),
        ("off", ACK, True),
        ("off", POLL + ACK, False),
        ("detect", POLL, False),
        ("detect", POLL * 2 + ACK, False),  # nobody looks for frames inside others
        ("detect", b"\0" + POLL + ACK, False),
        ("detect", POLL[:-1] + b"\0" + ACK, False),  # our own words were hurt: perhaps the device heard something else
        ("detect", POLL + b"\0" + ACK, False),
        ("detect", POLL + bytes.fromhex("01 00 03 00 FC"), False),  # another device's
        ("detect", POLL + bytes.fromhex("03 00 02 00 FB"), False),  # for another host
        ("detect", POLL + bytes.fromhex("01 00 02 00 FC"), False),
    ],
)
def test_what_is_an_answer(echo, came, heard):
    whole = asked(echo=echo).received(came, 10)
    bits = asked(echo=echo)
    byte_by_byte = [frame for byte in came if (frame := bits.received(bytes((byte,)), 10))]
    assert bool(whole) == heard == bool(byte_by_byte)
    if heard:
        assert whole == byte_by_byte[0] == wire.Frame(wire.HOST, wire.REPLY, b"", 2)


def test_an_answer_is_waited_for_and_then_the_line_is_listened_to():
    line = asked()
    assert not line.may_ask(50) and line.due_ms(0) == 100
    assert not line.gave_up(99) and line.gave_up(100) and not line.gave_up(100)
    assert not line.may_ask(100)
    line.received(POLL + ACK, 150)  # late
    assert not line.may_ask(249) and line.due_ms(0) == 250
    assert line.may_ask(250)


def test_more_than_the_answer_is_a_line_that_is_not_quiet():
    line = asked()
    assert line.received(POLL + ACK + ACK, 10)
    assert not line.may_ask(109) and line.may_ask(110)


def test_a_new_line_owes_nothing():
    line = asked()
    line.received(POLL[:3], 5)
    line.forget()
    assert line.may_ask(5) and not line.gave_up(1_000)
    line.ask(wire.SIMPLE_POLL, b"", 10)
    assert line.received(POLL + ACK, 20)


@pytest.mark.parametrize("check", ["sum", "crc"])
@pytest.mark.parametrize(("host", "adapter"), [("detect", True), ("detect", False), ("on", True), ("off", False)])
@pytest.mark.parametrize("address", [0, 41])
def test_every_kind_of_line(check, host, adapter, address):
    settings = CctalkSettings(line=LineSettings(check=check, echo=host, address=address))
    bench = Bench(settings=settings, plate=Plate(check=check, echo=adapter, address=address)).open()
    bench.feed(1000)
    bench.until(lambda: bench.said(on.NoteStacked))
    assert bench.events[-1] == on.NoteStacked(1000, False, Mark("12345678", 2))


@pytest.mark.parametrize(
    ("settings", "plate"),
    [
        (LineSettings(check="crc"), Plate()),
        (LineSettings(), Plate(check="crc")),
        (LineSettings(echo="on"), Plate(echo=False)),
        (LineSettings(echo="off"), Plate()),
        (LineSettings(address=41), Plate()),
    ],
)
def test_a_line_set_wrongly_is_silent(settings, plate):
    bench = Bench(settings=CctalkSettings(line=settings), plate=plate)
    bench.run(30_000)
    assert bench.events == [on.AcceptorDown("V-411")]
    assert not bench.open_for


junk = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 400)), max_size=30)


@given(junk, st.sampled_from([COINS, NOTES]), st.sampled_from(["sum", "crc"]), st.sampled_from(["on", "off", "detect"]))
def test_a_host_that_hears_junk_alone_tells_of_no_money(came, trade, check, echo):
    talk = CctalkTalk(trade, CctalkSettings(line=LineSettings(check=check, echo=echo)))
    talk.opened(0)
    talk.want(frozenset({100, 1000}))
    now, told = 0, []
    for bytes_, wait_ms in came:
        talk.wake(now)
        talk.received(bytes_, now)
        told += talk.events()
        now += wait_ms
    assert {type(event) for event in told} <= {on.AcceptorDown}


@given(st.lists(st.tuples(st.sampled_from([0, 5, 6, 9]), st.binary(max_size=12), st.integers(1, 300)), max_size=60))
def test_a_device_that_answers_anything(answers):
    """Whole frames with right checks, and any content: no exception, and no credit without the table twice the same."""
    talk = CctalkTalk(NOTES)
    talk.opened(0)
    talk.want(frozenset({1000}))
    now = 0
    for header, data, wait_ms in answers:
        if talk.wake(now):
            talk.received(wire.encode(wire.HOST, header, data, 40), now)
        assert not [event for event in talk.events() if isinstance(event, on.NoteStacked | on.NoteEscrowed)]
        now += wait_ms
        assert talk.due_ms() < NEVER
