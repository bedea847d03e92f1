"""Proofs that leave the house: c2sp.org/tlog-proof (v1) of one entry, and c2sp.org/tlog-witness's of growth.

A ``TlogProof`` shows that an entry stands in the tree of a checkpoint; with head office's cosignature on it, that head
office has seen that tree. A ``Growth`` shows that a larger tree begins with a smaller one: as text it is the body that
``add-checkpoint`` of any public witness takes. Both are checked with public keys alone, without the log.

Signatures as c2sp.org/signed-note wants it: of known keys every one must hold, others are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kiosk.ledger.note import Checkpoint, Note, Vkey, base64_of, bytes_of_base64, cosignature_time, signed_by
from kiosk.ledger.tiles import read_tile
from kiosk.ledger.tree import (
    HASH_BYTES,
    Frontier,
    Span,
    consistency_spans,
    consistent,
    inclusion_root,
    inclusion_spans,
    leaf_hash,
    perfect_root,
    perfect_spans,
    under,
)
from kiosk.model.errors import LedgerFault

HEADER = "c2sp.org/tlog-proof@v1"
TEXT_BYTES_MAX = 65_536
GROWTH_HASHES_MAX = 63  # c2sp.org/tlog-witness
INDEX_MAX = 2**64 - 1
LEAVES_AT_ONCE = 4_096

_NUMBER = re.compile("0|[1-9][0-9]{0,19}")


class Roots(Protocol):
    """What a proof is made from: a log that knows its subtrees."""

    def root(self, span: Span) -> bytes:
        """Root hash over some leaves. Raises LedgerFault L-501 if they are not there."""


class Leaves(Protocol):
    """A JournalReader."""

    def leaf_hashes(self, first: int, end: int) -> list[bytes]: ...


@dataclass(frozen=True)
class JournalRoots:
    """Subtrees of a journal, from its leaf hashes: a second for a million."""

    log: Leaves

    def root(self, span: Span) -> bytes:
        frontier, end = Frontier(), span[1]
        for first in range(span[0], end, LEAVES_AT_ONCE):
            wanted = min(LEAVES_AT_ONCE, end - first)
            leaves = self.log.leaf_hashes(first, first + wanted)
            if len(leaves) != wanted:
                raise LedgerFault("L-501", f"there are not all entries from {first} to {first + wanted - 1}")
            for leaf in leaves:
                frontier.append(leaf)
        return frontier.root()


@dataclass(frozen=True)
class FolderRoots:
    """Subtrees of an export folder of a tree of ``size``, from its tiles: as many as the proof has hashes."""

    folder: Path
    size: int

    def root(self, span: Span) -> bytes:
        *peaks, last = [self._perfect(first, end - first) for first, end in perfect_spans(*span)]
        return under(peaks, last)

    def _perfect(self, first: int, width: int) -> bytes:
        level, height = divmod(width.bit_length() - 1, 8)
        index, at = divmod(first >> 8 * level, 256)
        hashes = read_tile(self.folder, level, index, self.size)
        return perfect_root(hashes[at * HASH_BYTES : (at + (1 << height)) * HASH_BYTES])


@dataclass(frozen=True, slots=True)
class Seen:
    """Who signed the tree that a proof leads to. ``time`` of head office's cosignature in POSIX seconds; 0: none."""

    checkpoint: Checkpoint
    time: int
    office: str


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That an entry stands at ``index`` in the tree of a checkpoint; nothing verified yet."""

    index: int
    hashes: tuple[bytes, ...]  # the leaf's sibling first
    note: str  # the checkpoint with its signatures, verbatim
    extra: bytes | None = None  # whatever its maker added; signed by nobody

    def __str__(self) -> str:
        extra = "" if self.extra is None else f"extra {base64_of(self.extra)}\n"
        return f"{HEADER}\n{extra}index {self.index}\n{_lines(self.hashes)}\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """The proof a text says. Raises LedgerFault L-501 unless its form is right."""
        lines, note = _head_of(text)
        if next(lines, None) != HEADER:
            raise LedgerFault("L-501", f"not a proof: it does not begin with {HEADER}")
        extra, line = None, next(lines, "")
        if line.startswith("extra "):
            extra, line = bytes_of_base64(line.removeprefix("extra ")), next(lines, "")
        return cls(_number(line, "index"), _hashes(lines), note, extra)

    def verify(self, entry: bytes, terminal: Vkey, offices: Sequence[Vkey] = ()) -> Seen:
        """Who signed the tree that holds the entry's bytes at ``index``. Raises LedgerFault L-501.

        ``offices``: where there are any, one of them must have cosigned.
        """
        seen = signed(self.note, terminal, offices)
        self.check(entry)
        return seen

    def check(self, entry: bytes) -> None:
        """Raises LedgerFault L-501 unless the proof leads to its checkpoint's root. Looks at no signature."""
        checkpoint = Checkpoint.parse(Note.parse(self.note).body)
        try:
            root = inclusion_root(self.index, checkpoint.size, leaf_hash(entry), self.hashes)
        except ValueError as error:
            raise LedgerFault("L-501", f"the proof does not fit its checkpoint: {error}") from error
        if root != checkpoint.root:
            raise LedgerFault("L-501", f"these are not the bytes of entry {self.index} in the tree that was signed")


@dataclass(frozen=True, slots=True)
class Growth:
    """That the tree of a checkpoint begins with one of ``old`` leaves; nothing verified yet."""

    old: int
    hashes: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        return f"old {self.old}\n{_lines(self.hashes)}\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> Growth:
        """The proof a text says. Raises LedgerFault L-501 unless its form is right."""
        lines, note = _head_of(text)
        old, hashes = _number(next(lines, ""), "old"), _hashes(lines)
        if len(hashes) > GROWTH_HASHES_MAX:
            raise LedgerFault("L-501", f"a proof of growth with {len(hashes)} hashes")
        return cls(old, hashes, note)

    def verify(self, old_root: bytes, terminal: Vkey, offices: Sequence[Vkey] = ()) -> Seen:
        """Who signed the larger tree. ``old_root``: of the smaller, from who saw it then. Raises LedgerFault L-501."""
        seen = signed(self.note, terminal, offices)
        if not consistent(self.old, old_root, seen.checkpoint.size, seen.checkpoint.root, self.hashes):
            raise LedgerFault("L-501", f"the tree of {seen.checkpoint.size} does not begin with that of {self.old}")
        return seen


def prove(roots: Roots, index: int, note: str) -> TlogProof:
    """A proof of an entry in a checkpoint's tree, as the log lies there. Raises LedgerFault L-501.

    It has not been held against the checkpoint's root: that is ``TlogProof.check``, with the entry.
    """
    size = Checkpoint.parse(Note.parse(note).body).size
    if not 0 <= index < size:
        raise LedgerFault("L-501", f"there is no entry {index} in the tree of {size} that was signed")
    return TlogProof(index, tuple(map(roots.root, inclusion_spans(index, size))), note)


def prove_growth(roots: Roots, old: int, note: str) -> Growth:
    """A proof that a checkpoint's tree begins with that of ``old`` leaves, at least 1. Raises LedgerFault L-501."""
    size = Checkpoint.parse(Note.parse(note).body).size
    if not 0 < old <= size:
        raise LedgerFault("L-501", f"the tree that was signed has {size} entries: it did not grow from {old}")
    return Growth(old, tuple(map(roots.root, consistency_spans(old, size))), note)


def signed(text: str, terminal: Vkey, offices: Sequence[Vkey] = ()) -> Seen:
    """Who signed a checkpoint: the terminal, and one of ``offices`` if there are any. Raises LedgerFault L-501."""
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.body)
    held, time, by = False, 0, ""
    for line in note.signatures:
        if line.is_by(terminal):
            if not signed_by(terminal, checkpoint, line):
                raise LedgerFault("L-501", f"the signature of {terminal.name} on the checkpoint does not hold")
            held = True
        for office in filter(line.is_by, offices):
            found = cosignature_time(office, checkpoint, line)
            if found is None:
                raise LedgerFault("L-501", f"the cosignature of {office.name} on the checkpoint does not hold")
            time, by = found, office.name
    if not held:
        raise LedgerFault("L-501", f"the checkpoint, of {checkpoint.origin}, is not signed by {terminal.name}")
    if offices and not by:
        raise LedgerFault("L-501", "head office has not cosigned this checkpoint")
    return Seen(checkpoint, time, by)


def _head_of(text: str) -> tuple[Iterator[str], str]:
    """The lines before the first blank one, and what comes behind it."""
    if len(text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise LedgerFault("L-501", "a proof is not that long")
    head, blank, note = text.partition("\n\n")
    if not blank or not note.endswith("\n"):
        raise LedgerFault("L-501", "a proof ends with a blank line and a checkpoint")
    return iter(head.split("\n")), note


def _number(line: str, word: str) -> int:
    name, space, number = line.partition(" ")
    if name != word or not space or not _NUMBER.fullmatch(number) or int(number) > INDEX_MAX:
        raise LedgerFault("L-501", f"a proof has a line “{word}” with a number")
    return int(number)


def _hashes(lines: Iterator[str]) -> tuple[bytes, ...]:
    hashes = tuple(bytes_of_base64(line) for line in lines)
    if any(len(each) != HASH_BYTES for each in hashes):
        raise LedgerFault("L-501", "a hash in the proof is not 32 bytes")
    return hashes


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{base64_of(each)}\n" for each in hashes)
