"""What a rule is, and the four ways it can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiosk.drivers.sdk.kit.bench import Bench


class RuleBroken(Exception):
    """The driver breaks the rule: what was done, what the contract expects, what came, where to look."""

    def __init__(self, what: str, expected: str, got: str, hint: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, got {got}")
        self.what, self.expected, self.got, self.hint = what, expected, got, hint


class NotOffered(Exception):
    """The driver does not have what the rule is about; it neither holds nor fails."""


class Blocked(Exception):
    """The rule could not be tried because something it stands on does not work; that has a rule of its own."""


class Outcome(Enum):
    """How a rule ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not offered"
    BLOCKED = "could not be tried"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call: the request, the answer (empty: none), and what reached the card meanwhile."""

    request: bytes
    answer: bytes
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of contract 1: its paragraph, its sentence in both languages, and how to try it."""

    paragraph: str
    title: str
    title_zh: str
    check: Callable[[Bench], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one rule ended, with the calls that led there and the card before the last of them, as rows of hex."""

    rule: Rule
    outcome: Outcome
    why: str = ""
    hint: str = ""
    calls: tuple[Exchange, ...] = field(default=())
    card: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()  # the rule holds; this could be better
    parts: tuple[str, str, str] | None = None  # of ``why``: what was done, what was expected, what came


def demand(holds: bool, what: str, expected: str, got: str, hint: str = "") -> None:
    """Raises RuleBroken unless ``holds``."""
    if not holds:
        raise RuleBroken(what, expected, got, hint)
