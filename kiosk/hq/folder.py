"""Head office's folder and database as its commands name them, and how a command ends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from kiosk.hq.books import catch_up
from kiosk.hq.keyring import VKEY
from kiosk.hq.settings import load_settings
from kiosk.hq.store import Store
from kiosk.model.errors import KioskError, LedgerFault

DATABASE = "hq.db"
REPOSITORY = Path("publish", "repository")  # the TUF repository, served as /v1/tuf
Run = Callable[[argparse.Namespace], int]


def prepared(parser: argparse.ArgumentParser, run: Run) -> argparse.ArgumentParser:
    """Gives a command ``--data`` and ``--db``, and what it runs: faults become exit code 1 and a line that says why."""
    parser.add_argument(
        "--data", type=Path, default=Path("hq"), metavar="DIR", help="head office's folder; default: hq"
    )
    parser.add_argument(
        "--db",
        "--database",
        default="",
        metavar="URL",
        help="database; default: as hq.toml says, else hq.db in that folder",
    )
    parser.set_defaults(run=_guarded(run))
    return parser


def _guarded(run: Run) -> Run:
    def guarded(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except KioskError as error:
            sys.stderr.write(f"{error}\n")
            return 1

    return guarded


def database_url(args: argparse.Namespace) -> str:
    """The URL that ``--db`` gives, else that of hq.toml, else the folder's own. Raises ConfigFault F-701."""
    return args.db or load_settings(args.data).database or f"sqlite:///{(args.data / DATABASE).absolute()}"


def opened_store(args: argparse.Namespace) -> Store:
    """The database of a folder that was set up; a slip in --data must not make an empty one somewhere else."""
    if not args.db and not (args.data / VKEY).is_file():
        text = (
            f"{args.data.absolute()} is not head office's folder: name it with --data, or make it with `kiosk hq init`"
        )
        raise LedgerFault("L-505", text)
    store = Store(database_url(args), args.data)
    if store.migrated:
        catch_up(store)
    return store
