"""The real uplink and the real head office over 9.6 kbit/s, 30 % of all packets lost both ways (``lossy_stage``)."""

import hashlib
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sync_bench import ORIGIN, grow, new_journal, signer

from kiosk.ledger.entry import Draft
from kiosk.model.clock import SystemClock
from kiosk.sync.state import SyncStateReader

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

STAGE = Path(__file__).with_name("lossy_stage.py")
PATIENCE_S = 300
BIT_S, LOSS = 9_600, 30


def head_office(folder, *words):
    command = [sys.executable, "-m", "kiosk", "hq", *map(str, words), "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def own_network():
    """What stands before a command that gets a network of its own."""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net"]
    done = subprocess.run([*words, "ip", "tuntap", "add", "probe", "mode", "tun"], capture_output=True, text=True)
    assert done.returncode == 0, (
        "this test needs network namespaces and TUN devices (root, or user namespaces; /dev/net/tun; Debian's iproute2 "
        f"and util-linux), and this machine refuses them: {done.stderr}"
    )
    return words


def fill(journal, visits):
    """Entries that do not pack well, as real ones do not: every sale has its own id and customer."""
    for at in range(visits):
        dice = hashlib.sha256(at.to_bytes(4, "big")).digest()
        owed = f"owed:1001:{int.from_bytes(dice[:4], 'big'):010d}"
        sale, fen = dice[4:20], 100 * (1 + dice[20] % 100)
        stacked = {"note": dice[21:29], "fen": fen, "how": "credit"}
        journal.append([Draft("note.stacked", sale, (("cash:box", fen), (owed, -fen)), stacked)] * 2)


class Modem:
    """A terminal's uplink here, head office there, and the line between them."""

    def __init__(self, folder):
        self.folder = folder
        vkey = head_office(folder / "hq", "init", "--domain", "power.example")
        head_office(folder / "hq", "enrol", signer().vkey)
        (folder / "hq.vkey").write_text(f"{vkey}\n")
        self.journal = new_journal(folder / "ledger.db", SystemClock())

    def start(self):
        kiosk = [sys.executable, "-m", "kiosk"]
        far = [*kiosk, "hq", "serve", "--data", self.folder / "hq", "--listen", "10.96.0.2:8600"]
        near = [*kiosk, "sync", "--journal", self.folder / "ledger.db", "--state", self.folder / "sync.db"]
        near += ["--hq", "http://10.96.0.2:8600", "--hq-vkey", self.folder / "hq.vkey"]
        near += ["--retry-min-ms", 1_000, "--retry-max-ms", 4_000, "--limit-kbit-s", 9]
        command = [*own_network(), sys.executable, str(STAGE), "--bit-s", str(BIT_S), "--loss", str(LOSS)]
        command += ["--far", shlex.join(map(str, far)), "--near", shlex.join(map(str, near))]
        pipe = subprocess.PIPE
        with (self.folder / "said").open("w") as said:
            self.stage = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True)
        self.begun = time.monotonic()

    @property
    def cosigned(self):
        with SyncStateReader(self.folder / "sync.db", ORIGIN) as reader:
            return reader.state().cosigned_size

    def until(self, size):
        over = threading.Event()
        while self.cosigned < size:
            assert time.monotonic() - self.begun < PATIENCE_S, f"in vain: {self.cosigned} of {size}"
            assert self.stage.poll() is None, f"the line is gone: {(self.folder / 'said').read_text()}"
            over.wait(0.2)

    def stop(self):
        """What was carried, up and down."""
        told, _ = self.stage.communicate("")
        self.seconds = time.monotonic() - self.begun
        return json.loads(told)

    def stored(self):
        with closing(sqlite3.connect(self.folder / "hq" / "hq.db")) as database:
            return [bytes(row[0]) for row in database.execute("SELECT content FROM entries ORDER BY seq")]


def test_everything_comes_over_a_modem_that_loses_a_third(tmp_path):
    modem = Modem(tmp_path)
    fill(modem.journal, 200)
    modem.start()
    try:
        modem.until(401)
        grow(modem.journal, 3)
        modem.until(404)
    finally:
        up, down = modem.stop()
    assert modem.stored() == [raw for _, raw, _ in modem.journal.rows()], "each once, in order"
    modem.journal.close()
    assert up["lost"] + down["lost"] >= 0.15 * (up["packets"] + down["packets"]), "it was a bad line"
    assert up["bytes"] * 8 <= BIT_S * modem.seconds, "and a slow one"
