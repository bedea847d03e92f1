"""``kiosk hq held …``: debts of old epochs whose end nobody knows, and closing one by decision."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from kiosk.hq.console import when
from kiosk.hq.folder import Run, opened_store, prepared
from kiosk.hq.held import WAITS, HeldDebt, close, held_debts
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault
from kiosk.model.money import Money

CLOSED = "closed 已结清"


def add_held_parsers(commands: Any) -> None:
    """Adds them to an argparse ``subparsers``."""
    about = "Debts of an old epoch whose end nobody knows. 旧纪元遗留的欠款"
    verbs = commands.add_parser("held", help=about, description=about).add_subparsers(
        required=True, metavar="COMMAND", title="commands"
    )

    def add(name: str, run: Run, help_: str) -> argparse.ArgumentParser:
        return prepared(verbs.add_parser(name, help=help_, description=help_), run)

    listed = add("list", _list, "Those that are held, and what is known of their cards. 列出")
    listed.add_argument("--all", action="store_true", help="closed ones, too")
    end = add("close", _close, "Close one by your decision: it is recorded for good. 人工结清")
    end.add_argument("origin", metavar="ORIGIN", help="the ledger that holds it, as `held list` shows it")
    end.add_argument("seq", metavar="ENTRY", type=int, help="its number there")
    end.add_argument("--reason", default="", metavar="TEXT", help="what was found out, and what the customer got")
    end.add_argument("--count", type=int, default=0, metavar="N", help="on the card now, if you have read it")
    end.add_argument("--operator", default="", metavar="NAME", help="who decides")


def _list(args: argparse.Namespace) -> int:
    found = [each for each in held_debts(opened_store(args)) if args.all or each.closing is None]
    for each in found:
        _tell(each)
    if not found:
        _say("nothing is held 没有遗留欠款")
    return 0


def _close(args: argparse.Namespace) -> int:
    reason, operator = args.reason.strip(), args.operator.strip()[:64]
    if not reason or not operator:
        raise ConfigFault("F-701", "say who decides and why: --operator NAME --reason TEXT 请写明操作员和原因")
    held = close(opened_store(args), args.origin, args.seq, operator, reason, SystemClock().utc_ms(), args.count)
    _tell(held)
    _say(f"  {CLOSED}: {operator}, {reason}")
    return 0


def _tell(each: HeldDebt) -> None:
    vendor, customer, meter = each.row.key
    _say(f"{each.origin} {each.seq}  {Money(each.fen)}")
    _say(f"  customer {customer}, meter {meter}, vendor {vendor}; from epoch {each.row.epoch}, count {each.row.bound}")
    _say(f"  {each.why or WAITS}")
    if each.closing is not None:
        _say(f"  {CLOSED}: {when(each.closing.at_ms)} {each.closing.operator}, {each.closing.reason}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
