"""What the card reader reports. A session is one card from insertion to removal, numbered from 1, never reused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardInserted:
    """A card is in. ``atr`` is empty when it gives no answer (C-205: put in the wrong way round?)."""

    session: int
    atr: bytes


@dataclass(frozen=True, slots=True)
class CardRemoved:
    """The session is over: the card is out, was changed for another, or failed so that nobody can tell."""

    session: int


@dataclass(frozen=True, slots=True)
class ReaderDown:
    """``code``: V-401 no smart card service, V-402 no reader, V-403 the serial one is silent."""

    code: str


@dataclass(frozen=True, slots=True)
class ReaderUp:
    """``name``: the reader's PC/SC name, or its serial line."""

    name: str


ReaderEvent = CardInserted | CardRemoved | ReaderDown | ReaderUp
