"""Day, month and year closings: what a fiscal journal calls its Z-reports, as entries of the ledger.

Nothing in a closing is new: it adds up the entries before it, so whoever has them can add up again (``check``). The
first entry of another civil day (UTC+8) is committed together with the closings that come before it; a terminal that
was off closes when it starts. Perpetual totals are never reset, and outlive the entries that they add up
(Registrierkassensicherheitsverordnung's turnover counter; article 286 CGI, closings and perpetual total).

The day is what the terminal's clock said. A clock set back across midnight opens no new day; one set back by more than
a day does: the day that was wrong is closed, and two closings may then bear one date. ``first`` and ``last`` never
overlap and leave no gap: they say what was closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from kiosk.ledger.entry import UINT_MAX, Draft, Entry
from kiosk.ledger.kinds import CLOSED, PERIOD, PERIODS, shaped

UTC_OFFSET_MS = 480 * 60_000  # the operator's days are China's
DAY_MS = 86_400_000
ROWS_MAX = 64  # accounts a closing names: with more, vendors and channels are summed
SUM_MAX = 2**62  # no sum is that large; an entry that could not be encoded would stop the kiosk
EVER = ("cash_in", "cash_out", "energy", "reversed", "sales", "sold")
WHOLE = ("cash:box", "float", "over-short", "unassigned")

Sums = dict[str, int]


@dataclass(slots=True)
class _Tally:
    """What a period holds so far."""

    first: int = 0
    sales: int = 0
    sums: Sums = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """Entries that follow each other, with no closing among them, added up: what ``part`` makes of many at once."""

    days: tuple[int, int, int]  # civil days: of the first entry, the earliest, the latest
    sales: int
    sums: Mapping[str, int]  # fen by account, summed as a closing sums them
    ever: Mapping[str, int]  # what they add to the perpetual totals


class Closer:
    """Told every entry, in order; says which closings are due before the next. Trusts the closings it is told."""

    __slots__ = ("_balances", "_day", "_ever", "_tallies")

    def __init__(self) -> None:
        self._tallies = {period: _Tally() for period in PERIODS}
        self._day: int | None = None  # of the first entry after the last day's closing
        self._balances: Sums = {}
        self._ever = dict.fromkeys(EVER, 0)

    @property
    def balances(self) -> Sums:
        """Fen by account, summed as a closing sums them."""
        return dict(sorted(self._balances.items()))

    def due(self, at: int, seq: int) -> list[Draft]:
        """The closings that come before an entry of this time, ``seq`` being the next number. Changes nothing."""
        day, before = civil_day(at), self._day
        if before is None or before - 1 <= day <= before:
            return []
        ended, begun = civil_date(before), civil_date(day)
        due = PERIODS if ended[0] != begun[0] else PERIODS[:2] if ended[:2] != begun[:2] else PERIODS[:1]
        return [self._closing(period, ended, seq + more) for more, period in enumerate(due)]

    def take(self, entry: Entry) -> None:
        """One more committed entry."""
        if entry.kind == PERIOD and shaped(entry):
            self._close(entry)
            return
        if self._day is None:
            self._day = civil_day(entry.at)
        today = self._tallies["day"]
        for account, fen in entry.post:
            name = summed(account)
            _add(today.sums, name, fen)
            _add(self._balances, name, fen)
        if entry.kind == CLOSED:
            today.sales += 1
        for name, value in _moved(entry):
            self._ever[name] = min(UINT_MAX, self._ever[name] + value)

    def begin(self, at: int) -> None:
        """The entries from this time on are another day's, though no closing said so."""
        self._day = civil_day(at)

    def day(self, run: Run) -> int:
        """The civil day that a run's entries belong to."""
        return run.days[0] if self._day is None else self._day

    def take_run(self, run: Run) -> bool:
        """As ``take`` of each of its entries; False, and not all taken, near the largest sums."""
        today = self._tallies["day"]
        self._day = self.day(run)
        for account, fen in run.sums.items():
            _add(today.sums, account, fen)
            _add(self._balances, account, fen)
            if max(abs(today.sums.get(account, 0)), abs(self._balances.get(account, 0)), abs(fen)) > SUM_MAX // 4:
                return False
        today.sales += run.sales
        for name, value in run.ever.items():
            self._ever[name] = min(UINT_MAX, self._ever[name] + value)
        return True

    def _closing(self, period: str, ended: tuple[int, int, int], seq: int) -> Draft:
        tally, today = self._tallies[period], self._tallies["day"]
        sums, sales = dict(tally.sums), tally.sales
        if tally is not today:
            sums, sales = _sum(sums, today.sums), sales + today.sales
        parts = PERIODS[::-1].index(period) + 1  # year 1, month 2, day 3
        data = {
            "period": period,
            "name": "-".join(f"{number:0{width}}" for number, width in zip(ended[:parts], (4, 2, 2), strict=False)),
            "first": tally.first,
            "last": seq - 1,
            "sales": sales,
            "sums": _few(sums),
            "balances": _few(self._balances),
            "ever": dict(self._ever),
        }
        return Draft(PERIOD, None, (), data)

    def _close(self, entry: Entry) -> None:
        data, tally = entry.data, self._tallies[entry.data["period"]]
        if data["period"] == "day":
            for longer in PERIODS[1:]:
                each = self._tallies[longer]
                each.sums, each.sales = _sum(each.sums, data["sums"]), each.sales + data["sales"]
            self._day, self._balances = None, dict(data["balances"])
            self._ever = {name: data["ever"].get(name, 0) for name in EVER}
        tally.first, tally.sales, tally.sums = entry.seq + 1, 0, {}


class ClosingCheck:
    """Told every entry of a log, or that one is not here; says what does not fit. Adds up by itself."""

    __slots__ = ("_any", "_blind", "_closer", "_due", "_trusting", "blind")

    def __init__(self) -> None:
        self._closer = Closer()
        self._due: list[Draft] = []  # still to come, of those due at once
        self._any = False  # a log of a program that closed nothing is not at fault
        self._blind = False  # entries of this day are missing: they cannot be added up
        self._trusting = False  # the closing of such a day was the last entry: a month's or year's may follow it
        self.blind = 0  # days taken as they stand

    @property
    def balances(self) -> Sums:
        """Fen by account, summed as a closing sums them."""
        return self._closer.balances

    def skip(self) -> None:
        """An entry whose bytes are not here."""
        self._blind = True

    def take(self, entry: Entry) -> str:
        """One entry. Returns what is wrong with it, or an empty text."""
        wrong = self._closing(entry) if entry.kind == PERIOD else self._other(entry)
        self._closer.take(entry)
        return wrong

    def after(self, items: Sequence[Run | Entry]) -> ClosingCheck | None:
        """The check when it has been told these runs and closings; None if anything in them may not fit."""
        twin = deepcopy(self)
        for item in items:
            if twin.take(item) if isinstance(item, Entry) else not twin._run(item):
                return None
        return twin

    def _run(self, run: Run) -> bool:
        """Whether all entries of a run fit."""
        day, (_, earliest, latest) = self._closer.day(run), run.days
        if self._due or (self._any and not self._blind and not day - 1 <= earliest <= latest <= day):
            return False
        self._trusting = False
        return self._closer.take_run(run)

    def _other(self, entry: Entry) -> str:
        late, self._due, self._trusting = self._due, [], False
        if late:
            return _missing(late[0])
        due = [] if self._blind or not self._any else self._closer.due(entry.at, entry.seq)
        if due:
            self._closer.begin(entry.at)  # told once, not again for all that follow
        return _missing(due[0]) if due else ""

    def _closing(self, entry: Entry) -> str:
        if not shaped(entry):
            return "a closing that is not in form"
        self._any = True
        period, name = entry.data["period"], f"the closing of {entry.data['period']} {entry.data['name']}"
        if self._blind and period == "day":
            self._blind, self._trusting, self._due, self.blind = False, True, [], self.blind + 1
        if self._blind or self._trusting:
            return ""
        due = self._due or self._closer.due(entry.at, entry.seq)
        expected = next((draft for draft in due if draft.data["period"] == period), None)
        if expected is None:
            return f"{name} was not due"
        self._due = due[due.index(expected) + 1 :]
        if due[0] is not expected:
            return _missing(due[0])
        return "; ".join(_differ(name, expected.data, entry.data))


def summed(account: str) -> str:
    """The row of a closing that an account goes into: customers, vouchers and bags are not named one by one."""
    if account in WHOLE or account.startswith(("qr:", "sold:")):
        return account
    return "cash:bag" if account.startswith("cash:bag:") else account.split(":", maxsplit=1)[0]


def civil_day(at_ms: int) -> int:
    """The civil day (UTC+8) of a time, as days since 1970."""
    return (at_ms + UTC_OFFSET_MS) // DAY_MS


def civil_date(day: int) -> tuple[int, int, int]:
    """Year, month, day of days since 1970, in the Gregorian calendar, of any year (H. Hinnant, days_from_civil)."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # from March
    civil = month + 3 if month < 10 else month - 9
    return year + era * 400 + (civil <= 2), civil, of_year - (153 * month + 2) // 5 + 1


def _moved(entry: Entry) -> list[tuple[str, int]]:
    cash = sum(fen for account, fen in entry.post if account.startswith("cash:"))  # box to bag is no movement
    sold = -sum(fen for account, fen in entry.post if account.startswith("sold:"))
    energy = entry.data.get("energy")
    return moved(cash, sold, energy if type(energy) is int else 0, entry.kind == CLOSED)


def moved(cash: int, sold: int, energy: int, closed: bool) -> list[tuple[str, int]]:
    """What an entry adds to the perpetual totals; never less than nothing. Fen on cash accounts, fen sold, 0.01 kWh."""
    return [
        ("cash_in", max(0, cash)),
        ("cash_out", max(0, -cash)),
        ("sold", max(0, sold)),
        ("reversed", max(0, -sold)),
        ("energy", energy if sold > 0 and energy > 0 else 0),
        ("sales", int(closed)),
    ]


def _few(sums: Mapping[str, int]) -> Sums:
    """At most ``ROWS_MAX`` rows and none at zero, so that a closing is never too long for an entry."""
    if len(sums) <= ROWS_MAX:
        return dict(sums)
    fewer: Sums = {}
    for account, fen in sums.items():
        _add(fewer, account.split(":")[0] if account.startswith(("qr:", "sold:")) else account, fen)
    return fewer


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> Sums:
    both = dict(one)
    for account, fen in other.items():
        _add(both, account, fen)
    return both


def _add(sums: Sums, account: str, fen: int) -> None:
    total = max(-SUM_MAX, min(SUM_MAX, sums.get(account, 0) + fen))
    if total:
        sums[account] = total
    else:
        sums.pop(account, None)


def _missing(draft: Draft) -> str:
    return f"the closing of {draft.data['period']} {draft.data['name']} is missing before it"


def _shown(value: object) -> object:
    """A value as it is told: sums in their order."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _differ(name: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {key} is {_shown(found[key])}, and the entries make it {_shown(value)}"
        for key, value in expected.items()
        if found[key] != value
    ]
