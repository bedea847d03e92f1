"""Keys of the TUF roles on disk: ``<name>.pem``, encrypted, and ``<name>.passphrase`` beside it.

The root's keys lie in folders of their own (sticks in a safe); those of targets, snapshot and timestamp at head office.
A passphrase file may be a link to where it really lies.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import LedgerFault

PASSPHRASE_BYTES = 32


def make(folder: Path, name: str) -> CryptoSigner:
    """A new Ed25519 key, durable, for its owner's eyes; never over one that is there. Raises LedgerFault L-505."""
    key = Ed25519PrivateKey.generate()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = folder / f"{name}.passphrase"
        if not passphrase.exists():
            _put_new(passphrase, secrets.token_urlsafe(PASSPHRASE_BYTES).encode() + b"\n")
        locked = BestAvailableEncryption(_passphrase(passphrase))
        _put_new(folder / f"{name}.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        sync_folder(folder)
    except OSError as error:
        raise LedgerFault("L-505", f"the key {name} cannot be written to {folder}: {error}") from error
    return _signer(key)


def load(folder: Path, name: str) -> CryptoSigner:
    """The key of a name. Raises LedgerFault L-505 if it cannot be read or opened, or is not Ed25519."""
    path = folder / f"{name}.pem"
    try:
        key = load_pem_private_key(path.read_bytes(), _passphrase(folder / f"{name}.passphrase"))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerFault("L-505", f"the key {path} cannot be opened: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerFault("L-505", f"{path} is not an Ed25519 key")
    return _signer(key)


def found(folders: Iterable[Path], start: str) -> list[CryptoSigner]:
    """Every key in these folders whose name begins so. Raises LedgerFault L-505 like ``load``."""
    return [load(folder, path.stem) for folder in folders for path in sorted(folder.glob(f"{start}*.pem"))]


def key_id(signer: CryptoSigner) -> str:
    """What TUF metadata name the key by."""
    return str(signer.public_key.keyid)


def _signer(key: Ed25519PrivateKey) -> CryptoSigner:
    return CryptoSigner(key, SSlibKey.from_crypto(key.public_key()))


def _passphrase(path: Path) -> bytes:
    passphrase = path.read_bytes().rstrip(b"\r\n")
    if not passphrase:
        raise LedgerFault("L-505", f"the passphrase file {path} is empty")
    return passphrase


def _put_new(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
