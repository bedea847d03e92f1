"""The uplink as it really runs: a process, a socket, signals. Kills come without warning."""

import datetime
import os
import signal
import subprocess
import sys
import threading
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fake_office import FakeOffice, Server
from sync_bench import ORIGIN, Clock, grow, new_journal, signer

from kiosk.ledger.entry import Draft
from kiosk.sync.state import SyncStateReader

pytestmark = pytest.mark.slow

PATIENCE_S = 30
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
child.wait()
"""


def until(condition, what):
    """Looks again and again; the tests' own patience ends it."""
    over = threading.Event()
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        over.wait(0.02)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[0] != b"Z"
    except FileNotFoundError:
        return False


class World:
    def __init__(self, folder, certificate=None):
        self.folder = folder
        self.journal = new_journal(folder / "ledger.db", Clock())
        self.office = FakeOffice(str(signer().vkey))
        self.server = Server(self.office, certificate)
        (folder / "hq.vkey").write_text(f"{self.office.own_vkey}\n")
        self.started = []

    @property
    def command(self):
        words = ["sync", "--journal", self.folder / "ledger.db", "--state", self.folder / "sync.db"]
        words += ["--hq", self.server.url, "--hq-vkey", self.folder / "hq.vkey"]
        words += ["--retry-min-ms", 50, "--retry-max-ms", 100, "--heartbeat-ms", 86_400_000]
        return [sys.executable, "-m", "kiosk", *map(str, words)]

    def start(self, *more):
        child = subprocess.Popen([*self.command, *more], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.started.append(child)
        return child

    def state(self):
        with SyncStateReader(self.folder / "sync.db", ORIGIN) as reader:
            return reader.state()

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        for child in self.started:
            child.kill()
            child.wait()
            child.stderr.close()
        self.server.__exit__()
        self.journal.close()


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        yield world


def test_it_sends_what_there_is_and_what_comes(world):
    grow(world.journal, 20)
    world.start()
    until(lambda: world.state().cosigned_size == 21, "the first entries")
    grow(world.journal, 3)
    until(lambda: world.state().cosigned_size == 24, "the next ones")
    assert world.office.entries == [raw for _, raw, _ in world.journal.rows()]
    assert world.state().cosigned_note == world.office.cosigned


@pytest.mark.parametrize("held", [False, True])
def test_sigterm_ends_it_at_once_even_where_head_office_hangs(world, held):
    if held:
        world.server.held.clear()
    child = world.start()
    until(lambda: world.server.arrived.is_set(), "a request")
    begun = time.monotonic()
    child.terminate()
    child.wait(timeout=PATIENCE_S)
    assert time.monotonic() - begun < 1.0


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_it_ends_by_itself_when_the_kiosk_is_gone(world, named, held):
    if held:
        world.server.held.clear()
    kiosk = subprocess.Popen([sys.executable, "-c", PARENT, *world.command], stdout=subprocess.PIPE, text=True)
    child = int(kiosk.stdout.readline())
    until(lambda: world.server.arrived.is_set(), "a request")
    assert alive(child)
    kiosk.kill()
    kiosk.wait()
    kiosk.stdout.close()
    until(lambda: not alive(child), "its end")


def test_it_ends_at_once_when_the_kiosk_died_before_it_began(world):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    child = world.start("--parent", str(dead.pid))
    assert child.wait(timeout=PATIENCE_S) == 0


def test_killed_again_and_again_it_brings_everything_over_once(world):
    """SIGKILL at the arrival of a request, or with its answer on the way: nothing is lost, nothing twice."""
    grow(world.journal, 40)
    world.office.entries_max = 5
    for kill in range(12):
        world.server.arrived.clear()
        world.server.held.clear() if kill % 2 else world.server.held.set()
        child = world.start()
        until(lambda: world.server.arrived.is_set(), "a request")
        child.send_signal(signal.SIGKILL)
        child.wait()
        world.server.held.set()
        grow(world.journal, 1)
    world.start()
    until(lambda: world.state().cosigned_size == 53, "the rest")
    assert world.office.entries == [raw for _, raw, _ in world.journal.rows()]
    until(lambda: world.state().problem_code == "", "the last word")
    assert not world.office.quarantined


def test_head_office_that_goes_away_and_comes_back(world):
    world.start()
    until(lambda: world.state().cosigned_size == 1, "the first entry")
    world.office.script.extend([None] * 5 + [(500, "x")] * 3)
    grow(world.journal, 1)
    until(lambda: world.state().problem_code == "S-601", "the report of silence")
    until(lambda: world.state().problem_code == "", "the end of it")
    assert world.state().cosigned_size == 2


def _certificate(path):
    """An authority of the operator's own, which signs for the loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.mark.parametrize("installed", [True, False])
def test_https_with_an_authority_that_is_or_is_not_installed_on_the_machine(tmp_path, monkeypatch, installed):
    certificate = _certificate(tmp_path / "hq.pem")
    if installed:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # where OpenSSL looks for the machine's own list
    with World(tmp_path, certificate) as world:
        assert world.server.url.startswith("https://")
        world.start()
        if installed:
            until(lambda: world.state().cosigned_size == 1, "the first entry")
        else:
            until(lambda: world.state().problem_code == "S-601", "the report of silence")
            assert world.office.requests == [], "not a byte to a stranger"


def test_nobody_at_the_door_is_silence(world):
    world.server.http.socket.close()
    child = world.start()
    until(lambda: world.state().problem_code == "S-601", "the report")
    assert child.poll() is None


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ({"--journal": "nothing.db"}, 1, "kiosk enrol"),
        ({"--hq-vkey": "nothing.vkey"}, 1, "L-505"),
        ({"--hq-vkey": "ledger.db"}, 1, "L-505"),
        ({"--hq-vkey": "kiosk.vkey"}, 1, "holds no key of head office"),
        ({"--hq": "hq.power.example"}, 2, "https://"),
        ({"--retry-min-ms": "0"}, 2, "above 0"),
        ({"--retry-min-ms": "900"}, 2, "longer than"),
        ({"--state": "no/folder/sync.db"}, 1, "L-502"),
    ],
)
def test_what_it_cannot_begin_with_is_said_plainly(world, wrong, code, says):
    (world.folder / "kiosk.vkey").write_text(f"{signer().vkey}\n")
    command = world.command
    for option, value in wrong.items():
        command[command.index(option) + 1] = value
    importable = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=world.folder, capture_output=True, text=True, env=importable, timeout=PATIENCE_S)
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr


def test_a_second_one_on_the_same_state_does_not_begin(world):
    world.start()
    until(lambda: world.state().cosigned_size == 1, "the first one at work")
    second = world.start()
    assert second.wait(timeout=PATIENCE_S) == 1
    assert b"L-506" in second.stderr.read()


def test_it_stands_behind_the_kiosk_for_the_processor(world):
    child = world.start()
    until(lambda: world.state().cosigned_size == 1, "the first entry")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(19, own + 15)


def test_the_limit_is_kept_on_the_wire(world):
    """Some 10 kB at 32 kbit/s last as long as they should."""
    for _ in range(60):
        world.journal.append([Draft("terminal.stopped", None, (), {"why": os.urandom(120).hex()})])
    world.start("--limit-kbit-s", "32")
    until(lambda: world.server.arrived.is_set(), "the first request")
    begun = time.monotonic()
    until(lambda: world.state().cosigned_size == 61, "all entries")
    sent = sum(len(seen.body) for seen in world.office.requests)
    assert sent > 8_000
    assert time.monotonic() - begun >= sent / 4_000 - 0.5


def test_status_is_told_while_it_works(world):
    world.start()
    until(lambda: world.state().cosigned_size == 1, "the first entry")
    words = ["sync", "status", "--journal", world.folder / "ledger.db", "--state", world.folder / "sync.db"]
    command = [sys.executable, "-m", "kiosk", *map(str, words), "--language", "en"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, "Head office has all 1 records." in done.stdout) == (0, True), done.stderr
