"""Every purchase of every card, and the one that two terminals both sold.

A terminal that is not sure of a write reads the card: a last count of at least the intended one means that it was
written (contract 1 §4.4). Where the write never landed and the card was bought on at another terminal meanwhile, that
is not so: two terminals have sold the same count, and the card has one of them. No terminal alone can know; head
office, which has both ledgers, does, and tells people whose money it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import Database

from kiosk.hq.tables import Log, Purchase

ALARM = "count-twice"


def sold_twice_since(database: Database, log: int, seq: int) -> list[str]:
    """The purchases of this log from entry ``seq`` on whose count another sale used, too: a line for people each."""
    fresh = Purchase.select().where((Purchase.log == log) & (Purchase.seq >= seq)).execute(database)
    keys = sorted({(row.vendor, row.customer, row.meter, row.count) for row in fresh})
    return [told for key in keys if (told := _twice(database, *key))]


def _twice(database: Database, vendor: str, customer: str, meter: str, count: int) -> str:
    here = (
        (Purchase.vendor == vendor)
        & (Purchase.customer == customer)
        & (Purchase.meter == meter)
        & (Purchase.count == count)
    )
    rows = list(Purchase.select().where(here).order_by(Purchase.log, Purchase.seq).execute(database))
    if sum(1 if row.fen > 0 else -1 for row in rows) < 2:  # a reversal gives a count back
        return ""
    origins = {row.id: row.origin for row in Log.select().execute(database)}
    return f"{vendor} {customer} {meter} {count}: {_list(rows, origins)}"


def _list(rows: Iterable[Any], origins: dict[int, str]) -> str:
    return ", ".join(f"{row.fen} fen, {origins[row.log_id]} entry {row.seq}" for row in rows)
