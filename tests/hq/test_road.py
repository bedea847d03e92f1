"""The whole road with the real programs at both ends: a ledger, ``kiosk sync``, HTTP, ``kiosk hq serve``."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hq_server import PATIENCE_S, Server, kiosk

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.model.clock import SystemClock
from kiosk.sync.state import SyncStateReader

pytestmark = pytest.mark.slow

ORIGIN = "power.example/kiosk/420100/0007/1"
KEY = KeySigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"NEVER USE").digest()), ORIGIN)


def until(condition, what):
    over, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        over.wait(0.05)


def grow(journal, count, fen=100):
    for _ in range(count):
        journal.append([Draft("note.repeated", None, (), {"fen": fen})])


class Road:
    def __init__(self, folder):
        self.folder = folder
        self.hq = Server(folder)
        self.journal = Journal.create(folder / "ledger.db", KEY, ORIGIN, "", "first", SystemClock())
        kiosk("enrol", str(KEY.vkey), "--data", self.hq.folder)
        (folder / "hq.vkey").write_text(f"{self.hq.vkey}\n")
        self.hq.start()
        self.sync = None

    def start(self):
        words = ["sync", "--journal", self.folder / "ledger.db", "--state", self.folder / "sync.db"]
        words += ["--hq", self.hq.url, "--hq-vkey", self.folder / "hq.vkey"]
        words += ["--retry-min-ms", 50, "--retry-max-ms", 200, "--heartbeat-ms", 400]
        self.sync = subprocess.Popen([sys.executable, "-m", "kiosk", *map(str, words)], stdin=subprocess.DEVNULL)

    def kill(self):
        if self.sync is not None:
            self.sync.kill()
            self.sync.wait()

    @property
    def state(self):
        with SyncStateReader(self.folder / "sync.db", ORIGIN) as reader:
            return reader.state()

    def log(self, column):
        return self.hq.sql(f"SELECT {column} FROM logs")[0][0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.hq.__exit__()
        self.journal.close()


@pytest.fixture
def road(tmp_path):
    with Road(tmp_path) as road:
        yield road


def test_every_entry_arrives_and_is_cosigned(road):
    grow(road.journal, 300)
    road.start()
    until(lambda: road.state.cosigned_size == 301, "the first batch")
    grow(road.journal, 5)
    until(lambda: road.state.cosigned_size == 306, "the next one")
    stored = [bytes(row[0]) for row in road.hq.sql("SELECT content FROM entries ORDER BY seq")]
    assert stored == [raw for _, raw, _ in road.journal.rows()]
    until(lambda: road.state.problem_code == "", "the last word")
    before = road.log("contact_ms")
    until(lambda: road.log("contact_ms") > before, "a sign of life")


def test_both_ends_are_killed_and_meet_again(road):
    for _ in range(3):
        grow(road.journal, 20)
        road.start()
        until(lambda: road.state.cosigned_size > 0, "contact")
        road.hq.kill()
        grow(road.journal, 20)
        road.kill()
        road.hq.start()
    road.start()
    until(lambda: road.state.cosigned_size == 121, "everything")
    assert road.log("size") == 121 and not road.log("quarantined")


def test_head_office_restored_from_an_old_backup(road):
    grow(road.journal, 10)
    road.start()
    until(lambda: road.state.cosigned_size == 11, "the first batch")
    backup = road.folder / "backup.db"
    with closing(sqlite3.connect(road.hq.folder / "hq.db")) as now, closing(sqlite3.connect(backup)) as copy:
        now.backup(copy)
    grow(road.journal, 10)
    until(lambda: road.state.cosigned_size == 21, "the second one")
    road.hq.kill()
    road.kill()
    for path in road.hq.folder.glob("hq.db*"):
        path.unlink()
    shutil.copy(backup, road.hq.folder / "hq.db")
    road.hq.start()
    grow(road.journal, 3)
    road.start()
    until(lambda: road.state.cosigned_size == 24, "the restored head office, filled again")
    assert [row[0] for row in road.hq.sql("SELECT what FROM alarms")] == ["floor"]
    assert (road.log("size"), road.log("floor_size"), road.log("quarantined")) == (24, 0, 0)


def test_a_terminal_restored_from_an_old_image_stops_selling(road):
    grow(road.journal, 2)
    road.journal.close()
    shutil.copy(road.folder / "ledger.db", road.folder / "image.db")
    road.journal = Journal.open(road.folder / "ledger.db", KEY, SystemClock())
    grow(road.journal, 5)
    road.start()
    until(lambda: road.state.cosigned_size == 8, "the first batch")
    road.kill()
    road.journal.close()
    for path in [*road.folder.glob("ledger.db*"), *road.folder.glob("sync.db*")]:
        path.unlink()
    shutil.copy(road.folder / "image.db", road.folder / "ledger.db")
    road.journal = Journal.open(road.folder / "ledger.db", KEY, SystemClock())
    grow(road.journal, 1)
    road.start()
    until(lambda: road.state.stop_selling, "the stop")
    assert (road.state.problem_code, road.log("size"), road.log("quarantined")) == ("L-503", 8, 0)
    assert road.state.evidence.split("\n")[1] == "8"


def test_a_quarantine_and_its_lift(road):
    road.start()
    until(lambda: road.state.cosigned_size == 1, "contact")
    road.hq.sql("UPDATE logs SET quarantined = 1")
    until(lambda: road.state.quarantined, "the quarantine")
    assert not road.state.stop_selling
    kiosk("lift", ORIGIN, "--data", road.hq.folder)
    road.kill()  # it would look again within the hour
    road.start()
    until(lambda: not road.state.quarantined, "the end of it")
    until(lambda: road.state.problem_code == "", "the last word")


def test_a_terminal_that_is_blocked_or_unknown_says_so_and_loses_nothing(road):
    kiosk("block", ORIGIN, "--data", road.hq.folder)
    grow(road.journal, 3)
    road.start()
    until(lambda: road.state.problem_code == "S-603", "the report")
    road.kill()
    kiosk("unblock", ORIGIN, "--data", road.hq.folder)
    road.start()
    until(lambda: road.state.cosigned_size == 4, "everything")
