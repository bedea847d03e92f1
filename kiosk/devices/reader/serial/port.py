"""The card in a serial reader as drivers see it (contract 1 §6).

An SLE4442's memory, counter and secret go by the published packets, all else by our extension (wire.py). What a failed
write may have done: −3 and −4 are said only where the reader refused the first packet, so nothing is written; anything
else is −1 or −2, and any prefix may be on the card. A presented secret whose answer is lost is −2: it may be accepted,
refused or never have arrived, and is not presented again here.
"""

from __future__ import annotations

from kiosk.devices.reader.commands import check_place, pieces
from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.line import ReaderLine
from kiosk.devices.reader.serial.wire import Packet
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError
from kiosk.model.chip import CHIPS, Chip

CODES = {
    wire.NO_CARD: NO_CARD,
    wire.NOT_VERIFIED: DENIED,
    wire.WRONG_SECRET: DENIED,
    wire.NO_SUCH_PLACE: BAD_ARGUMENT,
}
"""A refusal's code; −2 for every other head."""
NOTHING_DONE = (DENIED, BAD_ARGUMENT)
ZONE_PIECE = wire.DATA_MAX - wire.ZONE_HEAD


class SerialCardPort:
    """A CardPort over ``line``; ``extended``: whether that reader has our extension."""

    def __init__(self, line: ReaderLine, card_type: CardType, atr: bytes, *, extended: bool) -> None:
        self._line, self._type, self._atr, self._extended = line, card_type, atr, extended

    def card_type(self) -> int:
        """The family."""
        return self._type

    def atr(self) -> bytes:
        """What stands for the answer to reset (session.py)."""
        return self._atr

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """A zone, at most 32 bytes a packet."""
        self._check_place(zone, addr, length)
        found = b""
        while len(found) < length:
            count = min(wire.DATA_MAX, length - len(found))
            found += self._ask(self._read_packet(zone, addr + len(found), count)).data[:count]
        return found

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """A zone, in the order of the addresses."""
        self._check_place(zone, addr, len(data))
        most = wire.DATA_MAX if self._plain(zone) else ZONE_PIECE
        for place, piece in pieces(addr, data, most):
            try:
                self._ask(self._write_packet(zone, place, piece))
            except CardPortError as fault:
                if place > addr and fault.code in NOTHING_DONE:  # said of this piece; those before it are written
                    raise CardPortError(IO_FAULT, f"refused in the middle: {fault}") from fault
                raise

    def verify(self, which: int, secret: bytes) -> None:
        """−3 wrong, −5 locked."""
        if self._chip().secrets.get(which) != len(secret):
            raise CardPortError(BAD_ARGUMENT, "no secret of that number and length")
        slot = self._line.slot
        try:
            if self._plain(which):
                self._ask(wire.present_psc(slot, secret))
            else:
                self._ask(wire.present(slot, self._run(), which, secret))
        except CardPortError as fault:
            if fault.code == DENIED and self.tries_left(which) == 0:
                raise CardPortError(LOCKED, "no try left") from fault
            raise

    def tries_left(self, which: int) -> int:
        """Tries left for a secret."""
        if which not in self._chip().secrets:
            raise CardPortError(BAD_ARGUMENT, f"no secret {which}")
        if self._plain(which):
            return self._ask(wire.read_counter(self._line.slot)).data[0].bit_count()
        return self._ask(wire.read_tries(self._line.slot, self._run(), which)).data[0]

    def transmit(self, apdu: bytes) -> bytes:
        """−4: this reader knows no CPU card."""
        raise CardPortError(BAD_ARGUMENT, f"a serial reader takes no APDU ({len(apdu)} bytes)")

    def _ask(self, asked: Packet) -> Packet:
        answer = self._line.ask(asked)
        if answer.head != wire.OK:
            code = CODES.get(answer.head, IO_FAULT)
            raise CardPortError(code, f"area {asked.area:02X} at {asked.address} answered {answer.head:02X}")
        return answer

    def _plain(self, number: int) -> bool:
        """Whether zone or secret ``number`` goes by the published packets."""
        return self._type == CardType.SLE4442 and number == 0

    def _read_packet(self, zone: int, addr: int, count: int) -> Packet:
        if self._plain(zone):
            return wire.read_main(self._line.slot, addr, count)
        return wire.read_zone(self._line.slot, self._run(), zone, addr, count)

    def _write_packet(self, zone: int, addr: int, data: bytes) -> Packet:
        if self._plain(zone):
            return wire.write_main(self._line.slot, addr, data)
        return wire.write_zone(self._line.slot, self._run(), zone, addr, data)

    def _run(self) -> int:
        if not self._extended:
            raise CardPortError(BAD_ARGUMENT, "this reader knows only memory and secret of the SLE4442")
        return self._line.run()

    def _check_place(self, zone: int, addr: int, length: int) -> None:
        found = self._chip().zones.get(zone)
        if found is None:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(found.size, addr, length)

    def _chip(self) -> Chip:
        chip = CHIPS.get(self._type)
        if chip is None:
            raise CardPortError(BAD_ARGUMENT, "a CPU card has no zones")
        return chip
