"""What one stored entry means for head office's books. Pure.

An entry that breaks contract 2 §2, or is of a kind or account head office does not know, is parked: it stays stored
and cosigned, is reported, and other entries go on. Parked entries are booked by a rebuild once a newer program knows
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kiosk.hq.happenings import Happenings
from kiosk.ledger.brought import brought_by
from kiosk.ledger.entry import FEN_MAX, Entry, decode
from kiosk.ledger.kinds import BROUGHT, CLOSED, KINDS, OPENED, shaped
from kiosk.ledger.note import Vkey
from kiosk.ledger.walk import opened_vkey
from kiosk.model.errors import LedgerFault

UTC_OFFSET_MS = 480 * 60_000  # the operator's days are China's
DAY_MS = 86_400_000
TEXT_MAX = 64  # of a voucher's number, and of whose it is
COUNT_MAX = 2**31 - 1
VOUCHER_KINDS = {
    "voucher.issued": "issued",
    "voucher.brought": "brought",
    "voucher.returned": "returned",
    "write.done": "written",
}


def civil_day(at_ms: int) -> int:
    """The civil day (UTC+8) of a time, as days since 1970."""
    return (at_ms + UTC_OFFSET_MS) // DAY_MS


@dataclass(slots=True)
class DayTotals:
    """What entries add to one day: sales closed with credit on the card, fen, 0.01 kWh, fen."""

    sales: int = 0
    sold_fen: int = 0
    energy_centi_kwh: int = 0
    cash_fen: int = 0


@dataclass(frozen=True, slots=True)
class VoucherFact:
    """What an entry says about a voucher: ``issued``, ``brought``, ``returned`` or ``written``; fen, UTC ms."""

    seq: int
    no: str
    what: str
    at_ms: int
    fen: int
    vendor: str = ""
    customer: str = ""
    meter: str = ""


@dataclass(frozen=True, slots=True)
class PurchaseFact:
    """A purchase that came onto a card under its count; or one that a reversal took off again (``fen`` below 0)."""

    seq: int
    vendor: str
    customer: str
    meter: str
    count: int
    fen: int


@dataclass(slots=True)
class Pages:
    """What some entries of one log add to the books. ``open_sales`` holds sums, the rest are differences."""

    vkey: Vkey
    size: int  # entries booked before
    boot: int
    open_sales: dict[bytes, int]  # fen posted to owed: accounts by sales that are not closed
    days: dict[int, DayTotals] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    parked: dict[int, str] = field(default_factory=dict)
    vouchers: list[VoucherFact] = field(default_factory=list)
    purchases: list[PurchaseFact] = field(default_factory=list)
    happenings: Happenings = field(default_factory=Happenings)
    carried: list[tuple[int, str, str, int]] = field(default_factory=list)  # seq, old epoch, account, fen

    def take(self, content: bytes) -> None:
        """Books the next entry, or parks it."""
        seq, self.size = self.size, self.size + 1
        try:
            entry = self._checked(seq, decode(content))
            brought = brought_by(entry) if entry.kind == BROUGHT and entry.post and shaped(entry) else None
            energy, sale, voucher = _energy(entry), self._closed(entry), _voucher(entry)
        except LedgerFault as fault:
            self.parked[seq] = str(fault)
            return
        self._post(entry, energy, sale)
        if voucher is not None:
            self.vouchers.append(voucher)
        if (purchase := _purchase(entry)) is not None:
            self.purchases.append(purchase)
        if brought is not None:
            self.carried.append((seq, str(brought.epoch), brought.account, brought.fen))
        self.happenings.take(entry)

    def park(self, why: str) -> None:
        """Parks the next entry, whatever it is."""
        self.parked[self.size], self.size = why, self.size + 1

    def _checked(self, seq: int, entry: Entry) -> Entry:
        """The rules that bind entries to each other, and the kinds we know. Raises LedgerFault L-501."""
        if entry.seq != seq:
            raise LedgerFault("L-501", f"entry {seq} says it is {entry.seq}")
        if entry.boot < self.boot:
            raise LedgerFault("L-501", f"boot falls from {self.boot} to {entry.boot}")
        self.boot = entry.boot
        if (entry.kind == OPENED) is not (seq == 0):
            raise LedgerFault("L-501", "log.opened is entry 0 and no other")
        if seq == 0 and opened_vkey(entry) != self.vkey:
            raise LedgerFault("L-501", "log.opened names another key than the one enrolled")
        if entry.kind not in KINDS:
            raise LedgerFault("L-501", f"unknown kind {entry.kind!r}")
        return entry

    def _closed(self, entry: Entry) -> int:
        """1 if the entry closes a sale with credit on the card. Raises LedgerFault if what is kept is not named."""
        if entry.kind != CLOSED:
            return 0
        owed, kept = self.open_sales.get(entry.sale or b"", 0), entry.data.get("kept", 0)
        if entry.sale is None or type(kept) is not int or kept != owed:
            raise LedgerFault("L-501", f"the sale's postings to owed sum to {owed} fen, kept says {kept!r}")
        written = entry.data.get("written", 0)
        return int(type(written) is int and written > 0)

    def _post(self, entry: Entry, energy: int, sale: int) -> None:
        totals = self.days.setdefault(civil_day(entry.at), DayTotals())
        totals.sales += sale
        totals.energy_centi_kwh += energy
        for account, fen in entry.post:
            self.balances[account] = self.balances.get(account, 0) + fen
            if account.startswith("sold:"):
                totals.sold_fen -= fen
            if account == "cash:box" and entry.kind in ("note.stacked", "coin.credited"):
                totals.cash_fen += fen
            if account.startswith("owed:") and entry.sale is not None:
                self.open_sales[entry.sale] = self.open_sales.get(entry.sale, 0) + fen
        if entry.kind == CLOSED and entry.sale is not None:
            self.open_sales.pop(entry.sale, None)


def amiss(facts: Iterable[VoucherFact], how: str, fen: int) -> str:
    """What is wrong with a voucher, of all that any ledger says about it: a key of the alarms' texts, or "".

    ``how`` and ``fen``: as it was redeemed, "" if it never was. One in doubt at two kiosks is not wrong yet.
    """
    written = [fact for fact in facts if fact.what == "written"]
    if len(written) > 1:
        return "voucher-twice"
    if written and (how != "card" or written[0].fen != fen):
        return "voucher-unordered"
    return ""


def _voucher(entry: Entry) -> VoucherFact | None:
    """What an entry says about a voucher, if anything."""
    data = entry.data
    what = VOUCHER_KINDS.get(entry.kind, "")
    no = data.get("voucher" if what == "written" else "no")
    if not what or (what == "written" and no is None):
        return None
    fen, who = data.get("fen"), {}
    if what == "issued":
        who = {key: data.get(key) for key in ("vendor", "customer", "meter")}
    if type(fen) is not int or not 0 <= fen <= FEN_MAX:
        raise LedgerFault("L-501", f"{entry.kind} with fen {fen!r}")
    if not all(map(_is_name, (no, *who.values()))):
        raise LedgerFault("L-501", f"{entry.kind} of voucher {no!r}, {who}")
    return VoucherFact(entry.seq, str(no), what, entry.at, fen, **{key: str(text) for key, text in who.items()})


def _purchase(entry: Entry) -> PurchaseFact | None:
    """What an entry says of a card's purchases, if it says it in our form."""
    data = entry.data
    if entry.kind == CLOSED:
        fen = data.get("written")
    elif entry.kind == "card.done" and data.get("function") == "reverse" and entry.post:
        fen = -data["fen"] if type(data.get("fen")) is int else None
    else:
        return None
    who = [data.get(key) for key in ("vendor", "customer", "meter")]
    count = data.get("count")
    if not all(map(_is_name, who)):
        return None
    if type(fen) is not int or type(count) is not int or not fen or abs(fen) > FEN_MAX or not 0 < count <= COUNT_MAX:
        return None
    vendor, customer, meter = map(str, who)
    return PurchaseFact(entry.seq, vendor, customer, meter, count, fen)


def _is_name(value: object) -> bool:
    """A text that every database keeps: PostgreSQL knows no NUL."""
    return type(value) is str and 0 < len(value) <= TEXT_MAX and "\0" not in value


def _energy(entry: Entry) -> int:
    """0.01 kWh that a verified write put on a card; below zero what a reversal took off and paid back."""
    reversal = entry.kind == "card.done" and bool(entry.post)
    if entry.kind != "write.done" and not reversal:
        return 0
    energy = entry.data.get("energy")
    if type(energy) is not int or not 0 <= energy <= FEN_MAX:
        raise LedgerFault("L-501", f"{entry.kind} with energy {energy!r}")
    return -energy if reversal else energy
