"""`kiosk staff check NUMBER | list`: who may work at this terminal, beside a running kiosk or a stopped one.

Exit status: 0 the PIN is right, 1 it is not (and why), 2 asked wrongly, or there is no list.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kiosk.app.staff import Staff, staff_of
from kiosk.billing.staff import ROLES
from kiosk.config import load_config
from kiosk.ledger.pins import ask_pin
from kiosk.model.clock import SystemClock
from kiosk.model.errors import KioskError
from kiosk.model.texts import Texts, load_texts

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
RIGHT, NOT_RIGHT, USAGE = 0, 1, 2
KEYS = {
    "pin.ask": frozenset({"number"}),
    "said.right": frozenset({"number", "name", "roles"}),
    "said.wrong": frozenset({"seconds"}),
    "said.wait": frozenset({"seconds"}),
    "said.locked": frozenset[str](),
    "list.head": frozenset({"version", "count"}),
    "list.row": frozenset({"number", "name", "roles", "card"}),
    "list.card": frozenset[str](),
    **{f"role.{role}": frozenset[str]() for role in ROLES},
}
"""Every text, with the values it may use."""


def main(rest: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser("kiosk staff", description="Who may work at this terminal. 终端人员名单与密码核对")
    parser.add_argument("what", choices=("check", "list"))
    parser.add_argument("number", nargs="?", default="", help="check: the staff number, or the mark of a staff card")
    parser.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="")
    given = parser.parse_args(rest)
    if (given.what == "check") is not bool(given.number):
        sys.stderr.write("staff check needs a number, and staff list none; the PIN is asked for\n")
        return USAGE
    try:
        config = load_config(given.config)
        texts = load_texts(TEXTS, "staff", given.language or config.terminal.language)
        texts.check(KEYS)
        staff = staff_of(config, SystemClock(config.terminal.utc_offset_minutes))
        return _list(staff, texts) if given.what == "list" else _check(staff, given.number, texts)
    except KioskError as fault:
        sys.stderr.write(f"{fault}\n")
        return USAGE


def _check(staff: Staff, number: str, texts: Texts) -> int:
    person, verdict = staff.verify(number, ask_pin(texts.text("pin.ask", number=number)))
    if person is None:
        _say(texts.text(f"said.{verdict.said}", seconds=-(-verdict.wait_ms // 1000)))
        return NOT_RIGHT
    _say(
        texts.text(
            "said.right", number=person.number, name=person.name(texts.language), roles=_roles(person.roles, texts)
        )
    )
    return RIGHT


def _list(staff: Staff, texts: Texts) -> int:
    listed = staff.listed
    _say(texts.text("list.head", version=listed.version, count=len(listed.rows)))
    for row in listed.rows:
        card = texts.text("list.card") if row.card else ""
        name, roles = row.name(texts.language), _roles(row.roles, texts)
        _say(texts.text("list.row", number=row.number, name=name, roles=roles, card=card).rstrip())
    return RIGHT


def _roles(roles: Sequence[str], texts: Texts) -> str:
    return ("、" if texts.language == "zh-CN" else ", ").join(texts.text(f"role.{role}") for role in roles)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
