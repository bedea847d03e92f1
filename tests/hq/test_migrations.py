"""Databases of an older program: brought up whole, with a backup before, once, or not touched at all."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from databases import Sqlite
from playhouse.schema_diff import diff_models
from postgres_server import programs

from kiosk.hq import schema
from kiosk.hq.books import catch_up
from kiosk.hq.store import Store
from kiosk.hq.tables import PROJECTIONS, TABLES
from kiosk.model.errors import LedgerFault

OLD = Path(__file__).parent / "old"
TRUTH = ("logs", "entries", "checkpoints", "evidence", "alarms", "ownkeys", "redemptions", "published")
BOOKS = ("days", "balances", "opensales", "parked", "vouchers", "purchases")


@pytest.fixture
def old(empty):
    """As the program left it that knew no migrations."""
    script = (OLD / f"tables1.{empty.kind}.sql").read_text()
    if empty.kind == "sqlite":
        with closing(sqlite3.connect(empty.path)) as database:
            database.executescript(script)
    else:
        with psycopg.connect(empty.url, autocommit=True) as connection:
            connection.execute(script)
    return empty


def rows(place, tables, columns=None):
    """Every row of these tables, in the columns they had."""
    columns = columns or {table: columns_of(place, table) for table in tables}
    return {table: sorted(map(repr, place.sql(f"SELECT {', '.join(columns[table])} FROM {table}"))) for table in tables}


def columns_of(place, table):
    if place.kind == "sqlite":
        names = [row[1] for row in place.sql(f"PRAGMA table_info({table})")]
    else:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = ? AND table_schema = 'public'"
        names = [row[0] for row in place.sql(query, table)]
    return [f'"{name}"' for name in sorted(names)]


def before_of(place):
    """What must be the same afterwards: the truth as it was, and the books but for how far they were."""
    columns = {table: columns_of(place, table) for table in (*TRUTH, *BOOKS)}
    return columns, rows(place, (*TRUTH, *BOOKS), columns)


def opened(place, folder):
    store = Store(place.url, folder)
    store.close()
    return store


def test_an_old_database_keeps_every_row(old, tmp_path):
    columns, before = before_of(old)
    assert min(len(found) for found in before.values()) > 0, "a row in every table, or nothing is tested"
    store = Store(old.url, tmp_path)
    assert store.migrated == [path.stem for path in sorted(schema.HERE.glob("0*.py"))]
    assert catch_up(store) == 2
    assert rows(old, (*TRUTH, *BOOKS), columns) == before
    for table in ("sales", "cash", "owed", "events"):
        assert old.sql(f"SELECT count(*) FROM {table}")[0][0] > 0
    with store.session() as database:
        assert not diff_models(database, list(TABLES)), "what migrations make is what tables.py says"
    store.close()


def test_a_new_database_has_the_tables_that_the_program_knows(empty, tmp_path):
    store = Store(empty.url, tmp_path)
    with store.session() as database:
        difference = diff_models(database, list(TABLES))
        assert not difference, f"a change of tables.py needs a file in migrations/:\n{difference}"
        assert all(table.select().count(database) == 0 for table in TABLES)
    store.close()
    assert list(tmp_path.glob("*before*")) == [], "there was nothing to back up"
    assert opened(empty, tmp_path).migrated == []


def restored(old, backup, tmp_path):
    """The backup, as a database of its own."""
    if old.kind == "sqlite":
        (tmp_path / "again").mkdir()
        shutil.copy(backup, tmp_path / "again" / "hq.db")
        return Sqlite(tmp_path / "again")
    name = f"{old.name}-backup"
    old.server.create(name=name)
    subprocess.run([programs() / "pg_restore", f"--dbname={old.server.url(name)}", backup], check=True)
    again = object.__new__(type(old))
    again.server, again.name, again.url = old.server, name, old.server.url(name)
    return again


def test_the_backup_before_holds_everything_and_is_for_its_owner_only(old, tmp_path):
    columns, before = before_of(old)
    opened(old, tmp_path)
    (backup,) = tmp_path.glob("*before-0001_tables*")
    assert backup.stat().st_mode & 0o777 == 0o600
    again = restored(old, backup, tmp_path)
    assert rows(again, (*TRUTH, *BOOKS), columns) == before
    kept = backup.read_bytes()
    assert opened(again, tmp_path).migrated, "it can be brought up like the first one"
    assert backup.read_bytes() == kept, "a backup never takes another one's place"
    assert opened(old, tmp_path).migrated == [], "and the first one is up"


def test_without_a_backup_nothing_is_changed(old, tmp_path, monkeypatch):
    tables = {table: columns_of(old, table) for table in TRUTH}
    (tmp_path / "full").write_text("this is no folder")
    with pytest.raises(LedgerFault, match="no backup could be") as caught:
        Store(old.url, tmp_path / "full")
    assert caught.value.code == "L-502"
    if old.kind == "postgresql":
        monkeypatch.setenv("PATH", "/nowhere")
        for folder in (tmp_path, None):
            with pytest.raises(LedgerFault, match="kiosk hq migrate --no-backup"):
                Store(old.url, folder)
    assert {table: columns_of(old, table) for table in TRUTH} == tables
    assert [path.name for path in tmp_path.iterdir() if "before" in path.name] == []
    store = Store(old.url, None, schema.no_backup)
    assert store.migrated
    store.close()


def test_a_migration_that_breaks_off_leaves_the_tables_as_they_were(old, tmp_path, monkeypatch):
    columns, before = before_of(old)
    broken = tmp_path / "migrations"
    shutil.copytree(schema.HERE, broken)
    with (broken / "0002_books.py").open("a") as file:
        file.write("\n    raise RuntimeError('the power goes out')\n")
    with monkeypatch.context() as patched:
        patched.setattr(schema, "HERE", broken)
        with pytest.raises(RuntimeError):
            Store(old.url, tmp_path)
    assert {table: columns_of(old, table) for table in columns} == columns
    assert rows(old, (*TRUTH, *BOOKS), columns) == before
    store = Store(old.url, tmp_path)
    assert store.migrated[0] == "0002_books"
    catch_up(store)
    store.close()
    assert rows(old, (*TRUTH, *BOOKS), columns) == before


def test_a_newer_programs_database_is_not_touched(old, tmp_path):
    opened(old, tmp_path)
    old.sql("INSERT INTO schema_migration (name, applied) VALUES ('9999_tomorrow', '2030-01-01 00:00:00')")
    with pytest.raises(LedgerFault, match="newer program") as caught:
        Store(old.url, tmp_path)
    assert caught.value.code == "L-502"


def test_several_programs_that_start_at_once_bring_it_up_once(old, tmp_path):
    command = [sys.executable, "-m", "kiosk", "hq", "migrate", "--data", str(tmp_path), "--db", old.url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    assert sorted(out.startswith("brought up by 0001_tables") for out, _ in said) == [False, False, True]
    assert len(list(tmp_path.glob("*before*"))) == 1


def test_projections_and_truth_are_all_the_tables():
    assert {table._meta.table_name for table in PROJECTIONS} >= set(BOOKS)
    assert {table._meta.table_name for table in TABLES} >= {*TRUTH, *BOOKS}
