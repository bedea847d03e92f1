"""`kiosk simulate`: town after town from one seed, on all cores; a failure is made small, and told as a story."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kiosk.model.money import Money
from kiosk.simulation.town.chance import RATES
from kiosk.simulation.town.town import Town

ROOT = Path(__file__).resolve().parents[3]
VENDORS = ("rdk", "nlt", "tly", "hld", "opg")
VISITS_A_TOWN = 60
SHOW_S = 1.0
OFTEN = 10
STORY_LINES = 60
TOLD_WHOLE = 2  # failures that are made small; the others are only named


@dataclass(frozen=True, slots=True)
class Plan:
    """What a town is made of."""

    vendors: tuple[Path, ...]
    protocols: tuple[str, ...] = ("ccnet", "ccnet")
    visits: int = VISITS_A_TOWN
    without: frozenset[str] = frozenset()  # faults that do not happen
    often: frozenset[str] = frozenset()  # faults that happen ten times as often

    @property
    def rates(self) -> Mapping[str, float]:
        """How likely each fault is."""
        rates = {fault: rate * (OFTEN if fault in self.often else 1) for fault, rate in RATES.items()}
        return {fault: 0.0 if fault in self.without else rate for fault, rate in rates.items()}


@dataclass(slots=True)
class Told:
    """What became of a town."""

    seed: str
    visits: int = 0
    lives: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    sold_fen: int = 0
    lost_notes: int = 0
    vouchers: Counter[str] = field(default_factory=Counter)
    sold_twice: int = 0
    sticks: Counter[str] = field(default_factory=Counter)
    broken: str = ""  # what did not hold
    where: str = ""
    story: tuple[str, ...] = ()


def live(seed: str, plan: Plan, *, with_story: bool = False) -> Told:
    """One town from its first visit until all has come to rest."""
    told = Told(seed)
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared, prefix="kiosk-town-") as folder:
        town = Town(seed, plan.vendors, Path(folder), plan.protocols, plan.rates)
        if with_story:
            town.chance.story = []
        try:
            town.run(plan.visits)
            town.come_to_rest()
            result = town.check()
        except Exception as error:  # noqa: BLE001 — whatever the kiosk's code raises is a finding
            told.broken = f"{type(error).__name__}: {error}"
            frames = traceback.extract_tb(error.__traceback__)
            told.where = "\n".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-6:])
            told.story = tuple(town.chance.story or ())
        else:
            told.lives, told.sold_fen, told.lost_notes = result.lives, result.sold_fen, result.lost_notes
            told.vouchers, told.sold_twice, told.sticks = result.vouchers, result.sold_twice, result.sticks
        finally:
            town.close()
        told.visits, told.faults = town.visits, town.chance.counts
    return told


def smaller(seed: str, plan: Plan) -> Plan:
    """The fewest visits, and the fewest kinds of faults, with which this seed still fails."""
    least = plan
    low, high = 1, plan.visits
    while low < high:
        middle = (low + high) // 2
        tried = replace(plan, visits=middle)
        if live(seed, tried).broken:
            high, least = middle, tried
        else:
            low = middle + 1
    for fault in live(seed, least).faults:
        tried = replace(least, without=least.without | {fault})
        if live(seed, tried).broken:
            least = tried
    return least


def main(rest: Sequence[str]) -> int:
    """The command. 0 if everything held, 1 if not, 2 if asked wrongly."""
    parser = argparse.ArgumentParser(
        "python -m kiosk simulate", description="Whole towns in simulated time; every fault from one seed. 全镇模拟"
    )
    parser.add_argument("--seed", default="1", help="any text; the same seed is the same town")
    parser.add_argument("--visits", type=int, default=600, help="customers' visits in all, %(default)s")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes, %(default)s")
    parser.add_argument("--town", default="", help="only this town of the seed, with its story")
    parser.add_argument("--without", default="", help="faults that do not happen, with commas between them")
    parser.add_argument("--often", default="", help="faults that happen ten times as often")
    parser.add_argument("--protocols", default="ccnet,ccnet", help="of each kiosk's note acceptor, %(default)s")
    parser.add_argument("--vendors", default=",".join(VENDORS), help="vendors' folders in build/vendors, %(default)s")
    args = parser.parse_args(rest)
    folders = tuple(ROOT / "build" / "vendors" / name for name in args.vendors.split(","))
    missing = [folder for folder in folders if not (folder / "vendor.toml").exists()]
    if missing or args.visits < 1 or args.jobs < 1:
        sys.stderr.write(
            f"no such folder: {', '.join(map(str, missing))}; `make setup` builds them\n" if missing else ""
        )
        return 2
    without, often = (frozenset(filter(None, words.split(","))) for words in (args.without, args.often))
    plan = Plan(folders, tuple(args.protocols.split(",")), min(VISITS_A_TOWN, args.visits), without, often)
    if args.town:
        return _one(args.town, replace(plan, visits=args.visits), args.seed)
    return _many(args.seed, plan, -(-args.visits // VISITS_A_TOWN), args.jobs)


def _one(town: str, plan: Plan, seed: str) -> int:
    _quietly()
    told = live(f"{seed}/{town}", plan, with_story=True)
    sys.stdout.write("\n".join(told.story[-STORY_LINES:]) + "\n" if told.story else "")
    sys.stdout.write(f"{told.broken or 'everything held'}\n{told.where}\n")
    return 1 if told.broken else 0


def _many(seed: str, plan: Plan, towns: int, jobs: int) -> int:
    begun, shown = time.monotonic(), 0.0
    total, failed = Told(seed), []
    for done, told in enumerate(_lived(seed, plan, towns, jobs), 1):
        total.visits += told.visits
        total.lives += told.lives
        total.faults += told.faults
        total.sold_fen += told.sold_fen
        total.lost_notes += told.lost_notes
        total.vouchers += told.vouchers
        total.sold_twice += told.sold_twice
        total.sticks += told.sticks
        if told.broken:
            failed.append(told)
            sys.stderr.write(f"\ntown {told.seed}: {told.broken}\n")
        if time.monotonic() - shown > SHOW_S or done == towns:
            shown = time.monotonic()
            pace = total.visits / max(shown - begun, 0.001) * 60
            sys.stderr.write(
                f"\r{done}/{towns} towns  {total.visits:,} visits  {total.faults.total():,} faults  "
                f"{len(failed)} broken  {pace:,.0f} visits/min "
            )
            sys.stderr.flush()
    sys.stderr.write("\n")
    sys.stdout.write(_summary(total, towns, len(failed)))
    sys.stdout.write("".join(f"  town {told.seed}: {told.broken}\n" for told in failed))
    for told in failed[:TOLD_WHOLE]:
        sys.stdout.write(_failure(told, plan, seed))
    return 1 if failed else 0


def _lived(seed: str, plan: Plan, towns: int, jobs: int) -> Iterator[Told]:
    names = [f"{seed}/{town}" for town in range(towns)]
    _quietly()
    if jobs == 1:
        yield from map(partial(live, plan=plan), names)
        return
    with ProcessPoolExecutor(jobs, initializer=_quietly) as pool:
        for future in as_completed([pool.submit(live, name, plan) for name in names]):
            yield future.result()


def _quietly() -> None:
    """What kiosks log while the world breaks around them would fill the disk."""
    logging.disable(logging.CRITICAL)


def _summary(total: Told, towns: int, broken: int) -> str:
    rows = "".join(f"  {count:>9,}  {fault}\n" for fault, count in total.faults.most_common())
    return (
        f"{towns:,} towns, {total.visits:,} visits, {total.lives:,} processes, {total.faults.total():,} faults:\n{rows}"
        f"sold {Money(total.sold_fen)}; notes left to people by name: {total.lost_notes}\n"
        f"vouchers: {', '.join(f'{count} {what}' for what, count in total.vouchers.most_common()) or 'none'}\n"
        f"sticks: {total.sticks['rounds']} rounds carried everything, {total.sticks['taken']} ledgers were taken\n"
        f"purchases that two kiosks sold, told to people by head office: {total.sold_twice}\n"
        f"{broken} broken\n"
    )


def _failure(told: Told, plan: Plan, seed: str) -> str:
    least = smaller(told.seed, plan)
    again = live(told.seed, least, with_story=True)
    town = told.seed.removeprefix(f"{seed}/")
    vendors = ",".join(folder.name for folder in plan.vendors)
    without = f' --without "{",".join(sorted(least.without))}"' if least.without else ""
    without += f' --often "{",".join(sorted(least.often))}"' if least.often else ""
    story = "\n".join(again.story[-STORY_LINES:])
    return (
        f"\n{again.broken}\n{again.where}\n\n{story}\n\ncommit {_commit()}; again:\n"
        f"  python -m kiosk simulate --seed {seed} --town {town} --visits {least.visits}"
        f" --protocols {','.join(plan.protocols)} --vendors {vendors}{without}\n"
    )


def _commit() -> str:
    try:
        asked = subprocess.run(
            ("git", "rev-parse", "--short", "HEAD"), check=False, capture_output=True, text=True, cwd=ROOT
        )
    except OSError:
        return "unknown"
    return asked.stdout.strip() or "unknown"
