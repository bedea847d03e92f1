"""What the ledger's commands share: how they are asked, what they say, and what they exit with.

What was found goes to standard output, progress to standard error. 0 good, 1 does not verify, 2 asked wrongly.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kiosk.ledger.note import Vkey
from kiosk.model.errors import LedgerFault

GOOD, WRONG, USAGE = 0, 1, 2
FILE_BYTES_MAX = 1_048_576
YEAR_10000 = 253_402_300_800  # POSIX seconds
KEY_HELP = "a vkey, or a file of vkeys, one a line"
PATH_HELP = "a journal (.db) or an export folder"
SCREEN_EVERY_MS, LINE_EVERY_MS = 200, 10_000


class Usage(Exception):
    """Asked wrongly."""


def guarded(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command whose faults become words on standard error and an exit status."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            return command(arguments)
        except Usage as error:
            sys.stderr.write(f"{plain(str(error))}\n")
            return USAGE
        except LedgerFault as fault:
            sys.stderr.write(f"{plain(str(fault))}\n")
            return WRONG

    return run


def vkeys_of(text: str) -> list[Vkey]:
    """A vkey has two ``+``; anything else is a file's name. Raises Usage."""
    lines = [text] if text.count("+") >= 2 and not Path(text).is_file() else text_of(Path(text)).split("\n")
    try:
        vkeys = [Vkey.parse(line) for line in lines if line]
    except LedgerFault as fault:
        raise Usage(f"not a key: {fault.args[0]}") from fault
    if not vkeys:
        raise Usage(f"{text} holds no key")
    return vkeys


def text_of(path: Path) -> str:
    """A text file's content. Raises Usage."""
    try:
        return bytes_of(path).decode()
    except ValueError as error:
        raise Usage(f"{path} cannot be read: {error}") from error


def bytes_of(path: Path) -> bytes:
    """A small file's content. Raises Usage."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise Usage(f"{path} is too large")
        return path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error}") from error


def utc(seconds: int) -> str:
    """A time in POSIX seconds; the bare number beyond the year 9999, where no calendar here goes."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds < YEAR_10000 else f"{seconds} s after 1970"


def plain(line: str) -> str:
    """One line that shows what it says: what the checked texts hold must not look like our own words."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def say(line: str) -> None:
    """One line on standard output."""
    sys.stdout.write(plain(line) + "\n")


class Progress:
    """How far a long work is, on standard error: one line that changes on a screen, a line now and then in a file."""

    def __init__(self, total: int = 0, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """``total``: entries there will be; 0 if nobody knows."""
        self._total, self._now_ns = total, now_ns
        self._screen = sys.stderr.isatty()
        self._told_ms = self._began_ms = now_ns() // 1_000_000
        self._shown = False

    def __call__(self, done: int) -> None:
        """Tells the number of entries done, if it is time to."""
        at = self._now_ns() // 1_000_000
        if at - self._told_ms >= (SCREEN_EVERY_MS if self._screen else LINE_EVERY_MS):
            self._told_ms, self._shown = at, True
            begin, end = ("\r", " ") if self._screen else ("", "\n")
            of = f" of {self._total} ({100 * done // self._total} %)" if self._total else ""
            rate = done * 1000 // (at - self._began_ms)
            sys.stderr.write(f"{begin}{done}{of} entries 条, {rate}/s{end}")
            sys.stderr.flush()

    def end(self) -> None:
        """The work is over."""
        if self._shown and self._screen:
            sys.stderr.write("\n")
