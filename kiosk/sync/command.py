"""``kiosk sync``: the uplink's process. The kiosk starts it, and it ends with the kiosk.

It reads the journal and writes only its own state file, so it may be killed at any moment: SIGTERM has its default
action, which holds even where a name server does not answer. An exchange that never ends is ended with the process,
and the kiosk starts another one. For processor and disk it stands behind the kiosk.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import HEAD_OFFICE, Vkey
from kiosk.model.clock import SystemClock
from kiosk.model.errors import KioskError, LedgerFault
from kiosk.sync.door import Door
from kiosk.sync.downlink.loop import DownlinkLoop, Rhythm
from kiosk.sync.downlink.round import Place
from kiosk.sync.downlink.sources import HttpSource
from kiosk.sync.line import Line, Pacing
from kiosk.sync.outbox import Outbox
from kiosk.sync.state import SyncStateFile
from kiosk.sync.uplink import Pace, Uplink

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

GOOD, WRONG, USAGE = 0, 1, 2
TURN_MAX_S = 3_600  # a full batch on the slowest line takes less
NICENESS = 15  # the kernel takes the disk's priority from it as well (ioprio_set(2): the lowest of "best effort")
PARENT_LOOK_S = 0.5


def add_parsers(subparsers: Subparsers) -> None:
    """Adds ``sync`` to an argparse ``subparsers``; it sets ``run(arguments) -> exit code``: 0, 1 fault, 2 usage."""
    pace = Pace()
    sync = subparsers.add_parser(
        "sync",
        help="send the ledger to head office (started by the kiosk)",
        description="Sends the ledger to head office until it is ended, or the process that started it is.",
    )
    sync.add_argument("--journal", type=Path, required=True, metavar="FILE", help="the ledger; only read")
    sync.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="what is known of head office; made if new"
    )
    sync.add_argument(
        "--hq", required=True, metavar="URL", help="what stands before /v1, e.g. https://hq.power.example"
    )
    sync.add_argument(
        "--hq-vkey", type=Path, required=True, metavar="FILE", help="head office's public keys, one a line"
    )
    sync.add_argument(
        "--retry-min-ms", type=_milliseconds, default=pace.retry_min_ms, metavar="N", help="first back-off"
    )
    sync.add_argument(
        "--retry-max-ms", type=_milliseconds, default=pace.retry_max_ms, metavar="N", help="longest back-off"
    )
    sync.add_argument("--heartbeat-ms", type=_milliseconds, default=pace.heartbeat_ms, metavar="N", help="sign of life")
    sync.add_argument(
        "--limit-kbit-s", type=_kilobits, default=0, metavar="N", help="neither way faster; default: 0, no limit"
    )
    sync.add_argument(
        "--parent", type=int, default=0, metavar="PID", help="process to end with; default: who started it"
    )
    sync.add_argument("--downlink", type=Path, metavar="DIR", help="what head office publishes is put here, verified")
    sync.add_argument("--tuf-root", type=Path, metavar="FILE", help="head office's root, as given at enrolment")
    sync.add_argument("--downlink-poll-ms", type=_milliseconds, default=Rhythm().poll_ms, metavar="N", help="how often")
    sync.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the uplink; returns only when it cannot begin."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    os.nice(NICENESS)
    threading.Thread(target=_end_with, args=(arguments.parent or os.getppid(),), daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    url = urlsplit(arguments.hq)
    if url.scheme not in ("http", "https") or not url.hostname:
        sys.stderr.write(f"sync: --hq {arguments.hq} is no address; give one like https://hq.power.example\n")
        return USAGE
    if arguments.retry_min_ms > arguments.retry_max_ms:
        sys.stderr.write("sync: --retry-min-ms is longer than --retry-max-ms\n")
        return USAGE
    try:
        uplink = _open(arguments)
    except KioskError as fault:
        sys.stderr.write(f"sync: {fault}\n")
        return WRONG
    if arguments.downlink is not None and arguments.tuf_root is not None:
        _downlink(arguments).start()
    while True:
        faulthandler.dump_traceback_later(TURN_MAX_S, exit=True)
        wait_ms = uplink.turn()
        faulthandler.cancel_dump_traceback_later()
        time.sleep(wait_ms / 1000)


def head_office_keys(path: Path) -> list[Vkey]:
    """Head office's keys out of a list of vkeys, one a line; it may hold terminals' too. Raises LedgerFault L-505."""
    try:
        vkeys = [Vkey.parse(line) for line in path.read_text(encoding="ascii").splitlines() if line]
    except (OSError, UnicodeDecodeError, LedgerFault) as error:
        raise LedgerFault("L-505", f"head office's public key cannot be read from {path}: {error}") from error
    keys = [vkey for vkey in vkeys if vkey.type == HEAD_OFFICE]
    if not keys:
        raise LedgerFault("L-505", f"{path} holds no key of head office; `kiosk hq vkey` there prints it")
    return keys


def _open(arguments: argparse.Namespace) -> Uplink:
    head_offices = head_office_keys(arguments.hq_vkey)
    try:
        journal = JournalReader(arguments.journal)
    except LedgerFault as fault:
        text = f"{arguments.journal} is not a ledger that can be read ({fault.args[0]}); `kiosk enrol` makes one"
        raise LedgerFault(fault.code, text) from fault
    outbox = Outbox(journal)
    state = SyncStateFile(arguments.state, outbox.origin)
    pace = Pace(arguments.retry_min_ms, arguments.retry_max_ms, heartbeat_ms=arguments.heartbeat_ms)
    clock = SystemClock()
    line = Line(clock, arguments.limit_kbit_s)
    door = Door(arguments.hq, outbox.origin, line=line)
    return Uplink(outbox, state, door, (journal.vkey, head_offices), clock, pace, line)


def _downlink(arguments: argparse.Namespace) -> DownlinkLoop:
    with JournalReader(arguments.journal) as journal:
        terminal = "/".join(journal.vkey.name.split("/")[2:4])
    place = Place(arguments.downlink, arguments.tuf_root, terminal)
    rhythm = Rhythm(arguments.downlink_poll_ms, arguments.retry_min_ms)
    clock = SystemClock()
    source = HttpSource(arguments.hq, pacing=Pacing(clock, arguments.limit_kbit_s))
    return DownlinkLoop(place, source, clock, rhythm)


def _end_with(parent: int) -> None:
    """Ends this process when its parent is another than it should be: the kiosk is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    os._exit(GOOD)


def _milliseconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of milliseconds above 0")
    return int(text)


def _kilobits(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of kbit/s")
    return int(text)
