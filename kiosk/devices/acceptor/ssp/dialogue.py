"""The host's side of SSP as a law: what to ask next, and what an answer means. No line, no clock of its own.

1. A POLL after a note was told to be in escrow stacks it. So while its fate is undecided HOLD is sent instead, and POLL
   again only when it is decided, or HOLD has said that nothing is in escrow. A host that comes up sends HOLD first: a
   note that it finds there goes back, since HOLD does not say which it is.
2. What a poll told of credits and of the power-up is recorded before it is let go (``pending``), and before anything
   is enabled. The counters are read when no note moves; every credit heard before then counts as found. While an event
   waits for EVENT ACK the device's answer stays the same, so no more is to be heard, nor of what else stands in it.
3. After a silence nothing that was decided before it holds for the note in escrow.
4. Nothing is enabled or disabled but right after a poll that showed the device at rest.
5. Plain POLL is the weaker mode, for devices that have no keys, no POLL WITH ACK, or another fixed key than ours: the
   device forgets a credit (EE), a note at power-up (E1, E2) and the power-up itself (F1) as soon as it has told them
   once. The transport repeats that one answer for as long as this process lives and the device keeps its power. If one
   of the two ends in just that moment the word is gone; then only the counters tell that a note lies in the box, and
   only the ledger's row tells its value. A device without counters (NV200, by GA138) leaves that note to people.

Source: GA138 (2.2.2), commands and events of the banknote validators.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import RandomBelow, Seal
from kiosk.devices.acceptor.ssp.greeting import Greeting, KeySettings
from kiosk.devices.acceptor.ssp.note import HELD, Note, Stage
from kiosk.devices.acceptor.ssp.pending import AT_START, Credit, Item, Pending
from kiosk.devices.acceptor.ssp.wire import Told

FAULTS = {wire.UNSAFE_JAM: "V-412", wire.SAFE_JAM: "V-412", wire.FULL: "V-413", wire.BOX_OUT: "V-414"}
FRAUDS = {wire.FRAUD: "fraud-attempt", wire.PATH_OPEN: "path-open", wire.BARCODE: "barcode"}
MOVING = frozenset(
    (wire.READ, wire.STACKING, wire.REJECTING, wire.INITIALIZING, wire.UNSAFE_JAM, wire.SAFE_JAM, wire.BARCODE)
)
SILENT, FAILED = "V-411", "V-415"
CAME_BACK = frozenset((wire.BY_HOST, wire.ESCROW_TIMEOUT, wire.UNABLE_TO_STACK))  # it had been in escrow
LATCHED = frozenset((wire.FULL, wire.BOX_OUT))  # told once perhaps; over when a box or a note comes
FREES = frozenset((wire.BOX_IN, wire.READ, wire.WAS_RESET))
DROP_MS = 3_000  # a credited note is surely in the box, and counted
QUIET_POLLS_MAX = 10  # at rest, after which no word comes any more of a note that was sent to the box


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """Times in ms."""

    poll_ms: int = 200
    hold_ms: int = 1_000  # a note goes back by itself after 10 s without
    remind_ms: int = 5_000  # what must be recorded is said again after this time
    keys: KeySettings = field(default_factory=KeySettings)


class Dialogue:
    """One validator's dialogue, from SYNC on; a slave of its owner's lock and clock."""

    def __init__(self, settings: DialogueSettings, random_below: RandomBelow) -> None:
        self._settings = settings
        self._greeting = Greeting(settings.keys, random_below)
        self._pending = Pending(settings.remind_ms)
        self._wanted: frozenset[int] = frozenset()
        self._down = self._leaving = False
        self._power_up: on.Whereabouts = "none"  # until it is settled
        self._power_fen: int | None = None
        self._note: Note | None = None
        self._fault = ""
        self._later: list[on.AcceptorEvent] = []  # heard before AcceptorUp, told after it
        self._begin()

    def _begin(self) -> None:
        """Everything is asked anew."""
        self._greeting.begin()
        self._drained = self._up = self._settled = self._watched = self._fresh = False
        self._ask_reason = self._ask_serial = False
        self._polled_last = b""
        self._held_since_ms: int | None = None  # the device's answer does not change since then
        self._codes: frozenset[int] = frozenset()  # of the last poll, and what lasts of those before
        self._ask_ms = self._said_up_ms = 0
        self._mask: bytes | None = None  # what the device has confirmed
        self._enabled: bool | None = None
        note, self._note = self._note, None
        if note and note.stage is Stage.TO_BOX:
            note.found, self._note = True, note
        elif note and note.stage is not Stage.WAITING:
            self._later.append(on.NoteReturned(note.fen))  # no poll since can have stacked it

    @property
    def seal(self) -> Seal | None:
        """What questions are sealed with from now on."""
        return self._greeting.seal

    # ---- what the kiosk wants

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values from now on; none disables."""
        self._wanted = denominations_fen

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow; too late, it does nothing."""
        if self._note and self._note.stage is Stage.UNDECIDED:
            self._note.stage = Stage.TO_BOX if to_box else Stage.TO_CUSTOMER
            self._ask_ms = 0

    def credited(self) -> None:
        """The credit that was told is recorded."""
        self._pending.credited()

    def settled(self) -> None:
        """What AcceptorUp said is recorded."""
        if self._up and not self._settled:
            self._settled, self._power_up, self._power_fen = True, "none", None
            self._pending.settled()

    def leave(self) -> None:
        """No more polls: what the device still has to say the next process hears."""
        self._leaving = True

    @property
    def left(self) -> bool:
        """Whether nothing is left to be disabled, or it is no time for it."""
        return self._leaving and (not self._up or self._enabled is False or not self._at_rest)

    # ---- what to ask

    def next(self, now_ms: int) -> bytes | None:
        """The question that is due now."""
        if self._leaving:
            return None if self.left else bytes((wire.DISABLE,))
        if self._greeting.questions:
            return self._greeting.questions[0] if now_ms >= self._ask_ms else None
        return self._command(now_ms) if self._up else self._poll(now_ms)

    def _command(self, now_ms: int) -> bytes | None:
        note = self._note
        if note and note.stage in HELD:
            return bytes((wire.HOLD,)) if now_ms >= self._hold_ms(note) else None
        if note and note.stage is Stage.TO_CUSTOMER:
            return bytes((wire.REJECT,))
        if self._fresh and self._greeting.acknowledges and self._pending.may_acknowledge:
            return bytes((wire.EVENT_ACK,))
        if self._ask_serial or self._ask_reason:
            return bytes((wire.SERIAL if self._ask_serial else wire.LAST_REJECT,))
        may_change = self._fresh and self._at_rest and self._settled and not self._pending.credits
        return (self._change() if may_change else None) or self._poll(now_ms)

    def _hold_ms(self, note: Note) -> int:
        return 0 if note.stage is Stage.DOUBTED else note.held_ms + self._settings.hold_ms

    def _poll(self, now_ms: int) -> bytes | None:
        command = wire.POLL_ACK if self._greeting.acknowledges else wire.POLL
        return bytes((command,)) if now_ms >= self._ask_ms else None

    def _change(self) -> bytes | None:
        """What makes the device take what is wanted: closed first, opened last."""
        known = self._greeting.known_fen
        mask = wire.inhibits(frozenset(channel for channel, fen in known.items() if fen in self._wanted))
        if not any(mask[1:]):
            return None if self._enabled is False else bytes((wire.DISABLE,))
        if mask != self._mask:
            return mask
        return None if self._enabled else bytes((wire.ENABLE,))

    def due_ms(self) -> int:
        """When ``next`` or ``told`` has something although nothing came."""
        held = self._note is not None and self._note.stage in HELD and self._up
        due = [self._hold_ms(self._note) if held and self._note else self._ask_ms]
        if self._up and not self._settled:
            due.append(self._said_up_ms + self._settings.remind_ms)
        again = self._pending.due_ms() if self._up else None
        return min(due if again is None else (*due, again))

    @property
    def _at_rest(self) -> bool:
        return self._note is None and not self._codes & MOVING

    # ---- what there is to tell

    def told(self, now_ms: int) -> list[on.AcceptorEvent]:
        """What is due to be told, for the first time or again."""
        if not self._up:
            return []
        told: list[on.AcceptorEvent] = []
        if not self._settled and now_ms - self._said_up_ms >= self._settings.remind_ms:
            told.append(self._say_up(now_ms))
        later, self._later = self._later, []
        told += later + self._pending.reported(now_ms)
        if self._note and self._note.stage is Stage.WAITING and not self._pending.credits:
            self._note.stage = Stage.UNDECIDED
            told.append(on.NoteEscrowed(self._note.fen or 0, self._note.found))
        return told

    def _say_up(self, now_ms: int) -> on.AcceptorUp:
        self._up, self._down, self._settled, self._said_up_ms = True, False, False, now_ms
        greeting = self._greeting
        return on.AcceptorUp(greeting.identity, self._power_up, self._power_fen, greeting.total, greeting.serial)

    def doubt(self) -> None:
        """An answer was long in coming: it may be another device's (GA138, packet sequencing)."""
        self._ask_serial = self._up

    def silent(self) -> list[on.AcceptorEvent]:
        """The device does not answer, or its line is dead."""
        self._greeting.misunderstood()
        told, self._down = self._down, True
        self._begin()
        self._fault = ""
        return [] if told else [on.AcceptorDown(SILENT)]

    def opened(self) -> None:
        """The line is new."""
        self._greeting.new_line()
        self._begin()

    # ---- what came

    def heard(self, question: bytes, answer: bytes, now_ms: int) -> list[on.AcceptorEvent]:
        """What the answer to ``question`` means."""
        if not self._greeting.understood(answer):
            self._begin()
            self._ask_ms = now_ms + self._settings.poll_ms
            return []
        if question[0] in (wire.POLL, wire.POLL_ACK):
            return self._polled(question[0], answer, now_ms)
        self._fresh = self._fresh and question[0] == wire.SERIAL
        if not self._greeting.questions or question != self._greeting.questions[0]:
            return self._commanded(question, answer, now_ms)
        if not self._greeting.heard(answer):
            self._ask_ms = now_ms + self._settings.poll_ms
        elif question[0] == wire.SERIAL and self._greeting.exchanged:
            self._pending.forget()
        elif self._drained and not self._greeting.questions:
            self._ask_ms, self._fault = now_ms + self._settings.poll_ms, ""
            return [self._say_up(now_ms), *self._faults()]
        return []

    def _commanded(self, question: bytes, answer: bytes, now_ms: int) -> list[on.AcceptorEvent]:
        command, good, note = question[0], answer[0] == wire.OK, self._note
        if command == wire.HOLD and note and note.stage in HELD:
            self._held(note, answer, now_ms)
        elif command == wire.REJECT and note and note.stage is Stage.TO_CUSTOMER:
            note.stage = Stage.GONE if good else Stage.DOUBTED
        elif command == wire.EVENT_ACK and good:
            self._pending.forget()
            self._polled_last, self._codes = b"", self._codes - FRAUDS.keys()
        elif command == wire.SERIAL:
            self._ask_serial = False
            if wire.serial_of(answer) != self._greeting.serial:
                self._begin()  # it was exchanged
        elif command == wire.LAST_REJECT:
            self._ask_reason = False
            reason = answer[1] if good and len(answer) > 1 else wire.VERIFICATION
            word = wire.REASONS.get(reason, f"{reason:02x}")
            return [on.NoteReturned(None) if reason in CAME_BACK else on.NoteRejected(word)]
        elif command == wire.INHIBITS:
            self._mask = question if good else None
        elif command in (wire.ENABLE, wire.DISABLE):
            self._enabled = (command == wire.ENABLE) if good else None
        return []

    def _held(self, note: Note, answer: bytes, now_ms: int) -> None:
        note.held_ms = now_ms
        if answer[0] == wire.OK and note.stage is Stage.DOUBTED:
            note.stage = Stage.TO_CUSTOMER
        elif answer[0] == wire.CANNOT:
            note.stage = Stage.GONE

    # ---- what a poll means

    def _polled(self, command: int, answer: bytes, now_ms: int) -> list[on.AcceptorEvent]:
        self._fresh, self._ask_ms = False, now_ms + self._settings.poll_ms
        if answer[0] != wire.OK:
            if answer[0] == wire.UNKNOWN and command == wire.POLL_ACK:
                self._greeting.no_acknowledging()
            return self._faults(FAILED) if answer[0] == wire.SOFTWARE_ERROR else []
        told, whole = wire.parse_poll(answer)
        self._fresh = whole
        if command == wire.POLL_ACK and answer == self._polled_last and self._pending.holds:
            self._drain(now_ms)
            return self._faults()
        self._polled_last = answer
        codes = frozenset(event.code for event in told)
        if wire.WAS_RESET in codes and self.seal is None and self._up:
            self._note = None  # what became of it the device says, or its counters
            self._begin()
            self._fresh = whole
        before = self._codes
        self._codes = codes | (frozenset() if codes & FREES else before & LATCHED)
        for item in self._pending.new(told, repeats=command == wire.POLL_ACK):
            self._keep(item)
        heard = [told for event in told for told in self._event(event, event.code not in before, now_ms)]
        heard += self._rest()
        if self._up:
            return heard + self._faults()
        seen = [event for event in heard if isinstance(event, on.FraudSeen)]
        self._later += [event for event in heard if not isinstance(event, on.FraudSeen | on.Accepting | on.Stacking)]
        self._drain(now_ms)
        return seen + self._faults()

    def _drain(self, now_ms: int) -> None:
        """At rest, or with a note in escrow that the next poll would stack: nothing more is to be heard now."""
        if self._up or self._greeting.questions:
            return
        escrow = self._note is not None and self._note.stage is not Stage.TO_BOX
        if self._pending.holds and self._held_since_ms is None:
            self._held_since_ms = now_ms
        held = self._held_since_ms is not None and now_ms - self._held_since_ms >= DROP_MS
        if escrow or held or not self._codes & MOVING:
            self._drained = True
            self._greeting.count()
            self._ask_ms = 0

    def _keep(self, item: Item) -> None:
        """A credit, or a note that was in the path when the power went."""
        code, channel = item.told.code, item.told.channel
        if code == wire.CREDIT:
            note, self._note = self._note, None
            asked = note is not None and note.stage is Stage.TO_BOX and not note.found and self._up
            fen = self._greeting.fen(channel) if channel or note is None else note.fen
            self._pending.credits.append(Credit(fen, not asked, item))
        elif code in AT_START:
            self._note = None
            if self._power_up != "stacker":
                self._power_up = "stacker" if code == wire.TO_BOX_AT_START else "validator"
                self._power_fen = self._greeting.fen(channel)
            self._up = self._settled = self._drained = False  # AcceptorUp is told, again perhaps, with the counters

    def _event(self, event: Told, edge: bool, now_ms: int) -> list[on.AcceptorEvent]:
        code = event.code
        if code == wire.READ and event.channel:
            self._in_escrow(event.channel, now_ms)
        elif code == wire.READ:
            self._watched = self._watched or self._up
            return [on.Accepting()] if edge else []
        elif code == wire.STACKING:
            return [on.Stacking()] if edge else []
        elif code == wire.REJECTED:
            note, self._note = self._note, None
            self._ask_reason = note is None and not any(isinstance(event, on.NoteReturned) for event in self._later)
            return [on.NoteReturned(note.fen)] if note else []
        elif code in FRAUDS and edge:
            self._wanted = frozenset()
            if code == wire.BARCODE:
                self._note = Note(0, None, Stage.TO_CUSTOMER)
            return [on.FraudSeen(FRAUDS[code])]
        return []

    def _in_escrow(self, channel: int, now_ms: int) -> None:
        note = self._note
        if note and self._up and note.channel == channel and note.stage is not Stage.GONE:
            return
        fen = self._greeting.fen(channel)
        stage = Stage.TO_CUSTOMER if fen is None else Stage.WAITING
        self._note = Note(channel, fen, stage, not self._watched, now_ms)

    def _rest(self) -> list[on.AcceptorEvent]:
        if self._codes & MOVING:
            return []
        self._watched = self._watched or self._up
        if self._enabled and wire.DISABLED in self._codes and not self._codes & FAULTS.keys():
            self._enabled = self._mask = None  # not by us; which it tells once
        note = self._note
        if note and note.stage is Stage.GONE:
            self._note = None
            return [on.NoteReturned(note.fen)]
        if note and note.stage is Stage.TO_BOX:
            note.quiet += 1
            self._note = note if note.quiet < QUIET_POLLS_MAX else None  # no word of it: the counters may tell
        return []

    def _faults(self, failed: str = "") -> list[on.AcceptorEvent]:
        fault = failed or next((name for code, name in FAULTS.items() if code in self._codes), "")
        if not fault and self._up and (self._pending.worthless or not self._greeting.known_fen):
            fault = FAILED
        before, self._fault = self._fault, fault
        if fault == before:
            return []
        return [on.AcceptorFault(fault)] if fault else [on.AcceptorClear()]
