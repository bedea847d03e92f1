"""The card in a PC/SC reader as drivers see it (contract 1 §6): ACS's memory-card commands, or plain APDUs.

What a write that failed may have done: −3 and −4 are raised before the first byte leaves, so nothing is written;
everything after that is −1 or −2, and any prefix may be on the card.
"""

from __future__ import annotations

from typing import Protocol

from kiosk.devices.reader.apdu import OK, as_t0, follow, is_short
from kiosk.devices.reader.families import FAMILIES, Family
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError

READ_MAX = 128  # bytes; an answer with protection bytes behind must fit 256 too
WRITE_MAX = 64  # bytes; about 0.3 s on the chip
PROTECT_BYTES_MAX = 32  # protection bytes in one FF B2
MAIN, PROTECTION = 0, 1


class Connection(Protocol):
    """A powered card: what a port needs of the host."""

    @property
    def atr(self) -> bytes:
        """Answer to the last reset."""

    @property
    def t0(self) -> bool:
        """Whether the protocol is T=0."""

    def transmit(self, apdu: bytes) -> bytes:
        """One exchange, at least SW1 SW2. CardPortError −1 card gone, −2 the exchange failed."""


class PcscCardPort:
    """A CardPort over ``connection``; valid until the card is powered afresh. ``card_type`` None: nothing is known,
    every call on the card is −4."""

    def __init__(self, connection: Connection, card_type: CardType | None) -> None:
        self._connection = connection
        self._type = card_type
        self._verified = False

    def card_type(self) -> int:
        """The family; 0 when it cannot be told."""
        return self._type or 0

    def atr(self) -> bytes:
        """Answer to reset."""
        return self._connection.atr

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0 or 1 of a memory card."""
        family = self._family()
        if zone == PROTECTION:
            _check(family.protectable // 8, addr, length)
            return self._protection(family)[addr : addr + length]
        if zone != MAIN:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        _check(family.size, addr, length)
        return self._main(addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Zone 0, or protection bits to be set (0) in zone 1. −3 before ``verify``: the reader would not say."""
        family = self._family()
        if zone not in (MAIN, PROTECTION):
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        _check(family.writable_end if zone == MAIN else family.protectable // 8, addr, len(data))
        if not self._verified:
            raise CardPortError(DENIED, "no secret was presented")
        if zone == PROTECTION:
            self._protect(family, addr, data)
            return
        for start in range(0, len(data), WRITE_MAX):
            self._put(0xD0, addr + start, data[start : start + WRITE_MAX])

    def verify(self, which: int, secret: bytes) -> None:
        """FF 20. ``90`` + the full counter is right, ``90 00`` locked (−5), ``90`` + another counter wrong (−3)."""
        family = self._family()
        if which != 0 or len(secret) != family.secret_length:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = False
        answer = self._connection.transmit(bytes((0xFF, 0x20, 0, 0, len(secret))) + secret)
        if len(answer) != 2 or answer[0] != 0x90:
            raise CardPortError(IO_FAULT, f"presenting the secret: {answer[-2:].hex()}")
        if answer[1] == 0:
            raise CardPortError(LOCKED, "no try left")
        if answer[1] != family.counter_full:
            raise CardPortError(DENIED, f"the secret is wrong, {answer[1].bit_count()} tries left")
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones in the error counter (FF B1)."""
        family = self._family()
        if which != 0:
            raise CardPortError(BAD_ARGUMENT)
        length = 4 if family.type == CardType.SLE4442 else 3
        answer = self._ask(bytes((0xFF, 0xB1, 0, 0, length)))
        return (answer[0] & family.counter_full).bit_count()

    def transmit(self, apdu: bytes) -> bytes:
        """A short APDU to a CPU card; 61xx and 6Cxx followed."""
        if self._type != CardType.CPU or not is_short(apdu):
            raise CardPortError(BAD_ARGUMENT, "not a CPU card, or not a short APDU")
        return follow(self._connection.transmit, as_t0(apdu) if self._connection.t0 else apdu)

    def _family(self) -> Family:
        family = FAMILIES.get(self._type) if self._type is not None else None
        if family is None:
            raise CardPortError(BAD_ARGUMENT, "not a memory card this reader serves")
        return family

    def _ask(self, apdu: bytes) -> bytes:
        """Data of a reading command; at least what Le asks for, −2 otherwise."""
        answer = self._connection.transmit(apdu)
        if answer[-2:] != OK or len(answer) < apdu[4] + 2:
            raise CardPortError(IO_FAULT, f"{apdu[:5].hex()} answered {answer[-2:].hex()}")
        return answer[:-2]

    def _main(self, addr: int, length: int) -> bytes:
        """Zone 0; some readers let protection bytes follow each answer."""
        found = b""
        while len(found) < length:
            place, wanted = addr + len(found), min(READ_MAX, length - len(found))
            found += self._ask(bytes((0xFF, 0xB0, place >> 8, place & 0xFF, wanted)))[:wanted]
        return found

    def _protection(self, family: Family) -> bytes:
        """All protection bits: behind the data of FF B0 where the reader lets them follow, else by FF B2."""
        found, step = b"", PROTECT_BYTES_MAX * 8
        follows = len(self._ask(bytes.fromhex("FFB0000020"))) > 0x20
        if family.type == CardType.SLE4442:
            return self._ask(bytes.fromhex("FFB0000020" if follows else "FFB2000004"))[-4:]
        if not follows:
            for place in range(0, family.protectable, step):
                found += self._ask(bytes((0xFF, 0xB2, place >> 8, place & 0xFF, PROTECT_BYTES_MAX)))
            return found
        for place in range(0, family.protectable, READ_MAX):
            tail = self._ask(bytes((0xFF, 0xB0, place >> 8, place & 0xFF, READ_MAX)))[READ_MAX:]
            found += tail[: READ_MAX // 8]
        return found

    def _protect(self, family: Family, addr: int, mask: bytes) -> None:
        """FF D1 with the bytes as they stand, byte by byte."""
        now = int.from_bytes(self._protection(family)[addr : addr + len(mask)], "little")
        fall = now & ~int.from_bytes(mask, "little")
        for bit in range(8 * len(mask)):
            place = addr * 8 + bit
            if fall >> bit & 1:
                self._put(0xD1, place, self._main(place, 1))

    def _put(self, instruction: int, addr: int, data: bytes) -> None:
        answer = self._connection.transmit(bytes((0xFF, instruction, addr >> 8, addr & 0xFF, len(data))) + data)
        if answer != OK:
            raise CardPortError(IO_FAULT, f"writing at {addr} answered {answer[-2:].hex()}")


def _check(end: int, addr: int, length: int) -> None:
    if addr < 0 or length < 1 or addr + length > end:
        raise CardPortError(BAD_ARGUMENT, "outside the zone")
