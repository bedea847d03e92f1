"""Settings that head office sends: what it may set at a terminal from afar, and within which bounds.

A TOML file like kiosk.toml, with a version that only rises::

    version = 3

    [head_office]
    limit_kbit_s = 9

    [visit]
    amounts_fen = [2000, 5000, 10000]

Only the keys in ``MAY_SET``. Never what belongs to the machine (devices, their lines, paths, keys, which terminal it
is), nor head office's address, nor whether a quarantined ledger sells: a mistake there would cut the road that mends
it, and who has head office's keys for publishing must not gain more by them than the lists. The bounds are there for
the same reason. What is taken out of a later version is again as kiosk.toml says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kiosk.model.errors import ConfigFault

VERSION_MAX = 999_999_999
MISTAKES_TOLD_MAX = 20


class Bound(Protocol):
    """What a value may be."""

    def wrong(self, value: Any) -> str:
        """What is wrong with it; "" if nothing is."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; also ``besides``, if that is not None."""

    least: int
    most: int
    besides: int | None = None

    def wrong(self, value: Any) -> str:
        """As Bound."""
        if type(value) is int and (self.least <= value <= self.most or value == self.besides):
            return ""
        other = "" if self.besides is None else f", or {self.besides}"
        return f"must be a whole number from {self.least} to {self.most}{other}"


@dataclass(frozen=True, slots=True)
class Wholes:
    """A list of different whole numbers, rising."""

    each: Whole
    count: int

    def wrong(self, value: Any) -> str:
        """As Bound."""
        if type(value) is not list or not 1 <= len(value) <= self.count or any(self.each.wrong(one) for one in value):
            return f"must be a list of 1 to {self.count}, of which each {self.each.wrong(None)}"
        return "" if value == sorted(set(value)) else "must rise, and have none twice"


@dataclass(frozen=True, slots=True)
class Words:
    """Some letters on one line."""

    most: int

    def wrong(self, value: Any) -> str:
        """As Bound."""
        right = type(value) is str and 1 <= len(value) <= self.most and value.isprintable() and value == value.strip()
        return "" if right else f"must be a text of 1 to {self.most} letters on one line"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words."""

    words: tuple[str, ...]

    def wrong(self, value: Any) -> str:
        """As Bound."""
        return "" if value in self.words else f"must be {' or '.join(self.words)}"


_PAGE_MS = Whole(10_000, 600_000)  # a page that goes too soon sells nothing, one that stays keeps others waiting
MAY_SET: Mapping[str, Mapping[str, Bound]] = {
    "terminal": {
        "operator_zh": Words(40),
        "operator_en": Words(60),
        "place_zh": Words(40),
        "place_en": Words(60),
        "phone": Words(20),
        "language": OneOf(("zh-CN", "en")),
    },
    "head_office": {
        "retry_min_ms": Whole(1_000, 60_000),
        "retry_max_ms": Whole(60_000, 3_600_000),
        "heartbeat_ms": Whole(60_000, 86_400_000),  # at least daily (contract 2 §6)
        "limit_kbit_s": Whole(1, 1_000_000, besides=0),
    },
    "downlink": {"poll_ms": Whole(10_000, 86_400_000)},
    "ledger": {"keep_days": Whole(30, 36_500, besides=0)},
    "visit": {
        "denominations_fen": Wholes(Whole(100, 100_000), 12),
        "amounts_fen": Wholes(Whole(100, 1_000_000), 8),
        **dict.fromkeys(("visit_ms", "paying_ms", "away_ms", "refused_ms", "done_ms", "jam_ms"), _PAGE_MS),
        "note_ms": Whole(2_000, 60_000),
    },
}


@dataclass(frozen=True, slots=True)
class OfficeSettings:
    """``tables``: as they stand in kiosk.toml, only what is set."""

    version: int = 0
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse_settings(text: str, *, needs_version: bool = True) -> OfficeSettings:
    """The settings a text says. Raises ConfigFault F-718 that lists the mistakes.

    ``needs_version``: not for those of an enrolment's answer, which come once (version 0 then).
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFault("F-718", f"settings of head office: {error}") from error
    mistakes = []
    version = tables.pop("version", None if needs_version else 0)
    if type(version) is not int or not int(needs_version) <= version <= VERSION_MAX:
        mistakes.append("'version' must be a whole number from 1")
    for name, table in tables.items():
        if name not in MAY_SET or not isinstance(table, dict):
            mistakes.append(f"[{name}] is not for head office to set")
            continue
        for key, value in table.items():
            bound = MAY_SET[name].get(key)
            wrong = bound.wrong(value) if bound else "is not for head office to set"
            mistakes += [f"[{name}] {key!r} {wrong}"] if wrong else []
    if mistakes:
        raise ConfigFault("F-718", "settings of head office: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return OfficeSettings(version, tables)
