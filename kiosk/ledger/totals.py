"""Balances by account, and the rule of a closed sale: contract 2 §2."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from kiosk.ledger.entry import Entry
from kiosk.ledger.kinds import CLOSED
from kiosk.ledger.part import Part

Key = TypeVar("Key", bound=Hashable)


class Totals:
    """Adds up postings. Keeps accounts that are not at zero and sales that still owe: as small as the business."""

    __slots__ = ("_balances", "_owed")

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._owed: dict[bytes, int] = {}  # by sale, closed or not: kept is the sum of all its postings

    @property
    def balances(self) -> Mapping[str, int]:
        """Fen by account, sorted as text, debit positive; accounts at zero are left out."""
        return dict(sorted(self._balances.items()))

    def take(self, entry: Entry) -> str:
        """Books one entry. Returns what is wrong with it, or an empty text."""
        for account, fen in entry.post:
            _add(self._balances, account, fen)
            if entry.sale is not None and account.startswith("owed:"):
                _add(self._owed, entry.sale, fen)
        return self._close(entry) if entry.kind == CLOSED else ""

    def fits(self, part: Part) -> bool:
        """Whether every sale that is closed in the part keeps what it says, with what came before."""
        if not self._owed.keys().isdisjoint(part.even):
            return False
        return all(kept == self._owed.get(sale, 0) + added for sale, kept, added in part.closes)

    def take_part(self, part: Part) -> None:
        """Books a part that fits."""
        for account, fen in part.balances.items():
            _add(self._balances, account, fen)
        for sale, fen in part.owed.items():
            _add(self._owed, sale, fen)

    def _close(self, entry: Entry) -> str:
        if entry.sale is None:
            return "sale.closed without a sale"
        owed = self._owed.get(entry.sale, 0)
        kept = entry.data.get("kept", 0)
        if type(kept) is not int or kept != owed:
            return f"the sale's postings to owed sum to {owed} fen, and kept says {kept!r}"
        return ""


def _add(sums: dict[Key, int], key: Key, fen: int) -> None:
    """Adds to one sum; forgets it at zero."""
    total = sums.get(key, 0) + fen
    if total:
        sums[key] = total
    else:
        sums.pop(key, None)
