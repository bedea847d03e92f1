"""The kiosk's half of SSP: ``exchange`` carries the questions that ``dialogue`` puts.

The manual gives a question 20 tries and then begins anew with SYNC. Here a device counts as silent after
``silent_tries``; a question that makes it forget nothing is then given up for SYNC. POLL is not: the device's last
answer may be the only place where a credit stands, and it is repeated to no other question.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import RandomBelow
from kiosk.devices.acceptor.ssp.dialogue import Dialogue, DialogueSettings
from kiosk.devices.acceptor.ssp.exchange import Exchange
from kiosk.devices.acceptor.talk import NEVER, LineShape


@dataclass(frozen=True, slots=True)
class TalkSettings:
    """Times in ms."""

    address: int = 0  # of a note validator
    answer_ms: int = 1_000  # from a question to the end of its answer
    silent_tries: int = 5  # unanswered ones, until the device counts as silent
    poll_tries: int = 20  # of a sealed POLL; the manual's number
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)


class SspTalk:
    """A validator of Innovative Technology as a ``Talk``."""

    def __init__(self, settings: TalkSettings = TalkSettings(), random_below: RandomBelow = secrets.randbelow) -> None:
        self.shape = LineShape(9600, stop_bits=2)
        self._settings = settings
        self._dialogue = Dialogue(settings.dialogue, random_below)
        self._exchange = Exchange(settings.address, settings.answer_ms)
        self._told: list[AcceptorEvent] = []
        self._open = False

    # ---- wishes

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values."""
        self._dialogue.want(denominations_fen)

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow."""
        self._dialogue.decide(to_box)

    def credited(self) -> None:
        """The stacked note is recorded."""
        self._dialogue.credited()

    def settled(self) -> None:
        """What AcceptorUp said is recorded."""
        self._dialogue.settled()

    def leave(self) -> None:
        """A device at rest is disabled; nothing more is asked."""
        self._dialogue.leave()

    def left(self) -> bool:
        """Whether that is done, or no answer comes."""
        return self._dialogue.left

    def events(self) -> list[AcceptorEvent]:
        """What there is to tell."""
        told, self._told = self._told, []
        return told

    def memory(self) -> bytes:
        """Nothing: the device says all of itself at any time."""
        return b""

    # ---- the line

    def opened(self, now_ms: int) -> None:
        """The process before us may have asked something whose answer is still on its way."""
        self._open = True
        self._dialogue.opened()
        self._exchange.again(now_ms)

    def lost(self, now_ms: int) -> None:
        """The line is dead."""
        self._open = False
        self._told += self._dialogue.silent()
        self._give_up(now_ms)

    def received(self, came: bytes, now_ms: int) -> None:
        """What came may hold the answer to the question that is out."""
        question = self._exchange.question
        answer = self._exchange.received(came, now_ms)
        if answer is None:
            return
        self._told += self._dialogue.heard(question, answer, now_ms)
        self._exchange.seal = self._dialogue.seal
        if self._exchange.tries > 1 and question[0] != wire.SERIAL:
            self._dialogue.doubt()

    def wake(self, now_ms: int) -> bytes:
        """The question that is due, again or for the first time."""
        if not self._open:
            return b""
        if self._exchange.waiting and self._exchange.tries >= self._settings.silent_tries:
            self._unanswered(now_ms)
        self._told += self._dialogue.told(now_ms)
        if self._exchange.may_ask(now_ms):
            question = self._dialogue.next(now_ms)
            if question:
                self._exchange.ask(question, now_ms)
        return self._exchange.wake(now_ms)

    def due_ms(self) -> int:
        """When something falls due."""
        if not self._open or self._dialogue.left:
            return NEVER
        exchange, dialogue = self._exchange.due_ms(), self._dialogue.due_ms()
        return dialogue if exchange == NEVER else exchange

    def _unanswered(self, now_ms: int) -> None:
        if now_ms < self._exchange.due_ms():
            return
        if self._exchange.tries == self._settings.silent_tries:
            self._told += self._dialogue.silent()
        self._give_up(now_ms)

    def _give_up(self, now_ms: int) -> None:
        """A POLL only if it is sealed: then the device may have lost the key, and its last answer, with its power."""
        kept = self._exchange.question[:1] == bytes((wire.POLL,))
        if not kept or (self._exchange.seal and self._exchange.tries >= self._settings.poll_tries):
            self._exchange.abandon(now_ms)
