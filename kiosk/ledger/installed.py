"""Which lists a ledger says are in force, and how a new epoch is told of them: it must not begin by forgetting.

An entry ``<list>.installed`` names a list by version and SHA-256; the last one of its kind counts. A new epoch begins
with entries of the same words, so an older list is refused there from the first start on, and a list whose file did
not come over is known to be missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kiosk.ledger.brought import Fact
from kiosk.ledger.entry import Draft

INSTALLED = ".installed"
SHA256_BYTES, VERSION_MAX = 32, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in force. ``name``: the kind's first part; where there are several of a kind, ``vendor/<name>``."""

    name: str
    version: int
    sha256: bytes  # 32 bytes

    def draft(self) -> Draft:
        """The entry that says so."""
        head, _, name = self.name.partition("/")
        named = {"name": name} if name else {}
        return Draft(f"{head}{INSTALLED}", None, (), {**named, "version": self.version, "sha256": self.sha256})

    def row(self) -> list[Any]:
        """As it travels."""
        return [self.name, self.version, self.sha256]

    @classmethod
    def of(cls, row: object) -> Listed:
        """The inverse. Raises ValueError for what is none."""
        if not isinstance(row, list) or [type(each) for each in row] != [str, int, bytes]:
            raise ValueError("a list in force has a name, a version and a SHA-256")
        listed = cls(*row)
        head, _, name = listed.name.partition("/")
        good = head in LISTS and (head in NAMED) is bool(name) and len(listed.sha256) == SHA256_BYTES
        if not good or not 0 < listed.version <= VERSION_MAX:
            raise ValueError(f"no list in force: {listed.name!r}")
        return listed


LISTS = frozenset(
    {"price", "customers", "owed", "blocked", "messages", "secrets", "staff", "settings", "vendor", "program"}
)
"""Those that a new epoch is told of. Not the public keys: that list must name the epoch's own, and the old one does
not. Of settings those that were published: what an enrolment brought, the next one brings again."""
ENROLLED = "settings/enrolled"
NAMED = frozenset({"vendor", "settings"})  # of which there are several, each with its name


def listed_by(fact: Fact) -> Listed | None:
    """The list that an entry puts in force, if it does."""
    if not fact.kind.endswith(INSTALLED):
        return None
    name = fact.kind.removesuffix(INSTALLED) + (f"/{fact.data['name']}" if "name" in fact.data else "")
    return Listed(name, fact.data["version"], fact.data["sha256"])


class InForce:
    """Told every entry of a ledger, in order."""

    def __init__(self) -> None:
        self._lists: dict[str, Listed] = {}

    def take(self, fact: Fact) -> None:
        """One more entry."""
        listed = listed_by(fact)
        if listed is not None and listed.name.partition("/")[0] in LISTS and listed.name != ENROLLED:
            self._lists[listed.name] = listed

    @property
    def lists(self) -> tuple[Listed, ...]:
        """By name."""
        return tuple(self._lists[name] for name in sorted(self._lists))


def newest(*told: Iterable[Listed]) -> tuple[Listed, ...]:
    """Of what several ledgers say the higher version of each list, by name."""
    found: dict[str, Listed] = {}
    for listed in (each for lists in told for each in lists):
        if listed.name not in found or listed.version > found[listed.name].version:
            found[listed.name] = listed
    return tuple(found[name] for name in sorted(found))
