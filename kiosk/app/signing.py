"""The terminal's signing key, wherever its settings keep it: in an encrypted file, a token, or a file a chip seals."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from kiosk.config import Config
from kiosk.ledger.hardware.chip import Chip
from kiosk.ledger.hardware.token import ID_BYTES, TokenPlace, TokenSigner, make_token_key
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.keys import load_key, make_key, sync_folder
from kiosk.ledger.note import Signer
from kiosk.ledger.sealing import Opener, load_sealing_key, make_sealing_key
from kiosk.model.errors import LedgerFault

KEY, TOKEN_ID, SEALED = "signing-key.pem", "signing-key.token", "signing-key.sealed"
SECRET_BYTES = 32


def ledger_origin(config: Config) -> str:
    """The name of the ledger at hand: it says itself which epoch it is.

    Raises LedgerFault L-505: there is none yet, or it is another terminal's; L-501: it cannot be read.
    """
    if not config.journal.exists():
        raise LedgerFault("L-505", f"there is no ledger in {config.home}: `kiosk enrol` makes one, with its key")
    with JournalReader(config.journal) as log:
        origin = log.vkey.name
    if origin.rpartition("/")[0] != config.place:
        raise LedgerFault("L-505", f"the ledger here is {origin}'s, and kiosk.toml says {config.place}")
    return origin


def opened_signer(config: Config) -> Signer:
    """The key of the ledger at hand. Raises LedgerFault L-505, L-501."""
    return open_key(config, config.home, ledger_origin(config))


def make_terminal_key(config: Config, folder: Path, name: str) -> Signer:
    """Makes a key whose parts lie in ``folder``. Raises LedgerFault L-505."""
    match config.keys.kept:
        case "token":
            key_id = secrets.token_bytes(ID_BYTES)
            make_token_key(_token(config), key_id)
            _keep(folder / TOKEN_ID, key_id.hex().encode() + b"\n")
        case "chip":
            secret = secrets.token_bytes(SECRET_BYTES)
            Chip(config.chip.tcti).seal(secret, folder, SEALED)
            for part in folder.glob(f"{SEALED}.*"):
                _sync(part)
            make_key(folder / KEY, config.keys.passphrase_file, name, more=secret.hex().encode())
        case _:
            make_key(folder / KEY, config.keys.passphrase_file, name)
    return open_key(config, folder, name)


def open_key(config: Config, folder: Path, name: str) -> Signer:
    """The key whose parts lie in ``folder``, under a name. Raises LedgerFault L-505."""
    match config.keys.kept:
        case "token":
            try:
                key_id = bytes.fromhex((folder / TOKEN_ID).read_text(encoding="ascii"))
            except (OSError, ValueError) as error:
                raise LedgerFault("L-505", f"{folder / TOKEN_ID} cannot be read: {error}") from error
            return TokenSigner(_token(config), key_id, name)
        case "chip":
            secret = Chip(config.chip.tcti).unseal(folder, SEALED)
            return load_key(folder / KEY, config.keys.passphrase_file, name, more=secret.hex().encode())
        case _:
            return load_key(folder / KEY, config.keys.passphrase_file, name)


def sealing_opener(config: Config) -> Opener:
    """What opens secrets sealed to this terminal; its key is made, once, if it is not there. Raises LedgerFault L-505.

    It belongs to the machine and not to an epoch: what is sealed to it stays readable when the next one begins here.
    """
    path, passphrase = config.sealing_key, config.keys.passphrase_file
    name = f"{config.terminal.region}/{config.terminal.id}"
    if not path.exists():
        make_sealing_key(path, passphrase, name)
    return load_sealing_key(path, passphrase, name)


def _token(config: Config) -> TokenPlace:
    token = config.token
    assert token.module is not None, "checked with the settings"
    assert token.pin_file is not None, "checked with the settings"
    return TokenPlace(token.module, token.label, token.pin_file)


def _keep(path: Path, content: bytes) -> None:
    """Writes a small file, durable. Raises LedgerFault L-505."""
    try:
        path.write_bytes(content)
        _sync(path)
    except OSError as error:
        raise LedgerFault("L-505", f"{path} cannot be written: {error}") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)
