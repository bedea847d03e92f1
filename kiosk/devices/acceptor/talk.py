"""The host's half of any cash protocol, without a line, a clock or a thread; and the machine's half beside it.

``host.py`` puts a ``Talk`` on a serial line, ``simulator.py`` a ``Voice`` on a pseudo-terminal; a simulation joins the
two by ``duet.py``. All times are monotonic milliseconds and come in as ``now_ms``; none of these calls waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from kiosk.devices.acceptor.events import AcceptorEvent

NEVER = 1 << 62  # a time that does not come


@dataclass(frozen=True, slots=True)
class LineShape:
    """How the line is set; always 8 data bits."""

    baud: int = 9600
    parity: Literal["none", "even"] = "none"
    stop_bits: Literal[1, 2] = 1


class Talk(Protocol):
    """One device as the kiosk speaks with it. A slave of its owner's lock and clock.

    It owns its framing, its timeouts and its repetitions. Wishes (``want`` … ``settled``) may be made at any time
    between two other calls; what the device can no longer do is silently dropped, and its events tell what happened.
    """

    shape: LineShape

    def opened(self, now_ms: int) -> None:
        """The line was opened, perhaps anew: nothing that was asked before will be answered."""

    def lost(self, now_ms: int) -> None:
        """The line is dead."""

    def received(self, came: bytes, now_ms: int) -> None:
        """Bytes came, any part of a frame or of several."""

    def wake(self, now_ms: int) -> bytes:
        """Lets pass what is due, and gives what is to be sent now; called after every other call, and when due."""

    def due_ms(self) -> int:
        """When ``wake`` is to be called next if nothing else happens; NEVER if only bytes or wishes matter."""

    def events(self) -> list[AcceptorEvent]:
        """What there is to tell, once each."""

    def memory(self) -> bytes:
        """What is worth keeping in a file (identity, table); it may be lost, and is given back to a new Talk."""

    def want(self, denominations_fen: frozenset[int]) -> None:
        """Takes notes or coins of these values, also after the device has been away; none: takes nothing."""

    def decide(self, to_box: bool) -> None:
        """What becomes of the note in escrow."""

    def credited(self) -> None:
        """The last NoteStacked, CoinTaken or EventsLost that was told is durably recorded."""

    def settled(self) -> None:
        """What AcceptorUp said is durably recorded: only now may the device be reset, which forgets it."""

    def leave(self) -> None:
        """The kiosk ends: bring a device at rest to take nothing. What it still has to say the next process hears."""

    def left(self) -> bool:
        """Whether ``leave`` is done, as far as the device answers at all."""


class Voice(Protocol):
    """The machine's half: strict, as the maker's manual says; what it does not understand it does not answer."""

    shape: LineShape

    def received(self, came: bytes, now_ms: int) -> bytes:
        """Bytes came from the host; gives what to send back. Without power nothing is heard and nothing said."""

    def wake(self, now_ms: int) -> bytes:
        """Lets pass what is due; gives what it says unasked, in most protocols nothing."""

    def due_ms(self) -> int:
        """When ``wake`` is to be called next; NEVER if nothing is under way."""
