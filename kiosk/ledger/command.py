"""``kiosk ledger verify | export | totals`` and ``kiosk receipt verify``.

Each leaves a function ``run(arguments) -> int`` behind: 0 good, 1 does not verify, 2 asked wrongly. What was found
goes to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiosk.ledger.audit import Report
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import TERMINAL, Vkey
from kiosk.ledger.receipt import VOUCHER_PREFIX, parse_receipt, parse_voucher
from kiosk.ledger.tiles import CHECKPOINT, write_export
from kiosk.ledger.verify import finish, verify_export, verify_journal
from kiosk.model.energy import Energy
from kiosk.model.errors import LedgerFault
from kiosk.model.money import Money

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

GOOD, WRONG, USAGE = 0, 1, 2
PROBLEMS_SHOWN = 20
KEY_FILE_BYTES_MAX = 1_048_576
YEAR_10000 = 253_402_300_800  # POSIX seconds
KEY_HELP = "a vkey, or a file of vkeys, one a line"
PATH_HELP = "a journal (.db) or an export folder"


class _Usage(Exception):
    """Asked wrongly."""


def add_parsers(subparsers: Subparsers) -> None:
    """Adds ``ledger`` and ``receipt`` to the kiosk's command line."""
    ledger = subparsers.add_parser("ledger", help="check, export and add up a ledger").add_subparsers(required=True)
    verify = ledger.add_parser("verify", help="check every entry, checkpoint and tile")
    verify.add_argument("path", type=Path, help=PATH_HELP)
    verify.add_argument("--key", help=KEY_HELP)
    verify.set_defaults(run=_run(verify_ledger))
    export = ledger.add_parser("export", help="write or renew an export folder (tlog-tiles)")
    export.add_argument("path", type=Path, help="a journal (.db)")
    export.add_argument("folder", type=Path, help="where to write; empty, or an export of the same ledger")
    export.add_argument("--hq", type=Path, help="file with head office's last cosigned checkpoint")
    export.set_defaults(run=_run(export_ledger))
    totals = ledger.add_parser("totals", help="balances by account")
    totals.add_argument("path", type=Path, help=PATH_HELP)
    totals.add_argument("--key", help=KEY_HELP)
    totals.add_argument("--json", action="store_true", help="for programs: amounts in fen")
    totals.set_defaults(run=_run(total_ledger))
    receipt = subparsers.add_parser("receipt", help="check a receipt's QR code").add_subparsers(required=True)
    receipts = receipt.add_parser("verify", help="check the text of a receipt's QR code, to the byte")
    receipts.add_argument("text", help="PK1:… or PV1:… as scanned, in single quotes: it may hold $ and double spaces")
    receipts.add_argument("--key", required=True, help=KEY_HELP)
    receipts.set_defaults(run=_run(verify_receipt))


def verify_ledger(arguments: argparse.Namespace) -> int:
    """Checks a journal or an export."""
    report = _check(arguments.path, arguments.key)
    _say(f"origin       {report.origin or '(cannot be read)'}")
    _say(f"entries      {report.size}")
    _say(f"root         {report.root.hex()}")
    _say(f"checkpoints  {report.checkpoints} signed by the terminal and right")
    if report.cosigned:
        _say(f"cosigned     {report.cosigned.size} entries, by {report.cosigned.name} at {_utc(report.cosigned.time)}")
    elif report.cosigned_unchecked is not None:
        _say(f"cosigned     {report.cosigned_unchecked} entries: NOT CHECKED, no key of head office was given")
    for kind, count in report.kinds.items():
        _say(f"  {kind:<18} {count}")
    return _verdict(report)


def total_ledger(arguments: argparse.Namespace) -> int:
    """Adds up a journal or an export, checking it on the way."""
    report = _check(arguments.path, arguments.key)
    if arguments.json:
        sums = {"balances": dict(report.accounts), "kinds": dict(report.kinds), "problems": report.problem_count}
        _say(json.dumps({"origin": report.origin, "size": report.size, "root": report.root.hex(), **sums}))
        return GOOD if report.good else WRONG
    _say("balances (debit positive)")
    for account, fen in report.accounts.items():
        _say(f"  {account:<40} {Money(fen)!s:>16}")
    if not report.accounts:
        _say("  every account is at zero")
    return _verdict(report)


def export_ledger(arguments: argparse.Namespace) -> int:
    """Writes an export folder."""
    if not arguments.path.is_file():
        raise _Usage(f"{arguments.path} is not a journal")
    cosigned = _text(arguments.hq) if arguments.hq else None
    with JournalReader(arguments.path) as log:
        for done in write_export(arguments.folder, log, cosigned):
            _progress(done)
        _progress_end()
        _say(f"{done} entries of {log.vkey.name} are in {arguments.folder}")
    return GOOD


def verify_receipt(arguments: argparse.Namespace) -> int:
    """Checks the QR text of a receipt, or of a voucher."""
    voucher = arguments.text.startswith(VOUCHER_PREFIX)
    receipt = (parse_voucher if voucher else parse_receipt)(arguments.text)
    vkeys = [vkey for vkey in _vkeys(arguments.key) if vkey.type == TERMINAL and vkey.name == receipt.origin]
    if not vkeys:
        raise LedgerFault("L-501", f"none of the given keys is that of {receipt.origin}")
    entry = receipt.verify(vkeys[0])
    named = ("voucher", "it") if voucher else ("receipt", "this sale")
    _say(f"The {named[0]} is genuine: {receipt.origin} signed {named[1]} as entry {entry.seq} of {receipt.size}.")
    _say("Whether it was redeemed, only head office knows." if voucher else "It does not show that head office has it.")
    _say(f"  at        {_utc(entry.at // 1000)} by the terminal's clock")
    if entry.sale:
        _say(f"  sale      {entry.sale.hex()}")
    shown: dict[str, Any] = {"paid": Money, "written": Money, "kept": Money, "fen": Money, "energy": Energy}
    for key, value in entry.data.items():
        _say(f"  {key:<9} {shown[key](value) if key in shown and type(value) is int else value}")
    return GOOD


def _run(command: Any) -> Any:
    def run(arguments: argparse.Namespace) -> int:
        try:
            code: int = command(arguments)
        except _Usage as error:
            sys.stderr.write(f"{_plain(str(error))}\n")
            return USAGE
        except LedgerFault as fault:
            sys.stderr.write(f"{_plain(str(fault))}\n")
            return WRONG
        return code

    return run


def _check(path: Path, key: str | None) -> Report:
    vkeys = _vkeys(key) if key else []
    if path.is_dir():
        if not (path / CHECKPOINT).exists() and not (path / "tile").exists():
            raise _Usage(f"{path} is not an export")
        report = finish(verify_export(path, vkeys), _progress)
    elif path.is_file():
        with JournalReader(path) as log:
            report = finish(verify_journal(log, vkeys), _progress)
    else:
        raise _Usage(f"{path} is not there")
    _progress_end()
    return report


def _verdict(report: Report) -> int:
    for problem in report.problems[:PROBLEMS_SHOWN]:
        where = "log" if problem.seq is None else f"entry {problem.seq}"
        _say(f"  {where}: {problem.words}")
    if not report.good:
        _say(f"DOES NOT VERIFY: {report.problem_count} problem{'s' if report.problem_count > 1 else ''}.")
        return WRONG
    if report.own_key:
        _say("It agrees with itself. No key of a terminal was given: that says nothing about who signed it.")
    else:
        _say("It verifies with the given key.")
    return GOOD


def _vkeys(text: str) -> list[Vkey]:
    """A vkey has two ``+``; anything else is a file's name."""
    lines = [text] if text.count("+") >= 2 and not Path(text).is_file() else _text(Path(text)).split("\n")
    try:
        vkeys = [Vkey.parse(line) for line in lines if line]
    except LedgerFault as fault:
        raise _Usage(f"not a key: {fault.args[0]}") from fault
    if not vkeys:
        raise _Usage(f"{text} holds no key")
    return vkeys


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > KEY_FILE_BYTES_MAX:
            raise _Usage(f"{path} is too large")
        return path.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise _Usage(f"{path} cannot be read: {error}") from error


def _utc(seconds: int) -> str:
    """A time in POSIX seconds; the bare number beyond the year 9999, where no calendar here goes."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds < YEAR_10000 else f"{seconds} s after 1970"


def _plain(line: str) -> str:
    """One line that shows what it says: what the checked texts hold must not look like our own words."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _say(line: str) -> None:
    sys.stdout.write(_plain(line) + "\n")


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} entries")
        sys.stderr.flush()


def _progress_end() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\n")
