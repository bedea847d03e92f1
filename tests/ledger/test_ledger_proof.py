"""Proofs of single entries and of growth: made from a journal and from an export, checked with public keys alone."""

import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_story import ORIGIN, closed, make_journal, office_signer, repeated, stacked, terminal_signer, written

from kiosk.ledger.command import add_parsers
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Checkpoint, cosign, sign_checkpoint
from kiosk.ledger.proof import FolderRoots, Growth, JournalRoots, TlogProof, prove, prove_growth
from kiosk.ledger.tiles import TileMaker, tile_path
from kiosk.ledger.tree import (
    consistency_proof,
    consistency_spans,
    consistent,
    included,
    inclusion_proof,
    inclusion_spans,
    leaf_hash,
    perfect_spans,
    root_hash,
)
from kiosk.model.errors import LedgerFault

TERMINAL, OFFICE = terminal_signer(), office_signer()
LEAVES = [leaf_hash(b"%d" % at) for at in range(70_000)]


def note_of(size, leaves=LEAVES):
    return sign_checkpoint(TERMINAL, Checkpoint(ORIGIN, size, root_hash(leaves[:size])))


class Known:
    """Leaf hashes that are all there."""

    def leaf_hashes(self, first, end):
        return LEAVES[first:end]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """The tiles of 70,000 leaves, and the partial ones of some smaller sizes."""
    folder, maker = tmp_path_factory.mktemp("tiles"), TileMaker()
    for at, leaf in enumerate(LEAVES, 1):
        found = list(maker.add(leaf))
        for level, index, hashes in (*found, *(maker.rest() if at in SIZES else ())):
            path = folder / tile_path(level, index, len(hashes) // 32)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(hashes)
    return folder


SMALL, LARGE = (1, 2, 255, 256, 257, 600), (65_535, 65_536, 65_537, 70_000)
SIZES = SMALL + LARGE


@given(st.sampled_from(SMALL), st.integers(0, 2**30))
@settings(max_examples=80, deadline=None)
def test_an_export_gives_the_proofs_that_its_leaves_give(tiles, size, number):
    check_both(tiles, size, number)


@pytest.mark.parametrize("size", LARGE)
def test_a_large_export_gives_them_too(tiles, size):
    check_both(tiles, size, 33_000_041)


def check_both(tiles, size, number):
    index, old, roots = number % size, number % size + 1, FolderRoots(tiles, size)
    proof = prove(roots, index, note_of(size))
    assert proof.hashes == inclusion_proof(LEAVES, index, size)
    assert proof.hashes == prove(JournalRoots(Known()), index, note_of(size)).hashes
    growth = prove_growth(roots, old, note_of(size))
    assert growth.hashes == consistency_proof(LEAVES, old, size)
    assert growth.hashes == prove_growth(JournalRoots(Known()), old, note_of(size)).hashes
    assert proof.verify(b"%d" % index, TERMINAL.vkey).checkpoint.size == size
    assert growth.verify(root_hash(LEAVES[:old]), TERMINAL.vkey).checkpoint.size == size


def path_of(leaves, index):
    """PATH as RFC 6962 §2.1.1 defines it, word for word."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(leaves[:split], index), root_hash(leaves[split:])]
    return [*path_of(leaves[split:], index - split), root_hash(leaves[:split])]


def subproof(old, leaves, known):
    """SUBPROOF as RFC 6962 §2.1.2 defines it, word for word."""
    if old == len(leaves):
        return [] if known else [root_hash(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*subproof(old, leaves[:split], known), root_hash(leaves[split:])]
    return [*subproof(old - split, leaves[split:], False), root_hash(leaves[:split])]


@given(st.integers(1, 600), st.integers(0, 2**30))
@settings(max_examples=200, deadline=None)
def test_proofs_are_those_of_the_definition(size, number):
    index, old = number % size, number % size + 1
    leaves, root = LEAVES[:size], root_hash(LEAVES[:size])
    proof, growth = inclusion_proof(leaves, index, size), consistency_proof(leaves, old, size)
    assert list(proof) == path_of(leaves, index) and list(growth) == subproof(old, leaves, True)
    assert included(index, size, leaves[index], proof, root)
    assert consistent(old, root_hash(leaves[:old]), size, root, growth)
    for at in range(len(proof)):  # every hash counts
        other = (*proof[:at], leaves[0], *proof[at + 1 :])
        assert other == proof or not included(index, size, leaves[index], other, root)
    for at in range(len(growth)):
        other = (*growth[:at], LEAVES[-1], *growth[at + 1 :])
        assert not consistent(old, root_hash(leaves[:old]), size, root, other)


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40))
@settings(max_examples=300)
def test_a_proof_of_any_size_is_short_and_of_whole_subtrees(size, number):
    index, old = number % size, number % size + 1
    for spans in (inclusion_spans(index, size), consistency_spans(old, size)):
        assert len(spans) <= 63
        for first, end in spans:
            perfect = perfect_spans(first, end)
            assert perfect[0][0] == first and perfect[-1][1] == end
            assert all(begin % (stop - begin) == 0 for begin, stop in perfect)
    covered = sorted([*inclusion_spans(index, size), (index, index + 1)])
    assert [end for _, end in covered] == [first for first, _ in covered[1:]] + [size] and covered[0][0] == 0


def test_a_subtree_that_is_none_is_refused():
    with pytest.raises(ValueError):
        perfect_spans(1, 3)
    for wrong in ((5, 5), (-1, 5)):
        with pytest.raises(ValueError):
            inclusion_spans(*wrong)
    for wrong in ((0, 5), (6, 5)):
        with pytest.raises(ValueError):
            consistency_spans(*wrong)


def refused(function, *arguments):
    with pytest.raises(LedgerFault) as fault:
        function(*arguments)
    return fault.value.code == "L-501"


PROOF = prove(JournalRoots(Known()), 41, cosign(note_of(100), OFFICE, 1_764_000_000))
GROWTH = prove_growth(JournalRoots(Known()), 41, note_of(100))


def test_a_proof_holds_for_its_entry_its_place_and_its_keys():
    seen = PROOF.verify(b"41", TERMINAL.vkey, [OFFICE.vkey])
    assert (seen.checkpoint.size, seen.time, seen.office) == (100, 1_764_000_000, OFFICE.vkey.name)
    assert PROOF.verify(b"41", TERMINAL.vkey).time == 0
    assert refused(PROOF.verify, b"42", TERMINAL.vkey)
    assert refused(PROOF.verify, b"41", terminal_signer(seed=b"other").vkey)
    assert refused(PROOF.verify, b"41", OFFICE.vkey)
    without = TlogProof(PROOF.index, PROOF.hashes, note_of(100))
    assert refused(without.verify, b"41", TERMINAL.vkey, [OFFICE.vkey])
    for other in (40, 42, 100, 2**63):
        assert refused(TlogProof(other, PROOF.hashes, PROOF.note).verify, b"41", TERMINAL.vkey)
    assert refused(TlogProof(41, PROOF.hashes[:-1], PROOF.note).verify, b"41", TERMINAL.vkey)


def test_a_signature_of_a_known_key_must_hold_and_others_are_passed_over():
    stranger = "— witness.example.com/w1 " + "A" * 104 + "\n"
    assert TlogProof(41, PROOF.hashes, PROOF.note + stranger).verify(b"41", TERMINAL.vkey, [OFFICE.vkey]).time
    twice = cosign(note_of(100), OFFICE, 5)[: -len("AAAA==\n")] + "AAAA==\n"
    assert refused(TlogProof(41, PROOF.hashes, twice).verify, b"41", TERMINAL.vkey, [OFFICE.vkey])


def test_growth_holds_for_its_roots():
    old = root_hash(LEAVES[:41])
    assert GROWTH.verify(old, TERMINAL.vkey).checkpoint.size == 100
    assert refused(GROWTH.verify, LEAVES[0], TERMINAL.vkey)
    assert refused(GROWTH.verify, old, terminal_signer(seed=b"other").vkey)
    assert refused(Growth(42, GROWTH.hashes, GROWTH.note).verify, old, TERMINAL.vkey)
    assert refused(Growth.parse, str(Growth(1, tuple(LEAVES[:64]), GROWTH.note)))
    assert Growth.parse(str(Growth(1, tuple(LEAVES[:63]), GROWTH.note))).old == 1


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_changed_letter_is_taken(data):
    text = str(PROOF)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    changed = text[:at] + letter + text[at + 1 :]
    try:
        seen = TlogProof.parse(changed).verify(b"41", TERMINAL.vkey, [OFFICE.vkey])
    except LedgerFault:
        return
    assert changed == text and seen.checkpoint.size == 100


def test_what_is_not_there_is_not_proven():
    roots = JournalRoots(Known())
    for index in (100, -1):
        assert refused(prove, roots, index, note_of(100))
    for old in (0, 101):
        assert refused(prove_growth, roots, old, note_of(100))
    assert refused(JournalRoots(Known()).root, (69_999, 70_001))


@pytest.fixture
def kiosk(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        parser = argparse.ArgumentParser()
        add_parsers(parser.add_subparsers(required=True))
        arguments = parser.parse_args(["ledger", *map(str, words)])
        code = arguments.run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    with make_journal(path, [stacked(), written(), closed()]) as journal:
        for at in (95, 1, 100, 104):  # checkpoints of 99, 100, 200 and 304
            journal.append(repeated(at))
    return path


KEY, HQ = str(TERMINAL.vkey), str(OFFICE.vkey)


@pytest.mark.parametrize("exported", [False, True])
def test_an_entry_is_proven_and_checked_without_the_ledger(kiosk, path, tmp_path, exported):
    with JournalReader(path) as log:
        if exported:
            list(write_export(tmp_path / "out", log))
        (raw,) = log.entries(3, 4)
    code, told, _ = kiosk("prove", tmp_path / "out" if exported else path, 3, "--to", tmp_path / "sale")
    assert code == 0 and "without head office's" in told
    assert (tmp_path / "sale.entry").read_bytes() == raw
    path.unlink()
    code, told, _ = kiosk("check-proof", "sale.tlog-proof", "sale.entry", "--key", KEY)
    assert code == 0 and f"entry 3 stands in the ledger of {ORIGIN}" in told and "证明有效" in told
    assert "sale.closed (has a slip" in told and "not asked for" in told
    code, _, words = kiosk("check-proof", "sale.tlog-proof", "sale.entry", "--key", KEY, "--hq", HQ)
    assert code == 1 and "head office has not cosigned" in words
    (tmp_path / "sale.entry").write_bytes(raw[:-1] + b"\0")
    code, _, words = kiosk("check-proof", "sale.tlog-proof", "sale.entry", "--key", KEY)
    assert code == 1 and "not the bytes of entry 3" in words


def test_head_offices_signature_is_taken_where_it_reaches(kiosk, path, tmp_path):
    with JournalReader(path) as log:
        cosigned = cosign(log.at_most(200), OFFICE, 1_764_000_000)
        list(write_export(tmp_path / "out", log, cosigned))
    (tmp_path / "hq").write_text(cosigned)
    for words in ((tmp_path / "out",), (path, "--cosigned", tmp_path / "hq")):
        code, told, _ = kiosk("prove", words[0], 199, *words[1:])
        assert code == 0 and "with head office's signature" in told
        code, told, _ = kiosk("check-proof", "entry-199.tlog-proof", "entry-199.entry", "--key", KEY, "--hq", HQ)
        assert code == 0 and "by power.example/ledger-hq/1 at 2025-11-24T16:00:00+00:00" in told
        code, told, _ = kiosk("prove", words[0], 200, *words[1:])
        assert code == 0 and "without head office's" in told


def test_growth_is_proven_to_who_kept_an_old_checkpoint(kiosk, path, tmp_path):
    with JournalReader(path) as log:
        (tmp_path / "old").write_text(log.at_most(100))
        (tmp_path / "other").write_text(log.at_most(99))
        list(write_export(tmp_path / "out", log))
    for place in (path, tmp_path / "out"):
        code, told, _ = kiosk("growth", place, 100)
        assert code == 0 and "304 entries begin with 100" in told
        code, told, _ = kiosk("check-growth", "growth-100", "old", "--key", KEY)
        assert code == 0 and "It only grew: the first 100 of its 304" in told and "只增不改" in told
        code, _, words = kiosk("check-growth", "growth-100", "other", "--key", KEY)
        assert code == 1 and "100 entries, the checkpoint about 99" in words
    forged = sign_checkpoint(TERMINAL, Checkpoint(ORIGIN, 100, bytes(32)))
    (tmp_path / "old").write_text(forged)
    code, _, words = kiosk("check-growth", "growth-100", "old", "--key", KEY)
    assert code == 1 and "does not begin with that of 100" in words


def test_an_export_with_a_wrong_tile_proves_nothing(kiosk, path, tmp_path):
    with JournalReader(path) as log:
        list(write_export(tmp_path / "out", log))
    tile = tmp_path / "out/tile/0/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    code, _, words = kiosk("prove", tmp_path / "out", 3)
    assert code == 1 and words.startswith("[L-501]") and not (tmp_path / "entry-3.tlog-proof").exists()
    tile.unlink()
    code, _, words = kiosk("prove", tmp_path / "out", 3)
    assert code == 1 and "cannot be read" in words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("prove", "nowhere", 3), 2),
        (("prove", "{path}", 4_000), 1),
        (("prove", "{path}", 3, "--cosigned", "nowhere"), 2),
        (("prove", "{path}", 3, "--to", "no/such/folder/name"), 2),
        (("growth", "{path}", 0), 1),
        (("growth", "{path}", 305), 1),
        (("check-proof", "nowhere", "nowhere", "--key", KEY), 2),
        (("check-proof", "{path}", "{path}", "--key", KEY), 2),
        (("check-growth", "nowhere", "nowhere", "--key", KEY), 2),
    ],
)
def test_asked_wrongly_is_told_in_words(kiosk, path, words, code):
    found, told, error = kiosk(*(str(word).format(path=path) for word in words))
    assert (found, told) == (code, "") and error


def test_a_terminals_key_is_no_head_offices(kiosk, path):
    kiosk("prove", path, 3)
    code, _, words = kiosk("check-proof", "entry-3.tlog-proof", "entry-3.entry", "--key", KEY, "--hq", KEY)
    assert code == 2 and "no key of head office" in words
    code, _, words = kiosk("check-proof", "entry-3.tlog-proof", "entry-3.entry", "--key", HQ)
    assert code == 1 and "none of the given keys" in words
