"""The books: what the ledger says about open sales, notes on their way, and credit owed.

``fold`` takes entries one by one. At start the runner folds the whole ledger; while running, the machine folds each
draft that it records. So what a restart finds is what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from kiosk.billing.book import Price
from kiosk.ledger.brought import NOBODY, brought_by
from kiosk.ledger.entry import Entry, Postings
from kiosk.ledger.installed import listed_by
from kiosk.ledger.kinds import BROUGHT
from kiosk.model.card import WriteOrder
from kiosk.model.cash import Mark
from kiosk.sale.state import Books, Bound, Counted, Held, Issued, Key, NoteRow, Outcome, Owed, Sale, Token, Unclaimed

T = TypeVar("T")


class Fact(Protocol):
    """An Entry of the ledger, or the Draft of one."""

    @property
    def kind(self) -> str: ...
    @property
    def sale(self) -> bytes | None: ...
    @property
    def post(self) -> Postings: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Memory:
    """What has been committed so far: told every entry at start, and every new one by the runner."""

    def __init__(self) -> None:
        self.books = Books()
        self.closing: Entry | None = None  # the last sale.closed: a slip proves it
        self.last: Entry | None = None
        self.unclaimed: dict[bytes, Entry] = {}  # money without a sale, by its id: a slip names it
        self.issued: Entry | None = None  # the last voucher: its slip proves it
        self.lists: dict[str, tuple[int, bytes]] = {}  # in force: version and SHA-256, by the first part of the kind
        self.refused: dict[str, bytes] = {}  # target → SHA-256 of what could not be used
        self.downlink = ""  # how head office's repository stood last
        self.returned = 0  # the program release that did not come up last

    def version(self, name: str) -> int:
        """Of the list in force; 0 before the first."""
        return self.lists.get(name, (0, b""))[0]

    @property
    def in_force(self) -> dict[str, bytes]:
        """What the sale need not be told again: SHA-256 by list, or by target refused."""
        return {**self.refused, **{name: digest for name, (_, digest) in self.lists.items()}}

    def see(self, entry: Entry) -> None:
        """One more committed entry."""
        self.books = fold(self.books, entry)
        self.last = entry
        if entry.kind == "sale.closed":
            self.closing = entry
        if entry.kind in ("note.stacked", "coin.credited") and entry.sale is None:
            self.unclaimed[_id(entry)] = entry
        if (listed := listed_by(entry)) is not None:
            # Replaced and not changed: others read it from their threads.
            self.lists = {**self.lists, listed.name: (listed.version, listed.sha256)}
        if entry.kind == "target.refused":
            self.refused = {**self.refused, entry.data["name"]: entry.data["sha256"]}
        if entry.kind == "downlink.stood":
            self.downlink = entry.data["code"]
        if entry.kind == "program.returned":
            self.returned = entry.data["version"]
        if entry.kind == "voucher.issued":
            self.issued = entry


def fold(books: Books, fact: Fact) -> Books:
    """The books after one more entry."""
    rule = _RULES.get(fact.kind)
    return rule(books, fact) if rule else books


def _opened(books: Books, fact: Fact) -> Books:
    data = fact.data
    key = (data["vendor"], data["customer"], data["meter"])
    held = books.held.get(key)
    if held is not None and (held.count, held.region) == (data["count"], data["region"]) and "when" not in data:
        books = replace(books, held=_less(books.held, key))
        books = _owing(books, key, held.fen, held.centi_kwh)
    owed = books.owed.get(key, Owed(0, 0)) if data["brought"] else Owed(0, 0)
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
    counted = books.counted
    books = _cash(books, fact, "acceptor")
    if counted is not None:
        books = replace(books, counted=replace(counted, booked=counted.booked + 1))
    return replace(books, note=None, credited_fen=fact.data["fen"])


def _coin_credited(books: Books, fact: Fact) -> Books:
    return _cash(books, fact, "coins")


def _cash(books: Books, fact: Fact, device: str) -> Books:
    """Money in the box: the open sale's, or unclaimed."""
    sale, fen = books.open, fact.data["fen"]
    books = _marked(books, fact, device)
    if sale is not None and fact.sale == sale.id:
        return replace(books, open=replace(sale, notes=(*sale.notes, fen)))
    if fact.sale is None:
        return replace(books, unclaimed=(*books.unclaimed, Unclaimed(_id(fact), fen)))
    return books


def _id(fact: Fact) -> bytes:
    data = fact.data
    return bytes(data["note"] if "note" in data else data["coin"])


def _marked(books: Books, fact: Fact, device: str) -> Books:
    if "serial" not in fact.data:
        return books
    return replace(books, marks={**books.marks, device: Mark(fact.data["serial"], fact.data["counter"])})


def _events_lost(books: Books, fact: Fact) -> Books:
    return _marked(books, fact, fact.data["device"])


def _device_counted(books: Books, fact: Fact) -> Books:
    return replace(books, counted=Counted(fact.data["serial"], fact.data["stacked"]))


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
    return replace(books, open=replace(sale, order=order, attempts=data["attempt"], count=order.count - 1))


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
    brought = books.brought | {data["voucher"]} if "voucher" in data else books.brought
    return replace(books, open=written, brought=brought)


def _write_failed(books: Books, fact: Fact) -> Books:
    sale = books.open
    if sale is None or fact.data["card"] != "unchanged":
        return books
    return replace(books, open=replace(sale, order=None))


def _voucher_issued(books: Books, fact: Fact) -> Books:
    data = fact.data
    key = (data["vendor"], data["customer"], data["meter"])
    return replace(books, owed=_less(books.owed, key), issued=Issued(data["no"], data["fen"], key))


def _voucher_brought(books: Books, fact: Fact) -> Books:
    sale, data = books.open, fact.data
    if sale is None or fact.sale != sale.id:
        return books
    bound = Bound(data["no"], data["region"], data["fen"], data["energy"], data["count"])
    return replace(books, open=replace(sale, voucher=bound))


def _voucher_returned(books: Books, fact: Fact) -> Books:
    """Taken back by the sale that brought it; or, without a sale, one that had been in doubt since."""
    sale, no = books.open, fact.data["no"]
    if sale is not None and fact.sale == sale.id:
        return replace(books, open=replace(sale, voucher=None))
    for key, bound in books.bound.items():
        if bound.no == no:
            owed, had = _less(books.owed, key), books.owed.get(key, Owed(0, 0))
            if had.fen > bound.fen:
                owed[key] = Owed(had.fen - bound.fen, had.centi_kwh - bound.centi_kwh)
            return replace(books, owed=owed, doubts=_less(books.doubts, key), bound=_less(books.bound, key))
    return books


def _brought_over(books: Books, fact: Fact) -> Books:
    """A balance of an old epoch. A debt without a count is sure, and makes sure what was held for its card."""
    row = brought_by(fact)
    if row.key == NOBODY:
        return books
    if row.made:
        return replace(books, tokens={**books.tokens, row.key: Token(row.made, "", "", 0, 0)})
    if row.bound is not None:
        held = {**books.held, row.key: Held(-row.fen, row.centi_kwh, row.bound, row.region)}
        return replace(books, held=held)
    fen, centi_kwh = -row.fen, row.centi_kwh
    if row.doubt is not None:
        _, customer, meter = row.key
        doubt = row.doubt
        order = WriteOrder(doubt.sale, customer, meter, row.region, doubt.count, fen, centi_kwh)
        books = replace(books, doubts={**books.doubts, row.key: order})
        if doubt.voucher:
            bound = Bound(doubt.voucher, row.region, fen, centi_kwh, doubt.count - 1)
            books = replace(books, bound={**books.bound, row.key: bound})
    elif row.key in books.held:
        held_ = books.held[row.key]
        books = replace(books, held=_less(books.held, row.key))
        fen, centi_kwh = fen + held_.fen, centi_kwh + held_.centi_kwh
    return _owing(books, row.key, fen, centi_kwh)


def _owing(books: Books, key: Key, fen: int, centi_kwh: int) -> Books:
    """So much more is owed to a card; what is not above zero is not owed."""
    before = books.owed.get(key, Owed(0, 0))
    owed = _less(books.owed, key)
    if before.fen + fen > 0:
        owed[key] = Owed(before.fen + fen, max(0, before.centi_kwh + centi_kwh))
    return replace(books, owed=owed)


def _less(rows: Mapping[Key, T], key: Key) -> dict[Key, T]:
    return {each: row for each, row in rows.items() if each != key}


def _closed(books: Books, fact: Fact) -> Books:
    sale = books.open
    if sale is None:
        return books
    owed, doubts, bound = _less(books.owed, sale.key), _less(books.doubts, sale.key), _less(books.bound, sale.key)
    before = books.owed.get(sale.key, Owed(0, 0))
    left_fen = before.fen - sale.brought_fen + sale.due_fen
    if left_fen > 0:
        owed[sale.key] = Owed(left_fen, before.centi_kwh - sale.brought_centi_kwh + sale.due_centi_kwh)
    if sale.order is not None:
        doubts[sale.key] = sale.order
        if sale.voucher is not None:
            bound[sale.key] = sale.voucher
    tokens = books.tokens
    if sale.token:
        made = Token(sale.written_count, sale.token, sale.when, sale.written_fen, sale.written_centi_kwh)
        tokens = {**tokens, sale.key: made}
    outcome = Outcome(sale, fact.data["why"], fact.data.get("code", ""))
    moved = sale.brought_fen or sale.voucher_fen or sale.paid_fen or sale.written_fen or sale.lost_fen
    slip_due = outcome if moved else None
    return replace(books, open=None, owed=owed, doubts=doubts, bound=bound, tokens=tokens, unprinted=slip_due)


def _slip_told(books: Books, fact: Fact) -> Books:
    if "voucher" in fact.data:
        return replace(books, issued=None)
    if fact.sale is None:
        return replace(books, unclaimed=books.unclaimed[1:])
    return replace(books, unprinted=None)


def _device_down(books: Books, fact: Fact) -> Books:
    return replace(books, outages={**books.outages, fact.data["device"]: fact.data["code"]})


def _device_up(books: Books, fact: Fact) -> Books:
    return replace(books, outages={each: code for each, code in books.outages.items() if each != fact.data["device"]})


_RULES: dict[str, Callable[[Books, Fact], Books]] = {
    BROUGHT: _brought_over,
    "sale.opened": _opened,
    "note.escrowed": _note_escrowed,
    "note.accepted": _note_accepted,
    "note.stacked": _note_stacked,
    "coin.credited": _coin_credited,
    "events.lost": _events_lost,
    "device.counted": _device_counted,
    "device.down": _device_down,
    "device.up": _device_up,
    "counter.paid": _counter_paid,
    "counter.refunded": _counter_refunded,
    "note.returned": _note_returned,
    "note.lost": _note_lost,
    "write.intended": _write_intended,
    "write.done": _write_done,
    "write.failed": _write_failed,
    "voucher.issued": _voucher_issued,
    "voucher.brought": _voucher_brought,
    "voucher.returned": _voucher_returned,
    "sale.closed": _closed,
    "receipt.printed": _slip_told,
    "receipt.failed": _slip_told,
}
