"""A log as a folder of static files: contract 2 §5, c2sp.org tlog-tiles.

::

    checkpoint  checkpoint.hq  tile/<level>/<index>[.p/<width>]  tile/entries/<index>[.p/<width>]

A tile holds up to 256 hashes of 32 bytes, a bundle up to 256 entries, each behind its u16 length. A folder without
``checkpoint`` is unfinished: it is deleted first and written last, by rename, after everything else is flushed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from kiosk.ledger.keys import sync_folder
from kiosk.ledger.note import NOTE_BYTES_MAX, Checkpoint, Note, parse_checkpoint_note, parse_cosigned_note
from kiosk.ledger.tree import HASH_BYTES, Frontier, leaf_hash, root_hash
from kiosk.model.errors import LedgerFault

WIDTH = 256
CHECKPOINT, COSIGNED = "checkpoint", "checkpoint.hq"
BUNDLE_BYTES_MAX = WIDTH * (2 + 65_535)

_OURS = {CHECKPOINT, COSIGNED, CHECKPOINT + ".new", COSIGNED + ".new", "tile"}
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

Tile = tuple[int, int, bytes]
"""Level, index, and its hashes one after the other."""


class Log(Protocol):
    """What can be exported: a JournalReader."""

    def newest(self) -> str: ...
    def entries(self, first: int, end: int) -> Iterator[bytes]: ...


class TileMaker:
    """Makes the tiles of a growing tree from its leaf hashes; remembers at most one unfinished tile a level."""

    __slots__ = ("_counts", "_levels")

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = []
        self._counts: list[int] = []

    def add(self, leaf: bytes) -> Iterator[Tile]:
        """Takes the next leaf hash; gives the tiles that are full by it."""
        node, level = leaf, 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
                self._counts.append(0)
            hashes = self._levels[level]
            hashes.append(node)
            if len(hashes) < WIDTH:
                return
            yield level, self._counts[level], b"".join(hashes)
            node = root_hash(hashes)
            hashes.clear()
            self._counts[level] += 1
            level += 1

    def rest(self) -> Iterator[Tile]:
        """The partial tiles of the tree as it is."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                yield level, self._counts[level], b"".join(hashes)


def tile_path(level: int | str, index: int, width: int) -> str:
    """Path of a tile, or with level ``entries`` of a bundle: 1234067 is ``x001/x234/067``."""
    groups: list[str] = []
    rest = index
    while rest or not groups:
        rest, group = divmod(rest, 1000)
        groups.append(f"{group:03d}")
    name = "/".join(["x" + group for group in groups[:0:-1]] + groups[:1])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < WIDTH else "")


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes a tile of a tree of ``size`` leaves has; 0 if there is none such."""
    return max(0, min(WIDTH, (size >> 8 * level) - index * WIDTH))


def is_due(path: str, size: int) -> bool:
    """Whether a tree of ``size`` leaves has a file of this path (relative to its folder, with slashes)."""
    match = _PATH.fullmatch(path)
    if match is None:
        return False
    level = 0 if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = width_at(level, index, size)
    return width > 0 and tile_path(match[1], index, width) == path


def write_export(folder: Path, log: Log, cosigned: str | None = None) -> Iterator[int]:
    """Writes or renews an export of a log, in the order of contract 2 §5; yields the number of entries done.

    ``cosigned``: head office's newest answer; without it the folder's own stays. Raises LedgerFault L-501 (entries and
    checkpoint do not agree, or either cosigned one is not of this log as it is), L-502 (cannot be written, or the
    folder holds something else).
    """
    note = log.newest()
    checkpoint, _ = parse_checkpoint_note(note)
    if cosigned is not None:
        _check_cosigned(log, checkpoint, parse_cosigned_note(cosigned)[0], "the cosigned checkpoint")
    try:
        found = _noted(folder, COSIGNED)
        if found is not None and found.origin == checkpoint.origin:  # an older state of the ledger takes nothing away
            _check_cosigned(log, checkpoint, found, f"{COSIGNED} in {folder}")
        _begin(folder, checkpoint.origin)
        frontier = Frontier()
        yield from _write_tiles(folder, log.entries(0, checkpoint.size), frontier)
        if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
            raise LedgerFault("L-501", "the entries are not those of the checkpoint")
        for path in stale_files(folder, checkpoint.size):
            path.unlink()
        if cosigned is not None:
            _write_by_rename(folder / COSIGNED, cosigned.encode())
        _sync_folders(folder)
        _write_by_rename(folder / CHECKPOINT, note.encode())
        sync_folder(folder)
    except OSError as error:
        raise LedgerFault("L-502", f"the export cannot be written: {error}") from error


def read_note(folder: Path, name: str = CHECKPOINT) -> str | None:
    """The text of ``checkpoint`` or ``checkpoint.hq``; None if there is none. Raises LedgerFault L-501."""
    path = folder / name
    if not path.exists():
        return None
    try:
        return _read(path, NOTE_BYTES_MAX).decode()
    except UnicodeDecodeError as error:
        raise LedgerFault("L-501", f"{name} is not text") from error


def read_bundle(folder: Path, index: int, size: int) -> list[bytes]:
    """The entries of one bundle of a tree of ``size``. Raises LedgerFault L-501 unless it is there and whole."""
    width = width_at(0, index, size)
    name = tile_path("entries", index, width)
    raw, entries, at = _read(folder / name, BUNDLE_BYTES_MAX), [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2])
        entries.append(raw[at + 2 : end])
        at = end
    if at != len(raw) or len(entries) != width:
        raise LedgerFault("L-501", f"{name} is not {width} entries")
    return entries


def read_entries(folder: Path, size: int) -> Iterator[bytes]:
    """The entries of an export, in order. Raises LedgerFault L-501."""
    for index in range(-(-size // WIDTH)):
        yield from read_bundle(folder, index, size)


def check_tile(folder: Path, tile: Tile) -> str:
    """What is wrong with a tile's file, or an empty text."""
    level, index, hashes = tile
    name = tile_path(level, index, len(hashes) // HASH_BYTES)
    try:
        return "" if _read(folder / name, WIDTH * HASH_BYTES) == hashes else f"{name} has other hashes"
    except LedgerFault as fault:
        return str(fault.args[0])


def stale_files(folder: Path, size: int) -> Iterator[Path]:
    """Files under ``tile/`` that a tree of ``size`` does not have. May be deleted as they come."""
    for place, _, names in os.walk(folder / "tile", topdown=False):
        for name in names:
            path = Path(place, name)
            if not is_due(path.relative_to(folder).as_posix(), size):
                yield path


def _check_cosigned(log: Log, checkpoint: Checkpoint, cosigned: Checkpoint, name: str) -> None:
    """Raises LedgerFault L-501 unless what head office cosigned is a beginning of this log."""
    within = cosigned.origin == checkpoint.origin and cosigned.size <= checkpoint.size
    if not within or root_hash(map(leaf_hash, log.entries(0, cosigned.size))) != cosigned.root:
        of, size = cosigned.origin, cosigned.size
        raise LedgerFault("L-501", f"{name}, of {of} at {size}, is not of this ledger as it is")


def _write_tiles(folder: Path, entries: Iterable[bytes], frontier: Frontier) -> Iterator[int]:
    maker, bundle = TileMaker(), bytearray()
    for raw in entries:
        leaf = leaf_hash(raw)
        frontier.append(leaf)
        bundle += len(raw).to_bytes(2) + raw
        for tile in maker.add(leaf):
            _write_tile(folder, tile)
        if frontier.size % WIDTH == 0:
            _write(folder / tile_path("entries", frontier.size // WIDTH - 1, WIDTH), bytes(bundle))
            bundle.clear()
            yield frontier.size
    for tile in maker.rest():
        _write_tile(folder, tile)
    if bundle:
        _write(folder / tile_path("entries", frontier.size // WIDTH, frontier.size % WIDTH), bytes(bundle))
    yield frontier.size


def _write_tile(folder: Path, tile: Tile) -> None:
    level, index, hashes = tile
    _write(folder / tile_path(level, index, len(hashes) // HASH_BYTES), hashes)


def _begin(folder: Path, origin: str) -> None:
    """Makes sure that the folder is this log's to write, and takes its checkpoint away."""
    folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in _OURS and path.name[0] != ".")
    if strangers:
        raise LedgerFault("L-502", f"{folder} is not an export: it holds {strangers[0]}")
    found = {name: _noted(folder, name) for name in (CHECKPOINT, COSIGNED)}
    if {of.origin for of in found.values() if of} - {origin}:
        raise LedgerFault("L-502", f"{folder} is the export of another log")
    torn = [name for name, of in found.items() if of is None]
    for name in (CHECKPOINT, CHECKPOINT + ".new", COSIGNED + ".new", *torn):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)


def _noted(folder: Path, name: str) -> Checkpoint | None:
    """What a note in the folder says; None if there is no such note, or it was torn."""
    try:
        text = read_note(folder, name) or ""
        return parse_cosigned_note(text)[0] if name == COSIGNED else Checkpoint.parse(Note.parse(text).body)
    except LedgerFault:
        return None


def _write(path: Path, content: bytes) -> None:
    """Writes a tile, flushed, unless it is there already, byte for byte."""
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write_by_rename(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _sync_folders(folder: Path) -> None:
    """Makes all names durable, and drops folders that have become empty."""
    for place, _, _ in os.walk(folder, topdown=False):
        path = Path(place)
        if path != folder and not any(path.iterdir()):
            path.rmdir()
        else:
            sync_folder(path)


def _read(path: Path, limit: int) -> bytes:
    """A plain file's content: no link, no pipe, nothing larger than it may be. Raises LedgerFault L-501."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise LedgerFault("L-501", f"{path.name} is no plain file of at most {limit} bytes")
        return path.read_bytes()
    except OSError as error:
        raise LedgerFault("L-501", f"{path} cannot be read: {error.strerror}") from error
