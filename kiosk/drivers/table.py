"""One TOML table, read key by key; what is wrong is noted, with its place, and reading goes on.

A key that nobody asked for is unknown, and ``close`` says so. What could not be read comes back empty (``""``, 0).
"""

from __future__ import annotations

import re
from typing import Any


class Table:
    """``place`` is how a mistake calls this table, e.g. ``[[card]] 2``; ``mistakes`` is shared by the whole file."""

    def __init__(self, place: str, keys: object, mistakes: list[str]) -> None:
        self._place, self._mistakes = place, mistakes
        self._keys: dict[str, Any] = keys if isinstance(keys, dict) else {}
        self._asked: set[str] = set()
        self._absent = keys is None
        if keys is not None and not isinstance(keys, dict):
            mistakes.append(f"{place} must be a table")
            self._absent = True

    def mistake(self, key: str, why: str) -> None:
        """Notes a mistake at a key."""
        self._mistakes.append(f"{self._place} {key!r} {why}".lstrip())

    def close(self) -> None:
        """Notes every key that nobody asked for."""
        for key in self._keys:
            if key not in self._asked:
                self._mistakes.append(f"{self._place} unknown key {key!r}".lstrip())

    def table(self, key: str) -> Table:
        """A table that must be there."""
        self._asked.add(key)
        inner = self._keys.get(key)
        place = f"{self._place} {key}" if self._place else f"[{key}]"
        if inner is None and not self._absent:
            self._mistakes.append(f"{place} is missing")
        return Table(place, inner, self._mistakes)

    def tables(self, key: str, *, inline: bool = False) -> list[Table]:
        """The tables of an array, none if it is not there. Their places count from 1."""
        self._asked.add(key)
        given = self._keys.get(key, [])
        if not isinstance(given, list):
            self.mistake(key, "must be an array of tables")
            return []
        place = f"{self._place} {key}" if inline else f"[[{key}]]"
        return [Table(f"{place} {at}", inner, self._mistakes) for at, inner in enumerate(given, 1)]

    def text(self, key: str, pattern: str, form: str) -> str:
        """A string of that form."""
        value = self._get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.mistake(key, f"must be {form}, not {value!r}")
            return ""
        return value

    def texts(self, key: str, pattern: str, form: str, least: int = 0) -> tuple[str, ...]:
        """An array of strings of that form, at least so many."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) and re.fullmatch(pattern, v) for v in value):
            self.mistake(key, f"must be an array of strings of {form}, not {value!r}")
            return ()
        if len(value) < least:
            self.mistake(key, f"must have at least {least}")
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words."""
        value = self._get(key, default)
        if value is None:
            return ""
        if value not in choices:
            self.mistake(key, f"must be one of {', '.join(choices)}, not {value!r}")
            return ""
        return str(value)

    def number(self, key: str, low: int, high: int) -> int:
        """A whole number in that range."""
        value = self._get(key)
        if value is None:
            return 0
        if type(value) is not int or not low <= value <= high:
            self.mistake(key, f"must be a whole number from {low} to {high}, not {value!r}")
            return 0
        return value

    def hex(self, key: str, low: int, high: int, default: str | None = None) -> bytes:
        """Bytes in hex, from ``low`` to ``high`` of them."""
        value = self._get(key, default)
        if value is None:
            return b""
        if not isinstance(value, str) or not re.fullmatch(r"([0-9A-Fa-f]{2})*", value):
            self.mistake(key, f"must be pairs of hex digits, not {value!r}")
            return b""
        if not low <= len(value) // 2 <= high:
            self.mistake(key, f"must have {low} to {high} bytes, not {len(value) // 2}")
            return b""
        return bytes.fromhex(value)

    def _get(self, key: str, default: str | None = None) -> Any:
        self._asked.add(key)
        value = self._keys.get(key, default)
        if value is None and not self._absent:
            self.mistake(key, "is missing")
        return value
