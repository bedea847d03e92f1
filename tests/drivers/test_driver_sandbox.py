"""A driver's process in bubblewrap's sandbox and without one: how it is started, how it ends, what is said about it."""

import contextlib
import logging
import os
import threading
from pathlib import Path

import pytest
from driver_bench import ORACLE, SANDBOXED, WAYS, MemoryCard, inner, program, shut_in, text_of, vendor

from kiosk.drivers import child, sandbox
from kiosk.drivers.host import DriverProcess
from kiosk.model.errors import DriverFault

COUNT = program("said = calls")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    shut_in(monkeypatch, request.param)
    return request.param


@pytest.fixture
def untried():
    """Nobody has looked for bubblewrap yet."""
    sandbox._tried.cache_clear()
    yield
    sandbox._tried.cache_clear()


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


def fault_of(process, source, timeout_ms=None):
    with pytest.raises(DriverFault) as fault:
        process.call(program(source), MemoryCard(), "", timeout_ms)
    return fault.value.code, str(fault.value)


@pytest.mark.parametrize("source", ["while True: pass", "import signal; signal.pause()"])
def test_a_deadline_ends_all_of_it(started, way, source):
    process = started(ORACLE)
    process.start()
    all_of_it = [process.pid, inner(process.pid)]
    assert (len(set(all_of_it)) == 2) is (way == SANDBOXED)
    assert fault_of(process, source, 200)[0] == "D-302"
    assert [gone(pid) for pid in all_of_it] == [True, True]
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_close_ends_all_of_it(started, way):
    process = started(ORACLE)
    process.start()
    all_of_it = {process.pid, inner(process.pid)}
    process.close()
    assert [gone(pid) for pid in all_of_it] == [True] * len(all_of_it)
    process.prepare()  # a process that has hardly begun
    pid = process.pid
    process.close()
    assert gone(pid)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import ctypes; ctypes.string_at(8)", "killed by SIGSEGV"),
        ("import os; os.abort()", "killed by SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("import os; os._exit(0)", "exit status 0"),
        ("import os; os._exit(4)", "exit status 4"),
        ("import os, ctypes; ctypes.CDLL(None).alarm(1); import signal; signal.pause()", "killed by SIGALRM"),
    ],
)
def test_how_it_ended_is_told(started, way, source, words):
    process = started(ORACLE)
    code, text = fault_of(process, source)
    assert (code, words in text) == ("D-301", True), text


def test_one_that_closes_its_pipe_and_lives_on_is_ended(started, way, monkeypatch):
    monkeypatch.setattr(child, "LAST_MS", 200)
    process = started(ORACLE)
    process.start()
    pid = inner(process.pid)
    source = "import os, signal\nfor n in range(3, 256):\n try: os.close(n)\n except OSError: pass\nsignal.pause()"
    assert fault_of(process, source)[0] == "D-301"
    assert gone(pid)


def test_it_lives_on_when_the_thread_that_started_it_ends(started, way):
    """The kernel tells a process of its parent's death when the thread that made it ends."""
    process = started(ORACLE)
    starter = threading.Thread(target=process.start)
    starter.start()
    starter.join()
    assert text_of(process.call(COUNT, None, "")) == "1"
    pid = process.pid
    assert text_of(process.call(COUNT, None, "")) == "2"
    assert process.pid == pid


def test_an_old_drivers_line_cannot_be_kept_from_one_call_to_the_next(started, native, way):
    """It may copy the descriptor; the process that could has ended before the kiosk takes the line back."""
    reader, writer = os.pipe()
    gone_then = []

    @contextlib.contextmanager
    def lend(_baud):
        pid = inner(process.pid)
        yield writer
        gone_then.append(gone(pid))

    process = started(native("NO_BIND"), lend, access="serial", baud="baud = 9600")
    for _ in range(2):
        process.start()
        assert text_of(process.call(bytes.fromhex("681000001016"), MemoryCard(), "serial")) == "13"
    assert gone_then == [True, True]
    assert os.read(reader, 40) == b"to the reader" * 2
    os.close(writer)
    assert os.read(reader, 20) == b""  # nobody has it any more
    os.close(reader)
    pid = process.pid
    assert text_of(process.call(bytes.fromhex("681000001016"), None, "binds")) == "0 99 1"
    assert process.pid == pid  # no line was lent


def test_a_bench_keeps_one_of_the_old_kind(native, tmp_path):
    with open(os.devnull, "wb") as line:
        manifest = vendor(tmp_path / "prb", native("NO_BIND"), kind="native", access="serial", baud="baud = 9600")
        process = DriverProcess(manifest, lambda baud: contextlib.nullcontext(line.fileno()), trusted=True)
        for call in ("1", "2"):
            assert text_of(process.call(bytes.fromhex("681000001016"), MemoryCard(), "binds")) == f"0 99 {call}"
        process.close()


def said_at_start(started, caplog):
    """What the log says when two drivers are started, and that they work."""
    with caplog.at_level(logging.WARNING):
        for code in ("00F1", "00F2"):
            process = started(ORACLE, code=code)
            assert text_of(process.call(COUNT, None, "")) == "1"
            assert inner(process.pid) == process.pid
    return [record.getMessage() for record in caplog.records]


def test_without_bubblewrap_drivers_run_all_the_same_and_it_is_said_once(
    started, caplog, monkeypatch, tmp_path, untried
):
    monkeypatch.setenv("PATH", str(tmp_path))
    (said,) = said_at_start(started, caplog)
    assert "bubblewrap is not installed" in said
    assert "names of files and processes can be seen" in said


def test_where_bubblewrap_may_not_work_drivers_run_all_the_same_and_it_is_said_once(
    started, caplog, monkeypatch, tmp_path, untried
):
    """As in a container that forbids namespaces."""
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (said,) = said_at_start(started, caplog)
    assert "bwrap: No permissions to create new namespace" in said


def test_where_it_works_nothing_is_said(started, caplog, untried):
    with caplog.at_level(logging.WARNING):
        assert bool(sandbox.words(sandbox.interpreter())) is (SANDBOXED in WAYS)
    assert bool(caplog.records) is (SANDBOXED not in WAYS)
