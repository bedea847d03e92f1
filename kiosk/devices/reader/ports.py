"""The card in a PC/SC reader as drivers see it (contract 1 §6): the reader's memory-card commands, or plain APDUs.

What a write that failed may have done: −3 and −4 are raised before the first byte leaves, so nothing is written;
everything after that is −1 or −2, and any prefix may be on the card.
"""

from __future__ import annotations

from kiosk.devices.reader.apdu import as_t0, follow, is_short
from kiosk.devices.reader.commands import ChipCommands, Choices, Connection
from kiosk.devices.reader.dialects import ACS, COMMANDS
from kiosk.devices.reader.families import spoken_to
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, CardPortError

STILL_THERE = bytes.fromhex("00C0000000")  # GET RESPONSE: harmless, whatever the card makes of it


class PcscCardPort:
    """A CardPort over ``connection``; valid until the card is powered afresh. ``card_type`` None: nothing is known,
    every call on the card is −4."""

    def __init__(
        self, connection: Connection, card_type: CardType | None, dialect: str = ACS, choices: Choices | None = None
    ) -> None:
        self._connection = connection
        self._type = card_type
        commands = COMMANDS[spoken_to(card_type, dialect)].get(card_type) if card_type is not None else None
        self._commands = None if commands is None else commands(connection, choices or Choices())

    def card_type(self) -> int:
        """The family; 0 when it cannot be told."""
        return self._type or 0

    def atr(self) -> bytes:
        """Answer to reset."""
        return self._connection.atr

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """A zone of a memory card."""
        return self._chip().read(zone, addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """A zone of a memory card."""
        self._chip().write(zone, addr, data)

    def verify(self, which: int, secret: bytes) -> None:
        """A secret of a memory card."""
        self._chip().verify(which, secret)

    def tries_left(self, which: int) -> int:
        """Tries left for a secret of a memory card."""
        return self._chip().tries_left(which)

    def transmit(self, apdu: bytes) -> bytes:
        """A short APDU to a CPU card; 61xx and 6Cxx followed."""
        if self._type != CardType.CPU or not is_short(apdu):
            raise CardPortError(BAD_ARGUMENT, "not a CPU card, or not a short APDU")
        return follow(self._connection.transmit, as_t0(apdu) if self._connection.t0 else apdu)

    def still_here(self) -> bool:
        """One exchange that changes nothing: whether the card still answers; True where nothing can tell.

        CardPortError when it is gone.
        """
        if self._type == CardType.CPU:
            self._connection.transmit(STILL_THERE)
            return True
        return self._commands is None or self._commands.still_here()

    @property
    def provable(self) -> bool:
        """Whether ``still_here`` can tell anything."""
        return self._type == CardType.CPU or self._commands is not None

    def _chip(self) -> ChipCommands:
        if self._commands is None:
            raise CardPortError(BAD_ARGUMENT, "not a memory card this reader is known to serve")
        return self._commands
