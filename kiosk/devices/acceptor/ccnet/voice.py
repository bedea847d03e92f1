"""A CCNET validator's half of the line, over the machine that ``validator`` is.

It is strict: what the manual calls illegal in a state is refused, and an event is let go only by the acknowledgement
that directly follows it.
"""

from __future__ import annotations

from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.talk import NEVER, LineShape
from kiosk.devices.acceptor.validator import Phase, Validator

CODES = {
    Phase.INITIALIZING: wire.INITIALIZING,
    Phase.IDLE: wire.IDLING,
    Phase.DISABLED: wire.DISABLED,
    Phase.ACCEPTING: wire.ACCEPTING,
    Phase.ESCROW: wire.ESCROWED,
    Phase.HOLDING: wire.HOLDING,
    Phase.STACKING: wire.STACKING,
    Phase.STACKED: wire.STACKED,
    Phase.RETURNING: wire.RETURNING,
    Phase.RETURNED: wire.RETURNED,
    Phase.REJECTING: wire.REJECTING,
    Phase.JAM_IN_VALIDATOR: wire.JAM_IN_VALIDATOR,
    Phase.JAM_IN_STACKER: wire.JAM_IN_STACKER,
    Phase.FULL: wire.FULL,
    Phase.REMOVED: wire.REMOVED,
    Phase.CHEATED: wire.CHEATED,
    Phase.FAILURE: wire.FAILURE,
}
POWER_UP = {
    "none": wire.POWER_UP,
    "validator": wire.POWER_UP_IN_VALIDATOR,
    "stacker": wire.POWER_UP_IN_STACKER,
}
REASON_CODES = {reason: code for code, reason in wire.REASONS.items()}
ACKNOWLEDGE, REFUSE = bytes((wire.ACK,)), bytes((wire.ILLEGAL,))
ASSET = bytes(7)
GAP_MS = 10  # a frame's bytes follow each other closely


class CcnetVoice:
    """A validator as a ``Voice``. Its owner locks it together with the machine."""

    def __init__(self, machine: Validator, identity: str = "SM-CN1001 30K000000001") -> None:
        """``identity``: part number (to 15 characters) and serial number (to 12)."""
        self.shape = LineShape(9600)
        self.polls = 0
        self._machine = machine
        part, _, serial = identity.partition(" ")
        self._identity = part.ljust(15).encode("ascii") + serial.ljust(12).encode("ascii") + ASSET
        self._decoder = wire.Decoder()
        self._came_ms = 0
        self._last = b""  # the last answer, for a NAK
        self._awaited: Phase | None = None  # what the next frame may acknowledge

    def received(self, came: bytes, now_ms: int) -> bytes:
        """Answers every whole frame in turn."""
        self.wake(now_ms)
        if self._machine.phase is Phase.OFF:
            return b""
        if now_ms - self._came_ms > GAP_MS:
            self._decoder.clear()
        self._came_ms = now_ms
        return b"".join(self._said(body, now_ms) for body in self._decoder.feed(came))

    def wake(self, now_ms: int) -> bytes:
        """It says nothing unasked."""
        self._machine.pass_time(now_ms)
        if self._machine.phase is Phase.OFF:
            self._awaited, self._last = None, b""
            self._decoder.clear()
        return b""

    def due_ms(self) -> int:
        """When the machine goes on by itself."""
        due = self._machine.due_ms
        return NEVER if due is None else due

    def _said(self, body: bytes, now_ms: int) -> bytes:
        self._last = self._answer(body, now_ms)
        return wire.encode(self._last) if self._last else b""

    def _answer(self, body: bytes, now_ms: int) -> bytes:
        """What to say to a command; nothing to an acknowledgement."""
        machine, awaited = self._machine, self._awaited
        self._awaited = None
        command = body[0]
        if command == wire.NAK:
            self._awaited = awaited
            return self._last
        if len(body) == 1 and command == wire.ACK:
            if awaited is machine.phase:
                machine.acknowledged(now_ms)
            return b""
        if command == wire.POLL:
            self.polls += 1
            self._awaited = machine.phase
            return self._state()
        if command in (wire.IDENTIFY, wire.TABLE, wire.STATUS):
            return self._tell(command)
        if command == wire.ENABLE and len(body) == 7:
            done = machine.enable(wire.parse_mask(body[1:4]), wire.parse_mask(body[4:7]), now_ms)
        elif command == wire.SECURITY and len(body) == 4:
            done = True
        else:
            moves = {
                wire.RESET: machine.reset,
                wire.STACK: machine.stack,
                wire.RETURN: machine.give_back,
                wire.HOLD: machine.hold,
            }
            done = len(body) == 1 and command in moves and moves[command](now_ms)
        return ACKNOWLEDGE if done else REFUSE

    def _state(self) -> bytes:
        machine = self._machine
        if machine.phase is Phase.POWER_UP:
            return bytes((POWER_UP[machine.place],))
        code = CODES[machine.phase]
        if machine.phase in (Phase.ESCROW, Phase.STACKED) and machine.note_fen is not None:
            return bytes((code, machine.kinds_fen.index(machine.note_fen)))
        if machine.phase is Phase.RETURNED and machine.handed_fen in machine.kinds_fen:
            return bytes((code, machine.kinds_fen.index(machine.handed_fen)))
        if machine.phase is Phase.REJECTING:
            return bytes((code, REASON_CODES[machine.reason]))
        if machine.phase is Phase.FAILURE:
            return bytes((code, machine.failure))
        return bytes((code,))

    def _tell(self, command: int) -> bytes:
        if command == wire.STATUS:
            return wire.mask(self._machine.enabled) + wire.mask(frozenset())
        if self._state()[0] not in wire.MAY_BE_ASKED:
            return REFUSE
        return self._identity if command == wire.IDENTIFY else wire.encode_table(self._table())

    def _table(self) -> wire.Table:
        return tuple(_note_type(fen) for fen in self._machine.kinds_fen)


def _note_type(fen: int) -> wire.NoteType:
    """The table's row for so many fen."""
    value, exponent = fen, -2
    while value % 10 == 0:
        value, exponent = value // 10, exponent + 1
    return wire.NoteType(value, "CNY", exponent)
