"""One card in a serial reader, from insertion to removal.

What "powered afresh" means here. With our extension the reader powers the card off and on, presented secrets are
forgotten, and the answer proves that it is the same card by the count of cards put in. The published packets have no
such thing: there the reader is only asked whether a card is in, **a presented secret stays accepted until the card is
taken out**, and a card changed for another between two questions is not noticed by us. Neither costs money: a card is
served by the one vendor whose mark it carries, and a write order names customer, meter and count.

There is no answer to reset either. Ours is what PC/SC readers make for memory cards, ``3B 04`` and the first four bytes
of zone 0, which on an SLE44xx are its real answer; ``3B 00`` where those cannot be read without a secret.
"""

from __future__ import annotations

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.line import ReaderLine
from kiosk.devices.reader.serial.port import SerialCardPort
from kiosk.devices.reader.serial.wire import Packet
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, NO_CARD, CardPortError
from kiosk.model.errors import CardFault

ATR_HEAD, ATR_UNKNOWN = b"\x3b\x04", b"\x3b\x00"
IN = (wire.OK, wire.NOT_VERIFIED)  # heads of a status that say a card is in
REFUSED = (wire.BAD_CARD, wire.NO_SUCH_PLACE, wire.NO_FIRST_FRAME)  # what a reader says to an area it does not know


class SerialSession:
    """What a job works with (``roles.CardSession``). CardPortError when the card is gone or silent already."""

    def __init__(self, number: int, line: ReaderLine) -> None:
        self.number = number
        self._line = line
        line.gone = False
        told = _chip_told(line)
        self._told = told
        self.card_type: CardType | None = CardType.SLE4442 if told is None else _family(told[0])
        self.port = SerialCardPort(line, self.card_type or CardType.CPU, ATR_UNKNOWN, extended=told is not None)
        self.atr = self._atr()
        if self.card_type is not None:
            self.port = SerialCardPort(line, self.card_type, self.atr, extended=told is not None)

    @property
    def lost(self) -> bool:
        """Whether this card was out in the meantime."""
        return self._line.gone

    def still_here(self) -> bool:
        """Asks the reader. CardPortError −2 it is silent."""
        if self._told is None:
            return self._line.ask(wire.status(self._line.slot)).head in IN and not self._line.gone
        return self._same(wire.chip(self._line.slot, self._line.run()))

    def power_afresh(self) -> None:
        """See above. CardFault C-202 the card is gone or another, C-201 the reader is silent."""
        try:
            same = self.still_here() if self._told is None else self._powered()
        except CardPortError as fault:
            raise CardFault("C-201", f"powering the card afresh: {fault}") from fault
        if not same:
            self._line.gone = True
            raise CardFault("C-202", "the card is gone, or another is in the reader")

    def _powered(self) -> bool:
        return self._same(wire.power(self._line.slot, self._line.run()))

    def _same(self, asked: Packet) -> bool:
        """Whether the answer names this chip and this insertion."""
        answer = self._line.ask(asked)
        return answer.head == wire.OK and answer.data[:2] == self._told and not self._line.gone

    def _atr(self) -> bytes:
        if self.card_type is None:
            return ATR_UNKNOWN
        try:
            return ATR_HEAD + self.port.read(0, 0, 4)
        except CardPortError as fault:
            if fault.code not in (DENIED, BAD_ARGUMENT):
                raise
            return ATR_UNKNOWN


def _chip_told(line: ReaderLine) -> bytes | None:
    """Type code and count of cards put in; None for a reader that has only the published packets.

    Such a reader refuses the question or does not answer it; then it must answer a status, or nothing is known.
    """
    try:
        answer = line.ask(wire.chip(line.slot, line.run()))
    except CardPortError:
        answer = line.ask(wire.status(line.slot))
        if answer.head in IN:
            return None
    if answer.head == wire.OK:
        return answer.data[:2]
    if answer.head in REFUSED:
        return None
    raise CardPortError(NO_CARD, "the card is gone")


def _family(code: int) -> CardType | None:
    return CardType(code) if code in set(CardType) else None
