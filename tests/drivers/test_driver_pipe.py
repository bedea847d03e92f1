"""Messages between kiosk and driver process: whole, in time, and never believed."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.drivers.pipe import (
    CARD_BYTES_MAX,
    KINDS,
    MESSAGE_MAX,
    Kind,
    Pipe,
    PipeBroken,
    PipeGone,
    PipeLate,
    Verb,
    pack_call,
    pack_card,
    pack_status,
    unpack_call,
    unpack_card,
    unpack_status,
    wipe,
)
from kiosk.drivers.timed_pipe import TimedPipe
from kiosk.drivers.worker import LinePipe

WORD = st.integers(0, 0xFFFFFFFF)
VERBS = range(Verb.CARD_TYPE, Verb.TRANSMIT + 1)


@pytest.fixture
def ends():
    """The kiosk's end, the child's, and the child's as a socket."""
    ours, theirs = TimedPipe.pair()
    with theirs:
        yield ours, Pipe(os.dup(theirs.fileno())), theirs
        ours.close()


def soon():
    return time.monotonic_ns() + 20_000_000


def test_a_message_arrives_whole(ends):
    ours, theirs, _ = ends
    long = bytes((Kind.CALL,)) + b"\0" * 6000
    theirs.send(long)
    theirs.send(bytes((Kind.READY,)))
    assert ours.receive_by(soon()) == long
    assert ours.receive_by(soon()) == bytes((Kind.READY,))
    ours.send_by(long, soon())
    assert theirs.receive() == long


def test_a_message_can_be_received_where_it_can_be_wiped(ends):
    ours, theirs, _ = ends
    room = bytearray(b"\xaa" * 300)
    ours.send_by(b"\1secret", soon())
    assert theirs.receive_into(room) == 7
    assert room[:8] == b"\1secret\xaa"
    wipe(room, 7)
    assert room[:8] == b"\0\0\0\0\0\0\0\xaa"
    wipe(room)
    assert room == bytes(300)
    ours.close()
    with pytest.raises(PipeGone):
        theirs.receive_into(room)


def test_a_descriptor_travels_with_a_message_and_is_the_others_own(ends, tmp_path):
    ours, theirs, _ = ends
    child, room = LinePipe(theirs.end), bytearray(100)
    number = child.line
    assert os.readlink(f"/proc/self/fd/{number}") == "/dev/null"  # noqa: PTH115
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with (tmp_path / "line").open("wb") as line:
        ours.send_by(b"\1abc", soon(), line.fileno())
        ours.send_by(b"\1d", soon())
    assert (child.receive_into(room), bytes(room[:4])) == (4, b"\1abc")
    os.write(number, b"written through it")
    assert child.line == number
    assert (tmp_path / "line").read_bytes() == b"written through it"
    assert (child.receive_into(room), bytes(room[:2])) == (2, b"\1d")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    ours.close()
    with pytest.raises(PipeGone):
        child.receive_into(room)
    os.close(number)
    child._socket.detach()


def test_nobody_speaks(ends):
    with pytest.raises(PipeLate):
        ends[0].receive_by(soon())
    with pytest.raises(PipeLate):
        ends[0].receive_by(time.monotonic_ns() - 1)


def test_nobody_listens(ends):
    deadline = soon()
    with pytest.raises(PipeLate):
        for _ in range(10_000):
            ends[0].send_by(b"\5" * 8000, deadline)
    assert time.monotonic_ns() >= deadline - 1_000_000


def test_the_other_end_is_gone(ends):
    ours, theirs, held = ends
    theirs.close()
    theirs.close()
    held.close()
    with pytest.raises(PipeGone):
        ours.receive_by(soon())
    with pytest.raises(PipeGone):
        ours.send_by(b"\1", soon())


def test_our_end_is_gone(ends):
    ours, theirs, _ = ends
    ours.close()
    with pytest.raises(PipeGone):
        theirs.receive()
    with pytest.raises(PipeGone):
        theirs.send(b"\1")


@pytest.mark.parametrize("message", [b"\0", b"\x08", b"junk", bytes((Kind.ANSWER,)) + b"\0" * MESSAGE_MAX])
def test_what_is_no_message(ends, message):
    ends[2].send(message)
    with pytest.raises(PipeBroken) as fault:
        ends[0].receive_by(soon())
    assert not isinstance(fault.value, PipeGone)


def test_an_empty_message_is_taken_for_the_end(ends):
    ends[2].send(b"")
    with pytest.raises(PipeGone):
        ends[0].receive_by(soon())


def test_every_kind_has_its_name():
    assert {name: KINDS.index(name) for name in KINDS if name} == {
        name: number for name, number in vars(Kind).items() if name.isupper()
    }


@given(WORD, WORD, st.binary(max_size=256), st.binary(max_size=3000))
def test_calls_come_back(timeout_ms, handle, password, frame):
    message = pack_call(timeout_ms, handle, password, frame)
    assert unpack_call(memoryview(message)) == (timeout_ms, handle, password, frame)


def test_a_password_lies_in_its_message_and_nowhere_else():
    message = pack_call(1000, 1, b"A1B2C3", b"\x68")
    password = unpack_call(memoryview(message))[2]
    wipe(message)
    assert bytes(password) == bytes(6)


@pytest.mark.parametrize("message", [b"", b"\1\0\0", b"\2" + bytes(20)])
def test_what_is_no_call(message):
    with pytest.raises(PipeBroken):
        unpack_call(memoryview(message))


@given(st.sampled_from(VERBS), WORD, WORD, st.integers(0, CARD_BYTES_MAX), st.binary(max_size=100))
def test_calls_on_the_card_come_back(verb, first, second, length, content):
    call = unpack_card(bytes(pack_card(verb, first, second, length, content)))
    assert (call.verb, call.first, call.second, call.length, call.content) == (verb, first, second, length, content)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_call_on_the_card_or_pipe_broken(body):
    message = bytes((Kind.CARD,)) + body
    try:
        call = unpack_card(message)
    except PipeBroken:
        return
    assert pack_card(call.verb, call.first, call.second, call.length, call.content) == message


@pytest.mark.parametrize(
    "call",
    [
        (Verb.READ, -1, 0, 0, b""),
        (Verb.READ, 0, 1 << 32, 0, b""),
        (Verb.READ, 0, 0, CARD_BYTES_MAX + 1, b""),
        (Verb.READ, 0, 0, -1, b""),
        (Verb.WRITE, 0, 0, 0, b"\0" * (CARD_BYTES_MAX + 1)),
        (Verb.READ, "0", 0, 0, b""),
        (Verb.READ, 0.5, 0, 0, b""),
    ],
)
def test_a_call_on_the_card_has_limits(call):
    with pytest.raises(ValueError, match=r"bytes|integer|range|format"):
        pack_card(*call)


def test_a_call_on_the_card_over_the_limit_is_not_believed():
    message = bytearray(pack_card(Verb.READ, 0, 0, 8, b""))
    message[10:14] = (CARD_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(PipeBroken):
        unpack_card(bytes(message))
    with pytest.raises(PipeBroken):
        unpack_card(bytes(pack_card(Verb.WRITE, 0, 0, 0, b"")) + b"\0" * (CARD_BYTES_MAX + 1))


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.binary(max_size=50))
def test_statuses_come_back(status, content):
    assert unpack_status(pack_status(Kind.RESULT, status, content)) == (status, content)


def test_an_answer_without_a_status():
    with pytest.raises(PipeBroken):
        unpack_status(b"\6\0\0\0")
