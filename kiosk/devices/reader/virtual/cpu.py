"""A CPU card of anybody's making as a virtual card: contract 1 §9's ``conformance/card.py`` or our own file card."""

from __future__ import annotations

import copy
from typing import Protocol

from kiosk.devices.reader.apdu import follow, is_short
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError


class CpuCard(Protocol):
    """What contract 1 §9 asks of ``class Card``; dead: ``transmit`` returns b"" until ``reset()``."""

    tear_after: int | None

    def reset(self) -> bytes:
        """Cold reset; the ATR."""

    def transmit(self, apdu: bytes) -> bytes:
        """The answer with SW1 SW2."""


class VirtualCpuCard:
    """``card`` behind the face of a VirtualCard."""

    def __init__(self, card: CpuCard) -> None:
        self.card = card
        self._atr = card.reset()

    @property
    def tear_after(self) -> int | None:
        """Bytes UPDATEs may still write."""
        return self.card.tear_after

    @tear_after.setter
    def tear_after(self, count: int | None) -> None:
        self.card.tear_after = count

    def card_type(self) -> int:
        """60."""
        return CardType.CPU

    def atr(self) -> bytes:
        """The answer to the last reset."""
        return self._atr

    def reset(self) -> bytes:
        """Powered afresh."""
        self._atr = self.card.reset()
        return self._atr

    def image(self) -> bytes:
        """The card's own ``image()``; without one, what its attributes show after a reset."""
        own = getattr(self.card, "image", None)
        if own is not None:
            return bytes(own())
        quiet = copy.deepcopy(self.card)
        quiet.tear_after = None
        quiet.reset()
        return repr(sorted(vars(quiet).items())).encode()

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """−4: CPU cards speak APDUs."""
        raise CardPortError(BAD_ARGUMENT, "a CPU card has no zones")

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """−4."""
        raise CardPortError(BAD_ARGUMENT, "a CPU card has no zones")

    def verify(self, which: int, secret: bytes) -> None:
        """−4."""
        raise CardPortError(BAD_ARGUMENT, "a CPU card takes secrets as APDUs")

    def tries_left(self, which: int) -> int:
        """−4."""
        raise CardPortError(BAD_ARGUMENT, "a CPU card takes secrets as APDUs")

    def transmit(self, apdu: bytes) -> bytes:
        """61xx and 6Cxx followed. −1 when the card died, −2 when it answers less than SW1 SW2, −4 not an APDU."""
        if not is_short(apdu):
            raise CardPortError(BAD_ARGUMENT, "not a short APDU")
        answer = follow(self.card.transmit, apdu)
        if not answer:
            raise CardPortError(NO_CARD, "the card was pulled")
        if len(answer) < 2:
            raise CardPortError(IO_FAULT, "an answer without SW1 SW2")
        return answer
