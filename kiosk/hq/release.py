"""An order onto a card that can never be carried out any more: proven by the ledgers, then redeemable again.

A voucher that was redeemed onto its card waits for the card to come by at the count it is bound to. If the card was
bought on first, at a kiosk without the list, it never will. What proves that is a purchase under the very count the
order would have become, by a sale that did not bring the voucher: that count is used up. So no kiosk has written the
order, whatever it has not told yet, and none will. Anything less (a card that merely stands higher, days of silence)
proves nothing: the order may be on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from peewee import Database

from kiosk.hq.store import Store
from kiosk.hq.tables import Alarm, Log, Redemption, StoredEntry, VoucherEvent
from kiosk.ledger.entry import Entry, decode
from kiosk.model.errors import LedgerFault

ENTRIES_AT_ONCE = 4_096
KINDS = ("sale.opened", "write.done", "voucher.brought", "card.done")


def release(store: Store, no: str, operator: str, now_ms: int) -> str:
    """Takes back the redemption of an order that is proven dead, and tells people; returns the proof in words.

    Raises LedgerFault L-501 without one.
    """
    if not operator.strip():
        raise LedgerFault("L-501", "say who you are")
    with store.session() as database, store.transaction():
        row = Redemption.select().where(Redemption.no == no).first(database)
        if row is None or row.how != "card":
            raise LedgerFault("L-501", f"voucher {no} has no order onto a card")
        said = [event.what for event in VoucherEvent.select().where(VoucherEvent.no == no).execute(database)]
        if "written" in said or said.count("brought") > said.count("returned"):
            raise LedgerFault("L-501", f"voucher {no} is on its card, or a kiosk is not sure of it yet")
        proof = _used_up(database, row)
        if not proof:
            text = f"no ledger here shows another purchase {row.count + 1} on this card: the order may still be met"
            raise LedgerFault("L-501", f"voucher {no}: {text}")
        Redemption.delete().where((Redemption.no == no) & (Redemption.ticket == row.ticket)).execute(database)
        detail = f"{no}, redeemed by {row.operator}, released by {operator.strip()}: {proof}"
        Alarm.insert(log=row.log_id, at_ms=now_ms, what="voucher-released", detail=detail).execute(database)
        return proof


def _used_up(database: Database, row: Any) -> str:
    """The purchase of another sale under the count that the order would have become; "" without one.

    A reversal gives a count back: where the ledgers show one of that count, nothing is proven.
    """
    card, proof = (row.vendor, row.customer, row.meter), ""
    for log in list(Log.select().order_by(Log.id).execute(database)):
        ours: set[bytes | None] = set()
        for entry in _entries(database, log.id, log.booked_size):
            data = entry.data
            is_its = tuple(data.get(key) for key in ("vendor", "customer", "meter")) == card
            counts = data.get("count") == row.count + 1
            if entry.kind == "sale.opened" and is_its:
                ours.add(entry.sale)
            elif entry.kind == "voucher.brought":
                ours.discard(entry.sale)
            elif entry.kind == "card.done" and is_its and counts and data.get("function") == "reverse":
                return ""
            elif entry.kind == "write.done" and counts and entry.sale in ours and data.get("how") == "written":
                proof = f"purchase {row.count + 1} on this card is entry {entry.seq} of {log.origin}"
    return proof


def _entries(database: Database, log: int, size: int) -> Iterator[Entry]:
    """The entries that can be read, of the kinds that matter here."""
    for first in range(0, size, ENTRIES_AT_ONCE):
        here = (StoredEntry.log == log) & (StoredEntry.seq >= first) & (StoredEntry.seq < first + ENTRIES_AT_ONCE)
        rows = StoredEntry.select(StoredEntry.content).where(here).order_by(StoredEntry.seq).tuples().execute(database)
        for raw in [bytes(content) for (content,) in rows]:
            if any(kind.encode() in raw for kind in KINDS):
                with suppress(LedgerFault):  # parked, and told elsewhere
                    yield decode(raw)
