"""Which entries of a ledger nothing rests on any more: what may be deleted when head office has had them long enough.

The law is not this choice but the comparison that follows it (``same``): the books, the attendant's list, and what else
is folded from the ledger, made of what is left, must be equal to those made of everything. Then every later fold is
equal, too, for a fold goes on from where it stands. A choice that does not stand that comparison is not used.

Only kinds that are listed here, and whole sales that are over, are ever chosen: a kind nobody thought of stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from kiosk.ledger.entry import Entry
from kiosk.ledger.kinds import CLOSED
from kiosk.sale.books import Memory
from kiosk.sale.matters import Matters
from kiosk.sale.state import Books, Key

PASSING = frozenset(
    {"terminal.started", "terminal.stopped", "clock.stepped", "note.repeated", "device.down", "device.up"}
)
"""Kinds without a sale that only say what happened."""
LASTING = frozenset({"note.lost", "receipt.failed", "card.intended", "card.done", "card.failed"})
"""Kinds that keep all of their sale: a person may still have to look after it."""


class Fold(Protocol):
    """What is made of a ledger by telling it every entry."""

    def see(self, entry: Entry) -> None: ...
    def standing(self) -> object: ...


class Folds:
    """Everything that a start makes of the ledger; ``more``: what the program's other parts make of it."""

    def __init__(self, *more: Fold) -> None:
        self.memory, self.matters, self.more = Memory(), Matters(), more

    def see(self, entry: Entry) -> None:
        """One more entry."""
        self.memory.see(entry)
        self.matters.see(entry)
        for each in self.more:
            each.see(entry)

    def standing(self) -> tuple[Any, ...]:
        """All that they know, to be compared."""
        return (vars(self.memory), self.matters.standing(), *(each.standing() for each in self.more))


def same(one: Folds, other: Folds) -> bool:
    """Whether a start would find the same."""
    return one.standing() == other.standing()


@dataclass
class _Sale:
    key: Key | None = None
    numbers: list[int] = field(default_factory=list)
    over: bool = False
    stays: bool = False


class Choice:
    """Told the entries of a ledger's beginning in order; ``books``: as they stand at its end.

    ``wide``: keeps every sale of every card that the books know anything of, where else the last one may do.
    """

    def __init__(self, books: Books, below: int, *, wide: bool = False) -> None:
        """Nothing from ``below`` on is chosen."""
        self._books, self._below = books, below
        self._keys = set(books.tokens) if wide else set()
        for each in fields(Books):
            rows = getattr(books, each.name)
            if isinstance(rows, Mapping) and each.name != "tokens":
                self._keys |= {key for key in rows if isinstance(key, tuple)}
        self._sales: dict[bytes, _Sale] = {}
        self._last: dict[object, _Sale] = {}  # of a kind of thing, the sale that says it last
        self._stacked: set[int] = set()  # since the acceptor's counter was last compared
        self._passing: set[int] = set()

    def see(self, entry: Entry) -> None:
        """One more entry."""
        if entry.kind == "device.counted":
            self._stacked.clear()
        if entry.kind == "note.stacked":
            self._stacked.add(entry.seq)
        if entry.sale is not None:
            self._of_sale(entry.sale, entry)
        elif entry.kind in PASSING and entry.data.get("device") not in self._books.outages:
            self._passing.add(entry.seq)

    def doomed(self) -> frozenset[int]:
        """The numbers of the entries that may go."""
        for sale in self._last.values():
            sale.stays = True
        numbers = set(self._passing)
        for sale in self._sales.values():
            if sale.over and not sale.stays and sale.key not in self._keys and sale.numbers[-1] < self._below:
                numbers.update(sale.numbers)
        if self._books.counted is not None:
            numbers -= self._stacked
        return frozenset(number for number in numbers if 0 < number < self._below)

    def _of_sale(self, id_: bytes, entry: Entry) -> None:
        sale, data = self._sales.setdefault(id_, _Sale()), entry.data
        sale.numbers.append(entry.seq)
        if entry.kind == "sale.opened":
            sale.key = (data["vendor"], data["customer"], data["meter"])
        if entry.kind in LASTING or entry.kind.startswith("voucher.") or "voucher" in data:
            sale.stays = True
        if "serial" in data:
            self._last[("mark", entry.kind)] = sale
        if "token" in data:
            self._last[("token", sale.key)] = sale
        if entry.kind == CLOSED:
            sale.over = True
            self._last[CLOSED] = sale


def folded(folds: Folds, entries: Iterable[Entry], without: frozenset[int] = frozenset()) -> Folds:
    """The folds, told these entries but for some."""
    for entry in entries:
        if entry.seq not in without:
            folds.see(entry)
    return folds
