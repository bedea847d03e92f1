"""What an epoch leaves to the next one: its cash, and what it owes, card by card (contract 2 §1).

``Carry`` is told a ledger's entries in order; ``rows`` says what is to be brought over. It follows the sale's own books
(``kiosk.sale.books``; a test holds the two together), but stands here, because head office asks it, too.

Two kinds of knowledge. Who has read the old ledger to its end knows what it owes. Who has only head office's copy does
not know its tail: a debt may have been written to its card in there. Such a debt is bound to the purchase count the
card had by then. A card that still has it has met nobody since; for any other the debt is held until a person, or the
tail, says what became of it. So nothing is written twice, and nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kiosk.ledger.brought import NOBODY, Brought, Doubt, Fact, Key, brought_by
from kiosk.ledger.kinds import BROUGHT
from kiosk.model.errors import LedgerFault

CARRIED = ("cash:box", "float", "unassigned")
"""Accounts that go over as they stand; ``owed`` goes card by card. Bags, payments by QR and vouchers stay where they
were made: head office settles them with that ledger. What was sold stays sold there."""
ENERGY_SCALE = 10_000  # fen · 0.0001 yuan/kWh → 0.01 kWh, rounded down (decision 5)


@dataclass(slots=True)
class _Owed:
    """What a card is owed."""

    fen: int = 0
    centi_kwh: int = 0


@dataclass(slots=True)
class _Sale:
    """The open sale, as far as it matters here."""

    key: Key
    region: str
    price: int
    brought_fen: int
    brought_centi_kwh: int
    paid_fen: int = 0
    written_fen: int = 0
    written_centi_kwh: int = 0
    intended: tuple[Doubt, int, int] | None = None  # with fen and energy
    voucher: tuple[str, int, int] | None = None  # number, fen, energy

    def due(self) -> _Owed:
        """Brought and paid, less written."""
        _, fen, energy = self.voucher or ("", 0, 0)
        energy += self.brought_centi_kwh + self.paid_fen * ENERGY_SCALE // self.price - self.written_centi_kwh
        return _Owed(self.brought_fen + fen + self.paid_fen - self.written_fen, max(0, energy))


class Carry:
    """Told every entry of a ledger, in order."""

    def __init__(self) -> None:
        self._accounts: dict[str, int] = {}
        self._owed: dict[Key, _Owed] = {}
        self._held: dict[Key, Brought] = {}  # debts of a still older epoch, bound
        self._doubts: dict[Key, tuple[Doubt, int, int]] = {}
        self._counts: dict[Key, int] = {}  # the card's last count we know of
        self._regions: dict[Key, str] = {}
        self._keypads: set[Key] = set()  # meters without a card: no card can say what became of a debt
        self._made: dict[Key, int] = {}  # count of the last token made
        self._sale: _Sale | None = None
        self.came: list[Brought] = []  # what this ledger itself brought over from older ones

    @property
    def held(self) -> frozenset[Key]:
        """Whose brought debts still wait for the count they are bound to."""
        return frozenset(self._held)

    @property
    def held_rows(self) -> Mapping[Key, Brought]:
        """Those debts."""
        return dict(self._held)

    def last_count(self, key: Key) -> int:
        """The highest purchase count that this ledger saw on the card; 0 if it saw none."""
        return self._counts.get(key, 0)

    def is_keypad(self, key: Key) -> bool:
        """Whether it is a meter without a card."""
        return key in self._keypads

    def take(self, fact: Fact) -> None:
        """One more entry."""
        for account, fen in fact.post:
            self._accounts[account] = self._accounts.get(account, 0) + fen
        if fact.kind == BROUGHT:
            self._bring(brought_by(fact))
            return
        rule = _RULES.get(fact.kind)
        if rule is not None:
            rule(self, fact)

    def rows(self, epoch: int, *, sure: bool, balances: Mapping[str, int] | None = None) -> list[Brought]:
        """What goes over to the next epoch; ``sure``: the entries told are all there were. Doubts come first.

        ``balances``: of a ledger whose old entries were deleted, fen by account, summed as closings sum them. Raises
        LedgerFault L-501 where they do not agree with what cards are owed.
        """
        if self._sale is not None:
            self._end()
        rows: list[Brought] = []
        for key in sorted({*self._owed, *self._doubts, *self._held}):
            rows += self._of_card(epoch, key, sure=sure)
        rows += self._rest(epoch, rows, balances)
        for key, count in sorted(self._made.items()):
            account = f"owed:{key[0]}:{key[1]}"
            rows.append(Brought(epoch, account, 0, key, self._regions.get(key, ""), made=count))
        standing = self._accounts if balances is None else balances
        return rows + [Brought(epoch, account, standing[account]) for account in CARRIED if standing.get(account)]

    def _rest(self, epoch: int, rows: Sequence[Brought], balances: Mapping[str, int] | None) -> list[Brought]:
        """What accounts of customers stand at beyond what their cards are owed: it goes over, and names no card."""
        if balances is not None:
            if balances.get("owed", 0) != sum(row.fen for row in rows):
                raise LedgerFault("L-501", "the closings owe another sum than the cards' sales")
            return []
        left = {account: fen for account, fen in self._accounts.items() if account.startswith("owed:")}
        for row in rows:
            left[row.account] = left.get(row.account, 0) - row.fen
        return [Brought(epoch, account, fen) for account, fen in sorted(left.items()) if fen]

    def _of_card(self, epoch: int, key: Key, *, sure: bool) -> list[Brought]:
        region, account = self._regions.get(key, ""), f"owed:{key[0]}:{key[1]}"
        owed = self._owed.get(key, _Owed())
        rest = Brought(epoch, account, -owed.fen, key, region, owed.centi_kwh)
        rows = []
        if key in self._keypads and not sure:
            rows += [replace(rest, bound=self._counts.get(key, 0))] if rest.fen else []
        elif key in self._doubts:
            doubt, fen, centi_kwh = self._doubts[key]
            rows.append(replace(rest, fen=-fen, centi_kwh=centi_kwh, doubt=doubt))
            rest = replace(rest, fen=fen - owed.fen, centi_kwh=max(0, owed.centi_kwh - centi_kwh))
        if rest.fen and (sure or key not in self._keypads):
            before = max(0, self._doubts[key][0].count - 1) if key in self._doubts else self._counts.get(key, 0)
            rows.append(rest if sure else replace(rest, bound=before))
        if key in self._held:
            rows.append(replace(self._held[key], epoch=epoch))
        return rows

    def _bring(self, row: Brought) -> None:
        self.came.append(row)
        if row.key == NOBODY:
            return
        self._regions[row.key] = row.region
        if row.made:
            self._keypads.add(row.key)
            self._made[row.key] = max(row.made, self._made.get(row.key, 0))
            return
        if row.doubt is not None:
            self._doubts[row.key] = (row.doubt, -row.fen, row.centi_kwh)
        if row.bound is not None:
            self._held[row.key] = row
            return
        if row.doubt is None and row.key in self._held:
            self._release(row.key)
        self._add(row.key, -row.fen, row.centi_kwh)

    def _add(self, key: Key, fen: int, centi_kwh: int) -> None:
        owed = self._owed.setdefault(key, _Owed())
        owed.fen, owed.centi_kwh = owed.fen + fen, owed.centi_kwh + centi_kwh
        if owed.fen <= 0:
            del self._owed[key]

    def _release(self, key: Key) -> None:
        row = self._held.pop(key)
        self._add(key, -row.fen, row.centi_kwh)

    def _opened(self, fact: Fact) -> None:
        data = fact.data
        key = (data["vendor"], data["customer"], data["meter"])
        self._regions[key] = data["region"]
        if "when" in data:
            self._keypads.add(key)
        held = self._held.get(key)
        if held is not None and held.bound == data["count"] and held.region == data["region"] and "when" not in data:
            self._release(key)
        self._counts[key] = data["count"]
        owed = self._owed.get(key, _Owed()) if data["brought"] else _Owed()
        self._sale = _Sale(key, data["region"], max(1, data["price"]), data["brought"], owed.centi_kwh)

    def _end(self) -> None:
        """The open sale is over, whichever way."""
        sale, self._sale = self._sale, None
        assert sale is not None, "no sale is open"
        before = self._owed.pop(sale.key, _Owed())
        self._doubts.pop(sale.key, None)
        due = sale.due()
        left = before.fen - sale.brought_fen + due.fen
        if left > 0:
            self._owed[sale.key] = _Owed(left, before.centi_kwh - sale.brought_centi_kwh + due.centi_kwh)
        if sale.intended is not None:
            self._doubts[sale.key] = sale.intended

    def _closed(self, fact: Fact) -> None:
        if self._sale is not None:
            self._counts[self._sale.key] = fact.data["count"]
            self._end()

    def _paid(self, fact: Fact) -> None:
        if self._sale is not None and fact.sale is not None:
            self._sale.paid_fen += fact.data["fen"]

    def _paid_back(self, fact: Fact) -> None:
        if self._sale is not None:
            self._sale.paid_fen -= fact.data["fen"]

    def _intended(self, fact: Fact) -> None:
        if self._sale is not None:
            voucher = self._sale.voucher[0] if self._sale.voucher else ""
            doubt = Doubt(fact.sale or b"", fact.data["count"], voucher)
            self._sale.intended = (doubt, fact.data["fen"], fact.data["energy"])

    def _written(self, fact: Fact) -> None:
        sale, data = self._sale, fact.data
        if sale is not None:
            sale.intended = None
            sale.written_fen, sale.written_centi_kwh = (
                sale.written_fen + data["fen"],
                sale.written_centi_kwh + data["energy"],
            )
            self._counts[sale.key] = data["count"]
            if "token" in data:
                self._made[sale.key] = data["count"]

    def _failed(self, fact: Fact) -> None:
        if self._sale is not None and fact.data["card"] == "unchanged":
            self._sale.intended = None

    def _issued(self, fact: Fact) -> None:
        data = fact.data
        self._owed.pop((data["vendor"], data["customer"], data["meter"]), None)

    def _voucher(self, fact: Fact) -> None:
        if self._sale is not None:
            self._sale.voucher = (fact.data["no"], fact.data["fen"], fact.data["energy"])

    def _returned(self, fact: Fact) -> None:
        if self._sale is not None and fact.sale is not None:
            self._sale.voucher = None
            return
        for key, (doubt, fen, centi_kwh) in list(self._doubts.items()):
            if doubt.voucher == fact.data["no"]:
                del self._doubts[key]
                self._add(key, -fen, -centi_kwh)

    def _worked(self, fact: Fact) -> None:
        data = fact.data
        if data["count"]:
            self._counts[(data["vendor"], data["customer"], data["meter"])] = data["count"]


_RULES = {
    "sale.opened": Carry._opened,
    "note.stacked": Carry._paid,
    "coin.credited": Carry._paid,
    "counter.paid": Carry._paid,
    "counter.refunded": Carry._paid_back,
    "write.intended": Carry._intended,
    "write.done": Carry._written,
    "write.failed": Carry._failed,
    "voucher.issued": Carry._issued,
    "voucher.brought": Carry._voucher,
    "voucher.returned": Carry._returned,
    "card.done": Carry._worked,
    "sale.closed": Carry._closed,
}
