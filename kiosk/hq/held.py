"""Debts that a new epoch holds because nobody knows the end of the old one, and their end by a person's decision.

Such a debt waits for its card with the count it is bound to (``kiosk.ledger.carry``). Where the old disk is gone for
good, and the card has another count by now, no entry will ever settle it. A person who has looked into it closes it
here: with a reason, once, and only what no terminal can pay any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from peewee import Database, fn

from kiosk.hq.carried import Closing, closed_in, closing_of, entries_of, epoch_of, epochs, place_of
from kiosk.hq.enrol import known
from kiosk.hq.store import Store
from kiosk.hq.tables import Carried, Log, Purchase, Settlement
from kiosk.ledger.brought import Brought, Key, brought_by
from kiosk.ledger.carry import Carry
from kiosk.ledger.kinds import BROUGHT
from kiosk.model.errors import LedgerFault

REASON_MAX = 500  # characters
WAITS = "a card with that count would still be paid by the terminal"


@dataclass(frozen=True, slots=True)
class HeldDebt:
    """``why``: that no terminal can pay it any more; "" where one still may. ``closing``: what a person decided."""

    log: int
    origin: str
    seq: int  # of the entry that holds it
    row: Brought
    why: str
    closing: Settlement | None = None

    @property
    def fen(self) -> int:
        """Above 0."""
        return -self.row.fen


@dataclass(frozen=True, slots=True)
class Closed:
    """A closing, as pages show it. Fen above 0."""

    terminal: str
    vendor: str
    customer: str
    meter: str
    fen: int
    at_ms: int
    operator: str
    reason: str


def held_debts(store: Store, place: str = "") -> list[HeldDebt]:
    """Every held debt where it stands now, by ledger; of one terminal, or of all. Raises LedgerFault L-502."""
    with store.session() as database:
        has = {row.log_id for row in Carried.select(Carried.log).distinct().execute(database)}
    places = sorted({place_of(log.origin) for log in store.logs() if log.id in has})
    found: list[HeldDebt] = []
    for each in places if not place else [place]:
        found += _of_place(store, each, has)
    return found


def _of_place(store: Store, place: str, has: set[int]) -> list[HeldDebt]:
    closed, came, found = closed_in(store, place), set[int](), list[HeldDebt]()
    for log in epochs(store, place):
        if log.id in has and epoch_of(log.origin) not in came:
            carry = _of_log(store, log, closed, found)
            came |= {row.epoch for row in carry.came}
    return found


def _of_log(store: Store, log: Log, closed: dict[Closing, Settlement], found: list[HeldDebt]) -> Carry:
    carry, seqs = Carry(), dict[Key, int]()
    for entry in entries_of(store, log):
        carry.take(entry)
        if entry.kind == BROUGHT and (row := brought_by(entry)).bound is not None:
            seqs[row.key] = entry.seq
    with store.session() as database:
        for key, row in sorted(carry.held_rows.items()):
            why = _settled_by_time(database, log, carry, row)
            found.append(HeldDebt(log.id, log.origin, seqs[key], row, why, closed.get(closing_of(row))))
    return carry


def _settled_by_time(database: Database, log: Log, carry: Carry, row: Brought) -> str:
    """Why no terminal can pay it any more, or ""."""
    if carry.is_keypad(row.key):
        return "a meter without a card: nothing shows a count"
    if log.retired_ms:
        return "its terminal is retired"
    vendor, customer, meter = row.key
    whose = (Purchase.vendor == vendor) & (Purchase.customer == customer) & (Purchase.meter == meter)
    bought = Purchase.select(fn.MAX(Purchase.count)).where(whose).scalar(database) or 0
    count = max(int(bought), carry.last_count(row.key))
    return f"the card was seen with count {count}" if row.bound is not None and count > row.bound else ""


def close(store: Store, origin: str, seq: int, operator: str, reason: str, now_ms: int, count: int = 0) -> HeldDebt:
    """Closes a debt by a person's decision, once. ``count``: on the card now, as a person has read it; 0: not read.

    Raises LedgerFault L-501: nothing is held there, it may still be paid, or it is closed already.
    """
    place = place_of(known(store, origin).origin)
    held = next((each for each in held_debts(store, place) if (each.origin, each.seq) == (origin, seq)), None)
    if held is None:
        raise LedgerFault("L-501", f"entry {seq} of {origin} holds no debt; `kiosk hq held list` shows those that do")
    if held.closing is not None:
        raise LedgerFault("L-501", f"it was closed already, by {held.closing.operator}: {held.closing.reason}")
    if held.row.bound is not None and count > held.row.bound:
        held, reason = replace(held, why=f"a person read count {count} on the card"), f"{reason} (count {count})"
    if not held.why:
        raise LedgerFault(
            "L-501", f"{WAITS} (count {held.row.bound}): read the card first, and give its count with --count"
        )
    vendor, customer, meter = held.row.key
    row = {"log": held.log, "seq": seq, "vendor": vendor, "customer": customer, "meter": meter, "fen": held.fen}
    row |= {"bound": held.row.bound or 0, "at_ms": now_ms, "operator": operator, "reason": reason[:REASON_MAX]}
    with store.session() as database, store.transaction():  # people take turns
        if closing_of(held.row) in closed_in(store, place):
            raise LedgerFault("L-501", "it was closed already, a moment ago")
        Settlement.insert(row).execute(database)
    return held


def closings(store: Store, customer: str = "") -> Iterator[Closed]:
    """What people closed, the newest first; of one customer, or of all."""
    with store.session() as database:
        origins = {row.id: row.origin for row in Log.select(Log.id, Log.origin).execute(database)}
        query = Settlement.select().order_by(Settlement.at_ms.desc(), Settlement.log, Settlement.seq)
        if customer:
            query = query.where(Settlement.customer == customer)
        rows = list(query.execute(database))
    for row in rows:
        who = (row.vendor, row.customer, row.meter, row.fen, row.at_ms, row.operator, row.reason)
        yield Closed(origins[row.log_id].split("/")[3], *who)
