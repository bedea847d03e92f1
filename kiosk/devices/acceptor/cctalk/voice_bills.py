"""A ccTalk bill validator's half of the line, over the machine that ``validator`` is."""

from __future__ import annotations

from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.voice import ACK, PLATE, Body, Plate
from kiosk.devices.acceptor.validator import AT_REST, Phase, Validator

REJECTED = {"verification": 2, "insertion": 3, "inhibited": 4}
EVENTS = {
    Phase.JAM_IN_VALIDATOR: 6,
    Phase.JAM_IN_STACKER: 7,
    Phase.REMOVED: 11,
    Phase.FAILURE: 13,
    Phase.FULL: 14,
    Phase.CHEATED: 18,
}
BOX_IN, STACKED_AT_POWER_UP = 12, 21
SELF_CHECK = {
    Phase.JAM_IN_VALIDATOR: 39,
    Phase.JAM_IN_STACKER: 39,
    Phase.REMOVED: 44,
    Phase.FULL: 45,
    Phase.FAILURE: 38,
}
FACTOR_FEN = 100  # the names count whole yuan


class BillVoice(Body):
    """A bill validator as a ``Voice``."""

    category, usual_address = "Bill Validator", wire.BILL_VALIDATOR

    def __init__(self, machine: Validator, plate: Plate = PLATE, tells_power_up: bool = True) -> None:
        """``tells_power_up``: whether it says at its power-up that a note on its way was stacked (event 21)."""
        super().__init__(plate)
        self._machine, self._tells_power_up = machine, tells_power_up
        self._phase = Phase.OFF
        self._mode = wire.WITH_STACKER
        self._stacked_at_power_up = self._box_out = False
        self._applied: tuple[frozenset[int], frozenset[int]] | None = None

    def powered(self) -> bool:
        """Whether it has power."""
        return self._machine.phase is not Phase.OFF

    def machine_due_ms(self) -> int | None:
        """When the machine goes on by itself."""
        return self._machine.due_ms

    def pass_time(self, now_ms: int) -> None:
        """Every change of the machine is logged as it comes."""
        machine = self._machine
        machine.pass_time(now_ms)
        if machine.phase is Phase.POWER_UP:
            self._power_up(now_ms)
        while machine.phase is not self._phase:
            before, self._phase = self._phase, machine.phase
            self._changed(before, now_ms)
        self._apply(now_ms)

    def _power_up(self, now_ms: int) -> None:
        self.forget(now_ms)
        self._mode, self._applied, self._phase = wire.WITH_STACKER, None, Phase.OFF
        self._stacked_at_power_up = self._machine.place == "stacker"
        self.accepted += self._stacked_at_power_up
        self._machine.reset(now_ms)

    def _changed(self, before: Phase, now_ms: int) -> None:
        machine, phase = self._machine, self._machine.phase
        if before is Phase.INITIALIZING and phase is not Phase.OFF:
            self._initialized()
        if phase in EVENTS:
            self.log((0, EVENTS[phase]))
        self._box_out = self._box_out or phase is Phase.REMOVED
        if phase is Phase.ESCROW:
            self.log((self._kind(), 1))
        elif phase is Phase.STACKED:
            self.log((self._kind(), 0))
            self.accepted += 1
            machine.acknowledged(now_ms)
        elif phase is Phase.RETURNED:
            self.log((0, 1))
            machine.acknowledged(now_ms)
        elif phase is Phase.REJECTING:
            self.log((0, REJECTED[machine.reason]))

    def _initialized(self) -> None:
        if self._stacked_at_power_up and self._tells_power_up:
            self.log((0, STACKED_AT_POWER_UP))
        if self._box_out:
            self.log((0, BOX_IN))
        self._stacked_at_power_up = self._box_out = False

    def _kind(self) -> int:
        fen = self._machine.note_fen
        return 0 if fen is None else self._machine.kinds_fen.index(fen) + 1

    def _apply(self, now_ms: int) -> None:
        """A note that moves is dealt with first."""
        if self._machine.phase not in AT_REST:
            return
        kinds = self.open_for & frozenset(range(len(self._machine.kinds_fen)))
        wished = kinds, kinds if self._mode & wire.WITH_ESCROW else frozenset()
        if wished != self._applied or self._machine.enabled != kinds:
            self._machine.enable(*wished, now_ms)
            self._applied, self._phase = wished, self._machine.phase

    def said(self, header: int, data: bytes, now_ms: int) -> bytes | None:
        """What only bill validators answer."""
        if header == wire.BILL_EVENTS and not data:
            self.polls += 1
            return tables.encode(self.table)
        if header == wire.SELF_CHECK and not data:
            return bytes((SELF_CHECK.get(self._machine.phase, 0),))
        if header == wire.BILL_ID and len(data) == 1 and 1 <= data[0] <= wire.KINDS:
            return self._name(data[0])
        if header == wire.SCALING and len(data) == 2:
            ours = data == self._plate.country.encode("ascii")
            return FACTOR_FEN.to_bytes(2, "little") + b"\2" if ours else bytes(3)
        if header == wire.CURRENCY_REVISION and len(data) == 2:
            return self._plate.country.encode("ascii") + b"A"
        if header == wire.OPERATING_MODE and len(data) == 1:
            self._mode = data[0]
            return ACK
        if header == wire.ROUTE and len(data) == 1:
            return self._route(data[0], now_ms)
        return None

    def _name(self, kind: int) -> bytes:
        fens = self._machine.kinds_fen
        if kind > len(fens):
            return b"." * 7
        return f"{self._plate.country}{fens[kind - 1] // FACTOR_FEN:04d}A".encode("ascii")

    def _route(self, where: int, now_ms: int) -> bytes | None:
        machine = self._machine
        moves = {wire.RETURN: machine.give_back, wire.STACK: machine.stack, wire.HOLD: machine.hold}
        if where not in moves:
            return None
        return ACK if moves[where](now_ms) else bytes((wire.ESCROW_EMPTY,))
