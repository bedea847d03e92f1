"""Writes and reads exports: contract 2 §5. How a log is carried in a pocket, and how what arrives is looked through.

A renewal goes in three passes, told by ``Progress``:

::

    look    what lies there is compared, file by file, with what the log makes; only now is anything changed
    write   checkpoint away, what is not right is written, what the size lacks goes, checkpoint.hq, flush
    check   every file is read back from the medium and compared; then checkpoint, by rename

Of a log that was pruned (``prune``) the bundles of the deleted entries are missing, and a file ``pruned`` says so; all
hashes are there. Who has had those entries before can take in the rest; for others such a folder is not whole.

A folder that is pulled, full or torn at any moment has no ``checkpoint``, or a whole one with all it speaks of.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from kiosk.ledger.files import Files, PlainFiles, is_deeper
from kiosk.ledger.note import NOTE_BYTES_MAX, Checkpoint, Note, parse_checkpoint_note, parse_cosigned_note
from kiosk.ledger.prune import absent
from kiosk.ledger.tiles import (
    BUNDLE_BYTES_MAX,
    CHECKPOINT,
    COSIGNED,
    PRUNED,
    WIDTH,
    TileMaker,
    is_due,
    is_ours,
    parse_bundle,
    tile_path,
    width_at,
)
from kiosk.ledger.tree import HASH_BYTES, Frontier, leaf_hash
from kiosk.model.errors import LedgerFault

LOOK, WRITE, CHECK = "look", "write", "check"
TILE_BYTES_MAX = WIDTH * HASH_BYTES
NEW = ".new"
STICK = "prepaid-kiosk/v1"
DEPTH_MAX = 8  # of the folders of an export, well above its own
ROOM_SPARE_BYTES = 262_144  # for folders, notes and the medium's own lists


class Log(Protocol):
    """What can be exported: a JournalReader."""

    @property
    def whole_from(self) -> int: ...
    def newest(self) -> str: ...
    def entries(self, first: int, end: int) -> Iterator[bytes]: ...
    def leaf_hashes(self, first: int, end: int) -> list[bytes]: ...


class NoRoom(LedgerFault):
    """The medium has too little room; nothing on it was touched."""


class OtherBytes(LedgerFault):
    """The medium gives back other bytes than were written."""


class Occupied(LedgerFault):
    """The folder holds something else; it was left alone."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a renewal is: of LOOK, WRITE, CHECK; ``done`` of ``total`` entries, in CHECK files."""

    step: str
    done: int
    total: int


@dataclass(slots=True)
class _Plan:
    """What a folder must hold, and what of it is not there."""

    digests: dict[str, bytes] = field(default_factory=dict)  # path: SHA-256
    upper: dict[str, bytes] = field(default_factory=dict)  # missing tiles above the leaves, whole
    missing: dict[int, list[str]] = field(default_factory=dict)  # index: its bundle and leaf tile, if to be written
    need_bytes: int = 0
    odd: list[str] = field(default_factory=list)  # names in other letters than ours; with any, all is written anew
    frontier: Frontier = field(default_factory=Frontier)
    gone: int = 0  # bundles, from the first, that the log cannot make any more

    def take(self, path: str, content: bytes, files: Files) -> bool:
        """Whether the file is to be written."""
        self.digests[path] = sha256(content).digest()
        lacks = bool(self.odd) or files.read(path, len(content)) != content
        self.need_bytes += len(content) if lacks else 0
        return lacks


def stick_folder(origin: str) -> str:
    """Where a log lies on a stick: ``prepaid-kiosk/v1/<H>``."""
    return f"{STICK}/{sha256(origin.encode()).hexdigest()}"


def write_export(folder: Path, log: Log, cosigned: str | None = None) -> Iterator[int]:
    """Writes or renews an export of a log in a folder; yields the number of entries that are there. See ``renew``."""
    written = False
    for progress in renew(PlainFiles(folder), log, cosigned):
        if progress.step == WRITE:
            written = True
            yield progress.done
    if not written:
        yield parse_checkpoint_note(log.newest())[0].size


def renew(files: Files, log: Log, cosigned: str | None = None) -> Iterator[Progress]:
    """Writes or renews an export. Where everything is right already, nothing is touched, and there is no WRITE.

    ``cosigned``: head office's newest answer; without it the folder's own stays. Raises LedgerFault L-501 (entries and
    checkpoint do not agree, or either cosigned one is not of this log as it is), L-502 (cannot be written: an OSError
    is its cause; or ``Occupied``, ``NoRoom``, ``OtherBytes``).
    """
    note = log.newest()
    checkpoint, _ = parse_checkpoint_note(note)
    watched = []
    if cosigned is not None:
        watched.append(("the cosigned checkpoint", parse_cosigned_note(cosigned)[0]))
    try:
        found = _noted(files, COSIGNED)
        if found is not None and found.origin == checkpoint.origin:  # an older state of the ledger takes nothing away
            watched.append((f"{COSIGNED} in the folder", found))
        _check_owner(files, checkpoint.origin)
        plan = yield from _look(files, log, checkpoint, watched)
        if _is_whole(files, plan, note, cosigned):
            _flush(files)  # a round that broke off may have left names that are not safe yet
            yield Progress(CHECK, len(plan.digests), len(plan.digests))
            return
        if plan.need_bytes + ROOM_SPARE_BYTES > files.free():
            raise NoRoom("L-502", f"{plan.need_bytes} bytes more are needed, and {files.free()} are free")
        _begin(files, plan)
        yield from _write(files, log, checkpoint.size, plan)
        yield from _finish(files, plan, checkpoint.size, note, cosigned)
    except OSError as error:
        raise LedgerFault("L-502", f"the export cannot be written: {error}") from error


def read_entries_of(files: Files, checkpoint: Checkpoint, held: int = 0) -> Iterator[list[bytes]]:
    """The entries of an export, bundle by bundle; after the last one they have been proven to be the checkpoint's.

    ``held``: how many of them the caller has. Of those, bundles that a pruned log lacks come as empty entries; lacking
    others are LedgerFault L-507.

    Raises LedgerFault L-501 when a bundle or tile is missing, torn, or another than the entries make, or the root is
    not the checkpoint's: then nothing that was given before may be kept. OSError when the medium fails.
    """
    maker, frontier, size = TileMaker(), Frontier(), checkpoint.size
    gone = gone_bundles(files)
    for index in range(-(-size // WIDTH)):
        width = width_at(0, index, size)
        path = tile_path("entries", index, width)
        raw_bundle = files.read(path, BUNDLE_BYTES_MAX)
        if raw_bundle is None and index < gone:
            if (index + 1) * WIDTH > held:
                raise absent(held, gone * WIDTH - 1)
            entries, leaves = [b""] * width, leaves_of(files, index)
        else:
            entries = parse_bundle(path, raw_bundle, width)
            leaves = [leaf_hash(raw) for raw in entries]
        for leaf in leaves:
            frontier.append(leaf)
            for level, place, hashes in maker.add(leaf):
                _check_tile(files, tile_path(level, place, WIDTH), hashes)
        if (index + 1) * WIDTH < size:
            yield entries
    for level, place, hashes in maker.rest():
        _check_tile(files, tile_path(level, place, len(hashes) // HASH_BYTES), hashes)
    if frontier.root() != checkpoint.root:
        raise LedgerFault("L-501", "the entries are not those of the checkpoint")
    if size:
        yield entries


def read_text(files: Files, name: str) -> str | None:
    """``checkpoint`` or ``checkpoint.hq``; None if there is none. Raises LedgerFault L-501 (not text), OSError."""
    raw = files.read(name, NOTE_BYTES_MAX)
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError as error:
        raise LedgerFault("L-501", f"{name} is not text") from error


def write_by_rename(files: Files, name: str, content: bytes) -> None:
    """Whole or not at all, durable, and read back. Raises OSError, OtherBytes."""
    files.write(name + NEW, content)
    files.rename(name + NEW, name)
    files.flush("")
    if files.read(name, len(content)) != content:
        raise OtherBytes("L-502", f"{name} does not read back as it was written")


def _pruned_text(gone: int) -> str:
    which = f"0 … {gone * WIDTH - 1}"
    return (
        f"bundles {gone}\n\n{which} 号流水已由总部见证并存档，超过保留天数后在终端清理；请到总部查阅。\n"
        f"Entries {which} were cosigned by head office and then deleted from the terminal: head office has them.\n"
    )


def gone_bundles(files: Files) -> int:
    """How many bundles, from the first, a pruned log may lack."""
    found = re.match(rb"bundles ([1-9][0-9]{0,8})\n", files.read(PRUNED, NOTE_BYTES_MAX) or b"")
    return int(found[1]) if found else 0


def leaves_of(files: Files, index: int) -> list[bytes]:
    """The leaf hashes of a whole tile. Raises LedgerFault L-501."""
    path = tile_path(0, index, WIDTH)
    raw = files.read(path, TILE_BYTES_MAX)
    if raw is None or len(raw) != TILE_BYTES_MAX:
        raise LedgerFault("L-501", f"{path} is missing, or not whole")
    return [raw[at : at + HASH_BYTES] for at in range(0, TILE_BYTES_MAX, HASH_BYTES)]


def _check_tile(files: Files, path: str, hashes: bytes) -> None:
    if files.read(path, TILE_BYTES_MAX) != hashes:
        raise LedgerFault("L-501", f"{path} is missing or has other hashes")


def _check_owner(files: Files, origin: str) -> None:
    """Raises Occupied unless the folder is this log's to write."""
    strangers = [name for name in files.names("") if not is_ours(name.lower()) and name[0] != "."]
    if strangers:
        raise Occupied("L-502", f"the folder is not an export: it holds {strangers[0]}")
    if is_deeper(files, DEPTH_MAX):
        raise Occupied("L-502", "the folder is not an export: it holds folders in folders")
    found = [_noted(files, name) for name in (CHECKPOINT, COSIGNED)]
    if {of.origin for of in found if of} - {origin}:
        raise Occupied("L-502", "the folder is the export of another log")


def _look(
    files: Files, log: Log, checkpoint: Checkpoint, watched: list[tuple[str, Checkpoint]]
) -> Generator[Progress, None, _Plan]:
    """Compares what lies there with what the log makes; changes nothing."""
    for name, at in watched:
        if at.origin != checkpoint.origin or at.size > checkpoint.size:
            raise LedgerFault("L-501", f"{name}, of {at.origin} at {at.size}, is not of this ledger as it is")
    plan, maker, size = _Plan(odd=list(_odd(files, ""))), TileMaker(), checkpoint.size
    plan.gone = -(-log.whole_from // WIDTH)
    roots = {0: plan.frontier.root()}
    sizes = {at.size for _, at in watched}
    for index in range(-(-size // WIDTH)):
        first, end = index * WIDTH, min(size, (index + 1) * WIDTH)
        raws = [] if index < plan.gone else list(log.entries(first, end))
        bundle = b"".join(len(raw).to_bytes(2) + raw for raw in raws)
        for leaf in map(leaf_hash, raws) if raws else log.leaf_hashes(first, end):
            plan.frontier.append(leaf)
            if plan.frontier.size in sizes:
                roots[plan.frontier.size] = plan.frontier.root()
            for level, place, hashes in maker.add(leaf):
                _plan_tile(plan, files, level, place, hashes)
        path = tile_path("entries", index, width_at(0, index, size))
        if raws and plan.take(path, bundle, files):
            plan.missing.setdefault(index, []).append(path)
        yield Progress(LOOK, plan.frontier.size, size)
    for level, place, hashes in maker.rest():
        _plan_tile(plan, files, level, place, hashes)
    for name, at in watched:
        if roots.get(at.size) != at.root:
            raise LedgerFault("L-501", f"{name}, of {at.origin} at {at.size}, is not of this ledger as it is")
    if (plan.frontier.size, plan.frontier.root()) != (size, checkpoint.root):
        raise LedgerFault("L-501", "the entries are not those of the checkpoint")
    return plan


def _plan_tile(plan: _Plan, files: Files, level: int, index: int, hashes: bytes) -> None:
    path = tile_path(level, index, len(hashes) // HASH_BYTES)
    if plan.take(path, hashes, files):
        if level:
            plan.upper[path] = hashes
        else:
            plan.missing.setdefault(index, []).append(path)


def _is_whole(files: Files, plan: _Plan, note: str, cosigned: str | None) -> bool:
    """Whether the folder is this export already, and nothing else."""
    names = [name for name in files.names("") if name[0] != "."]
    extra = {PRUNED} if plan.gone else set()
    if plan.missing or plan.upper or {*names, COSIGNED} != {CHECKPOINT, COSIGNED, "tile", *extra}:
        return False
    if plan.gone and files.read(PRUNED, NOTE_BYTES_MAX) != _pruned_text(plan.gone).encode():
        return False
    if COSIGNED in names and _noted(files, COSIGNED) is None:
        return False
    if cosigned is not None and files.read(COSIGNED, NOTE_BYTES_MAX) != cosigned.encode():
        return False
    right = files.read(CHECKPOINT, NOTE_BYTES_MAX) == note.encode()
    return right and not any(_stale(files, "tile", plan.frontier.size))


def _begin(files: Files, plan: _Plan) -> None:
    """Takes the checkpoint away, and what only looks like ours: torn notes, names in other letters."""
    if files.is_folder(""):
        files.remove(CHECKPOINT)
        files.flush("")
    for name in files.names(""):
        torn = name == COSIGNED and _noted(files, COSIGNED) is None
        if torn or (name[0] != "." and name not in (COSIGNED, "tile")):
            files.remove(name)
    for path in plan.odd:
        files.remove(path)
    if files.is_folder(""):
        files.flush("")


def _odd(files: Files, folder: str) -> Iterator[str]:
    """Names in other letters than ours. On media that know no capitals they answer to our names, and look stale."""
    for name in files.names(folder):
        path = f"{folder}/{name}".lstrip("/")
        if name[0] != "." and name != name.lower():
            yield path
        elif folder or name == "tile":
            yield from _odd(files, path)


def _write(files: Files, log: Log, size: int, plan: _Plan) -> Iterator[Progress]:
    for index in range(-(-size // WIDTH)):
        end = min(size, (index + 1) * WIDTH)
        if paths := plan.missing.get(index):
            gone = index < plan.gone
            entries = [] if gone else list(log.entries(index * WIDTH, end))
            leaves = log.leaf_hashes(index * WIDTH, end) if gone else map(leaf_hash, entries)
            for path in paths:
                bundle = path.startswith("tile/entries/")
                files.write(path, b"".join((len(raw).to_bytes(2) + raw for raw in entries) if bundle else leaves))
        if end == size:
            for path, hashes in plan.upper.items():
                files.write(path, hashes)
        yield Progress(WRITE, end, size)


def _finish(files: Files, plan: _Plan, size: int, note: str, cosigned: str | None) -> Iterator[Progress]:
    for path in list(_stale(files, "tile", size)):
        files.remove(path)
    if cosigned is not None:
        write_by_rename(files, COSIGNED, cosigned.encode())
    if plan.gone:
        write_by_rename(files, PRUNED, _pruned_text(plan.gone).encode())
    _flush(files)
    for done, (path, digest) in enumerate(plan.digests.items(), 1):
        content = files.read(path, BUNDLE_BYTES_MAX)
        if content is None or sha256(content).digest() != digest:
            raise OtherBytes("L-502", f"{path} does not read back as it was written")
        if done % WIDTH == 0:
            yield Progress(CHECK, done, len(plan.digests))
    write_by_rename(files, CHECKPOINT, note.encode())
    yield Progress(CHECK, len(plan.digests), len(plan.digests))


def _stale(files: Files, folder: str, size: int) -> Iterator[str]:
    """Files in a folder that a tree of ``size`` does not have."""
    for name in files.names(folder):
        path = f"{folder}/{name}"
        if files.is_folder(path):
            yield from _stale(files, path, size)
        elif not is_due(path, size):
            yield path


def _flush(files: Files) -> None:
    _flush_folders(files, "tile")
    files.flush("")


def _flush_folders(files: Files, folder: str) -> None:
    """Makes all names durable, and drops folders that have become empty."""
    for name in files.names(folder):
        if files.is_folder(f"{folder}/{name}"):
            _flush_folders(files, f"{folder}/{name}")
    if files.names(folder):
        files.flush(folder)
    else:
        files.remove(folder)


def _noted(files: Files, name: str) -> Checkpoint | None:
    """What a note in the folder says; None if there is no such note, or it was torn."""
    try:
        text = read_text(files, name) or ""
        return parse_cosigned_note(text)[0] if name == COSIGNED else Checkpoint.parse(Note.parse(text).body)
    except LedgerFault:
        return None
