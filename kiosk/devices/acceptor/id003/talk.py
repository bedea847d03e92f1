"""The kiosk's half of ID003: when to ask, when to listen, when to acknowledge; ``dialogue`` says what.

ID003 numbers nothing, but each kind of question has an answer that no other kind has (``wire.answers``), so what does
not fit the question is passed over. What is left is one status taken for a later one. So after every doubt (the line
is new, an answer did not come, or more came with it) the line is listened to until it is quiet, and the next status is
heard as a sign of life only: nothing else is believed of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kiosk.devices.acceptor.asking import Asking
from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.id003 import memory as kept
from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.id003.dialogue import Dialogue, DialogueSettings
from kiosk.devices.acceptor.talk import NEVER, LineShape

ACKNOWLEDGEMENT = wire.encode(bytes((wire.ACK,)))
SOON_AT_REST = (wire.IDLING, wire.STACKED, wire.REJECTING, wire.RETURNING)


@dataclass(frozen=True, slots=True)
class TalkSettings:
    """Times in ms."""

    poll_ms: int = 100
    answer_ms: int = 150  # from a question to the end of its answer; a machine begins within 50
    long_answer_ms: int = 300  # for the answers to VERSION and CURRENCY, up to 80 bytes
    command_ms: int = 10  # from a command's answer to the next status request
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)


class Id003Talk:
    """An ID003 acceptor as a ``Talk``."""

    def __init__(self, memory: bytes = b"", settings: TalkSettings = TalkSettings()) -> None:
        """``memory``: what ``memory()`` of an earlier one gave; a damaged one is as none."""
        self.shape = LineShape(9600, parity="even")
        self._settings = settings
        self._dialogue = Dialogue(settings.dialogue, kept.decode(memory))
        self._asking = Asking(settings.answer_ms)
        self._decoder = wire.Decoder()
        self._open = False
        self._question = b""  # the last one that was sent
        self._next_ms = NEVER  # of the next status request
        self._doubt = True  # the next status may be a late one
        self._fresh = False  # a status was the last thing that came or went
        self._leaving = self._left = False
        self._idles = False  # while leaving: it does

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
        """An open acceptor is inhibited; what else it says is not acknowledged: the next process hears it."""
        self._leaving, self._fresh = True, False

    def left(self) -> bool:
        """Whether that is done."""
        return self._leaving and (self._left or not self._open)

    def events(self) -> list[AcceptorEvent]:
        """What there is to tell."""
        told, self._dialogue.told = self._dialogue.told, []
        return told

    def memory(self) -> bytes:
        """Its name, its notes and the note in flight."""
        return kept.encode(self._dialogue.memory)

    # ---- the line

    def opened(self, now_ms: int) -> None:
        """The process before us may have asked something whose answer is still on its way."""
        self._open, self._next_ms = True, now_ms
        self._fresh, self._doubt = False, True
        self._asking.forget()
        self._asking.listen(now_ms)

    def lost(self, now_ms: int) -> None:
        """The line is dead."""
        self._open, self._next_ms, self._fresh = False, NEVER, False
        self._asking.forget()
        self._dialogue.silence()

    def received(self, came: bytes, now_ms: int) -> None:
        """The first whole frame that fits the question is its answer."""
        if not self._asking.waiting:
            self._fresh = False
            self._asking.listen(now_ms)
            return
        bodies = self._decoder.feed(came)
        body = next((body for body in bodies if wire.answers(self._question, body)), None)
        if body is None:
            return
        self._asking.answered()
        if len(bodies) > 1 or self._decoder.begun:
            self._doubt = True
            self._asking.listen(now_ms)
        if self._question == wire.STATUS:
            self._heard(body, now_ms)
        else:
            self._next_ms = now_ms + self._settings.command_ms
            self._dialogue.done(self._question, body, now_ms)

    def _heard(self, status: bytes, now_ms: int) -> None:
        if self._doubt:
            self._doubt = False
            self._dialogue.alive()
        elif self._leaving:
            self._idles = status[0] == wire.IDLING
            self._left = status[0] not in SOON_AT_REST
        else:
            self._fresh = self._dialogue.heard(status, now_ms)

    def wake(self, now_ms: int) -> bytes:
        """The acknowledgement, command or question that is due."""
        if not self._open or self._left:
            return b""
        if self._asking.gave_up(now_ms):
            self._unanswered(now_ms)
        if self._left or not self._asking.may_ask(now_ms):
            return b""
        if self._fresh and self._dialogue.may_acknowledge:
            self._fresh = False
            return ACKNOWLEDGEMENT
        command = wire.INHIBIT_ON if self._idles else self._dialogue.command(now_ms) if self._fresh else None
        if command is None and now_ms < self._next_ms:
            return b""
        return self._ask(command or wire.STATUS, now_ms)

    def due_ms(self) -> int:
        """When something falls due."""
        if not self._open or self._left:
            return NEVER
        asking = self._asking.due_ms()
        return self._next_ms if asking == NEVER else asking

    def _ask(self, question: bytes, now_ms: int) -> bytes:
        self._question, self._fresh, self._idles = question, False, False
        self._decoder.clear()
        long = question[0] in (wire.VERSION, wire.CURRENCY)
        self._asking.asked(now_ms, self._settings.long_answer_ms if long else 0)
        self._next_ms = now_ms + self._settings.poll_ms
        return wire.encode(question)

    def _unanswered(self, now_ms: int) -> None:
        self._doubt, self._next_ms = True, now_ms
        if self._leaving:
            self._left = True
        else:
            self._dialogue.missed(self._question)
