"""A log as a folder of static files: contract 2 §5, c2sp.org tlog-tiles.

::

    checkpoint  checkpoint.hq  tile/<level>/<index>[.p/<width>]  tile/entries/<index>[.p/<width>]

A tile holds up to 256 hashes of 32 bytes, a bundle up to 256 entries, each behind its u16 length. A folder without
``checkpoint`` is unfinished: it is deleted first and written last, by rename, after everything else is flushed.
``export`` writes such a folder.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from kiosk.ledger.note import NOTE_BYTES_MAX
from kiosk.ledger.tree import HASH_BYTES, perfect_root
from kiosk.model.errors import LedgerFault

WIDTH = 256
CHECKPOINT, COSIGNED = "checkpoint", "checkpoint.hq"
PRUNED = "pruned"  # not of the contract: says which bundles are missing, and where they are
BUNDLE_BYTES_MAX = WIDTH * (2 + 65_535)

_OURS = {CHECKPOINT, COSIGNED, CHECKPOINT + ".new", COSIGNED + ".new", "tile", PRUNED, PRUNED + ".new"}
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

Tile = tuple[int, int, bytes]
"""Level, index, and its hashes one after the other."""


class TileMaker:
    """Makes the tiles of a growing tree from its leaf hashes; remembers at most one unfinished tile a level."""

    __slots__ = ("_counts", "_levels")

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = []
        self._counts: list[int] = []

    def add(self, node: bytes, level: int = 0) -> Iterator[Tile]:
        """Takes the next leaf hash; gives the tiles that are full by it."""
        while True:
            if level == len(self._levels):
                self._levels.append([])
                self._counts.append(0)
            hashes = self._levels[level]
            hashes.append(node)
            if len(hashes) < WIDTH:
                return
            joined = b"".join(hashes)
            yield level, self._counts[level], joined
            node = perfect_root(joined)
            hashes.clear()
            self._counts[level] += 1
            level += 1

    def add_root(self, root: bytes) -> Iterator[Tile]:
        """Takes a whole tile of level 0 by its root, where one begins; gives the tiles above that are full by it."""
        if not self._levels:
            self._levels.append([])
            self._counts.append(0)
        if self._levels[0]:
            raise ValueError("a tile is begun")
        self._counts[0] += 1
        return self.add(root, 1)

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


def is_ours(name: str) -> bool:
    """Whether an export's own folder may hold something of this name."""
    return name in _OURS


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
    return parse_bundle(name, _read(folder / name, BUNDLE_BYTES_MAX), width)


def parse_bundle(name: str, raw: bytes | None, width: int) -> list[bytes]:
    """The entries of a bundle's bytes. Raises LedgerFault L-501 unless there are some, and exactly ``width``."""
    entries, at, end = [], 0, len(raw or b"") - 1
    while raw is not None and at < end:
        begin = at + 2
        at = begin + (raw[at] << 8 | raw[at + 1])
        entries.append(raw[begin:at])
    if raw is None or at != len(raw) or len(entries) != width:
        raise LedgerFault("L-501", f"{name} is not {width} entries")
    return entries


def read_entries(folder: Path, size: int) -> Iterator[bytes]:
    """The entries of an export, in order. Raises LedgerFault L-501."""
    for index in range(-(-size // WIDTH)):
        yield from read_bundle(folder, index, size)


def read_tile(folder: Path, level: int, index: int, size: int) -> bytes:
    """A tile of a tree of ``size``, its hashes one after the other. Raises LedgerFault L-501 unless it is whole."""
    width = width_at(level, index, size)
    name = tile_path(level, index, width)
    hashes = _read(folder / name, WIDTH * HASH_BYTES)
    if len(hashes) != width * HASH_BYTES:
        raise LedgerFault("L-501", f"{name} is not {width} hashes")
    return hashes


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
        within = Path(place).relative_to(folder).as_posix()
        for name in names:
            if not is_due(f"{within}/{name}", size):
                yield Path(place, name)


def _read(path: Path, limit: int) -> bytes:
    """A plain file's content: no link, no pipe, nothing larger than it may be. Raises LedgerFault L-501."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb", buffering=0) as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                raise LedgerFault("L-501", f"{path.name} is no plain file of at most {limit} bytes")
            return file.read()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LedgerFault("L-501", f"{path.name} is no plain file of at most {limit} bytes") from error
        raise LedgerFault("L-501", f"{path} cannot be read: {error.strerror}") from error
