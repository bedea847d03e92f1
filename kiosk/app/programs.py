"""Program releases that head office sent: unpacked beside the running one, tried, recorded, and started in its place.

A release comes as a tar (``programs/program.tar``). Before it is in force it must need no other libraries than are
here and keep the ledger in the format that the running one keeps: so going back is always possible. Then it is
unpacked, whole or not at all, and checks itself in a process of its own (``kiosk self-check``), while this one sells.

Between two visits the ledger records it, ``current`` points to it, and this process ends; ``deploy/kiosk-start`` starts
the new one. That has to come up: the ledger open, the first screen shown, and every device well that was well before,
for a while; else it ends, too, and after the third time the one before runs again and records it (program.returned).
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from pathlib import Path

from kiosk.app.in_force import Shelf
from kiosk.app.releases import BUILD, ROOT, Releases, Running, running
from kiosk.app.sent_vendors import unpack
from kiosk.billing.program import CODE, TREE, Release, parse_release, release_in
from kiosk.ledger.entry import Draft
from kiosk.ledger.keys import sync_folder
from kiosk.model import targets
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sale.books import Memory

log = logging.getLogger(__name__)

NAME = "program"  # among the lists in force
FILES_MAX, BYTES_MAX = 5_000, 64 << 20
CHECK_MAX_S = 600.0
WELL_S, UNWELL_S = 15.0, 180.0  # so long without a new outage: it came up; not by then: it did not
DEVICES = frozenset({"acceptor", "coins", "printer", "reader"})
Check = Callable[[Path], Sequence[str]]


class ProgramRoad:
    """From the shelf into force."""

    def __init__(self, here: Running, releases: Releases, check: Check, build: Path = ROOT / BUILD) -> None:
        """``check``: the command by whose exit code a tree says whether it can run here."""
        self._here, self._releases, self._check, self._build = here, releases, check, build
        self._process: subprocess.Popen[bytes] | None = None
        self._checking, self._since_s = 0, 0.0
        self._good: set[int] = set()

    def parsed(self, content: bytes) -> Release:
        """A release that may be tried here. Raises ConfigFault F-719 what it is, F-720, F-721 what it needs."""
        release = release_in(content)
        if release.version <= self._here.version:
            raise ConfigFault(CODE, f"program {release.version} was sent, {self._here.version} runs")
        if release.requirements != sha256(self._here.lock).hexdigest():
            raise ConfigFault("F-720", f"program {release.version} needs other libraries than this machine has")
        if release.format != self._here.format:
            raise ConfigFault("F-721", f"program {release.version} keeps the ledger in format {release.format}")
        return release

    def is_good(self, version: int, content: bytes | None) -> bool | None:
        """Whether a release (its tar) can run here; None while that is being found out.

        Raises ConfigFault F-719, F-722; LedgerFault L-502.
        """
        if version in self._good:
            return True
        if self._process is None:
            self._begin(version, self._unpacked(version, content))
            return None
        if self._process.poll() is None:
            if time.monotonic() - self._since_s > CHECK_MAX_S:
                self.close()
                raise ConfigFault("F-722", f"the check of program {version} did not end")
            return None
        code, checked, self._process = self._process.returncode, self._checking, None
        if checked != version:
            return None
        if code:
            self._releases.remove(version)
            raise ConfigFault("F-722", f"program {version} did not pass `kiosk self-check`: {code}")
        self._good.add(version)
        return True

    def at_start(self, memory: Memory, shelf: Shelf) -> list[Draft]:
        """For the ledger: what the launcher did, and that people have installed what was refused here."""
        drafts, returned, own = [], self._releases.returned(), self._here.version
        if returned is not None and returned[0] != memory.returned:
            drafts = [Draft("program.returned", None, (), {"version": returned[0], "why": returned[1]})]
        digest = memory.refused.get(targets.PROGRAM, b"")
        if own > memory.version(NAME) and own == _version_of(shelf.get(digest)):
            drafts.append(Draft("program.installed", None, (), {"version": own, "sha256": digest}))
        return drafts

    def take_up(self, memory: Memory) -> bool:
        """After ``at_start``'s entries: whether this program has to make way for the one that the ledger names.

        The power went between its entry and the switch. A disk that does not take the switch leaves this one selling.
        """
        self._releases.forget_returned()
        version = memory.version(NAME)
        if version <= self._here.version or version == memory.returned or self._releases.is_next(version):
            return False  # the launcher had a reason if it did not start the next one
        if not self._is_whole(version):
            return False
        try:
            self._releases.use_next(version, memory.books.outages)
        except LedgerFault as fault:
            log.error("%s", fault)
            return False
        return True

    def use_next(self, version: int, down: Collection[str]) -> None:
        """The one to be started next, now that the ledger has recorded it; ``down``: devices. LedgerFault L-502."""
        self._releases.use_next(version, down)

    @property
    def down_before(self) -> frozenset[str]:
        """The devices that were down before the running one was started first."""
        return self._releases.down_before

    @property
    def is_proven(self) -> bool:
        """Whether the running one has come up once, or people have installed it."""
        return self._releases.is_proven

    def came_up(self) -> None:
        """The running one is well. Raises LedgerFault L-502."""
        self._releases.came_up()
        self._releases.tidy()

    def close(self) -> None:
        """Ends a check that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _begin(self, version: int, tree: Path) -> None:
        self._checking, self._since_s = version, time.monotonic()
        try:
            self._process = subprocess.Popen(
                ["nice", "-n", "10", *self._check(tree)],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"},
                close_fds=True,
            )
        except OSError as error:
            raise ConfigFault("F-722", f"the check of program {version} cannot be started: {error}") from error

    def _is_whole(self, version: int) -> bool:
        try:
            text = (self._releases.tree(version) / "program.txt").read_text(encoding="ascii")
            return parse_release(text).version == version
        except (OSError, UnicodeDecodeError, ConfigFault):
            return False

    def _unpacked(self, version: int, content: bytes | None) -> Path:
        """A release's tree, whole: put in place by its last rename."""
        if content is None:
            raise LedgerFault("L-502", f"the tar of program {version} is not here any more")
        folder, tree = self._releases.folder, self._releases.tree(version)
        beside = folder / f".{version}"
        try:
            self._releases.remove(version)  # of another tar of this version, or half of one
            unpack(content, TREE, beside, CODE, FILES_MAX, BYTES_MAX)
            if (beside / TREE / BUILD).exists():
                raise ConfigFault(CODE, f"program {version} holds {BUILD}, which is the machine's own")
            (beside / TREE / BUILD).symlink_to(self._build.resolve())
            for path in (beside, *(each for each in beside.rglob("*") if each.is_dir() and not each.is_symlink())):
                sync_folder(path)
            (beside / TREE).replace(tree)
            sync_folder(folder)
            shutil.rmtree(beside, ignore_errors=True)
        except OSError as error:
            raise LedgerFault("L-502", f"program {version} cannot be unpacked: {error}") from error
        return tree


class Health:
    """Whether a new release comes up. ``look`` is for the watch's thread."""

    def __init__(
        self,
        road: ProgramRoad,
        down: Callable[[], Collection[str]],
        is_quiet: Callable[[], bool],
        leave: Callable[[], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``down``: the devices that are; ``leave``: ends the program."""
        self._road, self._before, self._down = road, road.down_before, down
        self._is_quiet, self._leave, self._now_s = is_quiet, leave, now_s
        self._since_s, self._over = now_s(), False
        self._well_since_s = self._since_s

    def look(self) -> None:
        """One look. Raises LedgerFault L-502."""
        if self._over:
            return
        now_s, broken = self._now_s(), sorted((set(self._down()) & DEVICES) - self._before)
        if broken:
            self._well_since_s = now_s
        if self._road.is_proven:
            self._over = True
            self._road.came_up()
        elif now_s - self._well_since_s >= WELL_S:
            self._road.came_up()
            self._over = True
            log.info("the new program has come up")
        elif now_s - self._since_s >= UNWELL_S and self._is_quiet():
            self._over = True
            log.critical("the new program did not come up: %s", ", ".join(broken))
            self._leave()


def _version_of(content: bytes | None) -> int:
    if content is None:
        return 0
    try:
        return release_in(content).version
    except ConfigFault:
        return 0


def program_road(config: Path) -> ProgramRoad | None:
    """The terminal's. None where the program was not started by ``deploy/kiosk-start``."""
    releases = Releases.of(os.environ)
    return ProgramRoad(running(), releases, self_check(config)) if releases is not None else None


def self_check(config: Path) -> Check:
    """`kiosk self-check --release TREE --config FILE`, of the tree itself."""

    def words(tree: Path) -> list[str]:
        return [sys.executable, "-m", "kiosk", "self-check", "--release", str(tree), "--config", str(config.absolute())]

    return words
