"""What a note acceptor tells the kiosk, whatever protocol it speaks. Money in fen; codes of kiosk.model.codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.model.cash import Mark

Whereabouts = Literal["none", "validator", "stacker"]


@dataclass(frozen=True, slots=True)
class AcceptorUp:
    """The acceptor answers. Repeated every few seconds until ``settled()`` if it was powered up.

    ``identity``: part and serial number; empty if it could not be asked. ``note_at_power_up``: where a note lay when
    the acceptor lost its power; ``none`` also if it did not. ``note_fen``: its value, where the protocol tells it.
    ``stacked_total``: how many notes it counts as stacked in its life, kept without power; None if it does not count.
    ``serial``: its serial number alone; "" if it has none.
    """

    identity: str
    note_at_power_up: Whereabouts
    note_fen: int | None = None
    stacked_total: int | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class AcceptorDown:
    """The acceptor is silent, or its line is dead (V-411)."""

    code: str


@dataclass(frozen=True, slots=True)
class Accepting:
    """A note is being drawn in and looked at."""


@dataclass(frozen=True, slots=True)
class NoteEscrowed:
    """A note waits for ``stack()`` or ``give_back()``; ``found``: nobody saw it come, it lay there when we came."""

    fen: int
    found: bool = False


@dataclass(frozen=True, slots=True)
class Stacking:
    """The note is on its way into the cash box."""


@dataclass(frozen=True, slots=True)
class NoteStacked:
    """The protocol's credit point: the note is in the cash box. Repeated until ``credited()``.

    ``fen``: None if neither device nor memory says what it is worth; the ledger may know which note it was.
    ``found``: we did not send it there in this life of the process; it may have been recorded already.
    """

    fen: int | None
    found: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class CoinTaken:
    """A coin fell into the cash box: its credit point. Repeated until ``credited()``; ``found`` as for a note."""

    fen: int
    found: bool = False
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The device counts events that it can no longer show, or was exchanged: money may lie in the box that nobody saw.

    ``count``: how many, 0 if nobody knows. ``mark``: from where on it is listened to. Repeated until ``credited()``.
    """

    count: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class FraudSeen:
    """A note on a string, an opened path, a barcode where none is taken …; ``what`` is a word of the protocol's table.

    The device takes nothing until ``enable`` is called again.
    """

    what: str


@dataclass(frozen=True, slots=True)
class NoteReturned:
    """The note is back in the customer's hand; None if nobody knows which it was."""

    fen: int | None


@dataclass(frozen=True, slots=True)
class NoteRejected:
    """The acceptor would not take a note; ``reason`` is a word of the protocol's table."""

    reason: str


@dataclass(frozen=True, slots=True)
class AcceptorFault:
    """The acceptor answers and cannot work: V-412 jam, V-413 full, V-414 box out, V-415 fault, V-416 tampering."""

    code: str


@dataclass(frozen=True, slots=True)
class AcceptorClear:
    """The last fault is gone."""


AcceptorEvent = (
    AcceptorUp
    | AcceptorDown
    | Accepting
    | NoteEscrowed
    | Stacking
    | NoteStacked
    | CoinTaken
    | EventsLost
    | FraudSeen
    | NoteReturned
    | NoteRejected
    | AcceptorFault
    | AcceptorClear
)
