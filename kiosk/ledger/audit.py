"""What a check of a whole log keeps in mind, and what it reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kiosk.ledger.note import (
    HEAD_OFFICE,
    TERMINAL,
    Checkpoint,
    Signature,
    Vkey,
    claimed_time,
    cosignature_time,
    signed_by,
)
from kiosk.ledger.totals import Totals
from kiosk.ledger.walk import Walk
from kiosk.model.errors import LedgerFault

PROBLEMS_MAX = 1_000  # kept with their words; all are counted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not verify."""

    seq: int | None  # of the entry; None if it concerns none
    words: str


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature of head office that holds; ``time`` in POSIX seconds."""

    size: int
    time: int
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    origin: str  # as entry 0 says; empty if it cannot be read
    size: int
    root: bytes  # over the entries that are there
    accounts: Mapping[str, int]  # fen by account, debit positive, without those at zero
    kinds: Mapping[str, int]
    checkpoints: int  # signed ones that agree with the entries
    cosigned: Cosignature | None
    cosigned_unchecked: int | None  # size of a cosigned checkpoint for which no key of head office was given
    own_key: bool  # no terminal's key was given: signatures were held against the key that the log itself names
    problems: tuple[Problem, ...]  # the first PROBLEMS_MAX
    problem_count: int

    @property
    def good(self) -> bool:
        """Whether everything verifies."""
        return self.problem_count == 0


class Audit:
    """Takes entries and checkpoints as they come; notes what is wrong and goes on."""

    def __init__(self, vkeys: Sequence[Vkey]) -> None:
        """``vkeys``: trusted keys; the log's own is found among them by its name, any of head office's serves."""
        self.walk = Walk()
        self.newest = 0  # size of the newest checkpoint met
        self._trusted = {vkey.name: vkey for vkey in vkeys if vkey.type == TERMINAL}
        self._offices = [vkey for vkey in vkeys if vkey.type == HEAD_OFFICE]
        self._key: Vkey | None = None
        self._totals = Totals()
        self._kinds: Counter[str] = Counter()
        self._held = 0
        self._cosigned: Cosignature | None = None
        self._unchecked: int | None = None
        self._problems: list[Problem] = []
        self._count = 0

    @property
    def size(self) -> int:
        """Entries taken."""
        return self.walk.frontier.size

    def problem(self, seq: int | None, words: str) -> None:
        """Notes a problem."""
        self._count += 1
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(Problem(seq, words))

    def blame(self, words: str) -> None:
        """Notes a problem of the last entry; an empty text is none."""
        if words:
            self.problem(self.size - 1, words)

    def complain(self, words: str) -> None:
        """Notes a problem of no entry; an empty text is none."""
        if words:
            self.problem(None, words)

    def guarded(self, source: Iterator[T]) -> Iterator[T]:
        """What a source gives until it fails; the failure is a problem."""
        try:
            yield from source
        except LedgerFault as fault:
            self.problem(self.size, f"cannot be read on: {fault.args[0]}")

    def take(self, raw: bytes) -> None:
        """The next entry."""
        try:
            entry = self.walk.take(raw)
        except LedgerFault as fault:
            self.blame(str(fault.args[0]))
        else:
            self._kinds[entry.kind] += 1
            self.blame(self._totals.take(entry))
        if self.size == 1:
            self._choose_key()

    def hold(self, checkpoint: Checkpoint, signature: Signature) -> None:
        """Holds a checkpoint of the present size against the entries and the key."""
        self.newest = max(self.newest, checkpoint.size)
        key = self._key or self._trusted.get(checkpoint.origin)  # the second if entry 0 cannot be read
        if (checkpoint.size, checkpoint.root) != (self.size, self.walk.frontier.root()):
            self.complain(f"the checkpoint of size {checkpoint.size} has not the root of the entries")
        elif key is None:
            self.complain(f"there is no key to hold the checkpoint of size {checkpoint.size} against")
        elif not signed_by(key, checkpoint, signature):
            self.complain(f"the signature on the checkpoint of size {checkpoint.size} does not hold")
        else:
            self._held += 1

    def hold_cosigned(self, checkpoint: Checkpoint, cosignature: Signature) -> None:
        """Checks head office's cosignature: its form, and itself if a key of head office was given."""
        if claimed_time(cosignature) is None:
            self.complain(f"the second signature on the checkpoint of size {checkpoint.size} is no cosignature")
            return
        if not self._offices:
            self._unchecked = checkpoint.size
            return
        for office in self._offices:
            time = cosignature_time(office, checkpoint, cosignature)
            if time is not None:
                self._cosigned = Cosignature(checkpoint.size, time, office.name)
                return
        self.complain(f"the cosignature on the checkpoint of size {checkpoint.size} does not hold")

    def report(self) -> Report:
        """What was found."""
        return Report(
            origin=self.walk.vkey.name if self.walk.vkey else "",
            size=self.size,
            root=self.walk.frontier.root(),
            accounts=self._totals.balances,
            kinds=dict(sorted(self._kinds.items())),
            checkpoints=self._held,
            cosigned=self._cosigned,
            cosigned_unchecked=self._unchecked,
            own_key=not self._trusted,
            problems=tuple(self._problems),
            problem_count=self._count,
        )

    def _choose_key(self) -> None:
        named = self.walk.vkey
        if named is None or not self._trusted:
            self._key = named
            return
        self._key = self._trusted.get(named.name)
        if self._key is None:
            self.complain(f"none of the given keys is that of {named.name}")
        elif self._key != named:
            self.problem(0, "the log names another key than the one given")
