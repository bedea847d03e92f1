"""What a reader's maker lets a PC do with one chip family: the shape of a dialect's commands, and its small words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kiosk.devices.reader.apdu import OK
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, CardPortError
from kiosk.model.errors import ConfigFault


@dataclass(frozen=True, slots=True)
class Choices:
    """Where sources disagree: what this kiosk believes. The reader's settings; docs/card-families.md has the why.

    ConfigFault F-701 for a value that makes no sense.
    """

    at24_page: int = 0  # bytes written to an I2C card at once: 4, 8 or 16; 0 is what is safe for its size
    at24_type: int = 0  # takes every I2C card for this type (1 to 5, contract 1 §7); 0 finds out
    public_keys: tuple[str, ...] = ("A0A1A2A3A4A5", "FFFFFFFFFFFF", "D3F7D3F7D3F7")  # MIFARE: tried to read a sector
    key_places: tuple[str, ...] = ("0000", "0020")  # P1 P2 of FF 82, where a contactless reader takes a key, in order
    at88sc102_tries: int = 4  # bits of the attempts counter that count: 4 (Atmel 1419C) or 8 (1419B)

    def __post_init__(self) -> None:
        if self.at88sc102_tries not in (4, 8):
            raise ConfigFault("F-701", f"at88sc102_tries is 4 or 8, not {self.at88sc102_tries}")
        if self.at24_page not in (0, 4, 8, 16):
            raise ConfigFault("F-701", f"at24_page is 0, 4, 8 or 16, not {self.at24_page}")
        if not 0 <= self.at24_type <= 5:
            raise ConfigFault("F-701", f"at24_type is 0 to 5, not {self.at24_type}")
        if any(len(key) != 12 or not _is_hex(key) for key in self.public_keys):
            raise ConfigFault("F-701", "public_keys have 12 hex digits each")
        if not self.key_places or any(len(place) != 4 or not _is_hex(place) for place in self.key_places):
            raise ConfigFault("F-701", "key_places have four hex digits each, P1 and P2, and there is one at least")


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789ABCDEFabcdef")


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


class ChipCommands(Protocol):
    """One memory family behind one kind of reader; semantics of kiosk.model.cardport.CardPort.

    Made anew each time the card is powered. A write that fails with −3 or −4 has sent nothing.
    """

    def __init__(self, connection: Connection, choices: Choices) -> None: ...

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""

    def verify(self, which: int, secret: bytes) -> None:
        """−3 wrong, −5 locked."""

    def tries_left(self, which: int) -> int:
        """Changes nothing."""

    def still_here(self) -> bool:
        """One exchange that changes nothing: whether the card that was selected still answers."""


def ask(connection: Connection, apdu: bytes) -> bytes:
    """Data of a reading command with Le as its fifth byte; at least that much, −2 otherwise."""
    answer = connection.transmit(apdu)
    if answer[-2:] != OK or len(answer) < apdu[4] + 2:
        raise CardPortError(IO_FAULT, f"{apdu[:5].hex()} answered {answer[-2:].hex()}")
    return answer[:-2]


def order(connection: Connection, cla_ins: bytes, addr: int, data: bytes) -> None:
    """A writing command ``FF ins hi lo Lc data``; −2 unless it is answered 90 00."""
    answer = connection.transmit(cla_ins + addr.to_bytes(2, "big") + bytes((len(data),)) + data)
    if answer != OK:
        raise CardPortError(IO_FAULT, f"{cla_ins.hex()} at {addr} answered {answer[-2:].hex()}")


def check_place(end: int, addr: int, length: int) -> None:
    """−4 unless the place lies in a zone of ``end`` bytes."""
    if addr < 0 or length < 1 or addr + length > end:
        raise CardPortError(BAD_ARGUMENT, "outside the zone")


def pieces(addr: int, data: bytes, most: int) -> list[tuple[int, bytes]]:
    """``data`` cut where one APDU ends."""
    return [(addr + start, data[start : start + most]) for start in range(0, len(data), most)]
