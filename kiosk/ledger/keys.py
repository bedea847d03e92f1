"""The signing key in an encrypted PEM file (contract 2 §8), opened by a passphrase that lies in another file."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from kiosk.ledger.note import TERMINAL, Vkey
from kiosk.model.errors import LedgerFault


class KeySigner:
    """An Ed25519 key in memory, with its name; a ``Signer``. May be used from any thread."""

    __slots__ = ("_key", "_vkey")

    def __init__(self, key: Ed25519PrivateKey, name: str, kind: int = TERMINAL) -> None:
        self._key = key
        self._vkey = Vkey(name, kind, key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> Vkey:
        """The public half."""
        return self._vkey

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)


def make_key(path: Path, passphrase_file: Path, name: str, kind: int = TERMINAL, *, more: bytes = b"") -> KeySigner:
    """Makes a key and writes it, durable and readable by its owner only; never over one that is there.

    ``name`` is the origin (kind TERMINAL) or head office's key name (HEAD_OFFICE); ``more`` belongs to the passphrase,
    behind what the file says: what a security chip gives out. Raises LedgerFault L-505.
    """
    passphrase = passphrase_in(passphrase_file) + more
    signer = KeySigner(Ed25519PrivateKey.generate(), name, kind)
    pem = signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    try:
        write_new(path, pem)
    except OSError as error:
        raise LedgerFault("L-505", f"the signing key cannot be written: {error}") from error
    return signer


def load_key(path: Path, passphrase_file: Path, name: str, kind: int = TERMINAL, *, more: bytes = b"") -> KeySigner:
    """The key of a file; ``more`` as when it was made. Raises LedgerFault L-505: not read, not opened, not Ed25519."""
    passphrase = passphrase_in(passphrase_file) + more
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerFault("L-505", f"the signing key {path} cannot be opened: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerFault("L-505", f"{path} is not an Ed25519 key")
    return KeySigner(key, name, kind)


def private_text(path: Path, what: str) -> bytes:
    """A secret's file, without its line end. Raises LedgerFault L-505: it cannot be read, is empty, or others may."""
    try:
        if path.stat().st_mode & 0o077:
            raise LedgerFault("L-505", f"{what} in {path} can be read by others: chmod 600")
        secret = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise LedgerFault("L-505", f"{what} cannot be read: {error}") from error
    if not secret:
        raise LedgerFault("L-505", f"{what} is not in {path}: the file is empty")
    return secret


def passphrase_in(path: Path) -> bytes:
    """What a passphrase's file says, without its line end. Raises LedgerFault L-505: it cannot be read, or is empty."""
    try:
        passphrase = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise LedgerFault("L-505", f"the passphrase cannot be read: {error}") from error
    if not passphrase:
        raise LedgerFault("L-505", f"the passphrase file {path} is empty")
    return passphrase


def write_new(path: Path, content: bytes) -> None:
    """A secret's file, whole or not at all, for its owner only: written beside, flushed, then linked to its name, which
    must be free. Raises OSError.
    """
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)  # of a start that was cut off
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(handle, 0o600)
        left = memoryview(content)
        while left:  # a disk that is nearly full takes a part, and says so
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(beside, path)  # unlike rename, refuses to replace a key
    finally:
        beside.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
