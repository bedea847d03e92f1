"""Every purchase of every card, and the one that two terminals both sold.

A terminal that is not sure of a write reads the card: a last count of at least the intended one means that it was
written (contract 1 §4.4). Where the write never landed and the card was bought on at another terminal meanwhile, that
is not so: two terminals have sold the same count, and the card has one of them. No terminal alone can know; head
office, which has both ledgers, does, and tells people whose money it is.
"""

from __future__ import annotations

from peewee import Case, Database, fn

from kiosk.hq.tables import Log, Purchase

ALARM = "count-twice"


SHOWN = 5  # sales that a line names; the page /sales shows all


def sold_twice_since(database: Database, log: int, seq: int) -> list[tuple[str, str]]:
    """The purchases of this log from entry ``seq`` on whose count another sale used, too: which, and a line for people.

    A line begins with which purchase it is, and does not grow with the number of its sales.
    """
    fresh = Purchase.select().where((Purchase.log == log) & (Purchase.seq >= seq)).execute(database)
    keys = sorted({(row.vendor, row.customer, row.meter, row.count) for row in fresh})
    return [told for key in keys if (told := _twice(database, *key)) is not None]


def _twice(database: Database, vendor: str, customer: str, meter: str, count: int) -> tuple[str, str] | None:
    here = (
        (Purchase.vendor == vendor)
        & (Purchase.customer == customer)
        & (Purchase.meter == meter)
        & (Purchase.count == count)
    )
    sign = Case(None, [(Purchase.fen > 0, 1)], -1)  # a reversal gives a count back
    number, sold = Purchase.select(fn.COUNT(Purchase.seq), fn.SUM(sign)).where(here).tuples().first(database)
    if (sold or 0) < 2:
        return None
    query = Purchase.select(Purchase.fen, Purchase.seq, Log.origin).join(Log).where(here)
    rows = query.order_by(Purchase.log, Purchase.seq).limit(SHOWN).tuples().execute(database)
    told = ", ".join(f"{fen} fen, {origin} entry {seq}" for fen, seq, origin in rows)
    more = f", and {number - SHOWN} more: {number} in all, see /sales?q={customer}" if number > SHOWN else ""
    which = f"{vendor} {customer} {meter} {count}: "
    return which, f"{which}{told}{more}"
