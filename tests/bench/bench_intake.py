"""Head office's intake, verified and durable, against what the same database does with the same rows and no questions.

    python tests/bench/bench_intake.py [entries] [terminals]     # 1000000 1000 for the long form
    python tests/bench/bench_intake.py --profile                 # where the time goes, on SQLite
    python tests/bench/bench_intake.py --picture                 # the curve, 10^4 to 10^6: docs/pictures/hq-intake.svg
    python tests/bench/bench_intake.py --picture 1000 10000 --terminals 50 --out /tmp/try.svg   # small, to try it

Limits, in the same run, on the same disk, in transactions of the same size:

    sqlite      executemany of the rows, WAL and synchronous=FULL, set as ours
    postgresql  COPY into a staging table, INSERT … ON CONFLICT DO NOTHING from there: how one takes rows that may come
                twice, where nobody checks them

Ours: bodies as they come from the network → unpacked, decoded, signature, hashed into the tree, root compared, stored,
cosigned, COMMIT. The books follow the intake in the clerk's thread; what they cost is told beside it. Rounds alternate,
because a disk has moods; a ratio is that of the medians.
"""

import argparse
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
from contextlib import contextmanager
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
CURVE = (10_000, 100_000, 1_000_000)  # entries of one terminal, and of many together
CROWD = 1_000  # terminals
SAMPLE = 5  # batches timed at each size
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


def grown(intake, limit, sizes):
    """µs an entry of one terminal, and µs a row of the limit, medians of the last batches before each size."""
    sender, found = Sender(1), []
    intake.add(sender)
    for size in sizes:
        batch = min(BATCH, size // 2)
        sample = min(SAMPLE, max(1, (size - sender.sent) // 2 // batch)) * batch
        while (rest := size - sample - sender.sent) > 0:
            _both_take(intake, limit, sender, min(rest, SAMPLE * BATCH), batch)
        taken = [_both_take(intake, limit, sender, batch, batch) for _ in range(sample // batch)]
        found.append((size, *(statistics.median(column) * 1e6 / batch for column in zip(*taken, strict=True))))
    return found


def _both_take(intake, limit, sender, count, batch):
    """Seconds of ours and of the limit, for the same next entries."""
    first = sender.sent
    bodies, made = sender.bodies(count, batch)
    rows = [(1, first + place, entry, leaf) for place, (_, entry, leaf) in enumerate(made)]
    theirs = timed(partial(put_all, limit, rows))
    return timed(partial(intake.send, sender, bodies)), theirs


def crowded(intake, limit, sizes, terminals):
    """The same for many terminals at once, by all entries together: a request of a few entries from each is timed."""
    senders, found = [Sender(100 + place) for place in range(terminals)], []
    for sender in senders:
        intake.add(sender)
    few = max(1, sizes[0] // terminals)
    with ThreadPoolExecutor(THREADS) as pool:
        for size in sizes:
            rounds = min(SAMPLE, (size // terminals - senders[0].sent) // few)
            while (rest := size // terminals - rounds * few - senders[0].sent) > 0:
                _crowd_takes(pool, intake, limit, senders, min(rest, EACH))
            taken = [_crowd_takes(pool, intake, limit, senders, few) for _ in range(rounds)]
            medians = (statistics.median(column) for column in zip(*taken, strict=True))
            found.append((size, *(spent * 1e6 / (few * terminals) for spent in medians)))
    return found


def _crowd_takes(pool, intake, limit, senders, count):
    sends, puts = [], []
    for log, sender in enumerate(senders, 2):
        first = sender.sent
        bodies, made = sender.bodies(count, count)
        puts.append(([(log, first + place, entry, leaf) for place, (_, entry, leaf) in enumerate(made)],))
        sends.append((sender, bodies))
    theirs = both(pool, limit.put, puts)
    return both(pool, intake.send, sends), theirs


def curve(sizes, terminals):
    """Database → rows of ``grown``, and of ``crowded``."""
    one, many = {}, {}
    with databases() as kinds:
        for kind, (folder, url, limit) in kinds.items():
            intake = Intake(folder, url)
            one[kind] = told(f"{kind}, one terminal", grown(intake, limit, sizes))
            many[kind] = told(f"{kind}, {terminals} terminals", crowded(intake, limit, sizes, terminals))
            intake.store.close()
    return one, many


def told(what, found):
    for size, ours, limit in found:
        print(f"{what:<28} {size:>10,} entries: {ours:7.1f} µs an entry, {limit:7.1f} µs a row", flush=True)
    return found


@contextmanager
def databases():
    """Name → (folder, ours, the limit's)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(**dict.fromkeys(LIGHT, "on"))
        try:
            ours, theirs = server.url(server.create(name="hq")), server.url(server.create(name="other"))
            yield {
                "SQLite": (folder / "SQLite", f"sqlite:///{folder}/hq.db", Sqlite(folder / "limit.db")),
                "PostgreSQL": (folder / "PostgreSQL", ours, Postgres(theirs)),
            }
        finally:
            server.close()


def rows(entries=ENTRIES, terminals=TERMINALS):
    """For ``make bench``: (what, key, ratio, words)."""
    found = []
    with databases() as kinds:
        for kind, (folder, url, limit) in kinds.items():
            intake = Intake(folder, url)
            found += _rows_of(kind, intake, limit, entries, terminals)
            intake.store.close()
    return found


def _rows_of(kind, intake, limit, entries, terminals):
    ours, theirs, books, growth, last = compare(intake, limit, entries)
    words = f"{ours:,.0f} entries/s against {theirs:,.0f} rows/s"
    words += f"; the books follow at {books:,.0f}/s" if books else ""
    yield f"intake, verified and durable, {kind}", "intake", ours / theirs, words
    words = f"the last {entries // ROUNDS:,} of {entries:,} entries against the first ones: {last:,.0f}/s"
    yield f"cost per entry as a log grows, {kind}", "growth", growth, words
    alone, many = crowd(intake, terminals)
    words = f"{alone * 1e6:.0f} µs an entry of one terminal, {many * 1e6:.0f} µs of {terminals:,} at once"
    yield f"cost per entry of many terminals, {kind}", "crowd", many / alone, words


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
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--picture", action="store_true")
    parser.add_argument("--terminals", type=int, default=CROWD, help="of the picture")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.picture:
        import picture

        sizes = tuple(given.sizes) or CURVE
        one, many = curve(sizes, given.terminals)
        few = max(1, sizes[0] // given.terminals)
        picture.write_intake(one, many, given.terminals, few, *([given.out] if given.out else []))
        return None
    for what, _, ratio, words in rows(*given.sizes):
        print(f"{what:<45} {ratio:6.2f}   {words}")
    return None


if __name__ == "__main__":
    main()
