"""What a check of a whole log keeps in mind, and what it reports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kiosk.ledger.closing import ClosingCheck
from kiosk.ledger.entry import Entry
from kiosk.ledger.kinds import BROUGHT, CLOSED, PRUNED
from kiosk.ledger.note import (
    HEAD_OFFICE,
    TERMINAL,
    Checkpoint,
    Signature,
    Vkey,
    claimed_time,
    cosignature_time,
    parse_cosigned_note,
    signed_by,
)
from kiosk.ledger.part import Part
from kiosk.ledger.prune import Holes
from kiosk.ledger.totals import Totals
from kiosk.ledger.tree import under
from kiosk.ledger.walk import Walk
from kiosk.model.errors import LedgerFault

PROBLEMS_MAX = 1_000  # kept with their words; all are counted
EPOCH = re.compile("[1-9][0-9]{0,9}")

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
    deleted: int = 0  # entries of which only the hash is here; ``accounts`` are then summed as closings sum them

    @property
    def good(self) -> bool:
        """Whether everything verifies."""
        return self.problem_count == 0


class Guarded(Iterator[T]):
    """A source that may fail; the failure ends it, and is a problem."""

    def __init__(self, audit: Audit, source: Iterator[T]) -> None:
        self.failed = False
        self._audit, self._source = audit, source

    def __next__(self) -> T:
        try:
            return next(self._source)
        except LedgerFault as fault:
            self.failed = True
            self._audit.problem(self._audit.size, f"cannot be read on: {fault.args[0]}")
            raise StopIteration from fault


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
        self._holes = Holes()
        self._lacking = 0  # entries that an export lacks, from the first
        self._begun: set[bytes | None] = set()  # open sales whose beginning is there
        self._closings = ClosingCheck()
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

    def guarded(self, source: Iterator[T]) -> Guarded[T]:
        """What a source gives until it fails; the failure is a problem."""
        return Guarded(self, source)

    def take(self, raw: bytes) -> None:
        """The next entry."""
        try:
            entry = self.walk.take(raw)
        except LedgerFault as fault:
            self.blame(str(fault.args[0]))
        else:
            self._kinds[entry.kind] += 1
            if entry.kind == PRUNED:
                self._holes.named_by(entry)
            words = self._totals.take(entry)
            self.blame("" if self._lacking and self._began_before(entry) else words)
            self.blame(self._closings.take(entry))
            self.blame(self._wrong_brought(entry) if entry.kind == BROUGHT and entry.post else "")
        if self.size == 1:
            self._choose_key()

    def _wrong_brought(self, entry: Entry) -> str:
        """What an old epoch left is posted against its number (§1)."""
        against = [account.removeprefix("carried:") for account, _ in entry.post if account.startswith("carried:")]
        own = int(self.walk.vkey.name.rpartition("/")[2]) if self.walk.vkey else 0
        if len(against) == 1 and EPOCH.fullmatch(against[0]) and int(against[0]) < own:
            return ""
        return "a balance is brought, but not against an older epoch of this terminal"

    def _began_before(self, entry: Entry) -> bool:
        """Whether an entry is of a sale whose beginning an export lacks."""
        if entry.kind == "sale.opened":
            self._begun.add(entry.sale)
        began_before = entry.sale not in self._begun
        if entry.kind == CLOSED:
            self._begun.discard(entry.sale)
        return began_before

    def skip(self, leaf: bytes) -> None:
        """The next entry, whose bytes were deleted: only its hash can be held against the root."""
        self._holes.take(self.size)
        self._closings.skip()
        self.walk.skip(leaf)

    def lack(self, leaf: bytes) -> None:
        """The next entry of an export, without its bytes: all that are older than the ledger was pruned to."""
        self._lacking += 1
        self._closings.skip()
        self.walk.skip(leaf)

    def take_part(self, part: Part) -> bool:
        """The next entries at once, with their checkpoints; False, and nothing taken or noted, unless all is well."""
        if part.kinds.keys() & {PRUNED, BROUGHT} or self._lacking:  # what is wrong with these is known one by one only
            return False
        peaks = self.walk.frontier.peaks
        if any(under(peaks, inner) != root for _, root, inner in part.held) or not self._totals.fits(part):
            return False
        closings = self._closings.after(part.runs)
        if closings is None or not self.walk.take_part(part):
            return False
        self._closings = closings
        self._totals.take_part(part)
        self._kinds.update(part.kinds)
        if part.opened:
            self._choose_key()
        if part.held:
            self._held += len(part.held)
            self.newest = max(self.newest, part.held[-1][0])
        return True

    def key_of(self, named: Vkey) -> Vkey | None:
        """The key that signatures are held against in a log whose entry 0 names this one."""
        return self._trusted.get(named.name) if self._trusted else named

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
        self.complain(self._holes.lacking(self._lacking) if self._lacking else self._holes.wrong())
        deleted = self._lacking or self._holes.count
        return Report(
            origin=self.walk.vkey.name if self.walk.vkey else "",
            size=self.size,
            root=self.walk.frontier.root(),
            accounts=self._closings.balances if deleted else self._totals.balances,
            kinds=dict(sorted(self._kinds.items())),
            checkpoints=self._held,
            cosigned=self._cosigned,
            cosigned_unchecked=self._unchecked,
            own_key=not self._trusted,
            problems=tuple(self._problems),
            problem_count=self._count,
            deleted=deleted,
        )

    def _choose_key(self) -> None:
        named = self.walk.vkey
        if named is None:
            return
        self._key = self.key_of(named)
        if self._key is None:
            self.complain(f"none of the given keys is that of {named.name}")
        elif self._key != named:
            self.problem(0, "the log names another key than the one given")
        if self.walk.prev:
            self._hold_prev(self.walk.prev, named.name)

    def _hold_prev(self, prev: str, origin: str) -> None:
        """Entry 0's ``prev``: of an older epoch of this terminal, and signed, as far as its keys were given (§1)."""
        checkpoint, signature, cosignature = parse_cosigned_note(prev)
        (place, _, epoch), (own_place, _, own_epoch) = checkpoint.origin.rpartition("/"), origin.rpartition("/")
        key = self._trusted.get(checkpoint.origin)
        offices = [office for office in self._offices if office.name == cosignature.name]
        if place != own_place or int(epoch) >= int(own_epoch):
            self.problem(0, f"prev is of {checkpoint.origin}, no older epoch of this terminal")
        elif key is not None and not signed_by(key, checkpoint, signature):
            self.problem(0, "the terminal's signature on prev does not hold")
        elif claimed_time(cosignature) is None or (
            offices and all(cosignature_time(office, checkpoint, cosignature) is None for office in offices)
        ):
            self.problem(0, "head office's cosignature on prev does not hold")
