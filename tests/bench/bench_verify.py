"""How fast a long log is checked, and in how much memory.

    python tests/bench/bench_verify.py [entries …] [--picture]

The limit, measured in the same run, over the same bytes in memory: SHA-256 of each leaf and of each node, and nothing
else. Checking does that, reads the files, and holds every entry, sum, closing, tile and signature. Times are processor
time where one process works (others may use the machine), and the clock's where several do.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from long_log import make_export, terminal_signer

from kiosk.ledger.crew import cores
from kiosk.ledger.tiles import read_entries
from kiosk.ledger.verify import export_size, finish, verify_export

ENTRIES = 1_000_000  # for `make bench`
FEW = 30_000
CURVE = (10_000, 100_000, 1_000_000, 10_000_000)
SAMPLE = 65_536
ROUNDS = 3


def bare_rate(folder):
    """Entries a second of one core: their leaf hashes, and the hashes of the nodes above."""
    raws = []
    for raw in read_entries(folder, export_size(folder)):
        raws.append(raw)
        if len(raws) == SAMPLE:
            break
    raws = raws[: 1 << len(raws).bit_length() - 1]
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        hashes = [sha256(b"\0" + raw).digest() for raw in raws]
        while len(hashes) > 1:
            hashes = [
                sha256(b"\1" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=True)
            ]
        taken.append(time.process_time() - begun)
    return len(raws) / statistics.median(taken)


def checked(folder, workers):
    """Seconds by the clock, processor seconds, and MB at most, of a process that checks this export."""
    command = [sys.executable, __file__, "--check", str(folder), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check(folder, workers):
    begun, worked = time.perf_counter(), time.process_time()
    report = finish(verify_export(folder, [terminal_signer().vkey], workers))
    spent = time.perf_counter() - begun, time.process_time() - worked
    assert report.good and not report.own_key, report.problems[:3]
    status = Path("/proc/self/status").read_text().splitlines()  # getrusage would tell our parent's, if that was more
    own = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps([*spent, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))


def rows():
    """For run.py."""
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name, "small"), Path(name, "large")
        make_export(small, FEW)
        size = make_export(large, ENTRIES)
        bare = bare_rate(large)
        runs = [checked(large, 1) for _ in range(ROUNDS)]
        alone = size / statistics.median(run[1] for run in runs)
        clock = size / statistics.median(run[0] for run in runs)
        words = f"{alone:.0f} entries/s against {bare:.0f}/s of SHA-256 alone, one core"
        yield "a log checked, one core", "verify", alone / bare, words
        together = size / statistics.median(checked(large, cores())[0] for _ in range(ROUNDS))
        words = f"{together:.0f} entries/s by {cores()} processes against {clock:.0f}/s by one"
        yield "a log checked, all cores, by the number of cores", "verify cores", together / clock / cores(), words
        few, many = checked(small, 1)[2], runs[0][2]
        words = f"{many:.0f} MB for {size} entries against {few:.0f} MB for {FEW}"
        yield "memory of checking, long log to short", "verify memory", many / few, words


def curve(sizes):
    """One row a size: entries, bare/s, one core/s, all cores/s, MB of one process, MB of one of several."""
    found = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as name:
            size = make_export(Path(name), count)
            bare = bare_rate(Path(name))
            _, worked, alone_mb, _ = checked(Path(name), 1)
            clock, _, _, crew_mb = checked(Path(name), cores())
            found.append((size, bare, size / worked, size / clock, alone_mb, crew_mb))
            print(" ".join(f"{value:12.0f}" for value in found[-1]), f"{size / worked / bare:8.2f}", flush=True)
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or CURVE
        found = curve(sizes)
        if "--picture" in sys.argv:
            import picture

            picture.write(found)
