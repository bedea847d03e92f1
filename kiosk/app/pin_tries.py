"""Wrong PINs, counted so that pulling the plug does not give another try.

A try is written down as wrong before the PIN is looked at, durable, and crossed out if it was right. After the third in
a row each next one must wait, half a minute first, a quarter of an hour at last; after ten the person is locked, until
head office gives them another PIN: ten of a million. The file holds no PIN and no hash of one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

from kiosk.billing.staff import Person
from kiosk.ledger.keys import sync_folder
from kiosk.ledger.pins import matches
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault

WAITS_S = (0, 0, 30, 60, 300)  # after so many wrong ones in a row, and ever after
WAIT_MAX_S = 900
TRIES_MAX = 10
TAG_HEX = 16
# Nobody's: a number that is not on the list takes as long as one that is (64 MiB, 3 passes, 4 lanes).
NOBODYS = (
    "$argon2id$v=19$m=65536,t=3,p=4$phc9yLwDhSx+2Fwk5ia9/A$J86Cg+M5QNqwqaPn2X+T4lGTgFe0LZU0v2S5aq85rhs"  # of no secret
)


class Said(StrEnum):
    """How a try ended."""

    RIGHT = "right"
    WRONG = "wrong"
    WAIT = "wait"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait_ms``: before the next try is looked at, for WRONG and WAIT."""

    said: Said
    wait_ms: int = 0


class PinTries:
    """The file of a terminal; any thread, any process. ``matches_pin`` is replaced in tests of the counting."""

    def __init__(self, path: Path, clock: Clock, matches_pin: Callable[[str, str], bool] = matches) -> None:
        self._path, self._clock, self._matches = path, clock, matches_pin

    def verify(self, person: Person | None, pin: str) -> Verdict:
        """Whether this is the person's PIN; None: nobody has the number. Raises LedgerFault L-502."""
        if person is None:
            self._matches(pin, NOBODYS)
            return Verdict(Said.WRONG)
        with self._alone():
            rows = self._read()
            tag = sha256(person.pin.encode()).hexdigest()[:TAG_HEX]
            row = rows.get(person.number, {})
            wrong, at_ms = (row["wrong"], row["at_ms"]) if row.get("tag") == tag else (0, 0)
            if wrong >= TRIES_MAX:
                return Verdict(Said.LOCKED)
            now_ms = self._clock.utc_ms()
            if wrong and now_ms < at_ms:  # the clock was set back: the wait begins anew
                at_ms = now_ms
                self._write(rows | {person.number: {"tag": tag, "wrong": wrong, "at_ms": at_ms}})
            left_ms = at_ms + _wait_ms(wrong) - now_ms
            if left_ms > 0:
                return Verdict(Said.WAIT, left_ms)
            self._write(rows | {person.number: {"tag": tag, "wrong": wrong + 1, "at_ms": now_ms}})
            if self._matches(pin, person.pin):
                self._write({number: kept for number, kept in rows.items() if number != person.number})
                return Verdict(Said.RIGHT)
            if wrong + 1 >= TRIES_MAX:
                return Verdict(Said.LOCKED)
            return Verdict(Said.WRONG, _wait_ms(wrong + 1))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._path.with_name(f"{self._path.name}.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise LedgerFault("L-502", f"wrong PINs cannot be counted in {self._path}: {error}") from error

    def _read(self) -> dict[str, dict[str, Any]]:
        """A file that says anything else is not taken for an empty one: whoever tore it would have all tries again."""
        if not self._path.exists():
            return {}
        try:
            rows = json.loads(self._path.read_bytes())
            for row in rows.values():
                if not (type(row["wrong"]) is type(row["at_ms"]) is int and type(row["tag"]) is str):
                    raise ValueError("no count")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            text = f"{self._path} is damaged, and says how many wrong PINs there were; head office decides"
            raise LedgerFault("L-502", text) from error
        return dict(rows)

    def _write(self, rows: dict[str, dict[str, Any]]) -> None:
        beside = self._path.with_name(f".{self._path.name}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        sync_folder(self._path.parent)


def _wait_ms(wrong: int) -> int:
    """Before the next try, after so many wrong ones in a row."""
    return 1000 * (WAITS_S[wrong - 1] if 0 < wrong <= len(WAITS_S) else WAIT_MAX_S if wrong else 0)
