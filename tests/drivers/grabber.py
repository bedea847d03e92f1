"""A driver that tries everything (GRB): each request names one attempt, the answer says what it got, or "nothing: why".

A test reads this file and gives it to a driver's process; it is loaded nowhere else.
"""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
KEPT = {}


def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "a system call")
    return result


def read(path):
    return os.read(os.open(path, os.O_RDONLY), 40)


def listing(path):
    return next(os.scandir(path)).name


def write(path):
    return os.write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), b"grabbed")


def change(path):
    """The same without opening it."""
    for act in (lambda: os.chmod(path, 0o777), lambda: os.truncate(path, 0), lambda: os.rename(path, path + "x")):
        try:
            act()
        except OSError:
            continue
        return "changed"
    return os.unlink(path) or "removed"


def fill_disk(folder):
    number = os.open(folder, os.O_TMPFILE | os.O_RDWR)
    os.posix_fallocate(number, 0, 1 << 30)
    return "a gigabyte of disk"


def fill_memory_file(_):
    number = os.memfd_create("grabbed")
    return os.write(number, b"x" * (1 << 20))


def shared_memory(_):
    return called(LIBC.shmget(0, 1 << 20, 0o1600))


def memory(_):
    taken = []
    while len(taken) < 2000:
        taken.append(mmap.mmap(-1, 1 << 20))
    return f"{len(taken)} MB"


def tcp(port):
    with socket.socket() as line:
        line.connect(("127.0.0.1", int(port)))
        return "connected"


def udp(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        return line.sendto(b"grabbed", ("127.0.0.1", int(port)))


def netlink(_):
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno()


def local(path):
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path.replace("@", "\0"))
        return "connected"


def letter(path):
    """Not a socket that was asked for, but a datagram from one of a pair."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b"grabbed", path.replace("@", "\0"))


def letter_from_the_pipe(path):
    """From the one socket there is."""
    for number in range(3, 256):
        try:
            line = socket.socket(fileno=number)
        except OSError:
            continue
        try:
            return line.connect(path.replace("@", "\0")) or "connected"
        finally:
            line.detach()
    raise LookupError


def fork(_):
    process = os.fork()
    if not process:
        os._exit(0)
    return process


def bomb(_):
    return [fork(None) for _ in range(100)]


def thread(_):
    started = threading.Thread(target=str)
    started.start()
    return "a thread"


def shell(_):
    return subprocess.check_output(["/bin/sh", "-c", "id"])


def become_shell(_):
    return os.execv("/bin/sh", ["sh", "-c", "sleep 60"])


def signalled(pid):
    return os.kill(int(pid), signal.SIGWINCH) or "a signal sent"


def signalled_all(_):
    return os.kill(-1, signal.SIGWINCH) or "signals sent"


def owner(pid):
    """The kernel signals in our name."""
    return fcntl.fcntl(0, fcntl.F_SETOWN, int(pid)) or "a signal to come"


def traced(pid):
    return called(LIBC.ptrace(16, int(pid), None, None)) or "attached"


def peeked(pid):
    room, far = (ctypes.c_char * 16)(), (ctypes.c_size_t * 2)(0x400000, 16)
    near = (ctypes.c_size_t * 2)(ctypes.addressof(room), 16)
    return called(LIBC.process_vm_readv(int(pid), near, 1, far, 1, 0)) or "nothing there"


def priority(pid):
    return os.setpriority(os.PRIO_PROCESS, int(pid), 19) or "slowed down"


def limits_of(pid):
    return resource.prlimit(int(pid), resource.RLIMIT_NOFILE, (3, 3))


def limits(_):
    for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        try:
            resource.setrlimit(limit, (1 << 40, 1 << 40))
        except (ValueError, OSError):
            continue
        return f"limit {limit}"
    raise PermissionError


def user(_):
    before = os.getresuid(), os.getresgid()
    for act in (os.setuid, os.setgid, lambda zero: os.setgroups([zero])):
        try:
            act(0)
        except OSError:
            continue
        if (os.getresuid(), os.getresgid()) != before:
            return "another user"
    raise PermissionError


def namespace(_):
    return called(LIBC.unshare(0x10000000)) or "a namespace"


def mounted(path):
    return called(LIBC.mount(b"none", path.encode(), b"tmpfs", 0, None)) or "a mount"


def watched(path):
    return called(LIBC.inotify_add_watch(LIBC.inotify_init(), path.encode(), 0xFFF))


def modules(name):
    return __import__(name).__name__


def in_ms(ms):
    """A signal; alarm() and setitimer() end with the call."""
    timer, when = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 0, ms // 1000, ms % 1000 * 1_000_000)
    return called(LIBC.timer_create(0, None, ctypes.byref(timer))) + called(LIBC.timer_settime(timer, 0, when, None))


class Driver:
    def __init__(self):
        self.calls = 0

    def icard(self, icdev, send, password):
        self.calls += 1
        name, _, argument = send[8:-2].decode().partition(" ")
        if name == "keep":  # the card, to use it when no call runs
            KEPT["card"] = icdev
            signal.signal(signal.SIGALRM, self.later)
            said = f"kept {in_ms(int(argument))}"
        elif name == "kept":
            said = KEPT.get("got", "nothing yet")
        elif name == "hello":
            said = f"{self.calls} {password} {icdev.card_type() if icdev else 0}"
        else:
            said = self.attempt(name, argument)
        return frame(send[1] | 0x80, said.encode("utf-8", "backslashreplace")[:1500])

    def attempt(self, name, argument):
        act = globals()[name]
        try:
            return f"got {act(argument)!r}"
        except Exception as fault:
            return f"nothing: {type(fault).__name__} {getattr(fault, 'errno', None)}"

    def later(self, *_):
        try:
            KEPT["got"] = f"got {KEPT['card'].read(0, 0, 4)}"
        except Exception as fault:
            KEPT["got"] = f"nothing: {type(fault).__name__} {getattr(fault, 'code', None)}"


def frame(command, text):
    content = b"\x01\x02" + len(text).to_bytes(2, "big") + text
    body = bytes((command,)) + len(content).to_bytes(2, "big") + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))
