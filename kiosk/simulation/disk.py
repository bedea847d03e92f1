"""A disk in memory that keeps what was synced, and of the rest any part.

Real SQLite runs over it as over any disk (``database.connect``). What a program reads is what it wrote; what is found
after a power cut is what was synced and, of everything else, whatever sectors a seeded random lets through: none, all,
some, out of order, one write torn at sectors of 512 bytes, a file grown by zeros that were never written. If so set,
the block that was being written is ruined with all that lay in it. Files that were made or deleted without a sync of
their folder may be back, or gone. See docs/reliability.md for what a real card may do beyond that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar
from weakref import WeakValueDictionary

import apsw

from kiosk.simulation.power import Mains

SECTOR = 512
Lands = Callable[[], bool]


@dataclass(eq=False, slots=True)
class Inode:
    """A file without its name."""

    now: bytearray = field(default_factory=bytearray)  # what programs read
    kept: bytearray = field(default_factory=bytearray)  # what is on the medium for certain
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, bytes), or (new size, None)

    def write(self, offset: int, data: bytes) -> None:
        """Written, and not yet certain."""
        _put(self.now, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        """Cut to ``size``, and not yet certain."""
        _resize(self.now, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        """All that is pending is certain."""
        for at, data in self.pending:
            if data is None:
                _resize(self.kept, at)
            else:
                _put(self.kept, at, data)
        self.pending.clear()

    def lose(self, lands: Lands, grows: bool) -> None:
        """Of what is pending, the sectors land that ``lands`` lets through; the others are lost for good."""
        for at, data in self.pending:
            if data is None:
                if lands():
                    _resize(self.kept, at)
                continue
            for first, end in _sectors(at, len(data)):
                if lands():
                    _put(self.kept, at + first, data[first:end])
            if grows and len(self.kept) < at + len(data):
                _resize(self.kept, at + len(data))
        self.pending.clear()

    def copy(self) -> Inode:
        """The same file on another disk."""
        return Inode(self.now[:], self.kept[:], self.pending[:])


class Disk:
    """Files by name. ``random`` decides what a failing sync keeps; the mains count every write, sync and deletion."""

    _numbers = itertools.count(1)
    by_number: ClassVar[WeakValueDictionary[str, Disk]] = WeakValueDictionary()

    def __init__(self, mains: Mains, random: Random) -> None:
        self.mains, self.random = mains, random
        self.number = f"disk{next(self._numbers)}"
        self.by_number[self.number] = self
        self.names: dict[str, Inode] = {}  # the folder, as programs see it
        self.kept_names: dict[str, Inode] = {}  # the folder on the medium
        self.renamed: list[tuple[str, Inode | None]] = []  # made or deleted since the folder was synced, in order
        self.room: int | None = None  # bytes the files may still grow by; None: no limit
        self.failing_syncs = 0  # so many syncs fail from now
        self.ruins = 0  # bytes of a block that becomes anything at all when a write in it is cut off; 0: none does
        self.lies = False  # says "synced" and syncs nothing

    # what a program does

    def find(self, name: str, make: bool) -> Inode | None:
        """The file of a name, made if there is none and it should be."""
        inode = self.names.get(name)
        if inode is None and make:
            self.mains.begins("make", name)
            inode = self.names[name] = Inode()
            self.renamed.append((name, inode))
            self.mains.ends()
        return inode

    def write(self, name: str, inode: Inode, offset: int, data: bytes) -> None:
        """Raises apsw.FullError; then only what had room is written."""
        torn = self.mains.begins("write", name, f"{offset}+{len(data)}")
        if torn:
            data = data[: self.random.randrange(len(data))]
        grows = max(0, offset + len(data) - len(inode.now))
        if self.room is not None and grows > self.room:
            data = data[: max(0, len(inode.now) + self.room - offset)]
            self.room = 0
            if data:
                inode.write(offset, data)
            self.mains.ends()
            raise apsw.FullError("the disk is full")
        if self.room is not None:
            self.room -= grows
        inode.write(offset, data)
        self.mains.ends()

    def truncate(self, name: str, inode: Inode, size: int) -> None:
        """Gives back the room."""
        self.mains.begins("truncate", name, size)
        if self.room is not None:
            self.room += len(inode.now) - size
        inode.truncate(size)
        self.mains.ends()

    def sync(self, name: str, inode: Inode, folder: bool) -> None:
        """Makes a file certain, and its name too if ``folder``. Raises SQLITE_IOERR_FSYNC: then some of it is lost.

        As Linux does it: a failed sync is told once; what could not be written still reads as if it had been, and no
        later sync tries it again.
        """
        torn = self.mains.begins("sync", name)
        if torn:
            self.mains.ends()
        if self.failing_syncs:
            self.failing_syncs -= 1
            inode.lose(_chance(self.random), grows=False)
            self.mains.ends()
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        if not self.lies:
            inode.sync()
            if folder:
                self.sync_folder()
        self.mains.ends()

    def delete(self, name: str, sync: bool) -> None:
        """The name goes; for certain only with ``sync``. Raises KeyError."""
        self.mains.begins("delete", name)
        inode = self.names.pop(name)
        if self.room is not None:
            self.room += len(inode.now)
        self.renamed.append((name, None))
        if sync and not self.lies:
            self.sync_folder()
        self.mains.ends()

    def sync_folder(self) -> None:
        """All names are certain."""
        self.kept_names = dict(self.names)
        self.renamed.clear()

    # what happens to it

    def cut(self, random: Random, mains: Mains) -> Disk:
        """The disk as it is found when the power is back. May be asked again, with another random, of the same cut."""
        found = Disk(mains, random)
        names = dict(self.kept_names)
        for name, inode in self.renamed[: random.randint(0, len(self.renamed))]:  # a folder's journal keeps its order
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        for name, inode in names.items():
            left = inode.copy()
            left.lose(_lets_through(random, len(left.pending)), random.random() < 0.5)
            if self.ruins and inode.pending and random.random() < 0.5:
                _ruin(left.kept, self.ruins, random.choice(inode.pending), random)
            left.now = left.kept[:]
            found.names[name] = left
        found.kept_names = dict(found.names)
        found.ruins = self.ruins
        return found

    def killed(self, random: Random, mains: Mains) -> Disk:
        """The disk as the next process finds it: what was written is there, certain or not."""
        found = Disk(mains, random)
        copies: dict[int, Inode] = {}

        def copy(inode: Inode) -> Inode:
            return copies.setdefault(id(inode), inode.copy())

        found.names = {name: copy(inode) for name, inode in self.names.items()}
        found.kept_names = {name: copy(inode) for name, inode in self.kept_names.items()}
        found.renamed = [(name, inode and copy(inode)) for name, inode in self.renamed]
        found.room, found.failing_syncs = self.room, self.failing_syncs
        found.lies, found.ruins = self.lies, self.ruins
        return found


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def _ruin(content: bytearray, size: int, write: tuple[int, bytes | None], random: Random) -> None:
    """The block that was being written holds anything; what it held before, of other writes, is gone too."""
    at, data = write
    if not data:
        return
    first = (at + random.randrange(len(data))) // size * size
    content[first : first + size] = random.randbytes(len(content[first : first + size]))


def _sectors(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """The parts of a write that land or not, each in one sector: ends relative to the write."""
    first = 0
    while first < length:
        end = min(length, first + SECTOR - (offset + first) % SECTOR)
        yield first, end
        first = end


def _chance(random: Random, of_ten: int = 5) -> Lands:
    return lambda: random.random() * 10 < of_ten


def _lets_through(random: Random, writes: int) -> Lands:
    """What a cut keeps: no sector, all, a tenth, half, nine tenths, all up to one, all but one."""
    of_ten = random.choice((0, 10, 1, 5, 9, None, None))
    if of_ten is not None:
        return _chance(random, of_ten)
    which, seen = random.randrange(9 * writes + 1), itertools.count()  # a page and its frame's head: 9 sectors
    if random.random() < 0.5:
        return lambda: next(seen) < which
    return lambda: next(seen) != which
