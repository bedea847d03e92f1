"""What a vendor's driver costs by living in a process of its own: a call through the pipe, and the process's start.

A call: READ of a virtual card. Limits, measured in the same run: the same driver and the same card in this process;
and the pipe's bare price, as many messages to and fro between two processes that do nothing else. The three take turns
call by call, and all of them on one core: where the machine puts two processes changes the price of a message
twofold, and is no merit of either. Of each the lower quartile counts: others that use the machine only ever add. A
start: from nothing to READY, within bubblewrap's sandbox where it works, against the bare interpreter.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

from kiosk.desk.cards import open_card  # noqa: E402
from kiosk.drivers import sandbox  # noqa: E402
from kiosk.drivers.contract import Command  # noqa: E402
from kiosk.drivers.frame import Frame  # noqa: E402
from kiosk.drivers.host import DriverProcess  # noqa: E402
from kiosk.drivers.native import NativeDriver  # noqa: E402
from kiosk.drivers.sdk.kit.folder import load_python  # noqa: E402

VENDORS = {"rdk": "native", "nlt": "python"}
ROUNDS, WARM, STARTS = 600, 40, 15
READ = Frame(Command.READ).encode()
ECHO = """
import os, sys
end = int(sys.argv[1])
while message := os.read(end, 8193):
    os.write(end, message)
"""


class Counted:
    """A card that counts the calls on it."""

    def __init__(self, card):
        self._card, self.calls = card, 0

    def __getattr__(self, name):
        self.calls += 1
        return getattr(self._card, name)


class Echo:
    """The bare pipe: one message there, the same one back."""

    def __init__(self):
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sandbox.interpreter(), "-I", "-S", "-c", ECHO, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])

    def there_and_back(self, times):
        end = self._ours.fileno()
        for _ in range(times):
            os.write(end, READ)
            os.read(end, 8193)

    def close(self):
        self._ours.close()
        self._process.wait()


def in_process(manifest, card):
    """The driver as a function of this process: password → answer."""
    path = manifest.driver.path
    if manifest.driver.kind == "python":
        driver = load_python(path).Driver()
        return lambda password: driver.icard(card, READ, password)
    library = NativeDriver(str(path), manifest.vendor.abbr, card, "api", -1)
    return lambda password: library.answer(1, READ, password.encode())[1]


def us(act):
    """Microseconds it took."""
    begun = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - begun) / 1000


@contextmanager
def one_core():
    """This thread on one core; what is yielded puts every process that was started since on the same."""
    cores, core = os.sched_getaffinity(0), {max(os.sched_getaffinity(0))}

    def gather():
        for pid in below(os.getpid()):
            os.sched_setaffinity(pid, core)

    os.sched_setaffinity(0, core)
    try:
        yield gather
    finally:
        os.sched_setaffinity(0, cores)


def below(pid):
    """Every process that it, or one below it, has started."""
    for children in Path("/proc", str(pid), "task").glob("*/children"):
        for child in children.read_text().split():
            yield int(child)
            yield from below(child)


def call(vendor):
    """Lower quartiles in µs: through the pipe, in this process, the bare pipe's share; how many calls on the card."""
    owned = open_card(ROOT / "build" / "vendors" / vendor, "12345678", "20000017")
    card, counted = owned.chip, Counted(owned.chip)
    with one_core() as gather:
        process, here, echo = DriverProcess(owned.manifest), in_process(owned.manifest, card), Echo()
        try:
            assert process.call(READ, counted, owned.password) == here(owned.password)
            messages = counted.calls + 1
            gather()  # drivers are started by a thread of their own
            acts = (
                lambda: process.call(READ, card, owned.password),
                lambda: here(owned.password),
                lambda: echo.there_and_back(messages),
            )
            taken = [[us(act) for act in acts] for _ in range(WARM + ROUNDS)][WARM:]
        finally:
            process.close()
            echo.close()
    return (*(statistics.quantiles(column)[0] for column in zip(*taken, strict=True)), counted.calls)


def start(vendor):
    """Medians in ms: a driver's start, and the bare interpreter's."""
    process = DriverProcess(open_card(ROOT / "build" / "vendors" / vendor, "12345678", "20000017").manifest)
    taken = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        process.start()
        ready = time.perf_counter()
        process.close()
        again = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        taken.append(((ready - begun) * 1000, (time.perf_counter() - again) * 1000))
    return tuple(statistics.median(column) for column in zip(*taken, strict=True))


def rows():
    """For run.py."""
    found = []
    way = "in bubblewrap" if sandbox.words(sandbox.interpreter()) else "without a sandbox"
    for vendor in VENDORS:
        pipe, here, bare, calls = call(vendor)
        words = f"{pipe:.0f} µs against {here:.0f} µs in process ({pipe / here:.1f}x) and {bare:.0f} µs of bare pipe; "
        words += f"{calls} calls on the card, {(pipe - here) / (calls + 1):.0f} µs more for each message"
        found.append((f"READ through the pipe, {vendor}", "call", pipe / (here + bare), words))
    for vendor, kind in VENDORS.items():
        ready, bare = start(vendor)
        words = f"{ready:.1f} ms {way} against {bare:.1f} ms of a bare Python"
        found.append((f"start of a driver, {vendor}", f"{kind} start", ready / bare, words))
    return found


if __name__ == "__main__":
    for row in rows():
        print(*row)
