"""What a person must look after: the attendant's list, folded from the ledger like the books.

A debt whose card is never shown again, a write whose end nobody knows, a note that only a count by hand can find: none
of them ends in silence. A matter stays on the list until an entry settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kiosk.ledger.entry import Entry
from kiosk.sale.books import fold
from kiosk.sale.state import Books, Key

What = Literal["owed", "doubt", "unclaimed", "note-lost", "note-unknown", "events-lost", "fraud", "no-slip", "down"]
ORDER: tuple[What, ...] = (
    "down",
    "note-lost",
    "note-unknown",
    "events-lost",
    "fraud",
    "unclaimed",
    "doubt",
    "owed",
    "no-slip",
)
"""The urgent first."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One line of the list. ``at_ms``: UTC, by the terminal's clock; ``number``: seq of the entry it is about."""

    what: What
    number: int
    at_ms: int
    fen: int = 0
    vendor: str = ""
    customer: str = ""
    meter: str = ""
    device: str = ""
    code: str = ""
    count: int = 0


@dataclass
class Matters:
    """Told every entry, in order."""

    books: Books = field(default_factory=Books)
    _since: dict[Key, Entry] = field(default_factory=dict)  # owed or in doubt → the entry that left it so
    _lasting: list[Matter] = field(default_factory=list)
    _down: dict[str, Matter] = field(default_factory=dict)
    _slips: dict[int, Matter] = field(default_factory=dict)  # closed sale → its slip is not out

    def see(self, entry: Entry) -> None:
        """One more committed entry."""
        before, self.books = self.books, fold(self.books, entry)
        for key in set(self.books.owed) | set(self.books.doubts):
            if self.books.owed.get(key) != before.owed.get(key) or self.books.doubts.get(key) != before.doubts.get(key):
                self._since[key] = entry
        self._devices(entry)
        self._slip(entry)
        self._cash(entry, before)

    def _devices(self, entry: Entry) -> None:
        if entry.kind == "device.down":
            self._down[entry.data["device"]] = _matter("down", entry, entry.data)
        elif entry.kind == "device.up":
            self._down.pop(entry.data["device"], None)
        elif entry.kind == "terminal.started":
            self._down.clear()  # every device speaks anew; what still does not work is recorded again

    def _slip(self, entry: Entry) -> None:
        if entry.kind == "receipt.failed":
            self._slips[entry.data["no"]] = _matter("no-slip", entry, {"code": entry.data["code"]}, entry.data["no"])

    def _cash(self, entry: Entry, before: Books) -> None:
        data = entry.data
        lasting: Mapping[str, What] = {
            "note.lost": "note-lost",
            "note.unknown": "note-unknown",
            "events.lost": "events-lost",
            "fraud.seen": "fraud",
        }
        if entry.kind in lasting and not (entry.kind == "events.lost" and self._only_switched_on(entry, before)):
            self._lasting.append(_matter(lasting[entry.kind], entry, data))
        if entry.kind in ("note.stacked", "coin.credited") and entry.sale is None:
            self._lasting.append(_matter("unclaimed", entry, data))

    @staticmethod
    def _only_switched_on(entry: Entry, before: Books) -> bool:
        """A device that begins to count anew each time it is switched on, and is the one we know."""
        known = before.marks.get(entry.data["device"])
        return entry.data["count"] == 0 and (known is None or known.serial == entry.data.get("serial"))

    def list(self) -> list[Matter]:
        """What is open now, the urgent first and the oldest first among its like."""
        found = [*self._lasting, *self._down.values(), *self._slips.values()]
        for key, owed in self.books.owed.items():
            if key not in self.books.doubts:
                found.append(self._of("owed", key, owed.fen, 0))
        for key, order in self.books.doubts.items():
            found.append(self._of("doubt", key, order.amount_fen, order.count))
        return sorted(found, key=lambda matter: (ORDER.index(matter.what), matter.number))

    def _of(self, what: What, key: Key, fen: int, count: int) -> Matter:
        entry = self._since[key]
        code = entry.data.get("code", "")
        return Matter(what, entry.seq, entry.at, fen, *key, code=code, count=count)


def _matter(what: What, entry: Entry, data: Mapping[str, Any], number: int | None = None) -> Matter:
    device, code = data.get("device", ""), data.get("code", "")
    fen, count = data.get("fen", 0), data.get("count", 0)
    return Matter(what, entry.seq if number is None else number, entry.at, fen, device=device, code=code, count=count)
