"""Messages between kiosk and driver process: whole, in time, and never believed."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers.pipe import (
    CARD_BYTES_MAX,
    MESSAGE_MAX,
    Call,
    CardCall,
    Kind,
    Pipe,
    PipeBroken,
    PipeGone,
    PipeLate,
    Verb,
    pack_status,
    unpack_status,
)
from kiosk.drivers.task import Task

WORD = st.integers(0, 0xFFFFFFFF)


@pytest.fixture
def ends():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield Pipe(one), Pipe(other), other


def soon():
    return time.monotonic_ns() + 20_000_000


def test_a_message_arrives_whole(ends):
    one, other, _ = ends
    one.send(Kind.CALL, b"\0" * 6000)
    one.send(Kind.READY)
    assert other.receive(soon()) == (Kind.CALL, b"\0" * 6000)
    assert other.receive() == (Kind.READY, b"")


def test_nobody_speaks(ends):
    with pytest.raises(PipeLate):
        ends[0].receive(soon())
    with pytest.raises(PipeLate):
        ends[0].receive(time.monotonic_ns() - 1)


def test_nobody_listens(ends):
    one, _, _ = ends
    with pytest.raises(PipeLate):
        for _ in range(10_000):
            one.send(Kind.CARD, b"\0" * 8000, soon())


def test_the_other_end_is_gone(ends):
    one, other, _ = ends
    other.close()
    with pytest.raises(PipeGone):
        one.receive()
    with pytest.raises(PipeGone):
        one.send(Kind.CALL)


@pytest.mark.parametrize("message", [b"\0", b"\x08", b"junk", bytes((Kind.ANSWER,)) + b"\0" * MESSAGE_MAX])
def test_what_is_no_message(ends, message):
    ends[2].send(message)
    with pytest.raises(PipeBroken) as fault:
        ends[0].receive(soon())
    assert not isinstance(fault.value, PipeGone)


def test_an_empty_message_is_taken_for_the_end(ends):
    ends[2].send(b"")
    with pytest.raises(PipeGone):
        ends[0].receive(soon())


@given(WORD, WORD, st.binary(max_size=256), st.binary(max_size=3000))
def test_calls_come_back(timeout_ms, handle, password, frame):
    call = Call(timeout_ms, handle, password, frame)
    assert Call.unpack(call.pack()) == call


@given(st.sampled_from(Verb), WORD, WORD, st.integers(0, CARD_BYTES_MAX), st.binary(max_size=100))
def test_calls_on_the_card_come_back(verb, first, second, length, content):
    call = CardCall(verb, first, second, length, content)
    assert CardCall.unpack(call.pack()) == call


@given(st.binary(max_size=40))
def test_any_bytes_are_a_call_on_the_card_or_pipe_broken(body):
    try:
        call = CardCall.unpack(body)
    except PipeBroken:
        return
    assert call.pack() == body


@pytest.mark.parametrize(
    "call",
    [
        CardCall(Verb.READ, -1),
        CardCall(Verb.READ, 0, 1 << 32),
        CardCall(Verb.READ, 0, 0, CARD_BYTES_MAX + 1),
        CardCall(Verb.READ, 0, 0, -1),
        CardCall(Verb.WRITE, content=b"\0" * (CARD_BYTES_MAX + 1)),
        CardCall(Verb.READ, "0"),
        CardCall(Verb.READ, 0.5),
    ],
)
def test_a_call_on_the_card_has_limits(call):
    with pytest.raises(ValueError, match=r"bytes|integer|range|format"):
        call.pack()


def test_a_call_on_the_card_over_the_limit_is_not_believed():
    body = bytearray(CardCall(Verb.READ, 0, 0, 8).pack())
    body[9:13] = (CARD_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(PipeBroken):
        CardCall.unpack(bytes(body))
    with pytest.raises(PipeBroken):
        CardCall.unpack(CardCall(Verb.WRITE).pack() + b"\0" * (CARD_BYTES_MAX + 1))


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.binary(max_size=50))
def test_statuses_come_back(status, content):
    assert unpack_status(pack_status(status, content)) == (status, content)


def test_an_answer_without_a_status():
    with pytest.raises(PipeBroken):
        unpack_status(b"\0\0\0")


def test_a_task_survives_the_command_line():
    task = Task(5, 6, -1, "native", "RDK", "api")
    assert task.words() == ["5", "6", "-1", "native", "RDK", "api"]
    assert Task.from_words(task.words()) == task
