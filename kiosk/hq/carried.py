"""What old epochs leave to the next one, by head office's books; and whose it is when both epochs' books are added up.

A debt that a new epoch has brought over stands in its ledger, and still in the old one's, which nothing ends any more.
So what was brought is taken off the old epoch where sums are shown. When the true tail of the old epoch arrives later,
what is left of it shows: above zero was owed and not brought, below zero was brought and paid before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress

from peewee import Database

from kiosk.hq.store import Store
from kiosk.hq.tables import Balance, Log, StoredEntry
from kiosk.hq.tables import Carried as CarriedRow
from kiosk.ledger.brought import Brought
from kiosk.ledger.carry import Carry
from kiosk.ledger.entry import Entry, decode
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


def balances_of(store: Store, place: str) -> list[Brought]:
    """What the next epoch of a terminal is to bring over: of each old one what no later one has brought.

    All of it is bound to what cards showed then: head office does not know how an old ledger ends.
    """
    rows: list[Brought] = []
    came: set[int] = set()
    for log in epochs(store, place):
        carry = Carry()
        for entry in entries_of(store, log):
            carry.take(entry)
        if epoch_of(log.origin) not in came:
            rows += carry.rows(epoch_of(log.origin), sure=False)
        came |= {row.epoch for row in carry.came}
    return rows


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
    """Log id → account → fen that a later epoch of the same terminal has brought over, debit positive."""
    logs = {row.origin: row.id for row in Log.select(Log.id, Log.origin).execute(database)}
    origins = {number: origin for origin, number in logs.items()}
    taken: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for row in CarriedRow.select().execute(database):
        old = logs.get(f"{place_of(origins[row.log_id])}/{row.epoch}")
        if old is not None:
            taken[old][row.account] = taken[old].get(row.account, 0) + row.fen
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
