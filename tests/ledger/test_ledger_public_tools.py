"""A public tool accepts what it covers: Go's own checksum database's code (golang.org/x/mod/sumdb) reads our ledger.

Its signed notes open our checkpoints, also those that head office cosigned; its transparency log takes our tiles, our
entries, and our proofs. And it takes nothing that was changed.
"""

import argparse
import os
import subprocess
from pathlib import Path

import pytest
from ledger_story import office_signer, terminal_signer
from long_story import long_journal

from kiosk.ledger.command import add_parsers
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import cosign

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parent / "public" / "check.go"
GO_LIBRARIES = "/usr/share/gocode"  # where Debian's packages put them
SIZE, OLD = 700, 300  # full bundles, and a cut one


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    """Compiled here."""
    folder = tmp_path_factory.mktemp("go")
    world = os.environ | {"GO111MODULE": "off", "GOPATH": GO_LIBRARIES, "GOCACHE": str(folder / "cache")}
    command = ("go", "build", "-o", str(folder / "check"), str(SOURCE))
    subprocess.run(command, env=world, check=True, timeout=300, capture_output=True)

    def run(*words):
        done = subprocess.run([folder / "check", *map(str, words)], check=False, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    return run


def kiosk_ledger(*words):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["ledger", *map(str, words)])
    assert arguments.run(arguments) == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An export with head office's answer, an old checkpoint, a proof of entry 299, and one that the ledger grew."""
    folder = tmp_path_factory.mktemp("public")
    long_journal(folder / "ledger.db", SIZE).close()
    reader = JournalReader(folder / "ledger.db")
    list(write_export(folder / "export", reader, cosign(reader.newest(), office_signer(), 5)))
    (folder / "key").write_text(f"{terminal_signer().vkey}\n")
    (folder / "old").write_text(reader.at_most(OLD))
    old = int(reader.at_most(OLD).splitlines()[1])
    kiosk_ledger("prove", folder / "ledger.db", 299, "--to", folder / "entry")
    kiosk_ledger("growth", folder / "ledger.db", old, "--to", folder / "growth")
    folder.joinpath("sizes").write_text(f"{reader.size} {old}")
    reader.close()
    return folder


def sizes(place):
    return (place / "sizes").read_text().split()


def test_an_export_is_taken_whole(tool, place):
    assert tool("export", place / "export", place / "key") == f"{sizes(place)[0]} entries"


def test_a_checkpoint_with_head_offices_line_is_a_signed_note(tool, place, tmp_path):
    (tmp_path / "checkpoint").write_bytes((place / "export/checkpoint.hq").read_bytes())
    (tmp_path / "tile").symlink_to(place / "export" / "tile")
    assert tool("export", tmp_path, place / "key") == f"{sizes(place)[0]} entries"


def test_proofs_are_taken(tool, place):
    size, old = sizes(place)
    assert tool("proof", place / "entry.tlog-proof", place / "entry.entry", place / "key") == f"entry 299 of {size}"
    assert tool("growth", place / "growth", place / "old", place / "key") == f"from {old} to {size}"


def test_nothing_that_was_changed_is_taken(tool, place):
    files = [each for each in sorted((place / "export").rglob("*")) if each.is_file() and each.name != "checkpoint.hq"]
    tried = [(each, ("export", place / "export")) for each in files]
    proof, entry, growth, old = (place / name for name in ("entry.tlog-proof", "entry.entry", "growth", "old"))
    tried += [(each, ("proof", proof, entry)) for each in (proof, entry)]
    tried += [(each, ("growth", growth, old)) for each in (growth, old)]
    for file, words in tried:
        right = file.read_bytes()
        for at in (0, len(right) // 2, len(right) - 8):
            file.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
            assert tool(*words, place / "key") is None, (file, at)
        file.write_bytes(right)
    assert len(tried) > 8 and tool("export", place / "export", place / "key")
