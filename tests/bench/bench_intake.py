"""Head office's intake, verified and durable, against what the same database does with the same rows and no questions.

    python tests/bench/bench_intake.py [entries] [terminals]     # 1000000 1000 for the long form
    python tests/bench/bench_intake.py --profile                 # where the time goes, on SQLite

Limits, in the same run, on the same disk, in transactions of the same size:

    sqlite      executemany of the rows, WAL and synchronous=FULL, set as ours
    postgresql  COPY into a staging table, INSERT … ON CONFLICT DO NOTHING from there: how one takes rows that may come
                twice, where nobody checks them

Ours: bodies as they come from the network → unpacked, decoded, signature, hashed into the tree, root compared, stored,
cosigned, COMMIT. The books follow the intake in the clerk's thread; what they cost is told beside it. Rounds alternate,
because a disk has moods; a ratio is that of the medians.
"""

import cProfile
import logging
import pstats
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hq"))

import cbor2
import psycopg
from fakes import Clock, Terminal, b64
from postgres_server import LIGHT, Server

from kiosk.hq.app import opened
from kiosk.hq.books import book
from kiosk.hq.clerk import Clerk
from kiosk.hq.database import PRAGMAS
from kiosk.hq.enrol import enrol
from kiosk.hq.keyring import create_signer
from kiosk.hq.office import Office
from kiosk.hq.store import Store
from kiosk.hq.witness import Witness
from kiosk.ledger.tree import Frontier, leaf_hash

BATCH = 4_096
ROUNDS = 5
ENTRIES = 5 * BATCH * ROUNDS
TERMINALS = 100
EACH = 100  # entries of each of many terminals
THREADS = 8
logging.disable(logging.WARNING)


class Sender:
    """A terminal that has its bodies ready: sales of seven entries, about 150 bytes each."""

    def __init__(self, number):
        seed = sha256(b"NEVER USE IN A REAL SYSTEM %d" % number).digest()
        self.terminal = Terminal(f"power.example/kiosk/420100/{number:05d}/1", seed).open()
        self.frontier, self.sent, self.sales = Frontier(), 0, 0

    def bodies(self, count, batch=BATCH):
        """Bodies of the next ``count`` entries, and the rows that they will be."""
        terminal, made, rows = self.terminal, [], []
        while len(terminal.entries) - self.sent < count:
            self.sales += 1
            sale = self.sales.to_bytes(16, "big")
            terminal.sell(sale, 5000, 8928, [2000, 2000, 1000], customer=f"{self.sales % 997:05d}", count=self.sales)
        for first in range(self.sent, self.sent + count, batch):
            end = min(first + batch, self.sent + count)
            for entry in terminal.entries[first:end]:
                leaf = leaf_hash(entry)
                self.frontier.append(leaf)
                rows.append((first, entry, leaf))
            note = terminal.note(body=f"{terminal.origin}\n{end}\n{b64(self.frontier.root())}\n")
            body = {
                "origin": terminal.origin,
                "from": first,
                "entries": terminal.entries[first:end],
                "checkpoint": note,
            }
            made.append(cbor2.dumps(body))
            for place in range(first, end):  # what was sent is not kept: memory stays flat
                terminal.entries[place] = b""
        self.sent += count
        return made, rows


class NoBooks(Clerk):
    def tell(self, log_id):
        pass


class Intake:
    def __init__(self, folder, url):
        folder.mkdir(exist_ok=True)
        self.store, clock = Store(url, folder), Clock()
        self.office = Office(
            self.store, Witness(create_signer(folder, "power.example", 1), clock), clock, NoBooks(self.store, clock)
        )

    def add(self, sender):
        enrol(self.store, sender.terminal.vkey, 0)

    def send(self, sender, bodies):
        for body in bodies:
            answer = self.office.take(sender.terminal.hash, opened(body, "application/cbor", ""))
            assert answer.status == 200, answer


class Sqlite:
    """Each of two threads has its connection, and they take turns."""

    def __init__(self, path):
        self.path, self.turn, self.own = path, threading.Lock(), threading.local()
        self.connection().execute(
            'CREATE TABLE "entries" ("log_id" INTEGER NOT NULL, "seq" INTEGER NOT NULL, "content" BLOB NOT NULL,'
            ' "leaf" BLOB NOT NULL, PRIMARY KEY ("log_id", "seq"))'
        )
        self.kept = self.connection()

    def connection(self):
        if not hasattr(self.own, "connection"):
            self.own.connection = sqlite3.connect(self.path, isolation_level=None)
            for name, value in PRAGMAS.items():
                self.own.connection.execute(f"PRAGMA {name} = {value}")
        return self.own.connection

    def put(self, rows):
        connection = self.connection()
        with self.turn:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)
            connection.execute("COMMIT")


class Postgres:
    """Each of two threads has its connection and its staging table."""

    COLUMNS = "(log_id int4 NOT NULL, seq int8 NOT NULL, content bytea NOT NULL, leaf bytea NOT NULL"

    def __init__(self, url):
        self.url, self.own = url, threading.local()
        self.connection().execute(f"CREATE TABLE limit_entries {self.COLUMNS}, PRIMARY KEY (log_id, seq))")

    def connection(self):
        if not hasattr(self.own, "connection"):
            self.own.connection = psycopg.connect(self.url, autocommit=True)
            self.own.connection.execute(f"CREATE TEMP TABLE staging {self.COLUMNS})")
        return self.own.connection

    def put(self, rows):
        connection = self.connection()
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("COPY staging FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int4", "int8", "bytea", "bytea"])
                for row in rows:
                    copy.write_row(row)
            cursor.execute("INSERT INTO limit_entries SELECT * FROM staging ON CONFLICT DO NOTHING")
            cursor.execute("TRUNCATE staging")


def timed(act):
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def both(pool, act, work):
    return timed(lambda: list(pool.map(lambda each: act(*each), work)))


def compare(intake, limit, entries):
    """Entries a second: ours, the limit's, of the books; how much dearer, by the limit, the last entries are.

    Two terminals send at a time, and two threads put the limit's rows.
    """
    senders = [Sender(1), Sender(2)]
    for sender in senders:
        intake.add(sender)
    ours, theirs = [], []
    each = max(BATCH, entries // ROUNDS // 2 // BATCH * BATCH)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            sends, puts = [], []
            for log, sender in enumerate(senders):
                first = sender.sent
                bodies, made = sender.bodies(each)
                rows = [(log, first + place, entry, leaf) for place, (_, entry, leaf) in enumerate(made)]
                sends.append((sender, bodies))
                puts.append((rows,))
            cut = partial(put_all, limit)
            theirs.append(2 * each / both(pool, cut, puts))
            ours.append(2 * each / both(pool, intake.send, sends))
    books = 0
    if entries <= ENTRIES:
        books = sum(sender.sent for sender in senders) / timed(
            lambda: [book(intake.store, sender.terminal.hash) for sender in senders]
        )
    growth = (ours[0] / theirs[0]) / (ours[-1] / theirs[-1])  # the disk's own moods are in both
    return statistics.median(ours), statistics.median(theirs), books, growth, ours[-1]


def put_all(limit, rows):
    for at in range(0, len(rows), BATCH):
        limit.put(rows[at : at + BATCH])


def crowd(intake, terminals):
    """Seconds an entry: of one terminal alone, and of many at once."""
    costs = []
    for count in (1, terminals):
        senders = [Sender(1000 + count * 10 + place) for place in range(count)]
        work = []
        for sender in senders:
            intake.add(sender)
            work.append((sender, sender.bodies(EACH * max(1, 20 // count), EACH)[0]))
        entries = sum(sender.sent for sender in senders)
        with ThreadPoolExecutor(THREADS) as pool:
            costs.append(timed(lambda work=work: list(pool.map(lambda each: intake.send(*each), work))) / entries)
    return costs


def rows(entries=ENTRIES, terminals=TERMINALS):
    """For ``make bench``: (what, key, ratio, words)."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(**dict.fromkeys(LIGHT, "on"))
        try:
            kinds = {
                "SQLite": (f"sqlite:///{folder}/hq.db", Sqlite(folder / "limit.db")),
                "PostgreSQL": (server.url(server.create(name="hq")), Postgres(server.url(server.create(name="other")))),
            }
            for kind, (url, limit) in kinds.items():
                intake = Intake(folder / kind, url)
                ours, theirs, books, growth, last = compare(intake, limit, entries)
                words = f"{ours:,.0f} entries/s against {theirs:,.0f} rows/s"
                words += f"; the books follow at {books:,.0f}/s" if books else ""
                found.append((f"intake, verified and durable, {kind}", "intake", ours / theirs, words))
                words = f"the last {entries // ROUNDS:,} of {entries:,} entries against the first ones: {last:,.0f}/s"
                found.append((f"cost per entry as a log grows, {kind}", "growth", growth, words))
                alone, many = crowd(intake, terminals)
                words = f"{alone * 1e6:.0f} µs an entry of one terminal, {many * 1e6:.0f} µs of {terminals:,} at once"
                found.append((f"cost per entry of many terminals, {kind}", "crowd", many / alone, words))
                intake.store.close()
        finally:
            server.close()
    return found


def profile():
    with tempfile.TemporaryDirectory() as name:
        intake, sender = Intake(Path(name), f"sqlite:///{name}/hq.db"), Sender(1)
        intake.add(sender)
        bodies, _ = sender.bodies(10 * BATCH)
        seen = cProfile.Profile()
        seen.runcall(intake.send, sender, bodies)
        pstats.Stats(seen).sort_stats("tottime").print_stats(18)
        seen = cProfile.Profile()
        seen.runcall(book, intake.store, sender.terminal.hash)
        pstats.Stats(seen).sort_stats("tottime").print_stats(25)


def main():
    if "--profile" in sys.argv:
        return profile()
    given = [int(word) for word in sys.argv[1:]]
    for what, _, ratio, words in rows(*given):
        print(f"{what:<45} {ratio:6.2f}   {words}")
    return None


if __name__ == "__main__":
    main()
