"""The two kinds of database head office works on, as tests handle them: empty, backed up, restored, looked into."""

import shutil
import sqlite3
from contextlib import closing

import psycopg


class Sqlite:
    kind = "sqlite"

    def __init__(self, folder, name="hq.db"):
        self.folder, self.path = folder, folder / name
        self.url = f"sqlite:///{self.path}"

    def backup(self):
        """Tonight's copy."""
        with closing(sqlite3.connect(self.folder / "backup.db")) as copy, closing(sqlite3.connect(self.path)) as now:
            now.backup(copy)

    def restore(self):
        """The machine died; what there is is the backup."""
        for path in self.folder.glob(f"{self.path.name}*"):
            path.unlink()
        shutil.copy(self.folder / "backup.db", self.path)

    def sql(self, statement, *values):
        with closing(sqlite3.connect(self.path, timeout=40)) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows


class Postgres:
    kind = "postgresql"

    def __init__(self, server, empty=False):
        self.server = server
        self.name = server.create() if empty else server.create(server.template())
        self.url = server.url(self.name)

    def backup(self):
        self.server.drop(f"{self.name}-backup")
        self.server.sql(f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'""")
        self.server.create(self.name, f"{self.name}-backup")

    def restore(self):
        self.server.drop(self.name)
        self.server.create(f"{self.name}-backup", self.name)

    def drop(self):
        self.server.drop(self.name)
        self.server.drop(f"{self.name}-backup")

    def sql(self, statement, *values):
        with psycopg.connect(self.url, autocommit=True) as connection:
            done = connection.execute(statement.replace("?", "%s"), values or None)
            return done.fetchall() if done.description else []
