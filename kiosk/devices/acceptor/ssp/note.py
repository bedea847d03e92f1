"""A note between the slot and the box, as the host knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Stage(Enum):
    """How far a note in escrow has come."""

    WAITING = auto()  # an older credit is not recorded yet
    UNDECIDED = auto()
    TO_BOX = auto()
    TO_CUSTOMER = auto()
    DOUBTED = auto()  # REJECT was refused: HOLD tells whether it is still there
    GONE = auto()  # it goes back: polls say no more than that


HELD = frozenset((Stage.WAITING, Stage.UNDECIDED, Stage.DOUBTED))


@dataclass(slots=True)
class Note:
    """The note in the machine."""

    channel: int
    fen: int | None
    stage: Stage
    found: bool = False
    held_ms: int = 0
    quiet: int = 0  # polls at rest since it was sent to the box
