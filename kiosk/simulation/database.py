"""SQLite over a ``Disk``: a VFS of apsw, and connections that look like sqlite3's as far as the house uses them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from atexit import register
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, cast

import apsw

from kiosk.simulation.disk import Disk, Inode
from kiosk.simulation.power import Mains, PowerCut

VFS = "kiosk-simulation"
BUSY_TIMEOUT_MS = 5_000
_SYNCS_ITS_FOLDER = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_ERRORS: tuple[tuple[type[apsw.Error], type[sqlite3.Error]], ...] = (
    (apsw.CorruptError, sqlite3.DatabaseError),
    (apsw.NotADBError, sqlite3.DatabaseError),
    (apsw.ConstraintError, sqlite3.IntegrityError),
    (apsw.MismatchError, sqlite3.IntegrityError),
    (apsw.TooBigError, sqlite3.DataError),
    (apsw.MisuseError, sqlite3.InterfaceError),
    (apsw.RangeError, sqlite3.InterfaceError),
    (apsw.InternalError, sqlite3.InternalError),
)


class Found:
    """What a statement gave: all of its rows."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[Any]:
        """All that is left."""
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> Any:
        """The next, or None."""
        return self._rows.pop(0) if self._rows else None


class Database:
    """An apsw connection with sqlite3's words and sqlite3's errors. Raises PowerCut once the power is gone."""

    def __init__(self, disk: Disk, uri: str) -> None:
        self._disk = disk
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        there = uri.replace("file://", f"file:///{disk.number}", 1)
        self.inner = self._told(lambda: apsw.Connection(there, flags, VFS))
        self.inner.set_busy_timeout(BUSY_TIMEOUT_MS)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Found:
        """Runs one statement to its end."""
        return Found(self._told(lambda: self.inner.execute(statement, values).fetchall()))

    def close(self) -> None:
        """Closes, which may write; after a power cut there is nothing left to do."""
        alive = self._disk.mains.on
        with suppress(apsw.Error):  # SQLite closes whatever its last checkpoint says
            self.inner.close(True)
        if alive and not self._disk.mains.on:
            raise PowerCut

    def _told(self, work: Callable[[], Any]) -> Any:
        try:
            done = work()
        except apsw.Error as error:
            if not self._disk.mains.on:
                raise PowerCut from None
            kind = next((to for of, to in _ERRORS if isinstance(error, of)), sqlite3.OperationalError)
            raise kind(str(error)) from error
        if not self._disk.mains.on:  # where SQLite shrugs an error off
            raise PowerCut
        return done


def connect(disk: Disk, checkpoint_pages: int = 1_000) -> Callable[[str], sqlite3.Connection]:
    """The ``connect`` of a Journal whose file lies on this disk.

    ``checkpoint_pages``: pages in the WAL when SQLite copies them into the database; its own is 1,000.
    """

    def after_commit(inner: apsw.Connection, name: str, pages: int) -> int:
        if pages >= checkpoint_pages:
            with suppress(apsw.Error):  # as SQLite's own: the commit stands, and another will try again
                inner.wal_checkpoint(name)
        return apsw.SQLITE_OK

    def opened(uri: str) -> sqlite3.Connection:
        database = Database(disk, uri)
        database.inner.set_wal_hook(after_commit)
        return cast("sqlite3.Connection", database)

    return opened


class _Anchors:
    """Empty real files that lend their locks, and their shared memory on the heap, to files in memory."""

    def __init__(self) -> None:
        self._process = 0
        self._folder = ""
        self._free: list[str] = []
        self._made = 0
        self._used: dict[str, tuple[str, int]] = {}  # name → (anchor, openings)

    def take(self, name: str) -> str:
        if self._process != os.getpid():
            self._process, self._free, self._used = os.getpid(), [], {}
            self._folder = tempfile.mkdtemp(prefix="kiosk-disk-")
            register(shutil.rmtree, self._folder, ignore_errors=True)
        anchor, openings = self._used.get(name, ("", 0))
        if not anchor:
            anchor = self._free.pop() if self._free else self._new()
        self._used[name] = (anchor, openings + 1)
        return anchor

    def give_back(self, name: str) -> None:
        anchor, openings = self._used.pop(name, ("", 0))
        if openings > 1:
            self._used[name] = (anchor, openings - 1)
        elif anchor:
            self._free.append(anchor)

    def _new(self) -> str:
        self._made += 1
        anchor = Path(self._folder) / str(self._made)
        anchor.touch()
        return str(anchor)


_ANCHORS = _Anchors()


class _File(apsw.VFSFile):
    """A journal, or a file for the moment. Names are those of SQLite."""

    def __init__(self, disk: Disk, name: str, inode: Inode, flags: int, psow: bool) -> None:
        self._disk, self._name, self._inode, self._psow = disk, name, inode, psow
        self._syncs_folder = bool(flags & _SYNCS_ITS_FOLDER)

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._inode.now[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._power(lambda: self._disk.write(self._name, self._inode, offset, data))

    def xSync(self, flags: int) -> None:
        self._power(lambda: self._disk.sync(self._name, self._inode, self._syncs_folder))

    def xTruncate(self, size: int) -> None:
        self._power(lambda: self._disk.truncate(self._name, self._inode, size))

    def _power(self, work: Callable[[], None]) -> None:
        with suppress(PowerCut):  # SQLite runs on in the dark, to no effect; ``Database`` says so when it returns
            work()

    def xFileSize(self) -> int:
        return len(self._inode.now)

    def xClose(self) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096  # as SQLite takes it on Linux

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE if self._psow else 0

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False


class _MainFile(_File):
    """A database: its locks and its WAL's shared memory are those of an anchor's inode, as in one real process."""

    def __init__(self, disk: Disk, name: str, inode: Inode, flags: int, psow: bool) -> None:
        super().__init__(disk, name, inode, flags, psow)
        self._key = f"{disk.number}{name}"
        wanted = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE
        apsw.VFSFile.__init__(self, "unix-excl", _ANCHORS.take(self._key), [wanted, 0])

    xLock, xUnlock = apsw.VFSFile.xLock, apsw.VFSFile.xUnlock  # noqa: N815
    xCheckReservedLock = apsw.VFSFile.xCheckReservedLock  # noqa: N815

    def xClose(self) -> None:
        apsw.VFSFile.xClose(self)
        _ANCHORS.give_back(self._key)


class _Vfs(apsw.VFS):
    """Paths begin with the disk's number."""

    def __init__(self) -> None:
        super().__init__(VFS, "unix-excl")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        wanted = flags[0]
        flags[1] = wanted
        if name is None:
            return _File(Disk(Mains(), Random(0)), "", Inode(), wanted, True)  # a sort that did not fit: of no worth
        psow = not isinstance(name, apsw.URIFilename) or name.uri_boolean("psow", True)  # as SQLite's own for Linux
        disk, path = _where(name.filename() if isinstance(name, apsw.URIFilename) else name)
        try:
            inode = disk.find(path, bool(wanted & apsw.SQLITE_OPEN_CREATE))
        except PowerCut:
            inode = Inode()
        if inode is None:
            raise apsw.CantOpenError(f"no {path} on this disk")
        return (_MainFile if wanted & apsw.SQLITE_OPEN_MAIN_DB else _File)(disk, path, inode, wanted, psow)

    def xAccess(self, pathname: str, flags: int) -> bool:
        disk, path = _where(pathname)
        return path in disk.names

    def xDelete(self, filename: str, syncdir: bool) -> None:
        disk, path = _where(filename)
        try:
            disk.delete(path, syncdir)
        except PowerCut:
            return
        except KeyError:
            raise apsw.exception_for(apsw.SQLITE_IOERR_DELETE_NOENT) from None

    def xFullPathname(self, name: str) -> str:
        return name

    def xSleep(self, microseconds: int) -> int:
        return microseconds  # in a simulation nobody waits


def _where(name: str) -> tuple[Disk, str]:
    _, number, path = name.split("/", 2)
    return Disk.by_number[number], f"/{path}"


_VFS = _Vfs()
