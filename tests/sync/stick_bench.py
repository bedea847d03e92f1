"""A terminal, head office's key, and sticks between them."""

from __future__ import annotations

import hashlib
from contextlib import closing

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.ledger.entry import Draft
from kiosk.ledger.export import read_entries_of, stick_folder
from kiosk.ledger.files import Below, PlainFiles
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE, cosign, open_checkpoint
from kiosk.simulation.medium import FOLDER, Medium
from kiosk.sync.state import SyncStateFile, SyncStateReader
from kiosk.sync.stick import Stick

ORIGIN = "power.example/kiosk/420100/0007/1"
NOW = 1_795_491_600_000


def signer(name, kind=1, seed="NEVER USE"):
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest())
    return KeySigner(key, name, kind)


HQ = signer("power.example/ledger-hq/1", HEAD_OFFICE)


class Clock:
    def utc_ms(self):
        return NOW

    def monotonic_ms(self):
        return NOW

    def civil(self):
        return "20261124114000"


class Terminal:
    def __init__(self, folder, origin=ORIGIN, size=1):
        folder.mkdir(exist_ok=True)
        self.folder, self.origin, self.signer = folder, origin, signer(origin)
        self.state_path = folder / "sync.db"
        self.journal = Journal.create(folder / "ledger.db", self.signer, origin, "", "first", Clock())
        self.reader = JournalReader(folder / "ledger.db")
        self.name = stick_folder(origin)
        self.grow(size - 1)

    def close(self):
        self.reader.close()
        self.journal.close()

    def grow(self, count, fen=100):
        if count:
            self.journal.append([Draft("note.repeated", None, (), {"fen": fen + at}) for at in range(count)])
        return self

    def stick(self, files):
        return Stick(files, self.reader, self.state_path, [HQ.vkey], Clock())

    def round(self, files):
        return finished(self.stick(files).round())

    def write(self, files):
        return finished(self.stick(files).write())

    @property
    def state(self):
        with SyncStateReader(self.state_path, self.origin) as reader:
            return reader.state()

    def knows(self, note):
        """As the uplink would have written it."""
        size = int(note.split("\n")[1])
        with closing(SyncStateFile(self.state_path, self.origin)) as state:
            state.change(cosigned_size=size, cosigned_note=note, last_contact_ms=1)

    def cosigned(self, time=5):
        return cosign(self.reader.newest(), HQ, time)

    def carried(self, files):
        """Entries a stranger would find on the stick; None where it is unfinished."""
        own = Below(files, self.name)
        text = own.read("checkpoint", 16_384)
        if text is None:
            return None
        checkpoint = open_checkpoint(text.decode(), self.signer.vkey)
        found = [raw for bundle in read_entries_of(own, checkpoint) for raw in bundle]
        assert found == list(self.reader.entries(0, checkpoint.size))
        return len(found)


def finished(steps):
    """What a generator comes to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def put_on_disk(medium, folder):
    for path, content in sorted(medium.tree.items()):
        if content is FOLDER:
            (folder / path).mkdir(exist_ok=True)
        else:
            (folder / path).write_bytes(content)
    return PlainFiles(folder)


def answered(terminal, medium, note=None):
    """Head office's answer comes back on the stick."""
    medium.write(f"{terminal.name}/checkpoint.hq", (terminal.cosigned() if note is None else note).encode())
    return medium


__all__ = ["FOLDER", "HQ", "NOW", "ORIGIN", "Clock", "Medium", "Terminal", "answered", "finished", "put_on_disk"]
