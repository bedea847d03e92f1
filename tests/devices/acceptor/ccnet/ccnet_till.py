"""A till that keeps its books as the sale does: record, then act; a note is credited once, at the credit point."""

from collections import Counter

from kiosk.devices.acceptor import events as on


class Till:
    """Takes every note. ``journal`` outlives it; ``die`` is called between any two steps and may end the process."""

    def __init__(self, journal, acceptor, die=lambda: None):
        self.journal, self.acceptor, self.die = journal, acceptor, die
        self.row, self.last = None, None
        for entry in journal:
            self.fold(entry)

    def record(self, *entry):
        self.die()
        self.journal.append(entry)
        self.fold(entry)
        self.die()

    def fold(self, entry):
        kind, fen = entry
        if kind == "escrowed":
            self.row, self.last = fen, None
        elif kind == "credited":
            self.row, self.last = None, fen
        elif kind in ("returned", "lost"):
            self.row = None

    def __call__(self, event):
        match event:
            case on.AcceptorUp(_, where):
                if self.row is not None and where != "none":
                    self.record("credited" if where == "stacker" else "returned", self.row)
                self.acceptor.settled()
            case on.NoteEscrowed(fen, found):
                if found or self.row is not None:
                    self.acceptor.give_back()
                else:
                    self.record("escrowed", fen)
                    self.acceptor.stack()
            case on.NoteStacked(fen, _):
                if self.row is not None:
                    self.record("credited", fen)
                elif self.last == fen:
                    self.record("repeated", fen)
                else:
                    self.record("unassigned", fen)
                self.acceptor.credited()
            case on.NoteReturned(_):
                if self.row is not None:
                    self.record("returned", self.row)
        self.die()


def booked(journal):
    """Notes that the journal says are in the box."""
    return Counter(fen for kind, fen in journal if kind in ("credited", "unassigned"))


def kinds(journal):
    return Counter(kind for kind, _ in journal)
