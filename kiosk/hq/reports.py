"""What the console shows, read from the books. Money in fen, energy in 0.01 kWh, times in UTC ms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from peewee import Case, Database, Expression, Function, fn

from kiosk.hq.booking import civil_day
from kiosk.hq.carried import brought_elsewhere
from kiosk.hq.store import Store
from kiosk.hq.tables import Alarm, Balance, Day, Log, Parked, Redemption, VoucherEvent
from kiosk.hq.watch import ENDING, HOUR_MS, newest_epochs

ALARMS_SHOWN = 50
STATES = ("good", "new", "silent", "quarantined", "behind", "blocked", "retired")


@dataclass(frozen=True, slots=True)
class Sold:
    """What was sold and taken."""

    sales: int = 0
    sold_fen: int = 0
    energy_centi_kwh: int = 0
    cash_fen: int = 0

    def __add__(self, other: Sold) -> Sold:
        return Sold(
            self.sales + other.sales,
            self.sold_fen + other.sold_fen,
            self.energy_centi_kwh + other.energy_centi_kwh,
            self.cash_fen + other.cash_fen,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """What the books of a terminal stand at. ``sum_fen`` is 0 when debit and credit agree."""

    cash_box_fen: int = 0
    owed_fen: int = 0  # to customers: by card, or by a voucher that was not paid in cash
    unassigned_fen: int = 0
    sum_fen: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(
            self.cash_box_fen + other.cash_box_fen,
            self.owed_fen + other.owed_fen,
            self.unassigned_fen + other.unassigned_fen,
            self.sum_fen + other.sum_fen,
        )


@dataclass(frozen=True, slots=True)
class Terminal:
    """One epoch of one terminal."""

    origin: str
    region: str
    terminal: str
    epoch: str
    state: str  # one of STATES
    contact_ms: int  # 0: never
    size: int
    cosigned_size: int
    floor_size: int  # 0: none
    claimed_size: int
    parked: int
    unbooked: int  # entries stored whose booking is still to come
    silent_hours: int  # its own, without a word; 0: as for all
    held: Held
    sold: Sold  # in the period


@dataclass(frozen=True, slots=True)
class DayRow:
    """One civil day: the whole, and terminal by terminal."""

    day: int  # since 1970
    whole: Sold
    terminals: tuple[tuple[Terminal, Sold], ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """Something a person must see; ``what`` is a key of the texts."""

    at_ms: int
    origin: str
    what: str
    detail: str
    ended_ms: int = 0
    goes_on: bool = False  # it stands for a state that is still so


@dataclass(frozen=True, slots=True)
class Fleet:
    """The whole page. ``days`` is every day of the period, oldest first."""

    now_ms: int
    terminals: tuple[Terminal, ...]
    days: tuple[DayRow, ...]
    alarms: tuple[AlarmRow, ...]
    sold: Sold = field(default_factory=Sold)
    held: Held = field(default_factory=Held)

    @property
    def today(self) -> Sold:
        """The newest day."""
        return self.days[-1].whole

    @property
    def balanced(self) -> bool:
        """Whether every terminal's books sum to zero."""
        return all(not terminal.held.sum_fen for terminal in self.terminals)


def fleet(store: Store, now_ms: int, days: int, silent_after_ms: int) -> Fleet:
    """The page for the last ``days`` civil days, today included. Raises LedgerFault L-502."""
    last = civil_day(now_ms)
    first = last - days + 1
    with store.session() as database:
        logs = list(Log.select().order_by(Log.origin).execute(database))
        sold = _sold_by_day(database, first, last)
        held = _held(database)
        parked = dict(Parked.select(Parked.log, fn.COUNT(Parked.seq)).group_by(Parked.log).tuples().execute(database))
        alarms = _alarms(database, {row.id: row.origin for row in logs})
    terminals, newest = {}, newest_epochs(logs)
    for row in logs:
        in_period = _whole(by_log[row.id] for by_log in sold.values() if row.id in by_log)
        state = state_of(row, now_ms, silent_after_ms, is_newest=row.id in newest)
        terminals[row.id] = _terminal(row, state, held.get(row.id, Held()), in_period, parked.get(row.id, 0))
    rows = tuple(
        DayRow(
            day,
            _whole(sold[day].values()),
            tuple((terminals[log], sold[day][log]) for log in terminals if log in sold[day]),
        )
        for day in range(first, last + 1)
    )
    everywhere = Held()
    for each in held.values():
        everywhere += each
    return Fleet(now_ms, tuple(terminals.values()), rows, alarms, _whole(row.whole for row in rows), everywhere)


def state_of(row: Log, now_ms: int, silent_after_ms: int, *, is_newest: bool = True) -> str:
    """The one word for a terminal; the worst that is true. Of an old epoch nobody expects a word."""
    if row.blocked:
        return "blocked"
    if row.quarantined:
        return "quarantined"
    if row.retired_ms:
        return "retired"
    if row.size < max(row.floor_size, row.claimed_size):
        return "behind"
    if not row.contact_ms:
        return "new"
    silent = now_ms - row.contact_ms > (row.silent_after_ms or silent_after_ms)
    return "silent" if silent and is_newest else "good"


def _terminal(row: Log, state: str, held: Held, sold: Sold, parked: int) -> Terminal:
    _, _, region, terminal, epoch = row.origin.split("/")
    return Terminal(
        origin=row.origin,
        region=region,
        terminal=terminal,
        epoch=epoch,
        state=state,
        contact_ms=row.contact_ms,
        size=row.size,
        cosigned_size=row.cosigned_size,
        floor_size=row.floor_size,
        claimed_size=row.claimed_size,
        parked=parked,
        unbooked=row.size - row.booked_size,
        silent_hours=(row.silent_after_ms or 0) // HOUR_MS,
        held=held,
        sold=sold,
    )


def _sold_by_day(database: Database, first: int, last: int) -> defaultdict[int, dict[int, Sold]]:
    by_day: defaultdict[int, dict[int, Sold]] = defaultdict(dict)
    for row in Day.select().where(Day.day.between(first, last)).execute(database):
        sold = Sold(row.sales, row.sold_fen, row.energy_centi_kwh, row.cash_fen)
        if sold != Sold():
            by_day[row.day][row.log_id] = sold
    return by_day


def _held(database: Database) -> dict[int, Held]:
    account = Balance.account
    columns = (
        _sum_where(account == "cash:box"),
        _sum_where(account.startswith("owed:")),
        _sum_where(account == "unassigned"),
        fn.SUM(Balance.fen),
    )
    rows = Balance.select(Balance.log, *columns).group_by(Balance.log).tuples().execute(database)
    # Debts are credit balances. PostgreSQL sums to Decimal.
    held = {log: Held(int(cash), -int(owed), -int(unassigned), int(all_)) for log, cash, owed, unassigned, all_ in rows}
    for log, fen in _on_paper(database).items():
        held[log] += Held(owed_fen=fen)
    for log, accounts in brought_elsewhere(database).items():
        held[log] = held.get(log, Held()) + _less(accounts)
    return held


def _less(accounts: dict[str, int]) -> Held:
    """What a later epoch has brought over is its own now; both epochs still sum to zero."""
    first = {name: sum(fen for account, fen in accounts.items() if account.startswith(name)) for name in _SHOWN}
    return Held(-first["cash:box"], first["owed:"], first["unassigned"])


_SHOWN = ("cash:box", "owed:", "unassigned")


def _on_paper(database: Database) -> dict[int, int]:
    """Fen that vouchers are still worth, by the log that issued them: not those paid in cash, nor those on a card.

    One that came onto its card at another terminal is a debit there; the two are one voucher, and weigh nothing.
    """
    paid = Redemption.select(Redemption.no).where(Redemption.how == "cash")
    issued = dict(
        VoucherEvent.select(VoucherEvent.no, VoucherEvent.log)
        .where(VoucherEvent.what == "issued")
        .tuples()
        .execute(database)
    )
    no = fn.SUBSTR(Balance.account, len("voucher:") + 1)
    query = (
        Balance.select(no, fn.MIN(Balance.log), fn.SUM(Balance.fen))
        .where(Balance.account.startswith("voucher:") & no.not_in(paid))
        .group_by(Balance.account)
        .having(fn.SUM(Balance.fen) != 0)
    )
    left: defaultdict[int, int] = defaultdict(int)
    for number, log, fen in query.tuples().execute(database):
        left[issued.get(number, log)] -= int(fen)
    return left


def _sum_where(condition: Expression) -> Function:
    return fn.SUM(Case(None, [(condition, Balance.fen)], 0))


def _alarms(database: Database, origins: dict[int, str]) -> tuple[AlarmRow, ...]:
    """Those that go on, and the newest of the others."""
    goes_on = (Alarm.ended_ms == 0) & Alarm.what.in_(ENDING)
    standing = list(Alarm.select().where(goes_on).order_by(Alarm.id.desc()).execute(database))
    others = list(Alarm.select().where(~goes_on).order_by(Alarm.id.desc()).limit(ALARMS_SHOWN).execute(database))
    return tuple(
        AlarmRow(row.at_ms, origins[row.log_id], row.what, row.detail, row.ended_ms, row in standing)
        for row in (*standing, *others)
    )


def _whole(parts: Iterable[Sold]) -> Sold:
    whole = Sold()
    for part in parts:
        whole += part
    return whole
