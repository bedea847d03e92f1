"""What old epochs leave to the next one, by head office's books; and whose it is when both epochs' books are added up.

A debt that a new epoch has brought over stands in its ledger, and still in the old one's, which nothing ends any more.
So what was brought is taken off the old epoch where sums are shown. When the true tail of the old epoch arrives later,
what is left of it shows: above zero was owed and not brought, below zero was brought and paid before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from peewee import Database

from kiosk.hq.store import Store
from kiosk.hq.tables import Balance, Log, Settlement, StoredEntry
from kiosk.hq.tables import Carried as CarriedRow
from kiosk.ledger.brought import Brought, Key
from kiosk.ledger.carry import Carry
from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.installed import InForce, Listed, newest
from kiosk.ledger.kinds import shaped
from kiosk.model.errors import LedgerFault

ENTRIES_AT_ONCE = 4_096


def place_of(origin: str) -> str:
    """Domain, region and terminal: an origin without its epoch."""
    return origin.rpartition("/")[0]


def epoch_of(origin: str) -> int:
    """The epoch's number."""
    return int(origin.rpartition("/")[2])


def epochs(store: Store, place: str) -> list[Log]:
    """The logs of one terminal, the newest epoch first."""
    logs = [log for log in store.logs() if place_of(log.origin) == place]
    return sorted(logs, key=lambda log: epoch_of(log.origin), reverse=True)


@dataclass(frozen=True, slots=True)
class Left:
    """What old epochs leave to the next one. ``lists``: that were in force, of each the highest version."""

    rows: tuple[Brought, ...] = ()
    lists: tuple[Listed, ...] = ()


def left_to_next(store: Store, place: str) -> Left:
    """What the next epoch of a terminal is to bring over: of each old one what no later one has brought, and no person
    has closed.

    All of it is bound to what cards showed then: head office does not know how an old ledger ends.
    """
    rows: list[Brought] = []
    lists: tuple[Listed, ...] = ()
    came: set[int] = set()
    closed = closed_in(store, place)
    for log in epochs(store, place):
        carry, in_force = Carry(), InForce()
        for entry in entries_of(store, log):
            with suppress(LedgerFault):  # parked, and told elsewhere
                carry.take(entry)
            in_force.take(entry)
        if epoch_of(log.origin) not in came:
            left = carry.rows(epoch_of(log.origin), sure=False)
            rows += [row for row in left if row.bound is None or closing_of(row) not in closed]
        came |= {row.epoch for row in carry.came}
        lists = newest(lists, in_force.lists)
    return Left(tuple(rows), lists)


Closing = tuple[Key, int, int]  # whose, the count it was bound to, fen above 0


def closing_of(row: Brought) -> Closing:
    """What a closing names, whichever epoch's entry it is that holds the debt by now."""
    return row.key, row.bound or 0, -row.fen


def closed_in(store: Store, place: str) -> dict[Closing, Settlement]:
    """The debts of a terminal that people closed."""
    logs = [log.id for log in epochs(store, place)]
    with store.session() as database:
        rows = list(Settlement.select().where(Settlement.log.in_(logs)).execute(database))
    return {((row.vendor, row.customer, row.meter), row.bound, row.fen): row for row in rows}


def entries_of(store: Store, log: Log) -> Iterator[Entry]:
    """The stored entries that have the shape we know; others are parked, and told elsewhere."""
    for first in range(0, log.size, ENTRIES_AT_ONCE):
        with store.session() as database:
            here = (
                (StoredEntry.log == log.id) & (StoredEntry.seq >= first) & (StoredEntry.seq < first + ENTRIES_AT_ONCE)
            )
            query = StoredEntry.select(StoredEntry.content).where(here).order_by(StoredEntry.seq)
            contents = [bytes(content) for (content,) in query.tuples().execute(database)]
        for content in contents:
            with suppress(LedgerFault):
                entry = decode(content)
                if shaped(entry):
                    yield entry


def brought_elsewhere(database: Database) -> dict[int, dict[str, int]]:
    """Log id → account → fen that a later epoch of the same terminal has brought over, debit positive; and debts that
    people closed, where they stand now.
    """
    logs = {row.origin: row.id for row in Log.select(Log.id, Log.origin).execute(database)}
    origins = {number: origin for origin, number in logs.items()}
    taken: defaultdict[int, dict[str, int]] = defaultdict(dict)
    went: dict[tuple[int, str, int], int] = {}  # (log, account, fen) → the log that brought it over
    for row in CarriedRow.select().execute(database):
        old = logs.get(f"{place_of(origins[row.log_id])}/{row.epoch}")
        if old is not None:
            taken[old][row.account] = taken[old].get(row.account, 0) + row.fen
            went[old, row.account, row.fen] = row.log_id
    for row in Settlement.select().order_by(Settlement.log, Settlement.seq).execute(database):
        here, account = row.log_id, f"owed:{row.vendor}:{row.customer}"
        while (there := went.pop((here, account, -row.fen), None)) is not None:  # its old disk was read after all
            here = there
        taken[here][account] = taken[here].get(account, 0) - row.fen
    return dict(taken)


def left_of(store: Store, log: Log) -> dict[str, int]:
    """Fen by account that a log still stands at, less what a later epoch brought over; debts are below zero."""
    with store.session() as database:
        taken = brought_elsewhere(database).get(log.id, {})
        rows = Balance.select(Balance.account, Balance.fen).where(Balance.log == log.id).tuples().execute(database)
        standing = {account: int(fen) for account, fen in rows}
    left = {account: standing.get(account, 0) - taken.get(account, 0) for account in {*standing, *taken}}
    wanted = ("owed", "cash", "qr", "unassigned", "float")  # also what is never brought over: bags, QR
    return {account: fen for account, fen in sorted(left.items()) if fen and account.split(":")[0] in wanted}
