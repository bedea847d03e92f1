"""SLE4442 and SLE4428 behind an ACS reader: read FF B0, write FF D0, protection FF B2 and FF D1, secret FF 20.

Trap: ``90 00`` after the secret means *locked*; right is ``90`` and the full counter, ``90 07`` or ``90 FF``.
"""

from __future__ import annotations

from kiosk.devices.reader.acs.select import SELECT_BYTE, select
from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.devices.reader.commands import Choices, Connection, ask, check_place, order, pieces
from kiosk.devices.reader.sle44 import FAMILIES, MAIN, MARKS, PROTECTION, Family
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError

READ_MAX = 128  # bytes; an answer with protection bytes behind must fit 256 too
WRITE_MAX = 64  # bytes; about 0.3 s on the chip
PROTECT_BYTES_MAX = 32  # protection bytes in one FF B2


def probe(exchange: Exchange) -> CardType | None:
    """Which of the two is in, told by its first bytes; it is left selected."""
    for card_type, offset, mark in MARKS:
        if select(exchange, SELECT_BYTE[card_type]):
            first = exchange(bytes.fromhex("FFB0000008"))
            if first[-2:] == OK and first[offset : offset + len(mark)] == mark:
                return card_type
    return None


class _Sle44Commands:
    """ChipCommands of the two; see the module."""

    family: Family

    def __init__(self, connection: Connection, choices: Choices) -> None:
        self._connection = connection
        self._verified = False

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0 or 1."""
        family = self.family
        if zone == PROTECTION:
            check_place(family.protectable // 8, addr, length)
            return self._protection()[addr : addr + length]
        if zone != MAIN:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(family.size, addr, length)
        return self._main(addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Zone 0, or protection bits to be set (0) in zone 1. −3 before ``verify``: the reader would not say."""
        family = self.family
        if zone not in (MAIN, PROTECTION):
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(family.writable_end if zone == MAIN else family.protectable // 8, addr, len(data))
        if not self._verified:
            raise CardPortError(DENIED, "no secret was presented")
        if zone == PROTECTION:
            self._protect(addr, data)
            return
        for place, piece in pieces(addr, data, WRITE_MAX):
            order(self._connection, b"\xff\xd0", place, piece)

    def verify(self, which: int, secret: bytes) -> None:
        """FF 20. ``90`` + the full counter is right, ``90 00`` locked (−5), ``90`` + another counter wrong (−3)."""
        if which != 0 or len(secret) != self.family.secret_length:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = False
        answer = self._connection.transmit(bytes((0xFF, 0x20, 0, 0, len(secret))) + secret)
        if len(answer) != 2 or answer[0] != 0x90:
            raise CardPortError(IO_FAULT, f"presenting the secret: {answer[-2:].hex()}")
        if answer[1] == 0:
            raise CardPortError(LOCKED, "no try left")
        if answer[1] != self.family.counter_full:
            raise CardPortError(DENIED, f"the secret is wrong, {answer[1].bit_count()} tries left")
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones in the error counter (FF B1)."""
        if which != 0:
            raise CardPortError(BAD_ARGUMENT)
        length = 4 if self.family.type == CardType.SLE4442 else 3
        answer = ask(self._connection, bytes((0xFF, 0xB1, 0, 0, length)))
        return (answer[0] & self.family.counter_full).bit_count()

    def still_here(self) -> bool:
        """One byte read; it fails on a card that was not selected."""
        return self._connection.transmit(bytes.fromhex("FFB0000001"))[-2:] == OK

    def _main(self, addr: int, length: int) -> bytes:
        """Zone 0; some readers let protection bytes follow each answer."""
        found = b""
        while len(found) < length:
            place, wanted = addr + len(found), min(READ_MAX, length - len(found))
            found += ask(self._connection, bytes((0xFF, 0xB0, place >> 8, place & 0xFF, wanted)))[:wanted]
        return found

    def _protection(self) -> bytes:
        """All protection bits: behind the data of FF B0 where the reader lets them follow, else by FF B2."""
        found, step, line, family = b"", PROTECT_BYTES_MAX * 8, self._connection, self.family
        follows = len(ask(line, bytes.fromhex("FFB0000020"))) > 0x20
        if family.type == CardType.SLE4442:
            return ask(line, bytes.fromhex("FFB0000020" if follows else "FFB2000004"))[-4:]
        if not follows:
            for place in range(0, family.protectable, step):
                found += ask(line, bytes((0xFF, 0xB2, place >> 8, place & 0xFF, PROTECT_BYTES_MAX)))
            return found
        for place in range(0, family.protectable, READ_MAX):
            tail = ask(line, bytes((0xFF, 0xB0, place >> 8, place & 0xFF, READ_MAX)))[READ_MAX:]
            found += tail[: READ_MAX // 8]
        return found

    def _protect(self, addr: int, mask: bytes) -> None:
        """FF D1 with the bytes as they stand, byte by byte."""
        now = int.from_bytes(self._protection()[addr : addr + len(mask)], "little")
        fall = now & ~int.from_bytes(mask, "little")
        for bit in range(8 * len(mask)):
            place = addr * 8 + bit
            if fall >> bit & 1:
                order(self._connection, b"\xff\xd1", place, self._main(place, 1))


class Sle4442Commands(_Sle44Commands):
    """SLE4442."""

    family = FAMILIES[0]


class Sle4428Commands(_Sle44Commands):
    """SLE4428."""

    family = FAMILIES[1]
