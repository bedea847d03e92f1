"""Finding a sale, and what happened at terminals: what the pages /sales and /events show. Reads, changes nothing.

Money in fen, energy in 0.01 kWh, times in UTC ms; days are civil days (UTC+8), since 1970.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from peewee import Database, Expression, fn

from kiosk.hq.booking import DAY_MS, UTC_OFFSET_MS
from kiosk.hq.carried import brought_elsewhere
from kiosk.hq.happenings import TEXT_MAX, TOPICS
from kiosk.hq.store import Store
from kiosk.hq.tables import Event, Evidence, Log, Owed, Sale

SHOWN_MAX = 200
NUMBER_MAX = 2**32  # entries of a log
_RECORD = re.compile(r"([a-z0-9][a-z0-9-]{0,31})\s*[·,/\s]\s*([0-9]{1,10})")  # as the slip has it: terminal · number


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody looks for. ``text``: number of a customer, meter or receipt; days from 1970, both included."""

    text: str = ""
    first_day: int | None = None
    last_day: int | None = None
    topic: str = ""  # of events

    @property
    def is_empty(self) -> bool:
        """Nothing was asked for: the newest are shown."""
        return not self.text and self.first_day is None and self.last_day is None


@dataclass(frozen=True, slots=True)
class FoundSale:
    """A sale; ``number`` is its receipt's, None while it is open."""

    terminal: str
    origin: str
    at_ms: int
    number: int | None
    vendor: str
    customer: str
    meter: str
    paid_fen: int
    written_fen: int
    energy_centi_kwh: int
    kept_fen: int
    count: int
    code: str
    doubt: bool


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event; ``ended_ms``: when the outage was over, 0 while it lasts or if it is none."""

    terminal: str
    origin: str
    seq: int
    at_ms: int
    topic: str
    kind: str
    what: str
    code: str
    customer: str
    ended_ms: int


@dataclass(frozen=True, slots=True)
class FoundDebt:
    """What a terminal owes a customer."""

    terminal: str
    vendor: str
    customer: str
    fen: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof of a fork: two signed checkpoints that cannot both be true, as (size, root in base64)."""

    origin: str
    at_ms: int
    number: int  # of this log's, as `kiosk hq evidence` numbers them
    refused: tuple[str, str]
    held: tuple[str, str]


def sales(store: Store, wish: Wish) -> tuple[list[FoundSale], int]:
    """The newest sales that are meant, and how many there are. Raises LedgerFault L-502."""
    with store.session() as database:
        origins = _origins(database)
        time = fn.COALESCE(Sale.closed_ms, Sale.opened_ms)
        query = Sale.select()
        for condition in (_meant(wish.text, origins), *_between(time, wish)):
            if condition is not None:
                query = query.where(condition)
        order = time.desc(), Sale.log, fn.COALESCE(Sale.closed_seq, Sale.opened_seq).desc()
        rows = list(query.order_by(*order).limit(SHOWN_MAX).execute(database))
        count = query.count(database)
    return [_sale(row, origins) for row in rows], count


def _meant(text: str, origins: dict[int, str]) -> Expression | None:
    if not text:
        return None
    if len(text) > TEXT_MAX or "\0" in text:
        return Sale.log == -1  # no number is that long
    meant = (Sale.customer == text) | (Sale.meter == text)
    if text.isascii() and text.isdigit() and int(text) < NUMBER_MAX:
        meant |= Sale.closed_seq == int(text)
    if (record := _RECORD.fullmatch(text)) is not None:
        logs = [log for log, origin in origins.items() if origin.split("/")[3] == record[1]]
        meant |= Sale.log.in_(logs) & (Sale.closed_seq == int(record[2]))
    return meant


def _between(time: Any, wish: Wish) -> list[Any]:
    found = []
    if wish.first_day is not None:
        found.append(time >= wish.first_day * DAY_MS - UTC_OFFSET_MS)
    if wish.last_day is not None:
        found.append(time < (wish.last_day + 1) * DAY_MS - UTC_OFFSET_MS)
    return found


def _sale(row: Any, origins: dict[int, str]) -> FoundSale:
    origin = origins[row.log_id]
    at_ms = row.closed_ms if row.closed_ms is not None else row.opened_ms
    return FoundSale(
        terminal=origin.split("/")[3],
        origin=origin,
        at_ms=at_ms,
        number=row.closed_seq,
        vendor=row.vendor,
        customer=row.customer,
        meter=row.meter,
        paid_fen=row.paid_fen,
        written_fen=row.written_fen,
        energy_centi_kwh=row.energy_centi_kwh,
        kept_fen=row.kept_fen,
        count=row.count,
        code=row.code,
        doubt=row.doubt,
    )


def debts(store: Store, text: str) -> list[FoundDebt]:
    """What is owed to a customer by terminals, oldest first; to everybody without a number, the oldest."""
    with store.session() as database:
        origins = _origins(database)
        query = Owed.select().where(Owed.fen > 0)
        if text:
            query = query.where(Owed.customer == text[:TEXT_MAX].replace("\0", ""))
        rows = query.order_by(Owed.since_ms, Owed.log, Owed.vendor, Owed.customer).limit(SHOWN_MAX).execute(database)
        elsewhere = brought_elsewhere(database)
        found = [(row, row.fen + _gone(elsewhere, row)) for row in rows]
        return [
            FoundDebt(origins[row.log_id].split("/")[3], row.vendor, row.customer, fen, row.since_ms)
            for row, fen in found
            if fen > 0
        ]


def _gone(elsewhere: dict[int, dict[str, int]], row: Any) -> int:
    """Fen below 0: what a later epoch brought over, or people closed."""
    return elsewhere.get(row.log_id, {}).get(f"owed:{row.vendor}:{row.customer}", 0)


def events(store: Store, wish: Wish) -> tuple[list[FoundEvent], int]:
    """The newest events that are meant (``text``: a terminal's number), and how many there are."""
    with store.session() as database:
        origins = _origins(database)
        query = Event.select()
        if wish.topic in TOPICS:
            query = query.where(Event.topic == wish.topic)
        if wish.text:
            logs = [log for log, origin in origins.items() if wish.text in (origin, origin.split("/")[3])]
            query = query.where(Event.log.in_(logs))
        for condition in _between(Event.at_ms, wish):
            query = query.where(condition)
        rows = list(query.order_by(Event.at_ms.desc(), Event.log, Event.seq.desc()).limit(SHOWN_MAX).execute(database))
        count = query.count(database)
    return [_event(row, origins[row.log_id]) for row in rows], count


def _event(row: Any, origin: str) -> FoundEvent:
    terminal = origin.split("/")[3]
    told = (row.seq, row.at_ms, row.topic, row.kind, row.what, row.code, row.customer, row.ended_ms)
    return FoundEvent(terminal, origin, *told)


def proofs(store: Store) -> list[Proof]:
    """Every proof of a fork, newest first."""
    with store.session() as database:
        origins, numbers, found = _origins(database), dict[int, int](), list[Proof]()
        columns = (Evidence.log, Evidence.at_ms, Evidence.refused, Evidence.held)
        for row in Evidence.select(*columns).order_by(Evidence.id).execute(database):
            numbers[row.log_id] = number = numbers.get(row.log_id, 0) + 1
            found.append(Proof(origins[row.log_id], row.at_ms, number, _head(row.refused), _head(row.held)))
    return found[::-1]


def _head(note: str) -> tuple[str, str]:
    lines = [*note.split("\n", 3), "", "", ""]
    return lines[1], lines[2]


def _origins(database: Database) -> dict[int, str]:
    return {row.id: row.origin for row in Log.select(Log.id, Log.origin).execute(database)}
