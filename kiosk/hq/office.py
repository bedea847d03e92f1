"""Head office as terminals know it: takes batches, gives cosigned checkpoints. Contract 2 §6 without HTTP.

Each method answers only after its COMMIT; an exception (LedgerFault) means that nothing was changed, and a 5xx. The
books are the clerk's: they follow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from kiosk.hq.clerk import Clerk
from kiosk.hq.intake import (
    Behind,
    FloorNote,
    Forked,
    Growth,
    LogState,
    Refused,
    Taken,
    Verdict,
    judge,
    judge_floor,
    leaf_hashes,
)
from kiosk.hq.store import Store, Turn
from kiosk.hq.tables import Log
from kiosk.hq.witness import Witness
from kiosk.ledger.note import Checkpoint, Vkey, parse_cosigned_note
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault
from kiosk.sync.batch import Batch

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
TLOG_SIZE = "text/x.tlog.size"
PIECE = 4_096  # entries of a whole ledger stored at once


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: str
    media_type: str = TEXT


UNKNOWN = Answer(404, "unknown log\n")
BLOCKED = Answer(403, "this log is blocked\n")
NONE_YET = Answer(404, "no checkpoint yet\n")


class Office:
    """Judges requests and carries out what was judged. Any thread may call."""

    def __init__(self, store: Store, witness: Witness, clock: Clock, clerk: Clerk | None = None) -> None:
        """Remembers the witness's key among head office's own. Raises LedgerFault L-502."""
        self._store = store
        self._witness = witness
        self._clock = clock
        self._clerk = clerk or Clerk(store, clock)
        store.add_own_key(witness.vkey)

    def admit(self, log_id: str) -> Answer | None:
        """404 or 403 for a log that is not to be served; None if it is."""
        return _closed_to(self._store.log(log_id))

    def in_quarantine(self, log_id: str) -> bool:
        """Whether an enrolled log is in quarantine."""
        row = self._store.log(log_id)
        return row is not None and row.quarantined

    def take(self, log_id: str, batch: Batch) -> Answer:
        """Takes a parsed batch: the rest of step 1, and steps 2 to 6."""
        answer = self._judged(log_id, batch)
        if answer.status in (200, 202):
            self._clerk.tell(log_id)
        return answer

    def _judged(self, log_id: str, batch: Batch) -> Answer:
        hashes = leaf_hashes(batch)
        with self._turn(log_id) as turn:
            if turn is None or turn.log.blocked:
                return UNKNOWN if turn is None else BLOCKED
            return self._carry_out(turn, batch, judge(batch, _state(turn), hashes))

    def _carry_out(self, turn: Turn, batch: Batch, verdict: Verdict) -> Answer:
        match verdict:
            case Refused() as refusal:
                if refusal.signed is not None:
                    self._contact(turn, refusal.signed)
                log.warning("%s: %d %s", turn.log.origin, refusal.status, refusal.why)
                return Answer(refusal.status, refusal.why + "\n")
            case Behind(size, signed):
                self._contact(turn, signed)
                return _size(409, size)
            case Forked() as fork:
                return self._quarantine(turn, batch, fork)
            case Taken() as taken:
                return self._keep(turn, batch, taken)

    def take_whole(self, log_id: str, head: Batch, first: int, entries: Iterable[bytes]) -> Answer:
        """Takes a whole ledger's entries from number ``first`` on, a piece at a time: all of them, or none.

        ``head``: the empty batch at their end, with the signed checkpoint. What ``entries`` raises is passed on, and
        nothing is kept then.
        """
        try:
            with self._turn(log_id) as turn:
                if turn is None or turn.log.blocked:
                    return UNKNOWN if turn is None else BLOCKED
                state = _state(turn)
                verdict = judge(head, state, ())
                if isinstance(verdict, Behind) and first <= turn.log.size:
                    verdict = _grown(
                        turn, head, Growth(verdict.signed, state), islice(entries, turn.log.size - first, None)
                    )
                answer = self._carry_out(turn, head, verdict)
        except _Undone as undone:  # no piece of it was kept; that it came is
            with self._turn(log_id) as turn:
                assert turn is not None, "a log is never deleted"
                answer = self._carry_out(turn, head, undone.verdict)
        if answer.status in (200, 202):
            self._clerk.tell(log_id)
        return answer

    def checkpoint(self, log_id: str) -> Answer:
        """The last cosigned checkpoint, as the last 200 said it; in quarantine too."""
        row = self._store.log(log_id)
        if (refused := _closed_to(row)) or row is None:
            return refused or UNKNOWN
        return Answer(200, row.cosigned_note) if row.cosigned_note else NONE_YET

    def take_floor(self, log_id: str, text: str) -> Answer:
        """Takes a cosigned note that head office itself may have forgotten."""
        own_keys = [Vkey.parse(key) for key in self._store.own_keys()]
        with self._turn(log_id) as turn:
            if turn is None or turn.log.blocked:
                return UNKNOWN if turn is None else BLOCKED
            match judge_floor(text, _state(turn), own_keys):
                case Refused() as refusal:
                    log.warning("%s: %d %s", turn.log.origin, refusal.status, refusal.why)
                    return Answer(refusal.status, refusal.why + "\n")
                case FloorNote() as note:
                    self._remember(turn, text, note)
                    return Answer(204, "")

    @contextmanager
    def _turn(self, log_id: str) -> Iterator[Turn | None]:
        """The store's turn. That a log's stored entries are damaged is told to people, too, and not only by a 503."""
        try:
            with self._store.turn(log_id) as turn:
                yield turn
        except LedgerFault as fault:
            if fault.code == "L-501":
                with self._store.turn(log_id) as turn:
                    if turn is not None:
                        turn.alarm(self._clock.utc_ms(), "damaged", str(fault))
            raise

    def _remember(self, turn: Turn, text: str, note: FloorNote) -> None:
        size, now_ms = note.checkpoint.size, self._clock.utc_ms()
        self._contact(turn, note.checkpoint)
        turn.set(cosigned_time=max(turn.log.cosigned_time, note.time))
        if note.contradicts and turn.alarm(now_ms, "contradiction", f"{size} {note.checkpoint.root.hex()}"):
            held = turn.log.floor_note if size > turn.log.size else turn.note_at_least(size) or ""
            turn.add_evidence(now_ms, text, held, tuple(turn.leaves(min(_size_of(held), turn.log.size))))
        if note.becomes_floor:
            turn.set(floor_size=size, floor_note=text)
            self._expect(turn)
            turn.alarm(now_ms, "floor", f"{size} > {turn.log.size}")

    def _keep(self, turn: Turn, batch: Batch, taken: Taken) -> Answer:
        self._contact(turn, taken.signed)
        grown = taken.frontier.size > turn.log.size
        if taken.entries:
            turn.append(taken.entries, taken.leaves, batch.checkpoint, taken.frontier)
        elif grown:  # stored piece by piece
            turn.appended(batch.checkpoint, taken.frontier)
        self._expect(turn, grown=grown)
        if taken.below_floor:
            return _size(202, turn.log.size)
        if turn.log.floor_size:
            turn.set(floor_size=0, floor_note="")
        note = turn.note_at_least(turn.log.size)
        assert note is not None, "a log with entries has a checkpoint of its size"
        text, time = self._witness.cosigned(note, turn.log.cosigned_time)
        turn.set(cosigned_note=text, cosigned_time=time, cosigned_size=turn.log.size)
        return Answer(200, text)

    def _quarantine(self, turn: Turn, batch: Batch, fork: Forked) -> Answer:
        self._contact(turn, fork.signed)
        held = turn.log.floor_note if fork.at_floor else turn.note_at_least(fork.signed.size) or ""
        stored = turn.log.size if fork.at_floor else _size_of(held)
        leaves = (*turn.leaves(stored), *fork.leaves)
        turn.add_evidence(self._clock.utc_ms(), batch.checkpoint, held, leaves)
        turn.alarm(self._clock.utc_ms(), "quarantine", f"size {fork.signed.size}", once=False)
        turn.set(quarantined=True)
        log.error("%s: two histories under one key, quarantined", turn.log.origin)
        return Answer(422, "this log is in quarantine: its key signed two histories\n")

    def _contact(self, turn: Turn, signed: Checkpoint) -> None:
        claimed = max(turn.log.claimed_size, signed.size)
        turn.set(contact_ms=self._clock.utc_ms(), claimed_size=claimed)
        self._expect(turn)

    def _expect(self, turn: Turn, *, grown: bool = False) -> None:
        """Since when entries are known of that do not come."""
        row = turn.log
        if max(row.claimed_size, row.floor_size) <= row.size:
            turn.set(behind_ms=0)
        elif grown or not row.behind_ms:
            turn.set(behind_ms=self._clock.utc_ms())


class _Undone(Exception):
    """The pieces that were stored do not make what was signed: their transaction is undone."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict)[:200])
        self.verdict = verdict


def _grown(turn: Turn, head: Batch, growth: Growth, entries: Iterable[bytes]) -> Verdict:
    """Stores the pieces. Raises _Undone unless all of them are to be kept."""
    fresh = iter(entries)
    while growth.frontier.size < head.end and (piece := list(islice(fresh, PIECE))):
        at = growth.frontier.size
        turn.append_piece(at, piece, growth.add(piece))
    verdict = growth.verdict()
    if not isinstance(verdict, Taken):
        raise _Undone(verdict)
    return verdict


def _state(turn: Turn) -> LogState:
    row = turn.log
    floor = parse_cosigned_note(row.floor_note)[0] if row.floor_size else None
    return LogState(Vkey.parse(row.vkey), turn.frontier(), row.quarantined, floor, turn.root_at)


def _closed_to(row: Log | None) -> Answer | None:
    if row is None:
        return UNKNOWN
    return BLOCKED if row.blocked else None


def _size(status: int, size: int) -> Answer:
    return Answer(status, f"{size}\n", TLOG_SIZE)


def _size_of(note: str) -> int:
    return int(note.split("\n")[1])
