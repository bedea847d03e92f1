"""``kiosk hq migrate``, ``rebuild``, ``expect``: the database, the books, how often a terminal is to be heard."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from kiosk.hq.books import catch_up, rebuild
from kiosk.hq.enrol import known
from kiosk.hq.folder import database_url, opened_store, prepared
from kiosk.hq.schema import no_backup
from kiosk.hq.settings import HOURS_MAX
from kiosk.hq.store import Store
from kiosk.hq.watch import HOUR_MS
from kiosk.model.errors import ConfigFault

ORIGIN_HELP = "the ledger's name, e.g. power.example/kiosk/420100/0007/1"


def add_upkeep_parsers(commands: Any) -> None:
    """Adds them to an argparse ``subparsers``."""

    def add(name: str, run: Any, help_: str) -> argparse.ArgumentParser:
        return prepared(commands.add_parser(name, help=help_, description=help_), run)

    migrate = add(
        "migrate", _migrate, "Bring an older program's database up to date, with a backup before (as serve does)."
    )
    migrate.add_argument("--no-backup", action="store_true", help="there is one already")
    again = add("rebuild", _rebuild, "Make the books again from the entries, parked ones too.")
    again.add_argument(
        "origin", metavar="ORIGIN", nargs="?", default="", help=f"{ORIGIN_HELP}; default: every ledger's"
    )
    expect = add("expect", _expect, "How long a terminal may say nothing before there is an alarm.")
    expect.add_argument("origin", metavar="ORIGIN", help=ORIGIN_HELP)
    expect.add_argument("--hours", type=int, required=True, metavar="N", help="0: as for all the others")


def _migrate(args: argparse.Namespace) -> int:
    store = Store(database_url(args), args.data, no_backup if args.no_backup else None)
    if not store.migrated:
        sys.stdout.write("the database is up to date\n")
        return 0
    logs = catch_up(store)
    sys.stdout.write(f"brought up by {', '.join(store.migrated)}; the books of {logs} ledgers are made again\n")
    return 0


def _rebuild(args: argparse.Namespace) -> int:
    store = opened_store(args)
    logs = [known(store, args.origin)] if args.origin else store.logs()
    for log in logs:
        parked = rebuild(store, log.hash)
        sys.stdout.write("".join(f"parked {seq}: {why}\n" for seq, why in sorted(parked.items())))
        sys.stdout.write(f"the books of {log.origin} are made again; {len(parked)} entries are parked\n")
    return 0


def _expect(args: argparse.Namespace) -> int:
    if not 0 <= args.hours <= HOURS_MAX:
        raise ConfigFault("F-701", f"--hours {args.hours}: give 1 to {HOURS_MAX}, or 0")
    store = opened_store(args)
    with store.turn(known(store, args.origin).hash) as turn:
        assert turn is not None, "a log is never deleted"
        turn.set(silent_after_ms=args.hours * HOUR_MS or None)
    told = f"an alarm comes after {args.hours} hours without a word" if args.hours else "as for all the others"
    sys.stdout.write(f"{args.origin}: {told}\n")
    return 0
