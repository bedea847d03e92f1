"""Sales, cash, what is owed and events as tables; alarms that end by themselves.

The books are made again from the entries afterwards (``books.catch_up``): nothing here is lost, for nothing in them is
but made from entries.
"""

from __future__ import annotations

from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    Database,
    ForeignKeyField,
    Model,
    SchemaManager,
)

from kiosk.hq.database import execute

COLUMNS = (
    ("logs", "behind_ms", "BIGINT NOT NULL DEFAULT 0"),
    ("logs", "silent_after_ms", "BIGINT"),
    ("alarms", "ended_ms", "BIGINT NOT NULL DEFAULT 0"),
)
PROJECTIONS = ("days", "balances", "opensales", "parked", "vouchers", "purchases")


class Log(Model):
    id = AutoField()

    class Meta:
        table_name = "logs"


class Base(Model):
    log = ForeignKeyField(Log, index=False)


class Sale(Base):
    sale = CharField(32)
    opened_seq = BigIntegerField(null=True)
    opened_ms = BigIntegerField(null=True)
    closed_seq = BigIntegerField(null=True)
    closed_ms = BigIntegerField(null=True)
    vendor = CharField(64)
    customer = CharField(64, index=True)
    meter = CharField(64, index=True)
    paid_fen = BigIntegerField(default=0)
    written_fen = BigIntegerField(default=0)
    kept_fen = BigIntegerField(default=0)
    energy_centi_kwh = BigIntegerField(default=0)
    count = BigIntegerField(default=0)
    why = CharField(64, default="")
    code = CharField(64, default="")
    doubt = BooleanField(default=False)

    class Meta:
        table_name = "sales"
        primary_key = CompositeKey("log", "sale")
        indexes = ((("closed_seq",), False), (("opened_ms",), False), (("closed_ms",), False))


class Cash(Base):
    seq = BigIntegerField()
    account = CharField(80)
    fen = BigIntegerField()
    at_ms = BigIntegerField()
    kind = CharField(64)
    sale = CharField(32, default="")

    class Meta:
        table_name = "cash"
        primary_key = CompositeKey("log", "seq", "account")


class Owed(Base):
    vendor = CharField(64)
    customer = CharField(64, index=True)
    fen = BigIntegerField()
    since_ms = BigIntegerField()
    seq = BigIntegerField()

    class Meta:
        table_name = "owed"
        primary_key = CompositeKey("log", "vendor", "customer")


class Event(Base):
    seq = BigIntegerField()
    at_ms = BigIntegerField(index=True)
    topic = CharField(12)
    kind = CharField(64)
    what = CharField(64, default="")
    code = CharField(64, default="")
    customer = CharField(64, default="")
    ended_ms = BigIntegerField(default=0)

    class Meta:
        table_name = "events"
        primary_key = CompositeKey("log", "seq")


def up(_: Any, db: Database) -> None:
    """Adds columns and tables, and leaves all booking to be done again."""
    for table, column, kind in COLUMNS:
        execute(db, f'ALTER TABLE "{table}" ADD COLUMN "{column}" {kind}')
    for model in (Sale, Cash, Owed, Event):
        SchemaManager(model, database=db).create_all(safe=True)
    for table in PROJECTIONS:
        execute(db, f'DELETE FROM "{table}"')
    execute(db, "UPDATE logs SET booked_size = 0, boot = '0'")
