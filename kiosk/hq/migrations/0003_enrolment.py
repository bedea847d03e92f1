"""One-time codes, what ledgers bring over from old epochs, and terminals that are retired."""

from __future__ import annotations

from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    BlobField,
    CharField,
    CompositeKey,
    Database,
    ForeignKeyField,
    Model,
    SchemaManager,
    TextField,
)

from kiosk.hq.database import execute


class Log(Model):
    id = AutoField()

    class Meta:
        table_name = "logs"


class Carried(Model):
    log = ForeignKeyField(Log, index=False)
    seq = BigIntegerField()
    epoch = CharField(40)
    account = CharField(160)
    fen = BigIntegerField()

    class Meta:
        table_name = "carried"
        primary_key = CompositeKey("log", "seq")


class Invitation(Model):
    number = CharField(4, primary_key=True)
    place = CharField(110, index=True)
    key = BlobField()
    made_ms = BigIntegerField()
    expires_ms = BigIntegerField()
    tries = BigIntegerField(default=0)
    state = CharField(10)
    operator = CharField(64, default="")
    request = BlobField(null=True)
    answer = BlobField(null=True)
    vkey = TextField(default="")

    class Meta:
        table_name = "invitations"


def up(_: Any, db: Database) -> None:
    """Adds a column and two tables; no ledger of an older program brought anything over."""
    execute(db, 'ALTER TABLE "logs" ADD COLUMN "retired_ms" BIGINT NOT NULL DEFAULT 0')
    for model in (Carried, Invitation):
        SchemaManager(model, database=db).create_all(safe=True)
