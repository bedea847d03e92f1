"""What cash devices say of themselves that the ledger remembers. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """A device's own number of one of its events (ccTalk's event counter, 1…255), with its serial number.

    Recorded in the same transaction as the money it stands for; at the next start it says which events are new.
    """

    serial: str
    counter: int
