"""A fake terminal and a head office in a temporary folder.

The terminal is written from contract 2 alone: its own CBOR, hashing, notes and signatures, and none of our ledger code.
"""

from __future__ import annotations

import base64
import hashlib

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from databases import Sqlite
from starlette.testclient import TestClient

from kiosk.hq.app import Settings, create_app
from kiosk.hq.enrol import enrol
from kiosk.hq.keyring import create_signer

ORIGIN = "power.example/kiosk/420100/0007/1"
NOON = 1_795_491_600_000  # 2026-11-24 11:40 in Beijing, UTC ms
CBOR = {"Content-Type": "application/cbor"}


def b64(raw):
    return base64.b64encode(raw).decode()


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def root(leaves):
    """RFC 6962 §2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def cbor(value):
    """Deterministic, RFC 8949 §4.2.1, for the few types entries hold."""
    if isinstance(value, dict):
        pairs = sorted((cbor(key), cbor(each)) for key, each in value.items())
        return bytes([0xA0 + len(pairs)]) + b"".join(key + each for key, each in pairs)
    if isinstance(value, list):
        return bytes([0x80 + len(value)]) + b"".join(map(cbor, value))
    return cbor2.dumps(value)


class Terminal:
    def __init__(self, origin=ORIGIN, seed=b"NEVER USE IN A REAL SYSTEM seed1"):
        self.origin = origin
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(origin.encode() + b"\n\x01" + self.public).digest()[:4]
        self.vkey = f"{origin}+{self.id.hex()}+{b64(bytes([1]) + self.public)}"
        self.hash = hashlib.sha256(origin.encode()).hexdigest()
        self.entries = []
        self.at = NOON
        self.boot = 1

    def append(self, kind="terminal.started", sale=None, post=(), **data):
        entry = {
            "seq": len(self.entries),
            "at": self.at,
            "boot": self.boot,
            "kind": kind,
            "post": sorted(list(row) for row in post),
            "data": data,
        }
        if sale is not None:
            entry["sale"] = sale
        self.entries.append(cbor(entry))
        return self

    def open(self):
        return self.append("log.opened", origin=self.origin, vkey=self.vkey, prev="", why="new")

    def grow(self, count):
        for _ in range(count):
            self.append(version="1", unclean=False)
        return self

    def sell(self, sale, fen, energy, notes, customer="10086", meter="", count=0):
        """A whole sale: notes in, credit on the card, closed. Each terminal has meters of its own, and counts rise."""
        meter, count = meter or self.origin.split("/")[3], count or len(self.entries)
        owed = f"owed:1a2b:{customer}"
        for note in notes:
            self.append(
                "note.stacked", sale, [("cash:box", note), (owed, -note)], note=b"12345678", fen=note, how="credit"
            )
        if fen:
            written = {"count": count, "fen": fen, "energy": energy, "how": "written"}
            self.append("write.done", sale, [(owed, fen), ("sold:1a2b", -fen)], **written)
        closed = {"vendor": "1a2b", "customer": customer, "meter": meter, "paid": sum(notes), "count": count}
        closed |= {"written": fen, "energy": energy, "why": "done", "doubt": False}
        if sum(notes) != fen:
            closed["kept"] = fen - sum(notes)
        return self.append("sale.closed", sale, **closed)

    def body(self, size):
        return f"{self.origin}\n{size}\n{b64(root([leaf(entry) for entry in self.entries[:size]]))}\n"

    def note(self, size=None, body=None):
        body = body or self.body(len(self.entries) if size is None else size)
        return f"{body}\n— {self.origin} {b64(self.id + self.key.sign(body.encode()))}\n"

    def batch(self, first=0, end=None, **changes):
        end = len(self.entries) if end is None else end
        fields = {
            "origin": self.origin,
            "from": first,
            "entries": self.entries[first:end],
            "checkpoint": self.note(end) if "checkpoint" not in changes else "",
        }
        return cbor2.dumps(fields | changes)


class Clock:
    def __init__(self, ms=NOON):
        self.ms = ms

    def utc_ms(self):
        return self.ms

    def monotonic_ms(self):
        return self.ms

    def civil(self):
        raise AssertionError("head office keeps UTC")


class HeadOffice:
    """The real app in a folder, with a client and with its public key as a stranger would use it."""

    def __init__(self, folder, database=None):
        self.folder = folder
        self.clock = Clock()
        if not (folder / "hq.key").exists():
            create_signer(folder, "power.example", 1)
        self.database = database or Sqlite(folder)
        self.url = self.database.url
        self.start()

    def start(self):
        self.app = create_app(Settings(self.folder, self.url), self.clock)
        self.store = self.app.state.store
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def backup(self):
        """Tonight's copy of the database."""
        self.database.backup()

    def restore(self):
        """The machine died; what there is is the backup."""
        self.store.close()
        self.database.restore()
        self.start()

    def restart(self):
        """The program ends and begins again."""
        self.store.close()
        self.start()

    def enrol(self, terminal):
        enrol(self.store, terminal.vkey, self.clock.ms)
        return terminal

    def post(self, terminal, body, **headers):
        sent = CBOR | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/v1/logs/{terminal.hash}/entries", content=body, headers=sent)

    def get(self, terminal):
        return self.client.get(f"/v1/logs/{terminal.hash}/checkpoint")

    def floor(self, terminal, note, media_type="text/plain"):
        headers = {"Content-Type": media_type}
        return self.client.post(f"/v1/logs/{terminal.hash}/checkpoint", content=note.encode(), headers=headers)

    def log(self, terminal):
        return self.store.log(terminal.hash)

    def alarms(self):
        from kiosk.hq.tables import Alarm

        return [row.what for row in Alarm.select().order_by(Alarm.id).execute(self.store.database)]

    def evidence(self, terminal):
        """(refused, held, leaf hashes) of every proof."""
        from kiosk.hq.tables import Evidence

        rows = Evidence.select().where(Evidence.log == self.log(terminal).id).order_by(Evidence.id)
        cut = [
            [bytes(row.leaves)[at : at + 32] for at in range(0, len(row.leaves), 32)]
            for row in rows.execute(self.store.database)
        ]
        return [
            (row.refused, row.held, leaves) for row, leaves in zip(rows.execute(self.store.database), cut, strict=True)
        ]

    @property
    def vkey(self):
        """Head office's public key, as terminals have it."""
        return (self.folder / "hq.vkey").read_text().strip()


def cosigned_time(text, note, head_office_vkey):
    """Checks a cosigned note as a stranger would; returns its time."""
    name, key_id, coded = head_office_vkey.split("+", 2)
    public = base64.b64decode(coded)
    assert public[0] == 4
    assert hashlib.sha256(name.encode() + b"\n" + public).digest()[:4].hex() == key_id
    assert text.startswith(note), "the terminal's note verbatim"
    line = text.removeprefix(note)
    dash, signer, signature, *rest = line.removesuffix("\n").split(" ")
    assert (dash, signer, rest) == ("—", name, [])
    raw = base64.b64decode(signature, validate=True)
    assert raw[:4].hex() == key_id and len(raw) == 76
    time = int.from_bytes(raw[4:12], "big")
    message = f"cosignature/v1\ntime {time}\n".encode() + note[: note.index("\n\n") + 1].encode()
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[12:], message)
    return time
