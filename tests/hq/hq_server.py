"""Head office as a program: ``kiosk hq serve`` on the loopback, set up with its own commands."""

import re
import subprocess
import sys
import threading
import time

import httpx
from databases import Sqlite

PATIENCE_S = 40
LISTENS = re.compile(rb"Uvicorn running on (https?://127\.0\.0\.1:\d+)")


def kiosk(*words):
    """Runs ``kiosk hq …``; what it printed. It must end well."""
    done = subprocess.run([sys.executable, "-m", "kiosk", "hq", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Server:
    """A head office with its folder; may be killed and started again."""

    def __init__(self, folder, *more, database=None):
        self.folder, self.more = folder / "hq", more
        self.vkey = kiosk("init", "--data", self.folder, "--domain", "power.example")
        self.database = database or Sqlite(self.folder)
        if database is not None:
            (self.folder / "hq.toml").write_text(f'database = "{database.url}"\n')
        self.process = None

    def beside(self):
        """A second program on the same folder and database."""
        twin = object.__new__(Server)
        twin.folder, twin.more, twin.vkey, twin.database = self.folder, self.more, self.vkey, self.database
        twin.process = None
        return twin

    def enrol(self, terminal):
        kiosk("enrol", terminal.vkey, "--data", self.folder)
        return terminal

    def start(self):
        command = [sys.executable, "-m", "kiosk", "hq", "serve", "--data", str(self.folder), "--listen", "127.0.0.1:0"]
        command += map(str, self.more)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.url, said = "", b""
        while not self.url:
            line = self.process.stderr.readline()
            said += line
            assert line, said.decode()
            found = LISTENS.search(line)
            self.url = found[1].decode() if found else ""
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)
        return self

    def kill(self):
        """As a power cut does."""
        self.process.kill()
        self._ended()

    def stop(self):
        """In good order; how long it took, in seconds."""
        begun = time.monotonic()
        self.process.terminate()
        self._ended()
        return time.monotonic() - begun

    def _ended(self):
        self.process.wait(timeout=PATIENCE_S)
        self.reader.join()
        self.process.stderr.close()
        self.client.close()

    def post(self, terminal, body, **headers):
        sent = {"Content-Type": "application/cbor"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/v1/logs/{terminal.hash}/entries", content=body, headers=sent)

    def get(self, terminal):
        return self.client.get(f"/v1/logs/{terminal.hash}/checkpoint")

    def sql(self, statement, *values):
        """Into the database behind the program's back, e.g. to make a contact old."""
        return self.database.sql(statement, *values)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
