"""What the kiosk may ask of a note acceptor, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kiosk.devices.acceptor.events import AcceptorEvent

OnEvent = Callable[[AcceptorEvent], None]
"""Called from the acceptor's thread; returns soon."""


class NoteAcceptor(Protocol):
    """A note acceptor with escrow. Every method may be called from any thread and none waits for the device.

    What the device can no longer do (stack a note that is gone) is silently dropped; its events tell what happened.
    """

    def start(self, on_event: OnEvent) -> None:
        """Begins to look for the device; it is answered by AcceptorUp or AcceptorDown."""

    def stop(self) -> None:
        """Ends; the device takes no more notes. Waits for the thread."""

    def enable(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes of these values, also after the device has been away."""

    def disable(self) -> None:
        """Takes no notes; a note that moves is first dealt with."""

    def stack(self) -> None:
        """Takes the note in escrow into the cash box. That it will be is recorded already."""

    def give_back(self) -> None:
        """Gives the note in escrow back."""

    def credited(self) -> None:
        """The stacked note is durably recorded: only now may the device be told that it need not repeat it."""

    def settled(self) -> None:
        """What AcceptorUp said is durably recorded: only now may the device be reset, which forgets it."""
