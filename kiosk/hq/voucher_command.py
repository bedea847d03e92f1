"""``kiosk hq voucher …`` and ``kiosk hq owed-list``: vouchers over the counter, and the list for terminals."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from kiosk.billing.owed import owed_note
from kiosk.hq import vouchers
from kiosk.hq.console import when
from kiosk.hq.folder import opened_store, prepared
from kiosk.hq.release import release
from kiosk.hq.vouchers import AlreadyRedeemed, Redeemed, Standing, Voucher
from kiosk.ledger.keys import load_key
from kiosk.ledger.note import Note, Signature, Vkey
from kiosk.model.clock import SystemClock
from kiosk.model.energy import Energy
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.model.money import Money

TEXT_HELP = "PV1:… as scanned, in single quotes; or the number, once the terminal's ledger is here; or - to read it"
STATES = {
    "open": "not redeemed",
    "cash": "redeemed in cash",
    "card": "redeemed onto its card, which has not come to a kiosk with the list yet",
    "doubt": "on its way onto its card, at a kiosk: not sure yet",
    "written": "redeemed, and on its card",
    "voucher-twice": "ON CARDS TWICE: look at both ledgers",
    "voucher-unordered": "ON A CARD WITHOUT AN ORDER FOR IT: look at that terminal",
}


def add_voucher_parsers(commands: Any) -> None:
    """Adds them to an argparse ``subparsers``."""
    about = "Check and redeem what kiosks owe on paper."
    group = commands.add_parser("voucher", help=about, description=about)
    verbs = group.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Any, help_: str, into: Any = verbs) -> argparse.ArgumentParser:
        return prepared(into.add_parser(name, help=help_, description=help_), run)

    check = add("check", _check, "Whether a voucher is genuine, and what has become of it.")
    check.add_argument("text", metavar="TEXT", help=TEXT_HELP)
    pay = add("redeem", _redeem, "Redeem a voucher, once: pay it only if this says so.")
    pay.add_argument("text", metavar="TEXT", help=TEXT_HELP)
    pay.add_argument("--as", dest="how", choices=vouchers.HOW, required=True, help="pay cash, or send it to its card")
    pay.add_argument("--operator", required=True, metavar="NAME", help="who redeems it")
    pay.add_argument(
        "--count", type=int, metavar="N", help="the card's purchase count now, if it was bought on since (--as card)"
    )
    add("list", _list, "Every voucher that is not settled.")
    free = add("release", _release, "Take back an order onto a card that can prove it was never carried out.")
    free.add_argument("no", metavar="NUMBER")
    free.add_argument("--operator", required=True, metavar="NAME", help="who takes it back")
    owed = add("owed-list", _owed_list, "Write and sign the list of vouchers for cards, for the terminals.", commands)
    owed.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="owed.txt and owed.note go here")
    owed.add_argument("--key", type=Path, required=True, metavar="FILE", help="the key that signs the price lists")
    owed.add_argument("--passphrase-file", type=Path, required=True, metavar="FILE", help="opens it")
    owed.add_argument("--vkey", type=Path, required=True, metavar="FILE", help="its public half, as terminals have it")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _voucher(args: argparse.Namespace) -> tuple[Any, Voucher]:
    store = opened_store(args)
    text = sys.stdin.readline() if args.text == "-" else args.text
    return store, vouchers.read(store, text)


def _tell(voucher: Voucher) -> None:
    row = voucher.row
    _say(f"voucher   {row.no}")
    _say(f"worth     {Money(row.fen)}, {Energy(row.centi_kwh)} at the price it was paid at")
    _say(f"customer  {row.customer}, meter {row.meter}, vendor {row.vendor}, region {row.region}")
    _say(f"card      stood at purchase {row.count}")
    _say(f"issued    {when(voucher.at_ms)} by {voucher.origin}, entry {voucher.seq}")
    _say(f"ledger    {'has arrived' if voucher.arrived else 'has not arrived yet: the signature stands by itself'}")


def _how(redeemed: Redeemed) -> str:
    to = "in cash" if redeemed.how == "cash" else "onto its card"
    return f"redeemed {to}, {Money(redeemed.fen)}, {when(redeemed.at_ms)}, by {redeemed.operator}"


def _check(args: argparse.Namespace) -> int:
    store, voucher = _voucher(args)
    _say("The voucher is genuine.")
    _tell(voucher)
    known = vouchers.standing(store, voucher.row.no) or Standing(voucher.row.no, "open", voucher.row.fen)
    _say(f"state     {STATES[known.state]}")
    if known.redeemed:
        _say(f"          {_how(known.redeemed)}")
    return 0 if known.state == "open" else 1


def _redeem(args: argparse.Namespace) -> int:
    store, voucher = _voucher(args)
    if args.count is not None and (args.how != "card" or args.count < voucher.row.count):
        raise LedgerFault(
            "L-501", f"--count is for --as card, and a card's count never falls below {voucher.row.count}"
        )
    try:
        vouchers.redeem(store, voucher, args.how, args.operator, SystemClock().utc_ms(), args.count)
    except AlreadyRedeemed as fault:
        sys.stderr.write(f"NOT REDEEMED: voucher {voucher.row.no} was {_how(fault.redeemed)}. Pay nothing.\n")
        return 1
    _tell(voucher)
    paid = "pay" if args.how == "cash" else "it goes onto its card with the next `kiosk hq owed-list`, do not pay"
    _say(f"REDEEMED: {paid} {Money(voucher.row.fen)}.")
    return 0


def _list(args: argparse.Namespace) -> int:
    waiting = [each for each in vouchers.standings(opened_store(args)) if not each.settled]
    for each in waiting:
        _say(f"{each.no}  {Money(each.fen)!s:>10}  {when(each.at_ms)}  customer {each.customer}  {STATES[each.state]}")
    _say(f"{len(waiting)} vouchers are not settled")
    return 0


def _release(args: argparse.Namespace) -> int:
    proof = release(opened_store(args), args.no, args.operator, SystemClock().utc_ms())
    _say(f"{args.no} may be redeemed again: {proof}")
    return 0


def _owed_list(args: argparse.Namespace) -> int:
    try:
        vkey = Vkey.parse(args.vkey.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigFault("F-705", f"{args.vkey}: {error}") from error
    signer = load_key(args.key, args.passphrase_file, vkey.name)
    if signer.vkey != vkey:
        raise ConfigFault("F-705", f"{args.key} is not the key of {args.vkey}")
    listed = vouchers.next_list(opened_store(args), SystemClock().utc_ms())
    body = owed_note(listed)
    note = Note(body, (Signature(vkey.name, vkey.key_id, signer.sign(body.encode())),))
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        _put(args.out / "owed.txt", listed.text())
        _put(args.out / "owed.note", str(note))
    except OSError as error:
        raise LedgerFault("L-502", f"the list cannot be written: {error}") from error
    _say(f"{len(listed.rows)} vouchers for cards are in {args.out}, version {listed.version}")
    return 0


def _put(path: Path, text: str) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
