"""``kiosk ledger prove | check-proof | growth | check-growth``: proofs that anyone can check without the ledger.

``prove`` leaves two files beside each other: the proof (c2sp.org/tlog-proof) and the entry's bytes. Whoever has them
and the public keys needs nothing else. ``growth`` writes the body that a public witness (c2sp.org/tlog-witness) takes.
"""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kiosk.ledger.cli import GOOD, KEY_HELP, PATH_HELP, Usage, bytes_of, guarded, say, text_of, utc, vkeys_of
from kiosk.ledger.entry import decode
from kiosk.ledger.export import gone_bundles
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import HEAD_OFFICE, TERMINAL, Checkpoint, Note, Vkey
from kiosk.ledger.proof import FolderRoots, Growth, JournalRoots, Roots, Seen, TlogProof, prove, prove_growth, signed
from kiosk.ledger.prune import absent
from kiosk.ledger.receipt import PREFIXES
from kiosk.ledger.tiles import COSIGNED, WIDTH, read_bundle, read_note
from kiosk.model.errors import LedgerFault
from kiosk.model.money import Money

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

PROOF, ENTRY = ".tlog-proof", ".entry"


class _Place(ABC):
    """A ledger that proofs are made from: a journal, or an export folder."""

    def __init__(self, newest: str, cosigned: str | None, roots: Roots) -> None:
        self.newest, self.cosigned, self.roots = newest, cosigned, roots

    def note_over(self, seq: int) -> str:
        """The checkpoint to prove an entry in: what head office cosigned says more, if it reaches so far."""
        return self.cosigned if self.cosigned and _size(self.cosigned) > seq else self.newest

    @abstractmethod
    def entry(self, seq: int) -> bytes:
        """The bytes of an entry, as they lie there. Raises LedgerFault L-501, L-507."""


class _JournalPlace(_Place):
    def __init__(self, log: JournalReader, cosigned: str | None) -> None:
        super().__init__(log.newest(), cosigned, JournalRoots(log))
        self._log = log

    def entry(self, seq: int) -> bytes:
        raw = next(self._log.entries(seq, seq + 1), b"")
        if not raw:
            raise absent(seq, seq)
        return raw


class _FolderPlace(_Place):
    def __init__(self, folder: Path, cosigned: str | None) -> None:
        newest = read_note(folder)
        if newest is None:
            raise Usage(f"{folder} is not an export, or an unfinished one")
        self._folder, self._size = folder, _size(newest)
        super().__init__(newest, cosigned or read_note(folder, COSIGNED), FolderRoots(folder, self._size))

    def entry(self, seq: int) -> bytes:
        gone = gone_bundles(PlainFiles(self._folder)) * WIDTH
        if seq < gone:
            raise absent(0, gone - 1)
        return read_bundle(self._folder, seq // WIDTH, self._size)[seq % WIDTH]


def add_parsers(ledger: Subparsers) -> None:
    """Adds the four to ``kiosk ledger``."""
    proving = ledger.add_parser("prove", help="write a proof of one entry (c2sp.org/tlog-proof)  出具一条记录的证明")
    proving.add_argument("path", type=Path, help=PATH_HELP)
    proving.add_argument("seq", type=int, help="the entry's number")
    proving.add_argument("--to", type=Path, help=f"where to: NAME{PROOF} and NAME{ENTRY}; entry-SEQ if not said")
    proving.add_argument("--cosigned", type=Path, help="file with head office's last cosigned checkpoint")
    proving.set_defaults(run=guarded(prove_entry))
    checking = ledger.add_parser("check-proof", help="check a proof of one entry  校验一条记录的证明")
    checking.add_argument("proof", type=Path, help=f"the {PROOF} file")
    checking.add_argument("entry", type=Path, help=f"the {ENTRY} file: the entry's bytes")
    growing = ledger.add_parser("growth", help="write a proof that the ledger only grew  出具账本只增不改的证明")
    growing.add_argument("path", type=Path, help=PATH_HELP)
    growing.add_argument("old", type=int, help="the number of entries it had then")
    growing.add_argument("--to", type=Path, help="the file to write; growth-OLD if not said")
    growing.set_defaults(run=guarded(prove_grown))
    grown = ledger.add_parser("check-growth", help="check such a proof  校验账本只增不改的证明")
    grown.add_argument("proof", type=Path, help="the file that growth wrote")
    grown.add_argument("old", type=Path, help="file with the checkpoint that was signed then")
    for parser, command in ((checking, check_entry), (grown, check_grown)):
        parser.add_argument("--key", required=True, help=KEY_HELP)
        parser.add_argument("--hq", help="head office's vkey, or a file of them: then it must have cosigned")
        parser.set_defaults(run=guarded(command))


def prove_entry(arguments: argparse.Namespace) -> int:
    """Writes the proof and the entry."""
    seq = arguments.seq
    with _opened(arguments.path, arguments.cosigned) as place:
        note = place.note_over(seq)
        proof = prove(place.roots, seq, note)
        raw = place.entry(seq)
        proof.check(raw)  # nothing is handed out that does not hold
    name = arguments.to or Path(f"entry-{seq}")
    _write(name.with_name(name.name + PROOF), str(proof).encode())
    _write(name.with_name(name.name + ENTRY), raw)
    cosigned = (
        "with head office's signature 含总部联署" if note == place.cosigned else "without head office's 无总部联署"
    )
    say(f"Entry {seq} of {_size(note)} is proven, {cosigned}: {name}{PROOF}, {name}{ENTRY}")
    say(f"第 {seq} 条记录（共 {_size(note)} 条）的证明已写出。")
    return GOOD


def check_entry(arguments: argparse.Namespace) -> int:
    """Checks a proof against the entry's bytes and the keys."""
    proof, raw = TlogProof.parse(text_of(arguments.proof)), bytes_of(arguments.entry)
    seen = proof.verify(raw, *_keys(arguments, _origin(proof.note)))
    say(f"The proof holds: entry {proof.index} stands in the ledger of {seen.checkpoint.origin}.")
    say(f"证明有效：这是 {seen.checkpoint.origin} 账本的第 {proof.index} 条记录。")
    _say_seen(seen)
    entry = decode(raw)
    if entry.seq != proof.index:
        raise LedgerFault("L-501", f"the entry calls itself {entry.seq}: the ledger breaks its own rules there")
    say(f"  at        {utc(entry.at // 1000)} by the terminal's clock")
    say(f"  kind      {entry.kind}{' (has a slip 有凭条)' if entry.kind in PREFIXES else ''}")
    if entry.sale:
        say(f"  sale      {entry.sale.hex()}")
    for account, fen in entry.post:
        say(f"  {account:<40} {Money(fen)!s:>16}")
    for key, value in entry.data.items():
        say(f"  {key:<9} {value.hex() if isinstance(value, bytes) else value}")
    return GOOD


def prove_grown(arguments: argparse.Namespace) -> int:
    """Writes the proof that the newest tree begins with that of so many entries."""
    with _opened(arguments.path, None) as place:
        proof = prove_growth(place.roots, arguments.old, place.newest)
    path = arguments.to or Path(f"growth-{arguments.old}")
    _write(path, str(proof).encode())
    say(f"Written to {path}: how {_size(proof.note)} entries begin with {arguments.old}. Held against nothing yet.")
    say(f"已写出 {path}：{_size(proof.note)} 条记录如何以原 {arguments.old} 条开头。尚未核对。")
    return GOOD


def check_grown(arguments: argparse.Namespace) -> int:
    """Checks that the ledger only grew since a checkpoint was signed."""
    proof, text = Growth.parse(text_of(arguments.proof)), text_of(arguments.old)
    vkey, offices = _keys(arguments, _origin(proof.note))
    old = signed(text, vkey).checkpoint
    if old.size != proof.old:
        raise LedgerFault("L-501", f"the proof is about {proof.old} entries, the checkpoint about {old.size}")
    seen = proof.verify(old.root, vkey, offices)
    say(f"It only grew: the first {old.size} of its {seen.checkpoint.size} entries are those that were signed then.")
    say(f"账本只增不改：{seen.checkpoint.size} 条记录的前 {old.size} 条即当时签名的记录。")
    _say_seen(seen)
    return GOOD


def _say_seen(seen: Seen) -> None:
    say(f"  signed    a tree of {seen.checkpoint.size} entries")
    if seen.time:
        say(f"  cosigned  by {seen.office} at {utc(seen.time)}")
    else:
        say("  cosigned  not asked for: whether head office has it, this does not show 未核对总部联署")


def _keys(arguments: argparse.Namespace, origin: str) -> tuple[Vkey, list[Vkey]]:
    """The terminal's key of this origin, and head office's keys. Raises LedgerFault L-501, Usage."""
    vkeys = vkeys_of(arguments.key)
    terminal = next((vkey for vkey in vkeys if vkey.type == TERMINAL and vkey.name == origin), None)
    if terminal is None:
        raise LedgerFault("L-501", f"none of the given keys is that of {origin}")
    offices = [vkey for vkey in vkeys_of(arguments.hq) if vkey.type == HEAD_OFFICE] if arguments.hq else []
    if arguments.hq and not offices:
        raise Usage(f"{arguments.hq} is no key of head office")
    return terminal, offices


@contextmanager
def _opened(path: Path, cosigned: Path | None) -> Iterator[_Place]:
    note = text_of(cosigned) if cosigned else None
    if path.is_dir():
        yield _FolderPlace(path, note)
    elif path.is_file():
        with JournalReader(path) as log:
            yield _JournalPlace(log, note)
    else:
        raise Usage(f"{path} is not there")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error}") from error


def _origin(note: str) -> str:
    return Checkpoint.parse(Note.parse(note).body).origin


def _size(note: str) -> int:
    return Checkpoint.parse(Note.parse(note).body).size
