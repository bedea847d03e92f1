"""``kiosk hq enrol …``: codes, who waits, and the comparison that only a person can make; ``kiosk hq retire``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kiosk.billing.settings import parse_settings
from kiosk.hq.carried import epochs, left_of, place_of
from kiosk.hq.enrol import change, enrol, known
from kiosk.hq.folder import Run, opened_store
from kiosk.hq.invite import HOUR_MS, HOURS, answer_to, ask, asked, confirm, invite, refuse, tidy
from kiosk.hq.invite_door import gifts_of, office_keys
from kiosk.hq.keyring import read_vkey
from kiosk.hq.store import Store
from kiosk.ledger.enrolment import (
    ANSWER_FILE,
    REQUEST_BYTES_MAX,
    REQUEST_FILE,
    fingerprint,
    put,
    read_request,
    stick_faults,
)
from kiosk.ledger.files import PlainFiles
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault, EnrolmentRefused, LedgerFault
from kiosk.model.money import Money

ABOUT = """Enrol a terminal: from then on its ledger is taken. 登记终端

  enrol new --region 420100 --terminal 0007   a one-time code for it 发登记码（一次有效）
  enrol take FOLDER                           answer the requests on a stick 答复 U 盘上的申请
  enrol list [--all]                          who waits, with fingerprints 待确认的终端和指纹
  enrol confirm NUMBER                        after comparing fingerprints 核对指纹后确认
  enrol refuse NUMBER                         take a code back, or refuse who has it 拒绝或收回
  enrol VKEY                                  without a code: the line that `kiosk enrol` printed 直接登记公钥
"""
REQUESTS_MAX = 1_000  # of one stick
STATE_WORDS = {
    "open": "code is out, nobody asked yet 已发码，未申请",
    "asked": "waits for you: compare the fingerprint 待核对指纹",
    "enrolled": "enrolled 已登记",
    "refused": "refused 已拒绝",
    "withdrawn": "withdrawn 已收回",
    "dead": "dead: tried wrongly too often 错误次数过多，作废",
}


def fill_enrol(parser: argparse.ArgumentParser) -> None:
    """Gives ``enrol`` its words."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = ABOUT
    parser.add_argument("what", metavar="WHAT", help="new, take, list, confirm, refuse, tidy, or a public key")
    parser.add_argument("subject", nargs="?", default="", metavar="NUMBER|FOLDER")
    parser.add_argument("--region", default="", help="of the terminal, as in its kiosk.toml")
    parser.add_argument("--terminal", default="", help="its number, as in its kiosk.toml")
    parser.add_argument("--hours", type=int, default=HOURS, metavar="N", help=f"the code's life; default: {HOURS}")
    parser.add_argument("--fingerprint", default="", help="as the terminal shows it; asked for if it is not given")
    parser.add_argument("--operator", default="", help="who you are; for confirm and refuse")
    parser.add_argument("--all", action="store_true", help="what is settled, too")
    parser.add_argument("--days", type=int, default=90, metavar="N", help="tidy: forget codes older than this")


def run_enrol(args: argparse.Namespace) -> int:
    """The command. Raises KioskError with the reason."""
    return _VERBS.get(args.what, _by_vkey)(args)


def run_retire(args: argparse.Namespace) -> int:
    """`kiosk hq retire`: the log ends here; what it still owes is shown."""
    store, now_ms = opened_store(args), SystemClock().utc_ms()
    if args.undo:
        done = change(store, args.origin, retired_ms=0)
        _say(f"{args.origin} {'is in service again 已恢复' if done else 'is not retired 未停运'}")
        return 0
    if not known(store, args.origin).retired_ms:
        change(store, args.origin, retired_ms=now_ms)
    _say(f"{args.origin} is retired; what it still sends is taken 已停运，仍接收其记录")
    left = left_of(store, known(store, args.origin))
    for account, fen in left.items():
        _say(f"  {account}  {Money(-fen if account.startswith(('owed', 'unassigned')) else fen)}")
    if not left:
        _say("  it owes nothing, and holds nothing 无欠款，无现金")
    return 0


def fill_retire(parser: argparse.ArgumentParser) -> None:
    """Gives ``retire`` its words."""
    parser.add_argument("origin", metavar="ORIGIN", help="the ledger's name")
    parser.add_argument("--undo", action="store_true", help="it is in service again")


def _by_vkey(args: argparse.Namespace) -> int:
    if args.subject:
        raise ConfigFault("F-701", f"enrol {args.what}: no such word; `kiosk hq enrol --help` shows them")
    new = enrol(opened_store(args), args.what, SystemClock().utc_ms())
    _say("enrolled" if new else "enrolled already")
    return 0


def _new(args: argparse.Namespace) -> int:
    if not args.region or not args.terminal or not 1 <= args.hours <= 24 * 366:
        raise ConfigFault("F-701", "enrol new: give --region and --terminal, as in its kiosk.toml, and hours above 0")
    settings = gifts_of(args.data).settings
    if settings:  # a mistake in them is told here, not at a terminal in a cellar
        parse_settings(settings.decode("utf-8", "replace"), needs_version=False)
    store = opened_store(args)
    domain = read_vkey(args.data).name.partition("/")[0]
    place = f"{domain}/kiosk/{args.region}/{args.terminal}"
    digits = invite(store, place, SystemClock().utc_ms(), args.hours)
    _say(f"{digits}")
    sys.stderr.write(
        f"for {place}; it works once, within {args.hours} hours. Tell nobody but who sets the terminal up.\n"
        f"登记码用于 {place}，{args.hours} 小时内一次有效，只告诉装机人员。\n"
    )
    return 0


def _list(args: argparse.Namespace) -> int:
    rows = asked(opened_store(args), all_=args.all)
    for row in rows:
        _say(f"{row.number}  {row.place}  {STATE_WORDS[row.state]}")
        if row.vkey:
            _say(f"      {row.vkey}")
        if row.fingerprint:
            _say(f"      fingerprint 指纹  {row.fingerprint}")
    if not rows:
        _say("nobody waits 没有待确认的终端")
    return 0


def _take(args: argparse.Namespace) -> int:
    if not args.subject:
        raise ConfigFault("F-701", "enrol take: name the folder of the stick")
    store, stick, refused = opened_store(args), PlainFiles(Path(args.subject)), 0
    with stick_faults():
        names = [name for name in stick.names("") if name.startswith(f"{REQUEST_FILE}-")]
    if not names:
        text = f"{args.subject} holds no request ({REQUEST_FILE}-NNNN); was the stick at the terminal?"
        raise EnrolmentRefused("E-909", text)
    for name in names[:REQUESTS_MAX]:
        try:
            _answer(args, store, stick, name)
        except (EnrolmentRefused, LedgerFault) as fault:
            refused += 1
            sys.stderr.write(f"{name}: {fault}\n")
    return 1 if refused else 0


def _answer(args: argparse.Namespace, store: Store, stick: PlainFiles, name: str) -> None:
    with stick_faults():
        raw = stick.read(name, REQUEST_BYTES_MAX) or b""
    number = read_request(raw).number
    answer = ask(store, office_keys(args.data), raw, SystemClock().utc_ms(), gifts_of(args.data))
    with stick_faults():
        put(stick, f"{ANSWER_FILE}-{number}", answer)
    _say(f"{name}: answered; carry it back 已答复，请带回终端")
    _say(f"      fingerprint 指纹  {fingerprint(raw, answer)}")


def _confirm(args: argparse.Namespace) -> int:
    store = opened_store(args)
    answer_to(store, args.subject)  # there is somebody
    shown = args.fingerprint
    if not shown:
        sys.stderr.write("Type the fingerprint as the terminal shows it, all twenty digits 请输入终端上显示的指纹: ")
        sys.stderr.flush()
        shown = sys.stdin.readline().strip()
    vkey = confirm(store, args.subject, shown, _operator(args), SystemClock().utc_ms())
    _say(f"enrolled 已登记  {vkey}")
    if _has_another_sealing_key(store, vkey.name):
        _say("its sealing key is new: seal its secrets again, with a higher version")
        _say("密封公钥已更换，请以更高版本重新密封该终端的密码")
    return 0


def _has_another_sealing_key(store: Store, origin: str) -> bool:
    """Whether secrets sealed for the epoch before cannot be opened any more: its disk is gone."""
    now, *before = [log.sealing for log in epochs(store, place_of(origin)) if log.sealing] or [""]
    return bool(before) and before[0] != now


def _refuse(args: argparse.Namespace) -> int:
    refuse(opened_store(args), args.subject, _operator(args))
    _say(f"{args.subject} is refused 已拒绝")
    return 0


def _tidy(args: argparse.Namespace) -> int:
    gone = tidy(opened_store(args), SystemClock().utc_ms() - args.days * 24 * HOUR_MS)
    _say(f"{gone} old codes are forgotten 已清理")
    return 0


def _operator(args: argparse.Namespace) -> str:
    if not args.operator.strip():
        raise ConfigFault("F-701", "say who you are: --operator NAME 请写明操作员")
    return str(args.operator.strip()[:64])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


_VERBS: dict[str, Run] = {
    "new": _new,
    "take": _take,
    "list": _list,
    "confirm": _confirm,
    "refuse": _refuse,
    "tidy": _tidy,
}
