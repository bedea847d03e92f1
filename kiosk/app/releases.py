"""Program releases on the disk, beside the tree that people installed: which runs, and which is to run.

``deploy/kiosk-start`` starts the program and has the same files in hand; it tells us by the environment where they are
(``KIOSK_RELEASES``) and which release it started (``KIOSK_RELEASE``; ``base``: the tree that people installed). It says
in ``returned`` that it went back to an older one. Each step here is durable when it returns and may be done again.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kiosk.billing.program import MANIFEST, parse_release
from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.model.version import FORMAT, VERSION

ROOT = Path(__file__).resolve().parents[2]
BASE = "base"
LOCK = "requirements.lock"
BUILD = "build"  # fonts, made by scripts/setup; all releases share it


@dataclass(frozen=True, slots=True)
class Running:
    """The program that runs. ``version``: of its release, 0 for a tree that is none."""

    version: int
    name: str
    format: int
    lock: bytes

    @property
    def told(self) -> str:
        """For the ledger and for people: ``0.1.0``, and of a release ``0.1.0+7``."""
        return f"{self.name}+{self.version}" if self.version else self.name


def running(root: Path = ROOT) -> Running:
    """By the tree that runs, whatever its environment was made for."""
    lock, version = b"", 0
    with suppress(OSError):
        lock = (root / LOCK).read_bytes()
    with suppress(OSError, UnicodeDecodeError, ConfigFault):
        version = parse_release((root / MANIFEST).read_text(encoding="ascii")).version
    return Running(version, VERSION, FORMAT, lock)


class Releases:
    """``folder``: where the releases lie; ``name``: which of them runs."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Releases | None:
        """None for a program that was started in another way: nobody would start the other one."""
        folder, name = environment.get("KIOSK_RELEASES"), environment.get("KIOSK_RELEASE")
        return cls(Path(folder), name) if folder and name else None

    def tree(self, version: int) -> Path:
        """Where a release lies, or would."""
        return self.folder / str(version)

    @property
    def is_proven(self) -> bool:
        """Whether the one that runs need not show that it comes up."""
        return self.name == BASE or self._told("healthy") == self.name

    def is_next(self, version: int) -> bool:
        """Whether this release is the one to be started next."""
        try:
            return str((self.folder / "current").readlink()) == str(version)
        except OSError:
            return False

    def use_next(self, version: int, down: Collection[str]) -> None:
        """From the next start on. ``down``: devices that it is not to blame for. Raises LedgerFault L-502."""
        beside = self.folder / ".current"
        try:
            self._keep("down", " ".join(sorted(down)))
            beside.unlink(missing_ok=True)
            beside.symlink_to(str(version))
            beside.replace(self.folder / "current")
            sync_folder(self.folder)
        except OSError as error:
            raise LedgerFault("L-502", f"program {version} cannot be made the next one: {error}") from error

    def came_up(self) -> None:
        """The one that runs is well: it is what is gone back to from now on. Raises LedgerFault L-502."""
        if self._told("healthy") != self.name:
            try:
                self._keep("healthy", self.name)
            except OSError as error:
                raise LedgerFault("L-502", f"{self.folder} cannot be written: {error}") from error
        signal.alarm(0)  # the launcher's, which outlived exec

    @property
    def down_before(self) -> frozenset[str]:
        """The devices that were down before the switch."""
        return frozenset(self._told("down").split())

    def returned(self) -> tuple[int, str] | None:
        """The release that did not come up, and why: start, damaged, libraries. None: it was not so."""
        version, _, why = self._told("returned").partition(" ")
        return (int(version), why) if version.isdecimal() and why else None

    def forget_returned(self) -> None:
        """The ledger has it now; its tree goes, too."""
        returned = self.returned()
        if returned is not None:
            self.remove(returned[0])
        with suppress(OSError):
            (self.folder / "returned").unlink(missing_ok=True)

    def remove(self, version: int) -> None:
        """A release that does not run, and what is left of one that was being unpacked."""
        for path in (self.tree(version), self.folder / f".{version}"):
            if path.name != self.name:
                shutil.rmtree(path, ignore_errors=True)

    def tidy(self) -> None:
        """Releases older than the one that runs go, once that has come up."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                number = path.name.removeprefix(".")
                if number.isdecimal() and self.name.isdecimal() and int(number) < int(self.name):
                    self.remove(int(number))

    def _keep(self, name: str, text: str) -> None:
        self.folder.mkdir(exist_ok=True)
        beside = self.folder / f".{name}"
        with beside.open("w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.folder / name)
        sync_folder(self.folder)

    def _told(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""
