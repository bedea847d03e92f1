"""The controller's side of ID003 as a law: what to send next, and what an answer means. No line, no time-outs.

Six rules hold.

1. A command goes out only right after a status that allows it, and settings only at rest or while it initializes.
2. VEND VALID is acknowledged when the credit is recorded and it was the last thing heard; it is never reset away.
3. VEND VALID says nothing of the value: that is what ESCROW last said, in this process or, remembered, in the one
   before. If that is gone, what is told is AcceptorUp with a note in the stacker: the ledger knows which note it sent
   there. ``settled`` then lets it go as ``credited`` would have.
4. After a silence nothing holds that was decided before it for a note in escrow: it is one that was found.
5. RESET is sent only after a power-up, and only when what the power-up said was settled.
6. Notes go into the box by STACK-2: VEND VALID then says that the note is all the way in. By STACK-1 it says so when
   the note has only passed the lever.

What is not nice: the protocol has no serial number, and no event for a note given back; that it was is concluded from
RETURNING or REJECTING, or from a decision, and the rest that follows. A machine that is at rest without any of them,
after STACK and without VEND VALID, is left to people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.id003 import memory as kept
from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.id003.memory import Memory
from kiosk.devices.acceptor.id003.setup import Setup
from kiosk.devices.acceptor.passage import IN_ESCROW, Passage, Stage
from kiosk.devices.acceptor.standing import Standing

POWER_UP: dict[int, on.Whereabouts] = {
    wire.POWER_UP: "none",
    wire.POWER_UP_IN_ACCEPTOR: "validator",
    wire.POWER_UP_IN_STACKER: "stacker",
}
FAULTS = {
    wire.FULL: "V-413",
    wire.OPEN: "V-414",
    wire.JAM_IN_ACCEPTOR: "V-412",
    wire.JAM_IN_STACKER: "V-412",
    wire.CHEATED: "V-416",
    wire.FAILURE: "V-415",
}
NO_VALUE = NOT_UNDERSTOOD = "V-415"
REST = (wire.IDLING, wire.DISABLED)
MAY_BE_SET = (*REST, wire.INITIALIZING)
MAY_BE_ASKED = frozenset((wire.POWER_UP, *MAY_BE_SET, *FAULTS))
QUESTION_TRIES_MAX = 3
ANSWERED = 99  # instead of a number of tries
INHIBITS_MAX = 5


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """Times in ms."""

    silent_polls_max: int = 5  # unanswered ones, until the device counts as silent
    hold_every_ms: int = 5_000  # a held note goes back by itself after 10 s
    again_ms: int = 2_000  # a command that was answered and did nothing is repeated after this time
    remind_ms: int = 5_000  # what must be recorded is said again after this time
    ask_again_ms: int = 10_000  # a machine that did not say what its notes are worth takes none, and is asked again


class Dialogue:
    """One acceptor's dialogue, from the first status on."""

    def __init__(self, settings: DialogueSettings, memory: Memory) -> None:
        self._settings = settings
        self.memory = memory
        self.told: list[on.AcceptorEvent] = []
        self._passage = Passage(settings.remind_ms)
        self._standing = Standing(settings.silent_polls_max)
        self._setup = Setup(settings.again_ms)
        self._wanted: frozenset[int] = frozenset()
        self._settled = False
        self._blank = False  # the last AcceptorUp was about a note in the box of unknown value
        self._said_up_ms = 0
        self._begin()

    def _begin(self) -> None:
        """Nothing is known of the device."""
        self._standing.up = False
        self._status = b""  # the last one
        self._garbled = 0  # statuses in a row that were none
        self._tries = {wire.VERSION: 0, wire.CURRENCY: 0}
        self._power_up: on.Whereabouts | None = None
        self._rested = False  # has been seen at rest
        self._watched = False  # or a note was seen to come: notes from now on are not found
        self._reset_ms: int | None = None
        self._asked_ms = 0
        self._setup.forget()

    # ---- what the kiosk wants

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values."""
        self._wanted = denominations_fen

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow."""
        self._passage.decide(to_box)

    def credited(self) -> None:
        """The stacked note is recorded."""
        if not self._blank:
            self._passage.credited()

    def settled(self) -> None:
        """What AcceptorUp said is recorded."""
        self._settled = True
        if self._blank:
            self._blank = False
            self._passage.credited()

    # ---- what to send

    @property
    def may_acknowledge(self) -> bool:
        """Whether the last status may be acknowledged."""
        return self._status[:1] == bytes((wire.VEND_VALID,)) and self._passage.stage is Stage.CREDITED

    def command(self, now_ms: int) -> bytes | None:
        """What the last status calls for, if it was the last thing heard."""
        code = self._status[0] if self._status else wire.COMMUNICATION_ERROR
        if not self._standing.up:
            return self._greeting(code)
        if self._power_up is not None:
            again = self._reset_ms is None or now_ms - self._reset_ms >= self._settings.again_ms
            return bytes((wire.RESET,)) if self._settled and again else None
        if code in (wire.ESCROW, wire.HOLDING):
            return self._move(now_ms)
        if code not in MAY_BE_SET:
            return None
        question = self._question()
        if question is not None and code != wire.IDLING:
            return bytes((question,))
        known = question is None and self._knows_its_notes
        takes = known and self._passage.stage is not Stage.STACKED
        return self._setup.step(code, self._wanted_kinds() if takes else frozenset(), now_ms)

    def _greeting(self, code: int) -> bytes | None:
        question = self._question()
        if question is None or not self._may_ask(code):
            return None
        return wire.INHIBIT_ON if code == wire.IDLING else bytes((question,))

    def _may_ask(self, code: int) -> bool:
        """Whether it names itself now, or can be brought to it; without any table it is asked in every state."""
        if code == wire.IDLING:
            return self._setup.inhibits < INHIBITS_MAX
        return code in MAY_BE_ASKED or not self.memory.currency

    def _question(self) -> int | None:
        return next((question for question, tries in self._tries.items() if tries < QUESTION_TRIES_MAX), None)

    @property
    def _knows_its_notes(self) -> bool:
        """Whether this machine said it; what is remembered may be another's."""
        return self._tries[wire.CURRENCY] == ANSWERED

    def _move(self, now_ms: int) -> bytes | None:
        note = self._passage.note
        if note is None or note.stage not in IN_ESCROW:
            return None
        if note.stage is Stage.TO_BOX:
            return bytes((wire.STACK_2,))
        if note.stage is Stage.TO_CUSTOMER:
            return bytes((wire.RETURN,))
        due = now_ms - note.since_ms >= self._settings.hold_every_ms
        return bytes((wire.HOLD,)) if due else None

    def _wanted_kinds(self) -> frozenset[int]:
        return frozenset(kind for kind, fen in self.memory.table.items() if fen in self._wanted)

    # ---- what came

    def silence(self) -> None:
        """The device is silent, or its line is dead."""
        self.told += self._standing.silent()
        self._passage.silence()
        self._begin()

    def missed(self, question: bytes) -> None:
        """A question had no answer."""
        if question[0] in self._tries:
            self._tries[question[0]] += 1
        if self._standing.missed():
            self.silence()

    def done(self, command: bytes, answer: bytes, now_ms: int) -> None:
        """What the answer to a command or question means."""
        self._standing.answered()
        kind = command[0]
        if kind in self._tries:
            self._take(kind, answer)
        elif kind in wire.SETTINGS:
            self._setup.heard(command, answer, now_ms)
        elif kind == wire.RESET and answer[0] == wire.ACK:
            self._reset_ms = now_ms
            self._setup.forget()
        elif kind == wire.HOLD and answer[0] == wire.ACK:
            self._passage.held(now_ms)

    def _take(self, question: int, answer: bytes) -> None:
        """An answer to VERSION or CURRENCY; one that is none counts as a try."""
        data, tries = answer[1:], ANSWERED
        if answer[0] != question:
            tries = QUESTION_TRIES_MAX if answer[0] == wire.INVALID_COMMAND else self._tries[question] + 1
        elif question == wire.VERSION:
            self.memory = replace(self.memory, version=data)
        elif kept.holds(data):
            self.memory = replace(self.memory, currency=data)
        else:
            tries = self._tries[question] + 1
        self._tries[question] = tries

    def alive(self) -> None:
        """A status came of which nothing else is believed."""
        self._standing.answered()

    # ---- what a status means

    def heard(self, status: bytes, now_ms: int) -> bool:
        """Tells what a status means; whether it says what the machine is doing."""
        self._standing.answered()
        if status[0] in (wire.COMMUNICATION_ERROR, wire.INVALID_COMMAND):
            self._garbled += 1
            if self._garbled >= self._settings.silent_polls_max and self._standing.up:
                self.told += self._standing.at_fault(NOT_UNDERSTOOD)
            return False
        changed, code = status != self._status or not self._standing.up, status[0]
        if self._standing.up and code in POWER_UP and self._power_up != POWER_UP[code]:
            self._begin()  # its power was away only for a blink
        if code == wire.INITIALIZING and self._status[:1] != status[:1]:
            self._setup.forget()
        self._status, self._garbled = status, 0
        if not self._standing.up and not self._greeted(code, now_ms):
            return True
        if code in POWER_UP:
            self._remind_of_power_up(now_ms)
            return True
        self._power_up = None
        self._note_events(code, status[1] if len(status) > 1 else None, changed, now_ms)
        self._tell_fault(code)
        return True

    def _greeted(self, code: int, now_ms: int) -> bool:
        """Whether the device is known well enough to be called up; says so."""
        self._power_up = POWER_UP.get(code)
        if self._question() is not None and self._may_ask(code):
            return False
        if self._power_up is not None:
            self._passage.note = None
            self._say_up(self._power_up, now_ms)
            return True
        unknown = self._passage.note is None and self._value() is None
        if unknown and code == wire.STACKING:
            return False  # it will be VEND VALID: one word of both
        if unknown and code == wire.VEND_VALID:
            self._passage.stacked(None, now_ms)
            self._say_up("stacker", now_ms)
            self._blank = True
        else:
            self._say_up("none", now_ms)
        return True

    def _say_up(self, where: on.Whereabouts, now_ms: int) -> None:
        self._standing.came_up()
        self._settled, self._blank, self._said_up_ms = False, False, now_ms
        self.told.append(on.AcceptorUp(wire.printable(self.memory.version), where))

    def _remind_of_power_up(self, now_ms: int) -> None:
        if not self._settled and self._power_up and now_ms - self._said_up_ms >= self._settings.remind_ms:
            self._say_up(self._power_up, now_ms)

    def _tell_fault(self, code: int) -> None:
        fault = FAULTS.get(code, "")
        if code in REST and not self._knows_its_notes and self._question() is None:
            fault = NO_VALUE
        self.told += self._standing.at_fault(fault)

    def _value(self) -> int | None:
        """Of the note that was last seen in escrow."""
        return self.memory.table.get(self.memory.kind)

    def _note_events(self, code: int, kind: int | None, changed: bool, now_ms: int) -> None:
        if code in REST:
            self._at_rest(now_ms)
        elif code == wire.ACCEPTING:
            self._watched = True
            self.told += [on.Accepting()] if changed else []
        elif code in (wire.ESCROW, wire.HOLDING):
            self._in_escrow(kind if code == wire.ESCROW else None, now_ms)
        elif code == wire.STACKING:
            self.told += [on.Stacking()] if changed else []
        elif code == wire.VEND_VALID:
            self._in_box(now_ms)
        elif code == wire.STACKED and self._passage.stage is Stage.TO_BOX:
            self._in_box(now_ms)  # it did not wait until we had heard and acknowledged it
        elif code in (wire.REJECTING, wire.RETURNING):
            self._passage.turned_back()
            if code == wire.REJECTING and changed:
                self.told.append(on.NoteRejected(wire.REASONS.get(kind or 0, f"{kind or 0:02x}")))
        elif code == wire.CHEATED and changed:
            self._fraud("cheated")

    def _fraud(self, what: str) -> None:
        self._wanted = frozenset()
        self.told.append(on.FraudSeen(what))

    def _at_rest(self, now_ms: int) -> None:
        if self._passage.stage is Stage.STACKED:
            self._in_box(now_ms)  # it did not wait until it was recorded: that is still waited for
            return
        if not self._rested:
            self._rested = self._watched = True
            self._asked_ms = now_ms
            for question, tries in self._tries.items():  # what it refused while a note moved
                self._tries[question] = tries if tries == ANSWERED else 0
        elif not self._knows_its_notes and now_ms - self._asked_ms >= self._settings.ask_again_ms:
            self._asked_ms = now_ms
            self._tries[wire.CURRENCY] = 0
        self.told += self._passage.gone()
        self.memory = replace(self.memory, kind=0)

    def _in_escrow(self, kind: int | None, now_ms: int) -> None:
        """``kind``: its escrow code; None while it is held, which says nothing of it."""
        note = self._passage.note
        if note and note.stage in IN_ESCROW and (kind is None or kind == note.kind):
            return
        if kind == wire.BARCODE:
            self._fraud("barcode")
        if kind is not None:
            self.memory = replace(self.memory, kind=kind)
        self.told += self._passage.escrowed(kind, self._value(), not self._watched, now_ms)

    def _in_box(self, now_ms: int) -> None:
        self.told += self._passage.stacked(self._value(), now_ms)
        note = self._passage.note
        if note is None or note.stage is not Stage.STACKED or note.fen is not None:
            return
        patient = now_ms - self._said_up_ms < self._settings.remind_ms
        if patient and (self._blank or not self._settled):
            return  # one word at a time: what is settled must be what was told
        self._say_up("stacker", now_ms)
        self._blank = True
