"""Balances by account, and the rule of a closed sale: contract 2 §2."""

from __future__ import annotations

from collections.abc import Mapping

from kiosk.ledger.entry import Entry
from kiosk.ledger.kinds import CLOSED


class Totals:
    """Adds up postings. Keeps accounts that are not at zero and sales that are open: as small as the business."""

    __slots__ = ("_balances", "_owed")

    def __init__(self) -> None:
        self._balances: dict[str, int] = {}
        self._owed: dict[bytes, int] = {}  # by sale, until it is closed

    @property
    def balances(self) -> Mapping[str, int]:
        """Fen by account, sorted as text, debit positive; accounts at zero are left out."""
        return dict(sorted(self._balances.items()))

    def take(self, entry: Entry) -> str:
        """Books one entry. Returns what is wrong with it, or an empty text."""
        for account, fen in entry.post:
            balance = self._balances.get(account, 0) + fen
            if balance:
                self._balances[account] = balance
            else:
                self._balances.pop(account, None)
            if entry.sale is not None and account.startswith("owed:"):
                self._owed[entry.sale] = self._owed.get(entry.sale, 0) + fen
        return self._close(entry) if entry.kind == CLOSED else ""

    def _close(self, entry: Entry) -> str:
        if entry.sale is None:
            return "sale.closed without a sale"
        owed = self._owed.pop(entry.sale, 0)
        kept = entry.data.get("kept", 0)
        if type(kept) is not int or kept != owed:
            return f"the sale's postings to owed sum to {owed} fen, and kept says {kept!r}"
        return ""
