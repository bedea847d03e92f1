"""A small ledger to try things on: a clock, a key made from nothing, and the drafts of one sale."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.ledger.note import HEAD_OFFICE

ORIGIN = "power.example/kiosk/420100/0007/1"
OFFICE = "power.example/ledger-hq/1"
SALE = bytes(range(16))
NOTE = b"\0\1\2\3\4\5\6\7"
OWED = "owed:1001:0000123456"


class StillClock:
    """Stands at one moment until it is moved."""

    def __init__(self, now=1_763_999_999_000):
        self.now = now

    def utc_ms(self):
        return self.now

    def monotonic_ms(self):
        return self.now

    def civil(self):
        return "20251124235959"


def terminal_signer(origin=ORIGIN, seed=b"terminal"):
    return KeySigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest()), origin)


def office_signer():
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"office").digest())
    return KeySigner(key, OFFICE, HEAD_OFFICE)


def stacked(fen=5000, note=NOTE, sale=SALE):
    post = (("cash:box", fen), (OWED, -fen))
    return Draft("note.stacked", sale, post, {"note": note, "fen": fen, "how": "credit"})


def written(fen=5000, sale=SALE):
    post = ((OWED, fen), ("sold:1001", -fen))
    return Draft("write.done", sale, post, {"count": 8, "fen": fen, "energy": 8928, "how": "written"})


def closed(fen=5000, kept=0, sale=SALE):
    data = {
        "vendor": "1001",
        "customer": "0000123456",
        "meter": "000098765432",
        "paid": fen,
        "count": 8,
        "written": fen,
        "energy": 8928,
        "why": "done",
        "doubt": False,
    }
    if kept:
        data["kept"] = kept
    return Draft("sale.closed", sale, (), data)


def repeated(count=1):
    return [Draft("note.repeated", None, (), {"fen": 100 + at}) for at in range(count)]


def make_journal(path, drafts=(), clock=None, signer=None):
    signer = signer or terminal_signer()
    journal = Journal.create(path, signer, signer.vkey.name, "", "first", clock or StillClock())
    for draft in drafts:
        journal.append([draft])
    return journal
