"""Head office's books: projections of the stored entries, in the database, and how to make them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from peewee import EXCLUDED, Database

from kiosk.hq.booking import Pages
from kiosk.hq.store import Store, Turn
from kiosk.hq.tables import PROJECTIONS, Balance, Day, OpenSale, Parked, Purchase, StoredEntry, VoucherEvent
from kiosk.ledger.note import Vkey

ENTRIES_AT_ONCE = 4_096


def book(turn: Turn) -> dict[int, str]:
    """Books what is stored and not yet booked, in the turn's transaction. Returns what was parked: seq → why."""
    parked: dict[int, str] = {}
    while turn.log.booked_size < turn.log.size:
        pages = _open_pages(turn)
        before = set(pages.open_sales)
        for content in _contents(turn, pages.size, min(turn.log.size, pages.size + ENTRIES_AT_ONCE)):
            pages.take(content)
        _write(turn.database, turn.log.id, pages, before)
        turn.set(booked_size=pages.size, boot=str(pages.boot))
        parked |= pages.parked
    return parked


def rebuild(store: Store, log_id: str) -> dict[int, str]:
    """Forgets one log's projections and makes them again from its entries. Returns what is parked now."""
    with store.turn(log_id) as turn:
        if turn is None:
            return {}
        for table in PROJECTIONS:
            table.delete().where(table.log == turn.log.id).execute(turn.database)
        turn.set(booked_size=0, boot="0")
        return book(turn)


def _open_pages(turn: Turn) -> Pages:
    rows = OpenSale.select().where(OpenSale.log == turn.log.id).execute(turn.database)
    open_sales = {bytes.fromhex(row.sale): row.fen for row in rows}
    return Pages(Vkey.parse(turn.log.vkey), turn.log.booked_size, int(turn.log.boot), open_sales)


def _contents(turn: Turn, first: int, end: int) -> Iterator[bytes]:
    here = (StoredEntry.log == turn.log.id) & (StoredEntry.seq >= first) & (StoredEntry.seq < end)
    query = StoredEntry.select(StoredEntry.content).where(here).order_by(StoredEntry.seq)
    return (bytes(content) for (content,) in query.tuples().execute(turn.database))


def _write(database: Database, log: int, pages: Pages, before: set[bytes]) -> None:
    for day, totals in pages.days.items():
        row = {
            "log": log,
            "day": day,
            "sales": totals.sales,
            "sold_fen": totals.sold_fen,
            "energy_centi_kwh": totals.energy_centi_kwh,
            "cash_fen": totals.cash_fen,
        }
        sums = {
            each: each + EXCLUDED[each.name] for each in (Day.sales, Day.sold_fen, Day.energy_centi_kwh, Day.cash_fen)
        }
        Day.insert(row).on_conflict(conflict_target=[Day.log, Day.day], update=sums).execute(database)
    for account, fen in pages.balances.items():
        (
            Balance.insert(log=log, account=account, fen=fen)
            .on_conflict(
                conflict_target=[Balance.log, Balance.account], update={Balance.fen: Balance.fen + EXCLUDED.fen}
            )
            .execute(database)
        )
    for sale in before - set(pages.open_sales):
        OpenSale.delete().where((OpenSale.log == log) & (OpenSale.sale == sale.hex())).execute(database)
    for sale, fen in pages.open_sales.items():
        (
            OpenSale.insert(log=log, sale=sale.hex(), fen=fen)
            .on_conflict(conflict_target=[OpenSale.log, OpenSale.sale], update={OpenSale.fen: EXCLUDED.fen})
            .execute(database)
        )
    for fact in pages.vouchers:
        VoucherEvent.insert(log=log, **asdict(fact)).execute(database)
    for purchase in pages.purchases:
        Purchase.insert(log=log, **asdict(purchase)).execute(database)
    for seq, why in pages.parked.items():
        Parked.insert(log=log, seq=seq, why=why).execute(database)
