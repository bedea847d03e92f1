"""The tables as they stood before migrations were kept; on a database of that time nothing is left to do.

A frozen copy: never changed when ``kiosk.hq.tables`` changes.
"""

from __future__ import annotations

from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    Database,
    ForeignKeyField,
    Model,
    SchemaManager,
    TextField,
)


class Log(Model):
    id = AutoField()
    hash = CharField(64, unique=True)
    origin = CharField(120, unique=True)
    vkey = TextField()
    enrolled_ms = BigIntegerField()
    blocked = BooleanField(default=False)
    quarantined = BooleanField(default=False)
    size = BigIntegerField(default=0)
    cosigned_size = BigIntegerField(default=0)
    cosigned_note = TextField(default="")
    cosigned_time = BigIntegerField(default=0)
    floor_size = BigIntegerField(default=0)
    floor_note = TextField(default="")
    claimed_size = BigIntegerField(default=0)
    contact_ms = BigIntegerField(default=0)
    booked_size = BigIntegerField(default=0)
    boot = CharField(20, default="0")

    class Meta:
        table_name = "logs"


class StoredEntry(Model):
    log = ForeignKeyField(Log, index=False)
    seq = BigIntegerField()
    content = BlobField()
    leaf = BlobField()

    class Meta:
        table_name = "entries"
        primary_key = CompositeKey("log", "seq")


class StoredCheckpoint(Model):
    log = ForeignKeyField(Log, index=False)
    size = BigIntegerField()
    note = TextField()

    class Meta:
        table_name = "checkpoints"
        primary_key = CompositeKey("log", "size")


class Evidence(Model):
    id = AutoField()
    log = ForeignKeyField(Log)
    at_ms = BigIntegerField()
    refused = TextField()
    held = TextField()
    leaves = BlobField()

    class Meta:
        table_name = "evidence"


class Alarm(Model):
    id = AutoField()
    log = ForeignKeyField(Log)
    at_ms = BigIntegerField()
    what = CharField(40)
    detail = TextField(default="")

    class Meta:
        table_name = "alarms"


class OwnKey(Model):
    vkey = CharField(255, primary_key=True)

    class Meta:
        table_name = "ownkeys"


class Projection(Model):
    log = ForeignKeyField(Log, index=False)


class Day(Projection):
    day = BigIntegerField()
    sales = BigIntegerField(default=0)
    sold_fen = BigIntegerField(default=0)
    energy_centi_kwh = BigIntegerField(default=0)
    cash_fen = BigIntegerField(default=0)

    class Meta:
        table_name = "days"
        primary_key = CompositeKey("log", "day")


class Balance(Projection):
    account = CharField(160)
    fen = BigIntegerField(default=0)

    class Meta:
        table_name = "balances"
        primary_key = CompositeKey("log", "account")


class OpenSale(Projection):
    sale = CharField(32)
    fen = BigIntegerField(default=0)

    class Meta:
        table_name = "opensales"
        primary_key = CompositeKey("log", "sale")


class Parked(Projection):
    seq = BigIntegerField()
    why = TextField()

    class Meta:
        table_name = "parked"
        primary_key = CompositeKey("log", "seq")


class VoucherEvent(Projection):
    seq = BigIntegerField()
    no = CharField(64, index=True)
    what = CharField(10)
    at_ms = BigIntegerField()
    fen = BigIntegerField()
    vendor = CharField(64, default="")
    customer = CharField(64, default="")
    meter = CharField(64, default="")

    class Meta:
        table_name = "vouchers"
        primary_key = CompositeKey("log", "seq")


class Purchase(Projection):
    seq = BigIntegerField()
    vendor = CharField(64)
    customer = CharField(64)
    meter = CharField(64)
    count = BigIntegerField()
    fen = BigIntegerField()

    class Meta:
        table_name = "purchases"
        primary_key = CompositeKey("log", "seq")
        indexes = ((("customer", "count"), False),)


class Redemption(Model):
    no = CharField(64, primary_key=True)
    log = ForeignKeyField(Log)
    at_ms = BigIntegerField()
    how = CharField(4)
    operator = CharField(64)
    ticket = CharField(32)
    vendor = CharField(64)
    customer = CharField(64)
    meter = CharField(64)
    region = CharField(64)
    fen = BigIntegerField()
    energy_centi_kwh = BigIntegerField()
    count = BigIntegerField()

    class Meta:
        table_name = "redemptions"


class Published(Model):
    name = CharField(20, primary_key=True)
    version = BigIntegerField()

    class Meta:
        table_name = "published"


TABLES = (
    Log,
    StoredEntry,
    StoredCheckpoint,
    Evidence,
    Alarm,
    OwnKey,
    Redemption,
    Published,
    Day,
    Balance,
    OpenSale,
    Parked,
    VoucherEvent,
    Purchase,
)


def up(_: Any, db: Database) -> None:
    """Makes what is missing."""
    for table in TABLES:
        SchemaManager(table, database=db).create_all(safe=True)
