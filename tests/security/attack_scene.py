"""A terminal that has sold, its uplink, and the real head office: what an attacker finds."""

import hashlib
import shutil
import sqlite3
from contextlib import closing

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient
from sync_bench import NOW, ORIGIN, Bench, signer

from kiosk.hq.app import Settings, create_app
from kiosk.hq.enrol import enrol
from kiosk.hq.keyring import create_signer
from kiosk.hq.office import Office
from kiosk.hq.witness import Witness
from kiosk.ledger.entry import Draft, decode, encode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import Checkpoint
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.errors import LedgerFault

VENDOR = "1001"
SETTINGS = """
[terminal]
domain = "power.example"
region = "420100"
id = "0007"
operator_zh = "示范电力"
operator_en = "Example Power"
place_zh = "一号楼"
place_en = "Building 1"
phone = "95598"
folder = "."
[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "secrets.toml"
[acceptor]
path = "/dev/null"
[printer]
path = "/dev/null"
[prices]
file = "prices.note"
vkey_file = "prices.vkey"
[vendors]
folders = ["rdk"]
"""


class RealOffice:
    """Head office itself, behind the line of the uplink's bench."""

    def __init__(self, folder, clock):
        folder.mkdir()
        self.folder, self.clock = folder, clock
        self._key = create_signer(folder, "power.example", 1)
        self.own_vkey, self.requests = str(self._key.vkey), []
        self._start()

    def _start(self):
        folder, clock, key = self.folder, self.clock, self._key
        self.app = create_app(Settings(folder, f"sqlite:///{folder}/hq.db"), clock)
        self.store, self.client = self.app.state.store, TestClient(self.app)
        self.office = Office(self.store, Witness(key, clock), clock)  # as its own import command has it

    def backup(self):
        """Tonight's copy of the database."""
        with closing(sqlite3.connect(self.folder / "hq.db")) as now, closing(sqlite3.connect(":memory:")) as copy:
            now.backup(copy)
            return copy.serialize()

    def go_back(self, backup):
        """The machine died; what there is is the backup."""
        self.store.close()
        for path in self.folder.glob("hq.db*"):
            path.unlink()
        (self.folder / "hq.db").write_bytes(backup)
        self._start()

    def enrol(self, origin):
        enrol(self.store, str(signer(origin).vkey), NOW)

    def answer(self, method, path, headers, body):
        self.requests.append((method, path, headers, body))
        kept = {name: headers[name] for name in ("content-type", "content-encoding") if name in headers}
        answer = self.client.request(method, path, content=body, headers=kept)
        return answer.status_code, answer.headers.get("content-type", ""), answer.text

    def log(self, origin):
        return self.store.log(hashlib.sha256(origin.encode()).hexdigest())


class Terminal(Bench):
    """A terminal of the bench whose head office is the real one, and that can sell."""

    def __init__(self, folder, office, origin=ORIGIN):
        folder.mkdir(exist_ok=True)
        super().__init__(folder, office, origin)
        office.enrol(origin)
        self.sales = 0

    def sell(self, fen=5000, count=1):
        """Whole sales."""
        for _ in range(count):
            self.sales += 1
            self.journal.append(sale(self.sales, fen))
        return self

    def reopen(self):
        """The kiosk's program starts again. Raises LedgerFault."""
        self.journal.close()
        self.journal = Journal.open(self.path, signer(self.origin), self.clock)

    def image(self, name):
        """A copy of the whole disk: ledger, key, and what the uplink knew."""
        self.stop()
        self.journal.close()
        place = self.folder / name
        place.mkdir()
        for path in (*self.folder.glob("ledger.db*"), *self.folder.glob("sync.db*")):
            shutil.copy(path, place)
        self.journal = Journal.open(self.path, signer(self.origin), self.clock)
        self.start()
        return place

    def put_back(self, image):
        """The disk is what the copy says."""
        self.stop()
        self.journal.close()
        for path in (*self.folder.glob("ledger.db*"), *self.folder.glob("sync.db*")):
            path.unlink()
        for path in image.iterdir():
            shutil.copy(path, self.folder)
        self.journal = Journal.open(self.path, signer(self.origin), self.clock)
        self.start()

    def forge(self, change):
        """The attacker changes the list of entries and makes everything fit again that needs no key."""
        with JournalReader(self.path) as log:
            entries = [decode(raw) for raw in log.entries(0, log.size)]
        self.stop()
        self.journal.close()
        rewrite(self.path, change(entries))

    def word_of_its_own(self):
        """The same of a terminal that runs: it ends, and begins again."""
        self.stop()
        self.journal.close()
        word = self.word()
        self.journal = Journal.open(self.path, signer(self.origin), self.clock)
        self.start()
        return word

    def word(self):
        """What the program says when it starts on that disk, and what an auditor's tool says."""
        try:
            Journal.open(self.path, signer(self.origin), self.clock).close()
            code = ""
        except LedgerFault as fault:
            code = fault.code
        with JournalReader(self.path) as log:
            report = finish(verify_journal(log, [signer(self.origin).vkey]))
        return code, report.good


def sale(number, fen):
    id_, owed = number.to_bytes(16), f"owed:{VENDOR}:10086"
    written = {"count": number, "fen": fen, "energy": fen, "how": "written"}
    closed = {"vendor": VENDOR, "customer": "10086", "meter": "70001", "paid": fen, "count": number, "written": fen}
    return [
        Draft("note.stacked", id_, (("cash:box", fen), (owed, -fen)), {"note": bytes(8), "fen": fen, "how": "credit"}),
        Draft("write.done", id_, ((owed, fen), (f"sold:{VENDOR}", -fen)), written),
        Draft("sale.closed", id_, (), {**closed, "energy": fen, "why": "done", "doubt": False}),
    ]


def rewrite(path, entries, key=None):
    """Writes these entries over a journal: numbers, leaf hashes, root; a signature by another key, or an old one."""
    rows, frontier = [], Frontier()
    for seq, entry in enumerate(entries):
        raw = encode(
            type(entry)(seq, *[getattr(entry, name) for name in ("at", "boot", "kind", "sale", "post", "data")])
        )
        frontier.append(leaf_hash(raw))
        rows.append((seq, raw, leaf_hash(raw)))
    connection = sqlite3.connect(path)
    kept = dict(connection.execute("SELECT size, signature FROM checkpoint ORDER BY size"))
    signature = kept.get(frontier.size, bytes(64))
    if key is not None:
        signature = key.sign(str(Checkpoint(key.vkey.name, frontier.size, frontier.root())).encode())
    with connection:
        connection.execute("DELETE FROM entry")
        connection.execute("DELETE FROM checkpoint")
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", (frontier.size, frontier.root(), signature))
    connection.close()


def strangers_key(origin=ORIGIN):
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"the attacker").digest())
    return KeySigner(key, origin)


__all__ = ["NOW", "ORIGIN", "SETTINGS", "RealOffice", "Terminal", "httpx", "rewrite", "sale", "signer", "strangers_key"]
