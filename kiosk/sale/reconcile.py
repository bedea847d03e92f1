"""Where is the note? What our books say of the last one, what the device says, and what its counter says: the verdict.

The table is the whole rule; a test has one row of it each. Books and device may have lost their power together or one
by one, at any moment, so all three witnesses are heard before a note is credited, and none is credited twice.
"""

from __future__ import annotations

from enum import Enum, auto

from kiosk.sale.state import Books


class Row(Enum):
    """The last note, as the ledger tells it."""

    NONE = auto()  # no note, and no credit that could be told again
    CREDITED = auto()  # the last note was credited, and none has lain in escrow since
    OPEN = auto()  # in escrow; STACK was surely not sent
    SENT = auto()  # STACK was sent, or may have been


class Said(Enum):
    """What the device says of a note; at its power-up or later."""

    NOTHING = auto()  # it had time to say something
    OUT = auto()  # lay in the validator at power-up (CCNET 11, ID003 41, SSP E1), or was returned
    IN_BOX = auto()  # lay in the stacker at power-up (12, 42, E2), or has reached the credit point (81, 15, EE, [A,0])


class Count(Enum):
    """Notes in the box by the device's own counter, held against those we booked."""

    UNKNOWN = auto()  # it does not count, or was exchanged
    EQUAL = auto()
    MORE = auto()


class Verdict(Enum):
    """What is recorded."""

    NOTHING = auto()
    REPEATED = auto()  # the credit that we know already
    UNASSIGNED = auto()  # a note in the box that no sale explains; with a slip
    RETURNED = auto()
    CREDITED = auto()
    UNSENT = auto()  # credited, and flagged: the device stacked by itself
    COUNTED = auto()  # credited by the counter's word alone
    LOST = auto()  # a person must look; the customer's slip says so


TABLE: dict[tuple[Row, Said, Count | None], Verdict] = {
    (Row.NONE, Said.NOTHING, None): Verdict.NOTHING,
    (Row.NONE, Said.OUT, None): Verdict.NOTHING,
    (Row.NONE, Said.IN_BOX, None): Verdict.UNASSIGNED,
    (Row.CREDITED, Said.NOTHING, None): Verdict.NOTHING,
    (Row.CREDITED, Said.OUT, None): Verdict.NOTHING,
    (Row.CREDITED, Said.IN_BOX, None): Verdict.REPEATED,
    (Row.CREDITED, Said.IN_BOX, Count.MORE): Verdict.UNASSIGNED,
    (Row.OPEN, Said.NOTHING, None): Verdict.RETURNED,
    (Row.OPEN, Said.NOTHING, Count.MORE): Verdict.UNSENT,
    (Row.OPEN, Said.OUT, None): Verdict.RETURNED,
    (Row.OPEN, Said.IN_BOX, None): Verdict.UNSENT,
    (Row.SENT, Said.NOTHING, None): Verdict.LOST,
    (Row.SENT, Said.NOTHING, Count.EQUAL): Verdict.RETURNED,
    (Row.SENT, Said.NOTHING, Count.MORE): Verdict.COUNTED,
    (Row.SENT, Said.OUT, None): Verdict.RETURNED,
    (Row.SENT, Said.IN_BOX, None): Verdict.CREDITED,
}
"""None: whatever the counter says, unless it has a row of its own."""


def verdict(row: Row, said: Said, count: Count) -> Verdict:
    """What becomes of the note."""
    return TABLE.get((row, said, count)) or TABLE[row, said, None]


def row_of(books: Books, fen: int | None) -> Row:
    """The books' row; ``fen``: the value the device names, None if it names none."""
    if books.note is not None:
        return Row.SENT if books.note.accepted else Row.OPEN
    return Row.CREDITED if books.credited_fen and fen in (None, books.credited_fen) else Row.NONE
