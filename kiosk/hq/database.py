"""The one place that knows SQLite from PostgreSQL: which database a URL names, its locks, rows in bulk.

Both promise the same: what was committed is on the disk. SQLite is set to WAL with ``synchronous=FULL``; on PostgreSQL
every connection asks for ``synchronous_commit=on``, whatever the server's own default is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, count, repeat
from typing import Any

import peewee
from peewee import Database, Model, PeeweeException, SqliteDatabase
from playhouse import db_url
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase

from kiosk.model.errors import LedgerFault

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 30
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "wal_autocheckpoint": 8_000,  # pages, 32 MB: as often as by default, every page would be written twice
    "cache_size": -16_000,  # KiB of one connection: a whole batch
}
POSTGRES = ("postgres", "postgresql")
CONNECTIONS_MAX = 40  # of one process; PostgreSQL's own limit is 100 for all
IDLE_S = 300
SESSION = f"-c synchronous_commit=on -c lock_timeout={BUSY_TIMEOUT_S}s"
EVERYBODY = 7_304_020  # PostgreSQL's number of the lock that stands for the whole database
ENTRIES_AT_ONCE = 4_096  # of a statement
MIGRATION = 7_304_021
_BINARY = {
    "BLOB": "bytea",
    "TEXT": "text",
    "VARCHAR": "varchar",
    "BIGINT": "int8",
    "INT": "int4",
    "AUTO": "int4",
    "BOOL": "bool",
}

_translated = vars(peewee)["__exception_wrapper__"]  # drivers' exceptions become peewee's


def open_database(url: str) -> Database:
    """The database a URL names, e.g. ``sqlite:////srv/hq/hq.db`` or ``postgresql://hq@db.example/hq``.

    Nothing is connected yet. Raises LedgerFault L-502.
    """
    try:
        if url.partition(":")[0] in POSTGRES:
            return _postgres(url)
        database: Database = db_url.connect(url, timeout=BUSY_TIMEOUT_S, pragmas=PRAGMAS)  # type: ignore[no-untyped-call]
        if not isinstance(database, SqliteDatabase):
            raise LedgerFault("L-502", "head office's database is SQLite or PostgreSQL, and no other kind")
    except (RuntimeError, ImportError, TypeError, PeeweeException) as error:
        raise LedgerFault("L-502", f"this kind of database cannot be used: {error}") from error
    except ValueError:  # its text holds the URL, and that may hold a password
        text = "the database's URL is not understood; it is like sqlite:////srv/hq/hq.db or postgresql://host/hq"
        raise LedgerFault("L-502", text) from None
    return database


def _postgres(url: str) -> Database:
    wanted = db_url.parse(url, unquote_password=True, unquote_user=True)  # type: ignore[no-untyped-call]
    if not wanted.get("database"):
        raise ValueError
    wanted["options"] = f"{SESSION} {wanted.get('options', '')}".strip()
    wanted.setdefault("connect_timeout", BUSY_TIMEOUT_S)
    pool = {"max_connections": CONNECTIONS_MAX, "stale_timeout": IDLE_S, "timeout": BUSY_TIMEOUT_S}
    made: Database = PooledPostgresqlDatabase(**wanted, **pool, prefer_psycopg3=True)  # type: ignore[no-untyped-call]
    return made


def is_sqlite(database: Database) -> bool:
    """Whether it is SQLite, where one writer at a time has the whole database; else it is PostgreSQL."""
    return isinstance(database, SqliteDatabase)


@contextmanager
def faults() -> Iterator[None]:
    """The database's exceptions become LedgerFault L-502."""
    try:
        with _translated:
            yield
    except (PeeweeException, MaxConnectionsExceeded) as error:
        raise LedgerFault("L-502", f"head office's database: {error}") from error


@contextmanager
def session(database: Database) -> Iterator[Database]:
    """A connection for this thread; the one that it has, if it has one. Raises LedgerFault L-502."""
    with faults():
        opened = database.connect(reuse_if_open=True)
        try:
            yield database
        finally:
            if opened:
                database.close()


@contextmanager
def transaction(database: Database) -> Iterator[None]:
    """All or nothing; durable when it ends without an exception. Raises LedgerFault L-502."""
    atomic = database.atomic("IMMEDIATE") if is_sqlite(database) else database.atomic()
    with faults(), atomic:
        yield


def execute(database: Database, sql: str, *values: Any) -> Any:
    """A cursor; the statement has the marks of its own database."""
    return database.execute_sql(sql, values)  # type: ignore[no-untyped-call]


def lock_everybody(database: Database) -> None:
    """From here to the end of the transaction nobody else is behind this line: for what must hold between logs.

    On SQLite a transaction that writes is alone anyway. Who holds a log's row may call this; not the other way around.
    """
    if not is_sqlite(database):
        execute(database, "SELECT pg_advisory_xact_lock(%s)", EVERYBODY)


def put(database: Database, table: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Inserts many rows, as fast as the database can; ``columns`` are fields of the table, none of them left out."""
    if not rows:
        return
    fields = [getattr(table, name) for name in columns]
    names = ", ".join(f'"{field.column_name}"' for field in fields)
    name = table._meta.table_name
    connection: Any = database.connection()  # type: ignore[no-untyped-call]
    with _translated:
        if is_sqlite(database):
            marks = ", ".join("?" * len(fields))
            connection.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', rows)
            return
        with connection.cursor().copy(f'COPY "{name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types([_binary(field) for field in fields])
            for row in rows:
                copy.write_row(row)


# Row by row, Python would ask SQLite three times as long, and hold up the other threads meanwhile. So the bytes of many
# entries come as one, with where each begins and how long it is: one statement for all of them.
_PACKED = (
    "INSERT INTO entries (log_id, seq, content, leaf)"
    " SELECT ?1, ?2 + key, substr(?3, value >> 16, value & 65535), substr(?4, 32 * key + 1, 32) FROM json_each(?5)"
)


def put_entries(database: Database, log: int, first: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
    """Inserts entries (each of at most 65,535 bytes) and their leaf hashes as ``first``, ``first + 1`` … of a log."""
    connection: Any = database.connection()  # type: ignore[no-untyped-call]
    with _translated:
        if not is_sqlite(database):
            with connection.cursor().copy(_COPY_ENTRIES) as copy:
                copy.set_types(["int4", "int8", "bytea", "bytea"])
                for row in zip(repeat(log), count(first), entries, leaves, strict=False):
                    copy.write_row(row)
            return
        for start in range(0, len(entries), ENTRIES_AT_ONCE):
            piece = entries[start : start + ENTRIES_AT_ONCE]
            lengths = list(map(len, piece))
            begins = accumulate(lengths, initial=2)  # a byte before them: nothing at all would be NULL
            places = json.dumps([at << 16 | length for at, length in zip(begins, lengths, strict=False)])
            hashes = b"".join(leaves[start : start + ENTRIES_AT_ONCE])
            connection.execute(_PACKED, (log, first + start, b"\0" + b"".join(piece), hashes, places))


_COPY_ENTRIES = "COPY entries (log_id, seq, content, leaf) FROM STDIN (FORMAT BINARY)"


def _binary(field: Any) -> str:
    kind = field.rel_field.field_type if isinstance(field, peewee.ForeignKeyField) else field.field_type
    return _BINARY[kind]


def insert(
    database: Database, table: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], conflict: str
) -> None:
    """Inserts many rows of different keys; ``conflict``: the clause that says what becomes of those that are there."""
    if not rows:
        return
    fields = [getattr(table, name) for name in columns]
    names = ", ".join(f'"{field.column_name}"' for field in fields)
    head = f'INSERT INTO "{table._meta.table_name}" ({names})'
    if is_sqlite(database):
        many(database, f"{head} VALUES ({', '.join('?' * len(fields))}) {conflict}", rows)
        return
    # One statement for all of them: a column an array.
    arrays = ", ".join(f"%s::{_binary(field)}[]" for field in fields)
    connection: Any = database.connection()  # type: ignore[no-untyped-call]
    with _translated:
        columns_of = [list(column) for column in zip(*rows, strict=True)]
        connection.cursor().execute(f"{head} SELECT * FROM unnest({arrays}) {conflict}", columns_of)


def upsert(
    database: Database, table: type[Model], keys: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Inserts rows of ``keys`` and ``columns``; a row whose key is there gets the new columns."""
    names = [getattr(table, key).column_name for key in keys]
    news = ", ".join(f'"{column}" = excluded."{column}"' for column in columns)
    insert(database, table, (*keys, *columns), rows, f"ON CONFLICT ({', '.join(names)}) DO UPDATE SET {news}")


def many(database: Database, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """One statement for each of many rows; ``?`` stands for a value."""
    if rows:
        connection: Any = database.connection()  # type: ignore[no-untyped-call]
        with _translated:
            if is_sqlite(database):
                connection.executemany(sql, rows)
            else:
                connection.cursor().executemany(sql.replace("?", "%s"), rows)


def close(database: Database) -> None:
    """Closes this thread's connection, and those that wait in the pool."""
    with faults():
        database.close()
        if isinstance(database, PooledPostgresqlDatabase):
            database.close_idle()


def warn_unless_durable(database: Database) -> None:
    """Says so in the log where a PostgreSQL server itself is set to forget: what is cosigned could be lost."""
    if not is_sqlite(database):
        with session(database), suppress(PeeweeException):
            (fsync,) = execute(database, "SHOW fsync").fetchone()
            if fsync != "on":
                log.error("PostgreSQL runs with fsync=%s: after a power cut cosigned entries may be gone", fsync)
