"""The events in line: told one at a time, oldest first; money stays until it is recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk import trade as means
from kiosk.devices.acceptor.cctalk.heard import Heard
from kiosk.devices.acceptor.cctalk.table import News
from kiosk.devices.acceptor.cctalk.trade import Meaning, Trade
from kiosk.model.cash import Mark


@dataclass(slots=True)
class NoteInEscrow:
    """The note whose escrow event is the newest in the table. Times in ms."""

    counter: int
    fen: int | None
    told: bool = False
    to_box: bool | None = None
    held_ms: int = 0
    routed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the device, or a gap before one."""

    mark: Mark
    meaning: Meaning | None  # None: events are lost
    found: bool
    lost: int = 0


class Teller:
    """What the device had to say and the kiosk has not recorded yet."""

    def __init__(self, trade: Trade, heard: Heard, remind_ms: int) -> None:
        self._trade, self._heard, self._remind_ms = trade, heard, remind_ms
        self.worth_fen: Mapping[int, int] = {}
        self.escrow: NoteInEscrow | None = None
        self.fault = ""
        self.fraud = False  # somebody tried something; the owner takes it away, as the next
        self.recheck = False  # something about the device's health was told
        self._box_fault = False  # it is full or out: only an event takes that back
        self._line: deque[Entry] = deque()
        self._waiting: on.AcceptorEvent | None = None  # told, not recorded
        self._said_ms = 0
        self._times = 0  # it was told
        self._stale = 0  # ``credited`` that will still come for reminders of events that are recorded
        self._sent: int | None = None  # the kind's value of the note that we sent to the box
        self._last_fen: int | None = None  # of the note that was told as in escrow

    @property
    def pending(self) -> int:
        """How many entries wait."""
        return len(self._line)

    @property
    def drained(self) -> bool:
        """Whether nothing is left of what was found when the device was met."""
        return not any(entry.found for entry in self._line)

    def learn(self, news: News, found: bool, explained: bool, now_ms: int) -> None:
        """Puts in line what is new. ``explained``: what fell into the box unknown is told by AcceptorUp."""
        if news.reset:
            self.escrow, self._sent = None, None
        if news.lost is not None:
            self._line.append(Entry(self._heard.mark(news.start), None, True, news.lost))
        self._line += self._entries(news, found or news.reset, explained)
        newest = self._trade.meaning(self._heard.table.pairs[0])
        counter = self._heard.table.counter
        if not isinstance(newest, means.Escrow):
            self.escrow = None
        elif self.escrow is None or self.escrow.counter != counter:
            self.escrow = NoteInEscrow(counter, self.worth_fen.get(newest.kind), held_ms=now_ms)
            if not news.events:  # an earlier process has told it; the note still waits
                self._line.append(Entry(self._heard.mark(counter), newest, True))

    def _entries(self, news: News, found: bool, explained: bool) -> list[Entry]:
        """Of the notes that came and went while nobody looked only the last one's return can be of concern."""
        entries: list[Entry] = []
        outdated = False
        for number, pair in reversed(news.events):
            meaning = self._trade.meaning(pair)
            if explained and isinstance(meaning, means.UnknownMoney):
                meaning = means.NOTHING_OF_CONCERN
            if found and outdated and isinstance(meaning, means.Returned):
                meaning = means.NOTHING_OF_CONCERN
            outdated = outdated or isinstance(meaning, means.Money | means.Escrow)
            entries.append(Entry(self._heard.mark(number), meaning, found))
        return entries[::-1]

    # ---- wishes

    def decide(self, to_box: bool) -> None:
        """What becomes of the note that was told as in escrow."""
        if self.escrow and self.escrow.told and self.escrow.to_box is None:
            self.escrow.to_box = to_box

    def credited(self) -> None:
        """What was told last is recorded. For each reminder of it one more call may come, which means nothing."""
        if self._stale:
            self._stale -= 1
        elif self._waiting is not None:
            self._stale = self._times - 1
            self._waiting, self._times = None, 0
            self._heard.recorded(self._line.popleft().mark)

    def sent_to_box(self) -> None:
        """The device is told to take the note in."""
        self._sent = self.escrow.fen if self.escrow else None

    def escrow_empty(self) -> None:
        """The device says that no note waits."""
        self.escrow = None

    # ---- telling

    def tell(self, now_ms: int) -> list[on.AcceptorEvent]:
        """What is to be told now."""
        told: list[on.AcceptorEvent] = []
        if self._waiting is not None and now_ms - self._said_ms >= self._remind_ms:
            if self._stale:  # they will not come: the till was not slow, it could not record
                self._stale = self._times = 0
            told.append(self._say(self._waiting, now_ms))
        while self._line and self._waiting is None:
            entry = self._line[0]
            money = self._money(entry)
            if money is not None:
                self._waiting = money
                told.append(self._say(money, now_ms))
                break
            told += self._plain(entry, now_ms)
            self._heard.passed(self._line.popleft().mark)
        return told

    def _say(self, event: on.AcceptorEvent, now_ms: int) -> on.AcceptorEvent:
        self._said_ms, self._times = now_ms, self._times + 1
        return event

    def _money(self, entry: Entry) -> on.AcceptorEvent | None:
        """The event that must be recorded, if it is one."""
        match entry.meaning:
            case None:
                return on.EventsLost(entry.lost, entry.mark)
            case means.UnknownMoney():
                return on.EventsLost(1, entry.mark)
            case means.Money(kind):
                fen = self.worth_fen.get(kind)
                if fen is None:
                    return on.EventsLost(1, entry.mark)
                if not self._trade.takes_notes:
                    return on.CoinTaken(fen, entry.found, entry.mark)
                ours, self._sent = self._sent == fen, None
                return on.NoteStacked(fen, entry.found or not ours, entry.mark)
        return None

    def _plain(self, entry: Entry, now_ms: int) -> list[on.AcceptorEvent]:
        """What need not be recorded. How the device was before we met it, it says itself when it is checked."""
        match entry.meaning:
            case means.Escrow():
                return self._escrowed(entry, now_ms)
            case means.Returned():
                fen, self._last_fen, self._sent = self._last_fen, None, None
                return [on.NoteReturned(fen)]
            case means.Fraud(what):
                self.fraud = True
                return [on.FraudSeen(what)]
            case means.Rejected(reason) if not entry.found:
                return [on.NoteRejected(reason)]
            case means.Fault(code) if not entry.found:
                self.recheck, self._box_fault = True, self._box_fault or code in (means.FULL, means.BOX_OUT)
                return self._changed(code)
            case means.Healed():
                self.recheck, self._box_fault = True, False
        return []

    def _escrowed(self, entry: Entry, now_ms: int) -> list[on.AcceptorEvent]:
        note = self.escrow
        if note is None or self._heard.mark(note.counter) != entry.mark or note.told:
            return []  # decided already
        note.told, note.held_ms = True, now_ms
        if note.fen is None:
            note.to_box = False
            return []
        self._last_fen = note.fen
        return [on.NoteEscrowed(note.fen, entry.found)]

    # ---- health

    def checked(self, code: str) -> list[on.AcceptorEvent]:
        """The device's own check found this; "" for nothing."""
        return [] if not code and self._box_fault else self._changed(code)

    def _changed(self, code: str) -> list[on.AcceptorEvent]:
        before, self.fault = self.fault, code
        if code == before:
            return []
        return [on.AcceptorFault(code)] if code else [on.AcceptorClear()]

    def silent(self) -> None:
        """The device does not answer: its faults are not known any more."""
        self.fault, self._box_fault = "", False
