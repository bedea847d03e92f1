"""SLE4442 and SLE4428 behind an OMNIKEY 3x21: no selection, FF B0, FF D6, FF 20; FF 3A and FF 30 00 03 for protection.

The reader has no command of its own for the error counter, so it is read raw off the card's bus (FF 70 07 6B): command
31 of an SLE4442, the byte at 1021 of an SLE4428. It costs no try. Where a reader does not know that (a 3121 of 2006),
the tries are unreadable, −2, and no driver presents a secret (contract 1 §4.11): such a reader must be changed.
"""

from __future__ import annotations

from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.devices.reader.commands import Choices, Connection, ask, check_place, order, pieces
from kiosk.devices.reader.sle44 import FAMILIES, MAIN, MARKS, PROTECTION, Family
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError

READ_MAX = 128  # bytes
WRITE_MAX = 64  # bytes; about 0.3 s on the chip
COUNTERS: dict[CardType, bytes] = {
    CardType.SLE4442: bytes.fromhex("FF70076B07 A605 A003 31 00 00 00"),
    CardType.SLE4428: bytes.fromhex("FF70076B07 A605 A103 CE FD 00 00"),
}
"""Reads the error counter over the two-wire and the three-wire bus."""
RAW_DONE = (OK, b"\x99\x00")  # the guide prints 99 00, HID's sample code wants 90 00
WRONG, BLOCKED = 0x63, bytes.fromhex("6983")


def probe(exchange: Exchange) -> CardType | None:
    """Which of the two is in, told by its first bytes."""
    first = exchange(bytes.fromhex("FFB0000008"))
    if first[-2:] != OK:
        return None
    return next((told for told, offset, mark in MARKS if first[offset : offset + len(mark)] == mark), None)


def raw_answer(answer: bytes) -> bytes:
    """What the bus said: ``9D n bytes`` (HID's sample code) or ``BD n A0|A1 n bytes`` (the guide). −2 for all else."""
    told, done = answer[:-2], answer[-2:] in RAW_DONE
    if done and len(told) > 2 and told[0] == 0xBD and len(told) == 2 + told[1]:
        told = told[2:]
    if not done or len(told) < 3 or told[0] not in (0x9D, 0xA0, 0xA1) or len(told) != 2 + told[1]:
        raise CardPortError(IO_FAULT, f"the raw bus command was answered {answer.hex()}")
    return told[2:]


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
            return self._protection(addr, length)
        if zone != MAIN:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(family.size, addr, length)
        return self._main(0xB0, addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Zone 0, or protection bits to be set (0) in zone 1. −3 before ``verify``; a protected byte is −2."""
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
            order(self._connection, b"\xff\xd6", place, piece)

    def verify(self, which: int, secret: bytes) -> None:
        """FF 20. 90 00 is right, 63 Cx wrong with x tries left (−3; none: −5), 69 83 blocked (−5)."""
        if which != 0 or len(secret) != self.family.secret_length:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = False
        answer = self._connection.transmit(bytes((0xFF, 0x20, 0, 0, len(secret))) + secret)
        if answer == OK:
            self._verified = True
        elif answer == BLOCKED or (answer[:1] == bytes((WRONG,)) and answer[1:] == b"\xc0"):
            raise CardPortError(LOCKED, "no try left")
        elif len(answer) == 2 and answer[0] == WRONG and answer[1] >> 4 == 0xC:
            raise CardPortError(DENIED, f"the secret is wrong, {answer[1] & 0x0F} tries left")
        else:
            raise CardPortError(IO_FAULT, f"presenting the secret: {answer[-2:].hex()}")

    def tries_left(self, which: int) -> int:
        """Ones in the error counter."""
        if which != 0:
            raise CardPortError(BAD_ARGUMENT)
        counter = raw_answer(self._connection.transmit(COUNTERS[self.family.type]))[0]
        return (counter & self.family.counter_full).bit_count()

    def still_here(self) -> bool:
        """One byte read."""
        return self._connection.transmit(bytes.fromhex("FFB0000001"))[-2:] == OK

    def _main(self, instruction: int, addr: int, length: int) -> bytes:
        found = b""
        while len(found) < length:
            place, wanted = addr + len(found), min(READ_MAX, length - len(found))
            found += ask(self._connection, bytes((0xFF, instruction, place >> 8, place & 0xFF, wanted)))[:wanted]
        return found

    def _protection(self, addr: int, length: int) -> bytes:
        """FF 3A has a byte for each byte, of which bit 0 says "protected"; a bit of ours says "may be written"."""
        told = self._main(0x3A, addr * 8, length * 8)
        free = sum(1 << place for place, byte in enumerate(told) if not byte & 1)
        return free.to_bytes(length, "little")

    def _protect(self, addr: int, mask: bytes) -> None:
        """FF 30 00 03 with the bytes as they stand, byte by byte."""
        now = int.from_bytes(self._protection(addr, len(mask)), "little")
        fall = now & ~int.from_bytes(mask, "little")
        for bit in range(8 * len(mask)):
            place = addr * 8 + bit
            if fall >> bit & 1:
                body = b"\x01\x00\x00" + place.to_bytes(2, "big") + self._main(0xB0, place, 1)
                order(self._connection, b"\xff\x30", 3, body)


class Sle4442Commands(_Sle44Commands):
    """SLE4442."""

    family = FAMILIES[0]


class Sle4428Commands(_Sle44Commands):
    """SLE4428."""

    family = FAMILIES[1]
