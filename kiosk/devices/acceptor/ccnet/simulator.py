"""A CCNET validator at the other end of a pseudo-terminal: speaks bytes to the host, and hands may touch it.

It lives on while hosts come and go, as a machine with its own power supply does. It is strict: what the manual calls
illegal in a state is refused, and an event is let go only by the acknowledgement that directly follows it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.validator import Look, Phase, Validator
from kiosk.devices.link import PtyLine, Tamper
from kiosk.model.clock import Clock, SystemClock

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

T = TypeVar("T")


class CcnetSimulator:
    """A validator, its serial line and its power switch. Every method may be called from any thread."""

    def __init__(
        self,
        path: Path,
        validator: Validator | None = None,
        clock: Clock | None = None,
        on_change: Callable[[Look], None] | None = None,
        tamper: Tamper | None = None,
        identity: str = "SM-CN1001 30K000000001",
        tick_ms: int = 10,
    ) -> None:
        """Puts the line at ``path`` and is switched on. ``on_change`` is called from whatever thread made the change.

        ``identity``: part number (to 15 characters) and serial number (to 12). Raises ConfigFault if the line cannot
        be put there.
        """
        self.line = PtyLine(path, tamper)
        self.polls = 0
        self._validator = validator or Validator()
        self._clock = clock or SystemClock()
        self._on_change = on_change
        part, _, serial = identity.partition(" ")
        self._identity = part.ljust(15).encode("ascii") + serial.ljust(12).encode("ascii") + ASSET
        self._tick_ms = tick_ms
        self._lock = threading.Lock()
        self._decoder = wire.Decoder()
        self._last = b""  # the last answer, for a NAK
        self._awaited: Phase | None = None  # what the next frame may acknowledge
        self._seen = self._validator.look
        self._running = True
        self._thread = threading.Thread(target=self._run, name="note acceptor simulator", daemon=True)
        self.power_on()
        self._thread.start()

    def close(self) -> None:
        """Ends, once; the machine and its cash box are forgotten."""
        self._running = False
        self.line.wake()
        self._thread.join()
        self.line.close()

    @property
    def look(self) -> Look:
        """What one sees of the machine now."""
        return self._do(lambda machine, now: machine.look)

    # ---- hands

    def feed(self, fen: int) -> bool:
        """A customer pushes in a genuine note; False if the slot does not take it."""
        return self._do(lambda machine, now: machine.feed(fen, now))

    def feed_forged(self, fen: int = 10_000) -> bool:
        """A customer pushes in a forged note."""
        return self._do(lambda machine, now: machine.feed(fen, now, genuine=False))

    def pull(self) -> bool:
        """A customer pulls the note back; False if it is too far in."""
        return self._do(lambda machine, now: machine.pull(now))

    def power_off(self) -> None:
        """Pulls the plug."""
        self._do(lambda machine, now: machine.power_off(now))

    def power_on(self) -> None:
        """Puts it in."""
        self._do(lambda machine, now: machine.power_on(now))

    def jam(self) -> bool:
        """The note that moves sticks; False if none does."""
        return self._do(lambda machine, now: machine.jam(now))

    def clear_jam(self) -> None:
        """Frees the note; it goes the way it went."""
        self._do(lambda machine, now: machine.clear_jam(now))

    def take_box(self) -> Counter[int]:
        """Takes the cash box out and empties it: fen → pieces."""
        return self._do(lambda machine, now: machine.take_box(now))

    def put_box(self) -> None:
        """Puts an empty cash box in."""
        self._do(lambda machine, now: machine.put_box(now))

    def cheat(self) -> bool:
        """Fishes for notes; False if one moves."""
        return self._do(lambda machine, now: machine.cheat(now))

    def fail(self, failure: int = 0x50) -> None:
        """Breaks a part (``wire.FAILURES``)."""
        self._do(lambda machine, now: machine.fail(failure, now))

    def mend(self) -> None:
        """Mends it."""
        self._do(lambda machine, now: machine.mend(now))

    def _do(self, act: Callable[[Validator, int], T]) -> T:
        with self._lock:
            now = self._clock.monotonic_ms()
            self._validator.pass_time(now)
            done = act(self._validator, now)
        self._show()
        return done

    def _show(self) -> None:
        with self._lock:
            look = self._validator.look
            changed, self._seen = look != self._seen, look
        if changed and self._on_change:
            self._on_change(look)

    # ---- the wire

    def _run(self) -> None:
        while self._running:
            came = self.line.receive(self._tick_ms)
            if not came:
                self._decoder.clear()  # a frame's bytes follow each other closely
            with self._lock:
                self._validator.pass_time(self._clock.monotonic_ms())
                if self._validator.phase is Phase.OFF:
                    self._awaited, self._last, came = None, b"", b""
                for body in self._decoder.feed(came):
                    self._last = self._answer(body, self._clock.monotonic_ms())
                    if self._last:
                        self.line.send(wire.encode(self._last))
            self._show()

    def _answer(self, body: bytes, now_ms: int) -> bytes:
        """What to say to a command; nothing to an acknowledgement."""
        machine, awaited = self._validator, self._awaited
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
        machine = self._validator
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
            return wire.mask(self._validator.enabled) + wire.mask(frozenset())
        if self._state()[0] not in wire.MAY_BE_ASKED:
            return REFUSE
        return self._identity if command == wire.IDENTIFY else wire.encode_table(self._table())

    def _table(self) -> wire.Table:
        return tuple(_note_type(fen) for fen in self._validator.kinds_fen)


def _note_type(fen: int) -> wire.NoteType:
    """The table's row for so many fen."""
    value, exponent = fen, -2
    while value % 10 == 0:
        value, exponent = value // 10, exponent + 1
    return wire.NoteType(value, "CNY", exponent)
