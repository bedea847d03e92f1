"""What the downlink offers the kiosk: verified files by their SHA-256, and one page that says which is which.

The downlink is the only writer of ``downlink/``; the kiosk only reads it and copies out what it installs. The page is
put in place last, so a file that it names is whole and durable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import LedgerFault

FOLDER, PAGE, FILES = "downlink", "offer.json", "files"
PAGE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Offer:
    """The last good publication. ``targets``: name → SHA-256, 64 hex digits."""

    version: int = 0  # of the TUF targets role
    at_ms: int = 0  # UTC, when it was last found to be the newest
    code: str = ""  # S-631, S-632: why the last try brought nothing; "" when all is well
    targets: Mapping[str, str] = field(default_factory=dict)


def read_offer(folder: Path) -> Offer:
    """The page of a downlink's folder; without one, nothing is offered. Raises LedgerFault L-502 if it is damaged."""
    try:
        raw = (folder / PAGE).read_bytes()
        if len(raw) > PAGE_BYTES_MAX:
            raise ValueError("too long")
        offer = Offer(**json.loads(raw))
    except FileNotFoundError:
        return Offer()
    except (OSError, ValueError, TypeError) as error:
        raise LedgerFault("L-502", f"{folder / PAGE} cannot be read: {error}") from error
    return offer


def read_file(folder: Path, digest: str) -> bytes:
    """A file that is offered. Raises LedgerFault L-502 unless it is whole."""
    try:
        content = (folder / FILES / digest).read_bytes()
    except OSError as error:
        raise LedgerFault("L-502", f"a file that was offered cannot be read: {error}") from error
    if sha256(content).hexdigest() != digest:
        raise LedgerFault("L-502", f"{folder / FILES / digest} is damaged; it is fetched again")
    return content


def write_offer(folder: Path, offer: Offer) -> None:
    """Durable, whole or not at all. Raises OSError."""
    beside = folder / f".{PAGE}"
    with beside.open("w", encoding="ascii") as file:
        json.dump(asdict(offer), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / PAGE)
    sync_folder(folder)
