"""Exports of any length, made fast: visits of one shape, numbers patched into their bytes, with their closings."""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from ledger_story import ORIGIN, terminal_signer

from kiosk.ledger.closing import Closer
from kiosk.ledger.entry import Draft, Entry, encode
from kiosk.ledger.note import Checkpoint, sign_checkpoint
from kiosk.ledger.tiles import WIDTH, TileMaker, tile_path
from kiosk.ledger.tree import Frontier, leaf_hash

BEGIN_MS, DAY_MS = 1_764_000_000_000, 86_400_000
VISITS_A_DAY = 60
SEQ, AT, SALE, CUSTOMER = 0xA1A2A3A4, 0x0001B1B2B3B4B5B6, bytes(range(200, 216)), "0123456789"
FENS = (1000, 2000, 5000, 10_000)


def visit(fen, sale, customer):
    """The drafts of one customer's visit."""
    owed, note, energy = f"owed:1001:{customer}", sale[:8], fen * 100 // 56
    opened = {"vendor": "1001", "customer": customer, "meter": "000098765432", "region": "420100", "count": 300}
    opened |= {"unit": 1, "price": 56, "tariff": 3, "limit": 100_000, "brought": 0}
    closed = {"vendor": "1001", "customer": customer, "meter": "000098765432", "paid": fen, "count": 300}
    closed |= {"written": fen, "energy": energy, "why": "done", "doubt": False}
    done = {"count": 300, "fen": fen, "energy": energy, "how": "written"}
    return (
        Draft("sale.opened", sale, (), opened),
        Draft("note.escrowed", sale, (), {"note": note, "fen": fen, "device": "acceptor"}),
        Draft("note.accepted", sale, (), {"note": note}),
        Draft("note.stacked", sale, (("cash:box", fen), (owed, -fen)), {"note": note, "fen": fen, "how": "credit"}),
        Draft("write.intended", sale, (), {"count": 300, "fen": fen, "energy": energy, "attempt": 1}),
        Draft("write.done", sale, ((owed, fen), ("sold:1001", -fen)), done),
        Draft("sale.closed", sale, (), closed),
        Draft("receipt.printed", sale, (), {"no": 70_000}),
    )


def raws(count):
    """The bytes of ``count`` entries of a log that verifies."""
    signer, closer = terminal_signer(), Closer()
    data = {"origin": signer.vkey.name, "vkey": str(signer.vkey), "prev": "", "why": "bench"}
    opened = Entry(0, BEGIN_MS, 1, "log.opened", None, (), data)
    closer.take(opened)
    yield encode(opened)
    templates = [[_template(draft) for draft in visit(fen, SALE, CUSTOMER)] for fen in FENS]
    seq, number = 1, 0
    while seq < count:
        number += 1
        at = BEGIN_MS + number // VISITS_A_DAY * DAY_MS + number % VISITS_A_DAY * 600_000
        fen, sale = FENS[number % 4], hashlib.sha256(b"%d" % number).digest()[:16]
        customer = f"{number * 7919 % 10**10:010d}"
        due = closer.due(at, seq)
        entries = [Entry(seq + place, at, 1, each.kind, None, (), each.data) for place, each in enumerate(due)]
        yield from map(encode, entries)
        seq += len(entries)
        drafts = visit(fen, sale, customer)
        entries += [Entry(seq + place, at, 1, d.kind, d.sale, d.post, d.data) for place, d in enumerate(drafts)]
        for entry in entries:
            if entry.post or entry.kind in ("period.closed", "sale.closed", "sale.opened"):
                closer.take(entry)
        if seq < 0x1_0000:
            yield from map(encode, entries[-len(drafts) :])
        else:
            yield from _patched(templates[number % 4], seq, at, sale, customer)
        seq += len(drafts)


def _template(draft):
    return encode(Entry(SEQ, AT, 1, draft.kind, draft.sale, draft.post, draft.data))


def _patched(templates, seq, at, sale, customer):
    for place, raw in enumerate(templates):
        raw = raw.replace(SEQ.to_bytes(4), (seq + place).to_bytes(4), 1).replace(AT.to_bytes(8), at.to_bytes(8), 1)
        yield raw.replace(SALE, sale).replace(SALE[:8], sale[:8]).replace(CUSTOMER.encode(), customer.encode())


def make_export(folder, count):
    """An export of at least ``count`` entries, not flushed: it is to be read and thrown away."""
    maker, frontier, bundle = TileMaker(), Frontier(), bytearray()
    for raw in raws(count):
        bundle += len(raw).to_bytes(2) + raw
        leaf = leaf_hash(raw)
        frontier.append(leaf)
        for level, index, hashes in maker.add(leaf):
            _write(folder, level, index, WIDTH, hashes)
        if frontier.size % WIDTH == 0:
            _write(folder, "entries", frontier.size // WIDTH - 1, WIDTH, bundle)
            bundle.clear()
    for level, index, hashes in maker.rest():
        _write(folder, level, index, len(hashes) // 32, hashes)
    if bundle:
        _write(folder, "entries", frontier.size // WIDTH, frontier.size % WIDTH, bundle)
    note = sign_checkpoint(terminal_signer(), Checkpoint(ORIGIN, frontier.size, frontier.root()))
    (folder / "checkpoint").write_text(note)
    return frontier.size


def _write(folder, level, index, width, content):
    path = folder / tile_path(level, index, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
