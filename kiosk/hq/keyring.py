"""Head office's key on disk: an encrypted PEM, its passphrase in a file of its own, and the public half as text.

A data folder holds ``hq.key``, ``hq.vkey`` and ``passphrase`` (or a link to where that really lies). A new key is made
only on request: a head office that quietly made itself another key would be a stranger to its terminals.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from kiosk.ledger.keys import KeySigner, load_key, make_key, write_new
from kiosk.ledger.note import HEAD_OFFICE, Vkey, is_head_office
from kiosk.model.errors import LedgerFault

KEY, VKEY, PASSPHRASE = "hq.key", "hq.vkey", "passphrase"


def create_signer(folder: Path, domain: str, number: int) -> KeySigner:
    """Makes the key ``<domain>/ledger-hq/<number>``, and a passphrase unless one is there. Raises LedgerFault L-505."""
    name = f"{domain}/ledger-hq/{number}"
    if not is_head_office(name):
        raise LedgerFault("L-505", f"{name} cannot name a key: a domain is like power.example, a number 1 or more")
    if (folder / KEY).exists() and (folder / VKEY).exists():
        hint = "`kiosk hq vkey` prints it; a further key needs a folder of its own, with --db naming the same database"
        raise LedgerFault("L-505", f"{folder} holds head office's key already: {hint}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = folder / PASSPHRASE
        if not (folder / KEY).exists() and _is_lacking(passphrase):
            passphrase.unlink(missing_ok=True)
            write_new(passphrase, f"{secrets.token_urlsafe(32)}\n".encode())  # without it the key is worth nothing
        # A key without its public half is that of a start that was cut off: nobody has heard of it.
        made = load_key if (folder / KEY).exists() else make_key
        signer = made(folder / KEY, passphrase, name, HEAD_OFFICE)
        (folder / VKEY).unlink(missing_ok=True)
        write_new(folder / VKEY, f"{signer.vkey}\n".encode())
        (folder / VKEY).chmod(0o644)
    except LedgerFault as fault:
        raise LedgerFault("L-505", f"{folder}: {fault.args[0]}") from fault
    except OSError as error:
        raise LedgerFault("L-505", f"the key cannot be written: {error}") from error
    return signer


def _is_lacking(passphrase: Path) -> bool:
    """There is none, or an empty file that a start left which was cut off."""
    return not passphrase.is_symlink() and (not passphrase.exists() or passphrase.stat().st_size == 0)


def read_vkey(folder: Path) -> Vkey:
    """The public half. Raises LedgerFault L-505."""
    try:
        return Vkey.parse((folder / VKEY).read_text(encoding="ascii").removesuffix("\n"))
    except (OSError, ValueError, LedgerFault) as error:
        text = (
            f"{folder / VKEY} cannot be read ({error}): name the folder with --data, or make a key with `kiosk hq init`"
        )
        raise LedgerFault("L-505", text) from error


def open_signer(folder: Path) -> KeySigner:
    """The key. Raises LedgerFault L-505 if it cannot be opened, or is not that of ``hq.vkey``."""
    vkey = read_vkey(folder)
    signer = load_key(folder / KEY, folder / PASSPHRASE, vkey.name, HEAD_OFFICE)
    if signer.vkey != vkey:
        raise LedgerFault("L-505", f"{folder / KEY} is not the key of {folder / VKEY}")
    return signer
