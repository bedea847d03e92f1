"""A terminal's ledger, its uplink with a clock that only a test moves, and a head office at the other end."""

import hashlib

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_office import FakeOffice

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import Vkey
from kiosk.sync.door import Door
from kiosk.sync.line import Line
from kiosk.sync.outbox import Outbox
from kiosk.sync.state import SyncStateFile
from kiosk.sync.uplink import Pace, Uplink

ORIGIN = "power.example/kiosk/420100/0007/1"
NOW = 1_795_491_600_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.ms = 1_000

    def utc_ms(self):
        return NOW + self.ms

    def monotonic_ms(self):
        return self.ms

    def civil(self):
        return "20261124114000"


def signer(origin=ORIGIN, seed=b"NEVER USE IN A REAL SYSTEM"):
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    return KeySigner(key, origin)


def new_journal(path, clock, origin=ORIGIN):
    return Journal.create(path, signer(origin), origin, "", "first", clock)


def grow(journal, count, together=1):
    """``count`` commits of ``together`` entries."""
    for at in range(count):
        journal.append([Draft("note.repeated", None, (), {"fen": 100 * at + n}) for n in range(together)])


class Bench:
    """One terminal and its head office; ``chance`` is the jitter's die."""

    def __init__(self, folder, office=None, origin=ORIGIN):
        self.folder, self.origin = folder, origin
        self.clock, self.chance = Clock(), 0.5
        self.statuses = []
        self.url = ""  # of a real server; without one requests go straight to the office
        self.limit_kbit_s = 0
        self.breaks_after = None  # a request longer than so many bytes does not arrive
        self.tried = []  # every request that left, whether it arrived or not
        self.travel_ms = lambda sent: 0  # how long a request with so many bytes takes
        self.path = folder / "ledger.db"
        self.journal = new_journal(self.path, self.clock, origin)
        self.office = office or FakeOffice(str(signer(origin).vkey))
        self.keys = [Vkey.parse(self.office.own_vkey)]
        self.start()

    def start(self):
        """The uplink's process begins."""
        self.reader = JournalReader(self.path)
        self.state = SyncStateFile(self.folder / "sync.db", self.origin)
        self.line = Line(self.clock, self.limit_kbit_s, self._rest)
        self.door = self._new_door()
        outbox = Outbox(self.reader)
        pace = Pace(chance=lambda: self.chance)
        self.uplink = Uplink(outbox, self.state, self.door, (self.reader.vkey, self.keys), self.clock, pace, self.line)

    def stop(self):
        """It is killed: nothing in its memory is left."""
        self.door.close()
        self.state.close()
        self.reader.close()

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        self.stop()
        self.journal.close()

    def _new_door(self):
        transport = None if self.url else httpx.MockTransport(self._carry)
        return Door(self.url or "https://hq.power.example/", self.origin, transport, self.line)

    def reconnect(self):
        """The next request goes out on a new connection."""
        self.door.close()
        self.door = self.uplink._door = self._new_door()

    def use_limit(self, kbit_s):
        """As a setting does: from the next start on."""
        self.limit_kbit_s = kbit_s
        self.restart()

    def replace_ledger(self, commits):
        """The disk is put back to an old image, or cloned: the same key, another history behind ``log.opened``."""
        self.reader.close()
        self.journal.close()
        self.path.unlink()
        self.journal = new_journal(self.path, self.clock, self.origin)
        for at in range(commits):
            self.journal.append([Draft("note.repeated", None, (), {"fen": 7_000_000 + at})])

    def turn(self):
        """One turn; the clock then stands where the next one is due. Returns the wait in ms."""
        wait = self.uplink.turn()
        self.clock.ms += wait
        return wait

    def settle(self):
        """Turns until one waits without having asked anything, or waits longer than a look. Returns that wait."""
        for _ in range(60):
            asked = len(self.office.requests)
            wait = self.turn()
            if wait > 1_000 or (wait == 1_000 and len(self.office.requests) == asked):
                return wait
        raise AssertionError("it does not come to rest")

    def next_exchange(self, turns=20):
        """Turns until something is asked; the wait after it."""
        asked = len(self.office.requests)
        for _ in range(turns):
            wait = self.turn()
            if len(self.office.requests) > asked:
                return wait
        raise AssertionError("nothing is asked")

    def sign_what_is_wanted(self):
        """As the kiosk does every two seconds."""
        if self.state.now.wanted_size:
            self.journal.sign(self.state.now.wanted_size)

    def _rest(self, seconds):
        self.clock.ms += round(seconds * 1000)

    def _carry(self, request):
        self.clock.ms += self.travel_ms(len(request.content))
        self.tried.append(request)
        if self.breaks_after is not None and len(request.content) > self.breaks_after:
            raise httpx.WriteError("connection reset by peer", request=request)
        path = request.url.path
        answer = self.office.answer(request.method, path, dict(request.headers), request.content)
        if answer is None:
            raise httpx.ConnectError("no route to host", request=request)
        status, media_type, text, *more = answer
        self.statuses.append(status)
        return httpx.Response(
            status, headers={"Content-Type": media_type} | dict(*more), stream=httpx.ByteStream(text.encode())
        )


def state(bench):
    return bench.state.now


def clone(bench, commits):
    """What the same key signed on another disk, behind the same first entry."""
    other = new_journal(bench.folder / "clone.db", bench.clock)
    for at in range(commits):
        other.append([Draft("note.repeated", None, (), {"fen": 9_000_000 + at})])
    other.close()
    return other
