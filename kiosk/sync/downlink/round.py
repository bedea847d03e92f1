"""One round of the downlink: is there something new, is it genuine, and is all of it here? Then it is offered.

python-tuf's client does the verifying (TUF specification §5): a chain of roots from the one that was given at
enrolment, signatures and their thresholds, versions that only rise, dates, and that all files are of one publication.
An expired repository offers nothing new and takes nothing back (contract 2 §7): what is installed stays in force.

python-tuf puts its metadata in place by rename but does not flush them; that is done here, before anything is offered,
so that a power cut cannot take back the versions that are held against a roll-back. Beside it each list has a version
of its own, which the kiosk holds against its ledger.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import IO

from securesystemslib.exceptions import StorageError
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import Updater, UpdaterConfig

from kiosk.ledger.keys import sync_folder
from kiosk.model.clock import Clock
from kiosk.model.errors import BatchRefused, LedgerFault
from kiosk.model.targets import LIST_BYTES_MAX, is_wanted
from kiosk.sync.downlink.offer import FILES, Offer, read_offer, write_offer
from kiosk.sync.downlink.sources import FolderSource, Source

log = logging.getLogger(__name__)

METADATA, PARTS, LOCK = "metadata", "parts", "lock"
ROOT_MAX_BYTES = 512_000
LIMITS = UpdaterConfig(root_max_length=ROOT_MAX_BYTES, max_root_rotations=64, max_delegations=4)
ROOM_BYTES = 128 << 20  # stays free for the ledger, well above where the kiosk takes no cash any more
COPIES = 4  # of a file, at most: its pieces, the offer, the shelf, a vendor's folder unpacked
STICK_PATIENCE_S, LOCK_LOOK_S = 60.0, 0.2  # a round over the network may be under way
ON_STICK = Path("prepaid-kiosk", "v1", "tuf")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose downlink it is: REGION/TERMINAL. ``folder``: its ``downlink/``; ``root_file``: given at enrolment."""

    folder: Path
    root_file: Path
    terminal: str


def take(place: Place, source: Source, clock: Clock, patience_s: float = 0.0) -> Offer:
    """One round. What is offered afterwards; the same as before if there was nothing new.

    Raises BatchRefused S-631 what is there does not verify, S-632 it has expired, S-633 there is nothing to be had
    (no answer, or no repository); LedgerFault L-502 the disk, L-505 no root, L-506 another round is under way.
    Whatever it raises, what was offered before is still offered.
    """
    with _alone(place, patience_s):
        before = _offer(place.folder)
        try:
            offer = _round(place, source, before, clock)
        except BatchRefused as refused:
            if refused.code in ("S-631", "S-632"):
                _tell(place.folder, before, replace(before, code=refused.code))
            raise
        _tell(place.folder, before, offer)
        _tidy(place.folder, offer)
        return offer


def take_from_stick(place: Place, stick: Path, clock: Clock, patience_s: float = STICK_PATIENCE_S) -> Offer:
    """A round from a stick (its top folder). Raises like ``take``; S-633 where no repository lies on it."""
    return take(place, FolderSource(stick / ON_STICK), clock, patience_s)


@contextmanager
def _alone(place: Place, patience_s: float) -> Iterator[None]:
    try:
        for name in (METADATA, PARTS, FILES):
            (place.folder / name).mkdir(parents=True, exist_ok=True)
        lock = (place.folder / LOCK).open("ab")
    except OSError as error:
        raise LedgerFault("L-502", f"{place.folder} cannot be written: {error}") from error
    with lock:
        _wait_for(lock, patience_s)
        yield


def _wait_for(lock: IO[bytes], patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() >= until:
                raise LedgerFault("L-506", "another round of the downlink is under way; try again later") from error
            time.sleep(LOCK_LOOK_S)
        else:
            return


def _round(place: Place, source: Source, before: Offer, clock: Clock) -> Offer:
    with _refusals():
        updater = Updater(
            metadata_dir=str(place.folder / METADATA),
            metadata_base_url=f"{source.base}/metadata/",
            target_dir=str(place.folder / PARTS),
            target_base_url=f"{source.base}/targets/",
            fetcher=source,
            config=LIMITS,
            bootstrap=_root(place.root_file),
        )
        updater.refresh()
        _flush(place.folder / METADATA)
        listed = _verified(place.folder)
        targets = {}
        for path in sorted(listed.targets):
            info = updater.get_targetinfo(path) if is_wanted(path, place.terminal) else None
            if info is not None:
                targets[path] = _bring(place.folder, source, info)
    return Offer(max(listed.version, before.version), clock.utc_ms(), "", targets)


@contextmanager
def _refusals() -> Iterator[None]:
    """No foreign error leaves this file."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise BatchRefused("S-632", f"head office's repository has expired: {error}") from error
    except DownloadLengthMismatchError as error:
        raise BatchRefused("S-631", f"more is sent than there can be: {error}") from error
    except RepositoryError as error:
        raise BatchRefused("S-631", f"what is published does not verify: {error}") from error
    except DownloadHTTPError as error:
        raise BatchRefused("S-633", f"a file of the repository is not there: {error}") from error
    except DownloadError as error:
        raise BatchRefused("S-633", f"the repository cannot be reached: {error}") from error
    except (OSError, StorageError) as error:
        raise LedgerFault("L-502", f"what head office publishes cannot be kept: {error}") from error


def _root(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(ROOT_MAX_BYTES)
    except OSError as error:
        raise LedgerFault("L-505", f"the root given at enrolment cannot be read: {error}") from error


def _bring(folder: Path, source: Source, info: TargetFile) -> str:
    """One target, whole and verified, into ``files/``; its SHA-256."""
    digest = info.hashes.get("sha256", "")
    if info.length > LIST_BYTES_MAX or len(digest) != sha256().digest_size * 2 or not digest.isalnum():
        raise RepositoryError(f"{info.path} is {info.length} bytes long, or has no sha256")
    kept, part = folder / FILES / digest, folder / PARTS / digest
    if kept.exists() and _holds(info, kept):
        return digest
    if shutil.disk_usage(folder).free < COPIES * info.length + ROOM_BYTES:
        raise LedgerFault("L-502", f"no room on the disk for {info.path}, {info.length} bytes: the ledger goes first")
    above, slash, name = info.path.rpartition("/")
    source.bring(f"{source.base}/targets/{above}{slash}{digest}.{name}", part, info.length)
    if not _holds(info, part):
        whole = part.stat().st_size == info.length
        if whole:
            part.unlink()  # nothing to go on with
            raise LengthOrHashMismatchError(f"{info.path} is not the file that was signed")
        raise DownloadError(f"{info.path} broke off")
    part.replace(kept)
    sync_folder(kept.parent)
    return digest


def _holds(info: TargetFile, path: Path) -> bool:
    with suppress(LengthOrHashMismatchError), path.open("rb") as file:
        info.verify_length_and_hashes(file)
        return True
    return False


def _verified(folder: Path) -> Targets:
    """The targets role that was just verified: python-tuf has put it there."""
    return Metadata[Targets].from_file(str(folder / METADATA / "targets.json")).signed


def _flush(folder: Path) -> None:
    for path in folder.rglob("*.json"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for each in (folder, folder / "root_history"):
        sync_folder(each)


def _offer(folder: Path) -> Offer:
    """What is offered now; a damaged page is made again."""
    try:
        return read_offer(folder)
    except LedgerFault as fault:
        log.warning("%s", fault)
        return Offer()


def _tell(folder: Path, before: Offer, offer: Offer) -> None:
    if offer == before:
        return
    try:
        write_offer(folder, offer)
    except OSError as error:
        raise LedgerFault("L-502", f"what head office publishes cannot be offered: {error}") from error


def _tidy(folder: Path, offer: Offer) -> None:
    """Files that are not offered any more, and pieces of them."""
    for path in (*(folder / FILES).iterdir(), *(folder / PARTS).iterdir()):
        if path.name not in offer.targets.values():
            with suppress(OSError):
                path.unlink()
