"""What is stored is what was sent, to the byte: entries of every length, many in one statement."""

import random

from fakes import leaf

from kiosk.hq.tables import StoredEntry

LENGTHS = (0, 1, 0, 0, 23, 24, 255, 256, 257, 16_384, 65_534, 65_535, 0)


def stored(hq):
    rows = StoredEntry.select().order_by(StoredEntry.seq).execute(hq.store.database)
    return [(row.seq, bytes(row.content), bytes(row.leaf)) for row in rows]


def same(hq, terminal):
    expected = [(seq, entry, leaf(entry)) for seq, entry in enumerate(terminal.entries)]
    assert stored(hq) == expected


def test_entries_of_every_length(hq, terminal):
    bits = random.Random(5)
    terminal.entries += [bits.randbytes(length) for length in LENGTHS]
    assert hq.post(terminal, terminal.batch()).status_code == 200
    same(hq, terminal)


def test_nothing_but_zeros_and_nothing_at_all(hq, terminal):
    assert hq.post(terminal, terminal.batch()).status_code == 200
    for more in ([b""], [b"", b""], [bytes(3), b"", bytes(300)], [b"{}", b'"', b"\\"]):
        terminal.entries += more
        assert hq.post(terminal, terminal.batch(len(terminal.entries) - len(more))).status_code == 200
    same(hq, terminal)


def test_a_whole_batch_and_overlaps(hq, terminal):
    bits = random.Random(6)
    terminal.entries += [bits.randbytes(bits.randrange(40)) for _ in range(4095 + 300)]
    for first, end in ((0, 4096), (4000, 4096), (3000, 4300), (300, 4396)):
        assert hq.post(terminal, terminal.batch(first, end)).status_code == 200
    same(hq, terminal)


def test_more_than_one_statement_holds(hq, terminal, monkeypatch):
    """A stick's folder is one batch without the limits on count and bytes."""
    monkeypatch.setattr("kiosk.hq.database.ENTRIES_AT_ONCE", 7)
    bits = random.Random(7)
    terminal.entries += [bits.randbytes(bits.randrange(90)) for _ in range(50)]
    assert hq.post(terminal, terminal.batch()).status_code == 200
    same(hq, terminal)
