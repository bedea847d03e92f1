"""One process at a time: a journal is locked by a file beside it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from kiosk.model.errors import LedgerFault


def lock_beside(path: Path) -> IO[bytes]:
    """Locks the journal for this process by a file beside it. Raises LedgerFault L-506, L-502."""
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise LedgerFault("L-502", f"cannot lock the journal: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LedgerFault("L-506", f"{path} is open in another process") from error
    return lock
