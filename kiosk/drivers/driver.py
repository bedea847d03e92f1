"""One vendor's driver in the house's words: describe, read, purchase.

How a broken call ends depends on what it might have done. DESCRIBE and READ change nothing: DriverFault. After any
other command whose driver crashed, hung or talked nonsense the card is unknown, and that is an answer, not an accident:
``DriverRefusal`` with WRITE_INCOMPLETE and an unknown card (contract 1 §6), so the caller reads the card again (§4.4).
A driver that could not be started (D-304, D-305) never saw the request: DriverFault, and the card is as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from kiosk.drivers import answer
from kiosk.drivers.answer import Description, DriverRefusal, TokenAnswer
from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.drivers.host import DriverProcess, LendLine, is_password
from kiosk.drivers.items import Value, Values
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.request import WRITING, purchase_values, request
from kiosk.model.card import CardReading, WriteOrder
from kiosk.model.cardport import CardPort
from kiosk.model.errors import ConfigFault, DriverFault

Answer = TypeVar("Answer")

BROKEN_CALLS = frozenset(("D-301", "D-302", "D-303"))
"""The driver had seen the request."""


class Driver:
    """``password`` is the vendor's secret out of the key vault, "" if there is none; it goes nowhere but to the driver.

    Before each call on a card the caller powers the card afresh. ``lend_line`` lends the reader's serial line to a
    driver of the old kind; None where the reader is on none. Raises ConfigFault F-701 for a password that the contract
    does not allow (§6).
    """

    def __init__(self, manifest: Manifest, password: str = "", lend_line: LendLine | None = None) -> None:
        if not is_password(password):
            name = manifest.sale.password
            raise ConfigFault("F-701", f"the secret {name!r} is not printable ASCII of at most 256 characters")
        self.manifest = manifest
        self.process = DriverProcess(manifest, lend_line)
        self._password = password

    def start(self) -> None:
        """Has the process ready before the first call. Raises DriverFault D-304, D-305."""
        self.process.start()

    def close(self) -> None:
        """Ends the process."""
        self.process.close()

    def describe(self) -> Description:
        """Who the driver is. Raises KioskError."""
        return _or_error(self._ask(Command.DESCRIBE, {}, None, answer.description))

    def read(self, port: CardPort) -> CardReading:
        """What the card says. Raises KioskError: the driver's refusal in the house's codes, or DriverFault."""
        return _or_error(self._ask(Command.READ, {}, port, answer.reading))

    def purchase(self, port: CardPort, order: WriteOrder, when: str, terminal: str) -> CardReading | DriverRefusal:
        """Writes one purchase: the card as read back, or why not and what the card is like now.

        ``when`` is the terminal's civil time, 14 digits. Raises only DriverFault D-304, D-305 and DeviceFault (the line
        to the reader cannot be lent), and then nothing was written; ValueError when the order cannot be said in the
        contract's items.
        """

        def read_back(values: Values) -> CardReading:
            card = answer.reading(values)
            if card.count != order.count:
                raise answer.nonsense(f"success, but the count read back is {card.count}, not {order.count}")
            return card

        values = purchase_values(order, when, terminal)
        return self._ask(Command.PURCHASE, values, port, read_back)

    def token(self, order: WriteOrder, when: str, terminal: str) -> TokenAnswer | DriverRefusal:
        """The digits of one purchase for a meter with a keypad (§8); else as ``purchase``."""
        values = purchase_values(order, when, terminal)
        return self._ask(Command.PURCHASE, values, None, answer.token)

    def execute(self, command: Command, values: Mapping[DI, Value], port: CardPort | None) -> Values | DriverRefusal:
        """Any command with any items: the known items of the answer (``answer.reading`` reads them), or the refusal.

        Raises DriverFault; after a broken call only for DESCRIBE and READ. ValueError when §2 does not allow the items.
        """
        return self._ask(command, values, port, dict)

    def _ask(
        self,
        command: Command,
        values: Mapping[DI, Value],
        port: CardPort | None,
        understood: Callable[[Values], Answer],
    ) -> Answer | DriverRefusal:
        """One call, its answer understood, or the refusal; a broken writing call is a refusal too."""
        raw = request(command, values).encode()
        try:
            given = self.process.call(raw, port, self._password)
            return self._understand(command, given, understood)
        except DriverFault as fault:
            if command not in WRITING or fault.code not in BROKEN_CALLS:
                raise
            return DriverRefusal(DriverError.WRITE_INCOMPLETE, str(fault), CardAfter.UNKNOWN, fault.code)

    def _understand(
        self, command: Command, given: bytes, understood: Callable[[Values], Answer]
    ) -> Answer | DriverRefusal:
        try:
            said = answer.open_answer(command, given)
            return understood(said) if not isinstance(said, DriverRefusal) else self._without_secret(said)
        except DriverFault:
            self.process.discard()
            raise

    def _without_secret(self, refusal: DriverRefusal) -> DriverRefusal:
        """A driver's words go into the log, and a careless driver may say what it was given."""
        if not self._password:
            return refusal
        return replace(refusal, text=refusal.text.replace(self._password, "…"))


def _or_error(said: Answer | DriverRefusal) -> Answer:
    if isinstance(said, DriverRefusal):
        raise answer.to_error(said)
    return said
