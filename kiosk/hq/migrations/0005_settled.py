"""A terminal's sealing key stands with its ledger, and debts that people closed have a table."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, CompositeKey, Database, ForeignKeyField, Model, SchemaManager, TextField

from kiosk.hq.database import execute


class Log(Model):
    class Meta:
        table_name = "logs"


class Settlement(Model):
    log = ForeignKeyField(Log, index=False)
    seq = BigIntegerField()
    vendor = CharField(64)
    customer = CharField(64, index=True)
    meter = CharField(64)
    bound = BigIntegerField()
    fen = BigIntegerField()
    at_ms = BigIntegerField()
    operator = CharField(64)
    reason = TextField()

    class Meta:
        table_name = "settlements"
        primary_key = CompositeKey("log", "seq")


def up(_: Any, db: Database) -> None:
    """Adds a column and a table; an older program asked for no sealing key, and closed no debt."""
    execute(db, """ALTER TABLE "logs" ADD COLUMN "sealing" TEXT NOT NULL DEFAULT ''""")
    SchemaManager(Settlement, database=db).create_all(safe=True)
