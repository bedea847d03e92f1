"""``hq.toml`` in head office's folder, if there is one: which database, and when to call for people.

::

    database = "postgresql://hq@db.example/hq"   # "" or left out: SQLite, hq.db in the folder
    silent_after_hours = 36                      # without a word there is an alarm; `kiosk hq expect` for one terminal
    gap_after_hours = 6                          # a terminal has signed more than is here, and nothing comes

A password in the URL is a secret: then the file must be readable by its owner only. It may also stand where
PostgreSQL's own programs look for it (~/.pgpass, PGPASSWORD).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from kiosk.hq.watch import HOUR_MS, Limits
from kiosk.model.errors import ConfigFault

FILE = "hq.toml"
HOURS_MAX = 24 * 366


@dataclass(frozen=True, slots=True)
class HqSettings:
    """Head office's settings; hours are whole and at least 1."""

    database: str = ""
    silent_after_hours: int = 36
    gap_after_hours: int = 6

    @property
    def limits(self) -> Limits:
        """As the clerk takes them."""
        return Limits(self.silent_after_hours * HOUR_MS, self.gap_after_hours * HOUR_MS)


def load_settings(folder: Path) -> HqSettings:
    """The folder's settings, or the defaults. Raises ConfigFault F-701 with every mistake."""
    path = folder / FILE
    if not path.exists():
        return HqSettings()
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ConfigFault("F-701", f"{path} cannot be read: {error}") from error
    known = {each.name: type(each.default) for each in fields(HqSettings)}
    faults = [f"{key} is not known" for key in given.keys() - known.keys()]
    faults += [
        f"{key} is not {_WORDS[known[key]]}" for key in given.keys() & known.keys() if not _fits(given[key], known[key])
    ]
    if not faults and mode & 0o077 and _has_password(given.get("database", "")):
        faults.append("others can read it, and there is a password in it: chmod 600")
    if faults:
        raise ConfigFault("F-701", f"{path}: {'; '.join(sorted(faults))}")
    return HqSettings(**given)


_WORDS = {str: "a text", int: f"a whole number of hours, 1 to {HOURS_MAX}"}


def _fits(value: object, kind: type) -> bool:
    return type(value) is kind and (kind is not int or 1 <= int(str(value)) <= HOURS_MAX)


def _has_password(url: str) -> bool:
    try:
        return bool(urlparse(url).password) or "password=" in url
    except ValueError:
        return True
