"""A small till: record, then act; one row for the note in escrow; and the table that says which witness to believe.

The table is that of the design (exactly once): the journal's row, what the device says, and its counter of stacked
notes, which the journal keeps up with by a base and what it booked since.
"""

from collections import Counter

from kiosk.devices.acceptor import events as on

IN_BOX = ("credited", "counted", "unassigned")


class Till:
    """Takes every note. ``journal`` outlives it; ``die`` is called between any two steps and may end the process."""

    def __init__(self, journal, talk, die=lambda: None):
        self.journal, self.talk, self.die = journal, talk, die
        self.row, self.sent, self.last = None, False, None
        self.base = None  # (serial, total that the books account for)
        self.surplus = None  # notes that the device counts and the books do not know
        self.frauds, self.faults, self.up = [], [], False
        for entry in journal:
            self.fold(entry)

    def record(self, *entry):
        self.die()
        self.journal.append(entry)
        self.fold(entry)
        self.die()

    def fold(self, entry):
        kind, what = entry
        if kind == "base":
            self.base = what
        elif kind == "escrowed":
            self.row, self.sent, self.last = what, False, None
        elif kind == "sent":
            self.sent = True
        elif kind in ("returned", "lost"):
            self.row = None
        elif kind in IN_BOX:
            self.row, self.last = None, what
            if self.base:
                self.base = self.base[0], self.base[1] + 1

    def __call__(self, event):
        match event:
            case on.AcceptorUp():
                self.up = True
                self.rises(event)
                self.talk.settled()
            case on.AcceptorDown():
                self.up = False
            case on.NoteEscrowed(fen, found):
                if found or self.row is not None:
                    self.talk.decide(False)
                else:
                    self.record("escrowed", fen)
                    self.record("sent", fen)
                    self.talk.decide(True)
            case on.NoteStacked(fen, found):
                self.in_box(fen, found)
                self.talk.credited()
            case on.NoteReturned(_) if self.row is not None:
                self.record("returned", self.row)
            case on.FraudSeen(what):
                self.frauds.append(what)
            case on.AcceptorFault(code):
                self.faults.append(code)
        self.die()

    def rises(self, event):
        if event.stacked_total is None:
            self.surplus = None
        elif self.base is None or self.base[0] != event.serial or event.stacked_total < self.base[1]:
            self.record("base", (event.serial, event.stacked_total))
            self.surplus = None
        else:
            self.surplus = event.stacked_total - self.base[1]
        if event.note_at_power_up == "stacker":
            self.in_box(event.note_fen, found=True)
        elif event.note_at_power_up == "validator" and self.row is not None:
            self.record("returned", self.row)

    def in_box(self, fen, found):
        if self.row is None and self.last == (fen or self.last) and not self.surplus:
            self.record("repeated", fen)
            return
        self.record("unassigned" if self.row is None else "credited", fen or self.row)
        if found and self.surplus:
            self.surplus -= 1

    def no_word(self):
        """The device is at rest and had its time to speak: its counter decides, or people."""
        if self.row is not None:
            verdict = "counted" if self.surplus else "returned" if self.surplus == 0 or not self.sent else "lost"
            if verdict == "counted":
                self.surplus -= 1
            self.record(verdict, self.row)
        if self.surplus:
            self.record("unexplained", self.surplus)
            self.surplus = 0


def booked(journal):
    """Notes that the journal says are in the box."""
    return Counter(fen for kind, fen in journal if kind in IN_BOX)


def kinds(journal):
    return Counter(kind for kind, _ in journal)
