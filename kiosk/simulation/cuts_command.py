"""`kiosk powercuts`: the plug pulled again and again; a failure is made small, and told with its command."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from kiosk.simulation.powercuts import Failure, Place, PowerCuts, Tally
from kiosk.simulation.scene import Rig

SHOW_S = 2.0
ENTRIES_SHOWN = 40

Told = tuple[Tally, Failure | None]


def main(arguments: Sequence[str]) -> int:
    """Exit status 1: something was lost, doubled, or said and not so."""
    parser = argparse.ArgumentParser("kiosk powercuts", description="Pulls the plug below SQLite, at every operation.")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--cuts", type=int, default=10_000, help="how many at least; default: 10000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: one a core")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every so many cuts of a story")
    parser.add_argument("--replay", metavar="PLACE", help="one cut again, as a failure names it")
    parser.add_argument("--without", default="", metavar="STEPS", help="leave out these steps of the story: 3,4")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # a kiosk whose disk fails says so, a thousand times
    folder = tempfile.mkdtemp(prefix="kiosk-cuts-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    try:
        if given.replay:
            return _replay(Path(folder), given.seed, given.replay, given.without)
        return _run(Path(folder), given.seed, given.cuts, max(1, given.jobs), max(1, given.every))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, seed: int, cuts: int, jobs: int, every: int) -> int:
    total, began, shown, number = Tally(), time.monotonic(), 0.0, 0
    failure: Failure | None = None
    with ProcessPoolExecutor(jobs, initializer=_at_home, initargs=(folder,)) as pool:
        waiting: set[Future[Told]] = set()
        while not failure and (waiting or total.cuts < cuts):
            while len(waiting) < 2 * jobs and total.cuts < cuts:
                waiting.add(pool.submit(_one_story, folder, seed, number, every))
                number += 1
            done, waiting = wait(waiting, SHOW_S, FIRST_COMPLETED)
            for each in done:
                tally, found = each.result()
                total.add(tally)
                failure = failure or found
            if time.monotonic() - shown > SHOW_S:
                shown = time.monotonic()
                sys.stderr.write(f"\r{total.cuts:,} cuts, {total.stories} stories, {shown - began:.0f} s ")
                sys.stderr.flush()
        pool.shutdown(cancel_futures=True)
    sys.stderr.write("\r")
    if failure:
        sys.stdout.write(_story_of(seed, *_shortened(folder, seed, failure, every)))
        return 1
    sys.stdout.write(_account_of(seed, total, time.monotonic() - began))
    return 0


def _at_home(folder: Path) -> None:
    gc.set_threshold(50_000)  # worlds by the thousand, each small
    logging.disable(logging.CRITICAL)
    tempfile.tempdir = str(folder)


def _cuts(folder: Path, seed: int, every: int = 1) -> PowerCuts:
    mine = folder / str(os.getpid())
    mine.mkdir(exist_ok=True)
    return PowerCuts(Rig(mine / "journal.db"), seed, thin=every)


def _one_story(folder: Path, seed: int, number: int, every: int) -> Told:
    cuts = _cuts(folder, seed, every)
    failure = next(cuts.explore(number, cuts.story(number)), None)
    return cuts.tally, failure


def _shortened(folder: Path, seed: int, failure: Failure, every: int) -> tuple[Failure, tuple[int, ...]]:
    """The same story with every step left out that the failure does not need; and which those are."""
    cuts = _cuts(folder, seed, every)
    left_out: tuple[int, ...] = ()
    for step in reversed(range(len(failure.story.steps))):
        fewer = tuple(sorted((*left_out, step)))
        again = next(cuts.explore(failure.place.story, cuts.story(failure.place.story, fewer)), None)
        if again:
            failure, left_out = again, fewer
    return failure, left_out


def _replay(folder: Path, seed: int, words: str, without: str) -> int:
    cuts, place = _cuts(folder, seed), Place.parse(words)
    left_out = tuple(int(step) for step in without.split(",") if step)
    failure = cuts.play(cuts.story(place.story, left_out), place)
    sys.stdout.write(_story_of(seed, failure, left_out) if failure else f"{place}: nothing lost, nothing doubled\n")
    return 1 if failure else 0


def _story_of(seed: int, failure: Failure, left_out: tuple[int, ...]) -> str:
    story, place = failure.story, failure.place
    lines = [f"seed {seed}, cut {place}", *(f"  WRONG: {words}" for words in failure.wrong), ""]
    lines += [f"story “{story.name}”, acceptor “{story.temper}”, {'long' if story.long_log else 'short'} log,"]
    lines += [f"checkpoints every {story.checkpoint_pages} pages, {story.ruins} bytes ruined by a cut:"]
    lines += [f"  {' '.join(step).strip()}" for step in story.steps]
    if place.cut:
        lines += [f"cut {place.cut.when} operation {place.cut.at}: {failure.operation}"]
    lines += [
        "",
        "the ledger, when everybody had been back:",
        *(f"  {e}" for e in failure.entries[-ENTRIES_SHOWN:]),
        "",
    ]
    without = f" --without {','.join(map(str, left_out))}" if left_out else ""
    return "\n".join([*lines, f"again: python -m kiosk powercuts --seed {seed} --replay {place}{without}", ""])


def _account_of(seed: int, total: Tally, seconds: float) -> str:
    kinds = ", ".join(f"{what} {times:,}" for what, times in total.by_operation.most_common())
    return (
        f"seed {seed}: {total.cuts:,} cuts in {total.stories} stories, {total.kills:,} of them of the process alone;\n"
        f"at: {kinds};\n0 fen lost, 0 doubled. {seconds:.0f} s, {total.cuts / seconds:.0f} cuts/s\n"
    )
