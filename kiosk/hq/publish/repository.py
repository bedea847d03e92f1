"""Head office's TUF repository: root, targets, snapshot and timestamp (theupdateframework.github.io/specification).

A folder with ``metadata/`` and ``targets/``, static files that any web server, and any stick, can carry. Snapshots are
consistent: a file never changes under its name but for ``timestamp.json``, which is put in place last. So a publication
that breaks off was not one, and a terminal that reads meanwhile sees the old one or the new one.

The root's keys come from outside, several of them, and only for what needs them: the first root, a change of keys, a
new date. The keys of targets, snapshot and timestamp lie at head office, for it publishes every day.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from securesystemslib.exceptions import FormatError, StorageError
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from kiosk.hq.publish.keyfiles import key_id
from kiosk.ledger.keys import sync_folder
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

ROLES = ("targets", "snapshot", "timestamp")
DAYS = {"root": 1095, "targets": 365, "snapshot": 90, "timestamp": 30}
"""How long each is good for. A stick may lie in a glove box for four weeks; a terminal whose road is cut for longer is
told so by the timestamp, and goes on selling."""
KEPT = 3  # publications whose files stay for terminals that are in the middle of one

T = TypeVar("T", Root, Targets, Snapshot, Timestamp)


class Repository:
    """The folder. One publisher at a time; every method raises LedgerFault L-502 where a file cannot be written."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock

    @property
    def metadata(self) -> Path:
        """Where the roles' files lie."""
        return self.folder / "metadata"

    @property
    def targets(self) -> Path:
        """Where what they speak of lies."""
        return self.folder / "targets"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keeps other publishers out."""
        try:
            self.metadata.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except (OSError, StorageError) as error:
            raise LedgerFault("L-502", f"the repository cannot be written: {error}") from error

    def begin(self, root: Sequence[CryptoSigner], threshold: int, keys: Mapping[str, CryptoSigner]) -> None:
        """The first root and the first, empty publication. Raises LedgerFault L-505 where there is one already."""
        with self.turn():
            if self._newest(Root) is not None:
                raise LedgerFault("L-505", f"{self.folder} is a repository already")
            first = Root(expires=self._expires("root"), consistent_snapshot=True)
            for signer in root:
                first.add_key(signer.public_key, "root")
            first.roles["root"].threshold = threshold
            for role in ROLES:
                first.add_key(keys[role].public_key, role)
            self._write_root(Metadata(first), root, None)
            self._publish(Targets(expires=self._expires("targets")), keys)

    def publish(self, changes: Mapping[str, bytes | None], keys: Mapping[str, CryptoSigner]) -> int:
        """Puts targets in (None takes one out), all at once; the publication's version."""
        with self.turn():
            signed = self.now(Targets)
            for path, content in changes.items():
                if content is None:
                    signed.targets.pop(path, None)
                    continue
                told = TargetFile.from_data(path, content, ["sha256"])
                self._put(self.targets / target_name(told), content)
                signed.targets[path] = told
            signed.version += 1
            signed.expires = self._expires("targets")
            self._publish(signed, keys)
            return signed.version

    def renew(self, keys: Mapping[str, CryptoSigner]) -> None:
        """A new date: the timestamp's always, the others' where half their time is over."""
        with self.turn():
            targets, snapshot = self.now(Targets), self.now(Snapshot)
            if self._half_over("targets", targets.expires):
                targets.version += 1
                targets.expires = self._expires("targets")
                self._publish(targets, keys)
            elif self._half_over("snapshot", snapshot.expires):
                self._publish(targets, keys, resign=False)
            else:
                self._stamp(snapshot, keys)

    def change_root(self, exchanged: Mapping[str, CryptoSigner], root: Sequence[CryptoSigner]) -> int:
        """A new root with a new date; ``exchanged``: the role's one new key instead of its old ones. Its version.

        ``root``: keys of the old root, and of the new one. Raises LedgerFault L-505 below either threshold.
        """
        with self.turn():
            old = self._newest(Root)
            assert old is not None, "a repository without a root"
            new = Metadata(Root.from_dict(old.signed.to_dict()))
            for role, signer in exchanged.items():
                for known in list(new.signed.roles[role].keyids):
                    new.signed.revoke_key(known, role)
                new.signed.add_key(signer.public_key, role)
            return self._write_root(new, root, old)

    def exchange_root_key(self, known: str, signer: CryptoSigner, root: Sequence[CryptoSigner]) -> int:
        """A new root in which ``signer`` stands in the place of the root key ``known``. LedgerFault L-505 as above."""
        with self.turn():
            old = self._newest(Root)
            assert old is not None, "a repository without a root"
            if known not in old.signed.roles["root"].keyids:
                raise LedgerFault("L-505", f"{known} is no key of the root; `kiosk hq publish status` lists them")
            new = Metadata(Root.from_dict(old.signed.to_dict()))
            new.signed.revoke_key(known, "root")
            new.signed.add_key(signer.public_key, "root")
            return self._write_root(new, root, old)

    def sign_again(self, keys: Mapping[str, CryptoSigner]) -> None:
        """Everything below the root, with the keys that the root now names."""
        with self.turn():
            signed = self.now(Targets)
            signed.version += 1
            signed.expires = self._expires("targets")
            self._publish(signed, keys)

    def now(self, kind: type[T]) -> T:
        """What a role says now. Raises LedgerFault L-505 where there is no repository."""
        newest = self._newest(kind)
        if newest is None:
            raise LedgerFault("L-505", f"{self.folder} is no repository: make it with `kiosk hq publish init`")
        return newest.signed

    def paths(self) -> list[str]:
        """The names of all that is published."""
        return sorted(self.now(Targets).targets)

    def content(self, path: str) -> bytes | None:
        """What is published under a name; None if nothing is."""
        told = self.now(Targets).targets.get(path)
        if told is None:
            return None
        try:
            return (self.targets / target_name(told)).read_bytes()
        except OSError as error:
            raise LedgerFault("L-502", f"{path} cannot be read: {error}") from error

    def _newest(self, kind: type[T]) -> Metadata[T] | None:
        try:
            if kind is Timestamp:
                path = self.metadata / "timestamp.json"
                return Metadata[T].from_file(str(path)) if path.exists() else None
            version = self._version(kind.type)
            return Metadata[T].from_file(str(self._path(kind.type, version))) if version else None
        except (RepositoryError, StorageError) as error:
            raise LedgerFault("L-502", f"the repository's {kind.type} cannot be read: {error}") from error

    def _version(self, role: str) -> int:
        """The version in force: of a root the highest, of the others the one that the timestamp leads to."""
        if role == "root":
            return max((int(path.name.split(".")[0]) for path in self._files("*.root.json")), default=0)
        stamp = self._newest(Timestamp)
        if stamp is None:
            return 0
        version = stamp.signed.snapshot_meta.version
        if role == "snapshot":
            return version
        return Metadata[Snapshot].from_file(str(self._path("snapshot", version))).signed.meta["targets.json"].version

    def _publish(self, targets: Targets, keys: Mapping[str, CryptoSigner], *, resign: bool = True) -> None:
        """Targets (unless they stay as they are), a snapshot of them, and at last the timestamp."""
        snapshot = Snapshot(self._version("snapshot") + 1, expires=self._expires("snapshot"))
        if resign:
            self._put(self._path("targets", targets.version), self._signed(targets, keys["targets"]))
        snapshot.meta["targets.json"] = _meta(targets.version, self._path("targets", targets.version).read_bytes())
        self._put(self._path("snapshot", snapshot.version), self._signed(snapshot, keys["snapshot"]))
        self._stamp(snapshot, keys)
        self._tidy(targets.version, snapshot.version)

    def _stamp(self, snapshot: Snapshot, keys: Mapping[str, CryptoSigner]) -> None:
        before = self._newest(Timestamp)
        version = before.signed.version + 1 if before else 1
        told = _meta(snapshot.version, self._path("snapshot", snapshot.version).read_bytes())
        stamp = Timestamp(version, expires=self._expires("timestamp"), snapshot_meta=told)
        self._put(self.metadata / "timestamp.json", self._signed(stamp, keys["timestamp"]))

    def _signed(self, signed: T, signer: CryptoSigner) -> bytes:
        role = signed.type
        if key_id(signer) not in self.now(Root).roles[role].keyids:
            raise LedgerFault("L-505", f"this key is not the one that the root names for {role}")
        metadata = Metadata(signed)
        metadata.sign(signer)
        return metadata.to_bytes()

    def _write_root(self, new: Metadata[Root], signers: Sequence[Signer], old: Metadata[Root] | None) -> int:
        new.signed.version = old.signed.version + 1 if old else 1
        new.signed.expires = self._expires("root")
        for signer in signers:
            new.sign(signer, append=True)
        for who, what in ((new, "new"), (old, "old")):
            try:
                if who is not None:
                    who.signed.verify_delegate("root", new.signed_bytes, new.signatures)
            except (UnsignedMetadataError, ValueError, FormatError) as error:
                need = who.signed.roles["root"].threshold if who else 0
                text = f"the {what} root wants {need} of its keys: name every folder they lie in with --root-keys"
                raise LedgerFault("L-505", text) from error
        self._put(self._path("root", new.signed.version), new.to_bytes())
        return new.signed.version

    def _path(self, role: str, version: int) -> Path:
        return self.metadata / f"{version}.{role}.json"

    def _files(self, pattern: str) -> list[Path]:
        """Metadata files, but for what a power cut left half written."""
        return [path for path in self.metadata.glob(pattern) if path.name[0] != "."]

    def _put(self, path: Path, content: bytes) -> None:
        """Durable, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)

    def _tidy(self, targets: int, snapshot: int) -> None:
        """What no terminal can still be reading goes; roots stay for ever, an old terminal needs each of them."""
        for path in self._files("*.*.json"):
            version, role = path.name.split(".")[:2]
            newest = {"targets": targets, "snapshot": snapshot}.get(role, 0)
            if newest and int(version) <= newest - KEPT:
                path.unlink(missing_ok=True)
        named = set()
        for path in self._files("*.targets.json"):
            listed = Metadata[Targets].from_file(str(path)).signed.targets
            named |= {self.targets / target_name(told) for told in listed.values()}
        for path in list(self.targets.rglob("*")):
            if path.is_file() and path not in named:
                path.unlink()

    def _expires(self, role: str) -> datetime:
        return self._moment() + timedelta(days=DAYS[role])

    def _half_over(self, role: str, expires: datetime) -> bool:
        return expires - self._moment() < timedelta(days=DAYS[role]) / 2

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._clock.utc_ms() // 1000, UTC)


def target_name(told: TargetFile) -> str:
    """The file's name under ``targets/``: its hash stands before the name's last part (TUF, consistent snapshots)."""
    folder, slash, name = told.path.rpartition("/")
    return f"{folder}{slash}{told.hashes['sha256']}.{name}"


def _meta(version: int, content: bytes) -> MetaFile:
    return MetaFile.from_data(version, content, ["sha256"])
