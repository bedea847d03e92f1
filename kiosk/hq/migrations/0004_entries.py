"""PostgreSQL looked up the log of every entry and fact again, one by one.

Logs are never deleted, and rows are made inside the turn that has just read their log's.
"""

from __future__ import annotations

from typing import Any

from peewee import Database

from kiosk.hq.database import execute, is_sqlite

TABLES = (
    *("entries", "checkpoints", "days", "balances", "opensales", "parked", "vouchers", "purchases"),
    *("sales", "cash", "owed", "events", "carried"),
)


def up(_: Any, db: Database) -> None:
    """Drops the foreign keys of the tables that grow with the ledgers; SQLite keeps them, they cost it nothing."""
    if not is_sqlite(db):
        for table in TABLES:
            execute(db, f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{table}_log_id_fkey"')
