"""An ID003 acceptor's half of the line, over the machine that ``validator`` is.

It is strict. Until RESET it says its power-up state and takes no setting; then it initializes until it has been told
its denominations and whether it is inhibited, and it forgets both whenever it begins anew. A command that makes no
sense now is an INVALID COMMAND, and so is to ask its name and notes while a note is under way. VEND VALID comes until
the ACK that directly follows it; by STACK-1 as soon as the note is past the lever. WAIT, which no source explains, is
refused.
"""

from __future__ import annotations

from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.talk import NEVER, LineShape
from kiosk.devices.acceptor.validator import AT_REST, Phase, Validator

CODES = {
    Phase.INITIALIZING: wire.INITIALIZING,
    Phase.IDLE: wire.IDLING,
    Phase.DISABLED: wire.DISABLED,
    Phase.ACCEPTING: wire.ACCEPTING,
    Phase.ESCROW: wire.ESCROW,
    Phase.HOLDING: wire.HOLDING,
    Phase.STACKING: wire.STACKING,
    Phase.STACKED: wire.VEND_VALID,
    Phase.RETURNING: wire.RETURNING,
    Phase.RETURNED: wire.RETURNING,
    Phase.REJECTING: wire.REJECTING,
    Phase.JAM_IN_VALIDATOR: wire.JAM_IN_ACCEPTOR,
    Phase.JAM_IN_STACKER: wire.JAM_IN_STACKER,
    Phase.FULL: wire.FULL,
    Phase.REMOVED: wire.OPEN,
    Phase.CHEATED: wire.CHEATED,
    Phase.FAILURE: wire.FAILURE,
}
POWER_UP = {
    "none": wire.POWER_UP,
    "validator": wire.POWER_UP_IN_ACCEPTOR,
    "stacker": wire.POWER_UP_IN_STACKER,
}
REASON_CODES = {reason: code for code, reason in wire.REASONS.items()}
FAILURES = {0x50: 0xA2, 0x51: 0xA5, 0x52: 0xA6, 0x53: 0xA7, 0x54: 0xAB, 0x55: 0xAC, 0x56: 0xAD}  # of CCNET's
LENGTHS = {wire.SET_DENOMINATIONS: 3, wire.SET_SECURITY: 3, wire.SET_OPTIONS: 3}  # of settings; else 2
NEEDED = frozenset({wire.SET_DENOMINATIONS, wire.SET_INHIBIT})
ACKNOWLEDGE, REFUSE = bytes((wire.ACK,)), bytes((wire.INVALID_COMMAND,))
BOOT = b"B05 "
GAP_MS = 50  # a frame's bytes follow each other closely


class Id003Voice:
    """An acceptor as a ``Voice``. Its owner locks it together with the machine."""

    def __init__(self, machine: Validator, version: str = "i(CHN)100-SS ID003-05V280-42 01AUG17 964D") -> None:
        """``version``: in the form of the maker's. Raises ValueError for notes that it cannot name."""
        self.shape = LineShape(9600, parity="even")
        self.polls = 0
        self._machine = machine
        self._version = version.encode("ascii")
        kinds = dict(enumerate(machine.kinds_fen, wire.FIRST_KIND))
        self._currency = wire.encode_currency(kinds)
        wire.parse_currency(self._currency[1:])
        self._decoder = wire.Decoder()
        self._came_ms = 0
        self._settings: dict[int, bytes] = {}  # whole, as they were sent, since it began anew
        self._applied: frozenset[int] = frozenset()  # what of it the machine was told
        self._awaited = False  # the next frame may acknowledge
        self._by_stack_1 = self._vended = False  # the note goes so; it was acknowledged on its way
        self._just_stacked = False

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
        machine = self._machine
        machine.pass_time(now_ms)
        if machine.phase in (Phase.OFF, Phase.POWER_UP):
            self._begin_anew()
            self._by_stack_1 = self._vended = False
        if machine.phase not in AT_REST:
            self._just_stacked = False
        if machine.phase is Phase.OFF:
            self._awaited = False
            self._decoder.clear()
        if machine.enabled != self._applied:  # it began anew by itself
            self._begin_anew()
        if machine.phase is Phase.RETURNED:
            machine.acknowledged(now_ms)  # an event of other protocols
        if machine.phase is Phase.STACKED and self._vended:
            self._stacked(now_ms)
        self._apply(now_ms)
        return b""

    def due_ms(self) -> int:
        """When the machine goes on by itself."""
        due = self._machine.due_ms
        return NEVER if due is None else due

    def _begin_anew(self) -> None:
        self._settings, self._applied = {}, frozenset()

    def _apply(self, now_ms: int) -> None:
        """The machine is told what the settings say, as soon as it can be."""
        kinds: frozenset[int] = frozenset()
        if self._settings.get(wire.SET_INHIBIT) == wire.INHIBIT_OFF:
            taken = wire.parse_denominations(self._settings.get(wire.SET_DENOMINATIONS, b"\0\xff\xff")[1:])
            kinds = frozenset(kind - wire.FIRST_KIND for kind in taken) & frozenset(range(len(self._machine.kinds_fen)))
        if kinds != self._applied and self._machine.enable(kinds, kinds, now_ms):
            self._applied = kinds

    def _stacked(self, now_ms: int) -> None:
        self._machine.acknowledged(now_ms)
        self._by_stack_1 = self._vended = False
        self._just_stacked = True

    # ---- the wire

    def _said(self, body: bytes, now_ms: int) -> bytes:
        answer = self._answer(body, now_ms)
        self.wake(now_ms)
        return wire.encode(answer) if answer else b""

    def _answer(self, body: bytes, now_ms: int) -> bytes:
        """What to say to a command; nothing to an acknowledgement."""
        awaited, self._awaited = self._awaited, False
        command = body[0]
        if body == ACKNOWLEDGE:
            if awaited:
                self._acknowledged(now_ms)
            return b""
        if body == wire.STATUS:
            self.polls += 1
            status = self._status()
            self._awaited = status[0] == wire.VEND_VALID
            return status
        if command in wire.SETTINGS:
            return self._set(body)
        if len(body) > 1:
            return REFUSE
        if command in wire.OPERATIONS:
            return ACKNOWLEDGE if self._operate(command, now_ms) else REFUSE
        return self._tell(command)

    def _acknowledged(self, now_ms: int) -> None:
        if self._machine.phase is Phase.STACKED:
            self._stacked(now_ms)
        else:
            self._vended = True

    def _status(self) -> bytes:
        machine = self._machine
        if machine.phase is Phase.POWER_UP:
            return bytes((POWER_UP[machine.place],))
        if machine.phase in AT_REST and self._just_stacked:
            self._just_stacked = False
            return bytes((wire.STACKED,))
        if machine.phase in (Phase.IDLE, Phase.DISABLED) and not self._settings.keys() >= NEEDED:
            return bytes((wire.INITIALIZING,))
        if machine.phase is Phase.STACKING and machine.place == "stacker" and self._by_stack_1 and not self._vended:
            return bytes((wire.VEND_VALID,))
        code = CODES[machine.phase]
        if machine.phase is Phase.ESCROW and machine.note_fen is not None:
            return bytes((code, wire.FIRST_KIND + machine.kinds_fen.index(machine.note_fen)))
        if machine.phase is Phase.REJECTING:
            return bytes((code, REASON_CODES[machine.reason]))
        if machine.phase is Phase.FAILURE:
            return bytes((code, FAILURES.get(machine.failure, machine.failure)))
        return bytes((code,))

    def _set(self, setting: bytes) -> bytes:
        if self._machine.phase is Phase.POWER_UP or len(setting) != LENGTHS.get(setting[0], 2):
            return REFUSE
        self._settings[setting[0]] = setting
        return setting

    def _operate(self, command: int, now_ms: int) -> bool:
        machine = self._machine
        if command == wire.RESET:
            done = machine.reset(now_ms)
            self._begin_anew()
            self._by_stack_1 = self._vended = False
            return done
        if command in (wire.STACK_1, wire.STACK_2):
            done = machine.stack(now_ms)
            self._by_stack_1 = done and command == wire.STACK_1
            return done
        if command == wire.RETURN:
            return machine.give_back(now_ms)
        return command == wire.HOLD and machine.hold(now_ms)

    def _tell(self, command: int) -> bytes:
        asked_of = command + wire.SET_DENOMINATIONS - wire.DENOMINATIONS
        if asked_of in wire.SETTINGS:
            return bytes((command,)) + self._settings.get(asked_of, bytes(LENGTHS.get(asked_of, 2)))[1:]
        machine = self._machine
        at_rest = machine.phase in (*AT_REST, Phase.INITIALIZING, Phase.FAILURE, Phase.CHEATED)
        if not at_rest and not (machine.phase is Phase.POWER_UP and machine.place == "none"):
            return REFUSE
        told = {
            wire.VERSION: bytes((command,)) + self._version,
            wire.BOOT_VERSION: bytes((command,)) + BOOT,
            wire.CURRENCY: self._currency,
        }
        return told.get(command, REFUSE)
