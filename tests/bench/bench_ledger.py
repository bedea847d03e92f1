"""Rates of the ledger, held against what the same disk gives SQLite without it.

    python tests/bench/bench_ledger.py [seconds a round] [folder]

Raw: one row of the same bytes a transaction, WAL and synchronous=FULL, in the same folder. Rounds alternate, because a
disk has moods; the ratio is that of the medians. The ledger twice: one that appends alone, and several that append at
the same time and share commits (``kiosk.ledger.group``); raw SQLite gives several no more than one.
"""

import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from ledger_story import make_journal, stacked

from kiosk.ledger.entry import decode, encode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.verify import finish, verify_journal

ROUNDS = 5
CROWD = 8  # that append at the same time
ALONE_WANTED, CROWD_WANTED = 0.5, 0.8


def rate(action, seconds):
    """Calls a second."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        action()
        count += 1
    return count / (time.perf_counter() - start)


def crowd_rate(action, seconds):
    """Calls a second of several at the same time."""
    counts, begun = [0] * CROWD, threading.Barrier(CROWD + 1)

    def work(at):
        begun.wait()
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            action()
            counts[at] += 1

    threads = [threading.Thread(target=work, args=(at,)) for at in range(CROWD)]
    for thread in threads:
        thread.start()
    begun.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


def raw_table(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT")
    return connection


def appends(folder, seconds):
    with make_journal(folder / "ledger.db") as journal:
        (entry,) = journal.append([stacked()])
        bytes_ = encode(entry)
        raw = raw_table(folder / "raw.db")
        rates = {"raw": [], "ledger": [], "crowd": []}
        for _ in range(ROUNDS):
            rates["raw"].append(rate(lambda: raw.execute("INSERT INTO entry (bytes) VALUES (?)", (bytes_,)), seconds))
            rates["ledger"].append(rate(lambda: journal.append([stacked()]), seconds))
            rates["crowd"].append(crowd_rate(lambda: journal.append([stacked()]), seconds))
        raw.close()
        print(f"entry of {len(bytes_)} bytes, {ROUNDS} rounds of {seconds} s each, {journal.size} entries at the end")
        return {name: statistics.median(found) for name, found in rates.items()}


def reading(folder, seconds):
    with JournalReader(folder / "ledger.db") as log:
        start = time.perf_counter()
        report = finish(verify_journal(log))
        spent = time.perf_counter() - start
        (raw,) = log.entries(1, 2)
    assert report.good
    print(f"verify with every checkpoint  {report.size / spent:10.0f} entries/s")
    print(f"decode, strict                {rate(lambda: decode(raw), seconds):10.0f} /s")
    entry = decode(raw)
    print(f"encode                        {rate(lambda: encode(entry), seconds):10.0f} /s")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        medians = appends(Path(name), seconds)
        alone, crowd = medians["ledger"] / medians["raw"], medians["crowd"] / medians["raw"]
        print(f"raw durable single rows       {medians['raw']:10.0f} /s")
        print(f"signed durable appends, alone {medians['ledger']:10.0f} /s")
        print(f"ratio                         {alone:10.2f}   wanted {ALONE_WANTED} or more")
        print(f"signed durable appends, of {CROWD}  {medians['crowd']:10.0f} /s")
        print(f"ratio                         {crowd:10.2f}   wanted {CROWD_WANTED} or more")
        reading(Path(name), seconds)
    return 0 if alone >= ALONE_WANTED and crowd >= CROWD_WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
