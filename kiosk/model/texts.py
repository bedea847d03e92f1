"""Every sentence a person reads: loaded from ``assets/text/<name>.<language>.toml``.

A file is TOML whose tables give dotted keys (``[done]`` ``title = …`` is ``done.title``) and whose values are texts.
``{name}`` stands for a value given later; braces mean nothing else. What a screen or slip needs is checked when the
kiosk starts (``check``), so that a forgotten key stops the start and not a customer at 3 a.m.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from kiosk.model.errors import ConfigFault


class Texts:
    """The texts of one file in one language. Immutable."""

    __slots__ = ("_placeholders", "_texts", "language", "name")

    def __init__(self, name: str, language: str, texts: Mapping[str, str]) -> None:
        """Takes texts by dotted key. Raises ValueError that lists every text whose braces are not ``{name}``."""
        self.name = name
        self.language = language
        self._texts = dict(texts)
        self._placeholders: dict[str, frozenset[str]] = {}
        wrong = []
        for key, text in self._texts.items():
            try:
                self._placeholders[key] = _placeholders(text)
            except ValueError as error:
                wrong.append(f"{key}: {error}")
        if wrong:
            raise ValueError("; ".join(wrong))

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def text(self, key: str, /, **values: object) -> str:
        """The text with its placeholders filled; values it does not name are ignored.

        Raises KeyError for an unknown key and for a placeholder without a value.
        """
        if key not in self._texts:
            raise KeyError(f"{self.name}.{self.language}.toml has no {key!r}")
        lacking = self._placeholders[key] - values.keys()
        if lacking:
            raise KeyError(f"{self.name}.{self.language}.toml {key!r} needs {', '.join(sorted(lacking))}")
        return self._texts[key].format(**values)

    def placeholders(self, key: str) -> frozenset[str]:
        """Names between braces in a text. Raises KeyError for an unknown key."""
        return self._placeholders[key]

    def check(self, wanted: Mapping[str, frozenset[str]]) -> None:
        """Holds the texts against what a reader of them will ask: keys, and the values it gives with each.

        Raises KeyError that lists every missing key and every placeholder that would stay empty.
        """
        mistakes = [f"no {key!r}" for key in wanted if key not in self._texts]
        for key, given in wanted.items():
            empty = self._placeholders.get(key, frozenset()) - given
            if empty:
                mistakes.append(f"{key!r} would lack {', '.join(sorted(empty))}")
        if mistakes:
            raise KeyError(f"{self.name}.{self.language}.toml: " + "; ".join(mistakes))


def load_texts(folder: Path, name: str, language: str) -> Texts:
    """The texts of ``<folder>/<name>.<language>.toml``. Raises ConfigFault F-701 that lists the mistakes."""
    path = folder / f"{name}.{language}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return Texts(name, language, dict(_flat(tables, "")))
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ConfigFault("F-701", f"{path}: {error}") from error


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield prefix + key, value
        else:
            raise ValueError(f"{prefix}{key} is not a text: {value!r}")


def _placeholders(text: str) -> frozenset[str]:
    names = set()
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is None:
            continue
        # Only plain names: an attribute, an index or a format would let a text reach into a value.
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"{{{name}}} is not a plain placeholder")
        names.add(name)
    return frozenset(names)
