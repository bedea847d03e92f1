"""One balance that a new epoch brings over from an old one: an entry, and a row on its way (contract 2 §1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kiosk.ledger.entry import Draft, Postings
from kiosk.ledger.kinds import BROUGHT
from kiosk.model.errors import LedgerFault

Key = tuple[str, str, str]  # vendor, customer, meter
Place = tuple[str, Key]  # account, and whose
NOBODY: Key = ("", "", "")


class Fact(Protocol):
    """An Entry, or its Draft."""

    @property
    def kind(self) -> str: ...
    @property
    def sale(self) -> bytes | None: ...
    @property
    def post(self) -> Postings: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Doubt:
    """A write whose end nobody knows: the sale that intended it, the count the card would have, and its voucher."""

    sale: bytes
    count: int
    voucher: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """One balance of an old epoch. Fen, debit positive; a debt's ``fen`` is below 0 and its energy above, 0.01 kWh.

    A debt names its card. ``bound``: it may only be paid while the card's last count is this; None: it is sure.
    ``made``: nothing is owed, but the last token made for this meter had that count, and the next must be above it.
    """

    epoch: int
    account: str
    fen: int
    key: Key = NOBODY
    region: str = ""
    centi_kwh: int = 0
    bound: int | None = None
    doubt: Doubt | None = None
    made: int = 0

    @property
    def place(self) -> Place:
        """Where it is booked."""
        return self.account, self.key

    def draft(self) -> Draft:
        """The entry that brings it."""
        data: dict[str, Any] = {"from": self.epoch}
        if self.key != NOBODY:
            data |= dict(zip(("vendor", "customer", "meter"), self.key, strict=True))
            data |= {"region": self.region, "energy": self.centi_kwh}
        if self.bound is not None:
            data["count"] = self.bound
        if self.made:
            data["made"] = self.made
        if self.doubt is not None:
            data |= {"intended": self.doubt.count, "by": self.doubt.sale}
            data |= {"voucher": self.doubt.voucher} if self.doubt.voucher else {}
        post = ((self.account, self.fen), (f"carried:{self.epoch}", -self.fen)) if self.fen else ()
        return Draft(BROUGHT, None, tuple(sorted(post, key=lambda row: row[0].encode())), data)

    def fields(self) -> dict[str, Any]:
        """As it travels: the entry's data, with account and fen."""
        return {**self.draft().data, "account": self.account, "fen": self.fen}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Brought:
        """The inverse. Raises ValueError for what is none."""
        data = {name: value for name, value in fields.items() if name not in ("account", "fen")}
        if type(fields.get("account")) is not str or type(fields.get("fen")) is not int:
            raise ValueError("a balance has an account and fen")
        row = _row(data, fields["account"], fields["fen"])
        if row.fields() != dict(fields):
            raise ValueError("a balance with other fields than it needs")
        return row


def brought_by(fact: Fact) -> Brought:
    """The balance that a ``balance.brought`` entry brings. Raises LedgerFault L-501 for what is none."""
    accounts = [(account, fen) for account, fen in fact.post if not account.startswith("carried:")]
    data = fact.data
    account, fen = accounts[0] if accounts else (f"owed:{data.get('vendor', '')}:{data.get('customer', '')}", 0)
    try:
        return _row(data, account, fen)
    except ValueError as error:
        raise LedgerFault("L-501", str(error)) from error


def _row(data: Mapping[str, Any], account: str, fen: int) -> Brought:
    texts = [data.get(name, "") for name in ("vendor", "customer", "meter", "region", "voucher")]
    sale = data.get("by", b"")
    doubt = Doubt(sale, data["intended"], texts[4]) if "intended" in data else None
    numbers = [data.get("from"), *(data.get(name, 0) for name in ("energy", "count", "intended", "made"))]
    if any(type(text) is not str for text in texts) or any(type(number) is not int for number in numbers):
        raise ValueError("a balance is brought in another form")
    if ("by" in data) is not ("intended" in data) or type(sale) is not bytes:
        raise ValueError("a balance is brought in doubt, and does not say of which write")
    key = (texts[0], texts[1], texts[2])
    return Brought(data["from"], account, fen, key, texts[3], numbers[1], data.get("count"), doubt, numbers[4])


def corrections(truth: Iterable[Brought], came: Iterable[Brought], held: Collection[Key]) -> list[Brought]:
    """What is still to be brought when the old ledger's end becomes known after all: differences, all of them sure.

    ``truth``: rows of the whole old ledger; ``came``: what the new one brought of that epoch already; ``held``: whose
    debts it still holds. Of those one is named even if its sum was right: that releases it.
    """
    had: dict[Place, tuple[int, int]] = {}
    known: set[bytes] = set()
    made: dict[Key, int] = {}
    for row in came:
        _count(had, row)
        known |= {row.doubt.sale} if row.doubt is not None else set()
        made |= {row.key: max(row.made, made.get(row.key, 0))} if row.made else {}
    found: list[Brought] = []
    stands: dict[Place, tuple[int, int]] = {}
    sample: dict[Place, Brought] = {row.place: row for row in came}
    for row in truth:
        if row.made:
            found += [row] if row.made > made.get(row.key, 0) else []
            continue
        sample[row.place] = row
        _count(stands, row)
        if row.doubt is not None and row.doubt.sale not in known:
            found.append(row)
            _count(had, row)
    for place, row in sorted(sample.items(), key=lambda each: each[0]):
        (fen, centi_kwh), (fen_had, centi_kwh_had) = stands.get(place, (0, 0)), had.get(place, (0, 0))
        if fen != fen_had or row.key in held:
            more = replace(row, fen=fen - fen_had, centi_kwh=centi_kwh - centi_kwh_had)
            found.append(replace(more, bound=None, doubt=None, made=0))
    return found


def _count(sums: dict[Place, tuple[int, int]], row: Brought) -> None:
    fen, centi_kwh = sums.get(row.place, (0, 0))
    sums[row.place] = (fen + row.fen, centi_kwh + row.centi_kwh)
