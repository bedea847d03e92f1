"""A small kiosk with secrets, doors and a good neighbour, and a driver that wants them: grabber.py or grabber.c.

    python grabber_scene.py ROOT WAY [LIBRARY]     WAY "with all doors open": unconfined, and only what does no harm

Run by test_driver_grabber.py, also as another user than the tests'. Says on its output, as JSON, what each attempt got,
which doors were knocked on, what changed on the disk, and how the neighbours do.
"""

import hashlib
import json
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

ROOT, WAY, *LIBRARY = sys.argv[1:]
sys.path[:0] = [ROOT, str(Path(__file__).parent)]
os.environ["KIOSK_PASSPHRASE"] = "open sesame"

from driver_bench import BARE, MemoryCard, by_hand, inner, text_of, vendor  # noqa: E402

from kiosk.drivers import child, sandbox  # noqa: E402
from kiosk.drivers.host import DriverProcess  # noqa: E402

GRABBER = Path(__file__).with_name("grabber.py").read_text()
HELLO, OPEN = "hello", "with all doors open"
HARMLESS = ("read", "listing", "tcp", "udp", "local", "letter", "signalled", "thread", "fork", "watched")
OPENED = 'sys.modules["kiosk.drivers.worker"].confine = lambda: None\n'


class Doors:
    """Sockets of all kinds, at which nobody should knock: name → what a driver is told to reach."""

    def __init__(self, folder):
        here = str(folder / "pcscd.comm"), f"@scene {os.getpid()}"
        kinds = {"tcp": (socket.AF_INET, socket.SOCK_STREAM), "udp": (socket.AF_INET, socket.SOCK_DGRAM)}
        kinds |= {"file": (socket.AF_UNIX, socket.SOCK_STREAM), "abstract": (socket.AF_UNIX, socket.SOCK_STREAM)}
        kinds |= {"file letter": (socket.AF_UNIX, socket.SOCK_DGRAM)}
        kinds |= {"abstract letter": (socket.AF_UNIX, socket.SOCK_DGRAM)}
        self.address = {"file": here[0], "abstract": here[1], "file letter": here[0] + "-letters"}
        self.address["abstract letter"] = here[1] + " letters"
        self.lines = {name: socket.socket(*kind) for name, kind in kinds.items()}
        for name, line in self.lines.items():
            line.bind(self.address[name].replace("@", "\0") if name in self.address else ("127.0.0.1", 0))
            if kinds[name][1] == socket.SOCK_STREAM:
                line.listen()
            line.setblocking(False)
        for name in ("tcp", "udp"):
            self.address[name] = str(self.lines[name].getsockname()[1])
        os.chmod(here[0], 0o777)  # noqa: PTH101
        os.chmod(here[0] + "-letters", 0o777)  # noqa: PTH101

    def knocked(self):
        """At which doors somebody was."""
        found = []
        for name, line in self.lines.items():
            try:
                line.accept() if line.type == socket.SOCK_STREAM else line.recv(10)
            except BlockingIOError:
                continue
            found.append(name)
        return found


def lay_out(folder):
    """What a kiosk has: name → path."""
    files = {name: folder / name for name in ("ledger.db", "signing-key.pem", "passphrase", "vendor-secrets.toml")}
    for path in files.values():
        path.write_text("the crown jewels")
        path.chmod(0o600)
    return files


def attempts_of_python(folder, files, doors, victim):
    kiosk, address = os.getpid(), doors.address
    secret = [*files.values(), folder / "other" / "driver.py", folder / "other" / "vendor.toml"]
    seen = [*secret, folder / "own" / "vendor.toml", Path(ROOT) / "kiosk" / "config.py", "/etc/passwd", "/dev/mem"]
    seen += [f"/proc/{pid}/{what}" for pid in (kiosk, victim, 1) for what in ("environ", "cmdline", "mem", "maps")]
    yield from (("read", path) for path in seen)
    yield from (("listing", path) for path in (folder, f"/proc/{kiosk}/fd", f"/proc/{victim}/fd", "/dev/shm", "/tmp"))
    new = [folder / "own" / "grabbed", Path(ROOT) / "kiosk" / "grabbed.py", "/tmp/grabbed", "/dev/shm/grabbed"]
    yield from (("write", path) for path in (*secret, *new, f"/proc/{kiosk}/mem", f"/proc/{kiosk}/oom_score_adj"))
    yield from (("change", path) for path in (*secret, folder / "own" / "driver.py"))
    yield from (("fill_disk", path) for path in (folder, "/tmp", "/var/tmp", "/dev/shm"))
    yield from (("tcp", address["tcp"]), ("udp", address["udp"]), ("netlink", ""))
    sockets = (address["file"], address["abstract"], "/run/pcscd/pcscd.comm", "/run/dbus/system_bus_socket")
    yield from (("local", path) for path in sockets)
    letters = (address["file letter"], address["abstract letter"])
    yield from ((how, path) for how in ("letter", "letter_from_the_pipe") for path in letters)
    for name in ("signalled", "traced", "peeked", "priority", "limits_of", "owner"):
        yield from ((name, pid) for pid in (kiosk, victim))
    names = ("signalled_all", "fill_memory_file", "shared_memory", "memory", "fork", "bomb", "thread", "shell")
    yield from ((name, "") for name in (*names, "become_shell", "limits", "user", "namespace"))
    yield from (("mounted", folder), ("watched", files["ledger.db"]), ("watched", "/tmp"))
    yield from (
        ("modules", name) for name in ("kiosk.ledger.keys", "kiosk.drivers.host", "kiosk.config", "cryptography")
    )


def attempts_of_c(folder, files, doors, victim):
    kiosk, address = os.getpid(), doors.address
    secret = [*files.values(), folder / "other" / "driver.py"]
    yield from (("read", path) for path in (*secret, "/etc/passwd", f"/proc/{kiosk}/environ", f"/proc/{kiosk}/mem"))
    yield from (
        ("write", path) for path in (*secret, folder / "own" / "grabbed", f"/proc/{kiosk}/mem", "/dev/shm/grabbed")
    )
    yield from (("change", path) for path in secret)
    yield from (("tcp", address["tcp"]), ("udp", address["udp"]), ("raw", ""))
    yield from (("local", address[name]) for name in ("file", "abstract"))
    letters = (address["file letter"], address["abstract letter"])
    yield from ((how, path) for how in ("datagram", "letter") for path in letters)
    yield from ((name, pid) for name in ("signalled", "handle", "traced", "peeked") for pid in (kiosk, victim))
    names = ("clone", "thread", "shell", "limits", "user", "memory", "shared_memory", "namespace", "ring")
    yield from ((name, "") for name in names)


def fingerprint(*roots):
    """Every file, its mode and content."""
    found = {}
    for path in (each for root in roots for each in Path(root).rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = f"{path.stat().st_mode:o} {content}"
    return found


def ask(process, text, card=None):
    return text_of(process.call(by_hand(0x10, (0x7F01, text.encode())), card, "A1B2C3"))


def play(folder):
    files, doors = lay_out(folder), Doors(folder)
    neighbour = DriverProcess(vendor(folder / "other", GRABBER, code="00F2", abbr="GRD"))
    if LIBRARY:
        own = vendor(folder / "own", Path(LIBRARY[0]).read_bytes(), kind="native", abbr="GRC", timeout_ms=8000)
    else:
        own = vendor(folder / "own", GRABBER, timeout_ms=8000)
    grabber, card = DriverProcess(own), MemoryCard()
    before = fingerprint(folder, Path(ROOT) / "kiosk")
    neighbour.start()
    grabber.start()
    pid = grabber.pid
    tried = (attempts_of_c if LIBRARY else attempts_of_python)(folder, files, doors, inner(neighbour.pid))
    tried = [each for each in tried if WAY != OPEN or each[0] in HARMLESS]
    got = {f"{name} {argument}": ask(grabber, f"{name} {argument}", card) for name, argument in tried}
    ask(grabber, "keep 50", card)
    card.calls.clear()
    threading.Event().wait(0.3)
    got["the card outside a call"] = ask(grabber, "kept", card)
    said = {
        "got": got,
        "card calls outside a call": len(card.calls),
        "knocked": doors.knocked(),
        "changed": [
            path for path, state in fingerprint(folder, Path(ROOT) / "kiosk").items() if before.get(path) != state
        ],
        "same process": grabber.pid == pid,
        "neighbour": ask(neighbour, HELLO, MemoryCard()),
        "sandboxed": inner(neighbour.pid) != neighbour.pid,
        "user": os.geteuid(),
    }
    grabber.close()
    neighbour.close()
    return said


if WAY in (BARE, OPEN):
    sandbox.words = lambda python: ()
if WAY == OPEN:  # to see that it is the confinement that keeps the driver from what it wants
    *boot, start = child.BOOT.splitlines()
    child.BOOT = "\n".join([*boot, OPENED + start])
with tempfile.TemporaryDirectory() as place:
    sys.stdout.write(json.dumps(play(Path(place))))
