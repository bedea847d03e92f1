"""The device's half of ccTalk: framing, identity, the table of events and the inhibits; what moves is told apart.

It is strict: a frame with a wrong check, for another address, with an unknown header or with data of another length
is not answered. Its table, its count and its inhibits are gone with the power; its serial number, its names and, if
it has one, its accept counter stay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.table import Pair, Table
from kiosk.devices.acceptor.talk import NEVER, LineShape

BOOT_MS = 250  # after that it hears
BYTE_GAP_MS = 50  # a frame that stops for so long is forgotten
POLLING = bytes((2, 20))  # 20 × 10 ms
ACK = b""


@dataclass(frozen=True, slots=True)
class Plate:
    """What the device is, and how its line is."""

    serial: int = 12345678
    maker: str = "KSK"
    product: str = "CT1"
    check: wire.Check = "sum"
    echo: bool = True  # the adapter of the one-wire line lets the host hear itself, while the device has power
    address: int = 0  # 0: the usual one
    country: str = "CN"


PLATE = Plate()


class Body(ABC):
    """What both kinds of device have in common; the rest is theirs. Its owner locks it together with the machine."""

    category = ""
    usual_address = 0

    def __init__(self, plate: Plate) -> None:
        self.shape = LineShape()
        self.polls = 0
        self.table = Table()
        self.accepted = 0  # the accept counter, kept without power
        self._plate = plate
        self._address = plate.address or self.usual_address
        self._kinds: frozenset[int] = frozenset()  # let in by the mask, from 1
        self._master_open = False
        self._held, self._came_ms, self._hears_from_ms = b"", 0, 0

    # ---- theirs

    @abstractmethod
    def powered(self) -> bool:
        """Whether it has power."""

    @abstractmethod
    def pass_time(self, now_ms: int) -> None:
        """What happens to the machine by now is done and logged."""

    @abstractmethod
    def machine_due_ms(self) -> int | None:
        """When the machine goes on by itself."""

    @abstractmethod
    def said(self, header: int, data: bytes, now_ms: int) -> bytes | None:
        """The answer to what is not common; None if there is none."""

    # ---- Voice

    def received(self, came: bytes, now_ms: int) -> bytes:
        """Answers every whole frame in turn."""
        self.wake(now_ms)
        if not self.powered():
            return b""
        said = came if self._plate.echo else b""
        if now_ms < self._hears_from_ms:
            return said
        if now_ms - self._came_ms > BYTE_GAP_MS:
            self._held = b""
        self._came_ms = now_ms
        self._held += came
        while True:
            span = wire.length(self._held)
            if span is None or len(self._held) < span:
                return said
            frame, self._held = self._held[:span], self._held[span:]
            said += self._heard(frame, now_ms)

    def wake(self, now_ms: int) -> bytes:
        """It says nothing unasked."""
        self.pass_time(now_ms)
        return b""

    def due_ms(self) -> int:
        """When the machine goes on by itself."""
        due = self.machine_due_ms()
        return NEVER if due is None else due

    # ---- inside

    def forget(self, now_ms: int) -> None:
        """The power was away, or RESET came."""
        self.table, self._kinds, self._master_open = Table(), frozenset(), False
        self._held, self._hears_from_ms = b"", now_ms + BOOT_MS

    def log(self, pair: Pair) -> None:
        """One more event."""
        self.table = tables.logged(self.table, pair)

    @property
    def open_for(self) -> frozenset[int]:
        """The kinds that the host lets in, by their place from 0."""
        return frozenset(kind - 1 for kind in self._kinds) if self._master_open else frozenset()

    def _heard(self, frame: bytes, now_ms: int) -> bytes:
        try:
            asked = wire.decode(frame, self._plate.check)
        except ValueError:
            self._held = b""  # nobody knows where the next begins
            return b""
        if asked.to != self._address:
            return b""
        answer = self._common(asked.header, asked.data, now_ms)
        if answer is None:
            answer = self.said(asked.header, asked.data, now_ms)
        self.pass_time(now_ms)
        if answer is None:
            return b""
        return wire.encode(wire.HOST, wire.REPLY, answer, self._address, self._plate.check)

    def _common(self, header: int, data: bytes, now_ms: int) -> bytes | None:
        if header == wire.INHIBITS and len(data) == 2:
            self._kinds = wire.parse_mask(data)
            return ACK
        if header == wire.MASTER_INHIBIT and len(data) == 1:
            self._master_open = bool(data[0] & 1)
            return ACK
        if data:
            return None
        if header == wire.RESET:
            self.forget(now_ms)
            return ACK
        plate = self._plate
        answers = {
            wire.SIMPLE_POLL: ACK,
            wire.POLLING_PRIORITY: POLLING,
            wire.MANUFACTURER: plate.maker.encode("ascii"),
            wire.CATEGORY: self.category.encode("ascii"),
            wire.PRODUCT: plate.product.encode("ascii"),
            wire.SERIAL: plate.serial.to_bytes(3, "little"),
            wire.ACCEPT_COUNTER: self.accepted.to_bytes(3, "little"),
        }
        return answers.get(header)
