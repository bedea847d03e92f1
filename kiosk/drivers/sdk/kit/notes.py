"""What the bench knows: of the driver, of a card it made, of every call of the whole check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.verdict import Exchange
from kiosk.model.cardport import VirtualCard


@dataclass(frozen=True, slots=True)
class About:
    """What DESCRIBE says."""

    commands: frozenset[int]
    counts_money: bool
    may_stack: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A card in a known state. ``bought`` is the newest purchase on it, ``last`` its count."""

    card: VirtualCard
    person: Person
    last: int
    bought: Bought | None = None


@dataclass(slots=True)
class Notes:
    """What was seen over the whole check, for the rules that speak of every call."""

    calls: int = 0
    slowest_ms: int = 0
    late: Counter[bytes] = field(default_factory=Counter)  # by the command byte
    protected: int = 0  # writes to protection bits
    forms: list[tuple[str, Exchange]] = field(default_factory=list)
    unmeant: list[tuple[str, Exchange]] = field(default_factory=list)  # writes where none may be
    outside: list[tuple[str, Exchange]] = field(default_factory=list)
    secrets: list[tuple[str, Exchange]] = field(default_factory=list)
    read_verifies: list[tuple[str, Exchange]] = field(default_factory=list)
