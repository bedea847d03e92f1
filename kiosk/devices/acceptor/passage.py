"""The note in an acceptor with escrow, as the kiosk follows it from escrow to its credit, whatever the protocol.

There is one at a time. Two rules: a credit is told for a note once, and again every while until it is recorded; and
a note is only new if one was in escrow, or nothing was known, since the last credit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from kiosk.devices.acceptor import events as on


class Stage(Enum):
    """How far a note has come."""

    UNDECIDED = auto()
    TO_BOX = auto()
    TO_CUSTOMER = auto()  # decided, or nobody knows its value, or the machine turned it back
    STACKED = auto()  # told as stacked; not yet recorded
    CREDITED = auto()  # recorded: the device may forget it


IN_ESCROW = frozenset({Stage.UNDECIDED, Stage.TO_BOX, Stage.TO_CUSTOMER})


@dataclass(slots=True)
class Note:
    """The note in the machine; ``kind`` is the protocol's name for its value, ``fen`` None if nobody knows it."""

    kind: int | None
    fen: int | None
    stage: Stage
    found: bool = False
    since_ms: int = 0  # when it was last held, or its credit last told


class Passage:
    """The way of one note after the other."""

    def __init__(self, remind_ms: int) -> None:
        self._remind_ms = remind_ms
        self.note: Note | None = None

    @property
    def stage(self) -> Stage | None:
        """Of the note there is."""
        return self.note.stage if self.note else None

    # ---- wishes

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow; too late, it does nothing."""
        if self.note and self.note.stage is Stage.UNDECIDED:
            self.note.stage = Stage.TO_BOX if to_box else Stage.TO_CUSTOMER

    def credited(self) -> None:
        """The stacked note is recorded."""
        if self.note and self.note.stage is Stage.STACKED:
            self.note.stage = Stage.CREDITED

    # ---- what the device shows

    def escrowed(self, kind: int | None, fen: int | None, found: bool, now_ms: int) -> list[on.AcceptorEvent]:
        """A note lies in escrow that is not the one before; without a value it goes back untold."""
        told = self.gone()
        stage = Stage.TO_CUSTOMER if fen is None else Stage.UNDECIDED
        self.note = Note(kind, fen, stage, found, now_ms)
        return told if fen is None else [*told, on.NoteEscrowed(fen, found)]

    def held(self, now_ms: int) -> None:
        """The device keeps it for another while."""
        if self.note:
            self.note.since_ms = now_ms

    def turned_back(self) -> None:
        """It is on its way out, whatever was decided."""
        if self.note and self.note.stage in IN_ESCROW:
            self.note.stage = Stage.TO_CUSTOMER

    def stacked(self, fen: int | None, now_ms: int) -> list[on.AcceptorEvent]:
        """The credit point; ``fen``: its value, as far as the device or its memory tells it."""
        note = self.note
        if note and note.stage is Stage.CREDITED:
            return []  # our acknowledgement was lost
        if note is None or note.stage is not Stage.STACKED:
            found = note is None or note.stage is not Stage.TO_BOX
            worth = note.fen if fen is None and note else fen
            note = self.note = Note(note.kind if note else None, worth, Stage.STACKED, found)
        elif now_ms - note.since_ms < self._remind_ms:
            return []
        note.since_ms = now_ms
        return [] if note.fen is None else [on.NoteStacked(note.fen, note.found)]

    def gone(self) -> list[on.AcceptorEvent]:
        """No note is in the machine any more.

        One that was not sent to the box, and of which no credit was told, is with the customer. One that was sent there
        and of which no word came is left to people.
        """
        note, self.note = self.note, None
        if note and note.stage in (Stage.UNDECIDED, Stage.TO_CUSTOMER):
            return [on.NoteReturned(note.fen)]
        return []

    def silence(self) -> None:
        """Nobody saw what became of a note in escrow: the next word of it is one of a note that was found."""
        if self.note and self.note.stage in IN_ESCROW:
            self.note = None
