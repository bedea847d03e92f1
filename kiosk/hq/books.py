"""Head office's books: projections of the stored entries, in the database, and how to make them again.

Booking follows the intake and never holds it up: entries are read and understood outside of any lock, and written in a
short turn, a piece at a time; a piece that another office has booked meanwhile is simply read again. What the database
itself cannot hold (a sum beyond 63 bits) parks the one entry that does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from peewee import DataError, IntegrityError

from kiosk.hq.booking import DayTotals, Pages, PurchaseFact, VoucherFact
from kiosk.hq.database import insert, many, put, upsert
from kiosk.hq.happenings import CashMove, Debt, Ended, Happening, Happenings, Opened
from kiosk.hq.store import Store, Turn
from kiosk.hq.tables import (
    PROJECTIONS,
    Balance,
    Carried,
    Cash,
    Day,
    Event,
    Log,
    OpenSale,
    Owed,
    Parked,
    Projection,
    Purchase,
    Sale,
    StoredEntry,
    VoucherEvent,
)
from kiosk.ledger.note import Vkey
from kiosk.model.errors import LedgerFault

ENTRIES_AT_ONCE = 1_024
SUM_MAX = 2**62
Told = Callable[[Turn, int, dict[int, str]], None]  # (turn, first entry booked, what was parked), before the COMMIT


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the next booking of a log begins with."""

    log: Log
    contents: list[bytes]
    open_sales: dict[bytes, int]

    def pages(self) -> Pages:
        return Pages(Vkey.parse(self.log.vkey), self.log.booked_size, int(self.log.boot), dict(self.open_sales))


class _DoesNotFit(LedgerFault):
    """The database cannot hold what these entries add up to."""

    def __init__(self, why: object) -> None:
        super().__init__("L-501", f"it cannot be booked: {why}")


def book(
    store: Store, log_id: str, told: Told | None = None, *, enough: Callable[[], bool] = lambda: False
) -> dict[int, str]:
    """Books what is stored and not yet booked. Returns what was parked: seq → why. Raises LedgerFault L-502.

    ``enough`` is asked before each piece; what is left then stays for the next time.
    """
    parked: dict[int, str] = {}
    limit, slowly_to = ENTRIES_AT_ONCE, 0
    while not enough() and (piece := _next(store, log_id, limit)) is not None:
        first = piece.log.booked_size
        pages = piece.pages()
        for content in piece.contents:
            pages.take(content)
        try:
            done = _commit(store, log_id, piece, pages, told)
        except _DoesNotFit as fault:
            if limit > 1:
                limit, slowly_to = 1, first + len(piece.contents)
                continue
            pages = piece.pages()
            pages.park(str(fault))
            done = _commit(store, log_id, piece, pages, told)
        if done:
            parked |= pages.parked
        if limit == 1 and first + 1 >= slowly_to:
            limit = ENTRIES_AT_ONCE
    return parked


def rebuild(store: Store, log_id: str) -> dict[int, str]:
    """Forgets one log's projections and makes them again from its entries. Returns what is parked now.

    Meanwhile the log is served, and its figures on the pages grow back. If it is cut off, ``catch_up`` goes on.
    """
    with store.turn(log_id) as turn:
        if turn is None:
            return {}
        for table in PROJECTIONS:
            table.delete().where(table.log == turn.log.id).execute(turn.database)
        turn.set(booked_size=0, boot="0")
    return book(store, log_id)


def catch_up(store: Store, told: Told | None = None) -> int:
    """Books what any log has left over, e.g. after a power cut. Returns how many logs had."""
    left = behind(store)
    for log_id in left:
        book(store, log_id, told)
    return len(left)


def behind(store: Store) -> list[str]:
    """The logs (<H>) that have entries left to book."""
    with store.session() as database:
        query = Log.select(Log.hash).where(Log.booked_size < Log.size).order_by(Log.id)
        return [log_id for (log_id,) in query.tuples().execute(database)]


def _next(store: Store, log_id: str, limit: int) -> _Piece | None:
    with store.session() as database:
        log = Log.select().where(Log.hash == log_id).first(database)
        if log is None or log.booked_size >= log.size:
            return None
        rows = OpenSale.select().where(OpenSale.log == log.id).execute(database)
        open_sales = {bytes.fromhex(row.sale): row.fen for row in rows}
        first, end = log.booked_size, min(log.size, log.booked_size + limit)
        here = (StoredEntry.log == log.id) & (StoredEntry.seq >= first) & (StoredEntry.seq < end)
        query = StoredEntry.select(StoredEntry.content).where(here).order_by(StoredEntry.seq)
        return _Piece(log, [bytes(content) for (content,) in query.tuples().execute(database)], open_sales)


def _commit(store: Store, log_id: str, piece: _Piece, pages: Pages, told: Told | None) -> bool:
    """Writes a piece, unless somebody else has booked meanwhile. Raises _DoesNotFit, and then nothing is written."""
    with store.turn(log_id) as turn:
        if turn is None or turn.log.booked_size != piece.log.booked_size:
            return False
        try:
            _write(turn, pages, piece.open_sales.keys())
        except (DataError, IntegrityError, OverflowError) as error:
            raise _DoesNotFit(error) from error
        turn.set(booked_size=pages.size, boot=str(pages.boot))
        if told is not None:
            told(turn, piece.log.booked_size, pages.parked)
        return True


def _write(turn: Turn, pages: Pages, open_before: Iterable[bytes]) -> None:
    database, log = turn.database, turn.log.id
    _write_days(turn, pages.days)
    _write_balances(turn, pages.balances)
    gone = set(open_before) - set(pages.open_sales)
    many(database, "DELETE FROM opensales WHERE log_id = ? AND sale = ?", [(log, sale.hex()) for sale in gone])
    rows = [(log, sale.hex(), _held(fen)) for sale, fen in pages.open_sales.items()]
    upsert(database, OpenSale, ("log", "sale"), ("fen",), rows)
    _put(turn, VoucherEvent, VoucherFact, pages.vouchers)
    _put(turn, Purchase, PurchaseFact, pages.purchases)
    put(database, Carried, ("log", *CarriedColumns), [(log, *row) for row in pages.carried])
    put(database, Parked, ("log", "seq", "why"), [(log, seq, _plain(why)) for seq, why in pages.parked.items()])
    _write_happenings(turn, pages.happenings)


CarriedColumns = ("seq", "epoch", "account", "fen")
DayColumns = ("sales", "sold_fen", "energy_centi_kwh", "cash_fen")
_WHO = ("vendor", "customer", "meter")
_ENDED = ("paid_fen", "written_fen", "kept_fen", "energy_centi_kwh", "count", "why", "code", "doubt")


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _rows(log: int, kind: type, facts: Iterable[Any]) -> list[tuple[Any, ...]]:
    """The log and a fact's fields in their order; ten times as fast as ``dataclasses.astuple``, which copies."""
    values = attrgetter(*_names(kind))
    return [(log, *values(fact)) for fact in facts]


def _put(turn: Turn, table: type[Projection], kind: type, facts: Sequence[Any]) -> None:
    """Facts whose fields are named like the table's."""
    put(turn.database, table, ("log", *_names(kind)), _rows(turn.log.id, kind, facts))


def _write_days(turn: Turn, days: dict[int, DayTotals]) -> None:
    here = (Day.log == turn.log.id) & Day.day.in_(list(days))
    before = {row.day: row for row in Day.select().where(here).execute(turn.database)}
    rows = []
    for day, totals in days.items():
        old: Any = before.get(day, DayTotals())
        sums = [_held(getattr(totals, name) + getattr(old, name)) for name in DayColumns]
        rows.append((turn.log.id, day, *sums))
    upsert(turn.database, Day, ("log", "day"), DayColumns, rows)


def _write_balances(turn: Turn, changes: dict[str, int]) -> None:
    here = (Balance.log == turn.log.id) & Balance.account.in_(list(changes))
    before = {row.account: row.fen for row in Balance.select().where(here).execute(turn.database)}
    rows = [(turn.log.id, account, _held(fen + before.get(account, 0))) for account, fen in changes.items()]
    upsert(turn.database, Balance, ("log", "account"), ("fen",), rows)


def _write_happenings(turn: Turn, new: Happenings) -> None:
    database, log = turn.database, turn.log.id
    opened = [(*row, *_NOT_YET) for row in _rows(log, Opened, new.opened.values())]
    insert(database, Sale, _OPENED, opened, _FIRST_OPENING)
    ended = _rows(log, Ended, new.ended.values())
    upsert(database, Sale, ("log", "sale"), ("closed_seq", "closed_ms", *_WHO, *_ENDED), ended)
    _put(turn, Cash, CashMove, new.cash)
    _put(turn, Event, Happening, new.events)
    many(database, _UP, [(max(at_ms, 1), log, device, seq) for seq, device, at_ms in new.ups])
    _write_debts(turn, new.debts)


# A sale that is opened twice, or after it was closed, is a fault of that terminal: its first opening stands.
_OPENED = ("log", "sale", "opened_seq", "opened_ms", *_WHO, *_ENDED)
_NOT_YET = (0, 0, 0, 0, 0, "", "", False)
_FIRST_OPENING = (
    "ON CONFLICT (log_id, sale) DO UPDATE SET opened_seq = COALESCE(sales.opened_seq, excluded.opened_seq),"
    " opened_ms = COALESCE(sales.opened_ms, excluded.opened_ms)"
)
_UP = "UPDATE events SET ended_ms = ? WHERE log_id = ? AND topic = 'outage' AND what = ? AND ended_ms = 0 AND seq < ?"


def _write_debts(turn: Turn, moves: list[tuple[str, str, int, int, int]]) -> None:
    debts: dict[tuple[str, str], Debt] = {}
    if moves:
        customers = list({customer for _, customer, _, _, _ in moves})
        here = (Owed.log == turn.log.id) & Owed.customer.in_(customers)
        for row in Owed.select().where(here).execute(turn.database):
            debts[row.vendor, row.customer] = Debt(row.fen, row.since_ms, row.seq)
    before = set(debts)
    for vendor, customer, fen, seq, at_ms in moves:
        debt = debts.setdefault((vendor, customer), Debt())
        if not debt.fen:
            debt.since_ms = at_ms
        debt.fen, debt.seq = debt.fen + fen, seq
    log, kept = turn.log.id, {who: debt for who, debt in debts.items() if debt.fen}
    gone = [(log, *who) for who in before - set(kept)]
    many(turn.database, "DELETE FROM owed WHERE log_id = ? AND vendor = ? AND customer = ?", gone)
    rows = [(log, *who, _held(debt.fen), debt.since_ms, debt.seq) for who, debt in kept.items()]
    upsert(turn.database, Owed, ("log", "vendor", "customer"), ("fen", "since_ms", "seq"), rows)


def _held(total: int) -> int:
    if abs(total) > SUM_MAX:
        raise OverflowError(f"a sum of {total}")
    return total


def _plain(text: str) -> str:
    return text.replace("\0", "")
