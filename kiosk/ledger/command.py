"""``kiosk ledger verify | export | totals`` and ``kiosk receipt verify``; ``lists`` and ``prove`` have the others of
``kiosk ledger``. Each leaves a function ``run(arguments) -> int`` behind: see ``cli``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiosk.ledger import lists, prove
from kiosk.ledger.audit import Report
from kiosk.ledger.cli import GOOD, KEY_HELP, PATH_HELP, WRONG, Progress, Usage, guarded, say, text_of, utc, vkeys_of
from kiosk.ledger.crew import cores
from kiosk.ledger.export import write_export
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import TERMINAL
from kiosk.ledger.receipt import VOUCHER_PREFIX, parse_receipt, parse_voucher
from kiosk.ledger.tiles import CHECKPOINT
from kiosk.ledger.verify import export_size, finish, verify_export, verify_journal
from kiosk.model.energy import Energy
from kiosk.model.errors import LedgerFault
from kiosk.model.money import Money

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

PROBLEMS_SHOWN = 20


def add_parsers(subparsers: Subparsers) -> None:
    """Adds ``ledger`` and ``receipt`` to the kiosk's command line."""
    ledger = subparsers.add_parser("ledger", help="check, export and add up a ledger").add_subparsers(required=True)
    verify = ledger.add_parser("verify", help="check every entry, checkpoint and tile")
    verify.add_argument("path", type=Path, help=PATH_HELP)
    verify.add_argument("--key", help=KEY_HELP)
    verify.add_argument("--workers", type=int, default=cores(), help="processes for a long log; all cores if not said")
    verify.set_defaults(run=guarded(verify_ledger))
    export = ledger.add_parser("export", help="write or renew an export folder (tlog-tiles)")
    export.add_argument("path", type=Path, help="a journal (.db)")
    export.add_argument("folder", type=Path, help="where to write; empty, or an export of the same ledger")
    export.add_argument("--hq", type=Path, help="file with head office's last cosigned checkpoint")
    export.set_defaults(run=guarded(export_ledger))
    totals = ledger.add_parser("totals", help="balances by account")
    totals.add_argument("path", type=Path, help=PATH_HELP)
    totals.add_argument("--key", help=KEY_HELP)
    totals.add_argument("--workers", type=int, default=cores(), help="as for verify")
    totals.add_argument("--json", action="store_true", help="for programs: amounts in fen")
    totals.set_defaults(run=guarded(total_ledger))
    lists.add_parsers(ledger)
    prove.add_parsers(ledger)
    receipt = subparsers.add_parser("receipt", help="check a receipt's QR code").add_subparsers(required=True)
    receipts = receipt.add_parser("verify", help="check the text of a receipt's QR code, to the byte")
    receipts.add_argument("text", help="PK1:… or PV1:… as scanned, in single quotes: it may hold $ and double spaces")
    receipts.add_argument("--key", required=True, help=KEY_HELP)
    receipts.set_defaults(run=guarded(verify_receipt))


def verify_ledger(arguments: argparse.Namespace) -> int:
    """Checks a journal or an export."""
    report = _check(arguments.path, arguments.key, arguments.workers)
    say(f"origin       {report.origin or '(cannot be read)'}")
    say(f"entries      {report.size}")
    if report.deleted:
        say(f"deleted      {report.deleted} of them here, only their hashes are left: head office has them")
    say(f"root         {report.root.hex()}")
    say(f"checkpoints  {report.checkpoints} signed by the terminal and right")
    if report.cosigned:
        say(f"cosigned     {report.cosigned.size} entries, by {report.cosigned.name} at {utc(report.cosigned.time)}")
    elif report.cosigned_unchecked is not None:
        say(f"cosigned     {report.cosigned_unchecked} entries: NOT CHECKED, no key of head office was given")
    for kind, count in report.kinds.items():
        say(f"  {kind:<18} {count}")
    return _verdict(report)


def total_ledger(arguments: argparse.Namespace) -> int:
    """Adds up a journal or an export, checking it on the way."""
    report = _check(arguments.path, arguments.key, arguments.workers)
    if arguments.json:
        sums = {"balances": dict(report.accounts), "kinds": dict(report.kinds), "problems": report.problem_count}
        say(json.dumps({"origin": report.origin, "size": report.size, "root": report.root.hex(), **sums}))
        return GOOD if report.good else WRONG
    say("balances (debit positive)")
    if report.deleted:
        say(f"{report.deleted} entries were deleted here: the sums go on from the closings, which name no customer")
    for account, fen in report.accounts.items():
        say(f"  {account:<40} {Money(fen)!s:>16}")
    if not report.accounts:
        say("  every account is at zero")
    return _verdict(report)


def export_ledger(arguments: argparse.Namespace) -> int:
    """Writes an export folder."""
    if not arguments.path.is_file():
        raise Usage(f"{arguments.path} is not a journal")
    cosigned = text_of(arguments.hq) if arguments.hq else None
    with JournalReader(arguments.path) as log:
        progress = Progress(log.size)
        for done in write_export(arguments.folder, log, cosigned):
            progress(done)
        progress.end()
        say(f"{done} entries of {log.vkey.name} are in {arguments.folder}")
    return GOOD


def verify_receipt(arguments: argparse.Namespace) -> int:
    """Checks the QR text of a receipt, or of a voucher."""
    voucher = arguments.text.startswith(VOUCHER_PREFIX)
    receipt = (parse_voucher if voucher else parse_receipt)(arguments.text)
    vkeys = [vkey for vkey in vkeys_of(arguments.key) if vkey.type == TERMINAL and vkey.name == receipt.origin]
    if not vkeys:
        raise LedgerFault("L-501", f"none of the given keys is that of {receipt.origin}")
    entry = receipt.verify(vkeys[0])
    named = ("voucher", "it") if voucher else ("receipt", "this sale")
    say(f"The {named[0]} is genuine: {receipt.origin} signed {named[1]} as entry {entry.seq} of {receipt.size}.")
    say("Whether it was redeemed, only head office knows." if voucher else "It does not show that head office has it.")
    say(f"  at        {utc(entry.at // 1000)} by the terminal's clock")
    if entry.sale:
        say(f"  sale      {entry.sale.hex()}")
    shown: dict[str, Any] = {"paid": Money, "written": Money, "kept": Money, "fen": Money, "energy": Energy}
    for key, value in entry.data.items():
        say(f"  {key:<9} {shown[key](value) if key in shown and type(value) is int else value}")
    return GOOD


def _check(path: Path, key: str | None, workers: int) -> Report:
    vkeys = vkeys_of(key) if key else []
    if path.is_dir():
        if not (path / CHECKPOINT).exists() and not (path / "tile").exists():
            raise Usage(f"{path} is not an export")
        progress = Progress(export_size(path))
        report = finish(verify_export(path, vkeys, workers), progress)
    elif path.is_file():
        with JournalReader(path) as log:
            progress = Progress(log.size)
            report = finish(verify_journal(log, vkeys, workers), progress)
    else:
        raise Usage(f"{path} is not there")
    progress.end()
    return report


def _verdict(report: Report) -> int:
    for problem in report.problems[:PROBLEMS_SHOWN]:
        where = "log" if problem.seq is None else f"entry {problem.seq}"
        say(f"  {where}: {problem.words}")
    if not report.good:
        say(f"DOES NOT VERIFY: {report.problem_count} problem{'s' if report.problem_count > 1 else ''}.")
        say("Keep the disk or the folder as it is and tell head office: what it cosigned cannot have changed unseen.")
        say(f"校验未通过：{report.problem_count} 处不符。请保持原盘原样并报告总部：总部已联署的记录若被改动必能查出。")
        return WRONG
    if report.own_key:
        say("It agrees with itself. No key of a terminal was given: that says nothing about who signed it.")
        say("账本自身一致。未给出终端公钥，不能说明由谁签名。")
    else:
        say("It verifies with the given key.")
        say("校验通过，签名与所给公钥相符。")
    return GOOD
