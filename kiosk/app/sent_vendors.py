"""Vendors' folders that head office sent: unpacked, checked as a vendor would check them, and served after that.

A folder comes as a tar (``vendors/<name>.tar``) of plain files under ``<name>/``. It lies on the shelf like every list,
and unpacked in ``vendors/<SHA-256>/<name>/``. Before it is in force its manifest must be right, its driver's file the
one that the manifest names, no card may be taken for two vendors, and `kiosk driver check --quick` must say that the
driver conforms: in a process of its own, in the background, while the kiosk sells. Settings' own folder of the same
vendor gives way to it.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kiosk.app.in_force import Shelf
from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.registry import Registry, load_registry
from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import ConfigFault, KioskError, LedgerFault
from kiosk.sale.books import Memory

log = logging.getLogger(__name__)

FILES_MAX, BYTES_MAX = 500, 32 << 20
CHECK_MAX_S = 900.0
PREFIX = "vendor/"  # of its name among the lists in force
NICE = 10
NAMES_THAT_CANNOT_BE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


class SentVendors:
    """``folder``: the terminal's ``vendors/``; ``own``: the folders that settings name."""

    def __init__(self, folder: Path, own: Sequence[Path], shelf: Shelf, check: Callable[[Path], Sequence[str]]) -> None:
        """``check``: the command that says by its exit code whether a folder conforms."""
        self._folder, self._own, self._shelf, self._check = folder, own, shelf, check
        self._process: subprocess.Popen[bytes] | None = None
        self._checking, self._since_s = "", 0.0
        self._good: set[str] = set()

    def registry(self, memory: Memory) -> Registry:
        """Who is served: settings' folders, and those in force that were sent. ConfigFault F-703 as load_registry."""
        sent = []
        for name, (_, digest) in memory.lists.items():
            if name.startswith(PREFIX):
                with suppress(KioskError):
                    sent.append(self._unpacked(name.removeprefix(PREFIX), digest))
        try:
            return load_registry(self._together(sent))
        except ConfigFault as fault:
            if not sent:
                raise
            log.error("the vendors that head office sent are not served: %s", fault)
            return load_registry(self._own)

    def is_good(self, name: str, digest: bytes, serving: Iterable[str]) -> bool | None:
        """Whether a folder on the shelf may be served; None while that is being found out. Raises ConfigFault F-703.

        ``serving``: SHA-256 of the other sent folders in force, hex.
        """
        key = digest.hex()
        if key in self._good:
            return True
        if self._process is None:
            folder = self._unpacked(name, digest)
            others = [path for each in serving if each != key for path in (self._folder / each).glob("*")]
            load_registry(self._together([path for path in others if path.name != name] + [folder]), check_files=True)
            self._begin(folder, key)
            return None
        if self._process.poll() is None:
            if self._checking == key and time.monotonic() - self._since_s > CHECK_MAX_S:
                self.close()
                raise ConfigFault("F-703", f"the check of vendor {name} did not end")
            return None
        if self._checking != key:
            return None
        code, self._process = self._process.returncode, None
        if code:
            raise ConfigFault("F-703", f"the driver of vendor {name} does not conform: `kiosk driver check` says why")
        self._good.add(key)
        return True

    def tidy(self, memory: Memory) -> None:
        """Unpacked folders that are not in force go."""
        kept = {digest.hex() for name, (_, digest) in memory.lists.items() if name.startswith(PREFIX)}
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Ends a check that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _begin(self, folder: Path, key: str) -> None:
        self._checking, self._since_s = key, time.monotonic()
        try:
            self._process = subprocess.Popen(
                ["nice", "-n", str(NICE), *self._check(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                close_fds=True,
            )
        except OSError as error:
            raise ConfigFault("F-703", f"the check of {folder} cannot be started: {error}") from error

    def _together(self, sent: Sequence[Path]) -> list[Path]:
        """Settings' folders and the sent ones; a vendor that was sent is not taken from settings."""
        codes = {load_manifest(folder).vendor.code for folder in sent}
        own = [folder for folder in self._own if load_manifest(folder).vendor.code not in codes]
        return [*own, *sent]

    def _unpacked(self, name: str, digest: bytes) -> Path:
        """The folder of a tar on the shelf, whole. Raises ConfigFault F-703, LedgerFault L-502."""
        folder = self._folder / digest.hex() / name
        with suppress(ConfigFault):
            load_manifest(folder, check_file=True)
            return folder
        content = self._shelf.get(digest)
        if content is None:
            raise ConfigFault("F-703", f"the folder of vendor {name} is not here")
        beside = self._folder / f".{digest.hex()}"
        try:
            shutil.rmtree(beside, ignore_errors=True)
            shutil.rmtree(folder.parent, ignore_errors=True)
            unpack(content, name, beside)
            beside.replace(folder.parent)
            sync_folder(self._folder)
        except OSError as error:
            raise LedgerFault("L-502", f"the folder of vendor {name} cannot be unpacked: {error}") from error
        load_manifest(folder, check_file=True)
        return folder


def unpack(
    content: bytes, name: str, to: Path, code: str = "F-703", files_max: int = FILES_MAX, bytes_max: int = BYTES_MAX
) -> None:
    """A tar's plain files under ``to``, durable. Raises ConfigFault (``code``) for anything else in it; OSError.

    No links, no devices, no way out of the folder, not too many, not too large.
    """
    files = total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for member in tar:
                files, total = files + 1, total + member.size
                path = PurePosixPath(member.name)
                inside = path.parts[:1] == (name,) and ".." not in path.parts and not path.is_absolute()
                if not inside or not (member.isreg() or member.isdir()) or files > files_max or total > bytes_max:
                    raise ConfigFault(code, f"the folder {name} that was sent holds {member.name!r}")
                if member.isdir():
                    continue
                source = tar.extractfile(member)
                assert source is not None, "a plain file has content"
                _write(to.joinpath(*path.parts), source.read())
    except tarfile.TarError as error:
        raise ConfigFault(code, f"the folder {name} that was sent is no tar: {error}") from error
    except OSError as error:
        if error.errno in NAMES_THAT_CANNOT_BE:
            raise ConfigFault(code, f"the folder {name} that was sent holds names that cannot be: {error}") from error
        raise


def check_command(folder: Path) -> list[str]:
    """`kiosk driver check FOLDER --quick`."""
    return [sys.executable, "-m", "kiosk", "driver", "check", str(folder), "--quick"]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
