"""One card, from insertion to removal."""

from __future__ import annotations

from contextlib import suppress

from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.pcsc import NO_ANSWER, PcscConnection, PcscFault
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.model.card import CardType
from kiosk.model.cardport import NO_CARD, CardPortError
from kiosk.model.errors import CardFault


class Session:
    """What a job works with, on the reader's thread only; keep nothing of it.

    ``port`` is the card as drivers see it and changes with every ``power_afresh``; ``card_type`` is None when the
    family cannot be told; ``counter`` is pcscd's count of insertions and removals. CardPortError or PcscFault
    when the card fails at once.
    """

    port: PcscCardPort

    def __init__(self, number: int, connection: PcscConnection, counter: int, dialect: str, choices: Choices) -> None:
        self.number = number
        self.counter = counter
        self._connection, self._dialect, self._choices = connection, dialect, choices
        # pcscd may not have noticed yet that the card it powered is gone, or that it is another, whose ATR it keeps
        self._take_up()
        self.port.still_here()  # a card that is gone raises; another one, which answers in its own way, is powered next
        connection.power_afresh()
        self.atr = connection.atr
        self.card_type: CardType | None = self._take_up()

    @property
    def lost(self) -> bool:
        """Whether an exchange failed: what is in the reader now may be another card."""
        return self._connection.lost

    def power_afresh(self) -> None:
        """Cold reset; presented secrets are forgotten. CardFault C-202 the card is gone or another, C-205 no answer.

        The card is spoken to first: pcscd would power up an exchanged card without a word.
        """
        try:
            self._prove()
            self._connection.power_afresh()
            same = self._connection.atr == self.atr and self._take_up() == self.card_type
        except CardPortError as fault:
            raise CardFault("C-202", f"the card is gone: {fault}") from fault
        except PcscFault as fault:
            code = "C-205" if fault.result in NO_ANSWER else "C-202"
            raise CardFault(code, f"powering the card afresh: {fault}") from fault
        if not same:
            self._connection.lost = True
            raise CardFault("C-202", "another card is in the reader")

    def close(self) -> None:
        """Powers the card off, if it is still there."""
        with suppress(CardPortError):
            self._prove()
        if not self.port.provable:
            self._connection.lost = True  # nothing proves that this one is still there
        self._connection.close()

    def _take_up(self) -> CardType | None:
        found = detect(self._connection.transmit, self._connection.atr, self._dialect, self._choices)
        self.port = PcscCardPort(self._connection, found, self._dialect, self._choices)
        return found

    def _prove(self) -> None:
        """An exchange that changes nothing. CardPortError when the card is gone."""
        if not self.port.still_here():
            self._connection.lost = True
            raise CardPortError(NO_CARD, "the card is not selected any more")
