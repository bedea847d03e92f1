"""A note validator as a machine: what it does as time passes and hands touch it. It speaks no protocol.

Time is a parameter: every method that takes ``now_ms`` first lets pass what has become due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


class Phase(Enum):
    """What the machine is doing."""

    OFF = auto()
    POWER_UP = auto()
    INITIALIZING = auto()
    IDLE = auto()  # open for notes
    DISABLED = auto()
    ACCEPTING = auto()
    ESCROW = auto()
    HOLDING = auto()
    STACKING = auto()
    STACKED = auto()  # until acknowledged
    RETURNING = auto()
    RETURNED = auto()  # until acknowledged
    REJECTING = auto()
    JAM_IN_VALIDATOR = auto()
    JAM_IN_STACKER = auto()
    FULL = auto()
    REMOVED = auto()
    CHEATED = auto()
    FAILURE = auto()


Place = Literal["none", "validator", "stacker"]


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things take, in ms; a CashCode SM's, roughly."""

    initialize_ms: int = 3_000
    accept_ms: int = 1_200
    escrow_ms: int = 10_000
    stack_ms: int = 900  # the first half can still be undone
    return_ms: int = 800
    reject_ms: int = 800
    cheat_ms: int = 1_000

    def faster(self, times: int) -> Timings:
        """The same, sped up."""
        fields = {name: max(1, getattr(self, name) // times) for name in self.__slots__}
        return Timings(**fields)


@dataclass(frozen=True, slots=True)
class Look:
    """What one sees of the machine."""

    phase: Phase = Phase.OFF
    note_fen: int | None = None  # in the machine
    place: Place = "none"
    open_for_fen: frozenset[int] = frozenset()
    box: tuple[tuple[int, int], ...] = ()  # (fen, pieces) in the cash box
    handed_back: tuple[tuple[int, int], ...] = ()  # (fen, pieces) given back to customers
    reason: str = ""  # of the last rejection


MOVING = {Phase.ACCEPTING, Phase.STACKING, Phase.RETURNING, Phase.REJECTING}
AT_REST = {Phase.IDLE, Phase.DISABLED, Phase.FULL, Phase.REMOVED}


class Validator:
    """One machine, bought without power. Not thread-safe: its owner locks."""

    def __init__(
        self,
        kinds_fen: tuple[int, ...] = (100, 500, 1000, 2000, 5000, 10000),
        timings: Timings = Timings(),
        capacity: int = 600,
    ) -> None:
        self.kinds_fen = kinds_fen
        self.timings = timings
        self.capacity = capacity
        self.box: Counter[int] = Counter()
        self.handed_back: Counter[int] = Counter()
        self.phase = Phase.OFF
        self.note_fen: int | None = None
        self.place: Place = "none"
        self.reason = ""  # of the last rejection
        self.failure = 0  # CCNET's code
        self.handed_fen: int | None = None  # the last note that went back
        self._genuine = True
        self._box_in = True
        self._due_ms: int | None = None
        self._enabled: frozenset[int] = frozenset()
        self._in_escrow: frozenset[int] = frozenset()
        self._unheard = False  # power went before the last credit was acknowledged

    @property
    def look(self) -> Look:
        """What one sees now."""
        counted = tuple(sorted(self.box.items())), tuple(sorted(self.handed_back.items()))
        open_for = (
            frozenset(self.kinds_fen[kind] for kind in self._enabled) if self.phase is Phase.IDLE else frozenset()
        )
        return Look(self.phase, self.note_fen, self.place, open_for, *counted, self.reason)

    # ---- time

    def pass_time(self, now_ms: int) -> None:
        """Lets happen what is due."""
        while self._due_ms is not None and now_ms >= self._due_ms:
            due, self._due_ms = self._due_ms, None
            self._happen(due)

    def _happen(self, now_ms: int) -> None:
        if self.phase is Phase.INITIALIZING:
            self._initialized(now_ms)
        elif self.phase is Phase.ACCEPTING:
            self._looked_at(now_ms)
        elif self.phase in (Phase.ESCROW, Phase.HOLDING):
            self._go(Phase.RETURNING, now_ms, self.timings.return_ms)
        elif self.phase is Phase.STACKING:
            self._pushed(now_ms)
        elif self.phase is Phase.RETURNING:
            self._hand_back()
            self._go(Phase.RETURNED)
        elif self.phase is Phase.REJECTING:
            self._hand_back()
            self._come_to_rest()
        elif self.phase is Phase.CHEATED:
            self._come_to_rest()

    def _go(self, phase: Phase, now_ms: int = 0, lasts_ms: int | None = None) -> None:
        self.phase = phase
        self._due_ms = None if lasts_ms is None else now_ms + lasts_ms

    def _come_to_rest(self) -> None:
        self.note_fen, self.place = None, "none"
        if not self._box_in:
            self._go(Phase.REMOVED)
        elif self.box.total() >= self.capacity:
            self._go(Phase.FULL)
        else:
            self._go(Phase.IDLE if self._enabled else Phase.DISABLED)

    def _hand_back(self) -> None:
        if self.note_fen is not None:
            self.handed_back[self.note_fen] += 1
            self.handed_fen = self.note_fen
        self.note_fen, self.place = None, "none"

    def _initialized(self, now_ms: int) -> None:
        if self.place == "validator":
            self._go(Phase.RETURNING, now_ms, self.timings.return_ms)
        else:
            self._come_to_rest()

    def _looked_at(self, now_ms: int) -> None:
        kind = self.kinds_fen.index(self.note_fen) if self.note_fen in self.kinds_fen else None
        if not self._genuine or kind is None:
            self._reject("verification", now_ms)
        elif kind not in self._enabled:
            self._reject("inhibited", now_ms)
        elif kind in self._in_escrow:
            self._go(Phase.ESCROW, now_ms, self.timings.escrow_ms)
        else:
            self._go(Phase.STACKING, now_ms, self.timings.stack_ms // 2)

    def _reject(self, reason: str, now_ms: int) -> None:
        self.reason = reason
        self._go(Phase.REJECTING, now_ms, self.timings.reject_ms)

    def _pushed(self, now_ms: int) -> None:
        if self.place == "validator":  # the first half is done: no way back
            self.place = "stacker"
            self._go(Phase.STACKING, now_ms, self.timings.stack_ms - self.timings.stack_ms // 2)
        elif not self._box_in:
            self._go(Phase.JAM_IN_STACKER)
        else:
            self._drop_into_box()
            self._go(Phase.STACKED)

    def _drop_into_box(self) -> None:
        if self.note_fen is not None:
            self.box[self.note_fen] += 1

    @property
    def due_ms(self) -> int | None:
        """When something happens by itself; None if nothing is under way."""
        return self._due_ms

    @property
    def enabled(self) -> frozenset[int]:
        """The kinds it is open for, by their place."""
        return self._enabled

    # ---- what the controller commands; True if it is done, False if it makes no sense now

    def enable(self, kinds: frozenset[int], in_escrow: frozenset[int], now_ms: int) -> bool:
        """Opens for these kinds, of which those wait in escrow; none closes."""
        self.pass_time(now_ms)
        if self.phase in (Phase.POWER_UP, Phase.INITIALIZING):
            return False
        known = frozenset(range(len(self.kinds_fen)))
        self._enabled, self._in_escrow = kinds & known, in_escrow & known
        if self.phase in (Phase.IDLE, Phase.DISABLED):
            self._come_to_rest()
        return True

    def stack(self, now_ms: int) -> bool:
        """Pushes the note in escrow into the box."""
        self.pass_time(now_ms)
        if self.phase not in (Phase.ESCROW, Phase.HOLDING):
            return False
        self._go(Phase.STACKING, now_ms, self.timings.stack_ms // 2)
        return True

    def give_back(self, now_ms: int) -> bool:
        """Returns the note in escrow."""
        self.pass_time(now_ms)
        if self.phase not in (Phase.ESCROW, Phase.HOLDING):
            return False
        self._go(Phase.RETURNING, now_ms, self.timings.return_ms)
        return True

    def hold(self, now_ms: int) -> bool:
        """Keeps the note in escrow for another while."""
        self.pass_time(now_ms)
        if self.phase not in (Phase.ESCROW, Phase.HOLDING):
            return False
        self._go(Phase.HOLDING, now_ms, self.timings.escrow_ms)
        return True

    def reset(self, now_ms: int) -> bool:
        """Begins anew: a note in the validator goes back, all that was not acknowledged is forgotten."""
        self.pass_time(now_ms)
        if self.phase in (Phase.JAM_IN_VALIDATOR, Phase.JAM_IN_STACKER, Phase.FAILURE):
            return True
        if self.place == "stacker":
            if self.phase is not Phase.STACKED and not self._unheard:
                self._drop_into_box()
            self.note_fen, self.place = None, "none"
        self._enabled, self._unheard = frozenset(), False
        self._go(Phase.INITIALIZING, now_ms, self.timings.initialize_ms)
        return True

    def acknowledged(self, now_ms: int) -> None:
        """The controller has heard the event."""
        self.pass_time(now_ms)
        if self.phase in (Phase.STACKED, Phase.RETURNED):
            self._come_to_rest()

    # ---- what hands do

    def feed(self, fen: int, now_ms: int, genuine: bool = True) -> bool:
        """A customer pushes a note in; False if the slot does not take it."""
        self.pass_time(now_ms)
        if self.phase is not Phase.IDLE:
            return False
        self.note_fen, self.place, self._genuine = fen, "validator", genuine
        self._go(Phase.ACCEPTING, now_ms, self.timings.accept_ms)
        return True

    def pull(self, now_ms: int) -> bool:
        """A customer pulls at the note; False if it is too far in."""
        self.pass_time(now_ms)
        if self.phase is not Phase.ACCEPTING:
            return False
        self._reject("insertion", now_ms)
        return True

    def power_off(self, now_ms: int) -> None:
        """The power goes."""
        self.pass_time(now_ms)
        self._unheard = self._unheard or self.phase is Phase.STACKED
        if self.phase is Phase.RETURNED:
            self.note_fen, self.place = None, "none"
        self._go(Phase.OFF)

    def power_on(self, now_ms: int) -> None:
        """The power comes; where a note lies is what POWER_UP says."""
        self.pass_time(now_ms)
        if self.phase is not Phase.OFF:
            return
        self._enabled = frozenset()
        self._go(Phase.POWER_UP)
        if self.place == "stacker" and not self._unheard:
            self._drop_into_box()  # the stacker runs home first
            self._unheard = True

    def jam(self, now_ms: int) -> bool:
        """The note that moves sticks; False if none does."""
        self.pass_time(now_ms)
        if self.phase not in MOVING:
            return False
        self._go(Phase.JAM_IN_STACKER if self.place == "stacker" else Phase.JAM_IN_VALIDATOR)
        return True

    def clear_jam(self, now_ms: int) -> None:
        """Somebody frees the path with the power on: the note goes the way it went."""
        self.pass_time(now_ms)
        if self.phase is Phase.JAM_IN_VALIDATOR:
            self._go(Phase.RETURNING, now_ms, self.timings.return_ms)
        elif self.phase is Phase.JAM_IN_STACKER:
            self._go(Phase.STACKING, now_ms, 1)

    def take_box(self, now_ms: int) -> Counter[int]:
        """The box is taken out and emptied; gives what was in it."""
        self.pass_time(now_ms)
        taken, self.box = self.box, Counter()
        self._box_in = False
        if self.phase in AT_REST:
            self._come_to_rest()
        return taken

    def put_box(self, now_ms: int) -> None:
        """An empty box is put in."""
        self.pass_time(now_ms)
        self._box_in = True
        if self.phase in (Phase.REMOVED, Phase.FULL):
            self._enabled = frozenset()
            self._go(Phase.INITIALIZING, now_ms, self.timings.initialize_ms)

    def cheat(self, now_ms: int) -> bool:
        """Somebody fishes; only at rest."""
        self.pass_time(now_ms)
        if self.phase not in (Phase.IDLE, Phase.DISABLED):
            return False
        self._go(Phase.CHEATED, now_ms, self.timings.cheat_ms)
        return True

    def fail(self, failure: int, now_ms: int) -> None:
        """Something breaks (CCNET's failure codes), while no note is in the machine."""
        self.pass_time(now_ms)
        if self.phase in AT_REST:
            self.failure = failure
            self._go(Phase.FAILURE)

    def mend(self, now_ms: int) -> None:
        """And is mended."""
        self.pass_time(now_ms)
        if self.phase is Phase.FAILURE:
            self._enabled = frozenset()
            self._go(Phase.INITIALIZING, now_ms, self.timings.initialize_ms)


OnChange = Callable[[Look], None]
