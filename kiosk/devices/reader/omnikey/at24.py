"""AT24C01 to C16 behind an OMNIKEY 3x21: FF 30 00 04 tells the reader the chip's measures, 05 reads, 06 writes.

The type of the chip is always given as 00, "my own measures": the guide's list names chips of one size with pages of 4,
8 and 16 bytes, and only our own say what may be written at once. That the four bytes behind the address of a read are
its length is taken from a public summary; the guide's table was not readable.
"""

from __future__ import annotations

from kiosk.devices.reader import eeprom
from kiosk.devices.reader.apdu import OK, Exchange, follow
from kiosk.devices.reader.commands import Choices, Connection, order
from kiosk.model.card import CardType
from kiosk.model.cardport import IO_FAULT, CardPortError
from kiosk.model.chip import CHIPS

OWN_MEASURES, ADDRESS_BYTES = 0x00, 1


def measure(exchange: Exchange) -> CardType | None:
    """The size of a card that is known to be an I2C one."""
    return eeprom.measured(_reading(exchange)) if _told(exchange, CardType.AT24C16, 8) else None


def probe(exchange: Exchange) -> CardType | None:
    """Whether it is an I2C card, and of which size."""
    return eeprom.proven(_reading(exchange)) if _told(exchange, CardType.AT24C16, 8) else None


class OmnikeyAt24Commands(eeprom.At24Commands):
    """The five behind an OMNIKEY 3x21."""

    def __init__(self, connection: Connection, choices: Choices) -> None:
        super().__init__(connection, choices)
        self._initialised = False

    def still_here(self) -> bool:
        """One byte read; it fails on a card whose measures the reader was not told."""
        return follow(self._connection.transmit, _read_order(0, 1))[-2:] == OK

    def _fetch(self, addr: int, length: int) -> bytes:
        self._initialise()
        answer = follow(self._connection.transmit, _read_order(addr, length))
        if answer[-2:] != OK or len(answer) < length + 2:
            raise CardPortError(IO_FAULT, f"reading {length} bytes at {addr} was answered {answer[-2:].hex()}")
        return answer[:length]

    def _store(self, addr: int, piece: bytes) -> None:
        self._initialise()
        order(self._connection, b"\xff\x30", 6, b"\x01" + addr.to_bytes(4, "big") + piece)

    def _initialise(self) -> None:
        """Once each time the card is powered."""
        if not self._initialised:
            page = self._choices.at24_page or eeprom.SAFE_PIECE[self.type]
            self._initialised = _told(self._connection.transmit, self.type, page)
            if not self._initialised:
                raise CardPortError(IO_FAULT, "the reader does not take the chip's measures")


COMMANDS = eeprom.for_each_size(OmnikeyAt24Commands)


def _told(exchange: Exchange, card_type: CardType, page: int) -> bool:
    """Whether the reader took the measures."""
    measures = bytes((1, OWN_MEASURES, page, ADDRESS_BYTES)) + CHIPS[card_type].image_size.to_bytes(4, "big")
    return exchange(bytes((0xFF, 0x30, 0x00, 0x04, len(measures))) + measures) == OK


def _read_order(addr: int, length: int) -> bytes:
    body = b"\x01" + addr.to_bytes(4, "big") + length.to_bytes(4, "big")
    return bytes((0xFF, 0x30, 0x00, 0x05, len(body))) + body + b"\x00"


def _reading(exchange: Exchange) -> eeprom.Read:
    def read(addr: int, length: int) -> bytes | None:
        answer = follow(exchange, _read_order(addr, length))
        return answer[:-2] if answer[-2:] == OK and len(answer) == length + 2 else None

    return read
