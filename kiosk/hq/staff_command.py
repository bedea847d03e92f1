"""``kiosk hq staff …``: who may work at the terminals. PINs are asked for, and stand in no command line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from kiosk.billing.staff import NO_CARD, ROLES, Person, StaffList, in_order, mistakes_in
from kiosk.hq.folder import Run, prepared
from kiosk.hq.keyring import read_vkey
from kiosk.hq.staff import Roster
from kiosk.ledger.pins import ask_pin, hashed
from kiosk.model.errors import ConfigFault

ABOUT = f"""Who may work at the terminals, and what each may do. 终端人员

Roles 岗位: {", ".join(ROLES)} 值守员、收款员、维修员、主管.
The PIN, six digits, is asked for and not shown. A change reaches the terminals with `kiosk hq publish staff`."""


def add_staff_parsers(commands: Any) -> None:
    """Adds ``staff`` to an argparse ``subparsers``."""
    about = "Who may work at the terminals. 终端人员"
    raw = argparse.RawDescriptionHelpFormatter
    group = commands.add_parser("staff", help=about, description=ABOUT, formatter_class=raw)
    verbs = group.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Run, help_: str) -> argparse.ArgumentParser:
        parser = prepared(verbs.add_parser(name, help=help_, description=help_), run)
        if name != "list":
            parser.add_argument("number", metavar="NUMBER", help="staff number, 3 to 8 digits 工号")
        return parser

    new = add("add", _add, "Add a person; asks for the PIN. 新增")
    new.add_argument("--zh", required=True, metavar="NAME", help="中文姓名")
    new.add_argument("--en", required=True, metavar="NAME", help="the name in English")
    roles = add("roles", _roles, "Give a person other roles. 改岗位")
    for parser in (new, roles):
        parser.add_argument("--roles", required=True, metavar="ROLE,ROLE", help=", ".join(ROLES))
    card = add("card", _card, "Give a person a staff card, or take it away. 工卡")
    for parser in (new, card):
        parser.add_argument("--card", default="", metavar="MARK", help=f"what the card shows; {NO_CARD}: none")
    add("pin", _pin, "Give a person another PIN, which ends a lock. 换密码、解锁")
    add("remove", _remove, "Take a person off the list. 删除")
    add("list", _list, "Who is on the list. 名单")


def _add(args: argparse.Namespace) -> int:
    roster = _roster(args)
    person = Person(args.number, _named(args.roles), "", args.zh, args.en, _mark(args.card))
    # What is wrong is said before a PIN is asked for.
    mistakes = [each for each in mistakes_in(person) if "PIN" not in each]
    if mistakes:
        raise ConfigFault("F-717", "; ".join(mistakes))
    return _say(roster.add(replace(person, pin=_new_pin(args.number))), f"{args.number} is on the list 已加入")


def _roles(args: argparse.Namespace) -> int:
    named = _named(args.roles)
    listed = _roster(args).change(args.number, lambda row: replace(row, roles=named))
    return _say(listed, f"{args.number}: {', '.join(named)}")


def _card(args: argparse.Namespace) -> int:
    mark = _mark(args.card)
    listed = _roster(args).change(args.number, lambda row: replace(row, card=mark))
    return _say(listed, f"{args.number}: {'has a staff card 已发工卡' if mark else 'has no staff card 无工卡'}")


def _pin(args: argparse.Namespace) -> int:
    roster = _roster(args)
    roster.find(args.number)
    pin = _new_pin(args.number)
    return _say(
        roster.change(args.number, lambda row: replace(row, pin=pin)), f"{args.number} has another PIN 密码已换"
    )


def _remove(args: argparse.Namespace) -> int:
    return _say(_roster(args).remove(args.number), f"{args.number} is off the list 已删除")


def _list(args: argparse.Namespace) -> int:
    listed = _roster(args).now()
    for row in listed.rows:
        card = "  staff card 工卡" if row.card else ""
        sys.stdout.write(f"{row.number}  {row.zh} | {row.en}  {', '.join(row.roles)}{card}\n")
    sys.stdout.write(f"version {listed.version}, {len(listed.rows)} persons 人\n")
    return 0


def _roster(args: argparse.Namespace) -> Roster:
    read_vkey(args.data)  # a slip in --data must not make a list somewhere else
    return Roster(args.data)


def _named(given: str) -> tuple[str, ...]:
    named = [role.strip() for role in given.split(",")]
    if strange := [role for role in named if role not in ROLES]:
        raise ConfigFault("F-717", f"no such role: {', '.join(strange)}; there are {', '.join(ROLES)}")
    return in_order(named)


def _mark(given: str) -> str:
    return "" if given == NO_CARD else given


def _new_pin(number: str) -> str:
    """The hash of a PIN that the person types twice. Raises ConfigFault F-717."""
    pin = ask_pin(f"new PIN of {number}, six digits 新密码（六位，不显示）: ")
    phc = hashed(pin)
    if pin in number or ask_pin("the same again 再输一次: ") != pin:
        raise ConfigFault("F-717", "the two PINs differ, or it is the staff number; nothing was changed 未作改动")
    return phc


def _say(listed: StaffList, done: str) -> int:
    sys.stdout.write(f"{done}; version {listed.version}. Send it out with `kiosk hq publish staff` 用该命令下发\n")
    return 0
