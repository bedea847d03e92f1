"""What a device is asked when it is met, also after a silence: who it is, and what its coins or notes are worth.

None of these questions changes anything in the device. What money hangs on is believed when it was heard twice the
same, and asked until it is answered or refused: on a bad line a device without a serial number would be another one.
The rest is given up after some tries.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.acceptor.cctalk import values, wire
from kiosk.devices.acceptor.cctalk.trade import Trade

TRIES_MAX = 3
LENGTHS = {  # of the answers that money hangs on
    wire.SERIAL: (3, 4),
    wire.COIN_ID: (values.COIN_NAME,),
    wire.BILL_ID: (values.BILL_NAME,),
    wire.SCALING: (values.SCALING_BYTES,),
    wire.ACCEPT_COUNTER: (3,),
}
TRIES_LONG = 12  # so often no device is asked that is well


@dataclass(frozen=True, slots=True)
class Question:
    """A header and its data."""

    header: int
    data: bytes = b""


SERIAL = Question(wire.SERIAL)


class Greeting:
    """The questions one after the other, and their answers."""

    def __init__(self, trade: Trade, country: str, keeps_count: bool, earlier: Greeting | None = None) -> None:
        """``country``: ISO 3166, two letters; money of other countries has no value.

        ``earlier``: the last one; a device with the same serial number is not asked again for its names.
        """
        self._trade, self._country = trade, country
        self._scaling = Question(wire.SCALING, country.encode("ascii"))
        worth = [Question(trade.names, bytes((kind,))) for kind in _kinds()]
        about = [Question(header) for header in (wire.MANUFACTURER, wire.CATEGORY, wire.PRODUCT, wire.POLLING_PRIORITY)]
        if trade.takes_notes:
            worth.append(self._scaling)
            about.append(Question(wire.CURRENCY_REVISION, country.encode("ascii")))
        # The count comes last: what it counts is in the table too, which is read after it.
        count = [Question(wire.ACCEPT_COUNTER)] if keeps_count else []
        self._of_the_model = [*about, *worth]
        self._money = {SERIAL, *worth, *count}
        self._left = [SERIAL, *self._of_the_model, *count]
        self._earlier = earlier._answers if earlier else {}
        self._answers: dict[Question, bytes] = {}
        self._once: bytes | None = None
        self._tries = 0

    def next(self) -> Question | None:
        """The question that is due; None when all is known."""
        return self._left[0] if self._left else None

    def heard(self, answer: bytes) -> None:
        """The answer to it; one of a length that it can not have is the late answer to something else."""
        asked = self._left[0]
        if asked in self._money and len(answer) not in LENGTHS[asked.header]:
            self.unanswered()
        elif asked in self._money and answer != self._once:
            self._once = answer
        else:
            self._done(answer)

    def refused(self) -> None:
        """It was refused."""
        self._tries += 1
        if self._tries >= TRIES_MAX:
            self._done(b"")

    def unanswered(self) -> None:
        """No answer came."""
        self._tries += 1
        if self._left[0] not in self._money and self._tries >= TRIES_MAX:
            self._done(b"")

    @property
    def stuck(self) -> bool:
        """Whether it does not get on."""
        return self._tries >= TRIES_LONG

    def _done(self, answer: bytes) -> None:
        asked = self._left.pop(0)
        self._answers[asked] = answer
        self._once, self._tries = None, 0
        if asked == SERIAL and answer and answer == self._earlier.get(SERIAL):
            self._answers |= {about: self._earlier[about] for about in self._of_the_model if self._earlier.get(about)}
            self._left = [question for question in self._left if question not in self._answers]

    @property
    def serial(self) -> str:
        """Its serial number; "" if it has none."""
        return wire.serial_number(self._answers.get(SERIAL, b""))

    @property
    def identity(self) -> str:
        """Maker, product and serial number."""
        about = (wire.MANUFACTURER, wire.PRODUCT)
        words = [wire.text(self._answers.get(Question(header), b"")) for header in about]
        return " ".join(word for word in (*words, self.serial) if word)

    @property
    def polling_ms(self) -> int | None:
        """How often it wants to be asked for its events; None if it does not say."""
        return wire.polling_ms(self._answers.get(Question(wire.POLLING_PRIORITY), b""))

    @property
    def accepted(self) -> int | None:
        """How many coins or notes it counts in its life; None if it does not, or is not asked."""
        return wire.count(self._answers.get(Question(wire.ACCEPT_COUNTER), b""))

    @property
    def worth_fen(self) -> dict[int, int]:
        """What its kinds are worth; those that are not ours are missing."""
        worth = {
            kind: self._fen(self._answers.get(Question(self._trade.names, bytes((kind,))), b"")) for kind in _kinds()
        }
        return {kind: fen for kind, fen in worth.items() if fen is not None}

    def _fen(self, name: bytes) -> int | None:
        if self._trade.takes_notes:
            return values.bill_fen(name, self._country, self._answers.get(self._scaling, b""))
        return values.coin_fen(name, self._country)


def _kinds() -> range:
    return range(1, wire.KINDS + 1)
