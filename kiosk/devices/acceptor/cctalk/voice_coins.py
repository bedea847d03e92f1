"""A ccTalk coin acceptor's half of the line, over the machine that ``coins`` is.

It takes coins only while it is asked for its events at least once a second, so that its table is not overrun (Azkoyen,
Modular X6 ccTalk manual E 10210, §5.20).
"""

from __future__ import annotations

from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.voice import PLATE, Body, Plate
from kiosk.devices.acceptor.coins import CoinMachine

WATCH_MS = 1_000
SORTER_PATH = 1
CODES = {"unknown": 1, "inhibited": 2, "jam": 14, "backwards": 17, "string": 20}
JAMMED = 253  # what its self-check says


class CoinVoice(Body):
    """A coin acceptor as a ``Voice``."""

    category, usual_address = "Coin Acceptor", wire.COIN_ACCEPTOR

    def __init__(self, machine: CoinMachine, plate: Plate = PLATE) -> None:
        super().__init__(plate)
        self._machine = machine
        self._powered_times = 0
        self._watched_until_ms = 0

    def powered(self) -> bool:
        """Whether it has power."""
        return self._machine.powered

    def machine_due_ms(self) -> int | None:
        """When a coin has rolled on, or nobody has asked for too long."""
        dues = [self._machine.due_ms, self._watched_until_ms if self._machine.open_for_fen else None]
        return min((due for due in dues if due is not None), default=None)

    def pass_time(self, now_ms: int) -> None:
        """Every coin is logged as it falls."""
        machine = self._machine
        if machine.powered and machine.powered_times != self._powered_times:
            self._powered_times = machine.powered_times
            self.forget(now_ms)
            self._watched_until_ms = 0
        machine.pass_time(now_ms)
        for what, kind in machine.seen():
            self.log((kind + 1, SORTER_PATH) if what == "credit" else (0, CODES[what]))
            self.accepted += what == "credit"
        if machine.powered:
            kinds = self.open_for if now_ms < self._watched_until_ms else frozenset()
            machine.open(kinds & frozenset(range(len(machine.kinds_fen))), now_ms)

    def said(self, header: int, data: bytes, now_ms: int) -> bytes | None:
        """What only coin acceptors answer."""
        if header == wire.COIN_EVENTS and not data:
            self.polls += 1
            self._watched_until_ms = now_ms + WATCH_MS
            return tables.encode(self.table)
        if header == wire.SELF_CHECK and not data:
            return bytes((JAMMED if self._machine.jammed else 0,))
        if header == wire.COIN_ID and len(data) == 1 and 1 <= data[0] <= wire.KINDS:
            return self._name(data[0])
        return None

    def _name(self, kind: int) -> bytes:
        fens = self._machine.kinds_fen
        return f"{self._plate.country}{fens[kind - 1]:03d}A".encode("ascii") if kind <= len(fens) else b"." * 6
