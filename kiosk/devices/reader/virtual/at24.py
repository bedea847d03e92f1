"""AT24C01, 02, 04, 08, 16: EEPROM on an I2C bus, without a secret.

The bus side is the chip's own (Atmel AT24C01/02/04/08/16 data sheet): a device address of which the low bits choose a
block of 256 bytes, a byte's address within it; a block that is not there does not acknowledge; reading rolls over at
the end of the memory, writing at the end of the *page*. An AT24C01 has seven address bits: 128 is 0 again.

A page is written at once when the bus has handed over its bytes, in at most 5 ms. Pulled in that time, what the page
holds is undefined; ``tear_leaves`` says what it shows:

- ``prefix``: the bytes that had arrived, the others as they were (what contract 1 §6 says of a failed write);
- ``erased``: FF where something was to be written;
- ``old``: nothing of it was written, though the bytes had arrived;
- ``half``: FF with some of the new zeros in it, by chance (the same on every copy of the card);
- ``page``: FF in the whole page, also where nothing was to be written.
"""

from __future__ import annotations

import random
from typing import Literal

from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError
from kiosk.model.chip import CHIPS

ATR = bytes.fromhex("3B044932432E")  # "I2C.": as a public list of ATRs has it; other readers make up another
BLOCK = 256
PAGES: dict[CardType, int] = {
    CardType.AT24C01: 8,
    CardType.AT24C02: 8,
    CardType.AT24C04: 16,
    CardType.AT24C08: 16,
    CardType.AT24C16: 16,
}
"""Bytes in a page, by the data sheets."""


class At24:
    """A virtual I2C card (``kiosk.model.cardport.VirtualCard``). ``page``: of a chip that differs from the sheet."""

    tear_ways = ("prefix", "old", "erased", "half", "page")

    def __init__(self, card_type: CardType, memory: bytes | None = None, secret: bytes = b"", page: int = 0) -> None:
        self.type, self.size, self.page = card_type, CHIPS[card_type].image_size, page or PAGES[card_type]
        if secret or (memory is not None and len(memory) != self.size):
            raise ValueError(f"{card_type.name} has {self.size} bytes and no secret")
        self._memory = bytearray(b"\xff" * self.size if memory is None else memory)
        self._dead = False
        self._chance = random.Random(20260215)
        self.tear_after: int | None = None
        self.tear_leaves: Literal["prefix", "erased", "old", "half", "page"] = "erased"
        self.pages_written = 0

    # -- as drivers see it -----------------------------------------------------------------------------------------

    def card_type(self) -> int:
        """The family."""
        return self.type

    def atr(self) -> bytes:
        """What some readers make up for an I2C card."""
        self._alive()
        return ATR

    def reset(self) -> bytes:
        """Powered afresh."""
        if self._dead:
            self._dead, self.tear_after = False, None
        return ATR

    def image(self) -> bytes:
        """The memory."""
        return bytes(self._memory)

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0. −4 outside."""
        self._alive()
        self._check(zone, addr, length)
        return self.bus_read(addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Zone 0, page by page. −4 outside."""
        self._alive()
        self._check(zone, addr, len(data))
        while data:
            room = self.page - addr % self.page
            self.bus_write(addr, data[:room])
            addr, data = addr + room, data[room:]

    def verify(self, which: int, secret: bytes) -> None:
        """There is no secret: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, f"an I2C card has no secret {which} ({len(secret)} bytes)")

    def tries_left(self, which: int) -> int:
        """There is no secret: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, f"an I2C card has no secret {which}")

    def transmit(self, apdu: bytes) -> bytes:
        """A memory card knows no APDU: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, f"a memory card takes no APDU ({len(apdu)} bytes)")

    # -- as a reader sees it ---------------------------------------------------------------------------------------

    def acknowledges(self, addr: int) -> bool:
        """Whether the block of 256 bytes with this address is there. −1 a dead card."""
        self._alive()
        return 0 <= addr // BLOCK < max(1, self.size // BLOCK)

    def bus_read(self, addr: int, length: int) -> bytes:
        """Random read, then sequential; rolls over at the end. −2 no acknowledgement."""
        self._address(addr)
        return bytes(self._memory[(addr + at) % self.size] for at in range(length))

    def bus_write(self, addr: int, data: bytes) -> None:
        """One page write, which rolls over inside its page. −2 no acknowledgement, or pulled meanwhile."""
        self._address(addr)
        start = addr % self.size
        first = start - start % self.page
        places = [first + (start + at) % self.page for at in range(len(data))]
        if self.tear_after is not None:
            if self.tear_after < len(data):
                self._tear(first, dict(zip(places, data, strict=True)), self.tear_after)
            self.tear_after -= len(data)
        for place, byte in zip(places, data, strict=True):
            self._memory[place] = byte
        self.pages_written += 1

    def _address(self, addr: int) -> None:
        if not self.acknowledges(addr):
            raise CardPortError(IO_FAULT, "no acknowledgement")

    def _alive(self) -> None:
        if self._dead:
            raise CardPortError(NO_CARD, "the card was pulled")

    def _check(self, zone: int, addr: int, length: int) -> None:
        if zone != 0 or addr < 0 or length < 1 or addr + length > self.size:
            raise CardPortError(BAD_ARGUMENT, "outside the memory")

    def _tear(self, first: int, wanted: dict[int, int], arrived: int) -> None:
        """The card is pulled in the middle of a page, of which so many bytes had arrived."""
        if self.tear_leaves == "page":
            self._memory[first : first + self.page] = b"\xff" * self.page
        elif self.tear_leaves == "prefix":
            for place, byte in list(wanted.items())[:arrived]:
                self._memory[place] = byte
        elif self.tear_leaves != "old":
            for place, byte in wanted.items():
                self._memory[place] = 0xFF if self.tear_leaves == "erased" else byte | self._chance.randrange(256)
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while a page was written")
