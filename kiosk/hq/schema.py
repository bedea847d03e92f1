"""From an old head office's database to today's: peewee's migrations (``pwmigrate``), and a backup before them.

A database that is new is made by the same files, so that they are played in every test. What is applied stands in the
table ``schema_migration``; a name there without its file means that a newer program was here before us.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from peewee import Database
from playhouse.migrations import Runner

from kiosk.hq.database import MIGRATION, execute, faults, is_sqlite, session
from kiosk.model.errors import LedgerFault

log = logging.getLogger(__name__)

HERE = Path(__file__).parent / "migrations"
MEMORY = ":memory:"
DUMP_TIMEOUT_S = 6 * 3_600
Backup = Callable[[Database, str], str]  # (database, name of the first migration to come) → where the backup lies


def migrate(database: Database, backup: Backup) -> list[str]:
    """Brings the database up. Returns the names of the migrations it made; none, and nothing is touched, if it was.

    Raises LedgerFault L-502: no backup could be made, a migration failed, or the database is a newer program's; nothing
    is changed then but what earlier migrations of the same run have done whole.
    """
    with session(database):
        if not _pending(database):
            return []
        with _alone(database):
            pending = _pending(database)
            if pending and database.table_exists("logs") and _rows(database):
                log.warning("the database is of an older program; backup: %s", backup(database, pending[0]))
            with faults():
                done: list[str] = _runner(database).up()
            log.info("the database is brought up: %s", ", ".join(done))
            return done


def _runner(database: Database) -> Any:
    return Runner(database, str(HERE))  # type: ignore[no-untyped-call]


def _pending(database: Database) -> list[str]:
    with faults():
        status = _runner(database).status()
    unknown = [each.name for each in status if each.path is None]
    if unknown:
        text = f"the database was brought up by a newer program ({unknown[-1]}); install that one, or restore a backup"
        raise LedgerFault("L-502", f"{text}. Nothing was changed")
    return [each.name for each in status if not each.applied]


def _rows(database: Database) -> bool:
    return execute(database, "SELECT 1 FROM logs LIMIT 1").fetchone() is not None


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """One process at a time: several may start on one database after an update."""
    if not is_sqlite(database):
        execute(database, "SELECT pg_advisory_lock(%s)", MIGRATION)
        try:
            yield
        finally:
            execute(database, "SELECT pg_advisory_unlock(%s)", MIGRATION)
        return
    if database.database == MEMORY:
        yield
        return
    try:
        with Path(f"{database.database}.migrating").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise LedgerFault("L-502", f"head office's database: {error}") from error


def backup_into(folder: Path | None) -> Backup:
    """A backup in this folder: of SQLite a copy of the file (without a folder: beside it), of PostgreSQL a pg_dump."""

    def backup(database: Database, first: str) -> str:
        if is_sqlite(database):
            path = Path(database.database)
            return str(_copied(path, _free((folder or path.parent) / f"{path.name}.before-{first}")))
        if folder is None:
            raise LedgerFault("L-502", f"{_NO_DUMP} Nothing was changed")
        return str(_dumped(database, _free(folder / f"{database.database}.before-{first}.dump")))

    return backup


def no_backup(_: Database, first: str) -> str:
    """For people who have made one themselves."""
    return f"none, as you wished, before {first}"


_NO_DUMP = (
    "no backup could be made of the PostgreSQL database, and an older one is not brought up without. Make one with "
    "pg_dump, then run `kiosk hq migrate --no-backup`."
)


def _free(path: Path) -> Path:
    number, found = 2, path
    while found.exists():
        found, number = path.with_name(f"{path.name}-{number}"), number + 1
    return found


def _copied(source: Path, target: Path) -> Path:
    part = target.with_name(f"{target.name}.part")
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
            old.backup(new)
        _kept(part, target)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        text = f"no backup could be written to {target} ({error}), so the old database stays as it is. Make room there"
        raise LedgerFault("L-502", text) from error
    return target


def _dumped(database: Database, target: Path) -> Path:
    params: dict[str, Any] = database.connect_params
    program = shutil.which("pg_dump")
    if program is None:
        raise LedgerFault("L-502", f"{_NO_DUMP} (There is no pg_dump here.) Nothing was changed")
    words = [program, "--format=custom", f"--dbname={database.database}"]
    words += [f"--{name}={params[key]}" for key, name in _DUMP_WORDS.items() if key in params]
    part = target.with_name(f"{target.name}.part")
    secret = {"PGPASSWORD": str(params["password"])} if "password" in params else {}
    try:
        done = subprocess.run(
            [*words, f"--file={part}", "--no-password"],
            env={**os.environ, **secret},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DUMP_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise OSError(done.stderr.strip())
        _kept(part, target)
    except (OSError, subprocess.TimeoutExpired) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise LedgerFault("L-502", f"{_NO_DUMP} (pg_dump: {error}) Nothing was changed") from error
    return target


_DUMP_WORDS = {"host": "host", "port": "port", "user": "username"}


def _kept(part: Path, target: Path) -> None:
    """On the disk, and by its name only when it is whole. It holds customers' numbers: for its owner only."""
    part.chmod(0o600)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
