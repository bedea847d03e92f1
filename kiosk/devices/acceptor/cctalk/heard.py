"""Up to which of the device's events everything is recorded, over the end of this process and of the device.

Three things remember. The ledger keeps a ``Mark`` with every coin, note and loss that is recorded. The device keeps
its count as long as it has power. A file keeps how far the events that are no money were heard after that mark: it may
be lost, and counts only if it was written after the very mark that the ledger knows. So a kiosk that starts again
tells each event that is money, and was not recorded, once; and a drawer of rejected notes is no alarm.

A device that was powered up begins to count anew. Before it may take anything, that is recorded too (``EventsLost``
with the mark 0): otherwise the next process could not tell its fourth event from the fourth one a power cut ago.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from kiosk.devices.acceptor.cctalk.table import News, Table, news
from kiosk.model.cash import Mark


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the file keeps: the ledger's mark when it was written, and how far was heard."""

    known: Mark | None
    heard: Mark


class Heard:
    """Where we stand with one device."""

    def __init__(self, known: Mark | None, memory: bytes) -> None:
        """``known``: the last mark that the ledger has; None if it never had one."""
        self.known = known
        remembered = _read(memory)
        self._upto = remembered.heard if remembered and remembered.known == known else known
        self._serial: str | None = None  # of the device that was last met
        self.table = Table()  # as it was last believed

    @property
    def serial(self) -> str:
        """The serial number of the device that was last met."""
        return self._serial or ""

    def mark(self, counter: int) -> Mark:
        """An event of the device that was last met."""
        return Mark(self.serial, counter)

    def met(self, serial: str, table: Table) -> News:
        """The device is here, perhaps again or another one; gives what it has to say that nobody knows yet."""
        same, self._serial = serial == self._serial, serial
        if same:
            return self.took(table)
        heard, self.table = self._upto, table
        if heard is None:  # the first device of this kiosk: all of what it says, if that is all it ever said
            first = news(0, None, table)
            if first.lost is None:
                self._upto = Mark(serial, 0)
                return first
            return News(lost=0, start=table.counter)
        if heard.serial != serial:
            return News(lost=0, start=table.counter)
        return news(heard.counter, None, table)

    def took(self, table: Table) -> News:
        """The next table of the same device."""
        earlier, self.table = self.table, table
        return news(earlier.counter, earlier.pairs, table)

    def passed(self, mark: Mark) -> None:
        """An event that is no money was told."""
        self._upto = mark

    def recorded(self, mark: Mark) -> None:
        """Money or a loss was recorded in the ledger, with this mark."""
        self.known = self._upto = mark

    def memory(self) -> bytes:
        """For the file."""
        if self._upto is None:
            return b""
        known = None if self.known is None else [self.known.serial, self.known.counter]
        return json.dumps({"known": known, "heard": [self._upto.serial, self._upto.counter]}).encode("ascii")


def _read(memory: bytes) -> Remembered | None:
    try:
        kept = json.loads(memory)
        known = kept["known"]
        return Remembered(None if known is None else _mark(known), _mark(kept["heard"]))
    except (ValueError, KeyError, TypeError):
        return None  # none, or a damaged file


def _mark(pair: object) -> Mark:
    match pair:
        case [str(serial), int(counter)] if 0 <= counter <= 255:
            return Mark(serial, counter)
    raise ValueError("no mark")
