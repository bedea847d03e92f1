"""Exports: exactly the right files, renewed in the right order, and every bent one found."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_story import ORIGIN, make_journal, office_signer, repeated, stacked, terminal_signer, written

from kiosk.ledger.export import write_export
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Checkpoint, Signature, cosign, sign_checkpoint
from kiosk.ledger.tiles import (
    TileMaker,
    is_due,
    read_entries,
    read_note,
    stale_files,
    tile_path,
    width_at,
)
from kiosk.ledger.tree import EMPTY_ROOT, leaf_hash, root_hash
from kiosk.ledger.verify import finish, verify_export
from kiosk.model.errors import LedgerFault

KEYS = [terminal_signer().vkey, office_signer().vkey]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "ledger.db"
    with make_journal(path, [stacked(), written()]) as journal:
        journal.append(repeated(600 - journal.size))
    return path


@pytest.fixture
def folder(path, tmp_path):
    """An export of 600 entries, cosigned at 600."""
    with JournalReader(path) as log:
        assert list(write_export(tmp_path / "out", log, cosign(log.newest(), office_signer(), 5))) == [256, 512, 600]
    return tmp_path / "out"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def report(folder):
    return finish(verify_export(folder, KEYS))


def test_the_public_example_of_an_index():
    # c2sp.org/tlog-tiles: 1234067 is x001/x234/067
    assert tile_path(0, 1_234_067, 256) == "tile/0/x001/x234/067"
    assert tile_path("entries", 1_234_067, 8) == "tile/entries/x001/x234/067.p/8"
    assert tile_path(1, 0, 256) == "tile/1/000"
    assert tile_path(0, 1_000, 256) == "tile/0/x001/000"


def test_the_public_example_of_widths():
    # "a tree of size 70,000 … 273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1 tile,
    # one partial level 1 tile of width 17, and one partial level 2 tile of width 1"; 256: one full, one of width 1
    assert [width_at(0, at, 70_000) for at in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [width_at(1, at, 70_000) for at in (0, 1, 2)] == [256, 17, 0]
    assert [width_at(2, at, 70_000) for at in (0, 1)] == [1, 0]
    assert [width_at(0, 0, 256), width_at(0, 1, 256), width_at(1, 0, 256), width_at(2, 0, 256)] == [256, 0, 1, 0]


def test_the_maker_makes_those_tiles_of_70000_leaves():
    maker, leaves = TileMaker(), [leaf_hash(at.to_bytes(4, "big")) for at in range(70_000)]
    full = [(level, index, hashes) for leaf in leaves for level, index, hashes in maker.add(leaf)]
    partial = [(level, index, len(hashes) // 32) for level, index, hashes in maker.rest()]
    assert [sum(level == each for level, _, _ in full) for each in range(3)] == [273, 1, 0]
    assert partial == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert all(is_due(tile_path(level, index, 256), 70_000) for level, index, _ in full)
    assert full[256][0] == 1 and full[256][2][:32] == root_hash(leaves[:256])  # straight after its 256th tile


def test_an_export_has_exactly_its_files(folder):
    tiles_ = ["000", "001", "002.p/88"]
    assert files(folder) == sorted(
        ["checkpoint", "checkpoint.hq", "tile/1/000.p/2"]
        + [f"tile/0/{name}" for name in tiles_]
        + [f"tile/entries/{name}" for name in tiles_]
    )
    assert report(folder).good


def test_the_bytes_are_the_logs(folder, path):
    with JournalReader(path) as log:
        entries = list(log.entries(0, 600))
        assert list(read_entries(folder, 600)) == entries
        assert read_note(folder) == log.newest()
    bundle = b"".join(len(raw).to_bytes(2, "big") + raw for raw in entries[512:])
    assert (folder / "tile/entries/002.p/88").read_bytes() == bundle
    assert (folder / "tile/0/001").read_bytes() == b"".join(map(leaf_hash, entries[256:512]))
    halves = [root_hash(list(map(leaf_hash, entries[at : at + 256]))) for at in (0, 256)]
    assert (folder / "tile/1/000.p/2").read_bytes() == b"".join(halves)


@pytest.mark.parametrize("grown", [1, 168, 169, 1_000])
def test_a_renewed_export_is_as_a_new_one(tmp_path, grown):
    journal_path, folder, fresh = tmp_path / "l.db", tmp_path / "out", tmp_path / "fresh"
    with make_journal(journal_path) as journal, JournalReader(journal_path) as log:
        journal.append(repeated(599))
        finish_writing(folder, log, cosign(log.newest(), office_signer(), 5))
        journal.append(repeated(grown))
        finish_writing(folder, log)
        finish_writing(fresh, log)
    assert files(folder) == sorted([*files(fresh), "checkpoint.hq"])
    assert all((folder / name).read_bytes() == (fresh / name).read_bytes() for name in files(fresh))
    assert report(folder).good and report(folder).size == 600 + grown and report(folder).cosigned.size == 600


def finish_writing(folder, log, cosigned=None):
    for _ in write_export(folder, log, cosigned):
        pass


def test_the_order_of_a_renewal_lets_no_half_one_look_finished(folder, path, monkeypatch):
    """At every flush but the last two the folder has no checkpoint; before it gets one, all else is flushed."""
    (folder / "tile/0/001").write_bytes(b"torn")
    seen = []
    fsync = os.fsync

    def spy(handle):
        seen.append((Path(f"/proc/self/fd/{handle}").readlink(), (folder / "checkpoint").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", spy)
    with JournalReader(path) as log:
        finish_writing(folder, log)
    names = [path.relative_to(folder.parent).as_posix() for path, _ in seen]
    assert [there for _, there in seen] == [False] * (len(seen) - 1) + [True]
    assert names[-2:] == ["out/checkpoint.new", "out"]
    assert names.index("out/tile/0/001") < names.index("out/tile/0") < names.index("out/tile") < len(names) - 2
    assert report(folder).good


def test_a_renewal_that_is_cut_off_is_unfinished_and_can_be_done_again(folder, path):
    (folder / "tile/0/001").unlink()
    with JournalReader(path) as log:
        writing = write_export(folder, log)
        next(writing)
        writing.close()
        assert read_note(folder) is None and not report(folder).good
        finish_writing(folder, log)
    assert report(folder).good


BENT = {
    "a tile is missing": lambda f: (f / "tile/0/001").unlink(),
    "the upper tile is missing": lambda f: (f / "tile/1/000.p/2").unlink(),
    "a bundle is missing": lambda f: (f / "tile/entries/001").unlink(),
    "the checkpoint is missing": lambda f: (f / "checkpoint").unlink(),
    "a tile is changed": lambda f: flip(f / "tile/0/000", 5),
    "the upper tile is changed": lambda f: flip(f / "tile/1/000.p/2", 5),
    "an entry is changed": lambda f: flip(f / "tile/entries/000", 100),
    "a length is changed": lambda f: flip(f / "tile/entries/000", 1),
    "a bundle is cut": lambda f: cut(f / "tile/entries/002.p/88"),
    "a bundle is longer": lambda f: longer(f / "tile/entries/002.p/88"),
    "a tile is longer": lambda f: longer(f / "tile/0/002.p/88"),
    "a stale partial tile": lambda f: copy(f / "tile/0/002.p/88", f / "tile/0/001.p/9"),
    "a stale partial bundle": lambda f: copy(f / "tile/entries/002.p/88", f / "tile/entries/002.p/87"),
    "a full tile in place of a partial": lambda f: copy(f / "tile/0/001", f / "tile/0/002"),
    "a tile beyond the tree": lambda f: copy(f / "tile/0/001", f / "tile/2/000.p/1"),
    "a stranger": lambda f: (f / "tile/readme.txt").write_text("hello"),
    "a tile is a link": lambda f: link(f / "tile/0/001"),
    "a tile is a pipe": lambda f: pipe(f / "tile/0/001"),
    "the checkpoint is changed": lambda f: flip(f / "checkpoint", 40),
    "the checkpoint's signature is changed": lambda f: flip(f / "checkpoint", 180),
    "the checkpoint is not text": lambda f: (f / "checkpoint").write_bytes(b"\xff\xfe"),
    "the cosignature is changed": lambda f: flip(f / "checkpoint.hq", 280),
    "the cosigned checkpoint is none": lambda f: (f / "checkpoint.hq").write_text("hello\n"),
    "the cosigned checkpoint is not cosigned": lambda f: copy(f / "checkpoint", f / "checkpoint.hq"),
}


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 2
    path.write_bytes(raw)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def longer(path):
    path.write_bytes(path.read_bytes() + b"\0")


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def link(path):
    path.rename(path.with_name("elsewhere"))
    copy(path.with_name("elsewhere"), path.parents[2] / ".hidden")
    path.with_name("elsewhere").unlink()
    path.symlink_to(path.parents[2] / ".hidden")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
def test_a_bent_export_does_not_verify(folder, bend):
    assert report(folder).good
    bend(folder)
    found = report(folder)
    assert not found.good and found.problems


def test_a_checkpoint_of_nothing_does_not_verify(tmp_path):
    (tmp_path / "checkpoint").write_text(sign_checkpoint(terminal_signer(), Checkpoint(ORIGIN, 0, EMPTY_ROOT)))
    assert "empty log" in report(tmp_path).problems[0].words


def test_a_bent_cosigned_checkpoint_does_not_hide_the_rest(folder):
    (folder / "checkpoint.hq").write_text("hello\n")
    (folder / "tile/1/000.p/2").unlink()
    found = report(folder)
    assert found.size == 600 and found.checkpoints == 1 and found.problem_count == 2
    assert found.problems[0].words.startswith("checkpoint.hq: ")


def with_second(folder, line):
    """Puts another line in the place of head office's."""
    note = (folder / "checkpoint").read_text()
    (folder / "checkpoint.hq").write_text(note + line)
    return finish(verify_export(folder, KEYS[:1]))


def test_without_head_offices_key_its_line_must_still_be_one(folder):
    note = (folder / "checkpoint").read_text()
    good = cosign(note, office_signer(), 5).removeprefix(note)
    found = with_second(folder, good)
    assert found.good and found.cosigned is None and found.cosigned_unchecked == 600
    vkey, blob = office_signer().vkey, (5).to_bytes(8, "big") + bytes(64)
    bent = [
        Signature(vkey.name, vkey.key_id, bytes(8) + bytes(64)),  # time 0
        Signature(vkey.name, vkey.key_id, bytes([128]) + bytes(71)),  # time beyond 2^63 − 1
        Signature(vkey.name, vkey.key_id, bytes(64)),
        Signature("power.example/prices/1", vkey.key_id, blob),
        Signature(ORIGIN, vkey.key_id, blob),
    ]
    for line in map(str, bent):
        assert [each.words for each in with_second(folder, line).problems] == [
            "the second signature on the checkpoint of size 600 is no cosignature"
        ]


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "checkpoint").write_text("mine\n")
    with JournalReader(path) as log, pytest.raises(LedgerFault) as fault:
        finish_writing(tmp_path, log)
    assert fault.value.code == "L-502"
    assert (tmp_path / "checkpoint").read_text() == "mine\n"


def test_another_logs_export_is_left_alone(folder, tmp_path):
    other = terminal_signer("power.example/kiosk/420100/0008/1")
    make_journal(tmp_path / "other.db", signer=other).close()
    before = (folder / "checkpoint").read_text()
    with JournalReader(tmp_path / "other.db") as log, pytest.raises(LedgerFault) as fault:
        finish_writing(folder, log)
    assert fault.value.code == "L-502"
    assert (folder / "checkpoint").read_text() == before


def test_a_cosigned_checkpoint_that_does_not_belong_is_not_written(tmp_path, path):
    other = terminal_signer("power.example/kiosk/420100/0008/1")
    with make_journal(tmp_path / "other.db", signer=other) as journal:
        foreign = cosign(journal.checkpoint_note, office_signer(), 5)
    with make_journal(tmp_path / "small.db") as journal, JournalReader(path) as log:
        small = JournalReader(tmp_path / "small.db")
        larger = cosign(log.newest(), office_signer(), 5)
        for source, cosigned in ((log, foreign), (small, larger)):
            with pytest.raises(LedgerFault) as fault:
                finish_writing(tmp_path / "out", source, cosigned)
            assert fault.value.code == "L-501" and journal.size == 1
        small.close()
    assert not (tmp_path / "out").exists()


def test_a_cosigned_checkpoint_with_another_root_is_not_written(folder, path):
    forked = sign_checkpoint(terminal_signer(), Checkpoint(ORIGIN, 300, bytes(32)))
    with JournalReader(path) as log, pytest.raises(LedgerFault) as fault:
        finish_writing(folder, log, cosign(forked, office_signer(), 5))
    assert fault.value.code == "L-501" and report(folder).good  # the export that was there is whole


def test_an_older_state_of_the_ledger_is_not_written_over_what_head_office_cosigned(folder, tmp_path):
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    with make_journal(tmp_path / "old.db") as journal, JournalReader(tmp_path / "old.db") as log:
        for count in (1, 700):  # smaller; larger, but another branch
            journal.append(repeated(count))
            with pytest.raises(LedgerFault) as fault:
                finish_writing(folder, log)
            assert fault.value.code == "L-501" and "checkpoint.hq in" in fault.value.args[0]
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before


def test_a_torn_cosigned_checkpoint_in_the_folder_is_taken_away(folder, path):
    copy(folder / "checkpoint", folder / "checkpoint.hq")  # without head office's line
    with JournalReader(path) as log:
        finish_writing(folder, log)
    assert "checkpoint.hq" not in files(folder) and report(folder).good


def test_entries_that_are_not_the_checkpoints_get_none(tmp_path, path):
    class Bent:
        def __init__(self, log):
            self._log = log

        whole_from = 0

        def newest(self):
            return self._log.newest()

        def entries(self, first, end):
            return (raw if at != 300 else raw + b"\0" for at, raw in enumerate(self._log.entries(first, end), first))

    with JournalReader(path) as log, pytest.raises(LedgerFault) as fault:
        finish_writing(tmp_path / "out", Bent(log))
    assert fault.value.code == "L-501" and read_note(tmp_path / "out") is None


def test_a_stick_that_refuses_is_told_as_such(path, tmp_path):
    (tmp_path / "file").write_text("")
    with JournalReader(path) as log, pytest.raises(LedgerFault) as fault:
        finish_writing(tmp_path / "file", log)
    assert fault.value.code == "L-502"


@given(st.integers(0, 300_000), st.integers(0, 2), st.integers(0, 2_000))
def test_a_path_is_due_in_its_own_form_only(size, level, index):
    width = width_at(level, index, size)
    path = tile_path(level, index, width or 256)
    assert is_due(path, size) is (width > 0)
    assert not is_due(path.replace("tile/", "tile/0"), size)
    assert not is_due(path + "/", size) and not is_due(path + ".p/256", size)


def test_stale_files_may_go_as_they_are_found(folder):
    (folder / "tile/0/000.p").mkdir()
    (folder / "tile/0/000.p/7").write_text("old")
    for stale in stale_files(folder, 600):
        stale.unlink()
    assert "tile/0/000.p/7" not in files(folder) and report(folder).good
