"""The kiosk's end of a driver's process: kept warm, ended when it misbehaves, never taking the kiosk with it."""

import contextlib
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from driver_bench import ORACLE, SANDBOXED, WAYS, MemoryCard, inner, program, shut_in, text_of, write_vendor

from kiosk.drivers import confine, host
from kiosk.drivers.host import is_password
from kiosk.drivers.pipe import Kind, Verb, pack_card, pack_status
from kiosk.model.cardport import CardPortError
from kiosk.model.errors import DeviceFault, DriverFault

COUNT, CRASH = program("said = calls"), program("import os; os._exit(1)")


ROOT = Path(host.__file__).parents[2]


def fault_of(act, *arguments):
    with pytest.raises(DriverFault) as fault:
        act(*arguments)
    return fault.value.code, str(fault.value)


def is_there(pid):
    return Path(f"/proc/{pid}").exists()


def is_gone(pid):
    """Ended, be it that nobody has asked how yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def ended(pid, patience_s=10.0):
    """Whether the process ends in that time, be it ours or not."""
    process = os.pidfd_open(pid)
    try:
        return bool(select.select([process], [], [], patience_s)[0])
    finally:
        os.close(process)


def test_a_process_starts_with_the_first_call_and_stays(started):
    process = started(ORACLE)
    assert process.pid is None
    assert text_of(process.call(COUNT, None, "")) == "1"
    pid = process.pid
    process.start()
    process.prepare()
    assert text_of(process.call(COUNT, None, "")) == "2"
    assert process.pid == pid


def test_close_ends_it_and_the_next_call_starts_another(started):
    process = started(ORACLE)
    process.start()
    pid = process.pid
    process.close()
    process.close()
    assert process.pid is None
    assert not is_there(pid)
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_discard_has_the_next_one_ready(started):
    process = started(ORACLE)
    process.start()
    pid = process.pid
    process.discard()
    assert process.pid not in (None, pid)
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_after_a_crash_the_next_is_started_at_once(started):
    process = started(ORACLE)
    assert fault_of(process.call, CRASH, None, "")[0] == "D-301"
    pid = process.pid
    assert pid is not None
    assert text_of(process.call(COUNT, None, "")) == "1"
    assert process.pid == pid


def test_one_that_ends_between_two_calls_costs_nothing(started):
    process = started(ORACLE)
    process.start()
    pid = process.pid
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    assert text_of(process.call(COUNT, None, "")) == "1"
    assert process.pid != pid


TWO_ANSWERS = """
import os, stat
for number in range(3, 256):
    try: found = os.fstat(number)
    except OSError: continue
    if stat.S_ISSOCK(found.st_mode): os.write(number, {message!r})
"""


@pytest.mark.parametrize("message", [pack_status(Kind.ANSWER, -2), bytes(pack_card(Verb.WRITE, 0, 40, 0, b"abc"))])
def test_what_is_said_when_no_call_runs_is_never_heard(started, message):
    """An answer too many would be the next call's, a call on the card would reach the next card."""
    process, card = started(ORACLE), MemoryCard()
    late = (  # in 20 ms: the call is over by then
        "import ctypes, signal\nlibc, timer = ctypes.CDLL(None), ctypes.c_void_p()\n"
        f"def speak(*_): exec({TWO_ANSWERS.format(message=message)!r})\n"
        "signal.signal(signal.SIGALRM, speak)\nlibc.timer_create(0, None, ctypes.byref(timer))\n"
        "libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, 20_000_000), None)\n"
    )
    process.call(program(late), card, "")
    pid = process.pid
    waiting = select.poll()
    waiting.register(process._child.pipe.end, select.POLLIN)
    assert waiting.poll(5000)
    assert text_of(process.call(COUNT, card, "")) == "1"
    assert (process.pid != pid, card.calls) == (True, [])


def test_no_process_and_no_descriptor_is_left_behind(started):
    process = started(ORACLE)
    process.start()
    before = open_files()
    for _ in range(5):
        fault_of(process.call, CRASH, None, "")
    assert open_files() == before
    last = process.pid
    process.close()
    assert not is_there(last)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert [pid for pid in children if is_gone(pid)] == []


def test_the_deadline_counts_the_cards_time_too(started):
    class Slow(MemoryCard):
        def read(self, zone, addr, length):
            end = time.monotonic() + 0.15
            while time.monotonic() < end:
                os.sched_yield()
            return bytes(length)

    process = started(ORACLE)
    process.start()
    source = "for _ in range(10): icdev.read(0, 0, 1)"
    assert fault_of(process.call, program(source), Slow(), "", 300)[0] == "D-302"
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_the_manifests_deadline_holds_where_no_other_is_given(started):
    process = started(ORACLE, timeout_ms=250)
    process.start()
    before = time.monotonic()
    code, text = fault_of(process.call, program("while True: pass"), None, "")
    assert (code, "within 250 ms" in text) == ("D-302", True)
    assert 0.25 <= time.monotonic() - before < 5


def test_a_driver_exchanged_after_the_start_is_not_loaded(started):
    process = started(ORACLE)
    process.start()
    process._manifest.driver.path.write_text(ORACLE + "# changed")
    assert text_of(process.call(COUNT, None, "")) == "1"  # it has been checked
    assert fault_of(process.call, CRASH, None, "")[0] == "D-301"
    assert fault_of(process.call, COUNT, None, "")[0] == "D-305"
    process._manifest.driver.path.unlink()
    assert fault_of(process.call, COUNT, None, "")[0] == "D-304"
    process._manifest.driver.path.write_text(ORACLE)
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_what_is_checked_is_what_is_loaded(started, monkeypatch):
    """The file changes between the check and the start of the process: the child has the bytes that were checked."""
    process = started(ORACLE)
    spawn = subprocess.Popen

    def exchange(*arguments, **more):
        process._manifest.driver.path.write_text("raise SystemExit")
        return spawn(*arguments, **more)

    monkeypatch.setattr(subprocess, "Popen", exchange)
    assert text_of(process.call(COUNT, None, "")) == "1"


@pytest.mark.parametrize("broken", ["socketpair", "Popen", "memfd_create"])
def test_a_kiosk_without_descriptors_or_memory_says_d_304_and_recovers(started, monkeypatch, broken):
    process = started(ORACLE)
    process.start()

    def fail(*_arguments, **_more):
        raise OSError(errno.EMFILE, "Too many open files")

    before = open_files()
    where = {"socketpair": socket, "Popen": subprocess, "memfd_create": os}[broken]
    with monkeypatch.context() as patch:
        patch.setattr(where, broken, fail)
        assert fault_of(process.call, CRASH, None, "")[0] == "D-301"  # not how the next one failed to start
        assert fault_of(process.call, COUNT, None, "")[0] == "D-304"
        assert open_files() == before - 1  # the pipe of the one that crashed
    assert text_of(process.call(COUNT, None, "")) == "1"


def test_a_readers_line_that_is_not_there_is_told_before_the_driver_sees_the_request(started, native):
    def lend_line(_baud):
        raise DeviceFault("V-403", "the line is not there")

    process = started(native("NO_BIND"), lend_line, access="serial", baud="baud = 9600")
    assert text_of(process.call(COUNT, None, "binds")) == "0 99 1"
    with pytest.raises(DeviceFault, match="V-403"):
        process.call(COUNT, MemoryCard(), "binds")
    assert text_of(process.call(COUNT, None, "binds")) == "0 99 2"  # that call never reached it


def test_a_line_is_taken_back_only_after_the_process_that_had_it_is_ended(started, native):
    ended, processes = [], []

    @contextlib.contextmanager
    def lend_line(_baud):
        with open("/dev/null", "rb") as line:
            child = processes[0].pid
            try:
                yield line.fileno()
            finally:
                ended.append(processes[0].pid != child and not Path(f"/proc/{child}").exists())

    process = started(native("NO_BIND"), lend_line, access="serial", baud="baud = 9600", timeout_ms=300)
    processes.append(process)
    assert fault_of(process.call, COUNT, MemoryCard(), "hang")[0] == "D-302"
    assert ended == [True]


def test_a_mistake_of_our_own_ends_the_conversation_and_the_process(started):
    class Buggy(MemoryCard):
        def read(self, zone, addr, length):
            raise ZeroDivisionError

    process = started(ORACLE)
    with pytest.raises(ZeroDivisionError):
        process.call(program("icdev.read(0, 0, 1)"), Buggy(), "")
    assert process.pid is None
    assert text_of(process.call(COUNT, None, "")) == "1"


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("atr", b"x" * 5000, "-4"),
        ("transmit", b"x" * 5000, "-4"),
        ("read", b"", "-2"),
        ("tries_left", CardPortError(-6), "-2"),
        ("verify", CardPortError(0), "-2"),
        ("write", CardPortError(-3), "-3"),
    ],
)
def test_whatever_a_port_does_a_driver_gets_a_number_of_the_contract(started, method, given, said):
    card = MemoryCard()

    def act(*_arguments):
        if isinstance(given, Exception):
            raise given
        return given

    setattr(card, method, act)
    calls = {
        "atr": "icdev.atr()",
        "transmit": "icdev.transmit(b'0000')",
        "read": "icdev.read(0, 0, 4)",
        "tries_left": "icdev.tries_left(0)",
        "verify": "icdev.verify(0, b'')",
        "write": "icdev.write(0, 0, b'a')",
    }
    source = f"from kiosk.drivers.sdk import CardPortError\ntry: {calls[method]}\n"
    process = started(ORACLE)
    answer = process.call(program(source + "except CardPortError as fault: said = fault.code"), card, "")
    assert text_of(answer) == said


def test_a_request_without_end_is_not_sent(started):
    process = started(ORACLE)
    with pytest.raises(ValueError, match="4097 bytes"):
        process.call(b"\0" * 4097, None, "")
    assert process.pid is None


def test_a_request_that_is_no_frame_is_the_drivers_to_refuse(started):
    image = "class Driver:\n def icard(self, icdev, send, password): return b''\n"
    assert started(image).call(b"\x68\x11", None, "") == b""


@pytest.mark.parametrize(
    ("text", "truth"),
    [("", True), (" ~", True), ("x" * 256, True), ("x" * 257, False), ("\x1f", False), ("\x7f", False), ("é", False)],
)
def test_what_a_password_is(text, truth):
    assert is_password(text) is truth


@pytest.mark.parametrize("way", WAYS)
def test_two_vendors_drivers_do_not_see_each_other(started, monkeypatch, way):
    shut_in(monkeypatch, way)
    one, other = started(ORACLE), started(ORACLE, code="00F2", abbr="PRC")
    one.start()
    other.start()
    its = inner(other.pid)
    source = f"import os; os.kill({its}, 9)"
    assert text_of(one.call(program(source), None, "")) == "PermissionError 1"
    source = f"open('/proc/{its}/mem')"
    assert text_of(one.call(program(source), None, "")) in ("PermissionError 13", "FileNotFoundError 2")
    assert text_of(other.call(COUNT, None, "")) == "1"


def test_a_call_on_a_warm_process_costs_almost_nothing(started):
    """A hundred calls with ten card reads each, against one start of a process on the same machine."""
    process = started(ORACLE)
    before = time.perf_counter()
    process.start()
    start_s = time.perf_counter() - before
    card = MemoryCard()
    before = time.perf_counter()
    for _ in range(10):
        process.call(program("for _ in range(10): icdev.read(0, 0, 1)"), card, "")
    assert (time.perf_counter() - before) / 10 < start_s / 2
    assert len(card.calls) == 100


KIOSK = """
import os, sys
sys.path[:0] = [{tests!r}]
from driver_bench import BARE, ORACLE, inner, program
from pathlib import Path
from kiosk.drivers import sandbox
from kiosk.drivers.host import DriverProcess
from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.timed_pipe import TimedPipe

class TellingPipe(TimedPipe):
    def receive_by(self, deadline_ns):
        os.write(1, b"the call is on its way\\n")
        return super().receive_by(deadline_ns)

if {way!r} == BARE:
    sandbox.words = lambda python: ()
process = DriverProcess(load_manifest(Path({folder!r})))
process.start()
process._child.pipe = TellingPipe(process._child.pipe.end)
os.write(1, f"{{inner(process.pid)}}\\n".encode())
process.call(program({source!r}), None, "", 1000)
"""


@pytest.mark.slow
def test_a_deadline_ends_with_its_call(started):
    """A process that waits for the next call is not ended by what limited the last."""
    process = started(ORACLE)
    process.call(COUNT, None, "", 900)
    assert not ended(process.pid, patience_s=confine.SPARE_S + 2)
    assert text_of(process.call(COUNT, None, "")) == "2"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ["import signal; signal.pause()", "while True: pass"])
def test_a_driver_does_not_outlive_the_kiosk(tmp_path, source, way):
    """The kiosk is killed in the middle of a call. A sandbox goes with it; without one the child ends by itself, at its
    deadline and a little.
    """
    folder = write_vendor(tmp_path / "prb", ORACLE)
    script = KIOSK.format(tests=str(Path(__file__).parent), folder=str(folder), source=source, way=way)
    kiosk = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    with kiosk.stdout as out:
        pid = int(out.readline())
        assert out.readline() == b"the call is on its way\n"
        kiosk.kill()
        kiosk.wait()
    assert is_gone(pid) or ended(pid, patience_s=0.5 if way == SANDBOXED else 2 + confine.SPARE_S + 5)
