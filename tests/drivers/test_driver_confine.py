"""What a driver's process is stopped from, each door by itself: limits, user, files, system calls."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from driver_bench import ORACLE, SANDBOXED, WAYS, inner, program, shut_in, text_of, vendor

from kiosk.drivers import confine, landlock, syscalls
from kiosk.drivers.host import DriverProcess

ROOT = Path(confine.__file__).parents[2]
NOBODY = 65534
PYTHONS = [sys.executable, *(path for path in ("/usr/bin/python3.11",) if os.path.exists(path))]  # noqa: PTH110
HOW = [(python, way) for python in PYTHONS for way in WAYS]
REFUSED = ("PermissionError", "FileNotFoundError")
"""Not allowed, or, in a sandbox, not even there."""
OLD, NEW = (f"/tmp/prb-{word}-{os.getpid()}" for word in ("old", "new"))


def with_paths(source):
    """OLD and NEW stand for a file there is and one there is not."""
    return source.replace("OLD", OLD).replace("NEW", NEW)


def status_of(process):
    """/proc/<pid>/status, as the kernel tells everybody."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module", params=HOW, ids=lambda how: f"{how[0]} {how[1]}")
def oracle(request, tmp_path_factory):
    """oracle(program) → what it said. With the tests' own Python, and with the system's; in each way there is."""
    python, way = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", python)
        shut_in(patch, way)
        process = DriverProcess(vendor(tmp_path_factory.mktemp("oracle") / "prb", ORACLE, timeout_ms=8000))
        process.start()

    def ask(source):
        return text_of(process.call(program(source), None, ""))

    ask.process, ask.way, ask.pid = process, way, inner(process.pid)
    yield ask
    process.close()


def test_the_user_is_nobody_where_root_may_choose(oracle):
    """Python's library can be read by everybody in a sandbox, for only the way to it is ours."""
    library = Path(oracle("import os; said = os.__file__").strip("'"))
    readable = oracle.way == SANDBOXED or all(parent.stat().st_mode & 0o001 for parent in library.parents)
    expected = NOBODY if os.geteuid() == 0 and readable else os.geteuid()
    status = status_of(oracle.pid)
    assert status["Uid"] == [str(expected)] * 4
    if expected == NOBODY:
        assert (status["Gid"], status["Groups"]) == ([str(NOBODY)] * 4, [])


def test_no_capability_is_left_and_none_can_be_won(oracle):
    status = status_of(oracle.pid)
    assert [status[f"Cap{each}"] for each in ("Eff", "Prm", "Inh", "Amb")] == [["0" * 16]] * 4
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert oracle("import ctypes; said = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)") == "0"  # PR_GET_DUMPABLE


@pytest.mark.parametrize("kind", ["mnt", "pid", "net", "ipc", "uts"])
def test_a_sandbox_has_its_own_of_everything(oracle, kind):
    ours, its = (Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in ("self", oracle.pid))
    assert (ours != its) is (oracle.way == SANDBOXED or (kind == "net" and os.geteuid() == 0))


def test_what_a_sandbox_holds(oracle):
    """Stat alone is not stopped by Landlock: what cannot be seen is not there."""
    source = "import os\nsaid = [place for place in {!r} if os.path.lexists(place)]"
    places = ["/tmp", "/home", "/run", "/var", "/etc/passwd", "/usr/bin/env", "/sys", "/opt", "/srv", str(ROOT)]
    seen = [place for place in places if os.path.lexists(place)]
    assert oracle(source.format(places)) == repr([] if oracle.way == SANDBOXED else seen)
    number = 2 if oracle.way == SANDBOXED else oracle.pid
    assert oracle(f"import os; said = os.getpid(), os.path.lexists('/proc/{os.getpid()}')") == repr(
        (number, oracle.way != SANDBOXED)
    )
    if oracle.way == SANDBOXED:
        assert oracle("import os; said = [f for f in ('/', '/dev', '/usr/lib') if os.access(f, os.W_OK)]") == "[]"


@pytest.mark.parametrize(
    ("limit", "value"), [("AS", 512 << 20), ("NOFILE", 16), ("FSIZE", 0), ("CORE", 0), ("NPROC", 0)]
)
def test_limits(oracle, limit, value):
    assert oracle(f"import resource; said = resource.getrlimit(resource.RLIMIT_{limit})") == f"({value}, {value})"


FORBIDDEN = {
    "a process": "import os; os.fork()",
    "a program": "import os; os.execv('/bin/true', ['true'])",
    "a shell": "import os; said = os.system('true'); assert said != 0; raise PermissionError",
    "a program, spawned": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "a socket": "import socket; socket.socket()",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a pair of sockets": "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a raw socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "a signal to the kiosk": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "a signal to everybody": "import os, signal; os.kill(-1, signal.SIGKILL)",
    "a signal by descriptor": "import os; os.pidfd_open(os.getppid())",
    "a signal from the kernel in its name": ("import fcntl, os\nfcntl.fcntl(0, 8, os.getppid())"),
    "the kiosk's limits": "import resource, os; resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "the kiosk's memory": "import os; open(f'/proc/{os.getppid()}/mem', 'rb')",
    "the kiosk's memory, to write": "import os; os.open(f'/proc/{os.getppid()}/mem', os.O_WRONLY)",
    "the kiosk's environment": "import os; open(f'/proc/{os.getppid()}/environ')",
    "the kiosk's files": "import os; os.listdir(f'/proc/{os.getppid()}/fd')",
    "a readable file": "open('/etc/passwd')",
    "a directory": "import os; os.listdir('/etc')",
    "its own table of files": "import os; os.listdir('/proc/self/fd')",
    "a new file": "open('NEW', 'w')",
    "a new file, at most": "import os; os.open('/tmp', os.O_TMPFILE | os.O_WRONLY)",
    "a file to be emptied": "import os; os.truncate('OLD', 0)",
    "a file to be removed": "import os; os.unlink('OLD')",
    "a file to be renamed": "import os; os.rename('OLD', 'NEW')",
    "a file to be given away": "import os; os.chmod('OLD', 0o777)",
    "a file to be linked": "import os; os.link('OLD', 'NEW')",
    "a link": "import os; os.symlink('/etc', 'NEW')",
    "a directory to be made": "import os; os.mkdir('NEW')",
    "a pipe to be made": "import os; os.mkfifo('NEW')",
    "a time stamp": "import os; os.utime('OLD', (0, 0))",
    "shared memory": (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.shmget(0, 4096, 0o1600) < 0: raise OSError(ctypes.get_errno(), 'shmget')"
    ),
    "the console": "import os; os.open('/dev/tty', os.O_RDWR)",
}


@pytest.fixture(scope="module", autouse=True)
def victim():
    """A file that everybody may write in a directory that everybody may write."""
    path = Path(OLD)
    path.write_text("victim")
    path.chmod(0o666)
    yield path
    path.unlink()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_is_stopped(oracle, victim, what):
    assert oracle(with_paths(FORBIDDEN[what])).startswith(REFUSED)
    assert victim.read_text() == "victim"
    assert not os.path.lexists(NEW)


def test_a_drivers_own_folder_and_the_kiosks_code_cannot_be_read(oracle):
    assert oracle(f"open({__file__!r})").startswith(REFUSED)
    assert oracle(f"import os; os.listdir({str(ROOT)!r})").startswith(REFUSED)


def test_a_gigabyte_is_not_to_be_had(oracle):
    assert oracle("said = len(bytes(1 << 30))") == "MemoryError None"
    assert oracle("said = len(bytes(64 << 20))") == str(64 << 20)


def test_a_thread_is_not_to_be_had(oracle):
    assert oracle("import threading; threading.Thread(target=len).start()").startswith("RuntimeError")


def test_sixteen_files_are_enough(oracle):
    assert oracle("said = [open('/dev/null') for _ in range(20)]") == "OSError 24"


def test_what_is_not_stopped(oracle):
    """Known and accepted: libraries and zones are read, names and sizes of files are seen, an id is asked for."""
    assert oracle("import os; said = len(os.listdir('/usr/lib')) > 0") == "True"
    assert oracle("import time, os; said = open('/etc/localtime', 'rb').read(4)") in ("b'TZif'", "FileNotFoundError 2")
    if oracle.way != SANDBOXED:
        assert oracle("import os; said = os.stat('/etc/passwd').st_size > 0") == "True"
        assert oracle("import os; said = os.getppid()") == str(os.getpid())
    assert oracle("import os; os.kill(os.getpid(), 0); said = 'alive'") == "'alive'"


HALF = """
import sys
sys.path.append({root!r})
import kiosk.drivers.confine as confine
confine.{door} = lambda libc: False
confine.confine()
import errno, os
def outcome(act):
    try: act()
    except OSError as fault: return errno.errorcode[fault.errno]
    return "done"
for each in {acts!r}:
    os.write(1, (outcome(lambda: exec(each)) + "\\n").encode())
"""


def with_one_door_open(door, acts):
    """What the acts come to in a confined process that leaves this door open."""
    source = HALF.format(root=str(ROOT), door=door, acts=[with_paths(act) for act in acts])
    command = [sys.executable, "-I", "-S", "-B", "-c", source]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split()


def test_system_calls_alone_stop_writing_where_the_kernel_has_no_landlock(victim):
    acts = [
        "open('OLD').read()",
        "open('OLD', 'a')",
        "open('NEW', 'w')",
        "os.unlink('OLD')",
        "os.rename('OLD', 'NEW')",
        "os.chmod('OLD', 0)",
        "os.fork()",
        "import socket; socket.socket()",
        "os.kill(os.getppid(), 0)",
    ]
    assert with_one_door_open("only_libraries_may_be_read", acts) == ["done"] + ["EPERM"] * 8
    assert victim.read_text() == "victim"


def test_landlock_alone_stops_files_where_the_call_numbers_are_not_known(victim):
    acts = [
        "open('OLD').read()",
        "open('OLD', 'a')",
        "open('NEW', 'w')",
        "os.unlink('OLD')",
        "os.listdir('/')",
        "open(os.__file__).read()",
    ]
    assert with_one_door_open("refuse_calls", acts) == ["EACCES"] * 5 + ["done"]
    assert victim.read_text() == "victim"


HEADERS = {"x86_64": "asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
OF_64_BITS = ("-D__BITS_PER_LONG=64", "-D__ARCH_WANT_RENAMEAT", "-D__ARCH_WANT_NEW_STAT", "-D__ARCH_WANT_SYS_CLONE3")
HERE = {"aarch64", os.uname().machine}  # the header for aarch64 is everybody's


@pytest.mark.parametrize("machine", [each for each in HEADERS if each in HERE])
def test_call_numbers_are_the_kernels(machine):
    command = ["gcc", "-E", "-dM", *OF_64_BITS, "-include", HEADERS[machine], "-x", "c", os.devnull]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = {name: int(number) for name, number in re.findall(r"^#define __NR(?:3264)?_(\w+) (\d+)$", text, re.M)}
    column = list(syscalls.MACHINES).index(machine)
    named = syscalls.REFUSED | syscalls.TO_READ_ONLY | syscalls.ONLY_ITSELF
    ours = {name: numbers[column] for name, numbers in named.items()}
    ours |= {"prlimit64": syscalls.PRLIMIT64[column], "fcntl": syscalls.FCNTL[column], "ioctl": syscalls.IOCTL[column]}
    del ours["fchmodat2"]  # newer than the headers of Debian 12
    assert ours == {name: known.get(name) for name in ours}


def verdict(steps, machine, number, *arguments):
    """Runs the filter as the kernel does (only the instructions it uses)."""
    words = [number, machine, 0, 0]
    for argument in (*arguments, *(0,) * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    at, held = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x06:
            return {0x7FFF0000: "allow", 0x00050001: "refuse", 0x80000000: "kill"}[value]
        if code == 0x20:
            held = words[value // 4]
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_the_filters_program(machine):
    column, audit = list(syscalls.MACHINES).index(machine), syscalls.MACHINES[machine]
    steps = syscalls.filter_steps(machine, 4321)
    assert all(0 <= skip < 256 for _, *skips, _ in steps for skip in skips)

    def said(number, *arguments):
        return verdict(steps, audit, number, *arguments)

    refused = {numbers[column] for numbers in syscalls.REFUSED.values()} - {None}
    with_rules = {numbers[column] for numbers in (syscalls.TO_READ_ONLY | syscalls.ONLY_ITSELF).values()} - {None}
    with_rules |= {syscalls.PRLIMIT64[column], syscalls.FCNTL[column], syscalls.IOCTL[column]}
    assert {number for number in range(600) if number not in with_rules and said(number) == "refuse"} == refused
    assert verdict(steps, audit ^ 1, 0) == "kill"
    assert said(0x40000000) == said(0x40000001) == "refuse"  # the calls of x32
    openat = syscalls.TO_READ_ONLY["openat"][column]
    assert said(openat, 3, 0, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_PATH) == "allow"
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE):
        assert said(openat, 3, 0, flag) == "refuse"
    for name in syscalls.ONLY_ITSELF:
        number = syscalls.ONLY_ITSELF[name][column]
        assert (said(number, 4321, 6), said(number, 4322, 6), said(number, -1, 9)) == ("allow", "refuse", "refuse")
    assert (said(syscalls.PRLIMIT64[column], 0), said(syscalls.PRLIMIT64[column], 4321)) == ("allow", "refuse")
    assert [said(syscalls.FCNTL[column], 3, command) for command in (1, 3, 4, 8, 10, 15)] == ["allow"] * 3 + [
        "refuse"
    ] * 3
    assert [said(syscalls.IOCTL[column], 3, call) for call in (0x5401, 0x8901, 0x8902)] == ["allow", "refuse", "refuse"]


class Libc:
    """A C library whose kernel refuses everything with that errno."""

    def __init__(self, number):
        self.number = number

    def syscall(self, *_):
        import ctypes

        ctypes.set_errno(self.number)
        return -1

    prctl = capset = syscall


@pytest.mark.parametrize("number", [38, 95, 1])  # ENOSYS, EOPNOTSUPP, EPERM
def test_a_kernel_without_landlock_is_no_error(number):
    assert landlock.only_libraries_may_be_read(Libc(number)) is False


def test_a_door_that_does_not_close_is_an_error():
    for close in (landlock.only_libraries_may_be_read, syscalls.refuse_calls, confine._drop_capabilities):
        with pytest.raises(OSError, match="22"):
            close(Libc(22))


def test_a_machine_whose_numbers_are_not_known_has_no_filter(monkeypatch):
    monkeypatch.setattr(syscalls, "MACHINES", {})
    assert syscalls.refuse_calls(Libc(22)) is False
    monkeypatch.undo()
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)
    assert syscalls.refuse_calls(Libc(22)) is False


@pytest.mark.parametrize(
    ("version", "words"),
    [(1, [0x1FFF]), (2, [0x3FFF]), (3, [0x7FFF]), (4, [0x7FFF, 3]), (5, [0xFFFF, 3]), (7, [0xFFFF, 3, 3])],
)
def test_all_that_a_version_of_landlock_can_refuse_is_refused(version, words):
    assert landlock._refused(version) == words
