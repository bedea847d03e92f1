"""A serial reader made of software, at the other end of a pseudo-terminal: four slots, any virtual card in each.

It knows chips only as a CardPort (contract 1 §6), so every family can be put in. The published areas serve the SLE4442
alone; ``extended`` adds ours (wire.py), without it every other chip is "invalid" and our areas are refused, as a reader
of the market would. A packet that stops short is thrown away with the next whole one behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from kiosk.devices.link import PtyLine
from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.wire import Packet
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, LOCKED, NO_CARD, CardPort, CardPortError

HEADS = {
    NO_CARD: wire.NO_CARD,
    DENIED: wire.NOT_VERIFIED,
    LOCKED: wire.NOT_VERIFIED,
    BAD_ARGUMENT: wire.NO_SUCH_PLACE,
}
"""What a card's refusal is called on the line; anything else is "card invalid or damaged"."""
Answer = tuple[int, bytes]


@dataclass(slots=True)
class _Slot:
    card: CardPort | None = None
    power: Callable[[], object] | None = None
    verified: bool = False
    inserted: int = 0


class SerialReaderSimulator:
    """Answers on ``line`` in a thread of its own, from ``start`` to ``close``; ``insert`` and the rest from any thread.

    ``tells``: whether it sends a status by itself when a card comes or goes. ``silent``: it hears and says nothing.
    ``before_answer`` is given each packet before the card sees it, in the reader's thread; False: it is not heard.
    """

    def __init__(self, line: PtyLine, *, extended: bool = True, tells: bool = True) -> None:
        self.extended, self.tells = extended, tells
        self.silent = False
        self.before_answer: Callable[[Packet], bool] = lambda _packet: True
        self.heard: list[Packet] | None = None  # a list, and every packet is noted in it
        self._line = line
        self._slots = {number: _Slot() for number in wire.SLOTS}
        self._decoder = wire.Decoder(frozenset((wire.ASKED,)))
        self._gate = threading.RLock()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="serial reader", daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self) -> None:
        """Ends; the line stays."""
        self._over = True
        self._line.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def insert(self, card: CardPort, power: Callable[[], object] | None = None, slot: int = 1) -> None:
        """Puts a card in, powered by ``power`` (a virtual card's ``reset``); without it POWER is refused."""
        with self._gate:
            here = self._slots[slot]
            here.card, here.power, here.verified = card, power, False
            here.inserted += 1
            if power is not None:
                power()
            self._tell(slot)

    def remove(self, slot: int = 1) -> None:
        """Takes the card out."""
        with self._gate:
            self._slots[slot] = _Slot(inserted=self._slots[slot].inserted)
            self._tell(slot)

    def swap(self, card: CardPort, power: Callable[[], object] | None = None, slot: int = 1) -> None:
        """Another card so fast, and without a word, that a polling PC sees no gap."""
        told, self.tells = self.tells, False
        self.insert(card, power, slot)
        self.tells = told

    def _tell(self, slot: int) -> None:
        if self.tells and not self.silent:
            self._line.send(self._answered(Packet(wire.ASKED, slot, wire.STATUS)).encode())

    def _run(self) -> None:
        while not self._over:
            came = self._line.receive(None)
            with self._gate:
                for packet in self._decoder.feed(came):
                    if self.heard is not None:
                        self.heard.append(packet)
                    if packet.slot in self._slots and not self.silent and self.before_answer(packet):
                        self._line.send(self._answered(packet).encode())

    def _answered(self, asked: Packet) -> Packet:
        head, data = self._perform(asked, self._slots[asked.slot])
        return Packet(head, asked.slot, asked.area, asked.address, len(data), data, asked.frame)

    def _perform(self, asked: Packet, slot: _Slot) -> Answer:
        area, data = asked.area & ~wire.WRITE, asked.data[: min(asked.length, wire.DATA_MAX)]
        if asked.frame:
            return wire.NO_FIRST_FRAME, b""  # one packet, one act: several frames are not played
        try:
            if slot.card is None or not slot.card.card_type():
                return wire.NO_CARD, b""
            if area >= wire.CHIP:
                return self._extended(slot, slot.card, asked, data)
            if slot.card.card_type() != CardType.SLE4442 and not (self.extended and area == wire.STATUS):
                return wire.BAD_CARD, b""
            return _published(slot, slot.card, asked, data)
        except CardPortError as fault:
            head = HEADS.get(fault.code, wire.BAD_CARD)
            return (wire.BAD_CARD if head == wire.NO_SUCH_PLACE and area < wire.CHIP else head), b""

    def _extended(self, slot: _Slot, card: CardPort, asked: Packet, data: bytes) -> Answer:
        if not self.extended:
            return wire.BAD_CARD, b""
        match asked.area:
            case wire.CHIP:
                pass
            case wire.POWER if slot.power is not None:
                slot.power()
                slot.verified = False
            case wire.ZONE if len(data) == 4 and 0 < data[3] <= wire.DATA_MAX:
                return wire.OK, card.read(data[0], data[1] << 8 | data[2], data[3])
            case wire.SECRET if len(data) == 1:
                return wire.OK, bytes((card.tries_left(data[0]),))
            case _ if asked.area == wire.ZONE | wire.WRITE and len(data) > wire.ZONE_HEAD:
                card.write(data[0], data[1] << 8 | data[2], data[wire.ZONE_HEAD :])
                return wire.OK, b""
            case _ if asked.area == wire.SECRET | wire.WRITE and len(data) > 1:
                return _verify(slot, card, data[0], data[1:])
            case _:
                return wire.NO_SUCH_PLACE, b""
        return wire.OK, bytes((card.card_type(), slot.inserted & 0xFF))


def _published(slot: _Slot, card: CardPort, asked: Packet, data: bytes) -> Answer:
    """Areas 0 to 3, on an SLE4442."""
    if asked.area == wire.MAIN and 0 < asked.length <= wire.DATA_MAX:
        return wire.OK, card.read(0, asked.address, asked.length)
    if asked.area == wire.MAIN | wire.WRITE and data:
        card.write(0, asked.address, data)
        return wire.OK, b""
    if asked.area == wire.SECURITY and asked.address + asked.length <= 4:
        seen = bytes(((1 << card.tries_left(0)) - 1, 0, 0, 0))  # the secret itself does not show here
        return wire.OK, seen[asked.address : asked.address + asked.length]
    if asked.area == wire.PSC | wire.WRITE and len(data) == 3:
        return _verify(slot, card, 0, data)
    if asked.area == wire.STATUS:
        return wire.OK, bytes((slot.verified,))
    return wire.BAD_CARD, b""


def _verify(slot: _Slot, card: CardPort, which: int, secret: bytes) -> Answer:
    slot.verified = False
    try:
        card.verify(which, secret)
    except CardPortError as fault:
        if fault.code in (DENIED, LOCKED):
            return wire.WRONG_SECRET, b""
        raise
    slot.verified = True
    return wire.OK, b""
