"""A terminal comes back after a month: catching up with the real head office, and what a sale feels of it.

    python tests/bench/bench_uplink.py [entries]         100,000 unless told; 1,000,000 is the long form

The real `kiosk sync` and `kiosk hq serve` on the loopback. Two things are held against limits of the same run: what an
entry costs in the last part of the road against the first part (it must not grow with the ledger), and how long a
durable append takes while the uplink works against how long it takes while nothing does.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hq"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ledger"))

from hq_server import Server, kiosk
from ledger_story import closed, stacked, written
from sync_bench import ORIGIN, new_journal, signer

from kiosk.model.clock import SystemClock
from kiosk.sync.state import SyncStateReader

ENTRIES = 100_000
TOGETHER = 99  # entries a commit: thirty-three sales
PACE_S = 0.02  # between two appends: far more than any customer asks for
PATIENCE_S = 3_600


def purchase(count):
    """One sale, with a purchase count of its own: the same one twice would be an alarm at head office."""
    sale = os.urandom(16)
    drafts = (written(sale=sale), closed(sale=sale))
    return [
        stacked(note=os.urandom(8), sale=sale),
        *(replace(each, data={**each.data, "count": count}) for each in drafts),
    ]


class Road:
    def __init__(self, folder, entries):
        self.folder = folder
        self.hq = Server(folder)
        self.journal = new_journal(folder / "ledger.db", SystemClock())
        while self.journal.size < entries:
            first = self.journal.size
            self.journal.append([draft for at in range(TOGETHER // 3) for draft in purchase(first + at)])
        kiosk("enrol", str(signer().vkey), "--data", self.hq.folder)
        (folder / "hq.vkey").write_text(f"{self.hq.vkey}\n")
        self.over = threading.Event()

    def append_for(self, done):
        """Latencies in ms of paced appends until ``done()``."""
        found = []
        while not done():
            begun = time.perf_counter()
            self.journal.append([stacked()])
            found.append((time.perf_counter() - begun) * 1000)
            self.over.wait(PACE_S)
        return found

    def office_size(self):
        with SyncStateReader(self.folder / "sync.db", ORIGIN) as reader:
            state, work = reader.state(), reader.work()
        if state.wanted_size:
            self.journal.sign(state.wanted_size)
        return work.office_size

    def catch_up(self, entries):
        """([(seconds, size at head office), …], latencies of appends meanwhile)."""
        words = ["sync", "--journal", self.folder / "ledger.db", "--state", self.folder / "sync.db"]
        words += ["--hq", self.hq.url, "--hq-vkey", self.folder / "hq.vkey"]
        with (self.folder / "said").open("w") as said:
            sync = subprocess.Popen([sys.executable, "-m", "kiosk", *map(str, words)], stderr=said)
        begun, seen = time.monotonic(), [(0.0, 0)]

        def done():
            size, now = self.office_size(), time.monotonic() - begun
            assert sync.poll() is None and now < PATIENCE_S, (self.folder / "said").read_text()[-2000:]
            if size > seen[-1][1]:
                seen.append((now, size))
            return size >= entries

        try:
            felt = self.append_for(done)
            return seen[1:], felt
        finally:
            sync.kill()
            sync.wait()


def growth(seen):
    """Cost of an entry in the last third against the first third; the first small requests are left out."""
    settled = [row for row in seen if row[1] > seen[-1][1] * 0.1]
    parts = len(settled) // 3
    first, last = settled[: parts + 1], settled[-parts - 1 :]
    return _cost(last) / _cost(first)


def _cost(part):
    return (part[-1][0] - part[0][0]) / (part[-1][1] - part[0][1])


def measured(entries=ENTRIES):
    """(growth, slowdown of the median append, words for each)."""
    with tempfile.TemporaryDirectory() as name:
        road = Road(Path(name), entries)
        road.hq.start()
        try:
            quiet_until = time.monotonic() + 3
            quiet = road.append_for(lambda: time.monotonic() > quiet_until)
            seen, busy = road.catch_up(entries)
        finally:
            road.hq.kill()  # its clerk may still be at the books
            road.journal.close()
    seconds, size = seen[-1]
    told = f"{size} entries in {seconds:.0f} s, {size / seconds:.0f}/s, in {len(seen)} requests"
    alone, meanwhile = statistics.median(quiet), statistics.median(busy)
    slow = statistics.quantiles(busy, n=100)[98]
    felt = f"{meanwhile:.2f} ms (99 %: {slow:.1f} ms) against {alone:.2f} ms without; {len(busy)} appends"
    return growth(seen), meanwhile / alone, told, felt


def rows(entries=ENTRIES):
    """For `make bench`."""
    grown, slowed, told, felt = measured(entries)
    return [
        ("catch-up: cost of an entry, late against early", "catch-up", grown, told),
        ("a durable append during a catch-up", "undisturbed", slowed, felt),
    ]


if __name__ == "__main__":
    for what, _, ratio, words in rows(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES):
        print(f"{what:<50} {ratio:6.2f}  {words}")
