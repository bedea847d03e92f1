"""The kiosk's half of CCNET: when to ask, when to listen, when to acknowledge; ``dialogue`` says what.

CCNET numbers nothing. So one question is out at a time, what comes when none is out is thrown away, and after every
doubt (the line is new, an answer did not come, or came when it may have been another's) the line is listened to until
it is quiet. Else each question might get the answer to the one before it, for as long as the machine is slow, and the
acknowledgement of such an answer would let go the credit right behind it, which nobody has read yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kiosk.devices.acceptor.asking import Asking
from kiosk.devices.acceptor.ccnet import memory as kept
from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.dialogue import Dialogue, DialogueSettings, Stage
from kiosk.devices.acceptor.events import AcceptorEvent
from kiosk.devices.acceptor.talk import NEVER, LineShape

_ACKNOWLEDGEMENT = wire.encode(bytes((wire.ACK,)))
_POLL, _TAKE_NOTHING = bytes((wire.POLL,)), wire.enable(frozenset())


@dataclass(frozen=True, slots=True)
class TalkSettings:
    """Times in ms."""

    poll_ms: int = 100  # CCNET asks for 200 at most
    answer_ms: int = 150  # from a question to the end of its answer; a validator begins within 10
    table_ms: int = 300  # to the end of the answer to TABLE, 125 bytes
    acknowledge_ms: int = 8  # a credit recorded within it is acknowledged at once, later at the next poll: CCNET's 10
    dialogue: DialogueSettings = field(default_factory=DialogueSettings)


class CcnetTalk:
    """A CCNET validator as a ``Talk``."""

    def __init__(self, memory: bytes = b"", settings: TalkSettings = TalkSettings()) -> None:
        """``memory``: what ``memory()`` of an earlier one gave; a damaged one is as none."""
        self.shape = LineShape(9600)
        self._settings = settings
        self._dialogue = Dialogue(settings.dialogue, kept.decode(memory))
        self._asking = Asking(settings.answer_ms)
        self._decoder = wire.Decoder()
        self._open = False
        self._question = b""  # the last one that was sent
        self._next_ms = NEVER  # of the next poll
        self._acknowledge_by: int | None = None  # an answer waits to be acknowledged, or for its record
        self._hoped = False  # for that record
        self._told: list[AcceptorEvent] = []
        self._leaving = False
        self._farewell = b""  # the last thing that was asked since
        self._left = False

    # ---- wishes

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values."""
        self._dialogue.want(denominations_fen)

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow."""
        self._dialogue.decide(Stage.TO_BOX if to_box else Stage.TO_CUSTOMER)

    def credited(self) -> None:
        """The stacked note is recorded."""
        self._dialogue.credited()

    def settled(self) -> None:
        """The power-up is recorded."""
        self._dialogue.settled()

    def leave(self) -> None:
        """An open validator is disabled; what else it says is not acknowledged: the next process hears it."""
        self._leaving, self._acknowledge_by = True, None

    def left(self) -> bool:
        """Whether that is done."""
        return self._leaving and (self._left or not self._open)

    def events(self) -> list[AcceptorEvent]:
        """What there is to tell."""
        told, self._told = self._told, []
        return told

    def memory(self) -> bytes:
        """Its name and its notes; empty until both are known."""
        return kept.encode(self._dialogue.memory)

    # ---- the line

    def opened(self, now_ms: int) -> None:
        """The process before us may have asked something whose answer is still on its way."""
        self._open, self._next_ms = True, now_ms
        self._asking.opened(now_ms)
        self._decoder.clear()
        self._acknowledge_by = None

    def lost(self, now_ms: int) -> None:
        """The line is dead."""
        self._open, self._acknowledge_by, self._next_ms = False, None, NEVER
        self._asking.forget()
        self._told += self._dialogue.lost()

    def received(self, came: bytes, now_ms: int) -> None:
        """The first whole frame after a question is its answer; if more came with it, that is in doubt."""
        if not self._asking.waiting:
            self._acknowledge_by = None
            self._asking.listen(now_ms)
            return
        bodies = self._decoder.feed(came)
        if not bodies:
            return
        self._asking.answered(now_ms)
        if self._leaving:
            self._heard_farewell(bodies[0])
            return
        told = self._dialogue.heard(self._question, bodies[0], now_ms)
        self._told += told
        self._next_ms = now_ms + self._settings.poll_ms
        alone = len(bodies) == 1 and not self._decoder.begun
        if alone:
            self._acknowledge_by, self._hoped = now_ms + self._settings.acknowledge_ms, bool(told)
        else:
            self._asking.listen(now_ms)

    def wake(self, now_ms: int) -> bytes:
        """The acknowledgement or the question that is due."""
        if not self._open or self._left:
            return b""
        if self._asking.gave_up(now_ms):
            self._unanswered(now_ms)
        if self._acknowledge_by is not None:
            return self._acknowledge(now_ms)
        if not self._asking.may_ask(now_ms):
            return b""
        if self._leaving:
            self._farewell = self._farewell or _POLL
            return self._ask(self._farewell, now_ms)
        if now_ms < self._next_ms and self._dialogue.command(now_ms) is None:
            return b""
        return self._ask(self._dialogue.next(now_ms), now_ms)

    def due_ms(self) -> int:
        """When something falls due."""
        if not self._open or self._left:
            return NEVER
        if self._acknowledge_by is not None:
            return self._acknowledge_by
        asking = self._asking.due_ms()
        return self._next_ms if asking == NEVER else asking

    def _ask(self, question: bytes, now_ms: int) -> bytes:
        self._question = question
        self._decoder.clear()
        self._asking.asked(now_ms, self._settings.table_ms if question[0] == wire.TABLE else 0)
        return wire.encode(question)

    def _unanswered(self, now_ms: int) -> None:
        self._next_ms = now_ms + self._settings.poll_ms
        if self._leaving:
            self._left = bool(self._farewell)
        else:
            self._told += self._dialogue.heard(self._question, None, now_ms)

    def _acknowledge(self, now_ms: int) -> bytes:
        """The acknowledgement, if it may be given and is not too late; nothing is asked while it may still be given."""
        due = self._acknowledge_by or 0
        if self._dialogue.may_acknowledge:
            self._acknowledge_by = None
            if self._dialogue.command(now_ms) is not None:
                self._next_ms = now_ms  # what the answer allows goes out at once
            return _ACKNOWLEDGEMENT if now_ms <= due else b""
        if now_ms >= due or not self._hoped:
            self._acknowledge_by = None
        return b""

    def _heard_farewell(self, answer: bytes) -> None:
        """An answer to what was asked before ``leave`` is none."""
        if self._farewell == _POLL and answer == bytes((wire.IDLING,)):
            self._farewell = _TAKE_NOTHING
        else:
            self._left = bool(self._farewell)
