"""`make bench`: every speed as a ratio to a limit measured in the same run. Exit status 1 if one misses its target."""

import sys
import tempfile
from pathlib import Path

import bench_card_in
import bench_driver
import bench_intake
import bench_ledger
import bench_screen
import bench_uplink
import bench_verify
import bench_visit

TARGETS = {  # what is wanted of each ratio: (at least, at most)
    "appends": (0.8, None),  # of raw rows; several that append at the same time
    "appends alone": (0.35, None),  # the faster the disk, the more the signature counts
    "verify": (0.25, None),  # of SHA-256 over the same leaves and nodes, one core
    "verify cores": (0.7, None),  # of as many times one core's rate
    "verify memory": (None, 1.25),
    "intake": (0.7, None),  # verified and durable, of the same rows put into the same database without a question
    "growth": (None, 1.3),  # an entry's cost as a log grows, by the limit's
    "crowd": (None, 1.5),  # an entry's cost of many terminals at once, by one terminal's
    "visit": (None, 3.0),
    "call": (None, 3.0),  # of the same call in process and as many messages through a bare pipe
    "native start": (None, 2.5),  # of a bare interpreter
    "python start": (None, 5.0),  # a Python driver is compiled, and loads what it imports
    "card in": (None, 3.0),
    "first frame": (None, 6.0),
    "memory": (None, 2.0),
    "catch-up": (None, 1.5),  # an entry's cost in the last third of 100,000 against the first
    "undisturbed": (None, 2.5),  # a durable append while the uplink and head office work on the same two cores
    "idle": (None, 0.05),  # of one core, on top of the empty window's
}


def main():
    rows = [
        *ledger_rows(),
        *bench_verify.rows(),
        *bench_driver.rows(),
        *bench_card_in.rows(),
        *bench_uplink.rows(),
        *bench_intake.rows(),
    ]
    empty_s, empty_mb, empty_idle = bench_screen.empty_window()
    for name, folder in (
        (name, bench_visit.VENDORS[name]) for name in bench_driver.VENDORS
    ):  # a memory card, a CPU card
        kiosk_ms, wire_ms, disk_ms, first_s, memory, idle = bench_visit.visit(folder)
        limit_ms = wire_ms + disk_ms
        words = f"{kiosk_ms:.0f} ms against {wire_ms:.1f} ms of card and {disk_ms:.1f} ms of disk"
        rows.append((f"last note to take-your-card, {name}", "visit", kiosk_ms / limit_ms, words))
    words = f"{first_s:.2f} s against {empty_s:.2f} s of an empty window"
    rows.append(("first frame of the real kiosk", "first frame", first_s / empty_s, words))
    rows.append(
        ("memory", "memory", memory / empty_mb, f"{memory:.0f} MB against {empty_mb:.0f} MB of an empty window")
    )
    words = f"{idle:.1%} of a core against {empty_idle:.1%} of an empty window"
    rows.append(("idle CPU, above the empty window's", "idle", idle - empty_idle, words))
    missed = 0
    for what, key, ratio, words in rows:
        least, most = TARGETS[key]
        good = (least is None or ratio >= least) and (most is None or ratio <= most)
        missed += not good
        wanted = f"at least {least}" if least is not None else f"at most {most}"
        print(f"{'  ' if good else '✗ '}{what:<40} {ratio:6.2f}  wanted {wanted:<14} {words}")
    return 1 if missed else 0


def ledger_rows():
    with tempfile.TemporaryDirectory() as folder:
        rates = bench_ledger.appends(Path(folder), 1.0)
    for what, key, name in (
        (f"signed durable appends, {bench_ledger.CROWD} at a time", "appends", "crowd"),
        ("signed durable appends, one at a time", "appends alone", "ledger"),
    ):
        words = f"{rates[name]:.0f}/s against {rates['raw']:.0f}/s raw SQLite rows, both durable"
        yield what, key, rates[name] / rates["raw"], words


if __name__ == "__main__":
    sys.exit(main())
