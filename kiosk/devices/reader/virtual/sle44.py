"""What SLE4442 and SLE4428 have in common: memory, protection bits, a secret with an error counter.

A byte is written in two steps: erased to FF if a bit must rise, then its zeros written. The chip loses power between
two steps when the card is pulled, which is what ``tear_after`` and ``tear_leaves`` are for. The verify procedure
burns a try *before* it compares and restores the counter after, so no pull can make a try free of charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

MAIN, PROTECTION = 0, 1


@dataclass(frozen=True, slots=True)
class Chip:
    """One family. ``protectable``: bytes from 0 that have a protection bit; ``writable_end``: first byte of the tail
    that ``write`` may not touch."""

    type: CardType
    atr: bytes
    size: int
    writable_end: int
    protectable: int
    secret_length: int
    tries: int
    header: bytes  # what the maker puts at 0


class Sle44:
    """A virtual memory card (``kiosk.model.cardport.VirtualCard``); SLE4442 and SLE4428 are its two kinds.

    ``tear_leaves`` is what the byte being written when the card is pulled holds afterwards: its old value, or FF when
    it had to be erased first (no maker says what a torn byte holds; both happen).
    """

    chip: Chip

    tear_ways = ("old", "erased")

    def __init__(self, memory: bytes | None = None, secret: bytes | None = None) -> None:
        chip = self.chip
        memory = chip.header.ljust(chip.size, b"\xff") if memory is None else memory
        secret = b"\xff" * chip.secret_length if secret is None else secret
        if len(memory) != chip.size or len(secret) != chip.secret_length:
            raise ValueError(f"{chip.type.name} has {chip.size} bytes and a secret of {chip.secret_length}")
        self._main = bytearray(memory)
        self._protection = bytearray(b"\xff" * (chip.protectable // 8))
        self._secret = bytes(secret)
        self._counter = (1 << chip.tries) - 1
        self._verified = self._dead = False
        self.tear_after: int | None = None
        self.tear_leaves: Literal["old", "erased"] = "old"
        self.tear_in_verify = False  # pulled between burning the try and restoring it

    def card_type(self) -> int:
        """The family."""
        return self.chip.type

    def atr(self) -> bytes:
        """The pseudo-ATR a PC/SC reader makes for the family."""
        self._alive()
        return self.chip.atr

    def reset(self) -> bytes:
        """Powered afresh."""
        self._verified = False
        if self._dead:
            self._dead, self.tear_after, self.tear_in_verify = False, None, False
        return self.chip.atr

    def image(self) -> bytes:
        """Memory, protection bits, counter, secret."""
        return bytes(self._main + self._protection) + bytes((self._counter,)) + self._secret

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0 or 1. −4 outside."""
        self._alive()
        source = self._zone(zone, addr, length)
        return bytes(source[addr : addr + length])

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Bytes in the order of their addresses; protection bits only fall. −3 before ``verify``, −4 outside."""
        self._alive()
        self._zone(zone, addr, len(data))
        if zone == MAIN and addr + len(data) > self.chip.writable_end:
            raise CardPortError(BAD_ARGUMENT, "beyond the user's memory")
        if not self._verified:
            raise CardPortError(DENIED, "no secret was presented")
        for place, byte in enumerate(data, addr):
            if self.tear_after is not None:
                if self.tear_after == 0:
                    self._tear(zone, place, byte)
                self.tear_after -= 1
            self._put(zone, place, byte)

    def verify(self, which: int, secret: bytes) -> None:
        """−3 wrong, −5 no try left (after this one, too), −4 no such secret."""
        self._alive()
        if which != 0 or len(secret) != self.chip.secret_length:
            raise CardPortError(BAD_ARGUMENT)
        if not self._counter:
            raise CardPortError(LOCKED, "no try left")
        self._verified = False
        self._counter >>= 1
        if self.tear_in_verify:
            self._dead = True
            raise CardPortError(IO_FAULT, "pulled while the secret was presented")
        if secret != self._secret:
            raise CardPortError(DENIED if self._counter else LOCKED, "the secret is wrong")
        self._counter = (1 << self.chip.tries) - 1
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones in the error counter."""
        self._alive()
        if which != 0:
            raise CardPortError(BAD_ARGUMENT)
        return self._counter.bit_count()

    def transmit(self, apdu: bytes) -> bytes:
        """A memory card knows no APDU: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, "a memory card takes no APDU")

    def protected(self, addr: int) -> bool:
        """Whether the byte can never be changed again."""
        return addr < self.chip.protectable and not self._protection[addr // 8] >> addr % 8 & 1

    @property
    def counter(self) -> int:
        """The error counter as it stands in the chip."""
        return self._counter

    def _alive(self) -> None:
        if self._dead:
            raise CardPortError(NO_CARD, "the card was pulled")

    def _zone(self, zone: int, addr: int, length: int) -> bytes | bytearray:
        if zone not in (MAIN, PROTECTION):
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        source = self._visible() if zone == MAIN else self._protection
        if addr < 0 or length < 1 or addr + length > len(source):
            raise CardPortError(BAD_ARGUMENT, "outside the zone")
        return source

    def _visible(self) -> bytes | bytearray:
        """Zone 0 as it reads."""
        return self._main

    def _put(self, zone: int, addr: int, byte: int) -> None:
        if zone == PROTECTION:
            self._protection[addr] &= byte
        elif not self.protected(addr):
            self._main[addr] = byte

    def _tear(self, zone: int, addr: int, byte: int) -> None:
        """The card is pulled while it writes this byte."""
        if zone == MAIN and self.tear_leaves == "erased" and byte & ~self._main[addr]:
            self._put(zone, addr, 0xFF)
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while writing")
