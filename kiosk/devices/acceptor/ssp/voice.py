"""A validator of Innovative Technology at the other end of the line, over the machine that ``validator`` is.

It is strict: a question with the last one's sequence bit is not acted on, the last answer is said again; what is
sealed with another key or count is not answered; commands of another length or in a wrong state are refused as the
manual says.
A note in escrow that was told is stacked by the next poll; every other command keeps it there for another 10 s. While
an event waits for EVENT ACK the answer to POLL WITH ACK does not change, and no note is taken.

Its memory without power holds the counters, and credits (EE) and notes found in the path at power-up on their way into
the box (E2) until they are let go: in the acknowledged mode by EVENT ACK, of those that the last poll told; by a plain
POLL as soon as it has told them. All else (keys, sequence, inhibits, E1, EB, EC …) goes with the power.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import FIXED_KEY, RandomBelow, Seal, is_prime
from kiosk.devices.acceptor.ssp.wire import Channel, Packet, Setup, Told
from kiosk.devices.acceptor.talk import NEVER, LineShape
from kiosk.devices.acceptor.validator import AT_REST, Phase, Validator

STEADY = {
    Phase.ACCEPTING: Told(wire.READ, 0),
    Phase.STACKING: Told(wire.STACKING),
    Phase.RETURNING: Told(wire.REJECTING),
    Phase.REJECTING: Told(wire.REJECTING),
    Phase.JAM_IN_VALIDATOR: Told(wire.UNSAFE_JAM),
    Phase.JAM_IN_STACKER: Told(wire.SAFE_JAM),
    Phase.REMOVED: Told(wire.BOX_OUT),
}
"""What every poll tells for as long as it lasts."""
ACKNOWLEDGED = frozenset((wire.CREDIT, wire.TO_BOX_AT_START, wire.FRAUD))
IN_ESCROW = (Phase.ESCROW, Phase.HOLDING)
KEY_COMMANDS = frozenset((wire.GENERATOR, wire.MODULUS, wire.KEYS))
LENGTHS = {
    **dict.fromkeys((wire.RESET, wire.SETUP, wire.POLL, wire.REJECT, wire.DISABLE, wire.ENABLE), (1,)),
    **dict.fromkeys((wire.SYNC, wire.LAST_REJECT, wire.HOLD, wire.POLL_ACK, wire.EVENT_ACK, wire.COUNTERS), (1,)),
    **dict.fromkeys(KEY_COMMANDS, (9,)),
    wire.INHIBITS: (2, 3, 4),
    wire.SERIAL: (1, 2),
    wire.VERSION: (2,),
}
REJECT_REASONS = {"inhibited": wire.INHIBITED, "verification": wire.VERIFICATION, "insertion": wire.INSERTION}


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What kind of device it is."""

    serial: int = 4_880_564
    fixed_key: int = field(default=FIXED_KEY, repr=False)
    protocol_max: int = 7
    seals: bool = True  # knows keys
    acknowledges: bool = True  # knows POLL WITH ACK
    counts: bool = True  # knows GET COUNTERS
    says_no_key: bool = True  # answers FA to what is sealed when it has no key; else nothing


@dataclass(slots=True)
class Kept:
    """What it keeps without power."""

    stacked: int = 0
    rejected: int = 0
    untold: list[Told] = field(default_factory=list)  # credits and notes at power-up, until they are let go


@dataclass(slots=True)
class Volatile:
    """What goes with the power."""

    last_bit: int | None = None
    last_answer: bytes = b""
    protocol: int = 4
    generator: int = 0
    modulus: int = 0
    seal: Seal | None = None
    channels: frozenset[int] = frozenset()
    enabled: bool = False
    once: list[Told] = field(default_factory=list)  # told once, by whatever poll
    reported: int = 0  # of ``untold``, by the last POLL WITH ACK
    unchanging: list[Told] = field(default_factory=list)  # the answer to POLL WITH ACK until EVENT ACK
    acknowledging: bool = False  # the last poll was one
    escrow_told: bool = False
    reason: int = 0


class SspVoice:
    """A validator as a ``Voice``. Its owner locks it together with the machine."""

    def __init__(
        self,
        machine: Validator,
        settings: VoiceSettings = VoiceSettings(),
        random_below: RandomBelow = secrets.randbelow,
    ) -> None:
        self.shape = LineShape(9600, stop_bits=2)
        self.kept = Kept()
        self.polls = 0
        self._machine, self._settings, self._random_below = machine, settings, random_below
        self._state = Volatile()
        self._decoder = wire.Decoder()
        self._handed = machine.handed_back.total()
        self._phase = machine.phase
        self._clearing = False  # the note that goes out was told as E1

    # ---- Voice

    def received(self, came: bytes, now_ms: int) -> bytes:
        """Answers every whole packet in turn."""
        self.wake(now_ms)
        if self._machine.phase is Phase.OFF:
            return b""
        return b"".join(self._said(packet, now_ms) for packet in self._decoder.feed(came))

    def wake(self, now_ms: int) -> bytes:
        """It says nothing unasked."""
        machine = self._machine
        machine.pass_time(now_ms)
        if machine.phase is Phase.OFF:
            self._state = Volatile()
            self._decoder.clear()
        elif machine.phase is Phase.POWER_UP:
            self._power_up(now_ms)
        if machine.phase is Phase.STACKED:
            self._drop(wire.CREDIT)
            self._state.once.append(Told(wire.STACKED))
            machine.acknowledged(now_ms)
        self._notice_notes_handed_back(now_ms)
        self._notice_change()
        if machine.phase in AT_REST and machine.enabled != self._kinds():
            machine.enable(self._kinds(), self._kinds(), now_ms)
        self._phase = machine.phase
        return b""

    def due_ms(self) -> int:
        """When the machine goes on by itself."""
        due = self._machine.due_ms
        return NEVER if due is None else due

    # ---- what happens in the machine

    def _power_up(self, now_ms: int) -> None:
        """It clears its path by itself: a note past the point of no return goes into the box, another one out."""
        machine = self._machine
        self._state = Volatile(once=[Told(wire.WAS_RESET), Told(wire.DISABLED)])
        self._decoder.clear()
        if machine.place == "stacker":
            self._drop(wire.TO_BOX_AT_START)
        elif machine.place == "validator":
            self._state.once.append(Told(wire.TO_FRONT_AT_START, self._channel(machine.note_fen)))
        self._handed = machine.handed_back.total()
        self._clearing = machine.place == "validator"
        machine.reset(now_ms)

    def _drop(self, code: int) -> None:
        self.kept.stacked += 1
        self.kept.untold.append(Told(code, self._channel(self._machine.note_fen)))

    def _notice_notes_handed_back(self, now_ms: int) -> None:
        machine, state = self._machine, self._state
        if machine.handed_back.total() > self._handed:
            self._handed = machine.handed_back.total()
            if not self._clearing:
                self.kept.rejected += 1
                state.once.append(Told(wire.REJECTED))
                if machine.phase is not Phase.RETURNED:
                    state.reason = REJECT_REASONS.get(machine.reason, wire.VERIFICATION)
            self._clearing = False
        if machine.phase is Phase.RETURNED:
            machine.acknowledged(now_ms)

    def _notice_change(self) -> None:
        machine, before = self._machine, self._phase
        if machine.phase not in IN_ESCROW:
            self._state.escrow_told = False
        if machine.phase is before:
            return
        if machine.phase is Phase.FULL:
            self._state.once.append(Told(wire.FULL))
        if machine.phase is Phase.CHEATED:
            self._state.once.append(Told(wire.FRAUD, 0))
        if before is Phase.REMOVED and machine.phase is not Phase.OFF:
            self._state.once.append(Told(wire.BOX_IN))
        if machine.phase in IN_ESCROW and before not in IN_ESCROW:
            self._state.reason = wire.ESCROW_TIMEOUT  # unless the host says otherwise

    def _kinds(self) -> frozenset[int]:
        """What it is open for; for nothing while an event waits to be acknowledged."""
        state = self._state
        if not state.enabled or state.unchanging or (state.acknowledging and self.kept.untold):
            return frozenset()
        return frozenset(channel - 1 for channel in state.channels if channel <= len(self._machine.kinds_fen))

    def _channel(self, fen: int | None) -> int:
        return self._machine.kinds_fen.index(fen) + 1 if fen in self._machine.kinds_fen else 0

    # ---- the wire

    def _said(self, packet: Packet, now_ms: int) -> bytes:
        state = self._state
        bit = packet.head & wire.SEQUENCE
        if packet.head & ~wire.SEQUENCE:
            return b""  # another device's
        if bit == state.last_bit and packet.data != bytes((wire.SYNC,)):
            return state.last_answer
        sealed = packet.data[0] == wire.SEALED
        if sealed and state.seal is None:
            return self._keep_answer(bit, bytes((wire.NO_KEY,))) if self._settings.says_no_key else b""
        command = state.seal.open(packet.data) if sealed and state.seal else packet.data
        if command is None:
            return b""
        seal = state.seal if sealed else None
        if seal:
            seal.count += 1
        answer = self._answer(command, sealed, now_ms)
        self.wake(now_ms)
        return self._keep_answer(bit, seal.close(answer) if seal else answer)

    def _keep_answer(self, bit: int, data: bytes) -> bytes:
        self._state.last_bit = bit
        self._state.last_answer = wire.encode(Packet(bit, data))
        return self._state.last_answer

    def _answer(self, command: bytes, sealed: bool, now_ms: int) -> bytes:
        code, told = command[0], self._settings
        unknown = code not in LENGTHS or (code in KEY_COMMANDS and not told.seals)
        unknown = unknown or (code in (wire.POLL_ACK, wire.EVENT_ACK) and not told.acknowledges)
        if unknown or (code == wire.COUNTERS and not told.counts):
            return bytes((wire.UNKNOWN,))
        if len(command) not in LENGTHS[code]:
            return bytes((wire.WRONG_LENGTH,))
        if code in (wire.POLL_ACK, wire.EVENT_ACK) and not sealed:
            return bytes((wire.NO_KEY,))
        if code not in (wire.POLL, wire.POLL_ACK):
            self._machine.hold(now_ms)
        else:
            return self._poll(code == wire.POLL_ACK, now_ms)
        if code in (wire.HOLD, wire.REJECT, wire.EVENT_ACK):
            return bytes((wire.OK if self._moved(code, now_ms) else wire.CANNOT,))
        if code in KEY_COMMANDS:
            return self._exchange(code, int.from_bytes(command[1:], "little"))
        return self._told(code) or self._set(code, command[1:], now_ms)

    def _told(self, code: int) -> bytes:
        answers = {
            wire.SYNC: bytes((wire.OK,)),
            wire.SERIAL: bytes((wire.OK,)) + self._settings.serial.to_bytes(4, "big"),
            wire.LAST_REJECT: bytes((wire.OK, self._state.reason)),
            wire.COUNTERS: wire.encode_counters(self.kept.stacked, self.kept.rejected),
        }
        if code == wire.SETUP:
            rows = tuple(Channel(fen // 100, "CNY", fen) for fen in self._machine.kinds_fen)
            return wire.encode_setup(Setup(0, "0459", "CNY", self._state.protocol, rows))
        return answers.get(code, b"")

    def _set(self, code: int, value: bytes, now_ms: int) -> bytes:
        state = self._state
        if code == wire.VERSION:
            if value[0] > self._settings.protocol_max:
                return bytes((wire.FAIL,))
            state.protocol = value[0]
        elif code == wire.INHIBITS:
            state.channels = wire.parse_inhibits(value)
            if not state.channels:
                state.once.append(Told(wire.CHANNELS_OFF))
        elif code in (wire.ENABLE, wire.DISABLE):
            state.enabled = code == wire.ENABLE
            state.once = [told for told in state.once if told.code != wire.DISABLED]
            state.once += [] if state.enabled else [Told(wire.DISABLED)]
        elif code == wire.RESET:
            self._machine.power_off(now_ms)
            self._machine.power_on(now_ms)
        self._machine.enable(self._kinds(), self._kinds(), now_ms)
        return bytes((wire.OK,))

    def _exchange(self, code: int, number: int) -> bytes:
        state = self._state
        if code != wire.KEYS:
            if number >= 1 << 31 or not is_prime(number):
                return bytes((wire.OUT_OF_RANGE,))
            if code == wire.GENERATOR:
                state.generator = number
            else:
                state.modulus = number
            return bytes((wire.OK,))
        if not state.generator or not state.modulus:
            return bytes((wire.FAIL,))
        secret = 1 + self._random_below(max(1, state.modulus - 2))
        shared = pow(number, secret, state.modulus)
        state.seal = Seal(self._settings.fixed_key, shared, self._random_below)
        return bytes((wire.OK,)) + pow(state.generator, secret, state.modulus).to_bytes(8, "little")

    def _moved(self, code: int, now_ms: int) -> bool:
        machine, state = self._machine, self._state
        if code == wire.HOLD:
            return machine.hold(now_ms)
        if code == wire.EVENT_ACK:
            waited, state.unchanging = bool(state.unchanging), []
            self.kept.untold = self.kept.untold[state.reported if waited else 0 :]
            return waited
        rejected = machine.give_back(now_ms)
        if rejected:
            state.reason = wire.BY_HOST
        return rejected

    def _poll(self, acknowledging: bool, now_ms: int) -> bytes:
        machine, state = self._machine, self._state
        self.polls += 1
        state.acknowledging = acknowledging
        if machine.phase is Phase.FAILURE:
            return bytes((wire.SOFTWARE_ERROR,))
        if acknowledging and state.unchanging:
            return wire.encode_poll(state.unchanging)
        if machine.phase in IN_ESCROW and state.escrow_told:
            machine.stack(now_ms)
        told, state.once, state.reported = state.once + self.kept.untold, [], len(self.kept.untold)
        waits = acknowledging and any(event.code in ACKNOWLEDGED for event in told)
        if not acknowledging:
            self.kept.untold, state.unchanging = [], []
        if machine.phase in IN_ESCROW:
            state.escrow_told = True
            told.append(Told(wire.READ, self._channel(machine.note_fen)))
        if machine.phase in STEADY:
            told.append(STEADY[machine.phase])
        if machine.phase is Phase.INITIALIZING and acknowledging:
            told.append(Told(wire.INITIALIZING))
        state.unchanging = told if waits else []
        return wire.encode_poll(told)
