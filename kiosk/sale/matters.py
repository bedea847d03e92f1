"""What a person must look after: the attendant's list, folded from the ledger like the books.

A debt whose card is never shown again, a write whose end nobody knows, a note that only a count by hand can find: none
of them ends in silence. A matter stays on the list until an entry settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kiosk.ledger.entry import Entry
from kiosk.ledger.installed import INSTALLED
from kiosk.sale.books import fold
from kiosk.sale.lists import LIST_CODES
from kiosk.sale.state import Books, Key

What = Literal[
    "owed",
    "doubt",
    "held",
    "unclaimed",
    "note-lost",
    "note-unknown",
    "events-lost",
    "fraud",
    "no-slip",
    "down",
    "downlink",
    "refused",
    "program",
    "blocked",
]
ORDER: tuple[What, ...] = (
    "down",
    "note-lost",
    "note-unknown",
    "events-lost",
    "fraud",
    "unclaimed",
    "doubt",
    "held",
    "owed",
    "no-slip",
    "downlink",
    "refused",
    "program",
    "blocked",
)
"""The urgent first."""
PROGRAM_CODES = frozenset({"F-719", "F-720", "F-721", "F-722"})  # all of the one program


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
    _down_here: dict[str, Matter] = field(default_factory=dict)  # what head office sent, and what is wrong with it

    def see(self, entry: Entry) -> None:
        """One more committed entry."""
        before, self.books = self.books, fold(self.books, entry)
        for key in {*self.books.owed, *self.books.doubts, *self.books.held}:
            if any(now.get(key) != then.get(key) for now, then in zip(_debts(self.books), _debts(before), strict=True)):
                self._since[key] = entry
        self._devices(entry)
        self._slip(entry)
        self._cash(entry, before)
        self._sent(entry)

    def _devices(self, entry: Entry) -> None:
        if entry.kind == "device.down":
            self._down[entry.data["device"]] = _matter("down", entry, entry.data)
        elif entry.kind == "device.up":
            self._down.pop(entry.data["device"], None)

    def _sent(self, entry: Entry) -> None:
        """What came down from head office and could not be used, until something better came."""
        if entry.kind == "downlink.stood":
            self._down_here.pop("downlink", None)
            if entry.data["code"]:
                self._down_here["downlink"] = _matter("downlink", entry, entry.data)
        elif entry.kind == "target.refused":
            code = entry.data["code"]
            if code in PROGRAM_CODES:
                self._down_here[LIST_CODES["program"]] = _matter("program", entry, entry.data)
            else:
                self._down_here[code] = _matter("refused", entry, entry.data)
        elif entry.kind == "program.returned":
            self._down_here[LIST_CODES["program"]] = _matter("program", entry, {"code": "F-723"})
        elif entry.kind.endswith(INSTALLED):
            name = entry.kind.removesuffix(INSTALLED)
            self._down_here.pop(LIST_CODES.get(name, ""), None)
            if name == "blocked":  # head office has spoken since
                self._down_here = {key: each for key, each in self._down_here.items() if each.what != "blocked"}
        elif entry.kind == "card.blocked":
            who = {key: entry.data[key] for key in ("vendor", "customer", "meter")}
            self._down_here[f"card {who}"] = Matter("blocked", entry.seq, entry.at, **who)

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

    def standing(self) -> tuple[object, ...]:
        """All that is known, to be compared; of settled debts nothing."""
        since = {key: self._since[key] for rows in _debts(self.books) for key in rows}
        return self.books, since, self._lasting, self._down, self._slips, self._down_here

    def list(self) -> list[Matter]:
        """What is open now, the urgent first and the oldest first among its like."""
        found = [*self._lasting, *self._down.values(), *self._slips.values(), *self._down_here.values()]
        for key, owed in self.books.owed.items():
            if key not in self.books.doubts:
                found.append(self._of("owed", key, owed.fen, 0))
        for key, held in self.books.held.items():
            found.append(self._of("held", key, held.fen, held.count))
        for key, order in self.books.doubts.items():
            found.append(self._of("doubt", key, order.amount_fen, order.count))
        return sorted(found, key=lambda matter: (ORDER.index(matter.what), matter.number))

    def _of(self, what: What, key: Key, fen: int, count: int) -> Matter:
        entry = self._since[key]
        code = entry.data.get("code", "")
        return Matter(what, entry.seq, entry.at, fen, *key, code=code, count=count)


def _debts(books: Books) -> tuple[Mapping[Key, object], ...]:
    return books.owed, books.doubts, books.held


def _matter(what: What, entry: Entry, data: Mapping[str, Any], number: int | None = None) -> Matter:
    device, code = data.get("device", ""), data.get("code", "")
    fen, count = data.get("fen", 0), data.get("count", 0)
    return Matter(what, entry.seq if number is None else number, entry.at, fen, device=device, code=code, count=count)
