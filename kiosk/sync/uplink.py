"""The terminal's side of the uplink: contract 2 §6. One exchange a turn; the caller waits in between.

::

    look ──► ask ──────► send ◄────► bring        look:  is what head office last cosigned still on this disk?
              ▲            │ 422                  ask:   GET the last cosigned checkpoint, at every start
              └── probe ◄──┘                      bring: give a restored head office the note it has forgotten
                                                  probe: an empty batch at head office's size tells what a 422 meant

Laws: only an answer with both signatures good stops the selling for good; one that does not verify is silence, and
reported. After silence the same batch is sent again; only where a line breaks in the middle of it again and again do we
begin anew, as at a start, and then with less. What follows from an answer is on the disk before it is acted on.
Nothing here writes to the journal or can hold up a sale.

An entry cannot be left out of a log, so one that head office refuses (400; 413 even alone) holds up those behind it.
The hourly tries halve the batch: what lies before it gets over, the entry is named, and a sign of life goes daily.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kiosk.ledger.note import Checkpoint, Vkey, parse_cosigned_note
from kiosk.model.clock import Clock
from kiosk.model.errors import BatchRefused, LedgerFault
from kiosk.sync.answers import Meaning, Plain, Reply, Signed, Silence, Size, meaning
from kiosk.sync.batch import BODY_BYTES_MAX, ENTRIES_MAX, Batch, BatchTooLarge
from kiosk.sync.door import Door
from kiosk.sync.line import Line
from kiosk.sync.outbox import Outbox, Unsigned
from kiosk.sync.progress import Progress
from kiosk.sync.state import SyncStateFile

log = logging.getLogger(__name__)

AT_ONCE = 0
DETOURS_MAX = 3  # sizes that head office names one after the other, before we take our time
REFUSALS = {400: "S-604", 403: "S-603", 404: "S-602", 415: "S-604"}


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in ms. Back-off doubles from ``retry_min_ms`` to ``retry_max_ms``, each wait a random half to whole."""

    retry_min_ms: int = 5_000
    retry_max_ms: int = 3_600_000
    refused_ms: int = 3_600_000  # after 400, 403, 404, 415 and in quarantine
    heartbeat_ms: int = 86_400_000
    poll_ms: int = 1_000  # how often the journal's size is looked at
    chance: Callable[[], float] = field(default=random.random)

    def wait_ms(self, failures: int) -> int:
        """How long to wait after so many failures in a row before this one; at least ``retry_min_ms``."""
        whole = min(self.retry_max_ms, self.retry_min_ms << min(failures + 1, 32))
        return max(min(self.retry_min_ms, whole), whole // 2 + int(self.chance() * (whole - whole // 2)))


class Uplink:
    """Talks to head office about one log. ``turn`` does the next thing and says when the one after is due."""

    def __init__(
        self,
        outbox: Outbox,
        state: SyncStateFile,
        door: Door,
        keys: tuple[Vkey, Sequence[Vkey]],
        clock: Clock,
        pace: Pace,
        line: Line | None = None,
    ) -> None:
        """``keys``: the terminal's own, and head office's. ``line``: what the door measures; without one, no limits."""
        self._outbox = outbox
        self._state = state
        self._door = door
        self._terminal, self._head_offices = keys
        self._clock = clock
        self._pace = pace
        self._line = line
        self._progress = Progress(state, clock)
        self._next: Callable[[], int] = self._look
        self._office_size = 0  # what head office has, as far as it said
        self._pending: Batch | None = None  # sent, and not answered
        self._entries_max = ENTRIES_MAX
        self._suspect_end = 0  # before it and behind what head office has lies an entry that it refuses; 0: none
        self._failures = 0
        self._detours = 0
        self._beat_due_ms = clock.monotonic_ms()
        self._rest_ms = AT_ONCE  # before the next batch

    def turn(self) -> int:
        """Does the next thing. Returns ms until the next turn."""
        try:
            if self._state.hear_stick():
                self._progress.names(self._state.now.cosigned_size)
                self._next = self._look
            wait_ms = self._next()
        except (LedgerFault, BatchRefused) as fault:
            log.error("uplink: %s", fault)
            self._report(fault.code)
            wait_ms = self._later()
        self._progress.waits(wait_ms)
        return wait_ms

    # the five things

    def _look(self) -> int:
        """A note that head office cosigned, and that this disk cannot answer for, needs no network to be understood."""
        known = self._state.now
        if known.stop_selling:
            self._next = self._halted
            return AT_ONCE
        if known.cosigned_note and self._contradicts(parse_cosigned_note(known.cosigned_note)[0]):
            return self._stop_selling(known.cosigned_note)
        self._next = self._ask
        return AT_ONCE

    def _ask(self) -> int:
        match self._meaning(self._door.ask()):
            case Signed() as signed:
                return self._heard(signed)
            case Plain(404):
                return self._named(0)
            case Plain(status) if status in REFUSALS:
                return self._refused(status)
            case other:
                return self._silent(other)

    def _bring(self) -> int:
        match self._meaning(self._door.bring(self._state.now.cosigned_note)):
            case Plain(204):
                return self._go_on()
            case Plain(status) if status in REFUSALS:
                return self._refused(status)
            case other:
                return self._silent(other)

    def _send(self) -> int:
        batch = self._pending or self._due()
        if not isinstance(batch, Batch):
            return self._pace.poll_ms if batch is None else self._wait_for_signature(batch)
        self._pending = batch
        self._progress.sends()
        match self._sent(batch):
            case Signed() as signed:
                return self._heard(signed, batch)
            case Size(202, named):
                return self._stored(named, batch)
            case Size(409, named):
                if self._suspect_end and not batch.entries:
                    self._alive()
                return self._named(named)
            case Plain(413):
                return self._halve(batch)
            case Plain(400) if batch.entries:
                return self._isolate(batch)
            case Plain(422):
                return self._doubted(batch)
            case Plain(status) if status in REFUSALS:
                return self._refused(status)
            case other:
                return self._silent(other)

    def _sent(self, batch: Batch) -> Meaning:
        try:
            return self._meaning(self._door.send(batch))
        except BatchTooLarge:
            return Plain(413)

    def _probe(self) -> int:
        batch = self._outbox.empty_batch(self._office_size, self._state.now.cosigned_note)
        if isinstance(batch, Unsigned):
            return self._wait_for_signature(batch)
        match self._meaning(self._door.send(batch)):
            case Signed() as signed:
                return self._heard(signed, batch, doubted=True)
            case Size(202, named) if batch.end < named <= self._outbox.size:
                self._office_size = named  # it holds more than it has cosigned: that is its size
                return AT_ONCE
            case Size(202, _):
                return self._call_a_person()
            case Size(409, named):
                return self._named(named)
            case Plain(422):
                return self._quarantined()
            case Plain(status) if status in REFUSALS:
                return self._refused(status)
            case other:
                return self._silent(other)

    def _halted(self) -> int:
        return self._pace.refused_ms

    # what follows from an answer

    def _heard(self, signed: Signed, batch: Batch | None = None, *, doubted: bool = False) -> int:
        """Both signatures are good."""
        if self._contradicts(signed.cosigned.checkpoint):
            return self._stop_selling(signed.note)
        if doubted:
            return self._call_a_person()
        if batch is not None and signed.size >= batch.end:
            self._taken()
        if signed.size < self._state.now.cosigned_size:
            return self._named(signed.size)
        self._state.change(cosigned_size=signed.size, cosigned_note=signed.note)
        if batch is not None:
            return self._advance(signed.size, batch)
        self._office_size = signed.size
        self._progress.names(signed.size)
        return self._go_on()

    def _contradicts(self, checkpoint: Checkpoint) -> bool:
        """Whether a ledger that head office has cosigned is not the beginning of the one on this disk."""
        size = checkpoint.size
        return size > self._outbox.size or checkpoint.root != self._outbox.root_at(size)

    def _stop_selling(self, note: str) -> int:
        log.critical("head office has cosigned a ledger that is not on this disk: rolled back, or cloned")
        self._state.change(stop_selling=True, problem_code="L-503", evidence=note)
        self._next = self._halted
        return self._halted()

    def _named(self, size: int) -> int:
        """Head office has another size than we thought: 404 at GET, 409, or a 200 below what was once cosigned."""
        self._pending = None
        if size > self._outbox.size:  # unsigned: ask for what is signed
            self._next = self._ask
            return self._silent(Silence(f"head office names {size}, we have {self._outbox.size}", "S-605"))
        self._office_size = size
        self._progress.names(size)
        self._next = self._bring if size < self._state.now.cosigned_size else self._send
        self._detours += 1
        if self._detours > DETOURS_MAX:
            return self._silent(Silence(f"head office names one size after the other, now {size}", "S-605"))
        return self._rest()

    def _stored(self, size: int, batch: Batch) -> int:
        """202: stored below the floor, not cosigned."""
        return self._advance(size, batch) if size <= self._outbox.size else self._named(size)

    def _advance(self, size: int, batch: Batch) -> int:
        if size < batch.end:  # as an old answer would, played again
            return self._silent(Silence(f"head office answers {size} to a batch up to {batch.end}", "S-605"))
        self._taken()
        self._office_size = size
        self._progress.reached(size, self._outbox.size)
        if self._suspect_end and size >= self._suspect_end:
            self._suspect_end = 0
            self._progress.refuses(-1)
        self._entries_max = min(ENTRIES_MAX, self._entries_max * 2)
        return self._go_on()

    def _taken(self) -> None:
        """A batch lies at head office, all of it."""
        self._pending = None
        self._state.change(quarantined=False, wanted_size=0)
        self._alive()

    def _alive(self) -> None:
        """Head office knows that we live, and what we have."""
        self._beat_due_ms = self._clock.monotonic_ms() + self._pace.heartbeat_ms
        self._failures = self._detours = 0

    def _go_on(self) -> int:
        code = "L-504" if self._state.now.quarantined else ""
        self._state.change(problem_code=code, last_contact_ms=self._clock.utc_ms())
        self._next = self._send
        return self._rest()

    def _halve(self, batch: Batch) -> int:
        half = len(batch.entries) // 2
        if half == 0:
            return self._isolate(batch)
        self._pending = None
        self._entries_max = half
        return AT_ONCE

    def _isolate(self, batch: Batch) -> int:
        """Refused for what is in it, so the next try is smaller; a single entry is named, and tried by itself."""
        alone = len(batch.entries) == 1
        if batch.entries:
            self._pending, self._suspect_end = None, batch.end
        if alone:
            self._progress.refuses(batch.first)
        self._report("S-607" if alone else "S-604")
        return self._pace.refused_ms

    def _doubted(self, batch: Batch) -> int:
        """422: quarantine, or entries that do not make their root. The empty batch tells."""
        self._pending = None
        if not batch.entries or (self._office_size == 0 and self._state.now.quarantined):
            return self._quarantined()
        if self._office_size == 0:
            return self._call_a_person()
        self._report("S-604")
        self._next = self._probe
        return AT_ONCE

    def _quarantined(self) -> int:
        """Head office's signed checkpoint may show which of us forked; then it is tried hourly."""
        self._state.change(quarantined=True, problem_code="L-504")
        self._rest_ms = self._pace.refused_ms
        self._next = self._ask
        return AT_ONCE

    def _call_a_person(self) -> int:
        log.critical("the stored entries do not match their signatures")
        self._report("S-606")
        self._next = self._halted
        return self._halted()

    def _refused(self, status: int) -> int:
        log.warning("head office refuses: %d", status)
        self._report(REFUSALS[status])
        return self._pace.refused_ms

    def _silent(self, answer: Meaning) -> int:
        code, why = (answer.code, answer.why) if isinstance(answer, Silence) else ("S-605", f"a strange {answer}")
        log.warning("no answer that counts: %s", why)
        self._report(code)
        if self._line is not None and self._line.keeps_breaking and self._pending and len(self._pending.entries) > 1:
            log.warning("the line breaks in every batch: we begin anew, with smaller ones")
            self._line.begin_anew()
            self._pending, self._next = None, self._ask
        wait_ms = self._later()
        wish_ms = answer.retry_after_s * 1_000 if isinstance(answer, Silence) else 0
        if wish_ms > wait_ms:  # many were told the same: they do not all come at once
            wait_ms = min(self._pace.retry_max_ms, wish_ms + int(self._pace.chance() * self._pace.retry_min_ms))
        return wait_ms

    # small things

    def _due(self) -> Batch | Unsigned | None:
        """What is to be sent now: entries, or a sign of life. In quarantine one of them is always waiting."""
        fresh, late = self._outbox.size > self._office_size, self._clock.monotonic_ms() >= self._beat_due_ms
        count = self._entries_max
        if self._suspect_end > self._office_size:
            if late:
                return self._outbox.batch(self._outbox.size)
            count = min(count, max(1, (self._suspect_end - self._office_size) // 2))
        if fresh or late:
            room = BODY_BYTES_MAX if self._line is None else self._line.body_bytes
            return self._outbox.batch(self._office_size, count, room)
        return None

    def _rest(self) -> int:
        rest, self._rest_ms = self._rest_ms, AT_ONCE
        return rest

    def _wait_for_signature(self, wanted: Unsigned) -> int:
        self._state.change(wanted_size=wanted.size)
        return self._pace.poll_ms

    def _meaning(self, reply: Reply | None) -> Meaning:
        return meaning(reply, self._terminal, self._head_offices)

    def _report(self, code: str) -> None:
        """For the kiosk to see. Never fails: where it cannot be written, the log must do."""
        try:
            self._state.change(problem_code=code)
        except LedgerFault as fault:
            log.error("the problem %s is not recorded: %s", code, fault)

    def _later(self) -> int:
        wait = self._pace.wait_ms(self._failures)
        self._failures += 1
        return wait
