"""A vendor's secret is in the driver's process for the call, and nowhere else, neither before it nor after."""

import logging
import os
import subprocess
import threading
from pathlib import Path

import pytest
from driver_bench import ORACLE, WAYS, MemoryCard, by_hand, inner, program, shut_in, text_of

from kiosk.drivers.native import NativeDriver
from kiosk.drivers.pipe import Kind, Pipe, pack_status
from kiosk.drivers.timed_pipe import TimedPipe
from kiosk.drivers.worker import PipePort
from kiosk.model.cardport import CardPortError
from kiosk.model.errors import DriverFault

SECRET = "psc=7E57-5EC2E7;key=0123456789abcdef"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("grabber") / "libgrc.so"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run(["gcc", *flags, "-o", built, HERE / "grabber.c"], check=True)
    return built


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    shut_in(monkeypatch, request.param)


def family(pid):
    """The process we started and all below it, down to the driver."""
    last = inner(pid)
    found = [pid]
    while found[-1] != last:
        found.append(int(Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split()[0]))
    return found


def copies(pid, wanted):
    """How often the bytes stand in the process's memory. Root may look; PermissionError for all others."""
    found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(word, 16) for word in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                found += (memory.read(end - start) or b"").count(wanted)
    return found


def request(text):
    return by_hand(0x10, (0x7F01, text.encode()))


def test_nothing_of_it_is_left_in_a_native_drivers_process(started, library, way):
    """Not the message it came in, not the library's copy, not what was presented to the card."""
    process, card = started(library.read_bytes(), abbr="GRC"), MemoryCard()
    for _ in range(3):
        assert text_of(process.call(request("present"), card, SECRET)) == "-3"
    assert ("verify", 0, SECRET.encode()) in card.calls
    pid = inner(process.pid)
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            copies(pid, SECRET.encode())
        return
    assert copies(pid, SECRET[:12].encode()) == 0
    assert text_of(process.call(request("hello"), card, SECRET)) == f"{SECRET} 21"
    assert copies(pid, SECRET[:12].encode()) > 0, "what a driver keeps itself is found: the search works"


def test_it_is_on_no_command_line_and_in_no_environment(started, way):
    process = started(ORACLE)
    process.call(program("said = 1"), None, SECRET)
    for pid in family(process.pid):
        told = Path(f"/proc/{pid}/cmdline").read_bytes()
        if os.geteuid() == 0:
            told += Path(f"/proc/{pid}/environ").read_bytes()
        assert SECRET.encode() not in told
    assert SECRET not in text_of(process.call(program("import os, sys; said = os.environ, sys.argv"), None, ""))


LOOK = """
import builtins, ctypes, signal
def look(_, at):  # between two calls: what do the frames under us hold?
    seen = []
    while at:
        for name, value in at.f_locals.items():
            if isinstance(value, str): value = value.encode()
            if isinstance(value, (bytes, bytearray, memoryview)):
                seen.append(name + "!" * (b"key=0123" + b"456789" in bytes(value)))
        at = at.f_back
    builtins.seen = seen
signal.signal(signal.SIGALRM, look)
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
libc.timer_create(0, None, ctypes.byref(timer))
libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, 20_000_000), None)
"""


def test_between_two_calls_no_frame_of_ours_holds_it(started, way):
    """A Python driver's own str is the driver's to keep; ours are zeros when the call is over."""
    process = started(ORACLE)
    process.call(program(LOOK), None, SECRET)
    threading.Event().wait(0.2)
    seen = text_of(process.call(program("import builtins; said = builtins.seen"), None, ""))
    assert "'room'" in seen
    assert "'password'" in seen
    assert "!" not in seen


@pytest.mark.parametrize(
    ("source", "timeout_ms"),
    [
        ("raise ValueError(password)", None),
        ("class E(BaseException): pass\nraise E(password)", None),
        ("import sys; sys.exit(password)", None),
        ("import os; os.abort()", None),
        ("import ctypes; ctypes.string_at(8)", None),
        ("while True: pass", 200),
        ("raw = password.encode()", None),
        ("raw = password.encode() * 200", None),
        ("print(password, flush=True); import sys; print(password, file=sys.stderr); raw = b'x'", None),
    ],
)
def test_it_is_in_no_log_and_in_no_error(started, caplog, capfd, source, timeout_ms):
    process = started(ORACLE)
    with caplog.at_level(logging.DEBUG):
        try:
            process.call(program(source), MemoryCard(), SECRET, timeout_ms)
            told = ""
        except DriverFault as fault:
            told = "".join(map(repr, (fault, fault.__cause__, fault.__context__)))
    assert caplog.records or not told
    assert SECRET not in told + caplog.text + "".join(capfd.readouterr())


def test_there_is_no_core(started, tmp_path, way):
    process = started(ORACLE)
    source = "import resource, ctypes; said = resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3)"
    assert text_of(process.call(program(source), None, SECRET)) == "((0, 0), 0)"


def test_a_kiosk_wipes_the_message_it_sent(started, monkeypatch):
    sent = []
    send = TimedPipe.send_by
    monkeypatch.setattr(
        TimedPipe, "send_by", lambda pipe, message, *by: (sent.append(message), send(pipe, message, *by))[1]
    )
    process = started(ORACLE)
    assert text_of(process.call(program("said = password"), None, SECRET)) == repr(SECRET)
    assert isinstance(sent[0], bytearray)
    assert bytes(sent[0]) == bytes(len(sent[0]))


def test_what_is_presented_to_the_card_is_wiped_when_it_is_sent():
    ours, theirs = TimedPipe.pair()
    with theirs:
        pipe = Pipe(os.dup(theirs.fileno()))
        sent, send = [], pipe.send
        pipe.send = lambda message: (sent.append(message), send(message))[1]
        port = PipePort(pipe)
        port.open = True
        os.write(ours.end, pack_status(Kind.RESULT, -3))
        with pytest.raises(CardPortError):
            port.verify(0, SECRET.encode())
        assert SECRET.encode() in ours.receive()
        assert bytes(sent[0]) == bytes(len(sent[0]))
        ours.close()
        pipe.close()


def test_what_a_library_presents_is_not_copied_on_its_way(library):
    seen = []
    card = MemoryCard()
    card.verify = lambda which, secret: seen.append((type(secret), bytes(secret)))
    driver = NativeDriver(str(library), "GRC", card, "api", -1, views=True)
    assert driver.answer(1, request("present"), SECRET.encode())[0] == 0
    assert seen == [(memoryview, SECRET.encode())]


def test_a_library_that_is_given_one_too_long_never_sees_it(library):
    driver = NativeDriver(str(library), "GRC", MemoryCard(), "api", -1)
    with pytest.raises(ValueError, match=r"(?i)size|shape|structures"):
        driver.answer(1, request("hello"), b"x" * 400)
    assert driver.answer(1, request("hello"), b"x" * 256)[0] == 0
    assert bytes(driver._password) == bytes(257)
