"""The controller's side of CCNET as a law: what to send next, and what an answer means. No line, no thread, no clock.

One question is out at a time. ``next(now)`` gives the command to send; ``heard(command, answer, now)`` takes what came
(None: nothing, or no whole frame) and gives the events it means; ``may_acknowledge`` says whether that answer may be
acknowledged. An answer that is not acknowledged comes again at the next poll, so nothing is lost with a byte, and a
credit (81) is only let go when ``credited`` was called: if this process ends before, its successor hears it again.

Five rules hold everywhere.

1. A command that moves a note or changes the mask goes out only right after a poll that showed the state for it. So
   the mask changes only in 14 and 19, when no note moves, and a note is never moved on the word of an old state.
2. A credit is new only if a note was in escrow, or nothing was known, since the last one.
3. After a silence nothing that was decided before it holds for the note in escrow: it is reported as found.
4. RESET is sent only after a power-up, and only when what the power-up said was settled.
5. What is heard first, or right after a silence, may be the late answer to the question before. It is not
   acknowledged: the machine would take that for the answer it has given since, and let go a credit that nobody has
   heard.

What is not nice: a validator refuses to name itself and its notes while a note moves, so a kiosk that comes up beside
a running validator must remember the table from before (``Memory``).

Source: CashCode, "CashCode NET Interface", MAN_CCNET Rev. 2.3.1 §2.5, §5, §7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.memory import Memory

POWER_UP: dict[int, on.Whereabouts] = {
    wire.POWER_UP: "none",
    wire.POWER_UP_IN_VALIDATOR: "validator",
    wire.POWER_UP_IN_STACKER: "stacker",
}
FAULTS = {
    wire.FULL: "V-413",
    wire.REMOVED: "V-414",
    wire.JAM_IN_VALIDATOR: "V-412",
    wire.JAM_IN_STACKER: "V-412",
    wire.CHEATED: "V-416",
    wire.FAILURE: "V-415",
}
SILENT = "V-411"
NO_VALUE = "V-415"  # it does not say what its notes are worth
QUESTIONS = (wire.IDENTIFY, wire.TABLE)
QUESTION_TRIES_MAX = 3
RESTS_UNTIL_ASKED_AGAIN = 50  # polls
ANSWERED = 99  # instead of a number of tries
DISABLE_TRIES_MAX = 5
CURRENCY = frozenset({"CNY", "CHN"})  # ISO 4217, and the country's letters that some makers write instead


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """Times in ms."""

    silent_polls_max: int = 5  # unanswered ones, until the device counts as silent
    hold_every_ms: int = 5_000  # a held note goes back by itself after 10 s
    reset_again_ms: int = 2_000
    remind_ms: int = 5_000  # what must be recorded is said again after this time


class Stage(Enum):
    """How far a note has come."""

    UNDECIDED = auto()
    TO_BOX = auto()  # stack() was called
    TO_CUSTOMER = auto()  # give_back() was called, or nobody knows its value
    STACKED = auto()  # reported as stacked; not yet recorded
    CREDITED = auto()  # recorded: may be acknowledged


IN_ESCROW = frozenset({Stage.UNDECIDED, Stage.TO_BOX, Stage.TO_CUSTOMER})


@dataclass(slots=True)
class Note:
    """The note in the machine."""

    kind: int | None  # place in the table
    fen: int | None
    stage: Stage
    found: bool = False
    since_ms: int = 0  # of the last HOLD or the last report


class Dialogue:
    """One validator's dialogue, from the first poll on; a slave of its owner's lock and clock."""

    def __init__(self, settings: DialogueSettings, memory: Memory) -> None:
        self._settings = settings
        self.memory = memory
        self._table = memory.parsed()
        self._wanted: frozenset[int] = frozenset()
        self._types: frozenset[int] | None = None  # those, by their places in the table; None: to be looked up
        self._mask: bytes | None = None  # what the device has confirmed
        self._up = False
        self._down = False
        self._unanswered = 0
        self._code: int | None = None  # of the last poll
        self._polled_last = b""
        self._answer = b""
        self._fresh = False  # that poll was the last exchange
        self._silent_before, self._late = True, False  # the last exchange brought nothing; so this answer may be late
        self._questions = dict.fromkeys(QUESTIONS, 0)  # → tries
        self._disable_tries = 0
        self._rests = 0  # polls at rest without a table
        self._power_up: on.Whereabouts | None = None
        self._settled = False
        self._said_up_ms = 0
        self._reset_ms: int | None = None
        self._fault = ""
        self._note: Note | None = None
        self._rested = self._watched = False  # seen at rest since it is up; or a note seen to come: none is found now

    # ---- what the kiosk wants

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values from now on; none disables."""
        self._wanted = denominations_fen
        self._types = None

    def decide(self, stage: Stage) -> None:
        """TO_BOX or TO_CUSTOMER for the note in escrow; too late, it does nothing."""
        if self._note and self._note.stage is Stage.UNDECIDED:
            self._note.stage = stage

    def credited(self) -> None:
        """The stacked note is recorded."""
        if self._note and self._note.stage is Stage.STACKED:
            self._note.stage = Stage.CREDITED

    def settled(self) -> None:
        """The power-up is recorded."""
        self._settled = True

    # ---- what to send

    def next(self, now_ms: int) -> bytes:
        """The body to send now; POLL if there is nothing else."""
        return self.command(now_ms) or bytes((wire.POLL,))

    def command(self, now_ms: int) -> bytes | None:
        """The command that is due now, besides polling."""
        if not self._fresh or self._code in (None, wire.INITIALIZING):
            return None
        if not self._up:
            return self._greeting()
        if self._power_up is not None:
            again = self._reset_ms is None or now_ms - self._reset_ms >= self._settings.reset_again_ms
            return bytes((wire.RESET,)) if self._settled and again else None
        if self._code in (wire.ESCROWED, wire.HOLDING) and self._note:
            return self._move(self._note, now_ms)
        question = self._question()
        if self._code == wire.DISABLED and question is not None:
            return bytes((question,))
        if self._code in (wire.IDLING, wire.DISABLED):
            wanted = wire.enable(self._wanted_types() if question is None else frozenset())
            idle_as_wanted = (self._code == wire.IDLING) == any(wanted[1:])
            return None if wanted == self._mask and idle_as_wanted else wanted
        return None

    def _greeting(self) -> bytes | None:
        question = self._question()
        if question is None or not self._may_ask():
            return None
        if self._code == wire.IDLING:
            return wire.enable(frozenset())  # it names itself only when disabled
        return bytes((question,))

    def _may_ask(self) -> bool:
        """Whether it names itself now, or can be brought to it; without any table it is asked in every state."""
        if self._code == wire.IDLING:
            return self._disable_tries < DISABLE_TRIES_MAX
        return self._code in wire.MAY_BE_ASKED or not self._table

    def _question(self) -> int | None:
        return next((question for question, tries in self._questions.items() if tries < QUESTION_TRIES_MAX), None)

    def _move(self, note: Note, now_ms: int) -> bytes | None:
        if note.stage is Stage.TO_BOX:
            return bytes((wire.STACK,))
        if note.stage is Stage.TO_CUSTOMER:
            return bytes((wire.RETURN,))
        due = now_ms - note.since_ms >= self._settings.hold_every_ms
        return bytes((wire.HOLD,)) if due else None

    def _wanted_types(self) -> frozenset[int]:
        if self._types is None:
            self._types = frozenset(kind for kind in range(len(self._table)) if self._fen(kind) in self._wanted)
        return self._types

    def _fen(self, kind: int) -> int | None:
        row = self._table[kind] if kind < len(self._table) else None
        return row.fen if row and row.country in CURRENCY else None

    # ---- what came

    @property
    def may_acknowledge(self) -> bool:
        """Whether the last answer may be acknowledged: it has content, and is no credit that is not recorded."""
        if (
            self._late
            or not self._answer
            or (len(self._answer) == 1 and self._answer[0] in (wire.ACK, wire.NAK, wire.ILLEGAL))
        ):
            return False
        if self._fresh and not self._up:
            return self._code not in (wire.STACKED, wire.RETURNED)  # not reported yet
        if not self._fresh or self._code != wire.STACKED:
            return True
        return self._note is not None and self._note.stage is Stage.CREDITED

    def heard(self, command: bytes, answer: bytes | None, now_ms: int) -> list[on.AcceptorEvent]:
        """What the answer to ``command`` means. Answers that cannot be one are as none."""
        self._answer = b""
        polled = command[0] == wire.POLL
        if not polled:
            self._fresh = False
        nothing = not answer or (polled and answer[0] not in wire.STATES)
        self._late, self._silent_before = self._silent_before, nothing
        if not answer or nothing:
            if command[0] in QUESTIONS:
                self._questions[command[0]] += 1
            return self._missed() if not answer else []
        self._unanswered, self._answer = 0, answer
        if polled:
            self._fresh = True
            return self._polled(answer, now_ms)
        self._commanded(command, answer, now_ms)
        return []

    def _missed(self) -> list[on.AcceptorEvent]:
        self._fresh = False
        self._unanswered += 1
        if self._unanswered < self._settings.silent_polls_max or self._down:
            return []
        return self.lost()

    def lost(self) -> list[on.AcceptorEvent]:
        """The device is silent, or its line is dead."""
        told, self._down, self._silent_before = self._down, True, True
        self._begin()
        if self._note and self._note.stage in IN_ESCROW:
            self._note = None
        self._fault, self._polled_last = "", b""
        return [] if told else [on.AcceptorDown(SILENT)]

    def _begin(self) -> None:
        self._up = self._fresh = self._rested = self._watched = self._settled = False
        self._mask = self._power_up = self._reset_ms = self._code = None
        self._questions = dict.fromkeys(QUESTIONS, 0)
        self._disable_tries = 0

    def _commanded(self, command: bytes, answer: bytes, now_ms: int) -> None:
        done = answer == bytes((wire.ACK,))
        kind = command[0]
        if kind in QUESTIONS:
            self._take(kind, answer)
        elif kind == wire.ENABLE:
            self._mask = command if done else None
            self._disable_tries += 1
        elif kind == wire.RESET and done:
            self._reset_ms = now_ms
        elif kind == wire.HOLD and done and self._note:
            self._note.since_ms = now_ms

    def _take(self, question: int, answer: bytes) -> None:
        """An answer to IDENTIFY or TABLE; one that is none counts as a try."""
        try:
            if question == wire.IDENTIFY:
                wire.parse_identity(answer)
                self.memory = Memory(answer, self.memory.table)
            else:
                self._table, self._types = wire.parse_table(answer), None
                self.memory = Memory(self.memory.identity, answer)
        except ValueError:
            self._questions[question] += QUESTION_TRIES_MAX if answer[0] == wire.ILLEGAL else 1
        else:
            self._questions[question] = ANSWERED

    # ---- what a poll means

    def _polled(self, answer: bytes, now_ms: int) -> list[on.AcceptorEvent]:
        changed, self._polled_last = answer != self._polled_last, answer
        code = answer[0]
        if self._up and code in POWER_UP and self._power_up is None:  # its power was away for less than a silence
            self._begin()
            self._note = None
        self._code, self._fresh = code, True
        told: list[on.AcceptorEvent] = []
        if not self._up:
            self._power_up = POWER_UP.get(code)
            if code == wire.INITIALIZING or (self._question() is not None and self._may_ask()):
                return []
            told.append(self._say_up(now_ms))
        elif self._power_up is not None and code in POWER_UP:
            late = not self._settled and now_ms - self._said_up_ms >= self._settings.remind_ms
            return [self._say_up(now_ms)] if late else []
        if code in POWER_UP:
            return told
        self._power_up = None
        told += self._note_events(code, answer, changed, now_ms)
        return told + self._fault_events(code)

    def _say_up(self, now_ms: int) -> on.AcceptorUp:
        if not self._up and self._power_up is not None:
            self._note = None
        self._up, self._down, self._said_up_ms = True, False, now_ms
        identity = wire.parse_identity(self.memory.identity) if self.memory.identity else ""
        return on.AcceptorUp(identity, self._power_up or "none", serial=identity.rpartition(" ")[2])

    def _fault_events(self, code: int) -> list[on.AcceptorEvent]:
        fault = FAULTS.get(code, "")
        if code in (wire.IDLING, wire.DISABLED) and not self._table and self._question() is None:
            fault = NO_VALUE
        before, self._fault = self._fault, fault
        if fault == before:
            return []
        return [on.AcceptorFault(fault)] if fault else [on.AcceptorClear()]

    def _note_events(self, code: int, answer: bytes, changed: bool, now_ms: int) -> list[on.AcceptorEvent]:
        kind = answer[1] if len(answer) > 1 else None
        if code in (wire.IDLING, wire.DISABLED):
            return self._at_rest()
        if code == wire.ACCEPTING:
            self._watched = True
            return [on.Accepting()] if changed else []
        if code in (wire.ESCROWED, wire.HOLDING):
            return self._in_escrow(code, kind, now_ms)
        if code == wire.STACKING:
            return [on.Stacking()] if changed else []
        if code == wire.STACKED:
            return self._stacked(kind, now_ms)
        if code == wire.RETURNED and changed:
            return [self._returned(kind)]
        if code == wire.REJECTING and changed:
            rejected = on.NoteRejected(wire.REASONS.get(kind or 0, f"{kind or 0:02x}"))
            return [rejected, self._returned(None)] if self._note and self._note.stage in IN_ESCROW else [rejected]
        return []

    def _returned(self, kind: int | None) -> on.NoteReturned:
        note, self._note = self._note, None
        fen = note.fen if note else None
        return on.NoteReturned(self._fen(kind) if fen is None and kind is not None else fen)

    def _at_rest(self) -> list[on.AcceptorEvent]:
        if not self._rested or self._wants_table_again():
            self._rested = self._watched = True
            for question, tries in self._questions.items():  # what it refused while a note moved
                self._questions[question] = tries if tries == ANSWERED else 0
        note, self._note = self._note, None
        if note and note.stage in (Stage.UNDECIDED, Stage.TO_CUSTOMER):
            return [on.NoteReturned(note.fen)]  # it was not sent to the box, and no credit was reported
        return []  # one that was sent there and of which no word came is left to people

    def _wants_table_again(self) -> bool:
        """Without a table nothing can be taken: on a line that was bad when it was asked, it is asked again later."""
        if self._table or self._question() is not None:
            self._rests = 0
            return False
        self._rests += 1
        return self._rests % RESTS_UNTIL_ASKED_AGAIN == 0

    def _in_escrow(self, code: int, kind: int | None, now_ms: int) -> list[on.AcceptorEvent]:
        note = self._note
        if note and note.stage in IN_ESCROW and (code == wire.HOLDING or note.kind in (kind, None)):
            return []
        fen = self._fen(kind) if code == wire.ESCROWED and kind is not None else None
        if fen is None:
            self._note = Note(kind, None, Stage.TO_CUSTOMER)
            return []
        self._note = Note(kind, fen, Stage.UNDECIDED, since_ms=now_ms)
        return [on.NoteEscrowed(fen, found=not self._watched)]

    def _stacked(self, kind: int | None, now_ms: int) -> list[on.AcceptorEvent]:
        note = self._note
        if note and note.stage is Stage.CREDITED:
            return []  # our acknowledgement was lost
        if note is None or note.stage is not Stage.STACKED:
            found = note is None or note.stage is not Stage.TO_BOX
            note = self._note = Note(kind, self._fen(kind) if kind is not None else None, Stage.STACKED, found)
        elif now_ms - note.since_ms < self._settings.remind_ms:
            return []
        note.since_ms = now_ms
        return [on.NoteStacked(note.fen, note.found)]
