"""A long log checked in parts, by one process or more: the same is found as one by one, and in the same words."""

import argparse
import os
import pickle
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_story import OWED, SALE, StillClock, closed, office_signer, repeated, stacked, terminal_signer, written
from long_story import long_journal, visit

from kiosk.ledger import crew
from kiosk.ledger.cli import guarded
from kiosk.ledger.entry import Entry, decode, encode
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.note import Checkpoint, cosign, open_cosigned, sign_checkpoint
from kiosk.ledger.part import TILE, part_of
from kiosk.ledger.proof import TlogProof
from kiosk.ledger.prove import prove_entry
from kiosk.ledger.prune import Pruning
from kiosk.ledger.tiles import TileMaker
from kiosk.ledger.totals import Totals
from kiosk.ledger.tree import Frontier, leaf_hash, perfect_root, root_hash
from kiosk.ledger.verify import finish, verify_export, verify_journal
from kiosk.model.errors import LedgerFault

VKEYS = (terminal_signer().vkey, office_signer().vkey)
ENTRIES = 1_400
ONE_BY_ONE = 1_000_000  # a part of this length is longer than the log


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "ledger.db"
    with long_journal(path, ENTRIES):
        pass
    return path


@pytest.fixture
def path(whole, tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(whole.read_bytes())
    return path


@pytest.fixture
def folder(whole, tmp_path):
    with JournalReader(whole) as log:
        cosigned = cosign(log.at_most(700), office_signer(), 1_764_000_000)
        list(write_export(tmp_path / "out", log, cosigned))
    return tmp_path / "out"


def both_of_journal(path, vkeys=VKEYS, workers=1):
    with JournalReader(path) as log:
        one_by_one = finish(verify_journal(log, vkeys, part=ONE_BY_ONE))
        return one_by_one, finish(verify_journal(log, vkeys, workers, part=TILE))


def both_of_export(folder, vkeys=VKEYS, workers=1):
    one_by_one = finish(verify_export(folder, vkeys, part=ONE_BY_ONE))
    return one_by_one, finish(verify_export(folder, vkeys, workers, part=TILE))


@pytest.fixture
def taken(monkeypatch):
    """The parts that were taken at once, by their first entry."""
    taken, take = [], crew.part_of

    def watched(raws, first):
        found = take(raws, first)
        taken.extend([first] if found else [])
        return found

    monkeypatch.setattr(crew, "part_of", watched)
    return taken


def test_a_sound_journal_and_its_export(path, folder, taken):
    one_by_one, in_parts = both_of_journal(path)
    assert one_by_one.good and one_by_one.checkpoints > 30 and in_parts == one_by_one
    assert taken == list(range(0, one_by_one.size, TILE)) and one_by_one.size % TILE
    one_by_one, in_parts = both_of_export(folder)
    assert one_by_one.good and one_by_one.cosigned and in_parts == one_by_one
    assert "period.closed" in one_by_one.kinds


def test_without_a_key_or_with_another_it_is_the_same(path, folder):
    for vkeys in ((), (terminal_signer(seed=b"other").vkey,), (terminal_signer("a.b/kiosk/1/2/3").vkey,)):
        for one_by_one, in_parts in (both_of_journal(path, vkeys), both_of_export(folder, vkeys)):
            assert in_parts == one_by_one and one_by_one.good is (vkeys == ())


EDITS = {
    "another's bytes": "UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE seq = 301) WHERE seq = 300",
    "nonsense": "UPDATE entry SET bytes = x'a0' WHERE seq = 256",
    "empty": "UPDATE entry SET bytes = x'' WHERE seq = 700",
    "deleted": "DELETE FROM entry WHERE seq = 600",
    "first deleted": "DELETE FROM entry WHERE seq = 0",
    "tail deleted": "DELETE FROM entry WHERE seq > 1100",
    "another leaf": "UPDATE entry SET leaf = zeroblob(32) WHERE seq = 511",
    "another root": "UPDATE checkpoint SET root = zeroblob(32) WHERE size BETWEEN 800 AND 850",
    "all roots": "UPDATE checkpoint SET root = zeroblob(32)",
    "a short root": "UPDATE checkpoint SET root = x'00' WHERE size > 500 AND size < 700",
    "another signature": "UPDATE checkpoint SET signature = zeroblob(64) WHERE size > 900 AND size < 1000",
    "a size 0": "INSERT INTO checkpoint SELECT 0, root, signature FROM checkpoint LIMIT 1",
    "a far size": "INSERT INTO checkpoint SELECT 4000000, root, signature FROM checkpoint LIMIT 1",
    "a far entry": "INSERT INTO entry SELECT 4000000000, bytes, leaf FROM entry LIMIT 1",
    "no checkpoints": "DELETE FROM checkpoint",
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_journal_is_told_in_the_same_words(path, name):
    with sqlite3.connect(path) as connection:
        connection.execute(EDITS[name])
    connection.close()
    if name == "first deleted":
        with pytest.raises(LedgerFault):
            JournalReader(path)
        return
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and not one_by_one.good


def rewritten(path, seq, change):
    """Changes one entry, and everything that is made from it, as the terminal's own key could."""
    with JournalReader(path) as log:
        rows = [[raw, leaf] for _, raw, leaf in log.kept_rows()]
    raw = encode(change(decode(rows[seq][0])))
    rows[seq] = [raw, leaf_hash(raw)]
    frontier, sizes = Frontier(), {}
    for _, leaf in rows:
        frontier.append(leaf)
        sizes[frontier.size] = frontier.root()
    signer = terminal_signer()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entry SET bytes = ?, leaf = ? WHERE seq = ?", (*rows[seq], seq))
        for (size,) in connection.execute("SELECT size FROM checkpoint WHERE size > ?", (seq,)).fetchall():
            note = str(Checkpoint(signer.vkey.name, size, sizes[size]))
            row = (sizes[size], signer.sign(note.encode()), size)
            connection.execute("UPDATE checkpoint SET root = ?, signature = ? WHERE size = ?", row)
    connection.close()


def found_at(path, kind, after):
    with JournalReader(path) as log:
        return next(seq for seq, raw, _ in log.rows(after) if decode(raw).kind == kind)


def changed(entry, **fields):
    names = Entry.__dataclass_fields__
    return Entry(**{name: fields.get(name, getattr(entry, name)) for name in names})


CHANGES = {
    "a sum in a closing": ("period.closed", lambda e: changed(e, data={**e.data, "sales": e.data["sales"] + 1})),
    "a closing of another day": ("period.closed", lambda e: changed(e, data={**e.data, "name": "2025-01-01"})),
    "a closing that became another kind": ("period.closed", lambda e: changed(e, kind="never.heard.of")),
    "a sale that keeps another sum": ("sale.closed", lambda e: changed(e, data={**e.data, "kept": 7})),
    "a closing of a sale that came twice": ("receipt.printed", lambda e: changed(e, kind="sale.closed", sale=None)),
    "another amount": ("note.stacked", lambda e: changed(e, post=tuple((name, fen * 2) for name, fen in e.post))),
    "another time": ("note.stacked", lambda e: changed(e, at=e.at + 400 * 86_400_000)),
    "a boot that falls": ("note.stacked", lambda e: changed(e, boot=0)),
    "a boot that leaps": ("note.stacked", lambda e: changed(e, boot=9)),
    "another number": ("note.stacked", lambda e: changed(e, seq=e.seq + 1)),
    "opened again": ("receipt.printed", lambda e: changed(e, kind="log.opened")),
    "energy not sold": ("write.done", lambda e: changed(e, data={**e.data, "energy": e.data["energy"] + 1})),
    "energy beyond all": ("write.done", lambda e: changed(e, data={**e.data, "energy": 2**63})),
}


UNSEEN_LATE = {"energy not sold", "energy beyond all"}  # what is not summed yet


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_entry_signed_by_the_key_itself_is_told_in_the_same_words(path, name, late):
    kind, change = CHANGES[name]
    closings = [520]
    with JournalReader(path) as log:
        closings += [seq for seq, raw, _ in log.rows() if decode(raw).kind == "period.closed"]
    late = late and kind != "period.closed"  # then no closing tells of it
    rewritten(path, found_at(path, kind, closings[-1] + 1 if late else 520), change)
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and (name in UNSEEN_LATE if late else False) is one_by_one.good


def test_a_boot_that_falls_where_a_part_begins_is_told_in_the_same_words(path):
    rewritten(path, 2 * TILE, lambda e: changed(e, boot=0))
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and "boot falls" in one_by_one.problems[0].words


def test_checkpoints_of_another_key_than_entry_0_names_do_not_hold(path):
    other = terminal_signer(seed=b"other")
    with sqlite3.connect(path) as connection:
        for size, root in connection.execute("SELECT size, root FROM checkpoint").fetchall():
            signature = other.sign(str(Checkpoint(other.vkey.name, size, root)).encode())
            connection.execute("UPDATE checkpoint SET signature = ? WHERE size = ?", (signature, size))
    connection.close()
    one_by_one, in_parts = both_of_journal(path, (other.vkey,))
    assert in_parts == one_by_one and not one_by_one.good and one_by_one.checkpoints == 0


def test_an_entry_like_the_others_is_no_problem(path):
    rewritten(path, found_at(path, "receipt.printed", 520), lambda e: changed(e, kind="never.heard.of"))
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and one_by_one.good and one_by_one.kinds["never.heard.of"] == 1


def pruned(path):
    """Deletes the bytes of what was sold early, as far as each sale is over by then; returns head office's note."""
    signer = terminal_signer()
    with Journal.open(path, signer, StillClock()) as journal:
        entries = list(journal.entries(0, 768))
        going_on = {entry.sale for entry in journal.entries(768, journal.size)}
        doomed = frozenset(each.seq for each in entries if each.sale and each.sale not in going_on)
        signed = Checkpoint(journal.origin, 900, journal.frontier(900).root())
        note = cosign(sign_checkpoint(signer, signed), office_signer(), 5)
        journal.prune(Pruning(doomed, 768, open_cosigned(note, signer.vkey, [office_signer().vkey])))
        journal.append(repeated(TILE - (journal.size + 4) % TILE + TILE))
        journal.append(visit(123_456))  # two parts share it
        journal.append(repeated(300))
        assert len(doomed) > 500
    return note


def test_a_pruned_journal_is_told_in_the_same_words(path, taken):
    pruned(path)
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and one_by_one.good
    assert taken == [*range(3 * TILE, len(taken) * TILE + 3 * TILE, TILE)] and len(taken) > 3
    rewritten(path, found_at(path, "sale.closed", 800), lambda e: changed(e, data={**e.data, "kept": 7}))
    one_by_one, in_parts = both_of_journal(path)
    assert in_parts == one_by_one and not one_by_one.good


def test_a_pruned_export_is_told_in_the_same_words(path, tmp_path):
    note = pruned(path)
    with JournalReader(path) as log:
        list(write_export(tmp_path / "out", log, note))
    one_by_one, in_parts = both_of_export(tmp_path / "out")
    assert in_parts == one_by_one and one_by_one.good


def test_in_a_pruned_export_a_sale_that_two_parts_share_is_told_in_the_same_words(path, tmp_path):
    note = pruned(path)
    with JournalReader(path) as log:
        entries = [decode(raw) for _, raw, _ in log.rows(4 * TILE)]
    sale = next(entry.sale for entry in reversed(entries) if entry.sale)
    opened, seq = (
        next(e.seq for e in entries if (e.kind, e.sale) == (f"sale.{way}", sale)) for way in ("opened", "closed")
    )
    assert opened // TILE < seq // TILE
    rewritten(path, seq, lambda e: changed(e, data={**e.data, "kept": 7}))
    with JournalReader(path) as log:
        list(write_export(tmp_path / "out", log, note))
    one_by_one, in_parts = both_of_export(tmp_path / "out")
    assert in_parts == one_by_one and [problem.seq for problem in one_by_one.problems] == [seq]


def test_a_pruned_ledger_proves_what_it_still_has(path, tmp_path):
    note = pruned(path)
    with JournalReader(path) as log:
        list(write_export(tmp_path / "out", log, note))
        hole, size = next(seq for seq, raw, _ in log.kept_rows(1) if not raw), log.size
    for place in (path, tmp_path / "out"):
        for seq, code in ((800, 0), (hole, 1)):
            words = argparse.Namespace(path=place, seq=seq, to=tmp_path / "proof", cosigned=None)
            assert guarded(prove_entry)(words) == code
        entry, proof = ((tmp_path / f"proof.{end}").read_bytes() for end in ("entry", "tlog-proof"))
        assert TlogProof.parse(proof.decode()).verify(entry, VKEYS[0]).checkpoint.size in (900, size)
        (tmp_path / "proof.entry").unlink()


def flip(path, at=100):
    raw = bytearray(path.read_bytes())
    raw[at % len(raw)] ^= 1
    path.write_bytes(raw)


def link(path):
    path.symlink_to(path.parents[2] / "x")


SPOILS = {
    "a bundle's byte": lambda folder: flip(folder / "tile/entries/002"),
    "a bundle cut": lambda folder: (folder / "tile/entries/002").write_bytes(b"\0"),
    "a bundle gone": lambda folder: (folder / "tile/entries/003").unlink(),
    "a tile's byte": lambda folder: flip(folder / "tile/0/001"),
    "a tile gone": lambda folder: (folder / "tile/0/004").unlink(),
    "an upper tile's byte": lambda folder: flip(next(folder.glob("tile/1/*.p/*"))),
    "a last tile's byte": lambda folder: flip(next(folder.glob("tile/0/*.p/*"))),
    "a tile that is a link": lambda folder: (
        (folder / "tile/0/001").rename(folder / "x") and link(folder / "tile/0/001")
    ),
    "a stale file": lambda folder: (folder / "tile/0/777").write_bytes(b""),
    "a checkpoint's byte": lambda folder: flip(folder / "checkpoint", 90),
    "a cosigned one's byte": lambda folder: flip(folder / "checkpoint.hq", 60),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoilt_export_is_told_in_the_same_words(folder, name):
    SPOILS[name](folder)
    one_by_one, in_parts = both_of_export(folder)
    assert in_parts == one_by_one and not one_by_one.good


def test_a_link_is_no_tile(folder):
    SPOILS["a tile that is a link"](folder)
    assert "no plain file" in both_of_export(folder)[1].problems[0].words


def test_a_whole_tile_is_taken_where_one_begins():
    maker = TileMaker()
    assert list(maker.add_root(bytes(32))) == [] and list(maker.rest()) == [(1, 0, bytes(32))]
    list(maker.add(bytes(32)))
    with pytest.raises(ValueError):
        maker.add_root(bytes(32))


def test_a_torn_database_is_told_so_and_read_at_least_as_far(path):
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 8192 * 4096
    raw[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(raw)
    for found in both_of_journal(path):
        assert not found.good and "cannot be read on" in found.problems[0].words


def test_a_journal_that_grows_meanwhile_is_checked_to_its_new_end(tmp_path):
    with long_journal(tmp_path / "l.db", ENTRIES) as journal, JournalReader(tmp_path / "l.db") as log:
        check = verify_journal(log, VKEYS, part=TILE)
        next(check)
        journal.append(visit(9_999))
        found = finish(check)
        assert found.good and found.size == journal.size


@pytest.mark.slow
def test_workers_find_the_same_and_a_part_can_travel(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "CREW_FROM", 4)
    with long_journal(tmp_path / "l.db", ENTRIES), JournalReader(tmp_path / "l.db") as log:
        list(write_export(tmp_path / "out", log))
    one_by_one, by_two = both_of_journal(tmp_path / "l.db", workers=2)
    assert one_by_one.good and by_two == one_by_one
    one_by_one, by_two = both_of_export(tmp_path / "out", workers=2)
    assert one_by_one.good and by_two == one_by_one
    flip(tmp_path / "out/tile/entries/002")
    one_by_one, by_two = both_of_export(tmp_path / "out", workers=2)
    assert by_two == one_by_one and not one_by_one.good


class _Dying:
    """A source whose worker dies."""

    def part(self, _first, _count):
        os._exit(9)


@pytest.mark.slow
def test_a_worker_that_dies_leaves_its_parts_to_us(whole):
    with JournalReader(whole) as log:
        source = crew.JournalSource(log, VKEYS[0])
        found = list(crew.checked(source, _Dying, 40 * TILE, workers=2, length=TILE))
    assert [span[0] for span, _ in found] == list(range(0, 40 * TILE, TILE))
    assert found[0][1] is None


def entries(number):
    drafts = list(visit(number))
    return [Entry(TILE + at, 1_764_000_000_000, 3, d.kind, d.sale, d.post, d.data) for at, d in enumerate(drafts)]


@given(st.integers(1, 10**6), st.data())
@settings(max_examples=400, deadline=None)
def test_what_makes_a_part_decodes_to_the_same(number, data):
    raws = [encode(entry) for entry in entries(number)]
    at = data.draw(st.integers(0, len(raws) - 1))
    raw = bytearray(raws[at])
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    raws[at] = bytes(raw)
    found = part_of(raws, TILE)
    if found is not None:
        decoded = [decode(raw) for raw in raws]
        balances = {}
        for entry in decoded:
            for account, fen in entry.post:
                balances[account] = balances.get(account, 0) + fen
        assert found[0].balances == {account: fen for account, fen in balances.items() if fen}
        assert [entry.seq for entry in decoded] == list(range(TILE, TILE + len(raws)))
        assert sum(found[0].kinds.values()) == len(raws)
        assert all(decode(raw).kind in found[0].kinds for raw in raws)


FEN, ACCOUNT = b"\x19\x13\x88", b"\x68cash:box"
NOTE = encode(Entry(TILE, 1 << 40, 1, "note.stacked", SALE, stacked().post, stacked().data))
ONE, OTHER = (NOTE.partition(b"post\x82")[2][begin:end] for begin, end in ((0, 13), (13, 38)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ACCOUNT + FEN, ACCOUNT + b"\x19\x13\x87"),  # does not sum to zero
        (ONE + OTHER, OTHER + ONE),  # another order
        (ONE + OTHER, ONE + ONE[:10] + b"\x39\x13\x87"),  # one account twice
        (ACCOUNT, b"\x68cash:bax"),  # no account
    ],
)
def test_postings_that_break_a_rule_make_no_part(old, new):
    assert part_of([NOTE], TILE) and OTHER.endswith(b"\x39\x13\x87") and NOTE.count(old) == 1
    raw = NOTE.replace(old, new)
    assert part_of([raw], TILE) is None
    with pytest.raises(LedgerFault):
        decode(raw)


@pytest.mark.parametrize(("fen", "good"), [(10**12, True), (10**12 + 1, False)])
def test_postings_beyond_all_make_no_part(fen, good):
    raw = encode(Entry(TILE, 1 << 40, 1, "note.stacked", SALE, stacked(10**12).post, stacked().data))
    assert part_of([raw], TILE)
    raw = raw.replace((10**12).to_bytes(8), fen.to_bytes(8)).replace((10**12 - 1).to_bytes(8), (fen - 1).to_bytes(8))
    assert bool(part_of([raw], TILE)) is good


def test_widths_that_make_up_for_each_other_do_not_hide_another_number():
    first = 0x1_0000
    raws = [encode(Entry(first + at, 1 << 40, 1, "x", None, (), {})) for at in range(8)]
    assert part_of(raws, first)
    raws[3] = encode(Entry(0xABCD_0000_0000 + first + 3, 1 << 31, 1, "x", None, (), {}))  # at shorter, seq longer
    assert len(raws[3]) == len(raws[2]) and part_of(raws, first) is None
    small = [encode(Entry(at + TILE, at, at // 2, "x", None, (), {})) for at in range(300)]
    part, _ = part_of(small, TILE)
    assert (part.boots, part.runs[0].days) == ((0, 149), (0, 0, 0))


@pytest.mark.parametrize("more", [(), (("voucher:d", 3),)])
def test_accounts_in_another_order_make_no_part(more):
    post = (("voucher:b", 5), ("voucher:c", -5 - sum(fen for _, fen in more)), *more)
    raw = encode(Entry(TILE, 1 << 40, 1, "x", None, post, {}))
    assert part_of([raw], TILE)
    assert part_of([raw.replace(b"voucher:b", b"voucher:a")], TILE)
    for other in (b"voucher:c", b"voucher:d"):  # one account twice; another order
        wrong = raw.replace(b"voucher:b", other, 1)
        assert part_of([wrong], TILE) is None
        with pytest.raises(LedgerFault):
            decode(wrong)


@pytest.mark.parametrize(
    ("draft", "change", "good"),
    [
        (closed(), {"kept": "five"}, False),
        (closed(), {"kept": 5}, True),
        (written(), {"energy": 2**32}, False),  # such sums are left to who clamps them
        (written(), {"energy": 2**32 - 1}, True),
        (written(), {"energy": -1}, True),
    ],
)
def test_what_cannot_be_summed_makes_no_part(draft, change, good):
    raw = encode(Entry(TILE, 1 << 40, 1, draft.kind, SALE, draft.post, {**draft.data, **change}))
    found = part_of([raw], TILE)
    assert bool(found) is good
    if good and "energy" in change:
        assert found[0].runs[0].ever["energy"] == max(0, change["energy"])


def test_three_postings_are_added_up_too():
    post = (("cash:box", 5000), (OWED, -4000), ("unassigned", -1000))
    raw = encode(Entry(TILE, 1 << 40, 1, "note.stacked", SALE, post, stacked().data))
    part, _ = part_of([raw], TILE)
    assert part.balances == dict(post) and part.owed == {SALE: -4000}
    assert part_of([raw.replace(b"unassigned", b"unassigNed")], TILE) is None
    assert part_of([raw.replace(b"\x39\x03\xe7", b"\x39\x03\xe6")], TILE) is None


@pytest.mark.parametrize(
    ("owed", "kept", "fits"), [(-5000, 0, True), (-5000, 5000, False), (0, 5000, True), (0, 0, False)]
)
def test_a_sale_that_began_in_an_earlier_part_is_closed_with_what_it_owed_then(owed, kept, fits):
    totals = Totals()
    if owed:
        began = stacked(-owed)
        totals.take(Entry(1, 1, 1, began.kind, SALE, began.post, began.data))
    drafts = [written(5000), closed(kept=kept)]
    raws = [
        encode(Entry(TILE + at, 1 << 40, 1, each.kind, SALE, each.post, each.data)) for at, each in enumerate(drafts)
    ]
    part, _ = part_of(raws, TILE)
    assert totals.fits(part) is fits
    totals.take_part(part)
    assert totals.balances.get("sold:1001") == -5000


def test_a_subtree_is_appended_at_once():
    leaves = [leaf_hash(bytes([at])) for at in range(100)]
    for begin in (0, 8, 16, 24, 64):
        frontier = Frontier(leaves[:begin])
        frontier.append(perfect_root(b"".join(leaves[begin : begin + 8])), 3)
        assert (frontier.size, frontier.root()) == (begin + 8, root_hash(leaves[: begin + 8]))
    with pytest.raises(ValueError):
        Frontier(leaves[:4]).append(leaves[4], 3)
    assert perfect_root(leaves[0]) == leaves[0]


def test_a_part_is_small_enough_to_hand_over(whole):
    with JournalReader(whole) as log:
        part, _ = part_of([raw for _, raw, _ in log.rows(TILE, 5 * TILE)], TILE)
    assert len(pickle.dumps(part)) < 40_000
    assert stacked().post[0][0] in part.balances
