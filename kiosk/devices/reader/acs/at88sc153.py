"""AT88SC153 and AT88SC1608 behind an ACS reader: select 03 and 04, zones by instruction or by P1, passwords FF 20.

Trap: as with SLE44xx, ``90 00`` after a password means *locked*; right is ``90 FF``. Pages are the reader's business
when it writes (8 and 16 bytes); no command sent here crosses one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from kiosk.devices.reader.acs.select import AT88SC153, AT88SC1608, select
from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.devices.reader.commands import Choices, Connection, ask, check_place, order
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError
from kiosk.model.chip import CHIPS

READ_MAX = 128  # bytes in one command
PASSWORD = 3
FAMILIES = (
    (AT88SC153, bytes.fromhex("FFB3000004"), bytes.fromhex("2CAA55A1"), CardType.AT88SC153),
    (AT88SC1608, bytes.fromhex("FFB1000004"), bytes.fromhex("2CAA55A0"), CardType.AT88SC1608),
)
"""Select byte, what reads the configuration zone's first bytes, the answer-to-reset register there, the family."""


def probe(exchange: Exchange) -> CardType | None:
    """Which of the two is in, told by its configuration zone; it is left selected."""
    for byte, look, register, card_type in FAMILIES:
        if select(exchange, byte) and exchange(look) == register + OK:
            return card_type
    return None


class _PagedCommands(ABC):
    """ChipCommands of the two; see the module."""

    type: CardType
    page: int
    counters: int  # where the first attempts counter stands in the configuration zone
    set_bits: int  # bits of ``which`` that name the set; the next one says that it is the password to read

    def __init__(self, connection: Connection, choices: Choices) -> None:
        self._connection = connection
        self._verified = False
        self._sizes = {number: zone.size for number, zone in CHIPS[self.type].zones.items()}
        self._config = max(self._sizes)

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """A user zone, or the configuration zone, the last one."""
        self._check(zone, addr, length)
        found = b""
        while len(found) < length:
            wanted = min(READ_MAX, length - len(found))
            head = self._head(0xB0, zone, addr + len(found))
            found += ask(self._connection, head + bytes((wanted,)))[:wanted]
        return found

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Page by page. −3 before ``verify``: the reader would not say."""
        self._check(zone, addr, len(data))
        if not self._verified:
            raise CardPortError(DENIED, "no password was presented")
        at = 0
        while at < len(data):
            end = min(len(data), at + self.page - (addr + at) % self.page)
            head = self._head(0xD0, zone, addr + at)
            order(self._connection, head[:2], int.from_bytes(head[2:], "big"), data[at:end])
            at = end

    def verify(self, which: int, secret: bytes) -> None:
        """``90 FF`` right, ``90 00`` locked (−5), ``90`` and another counter wrong (−3)."""
        self._counter(which)
        if len(secret) != PASSWORD:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = False
        answer = self._connection.transmit(self._presenting(which, secret))
        if len(answer) != 2 or answer[0] != 0x90:
            raise CardPortError(IO_FAULT, f"presenting password {which}: {answer[-2:].hex()}")
        if answer[1] == 0:
            raise CardPortError(LOCKED, "no try left")
        if answer[1] != 0xFF:
            raise CardPortError(DENIED, f"password {which} is wrong, {answer[1].bit_count()} tries left")
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones in the password's attempts counter."""
        return self.read(self._config, self._counter(which), 1)[0].bit_count()

    def still_here(self) -> bool:
        """One byte of zone 0; it fails on a card that was not selected."""
        return self._connection.transmit(bytes.fromhex("FFB0000001"))[-2:] == OK

    @abstractmethod
    def _head(self, instruction: int, zone: int, addr: int) -> bytes:
        """CLA INS P1 P2 of a command on a zone; ``instruction`` is that of zone 0."""

    @abstractmethod
    def _presenting(self, which: int, secret: bytes) -> bytes: ...

    def _check(self, zone: int, addr: int, length: int) -> None:
        if zone not in self._sizes:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(self._sizes[zone], addr, length)

    def _counter(self, which: int) -> int:
        if which not in CHIPS[self.type].secrets:
            raise CardPortError(BAD_ARGUMENT, f"no password {which}")
        number, reads = which & ((1 << self.set_bits) - 1), which >> self.set_bits
        return self.counters + 8 * number + 4 * reads


class At88sc153Commands(_PagedCommands):
    """AT88SC153: FF B0 to B3 and D0 to D3 by zone, 3 the configuration zone; the password's index is P2."""

    type, page, counters, set_bits = CardType.AT88SC153, 8, 0x30, 1

    def _head(self, instruction: int, zone: int, addr: int) -> bytes:
        return bytes((0xFF, instruction + zone, 0, addr))

    def _presenting(self, which: int, secret: bytes) -> bytes:
        return bytes((0xFF, 0x20, 0, which, PASSWORD)) + secret


class At88sc1608Commands(_PagedCommands):
    """AT88SC1608: FF B0 and D0 with the zone in P1, FF B1 and D1 for the configuration zone; index before password."""

    type, page, counters, set_bits = CardType.AT88SC1608, 16, 0x40, 3

    def _head(self, instruction: int, zone: int, addr: int) -> bytes:
        return bytes((0xFF, instruction + 1, 0, addr) if zone == self._config else (0xFF, instruction, zone, addr))

    def _presenting(self, which: int, secret: bytes) -> bytes:
        return bytes((0xFF, 0x20, 0, 0, 1 + PASSWORD, which)) + secret
