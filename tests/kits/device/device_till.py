"""A till that keeps its books as the sale does: record, then act; a note is credited once, at the credit point.

What becomes of a note of which books, device and counter say different things is the sale's own table.
"""

from collections import Counter
from dataclasses import dataclass

from kiosk.devices.acceptor import events as on
from kiosk.model.cash import Mark
from kiosk.sale.reconcile import Count, Row, Said, Verdict, verdict

WORD_MS = 8_000  # a device that says nothing of a note in this time says nothing
AT_POWER_UP = {"none": Said.NOTHING, "validator": Said.OUT, "stacker": Said.IN_BOX}
BOOKED = ("credited", "unassigned")


class DiedError(Exception):
    """The process ends here."""


@dataclass(frozen=True)
class Entry:
    """One line of the journal; ``total``: the device's own counter."""

    kind: str
    fen: int = 0
    mark: Mark | None = None
    serial: str = ""
    total: int = 0


class Till:
    """Takes every note. ``journal`` outlives it; ``die`` is called between any two steps and may end the process."""

    def __init__(self, journal, wishes, die=lambda: None, now=lambda: 0):
        self.journal, self.wishes, self.die, self.now = journal, wishes, die, now
        self.row, self.sent, self.last, self.mark = None, False, None, None
        self.counted, self.surplus = None, None  # (serial, the total that is booked); notes that only the device knows
        self.word_by, self.fault = None, ""
        for entry in journal:
            self.fold(entry)

    # ---- the books

    def record(self, kind, fen=0, **more):
        self.die()
        self.journal.append(Entry(kind, fen, **more))
        self.fold(self.journal[-1])
        self.die()

    def fold(self, entry):
        if entry.kind == "escrowed":
            self.row, self.sent, self.last = entry.fen, False, None
        elif entry.kind == "accepted":
            self.sent = True
        elif entry.kind in BOOKED:
            self.row, self.last = None, entry.fen
            if self.counted:
                self.counted = self.counted[0], self.counted[1] + 1
        elif entry.kind in ("returned", "lost"):
            self.row = None
        elif entry.kind == "counted":
            self.counted = entry.serial, entry.total
        self.mark = entry.mark or self.mark

    # ---- what the device says

    def __call__(self, event):
        match event:
            case on.AcceptorUp():
                self.up(event)
            case on.NoteEscrowed(fen, found):
                if found or self.row is not None:
                    self.wishes.decide(False)
                else:
                    self.record("escrowed", fen)
                    self.record("accepted", fen)
                    self.word_by = self.now() + WORD_MS
                    self.wishes.decide(True)
            case on.NoteStacked(fen, found, mark):
                if mark is not None and mark == self.mark:
                    self.record("repeated", fen)
                else:
                    self.judge(Said.IN_BOX, fen, mark)
                    self.surplus = max(0, self.surplus - 1) if found and self.surplus else self.surplus
                self.wishes.credited()
            case on.CoinTaken(fen, _, mark):
                if mark is None or mark != self.mark:
                    self.record("unassigned", fen, mark=mark)
                self.wishes.credited()
            case on.EventsLost(count, mark):
                if mark != self.mark:
                    self.record("events lost", count, mark=mark)
                self.wishes.credited()
            case on.NoteReturned() if self.row is not None:
                self.judge(Said.OUT)
            case on.AcceptorFault(code) | on.AcceptorDown(code):
                self.fault = code
            case on.AcceptorClear():
                self.fault, self.word_by = "", self.now() + WORD_MS
        self.die()

    def up(self, event):
        self.fault, said = "", AT_POWER_UP[event.note_at_power_up]
        self.compare(event)
        if said is Said.NOTHING or (said is Said.OUT and self.row is None):
            self.word_by = self.now() + WORD_MS
        else:
            self.judge(said, event.note_fen or self.row)
            self.surplus = max(0, self.surplus - 1) if said is Said.IN_BOX and self.surplus else self.surplus
        self.wishes.settled()

    def compare(self, event):
        total = event.stacked_total
        if total is None:
            self.surplus = None
        elif self.counted is None or self.counted[0] != event.serial or total < self.counted[1]:
            self.record("counted", serial=event.serial, total=total)
            self.surplus = None
        else:
            self.surplus = total - self.counted[1]

    def tick(self):
        """It had its time to say something."""
        if self.word_by is None or self.fault or self.now() < self.word_by:
            return
        self.word_by = None
        if self.row is not None:
            self.judge(Said.NOTHING)
        if self.surplus:
            self.record("events lost", self.surplus)
            self.record("counted", serial=self.counted[0], total=self.counted[1] + self.surplus)
            self.surplus = 0

    def judge(self, said, fen=None, mark=None):
        count = Count.UNKNOWN if self.surplus is None else Count.MORE if self.surplus else Count.EQUAL
        if self.row is not None:
            row = Row.SENT if self.sent else Row.OPEN
        else:
            row = Row.CREDITED if mark is None and self.last and fen in (None, self.last) else Row.NONE
        found, row_fen = verdict(row, said, count), self.row
        if found in (Verdict.CREDITED, Verdict.UNSENT, Verdict.COUNTED):
            self.record("credited", row_fen if fen is None else fen, mark=mark)
        elif found is Verdict.RETURNED:
            self.record("returned", row_fen)
        elif found is Verdict.LOST:
            self.record("lost", row_fen)
        elif found is Verdict.REPEATED:
            self.record("repeated", fen or 0)
        elif found is Verdict.UNASSIGNED:
            self.record("unassigned", fen, mark=mark) if fen else self.record("unknown")
        if found is Verdict.COUNTED or (found is Verdict.UNSENT and said is Said.NOTHING):
            self.surplus -= 1


def booked(journal):
    """Notes that the journal says are in the box."""
    return Counter(entry.fen for entry in journal if entry.kind in BOOKED)


def kinds(journal):
    return Counter(entry.kind for entry in journal)
