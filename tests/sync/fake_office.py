"""A small head office, written from contract 2's text alone: none of the project's code is in it.

It keeps entries in a list, so that a test can look at them, lose them (``restore``) or hold something else. ``script``
holds answers that are given before it thinks for itself; ``requests`` is everything it was ever sent.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cbor2
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED = b"NEVER USE IN A REAL SYSTEM hq 01"
TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"


def b64(raw):
    return base64.b64encode(raw).decode()


def root(leaves):
    """RFC 6962 §2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def root_of(entries):
    return root([hashlib.sha256(b"\x00" + entry).digest() for entry in entries])


def body_of(note):
    """The three lines that are signed."""
    return note[: note.index("\n\n") + 1]


def size_of(note):
    return int(note.split("\n")[1])


@dataclass
class Seen:
    """One request: what of it a test looks at. ``batch`` is None unless it was POST entries."""

    method: str
    what: str  # "entries" or "checkpoint"
    headers: dict
    body: bytes
    batch: dict | None = None

    @property
    def span(self):
        """(from, size) of a batch."""
        return self.batch["from"], self.batch["from"] + len(self.batch["entries"])


@dataclass
class FakeOffice:
    """Head office for one log. ``vkey`` is the terminal's."""

    vkey: str
    name: str = "power.example/ledger-hq/1"
    seed: bytes = SEED
    now: int = 1_795_491_600  # POSIX seconds
    entries_max: int = 4096
    bytes_max: int = 8_388_608
    codings: tuple = ("", "gzip", "zstd")
    poison: set = field(default_factory=set)  # entries for which it wrongly answers 400
    entries: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)  # size → the terminal's note
    cosigned: str = ""
    floor: str = ""
    blocked: bool = False
    enrolled: bool = True
    quarantined: bool = False
    script: deque = field(default_factory=deque)  # answers (status, body), or None for silence
    requests: list = field(default_factory=list)

    def __post_init__(self):
        self.origin, _, coded = self.vkey.split("+", 2)
        self.terminal = base64.b64decode(coded)
        self.terminal_id = hashlib.sha256(self.origin.encode() + b"\n" + self.terminal).digest()[:4]
        self.log = hashlib.sha256(self.origin.encode()).hexdigest()
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        public = b"\x04" + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.name.encode() + b"\n" + public).digest()[:4]
        self.own_vkey = f"{self.name}+{self.id.hex()}+{b64(public)}"
        self.turn = threading.Lock()

    @property
    def size(self):
        return len(self.entries)

    @property
    def batches(self):
        """(from, size) of every batch sent."""
        return [seen.span for seen in self.requests if seen.batch is not None]

    def restore(self, size):
        """Back to an old backup: it has ``size`` entries and what it had cosigned then."""
        self.entries = self.entries[:size]
        self.notes = {at: note for at, note in self.notes.items() if at <= size}
        self.cosigned = self.cosign(self.notes[size]) if size else ""
        self.floor = ""

    def cosign(self, note, seed=None):
        """The terminal's note with our line."""
        message = f"cosignature/v1\ntime {self.now}\n{body_of(note)}".encode()
        key = self.key if seed is None else Ed25519PrivateKey.from_private_bytes(seed)
        return f"{note}— {self.name} {b64(self.id + self.now.to_bytes(8, 'big') + key.sign(message))}\n"

    def answer(self, method, path, headers, body):
        """(status, media type, body), or None for silence. Under one lock."""
        with self.turn:
            self.now += 1
            what = path.rsplit("/", 1)[1]
            headers = {name.lower(): value for name, value in headers.items()}
            seen = Seen(method, what, headers, body)
            self.requests.append(seen)
            if (method, what) == ("POST", "entries"):
                seen.batch = self.opened(headers, body)
            if self.script:
                given = self.script.popleft()
                if callable(given):
                    given = given(self)
                return given and (given[0], SIZE if given[0] in (202, 409) else TEXT, *given[1:])
            assert path == f"/v1/logs/{self.log}/{what}", path
            return self.think(seen)

    def think(self, seen):
        if not self.enrolled:
            return 404, TEXT, "unknown log\n"
        if self.blocked:
            return 403, TEXT, "blocked\n"
        if seen.method == "GET":
            return (200, TEXT, self.cosigned) if self.cosigned else (404, TEXT, "none yet\n")
        if seen.what == "checkpoint":
            return self.take_floor(seen)
        return self.take(seen)

    def opened(self, headers, body):
        """The batch; the terminal must send a good one, so anything else fails the test."""
        assert headers["content-type"] == "application/cbor"
        coding = headers.get("content-encoding", "")
        assert coding in ("", "gzip", "zstd")
        assert len(body) <= 8_388_608
        if coding == "gzip":
            body = gzip.decompress(body)
        if coding == "zstd":
            assert zstandard.get_frame_parameters(body).window_size <= 8_388_608
            body = zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
        assert len(body) <= 8_388_608
        batch = cbor2.loads(body)
        assert set(batch) == {"origin", "from", "entries", "checkpoint"}
        assert len(batch["entries"]) <= 4096
        assert batch["origin"] == self.origin
        assert batch["checkpoint"].split("\n")[0] == self.origin
        assert size_of(batch["checkpoint"]) == batch["from"] + len(batch["entries"]) > 0
        assert self.signed(batch["checkpoint"]), "the terminal's signature does not hold"
        return batch

    def signed(self, note):
        """Whether the first signature line is the terminal's and good."""
        dash, name, coded = note[note.index("\n\n") + 2 :].split("\n")[0].split(" ")
        raw = base64.b64decode(coded, validate=True)
        if (dash, name, raw[:4]) != ("—", self.origin, self.terminal_id):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.terminal[1:]).verify(raw[4:], body_of(note).encode())
        except InvalidSignature:
            return False
        return True

    def root_line(self, entries):
        return b64(root_of(entries))

    def take(self, seen):
        """Steps 1 to 6, as far as a well-behaved terminal can meet them."""
        batch, note = seen.batch, seen.batch["checkpoint"]
        size, first = size_of(note), batch["from"]
        if len(batch["entries"]) > self.entries_max or len(seen.body) > self.bytes_max:
            return 413, TEXT, "over a limit\n"
        if seen.headers.get("content-encoding", "") not in self.codings:
            return 415, TEXT, "not this coding\n"
        if self.poison.intersection(batch["entries"]):
            return 400, TEXT, "it does not like one of them\n"
        if self.quarantined:
            return 422, TEXT, "in quarantine\n"
        if size <= self.size and note.split("\n")[2] != self.root_line(self.entries[:size]):
            self.quarantined = True
            return 422, TEXT, "another root\n"
        if first > self.size:
            return 409, SIZE, f"{self.size}\n"
        grown = self.entries + batch["entries"][self.size - first :]
        if size > self.size and note.split("\n")[2] != self.root_line(grown):
            return 422, TEXT, "not the signed root\n"
        if self.floor and len(grown) >= size_of(self.floor):
            if self.root_line(grown[: size_of(self.floor)]) != self.floor.split("\n")[2]:
                self.quarantined = True
                return 422, TEXT, "not the floor's root\n"
            self.floor = ""
        if size > self.size:
            self.entries, self.notes[size] = grown, note
        if self.floor:
            return 202, SIZE, f"{self.size}\n"
        self.cosigned = self.cosign(self.notes[self.size])
        return 200, TEXT, self.cosigned

    def take_floor(self, seen):
        assert seen.headers["content-type"].split(";")[0] == "text/plain"
        note = seen.body.decode()
        assert self.signed(note)
        terminals_part = note[: note.rstrip("\n").rindex("\n") + 1]
        line = note[len(terminals_part) :]
        time = base64.b64decode(line.split(" ")[2])[4:12]
        message = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n{body_of(note)}".encode()
        self.key.public_key().verify(base64.b64decode(line.split(" ")[2])[12:], message)
        if size_of(note) > self.size and (not self.floor or size_of(note) > size_of(self.floor)):
            self.floor = note
        return 204, TEXT, ""


class Server:
    """The same over real HTTP on the loopback."""

    def __init__(self, office, certificate=None):
        """``certificate``: a PEM file with certificate and key makes it HTTPS."""
        self.office = office
        self.held = threading.Event()  # while cleared, every answer waits
        self.held.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.respond("GET")

            def do_POST(self):
                self.respond("POST")

            def respond(self, method):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # the line broke
                    self.close_connection = True
                    return
                answer = outer.office.answer(method, self.path, dict(self.headers), body)
                outer.arrived.set()
                outer.held.wait()
                if answer is None:
                    self.close_connection = True
                    return
                status, media_type, text, *_ = answer
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Type", media_type)
                    self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.arrived = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.held.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
