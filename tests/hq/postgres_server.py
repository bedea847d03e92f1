"""A PostgreSQL server of the tests' own: unprivileged, on a Unix socket in a temporary folder, gone when they end.

Debian's package brings the programs; root becomes the user ``postgres``, as the server asks. Without fsync, but where a
test asks for it: what a power cut does to PostgreSQL is PostgreSQL's to prove.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import psycopg

PATIENCE_S = 60
USER = "postgres"
READY = b"ready to accept connections"
LIGHT = {"fsync": "off", "full_page_writes": "off"}
SETTINGS = {"listen_addresses": "", "max_connections": "100", "shared_buffers": "64MB", "log_min_messages": "log"}


def programs():
    """The folder of the newest installed version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    assert found, "PostgreSQL is not installed: run scripts/setup"
    return found[-1].parent


class Server:
    """Running from the beginning to ``close``."""

    def __init__(self, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="hq-pg-"))
        self.data, self.made, self.templates = self.folder / "data", 0, {}
        self.settings = SETTINGS | (settings or LIGHT)
        if os.getuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self._run("initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={USER}")
        self.start()

    def _command(self, program, *words):
        """As ``postgres`` where we are root; gone with us, however we end."""
        account = (f"--reuid={USER}", f"--regid={USER}", "--clear-groups") if os.getuid() == 0 else ()
        return ["setpriv", *account, "--pdeathsig", "QUIT", programs() / program, "-D", self.data, *words]

    def _run(self, program, *words):
        done = subprocess.run(self._command(program, *words), cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()

    def start(self):
        settings = self.settings | {"unix_socket_directories": self.folder}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        quiet = {"cwd": "/", "stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(self._command("postgres", *words), **quiet)
        said = b""
        while READY not in said:
            line = self.process.stderr.readline()
            said += line
            assert line, said.decode()
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()

    def stop(self, how=signal.SIGINT):
        """SIGQUIT is what a power cut leaves but for the disk's own cache: the next start recovers."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)
        self.reader.join()
        self.process.stderr.close()

    def url(self, name):
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def sql(self, statement, name="postgres"):
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def create(self, template="template1", name=""):
        """A new database, a copy of another one; its name."""
        self.made += 1
        name = name or f"test{self.made}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop(self, name):
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def template(self):
        """A database with today's tables and nothing in them, made once."""
        if "tables" not in self.templates:
            from kiosk.hq.store import Store

            self.templates["tables"] = self.create(name="tables")
            Store(self.url("tables")).close()
        return "tables"

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)
