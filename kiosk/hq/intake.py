"""What head office makes of a batch: contract 2 §6, steps 1 to 6, without the transport and without the database.

The order is the law, because a terminal draws conclusions from the first rule that fails:

    malformed, wrong origin or size            Refused 400    (step 1; the rest of it is transport, see app.py)
    the terminal's signature does not hold     Refused 403    nothing is kept, not even the time of contact
    the log is quarantined                     Refused 422
    an old size with another root              Forked         quarantine, with evidence
    entries are missing in between             Behind         409: go on from here
    entries do not make the signed root        Refused 422    no quarantine: anybody could have sent these entries
    the floor is reached with another root     Forked         quarantine, with evidence
    else                                       Taken          stored, cosigned (unless below the floor), answered

Head office takes bytes, not sense: nothing here looks inside an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from kiosk.ledger.note import (
    Checkpoint,
    Vkey,
    open_cosigned,
    parse_checkpoint_note,
    parse_cosigned_note,
    signed_by,
)
from kiosk.ledger.tree import Frontier, perfect_root
from kiosk.model.errors import LedgerFault
from kiosk.sync.batch import Batch

SUBTREE = 256  # leaves


@dataclass(frozen=True, slots=True)
class LogState:
    """What head office holds of one log when a request comes."""

    vkey: Vkey
    frontier: Frontier  # of all stored entries; never changed here
    quarantined: bool
    floor: Checkpoint | None  # a size and root that this log must grow to, after a restore
    root_at: Callable[[int], bytes]  # root of the first n stored entries, n ≤ size

    @property
    def size(self) -> int:
        """Entries stored."""
        return self.frontier.size


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is kept. ``signed`` is the checkpoint, if its signature held: then we know who spoke."""

    status: int
    why: str
    signed: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """The batch begins beyond what is stored: 409 with our size."""

    size: int
    signed: Checkpoint


@dataclass(frozen=True, slots=True)
class Forked:
    """The terminal's key signed two histories: 422 and quarantine."""

    signed: Checkpoint
    at_floor: bool  # against the floor's note; else against the smallest stored checkpoint of at least that size
    leaves: tuple[bytes, ...] = ()  # hashes of the batch's entries behind the stored ones


@dataclass(frozen=True, slots=True)
class Taken:
    """To be stored. ``entries`` and ``leaves`` are what is new; none for a heartbeat or a repeated batch."""

    signed: Checkpoint
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    frontier: Frontier
    below_floor: bool  # 202 without a cosignature


Verdict = Refused | Behind | Forked | Taken


def leaf_hashes(batch: Batch) -> tuple[bytes, ...]:
    """Of all its entries; to be made before the log's turn, so that another log's may run meanwhile."""
    return tuple([sha256(b"\x00" + entry).digest() for entry in batch.entries])  # ``leaf_hash``, thousands at once


def judge(batch: Batch, log: LogState, hashes: Sequence[bytes]) -> Verdict:
    """What to do with a parsed batch, whose ``leaf_hashes`` these are. Pure."""
    try:
        checkpoint, signature = parse_checkpoint_note(batch.checkpoint)
    except LedgerFault as fault:
        return Refused(400, f"the checkpoint is malformed: {fault}")
    if not log.vkey.name == batch.origin == checkpoint.origin:
        return Refused(400, "the origin is not this log's")
    if checkpoint.size != batch.end or checkpoint.size == 0:
        return Refused(400, f"a checkpoint of size {checkpoint.size} for entries up to {batch.end}")
    if not signed_by(log.vkey, checkpoint, signature):
        return Refused(403, "the checkpoint's signature does not hold")
    if log.quarantined:
        return Refused(422, "this log is in quarantine", checkpoint)
    if checkpoint.size <= log.size and log.root_at(checkpoint.size) != checkpoint.root:
        return Forked(checkpoint, at_floor=False)
    if batch.first > log.size:
        return Behind(log.size, checkpoint)
    return _append(batch, checkpoint, log, hashes)


def _append(batch: Batch, checkpoint: Checkpoint, log: LogState, hashes: Sequence[bytes]) -> Verdict:
    fresh = batch.entries[log.size - batch.first :]
    leaves = tuple(hashes[log.size - batch.first :])
    frontier, floor_root = log.frontier.copy(), None
    to_floor = log.floor.size - log.size if log.floor is not None else 0
    if 0 < to_floor <= len(leaves):
        _grow(frontier, leaves[:to_floor])
        floor_root = frontier.root()
    _grow(frontier, leaves[frontier.size - log.size :])
    if leaves and frontier.root() != checkpoint.root:
        return Refused(422, "the entries do not make the signed root", checkpoint)
    if log.floor is not None and floor_root is not None and floor_root != log.floor.root:
        return Forked(checkpoint, at_floor=True, leaves=leaves)
    below_floor = log.floor is not None and frontier.size < log.floor.size
    return Taken(checkpoint, fresh, leaves, frontier, below_floor)


class Growth:
    """The same for a whole ledger from a stick, piece by piece: what is new is never in memory all at once.

    ``judge`` said ``Behind`` to the empty batch of this checkpoint. The caller stores each piece, in one transaction,
    and undoes it all unless ``verdict`` is ``Taken``.
    """

    def __init__(self, signed: Checkpoint, log: LogState) -> None:
        self._signed, self._log, self.frontier = signed, log, log.frontier.copy()
        self._floor = log.floor if log.floor is not None and log.size < log.floor.size <= signed.size else None
        self._floor_root: bytes | None = None
        self._leaves: list[bytes] = []  # only where a fork may have to be shown

    def add(self, entries: Sequence[bytes]) -> tuple[bytes, ...]:
        """The leaf hashes of the next piece."""
        leaves = tuple([sha256(b"\x00" + entry).digest() for entry in entries])
        before = self.frontier.size
        if self._floor is not None:
            self._leaves += leaves
            to_floor = self._floor.size - before
            if 0 < to_floor <= len(leaves):
                at_floor = self.frontier.copy()
                _grow(at_floor, leaves[:to_floor])
                self._floor_root = at_floor.root()
        _grow(self.frontier, leaves)
        return leaves

    def verdict(self) -> Verdict:
        """After the last piece; ``Taken`` names no entries: they are stored already."""
        if self.frontier.size != self._signed.size or self.frontier.root() != self._signed.root:
            return Refused(422, "the entries do not make the signed root", self._signed)
        if self._floor is not None and self._floor_root != self._floor.root:
            return Forked(self._signed, at_floor=True, leaves=tuple(self._leaves))
        below_floor = self._log.floor is not None and self.frontier.size < self._log.floor.size
        return Taken(self._signed, (), (), self.frontier, below_floor)


def _grow(frontier: Frontier, leaves: Sequence[bytes]) -> None:
    """Adds leaf hashes, whole subtrees at once where they begin."""
    at = 0
    while at < len(leaves):
        width = SUBTREE if not frontier.size % SUBTREE and at + SUBTREE <= len(leaves) else 1
        node = perfect_root(b"".join(leaves[at : at + width]))
        frontier.append(node, width.bit_length() - 1)
        at += width


@dataclass(frozen=True, slots=True)
class FloorNote:
    """Head office's own cosigned note, brought back by the terminal: 204.

    ``becomes_floor``: it is above what is stored, and no floor is higher. ``contradicts``: it has another root than
    what is stored, or than the floor of that size. Both are alarms.
    """

    checkpoint: Checkpoint
    time: int  # POSIX seconds of our cosignature on it: ours may not fall below it
    becomes_floor: bool
    contradicts: bool


def judge_floor(text: str, log: LogState, own_keys: Iterable[Vkey]) -> Refused | FloorNote:
    """What to do with a cosigned note that a terminal posts. Pure."""
    try:
        checkpoint, _, _ = parse_cosigned_note(text)
    except LedgerFault as fault:
        return Refused(400, f"the note is malformed: {fault}")
    if checkpoint.origin != log.vkey.name:
        return Refused(400, "the note is of another log")
    try:
        time = open_cosigned(text, log.vkey, own_keys).time
    except LedgerFault as fault:
        return Refused(403, str(fault))
    if checkpoint.size <= log.size:
        contradicts = log.root_at(checkpoint.size) != checkpoint.root
        return FloorNote(checkpoint, time, becomes_floor=False, contradicts=contradicts)
    floor = log.floor
    higher = floor is not None and floor.size > checkpoint.size
    other = floor is not None and floor.size == checkpoint.size and floor.root != checkpoint.root
    return FloorNote(checkpoint, time, becomes_floor=not higher, contradicts=other)
