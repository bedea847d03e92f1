"""AT24C01 to C16 behind an ACS reader: select 01, read FF B0, write FF D0.

No write leaves the kiosk that crosses a page, so it does not matter what page the reader believes in (8 bytes after
each selection); FF 01 only spares it cutting a piece of 16.
"""

from __future__ import annotations

from kiosk.devices.reader import eeprom
from kiosk.devices.reader.acs.select import I2C_SMALL, select
from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.devices.reader.commands import Choices, Connection, ask, order
from kiosk.model.card import CardType

PAGE_DEFAULT, PAGE_LARGE = 8, 16
CODE_OF_LARGE = b"\x04"


def measure(exchange: Exchange) -> CardType | None:
    """The size of a card that is known to be an I2C one; it is left selected."""
    return eeprom.measured(_reading(exchange)) if select(exchange, I2C_SMALL) else None


def probe(exchange: Exchange) -> CardType | None:
    """Whether it is an I2C card, and of which size."""
    return eeprom.proven(_reading(exchange)) if select(exchange, I2C_SMALL) else None


class AcsAt24Commands(eeprom.At24Commands):
    """The five behind an ACS reader."""

    def __init__(self, connection: Connection, choices: Choices) -> None:
        super().__init__(connection, choices)
        self._page = PAGE_DEFAULT

    def still_here(self) -> bool:
        """One byte read; it fails on a card that was not selected."""
        return self._connection.transmit(_read_order(0, 1))[-2:] == OK

    def _fetch(self, addr: int, length: int) -> bytes:
        return ask(self._connection, _read_order(addr, length))[:length]

    def _store(self, addr: int, piece: bytes) -> None:
        if len(piece) > self._page:
            order(self._connection, b"\xff\x01", 0, CODE_OF_LARGE)
            self._page = PAGE_LARGE
        order(self._connection, b"\xff\xd0", addr, piece)


COMMANDS = eeprom.for_each_size(AcsAt24Commands)


def _read_order(addr: int, length: int) -> bytes:
    return bytes((0xFF, 0xB0, addr >> 8, addr & 0xFF, length))


def _reading(exchange: Exchange) -> eeprom.Read:
    def read(addr: int, length: int) -> bytes | None:
        answer = exchange(_read_order(addr, length))
        return answer[:-2] if answer[-2:] == OK and len(answer) == length + 2 else None

    return read
