"""The kiosk's half of ccTalk, for coin acceptors and bill validators.

The device is asked for its table of events over and over; a lost answer costs nothing. Seven rules hold everywhere.

1. What money hangs on (the table, the serial number, the names of the kinds) is believed when it was read twice the
   same: a check of one byte is weak, and the answer of a slow device may belong to the question before.
2. A command goes out only right after a poll that showed nothing new. So a device that lost its power, and with it
   its inhibits, is noticed before it is opened again.
3. Events are told one at a time, oldest first; money and losses are repeated until ``credited``. What is told and not
   recorded stays in the line before everything else, whatever happens to the device.
4. The device is closed until all that it had to say is recorded, and again while three events wait for the ledger:
   its table holds five, and a coin that rolls can not be called back.
5. A note in escrow is moved only as long as its event is the newest in the table. An older one is decided already.
6. RESET is never sent: it erases the events, and nothing needs it.
7. After fraud it stays closed until ``want`` is called again.

What is not nice: the events are gone with the power. A coin that fell, or a note that was stacked, less than two
polls before a power cut is in the cash box and in no table. That the device was powered up is told as ``EventsLost``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk import table as tables
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.gate import SHUT, Gate
from kiosk.devices.acceptor.cctalk.greeting import Greeting, Question
from kiosk.devices.acceptor.cctalk.heard import Heard
from kiosk.devices.acceptor.cctalk.line import Line, LineSettings
from kiosk.devices.acceptor.cctalk.table import News, Table
from kiosk.devices.acceptor.cctalk.teller import Teller
from kiosk.devices.acceptor.cctalk.trade import BROKEN, Escrow, Money, Trade, UnknownMoney, fault_of
from kiosk.devices.acceptor.talk import NEVER, LineShape
from kiosk.model.cash import Mark

SILENT = "V-411"
POLL = Question(wire.SIMPLE_POLL)
CHECK = Question(wire.SELF_CHECK)
CLOSE = Question(wire.MASTER_INHIBIT, SHUT)
CLOSE_TRIES_MAX = CHECK_TRIES_MAX = 3


@dataclass(frozen=True, slots=True)
class CctalkSettings:
    """Times in ms. ``country``: ISO 3166; coins and notes of others are worth nothing here.

    ``keeps_count``: the device's manual says that its accept counter (225) is kept without power, not only on command.
    """

    line: LineSettings = field(default_factory=LineSettings)
    country: str = "CN"
    keeps_count: bool = False
    poll_ms: int = 200  # or what the device asks for, if that is less
    again_ms: int = 20  # until a new table is read the second time
    gap_ms: int = 5  # between an answer and the next question
    fresh_ms: int = 50  # how old a poll may be when a command follows it
    silent_polls_max: int = 5
    remind_ms: int = 5_000
    hold_every_ms: int = 5_000  # a device gives a note back after 10 s at the soonest
    route_again_ms: int = 2_000
    open_again_ms: int = 5_000  # an inhibit that got lost in the device is said again
    check_every_ms: int = 1_000  # while something is wrong


class Stage(Enum):
    """How far we are with the device."""

    AWAY = auto()
    GREETING = auto()
    UP = auto()


class CctalkTalk:
    """One device as a ``Talk``."""

    def __init__(
        self,
        trade: Trade,
        settings: CctalkSettings = CctalkSettings(),
        memory: bytes = b"",
        known: Mark | None = None,
    ) -> None:
        """``known``: the last mark that the ledger has."""
        self.shape = LineShape()
        self._trade, self._settings = trade, settings
        self._line = Line(settings.line, trade.address)
        self._heard = Heard(known, memory)
        self._memory = self._heard.memory()
        self._teller = Teller(trade, self._heard, settings.remind_ms)
        self._gate = Gate(trade, settings.hold_every_ms, settings.route_again_ms, settings.open_again_ms)
        self._stage, self._said_down = Stage.AWAY, False
        self._greeting = Greeting(trade, settings.country, settings.keeps_count)
        self._close_tries = 0  # in this greeting
        self._asked: Question | None = None
        self._unanswered = 0
        self._once: Table | None = None  # a new table, read for the first time
        self._polled_ms: int | None = None  # of a poll that showed nothing new, as long as nothing followed it
        self._poll_due_ms = self._not_before_ms = 0
        self._check_due_ms: int | None = None
        self._check_tries = 0
        self._settled, self._up_told = False, False
        self._where: on.Whereabouts = "none"
        self._said_up_ms = 0
        self._told: list[on.AcceptorEvent] = []
        self._dead = True  # the line

    # ---- Talk: wishes

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes coins or notes of these values."""
        self._gate.wanted = denominations_fen
        self._poll_due_ms = 0

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow; too late, it does nothing."""
        self._teller.decide(to_box)
        self._poll_due_ms = 0

    def credited(self) -> None:
        """The last event that had to be recorded is."""
        self._teller.credited()
        self._poll_due_ms = 0

    def settled(self) -> None:
        """What AcceptorUp said is recorded; what it has not said yet is not."""
        self._settled = self._settled or self._up_told
        self._poll_due_ms = 0

    def leave(self) -> None:
        """The kiosk ends."""
        self._gate.leaving = True
        self._poll_due_ms = 0

    def left(self) -> bool:
        """Whether the device is closed, or does not answer."""
        return self._gate.leaving and (self._gate.closed or self._stage is Stage.AWAY)

    def memory(self) -> bytes:
        """How far was heard and told."""
        return self._memory

    # ---- Talk: the line

    def opened(self, now_ms: int) -> None:
        """The line was opened."""
        self._dead = False
        self._line.forget()
        self._asked, self._polled_ms = None, None
        self._poll_due_ms = self._not_before_ms = now_ms

    def lost(self, now_ms: int) -> None:
        """The line is dead."""
        self._dead = True
        self._line.forget()
        self._asked = None
        self._gone(now_ms)

    def received(self, came: bytes, now_ms: int) -> None:
        """Bytes came."""
        frame = self._line.received(came, now_ms)
        asked, self._asked = self._asked, self._asked if frame is None else None
        if frame is None or asked is None:
            return
        self._unanswered = 0
        self._not_before_ms = now_ms + self._settings.gap_ms
        if frame.header == wire.BUSY:
            self._polled_ms, self._poll_due_ms = None, now_ms + self._settings.poll_ms
            return
        self._answered(asked, frame.data if frame.header == wire.REPLY else None, now_ms)

    def wake(self, now_ms: int) -> bytes:
        """Lets pass what is due, and gives what is to be sent."""
        self._memory = self._heard.memory()  # what was told since, the owner may not have heard yet
        if self._line.gave_up(now_ms):
            self._missed(now_ms)
        if self._stage is Stage.UP:
            self._tell(now_ms)
        if self._dead or now_ms < self._not_before_ms or not self._line.may_ask(now_ms):
            return b""
        self._asked = self._question(now_ms)
        return b"" if self._asked is None else self._line.ask(self._asked.header, self._asked.data, now_ms)

    def due_ms(self) -> int:
        """When ``wake`` is to be called next."""
        if self._dead:
            return NEVER
        at_once = self._polled_ms is not None or (self._stage is Stage.GREETING and self._once is None)
        return self._line.due_ms(self._not_before_ms if at_once else max(self._poll_due_ms, self._not_before_ms))

    def events(self) -> list[on.AcceptorEvent]:
        """What there is to tell."""
        told, self._told = self._told, []
        return told

    # ---- what to ask

    def _question(self, now_ms: int) -> Question | None:
        events = Question(self._trade.events)
        if self._stage is Stage.GREETING and self._unanswered:
            return POLL  # does it answer at all?
        if self._stage is Stage.GREETING and self._once is None:
            return CLOSE if self._close_tries < CLOSE_TRIES_MAX else self._greeting.next() or events
        polled_ms, self._polled_ms = self._polled_ms, None
        if self._stage is Stage.UP and polled_ms is not None and now_ms - polled_ms <= self._settings.fresh_ms:
            command = self._command(now_ms)
            if command:
                return command
        if now_ms < self._poll_due_ms:
            return None
        return POLL if self._stage is Stage.AWAY else events

    def _command(self, now_ms: int) -> Question | None:
        """What follows a poll that showed nothing new."""
        escrow = self._teller.escrow
        if escrow:  # by its event, which is the newest
            route = self._gate.route(escrow, now_ms)
            if route is not None:
                if route == wire.STACK:
                    self._teller.sent_to_box()
                return Question(wire.ROUTE, bytes((route,)))
        if self._check_due_ms is not None and now_ms >= self._check_due_ms:
            return CHECK
        return self._gate.command(self._settled and self._teller.drained, now_ms)

    # ---- what came

    def _answered(self, asked: Question, answer: bytes | None, now_ms: int) -> None:
        self._poll_due_ms = now_ms  # after everything but a poll that shows nothing new
        if asked == POLL:
            if self._stage is Stage.AWAY and answer is not None:
                self._greet()
        elif asked == CLOSE and self._stage is Stage.GREETING:
            self._close_tries = CLOSE_TRIES_MAX
            self._gate.shut(now_ms)
        elif asked.header == self._trade.events:
            self._polled(answer, now_ms)
        elif self._stage is Stage.GREETING and asked == self._greeting.next():
            if answer is None:
                self._greeting.refused()
            else:
                self._greeting.heard(answer)
        elif asked.header == wire.ROUTE:
            if answer == bytes((wire.ESCROW_EMPTY,)):
                self._teller.escrow_empty()  # its event comes, or nobody knows where the note is
        elif asked == CHECK:
            self._checked(answer or b"", now_ms)
        else:
            self._gate.done(asked, now_ms)

    def _greet(self) -> None:
        self._stage = Stage.GREETING
        about = self._greeting
        self._greeting = Greeting(self._trade, self._settings.country, self._settings.keeps_count, earlier=about)
        self._close_tries, self._once = 0, None
        self._gate.unknown()

    def _missed(self, now_ms: int) -> None:
        asked, self._asked = self._asked, None
        self._polled_ms = None
        self._unanswered += 1
        self._poll_due_ms = now_ms
        if self._stage is Stage.AWAY:
            self._poll_due_ms = now_ms + self._settings.poll_ms
        elif asked == CHECK:
            self._check_tries += 1
            again = self._check_tries < CHECK_TRIES_MAX
            self._check_due_ms = now_ms + self._settings.check_every_ms if again else None
        elif self._stage is Stage.GREETING and asked == CLOSE:
            self._close_tries += 1
        elif self._stage is Stage.GREETING and asked is not None and asked == self._greeting.next():
            self._greeting.unanswered()
            if self._greeting.stuck:
                self._say_down()
        if self._unanswered >= self._settings.silent_polls_max:
            self._gone(now_ms)

    def _gone(self, now_ms: int) -> None:
        """The device is silent, or its line is dead."""
        self._say_down()
        self._stage = Stage.AWAY
        self._unanswered, self._polled_ms, self._once = 0, None, None
        self._poll_due_ms = now_ms + self._settings.poll_ms
        self._teller.silent()
        self._gate.unknown()

    def _say_down(self) -> None:
        if not self._said_down:
            self._told.append(on.AcceptorDown(SILENT))
        self._said_down = True

    def _polled(self, answer: bytes | None, now_ms: int) -> None:
        try:
            table = tables.parse(answer or b"")
        except ValueError:
            self._poll_due_ms = now_ms + self._settings.poll_ms
            return
        greeting = self._stage is Stage.GREETING
        if greeting or table != self._heard.table:
            once, self._once = self._once, table
            if table != once:
                self._poll_due_ms = now_ms + self._settings.again_ms
                return
        self._once = None
        if greeting:
            self._meet(table, now_ms)
        elif table != self._heard.table:
            self._learn(self._heard.took(table), table, now_ms)
        self._polled_ms = now_ms if self._stage is Stage.UP else None
        period_ms = min(self._settings.poll_ms, self._greeting.polling_ms or self._settings.poll_ms)
        self._poll_due_ms = now_ms + period_ms

    def _meet(self, table: Table, now_ms: int) -> None:
        """Everything is known of it now: it is up."""
        if self._settled:
            self._settled, self._where = False, "none"
        self._gate.worth_fen = self._teller.worth_fen = self._greeting.worth_fen
        self._stage, self._said_down = Stage.UP, False
        self._learn(self._heard.met(self._greeting.serial, table), table, now_ms, found=True)
        self._say_up(now_ms)
        self._check_due_ms = now_ms

    def _learn(self, news: News, table: Table, now_ms: int, found: bool = False) -> None:
        """Puts in line what is new, and looks whether it is the word of a power-up."""
        stacked = self._trade.takes_notes and _stacked_at_power_up(self._trade, news, table)
        self._teller.learn(news, found, stacked, now_ms)
        if news.reset or stacked:
            self._settled, self._up_told = False, False
            self._where = "stacker" if stacked else "none"
            if not found:  # it was away; it may be another one, and its counter may have moved
                self._say_down()
                self._teller.silent()
                self._greet()

    def _say_up(self, now_ms: int) -> None:
        about = self._greeting
        self._told.append(on.AcceptorUp(about.identity, self._where, None, about.accepted, self._heard.serial))
        self._said_up_ms, self._up_told = now_ms, True

    def _tell(self, now_ms: int) -> None:
        """First of all how it is; then, once that is recorded, what it had to say."""
        if not self._settled:
            if now_ms - self._said_up_ms >= self._settings.remind_ms:
                self._say_up(now_ms)
            return
        self._told += self._teller.tell(now_ms)
        self._gate.pending = self._teller.pending
        if self._teller.fraud:
            self._teller.fraud, self._gate.wanted = False, frozenset()
        if self._teller.recheck:
            self._teller.recheck, self._check_due_ms = False, now_ms + self._settings.check_every_ms

    def _checked(self, answer: bytes, now_ms: int) -> None:
        worthless = "" if self._gate.worth_fen else BROKEN  # it knows no money of ours: wrong firmware
        self._told += self._teller.checked(fault_of(answer) or worthless)
        self._check_tries = 0
        self._check_due_ms = now_ms + self._settings.check_every_ms if self._teller.fault else None


def _stacked_at_power_up(trade: Trade, news: News, table: Table) -> bool:
    """Whether the first word since the power came is that a note was found and stacked, and no note came since."""
    if not tables.fresh(table) or not news.events or news.events[0][0] != 1:
        return False
    meanings = [trade.meaning(pair) for _, pair in news.events]
    moved = any(isinstance(it, (Money, Escrow)) for it in meanings)
    return not moved and any(isinstance(it, UnknownMoney) for it in meanings)
