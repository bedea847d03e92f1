"""What others published: our tree, notes, tiles and proofs held against it, the good and the bad.

Values only, each with its source. Where a published log has a name that is none of ours, the layers below the name are
held: our notes are for our own logs.
"""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from kiosk.ledger.note import TERMINAL, Checkpoint, Note, Signature, Vkey, key_id
from kiosk.ledger.proof import FolderRoots, Growth, TlogProof
from kiosk.ledger.tiles import TileMaker, is_due, read_bundle, tile_path
from kiosk.ledger.tree import (
    consistency_proof,
    consistency_spans,
    consistent,
    included,
    inclusion_proof,
    inclusion_spans,
    leaf_hash,
    root_hash,
)
from kiosk.model.errors import LedgerFault

HERE = Path(__file__).with_name("vectors")
RFC6962 = json.loads((HERE / "rfc6962.json").read_text())  # transparency-dev/merkle, testdata
TESSERA = json.loads((HERE / "tessera.json").read_text())  # transparency-dev/tessera, testdata/log


def b64(text):
    return base64.b64decode(text)


@pytest.mark.parametrize("vector", RFC6962["inclusion"], ids=lambda vector: vector[0])
def test_inclusion(vector):
    _, wrong, index, size, leaf, root, proof = vector
    assert included(index, size, b64(leaf), [b64(each) for each in proof], b64(root)) is not wrong


@pytest.mark.parametrize("vector", RFC6962["consistency"], ids=lambda vector: vector[0])
def test_consistency(vector):
    name, wrong, first, second, first_root, second_root, proof = vector
    hashes = [b64(each) for each in proof]
    if first == 0 and not wrong:  # "from empty": RFC 6962 has no such proof, and we ask for none
        assert not hashes, name
        return
    assert consistent(first, b64(first_root), second, b64(second_root), hashes) is not wrong


def test_there_are_as_many_as_were_published():
    counts = {what: [vector[1] for vector in RFC6962[what]] for what in ("inclusion", "consistency")}
    assert {what: len(found) for what, found in counts.items()} == {"inclusion": 98, "consistency": 98}
    assert all(80 < sum(found) < 98 for found in counts.values())  # most are to be refused


# golang.org/x/mod at fe2ec04f7c3c, sumdb/note/note_test.go (BSD-3-Clause)
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCHS = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
# c2sp.org/signed-note, "Example"
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOOS = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def anyones(vkey):
    """A key of a name that is none of ours: what ``Vkey`` checks behind the name."""
    name, hex_id, coded = vkey.split("+", 2)
    raw = b64(coded)
    assert raw[0] == TERMINAL and key_id(name, raw[0], raw[1:]).hex() == hex_id
    key = object.__new__(Vkey)
    for field, value in (("name", name), ("type", raw[0]), ("key", raw[1:])):
        object.__setattr__(key, field, value)
    assert str(key) == vkey
    return key


@pytest.mark.parametrize(
    ("vkey", "text", "line"),
    [(PETER, TEXT, PETERS), (ENOCH, TEXT, ENOCHS), (FOO, "This is an example message.\n", FOOS)],
)
def test_published_notes_hold_and_only_to_the_letter(vkey, text, line):
    key, note = anyones(vkey), Note.parse(f"{text}\n{line}")
    signature = note.signatures[0]
    assert str(note) == f"{text}\n{line}" and note.body == text and signature.is_by(key)
    assert key.verify(text.encode(), signature.blob)
    assert not key.verify(text.replace("e", "E", 1).encode(), signature.blob)
    assert not key.verify(text.encode(), signature.blob[:-1] + bytes([signature.blob[-1] ^ 1]))


def test_a_published_note_of_two_signatures():
    note = Note.parse(f"{TEXT}\n{PETERS}{ENOCHS}")
    assert [line.name for line in note.signatures] == ["PeterNeumann", "EnochRoot"]
    assert not note.signatures[0].is_by(anyones(ENOCH)) and note.signatures[1].is_by(anyones(ENOCH))


@pytest.mark.parametrize(
    "text",
    [  # TestOpen's badMsgs, and its note of 101 signatures
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETERS[:-1],
        "\x01" + TEXT + "\n" + PETERS,
        TEXT + "\n" + PETERS.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + PETERS + "Unexpected line.\n",
        TEXT + "\n" + PETERS * 101,
    ],
)
def test_published_notes_that_are_none(text):
    with pytest.raises(LedgerFault) as fault:
        Note.parse(text)
    assert fault.value.code == "L-501"


@pytest.mark.parametrize(
    "vkey",
    [  # TestNewVerifier's: a wrong length, and an algorithm that nobody knows, each with its key ID adjusted
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER,  # sound, but neither a terminal's name nor head office's
        *(PETER[:at] for at in range(0, len(PETER), 7)),
    ],
)
def test_published_keys_that_are_none_of_ours(vkey):
    with pytest.raises(LedgerFault):
        Vkey.parse(vkey)


def test_the_published_cosignature_says_its_time():
    # c2sp.org/tlog-cosignature: the key is not published, but the time that was signed is
    line = (
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5"
        "nNo0xUe+mbIUBkBIfZ+qnA=="
    )
    signature = Signature.parse(line)
    assert (len(signature.blob), int.from_bytes(signature.blob[:8])) == (72, 1_679_315_147)
    assert str(signature) == line + "\n"


def test_a_published_log_of_tiles(tmp_path):
    entries = [b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eit", b"nain", b"ten"]
    entries += [b"ileven", b"twelf", b"threeten", b"fourten", b"fivten"]
    for name, content in (("0", TESSERA["tile"]), ("entries", TESSERA["bundle"])):
        path = tmp_path / tile_path(name, 0, 15)
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes.fromhex(content))
    assert read_bundle(tmp_path, 0, 15) == entries
    leaves, maker = [leaf_hash(entry) for entry in entries], TileMaker()
    assert [tile for leaf in leaves for tile in maker.add(leaf)] == []
    assert list(maker.rest()) == [(0, 0, bytes.fromhex(TESSERA["tile"]))]
    key, roots = anyones(TESSERA["vkey"]), {}
    for size, text in enumerate(TESSERA["checkpoints"]):
        note = Note.parse(text)
        origin, said, root = note.body.splitlines()
        roots[size] = b64(root)
        assert (origin, said) == ("example.com/log/testdata", str(size)) and note.signatures[0].is_by(key)
        assert key.verify(note.body.encode(), note.signatures[0].blob)
        assert root_hash(leaves[:size]) == roots[size]
        with pytest.raises(LedgerFault):
            Checkpoint.parse(note.body)  # not a name of ours
    for size in range(1, 16):
        tree = FolderRoots(tmp_path, 15)
        for index in range(size):
            proof = tuple(map(tree.root, inclusion_spans(index, size)))
            assert proof == inclusion_proof(leaves, index, size)
            assert included(index, size, leaves[index], proof, roots[size])
        for old in range(1, size + 1):
            proof = tuple(map(tree.root, consistency_spans(old, size)))
            assert proof == consistency_proof(leaves, old, size)
            assert consistent(old, roots[old], size, roots[size], proof)


@pytest.mark.parametrize(
    ("level", "index", "path"),
    [  # c2sp.org/tlog-tiles; golang.org/x/mod sumdb/tlog/tile_test.go has the like with another height
        (0, 1_234_067, "tile/0/x001/x234/067"),
        (5, 123_456_078, "tile/5/x123/x456/078"),
        (1, 3_057_500, "tile/1/x003/x057/500"),
    ],
)
def test_published_paths_of_tiles(level, index, path):
    assert tile_path(level, index, 256) == path
    assert not is_due(path.replace("x", ""), 2**63) and not is_due(path.replace("tile/", "tile/-"), 2**63)


def test_the_published_tree_of_70000():
    # c2sp.org/tlog-tiles: 273 full tiles of level 0 and one of 112; one full of level 1 and one of 17; one of level 2
    assert is_due("tile/0/272", 70_000) and is_due("tile/0/273.p/112", 70_000) and not is_due("tile/0/273", 70_000)
    assert is_due("tile/1/000", 70_000) and is_due("tile/1/001.p/17", 70_000) and is_due("tile/2/000.p/1", 70_000)


# project-oak/oak, tlog_proof (Apache-2.0): an entry of a public log with its proof
OAK_ENTRY, OAK_INDEX, OAK_SIZE = b"hello tesseroak\n", 76_958, 76_959
OAK_ROOT = "QYfrD7XAd4qUHbRBs4dDyDZwpZN4M/cccXr2G56pxkY="
OAK_PROOF = [
    "fGRlLyuz+L9Jb8+uTSut/2aVc4z7fKFW+clvsb6xjEM=",
    "F6LautOHD5eppkWC0xn/lz00X5g2yLlZAkl2jCI/wdE=",
    "qH7OJxFNup+TDvJuohd2HphKVngfMeMzUK8QChEDcas=",
    "+Y3g758yXtPCRh/eqhLTA3bdcx+cCV1Uah0JdgB0YEs=",
    "vq8cJSjj8dPVmFBRUqDLlaMqW6aAYR2GKugVhgudXLs=",
    "J0z3X5qTb9WFC1gABhVFx0bW1rVZRL+DAoBL2e2h4G4=",
    "NmSbYg25xNFzTRerIsF3HbEMyTIDqW87AQd9ekzopE8=",
    "L8BZipjURnkctkjJtGJs+YyTXMssvNKA7+a8nV2JT/s=",
    "pva4RFzCejMkVMVmYc93As2lbk7WAyrw58TvrzEOjNc=",
]


def test_a_published_entry_of_a_large_log():
    hashes = [b64(each) for each in OAK_PROOF]
    assert included(OAK_INDEX, OAK_SIZE, leaf_hash(OAK_ENTRY), hashes, b64(OAK_ROOT))
    assert not included(OAK_INDEX, OAK_SIZE, leaf_hash(OAK_ENTRY.strip()), hashes, b64(OAK_ROOT))
    assert not included(OAK_INDEX - 1, OAK_SIZE, leaf_hash(OAK_ENTRY), hashes, b64(OAK_ROOT))


# transparency-dev/formats at 0b850f1a7b4a, proof/tlog_proof_test.go (Apache-2.0): its hashes are of "hash1" and "hash2"
HEAD = "c2sp.org/tlog-proof@v1\n"


def hash_of(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize(
    ("text", "proof"),
    [
        (
            f"{HEAD}index 5\n{hash_of('hash1')}\n{hash_of('hash2')}\n\ntest checkpoint\n",
            TlogProof(5, (b64(hash_of("hash1")), b64(hash_of("hash2"))), "test checkpoint\n"),
        ),
        (
            f"{HEAD}extra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 10\n{hash_of('hash1')}\n\ncheckpoint data\n",
            TlogProof(10, (b64(hash_of("hash1")),), "checkpoint data\n", b"extra information"),
        ),
        (f"{HEAD}index 0\n\ncheckpoint\n", TlogProof(0, (), "checkpoint\n")),
    ],
)
def test_published_forms_of_a_proof(text, proof):
    assert TlogProof.parse(text) == proof and str(proof) == text


@pytest.mark.parametrize(
    "text",
    [
        "wrong-header\nindex 0\n\ncheckpoint\n",
        f"{HEAD}extra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        f"{HEAD}\n\ncheckpoint\n",
        f"{HEAD}index notanumber\n\ncheckpoint\n",
        f"{HEAD}index -5\n\ncheckpoint\n",
        f"{HEAD}index 0\n!!notbase64!!\n\ncheckpoint\n",
        f"{HEAD}index 0\n{base64.b64encode(bytes(64)).decode()}\n\ncheckpoint\n",
        f"{HEAD}index 0\n{'a' * 65 * 1024}\n",
        HEAD,
        "not a proof at all",
    ],
)
def test_published_proofs_that_are_none(text):
    with pytest.raises(LedgerFault) as fault:
        TlogProof.parse(text)
    assert fault.value.code == "L-501"


# FiloSottile/torchwood at 341dc2f0f552, cmd/litewitness/testdata/litewitness.txt (ISC): bodies of add-checkpoint
SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
SIGSUM_KEY = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"
ONE = (
    f"old 0\n\n{SIGSUM}\n1\nKgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— {SIGSUM} UgIom7fPZTqpxWWhyjWduBvTvGVqsok"
    "MbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=\n"
)
THREE = (
    "old 1\nKgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nKgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
    f"{SIGSUM}\n3\nRcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=\n\n— {SIGSUM} UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2"
    "ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=\n"
)


@pytest.mark.parametrize("text", [ONE, THREE])
def test_published_requests_to_a_witness_are_read_and_signed(text):
    growth = Growth.parse(text)
    assert str(growth) == text
    note, key = Note.parse(growth.note), bytes.fromhex(SIGSUM_KEY)
    signer = anyones(f"{SIGSUM}+{note.signatures[0].key_id.hex()}+{base64.b64encode(bytes([1]) + key).decode()}")
    assert signer.verify(note.body.encode(), note.signatures[0].blob)


def test_published_growth_is_taken_and_what_the_witness_refuses_is_refused():
    growth = Growth.parse(THREE)
    old, new = (b64(Growth.parse(text).note.split("\n")[2]) for text in (ONE, THREE))
    assert consistent(growth.old, old, 3, new, growth.hashes)
    wrong = Growth.parse(THREE.replace("KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KgIA" + "A" * 37 + "BA="))
    assert not consistent(wrong.old, old, 3, new, wrong.hashes)
    assert not consistent(growth.old, old, 3, new, ())  # "consistency proof": 422
    assert not consistent(growth.old, old, 3, new, growth.hashes[::-1])
