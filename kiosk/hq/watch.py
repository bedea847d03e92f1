"""What goes wrong by time alone: a terminal that says nothing, one whose entries do not come. Alarms that end again.

An alarm of ``ENDING`` stands for a state: there is one from its beginning to its end, and the end is written into it.
The other alarms are told once and stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from peewee import Database

from kiosk.hq.store import Store, Turn
from kiosk.hq.tables import Alarm, Log

HOUR_MS = 3_600_000
SILENT, GAP, QUARANTINE = "silent", "gap", "quarantine"
ENDING = (SILENT, GAP, QUARANTINE)


@dataclass(frozen=True, slots=True)
class Limits:
    """``silent_after_ms``: a heartbeat (contract 2 §6: daily) and a half; a log's own interval goes before it.

    ``gap_after_ms``: a terminal has signed more than is here, and nothing more came for so long; retries go on for up
    to an hour.
    """

    silent_after_ms: int = 36 * HOUR_MS
    gap_after_ms: int = 6 * HOUR_MS

    def of(self, log: Log) -> int:
        """When this log's terminal counts as silent, ms after its last word."""
        return int(log.silent_after_ms or self.silent_after_ms)


def newest_epochs(logs: Iterable[Log]) -> set[int]:
    """The ids of the logs that a terminal still writes: of each its highest epoch."""
    newest: dict[str, tuple[int, int]] = {}
    for row in logs:
        terminal, _, epoch = row.origin.rpartition("/")
        newest[terminal] = max(newest.get(terminal, (0, 0)), (int(epoch), row.id))
    return {log for _, log in newest.values()}


def due(row: Log, now_ms: int, limits: Limits, *, is_newest: bool = True) -> set[str]:
    """Which of ``ENDING`` are true of a log now. Of an old epoch, a retired or blocked log, nobody expects a word."""
    found = {QUARANTINE} if row.quarantined else set()
    if row.blocked or row.retired_ms or not row.contact_ms:
        return found
    if is_newest and now_ms - row.contact_ms > limits.of(row):
        found.add(SILENT)
    if row.behind_ms and not row.quarantined and now_ms - row.behind_ms > limits.gap_after_ms:
        found.add(GAP)
    return found


def look(store: Store, now_ms: int, limits: Limits) -> int:
    """Raises the alarms that are due and ends those that are over. Returns how many changed. Raises LedgerFault L-502.

    Several offices may look at once: a log's alarms change only inside its turn.
    """
    with store.session() as database:
        logs = list(Log.select().order_by(Log.id).execute(database))
        standing = _open(database, [row.id for row in logs])
    newest, changed = newest_epochs(logs), 0
    for row in logs:
        if due(row, now_ms, limits, is_newest=row.id in newest) - {QUARANTINE} != standing[row.id] - {QUARANTINE} or (
            QUARANTINE in standing[row.id] and not row.quarantined
        ):
            with store.turn(row.hash) as turn:
                if turn is not None:
                    changed += _settle(turn, now_ms, limits, is_newest=row.id in newest)
    return changed


def _open(database: Database, logs: list[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {log: set() for log in logs}
    here = (Alarm.ended_ms == 0) & Alarm.what.in_(ENDING) & Alarm.log.in_(logs)
    for row in Alarm.select().where(here).execute(database):
        found[row.log_id].add(row.what)
    return found


def _settle(turn: Turn, now_ms: int, limits: Limits, *, is_newest: bool) -> int:
    row = turn.log
    true, standing = due(row, now_ms, limits, is_newest=is_newest), _open(turn.database, [row.id])[row.id]
    for what in sorted(true - standing - {QUARANTINE}):  # the quarantine's own alarm comes with its evidence
        turn.alarm(now_ms, what, _detail(row, what), once=False)
    over = standing - true
    for what in sorted(over):
        ended = row.contact_ms if what == SILENT else now_ms
        here = (Alarm.log == row.id) & (Alarm.what == what) & (Alarm.ended_ms == 0)
        Alarm.update(ended_ms=ended).where(here).execute(turn.database)
    return len(true - standing - {QUARANTINE}) + len(over)


def _detail(row: Log, what: str) -> str:
    return f"{row.size} < {max(row.claimed_size, row.floor_size)}" if what == GAP else ""
