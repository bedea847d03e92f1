"""A folder on a medium that may be pulled, full, torn or somebody's trap: how exports are read and written there.

Paths are relative, with slashes; ``""`` is the folder itself. No link below it is ever followed, nothing but plain
files is ever read, and what is written is flushed when the call returns. Reading asks the medium and not the memory, so
that reading back means something. Every method may raise OSError, which says what the medium said.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import Protocol

from kiosk.ledger.keys import sync_folder


class Files(Protocol):
    """What an export needs of a folder."""

    def names(self, path: str) -> list[str]:
        """Names in a folder, sorted; none where there is no folder."""

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder, and so is everything above it."""

    def read(self, path: str, limit: int) -> bytes | None:
        """A plain file's content; None where there is none, or one of more than ``limit`` bytes."""

    def write(self, path: str, content: bytes) -> None:
        """Puts a file there in place of whatever lies there, makes the folders above it, and flushes the content."""

    def rename(self, old: str, new: str) -> None:
        """Gives a file another name in its folder, in place of the one that has it."""

    def remove(self, path: str) -> None:
        """Takes away a file, a link, or a folder with all that is in it; nothing where there is nothing."""

    def flush(self, path: str) -> None:
        """Makes the names in a folder durable."""

    def free(self) -> int:
        """How many bytes more the medium can hold, about."""


class PlainFiles:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, path: str) -> list[str]:
        """Names in a folder, sorted; none where there is no folder."""
        return sorted(each.name for each in (self.root / path).iterdir()) if self.is_folder(path) else []

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder, and so is everything above it."""
        steps = [self.root / each for each in (*reversed(PurePosixPath(path).parents), PurePosixPath(path))]
        return all(stat.S_ISDIR(_mode(step) or 0) for step in steps[1:]) and self.root.is_dir()

    def read(self, path: str, limit: int) -> bytes | None:
        """A plain file's content, from the medium; None where there is none, or one of more than ``limit`` bytes."""
        if not self.is_folder(str(PurePosixPath(path).parent)):
            return None
        try:
            # Not blocking: where a pipe waits for its other end, we do not.
            handle = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            mode = _mode(self.root / path)
            if mode is None or not stat.S_ISREG(mode):
                return None
            raise error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                return None
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(handle)
        return content if len(content) <= limit else None

    def write(self, path: str, content: bytes) -> None:
        """Puts a file there in place of whatever lies there, makes the folders above it, and flushes the content."""
        self._make_folders(PurePosixPath(path).parent)
        self.remove(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.root / path, flags, 0o644), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def rename(self, old: str, new: str) -> None:
        """Gives a file another name in its folder, in place of the one that has it."""
        (self.root / old).replace(self.root / new)

    def remove(self, path: str) -> None:
        """Takes away a file, a link, or a folder with all that is in it; nothing where there is nothing."""
        place, mode = self.root / path, _mode(self.root / path)
        if mode is None:
            return
        if stat.S_ISDIR(mode):
            for each in place.iterdir():
                self.remove(f"{path}/{each.name}")
            place.rmdir()
        else:
            place.unlink()

    def flush(self, path: str) -> None:
        """Makes the names in a folder durable."""
        sync_folder(self.root / path)

    def free(self) -> int:
        """How many bytes more the medium can hold, about."""
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        status = os.statvfs(place)
        return status.f_bavail * status.f_frsize

    def _make_folders(self, path: PurePosixPath) -> None:
        """Makes the folders of a path; what lies in the way, and is no folder, goes."""
        self.root.mkdir(parents=True, exist_ok=True)
        for each in (*reversed(path.parents), path):
            step, mode = self.root / each, _mode(self.root / each)
            if each == PurePosixPath() or (mode is not None and stat.S_ISDIR(mode)):
                continue
            if mode is not None:
                step.unlink()
            step.mkdir()
            sync_folder(step.parent)


class Below:
    """A folder below another one, as Files of its own."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder

    def names(self, path: str) -> list[str]:
        """See Files."""
        return self._files.names(self._at(path))

    def is_folder(self, path: str) -> bool:
        """See Files."""
        return self._files.is_folder(self._at(path))

    def read(self, path: str, limit: int) -> bytes | None:
        """See Files."""
        return self._files.read(self._at(path), limit)

    def write(self, path: str, content: bytes) -> None:
        """See Files."""
        self._files.write(self._at(path), content)

    def rename(self, old: str, new: str) -> None:
        """See Files."""
        self._files.rename(self._at(old), self._at(new))

    def remove(self, path: str) -> None:
        """See Files."""
        self._files.remove(self._at(path))

    def flush(self, path: str) -> None:
        """See Files."""
        self._files.flush(self._at(path))

    def free(self) -> int:
        """See Files."""
        return self._files.free()

    def _at(self, path: str) -> str:
        return f"{self._folder}/{path}" if path else self._folder


def is_deeper(files: Files, most: int) -> bool:
    """Whether folders lie in folders, more than ``most`` of them: none of ours, and not to be gone through."""
    folders = [name for name in files.names("") if name[0] != "."]
    while folders:
        folder = folders.pop()
        if folder.count("/") > most:
            return True
        folders += [path for name in files.names(folder) if files.is_folder(path := f"{folder}/{name}")]
    return False


def _mode(path: Path) -> int | None:
    """Of what lies there itself, a link too; None for nothing."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
