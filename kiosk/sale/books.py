"""The books: what the ledger says about open sales, notes on their way, and credit owed.

``fold`` takes entries one by one. At start the runner folds the whole ledger; while running, the machine folds each
draft that it records. So what a restart finds is what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from kiosk.billing.book import Price
from kiosk.billing.quote import energy_for
from kiosk.ledger.entry import Entry
from kiosk.model.card import WriteOrder
from kiosk.model.money import Money
from kiosk.sale.state import Books, NoteRow, Outcome, Owed, Sale, Token


class Fact(Protocol):
    """An Entry of the ledger, or the Draft of one."""

    @property
    def kind(self) -> str: ...
    @property
    def sale(self) -> bytes | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Memory:
    """What has been committed so far: told every entry at start, and every new one by the runner."""

    def __init__(self) -> None:
        self.books = Books()
        self.closing: Entry | None = None  # the last sale.closed: a slip proves it
        self.last: Entry | None = None
        self.price_version = self.customers_version = 0

    def see(self, entry: Entry) -> None:
        """One more committed entry."""
        self.books = fold(self.books, entry)
        self.last = entry
        if entry.kind == "sale.closed":
            self.closing = entry
        if entry.kind == "price.installed":
            self.price_version = entry.data["version"]
        if entry.kind == "customers.installed":
            self.customers_version = entry.data["version"]


def fold(books: Books, fact: Fact) -> Books:
    """The books after one more entry."""
    rule = _RULES.get(fact.kind)
    return rule(books, fact) if rule else books


def _opened(books: Books, fact: Fact) -> Books:
    data = fact.data
    key = (data["vendor"], data["customer"], data["meter"])
    owed = books.owed.get(key, Owed(0, 0))
    sale = Sale(
        id=fact.sale or b"",
        vendor=data["vendor"],
        customer=data["customer"],
        meter=data["meter"],
        region=data["region"],
        count=data["count"],
        price=Price(data["price"], data["tariff"]),
        limit_fen=data["limit"],
        brought_fen=data["brought"],
        brought_centi_kwh=owed.centi_kwh,
        when=data.get("when", ""),
    )
    return replace(books, open=sale, credited_fen=0)


def _note_escrowed(books: Books, fact: Fact) -> Books:
    return replace(books, note=NoteRow(fact.data["note"], fact.data["fen"], False, fact.sale or b""), credited_fen=0)


def _note_accepted(books: Books, fact: Fact) -> Books:
    return replace(books, note=replace(books.note, accepted=True) if books.note else None)


def _note_stacked(books: Books, fact: Fact) -> Books:
    sale, fen = books.open, fact.data["fen"]
    if sale is None or fact.sale != sale.id:
        return replace(books, note=None)
    return replace(books, note=None, open=replace(sale, notes=(*sale.notes, fen)), credited_fen=fen)


def _counter_paid(books: Books, fact: Fact) -> Books:
    """Cash over the counter counts as one note; it lies in a bag and not in the cash box."""
    sale = books.open
    if sale is None or fact.sale != sale.id:
        return books
    return replace(books, open=replace(sale, notes=(*sale.notes, fact.data["fen"])))


def _counter_refunded(books: Books, fact: Fact) -> Books:
    sale, fen = books.open, fact.data["fen"]
    if sale is None or fact.sale != sale.id or fen not in sale.notes:
        return books
    left = list(sale.notes)
    left.remove(fen)
    return replace(books, open=replace(sale, notes=tuple(left)))


def _note_returned(books: Books, fact: Fact) -> Books:
    return replace(books, note=None)


def _note_lost(books: Books, fact: Fact) -> Books:
    sale = books.open
    if sale is None or fact.sale != sale.id:
        return replace(books, note=None)
    return replace(books, note=None, open=replace(sale, lost_fen=sale.lost_fen + fact.data["fen"]))


def _write_intended(books: Books, fact: Fact) -> Books:
    sale, data = books.open, fact.data
    if sale is None:
        return books
    order = WriteOrder(sale.id, sale.customer, sale.meter, sale.region, data["count"], data["fen"], data["energy"])
    return replace(books, open=replace(sale, order=order, attempts=data["attempt"]))


def _write_done(books: Books, fact: Fact) -> Books:
    sale, data = books.open, fact.data
    if sale is None:
        return books
    written = replace(
        sale,
        order=None,
        written_count=data["count"],
        written_fen=sale.written_fen + data["fen"],
        written_centi_kwh=sale.written_centi_kwh + data["energy"],
        token=data.get("token", ""),
    )
    return replace(books, open=written)


def _write_failed(books: Books, fact: Fact) -> Books:
    sale = books.open
    if sale is None or fact.data["card"] != "unchanged":
        return books
    return replace(books, open=replace(sale, order=None))


def _closed(books: Books, fact: Fact) -> Books:
    sale = books.open
    if sale is None:
        return books
    owed, doubts = dict(books.owed), dict(books.doubts)
    before = owed.pop(sale.key, Owed(0, 0))
    if sale.due_fen > 0:
        added = energy_for(Money(sale.paid_fen), sale.price).centi_kwh if not sale.written_fen else 0
        owed[sale.key] = Owed(sale.due_fen, before.centi_kwh + added)
    doubts.pop(sale.key, None)
    if sale.order is not None:
        doubts[sale.key] = sale.order
    tokens = books.tokens
    if sale.token:
        made = Token(sale.written_count, sale.token, sale.when, sale.written_fen, sale.written_centi_kwh)
        tokens = {**tokens, sale.key: made}
    outcome = Outcome(sale, fact.data["why"], fact.data.get("code", ""))
    slip_due = outcome if sale.brought_fen or sale.paid_fen or sale.written_fen or sale.lost_fen else None
    return replace(books, open=None, owed=owed, doubts=doubts, tokens=tokens, unprinted=slip_due)


def _slip_told(books: Books, fact: Fact) -> Books:
    return replace(books, unprinted=None)


_RULES: dict[str, Callable[[Books, Fact], Books]] = {
    "sale.opened": _opened,
    "note.escrowed": _note_escrowed,
    "note.accepted": _note_accepted,
    "note.stacked": _note_stacked,
    "counter.paid": _counter_paid,
    "counter.refunded": _counter_refunded,
    "note.returned": _note_returned,
    "note.lost": _note_lost,
    "write.intended": _write_intended,
    "write.done": _write_done,
    "write.failed": _write_failed,
    "sale.closed": _closed,
    "receipt.printed": _slip_told,
    "receipt.failed": _slip_told,
}
