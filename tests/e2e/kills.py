"""The long form of "killed at each recorded step": ``make kills KILLS=1000``.

Every kill is a SIGKILL of the real kiosk with its children, in a world of real processes (killing.py). What came of
each is appended to build/kills/<seed>.jsonl, so it may be stopped and goes on later; ``--report`` sums up what is
there. It ends with status 1 at the first thing that does not hold; that world's files are kept beside the record.
``--seed S --batch B [--visit V]`` plays one batch, or one visit of it, again. ``--xvfb`` gives each world a display.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from killing import Batch  # noqa: E402
from stage import entries  # noqa: E402

KILLS_A_BATCH = 30  # the ledger grows, and every start verifies all of it
LAST_ENTRIES = 12


class Record:
    """What came of every kill so far: a line of JSON each."""

    def __init__(self, folder, seed):
        self.folder, self.seed, self.path = folder, seed, folder / f"{seed}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, **told):
        line = json.dumps({"seed": self.seed, **told}, ensure_ascii=False) + "\n"
        with self.path.open("ab", buffering=0) as file:  # one write: jobs append side by side
            file.write(line.encode())

    def lines(self):
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def kills(self):
        return sum(each["what"] == "kill" for each in self.lines())

    def failed(self, batch, fault, **more):
        """The first word on a batch that did not hold is the one that counts."""
        if not any(each["what"] == "failure" and each["batch"] == batch for each in self.lines()):
            self.append(what="failure", batch=batch, fault=fault, **more)

    def next_batch(self):
        return 1 + max((each["batch"] for each in self.lines()), default=-1)


class Campaign:
    """Batches, some side by side, each in a process of its own, until there are so many kills."""

    def __init__(self, record, given):
        self._record, self._given = record, given
        self._turn, self._over = threading.RLock(), threading.Event()  # a signal may come in while we hold it
        self._running = {}  # process → kills it is to make, number of its batch
        self._next, self.status = record.next_batch(), 0

    def run(self):
        """Exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop())
        deadline = time.monotonic() + self._given.minutes * 60
        jobs = [threading.Thread(target=self._work) for _ in range(self._given.jobs)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(max(0.0, deadline - time.monotonic()))
        self.stop()
        for job in jobs:
            job.join()
        return self.status

    def stop(self):
        """Each job ends its visit and its batch in good order."""
        self._over.set()
        with self._turn:
            for process in self._running:
                process.terminate()

    def _work(self):
        while process := self._begin():
            status = process.wait()
            with self._turn:
                _, number = self._running.pop(process)
            say(f"· {self._record.kills()} kills")
            if status and not (self._over.is_set() and status == -signal.SIGTERM):  # stopped before it could listen
                self.status = 1
                self._record.failed(number, f"the batch ended with status {status}")
                self.stop()

    def _begin(self):
        """The next batch; None when enough are under way."""
        with self._turn:
            left = self._given.kills - self._record.kills() - sum(kills for kills, _ in self._running.values())
            if left <= 0 or self._over.is_set():
                return None
            kills, seed, folder = min(KILLS_A_BATCH, left), self._record.seed, self._record.folder
            command = ["--seed", seed, "--batch", self._next, "--kills", kills, "--folder", folder]
            program = [sys.executable, Path(__file__).resolve(), *command, *(["--xvfb"] if self._given.xvfb else [])]
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *map(str, program)], start_new_session=True)
            self._running[process] = kills, self._next
            self._next += 1
            return process


@contextmanager
def display(wanted):
    """An X server of our own, with a number nobody else has; without it SDL draws off screen, by the same OpenGL."""
    if not wanted:
        yield
        return
    command = ["setpriv", "--pdeathsig", "KILL", "Xvfb", "-displayfd", "1", "-screen", "0", "1400x1000x24"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        os.environ["DISPLAY"] = f":{server.stdout.readline().decode().strip()}"
        yield
    finally:
        server.kill()
        server.wait()


def play(record, number, kills, only, *, xvfb):
    """One batch in this process. Raises what does not hold, after it was recorded."""
    stopped = []
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stopped.append(True))
    with display(xvfb), tempfile.TemporaryDirectory(prefix="kills-") as short:  # a socket's path must be short
        batch = Batch(record.seed, number, Path(short) / "w", offscreen=not xvfb)
        begun, killed, visit = time.monotonic(), 0, 0

        def tell(told):
            nonlocal killed
            killed += told["what"] == "kill"
            at = {"t": round(time.monotonic() - begun, 1)}
            record.append(batch=number, vendor=batch.vendor, reader=batch.reader, **told, **at)

        tell({"what": "begun", "xvfb": xvfb})
        with batch:
            try:
                while killed < kills and not stopped and not batch.full and visit <= 2 * kills:
                    if only is None or visit == only:
                        batch.visit(visit, tell)
                    visit += 1
                batch.finish(tell)
            except Exception as fault:
                fail(record, number, visit, batch, fault)
                raise


def fail(record, number, visit, batch, fault):
    """All that is needed to see it, and to see it again."""
    world, kept = batch.world, record.folder / f"failed-{record.seed}-{number}"
    world.kiosk.pull_plug()  # nothing more happens in it
    log = entries(world)
    pictures = sorted(world.town.shots.glob("[0-9]*.png"))
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(batch.folder, kept, ignore=shutil.ignore_patterns("pcscd", "lines"))
    record.failed(number, repr(fault)[:500], visit=visit, vendor=batch.vendor)
    say(f"DOES NOT HOLD: seed {record.seed}, batch {number} ({batch.vendor}), visit {visit}: {fault!r}")
    say(f"  the acceptor: {world.look}")
    say(f"  the card: {batch.card.reading() if batch.card else 'none'}")
    for entry in log[-LAST_ENTRIES:]:
        say(f"  {entry.seq:4} {entry.kind:16} {dict(entry.data)} {list(entry.post)}")
    say(f"  the screen: {kept / 'screens' / pictures[-1].name if pictures else 'dark'}")
    say(f"  again: python tests/e2e/kills.py --seed {record.seed} --batch {number} --kills {KILLS_A_BATCH}")


def report(record):
    """What all the kills so far came to. Exit status: 0 when everything held."""
    lines = record.lines()
    kills = [each for each in lines if each["what"] == "kill"]
    visits = [each for each in lines if each["what"] == "visit" and each["result"] == "ok"]
    ended = [each for each in lines if each["what"] == "batch"]
    failures = [each for each in lines if each["what"] == "failure"]
    count("step in the ledger at death", (each["step"] for each in kills))
    count("how", (f"{each['how']} {each['when']}" for each in kills))
    count("vendor and reader", (f"{each['vendor']} {each['reader']}" for each in kills))
    count("acceptor at death", (each["acceptor"].lower() for each in kills))
    count("page at death", (each["page"].partition("-")[0] or "none yet" for each in kills))
    second, dark, out = (sum(each[key] for each in kills) for key in ("again", "blackout", "card_out"))
    say(f"{len(kills)} kills: {second} in the recovery from another, {dark} with the acceptor dark, too,")
    say(f"{out} with the card taken out before the kiosk was back")
    paid, booked = (sum(each["paid"] for each in some) for some in (visits, ended))
    say(f"{len(visits)} visits, {paid} fen paid; {booked} fen in the books of head office, from {len(ended)} batches")
    say(f"{sum(each['what'] == 'begun' for each in lines) - len(ended)} batches broken off, or under way")
    seconds = sum(each["seconds"] for each in visits)
    say(f"{seconds / 60:.1f} minutes of visits, {seconds / max(1, len(kills)):.1f} s a kill")
    for each in failures:
        say(f"DOES NOT HOLD: batch {each['batch']}, visit {each.get('visit', 'none')}: {each['fault']}")
    if not failures:
        say("0 fen lost, 0 fen doubled")
    return 1 if failures else 0


def count(name, words):
    say(f"{name}:")
    for word, times in Counter(words).most_common():
        say(f"  {times:5}  {word}")


def say(words):
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main(arguments):
    parser = argparse.ArgumentParser("kills.py", description="Kills the real kiosk, many times.")
    parser.add_argument("--kills", type=int, default=1000, help="how many the record shall have; default: 1000")
    parser.add_argument("--seed", type=int, default=1, help="the plans follow from it; default: 1")
    parser.add_argument("--jobs", type=int, default=1, help="worlds side by side; default: 1")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop after so long")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "kills", help="default: build/kills")
    parser.add_argument("--xvfb", action="store_true", help="each world has a display of its own")
    parser.add_argument("--report", action="store_true", help="only say what the record holds")
    parser.add_argument("--batch", type=int, help="play this batch only")
    parser.add_argument("--visit", type=int, help="of it, this visit only")
    given = parser.parse_args(arguments)
    record = Record(given.folder, given.seed)
    if given.batch is not None:
        play(record, given.batch, given.kills, given.visit, xvfb=given.xvfb)
        return 0
    status = 0 if given.report else Campaign(record, given).run()
    return max(status, report(record))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
