"""What every card reader's owner is to the rest of the house, whatever line the reader is on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from kiosk.model.card import CardType
from kiosk.model.cardport import CardPort

T = TypeVar("T")


class CardSession(Protocol):
    """One card from insertion to removal: what a job works with, on the reader's thread only; keep nothing of it."""

    @property
    def number(self) -> int:
        """From 1, never reused."""

    @property
    def port(self) -> CardPort:
        """The card as drivers see it; may be another object after each ``power_afresh``."""

    @property
    def card_type(self) -> CardType | None:
        """The family; None when it cannot be told."""

    @property
    def atr(self) -> bytes:
        """Answer to reset, or what stands for it; empty only for a card that gives no answer."""

    def power_afresh(self) -> None:
        """Presented secrets are forgotten, as far as the reader can. CardFault C-201, C-202, C-205."""


class CardReaderHost(Protocol):
    """Watches one slot in a thread of its own and tells of it by ``events``."""

    def start(self) -> None:
        """Starts to watch."""

    def close(self) -> None:
        """Ends the thread, after the job it may be doing; jobs that wait fail with C-202."""

    def submit(self, session: int, job: Callable[[CardSession], T]) -> Future[T]:
        """Runs ``job`` with the card of that session. The future fails with CardFault C-202 (over), C-205 (mute), or
        what the job raises."""
