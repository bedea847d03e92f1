"""`kiosk matters`: the attendant's list, read from the ledger while the kiosk runs, in the attendant's language."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta, timezone
from pathlib import Path

from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.model.clock import civil_time
from kiosk.model.errors import KioskError
from kiosk.model.money import Money
from kiosk.model.texts import Texts, load_texts
from kiosk.sale.matters import Matter, Matters

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
CHINA = timezone(timedelta(hours=8))
VALUES = frozenset({"time", "number", "money", "vendor", "customer", "meter", "device", "code", "count", "todo"})
KINDS = (
    "down",
    "note-lost",
    "note-unknown",
    "events-lost",
    "fraud",
    "unclaimed",
    "doubt",
    "held",
    "owed",
    "no-slip",
    "downlink",
    "refused",
    "program",
    "blocked",
)
DEVICES = (
    "acceptor",
    "coins",
    "printer",
    "reader",
    "disk",
    "clock",
    "heat",
    "fraud",
    "head-office",
    "prices",
    "lists",
    "downlink",
)
CODES = (
    *("V-401", "V-402", "V-403", "V-411", "V-412", "V-413", "V-414", "V-415", "V-416", "V-418", "V-419"),
    *("V-421", "V-422", "V-423", "V-431", "V-432", "L-502", "L-503", "L-504"),
    *("S-631", "S-632", "F-702", "F-703", "F-704", "F-705", "F-711", "F-712", "F-713", "F-714", "F-715", "F-716"),
    *("F-717", "F-718", "F-719", "F-720", "F-721", "F-722", "F-723"),
)
"""Why a device may be down; docs/errors.md has more of each."""
KEYS = {
    "head.title": frozenset({"count"}),
    "head.none": frozenset[str](),
    **{f"{part}.{kind}": VALUES for part in ("what", "do") for kind in KINDS},
    **{f"device.{name}": frozenset[str]() for name in DEVICES},
    **{f"code.{code}": frozenset[str]() for code in CODES},
}
"""Every text of the list, with the values it may use."""


def lines(matters: Sequence[Matter], texts: Texts) -> list[str]:
    """The list as lines: what there is, and under it what to do."""
    if not matters:
        return [texts.text("head.none")]
    told = [texts.text("head.title", count=len(matters))]
    for place, matter in enumerate(matters, 1):
        values = {
            "time": _time(matter.at_ms),
            "number": matter.number,
            "money": Money(matter.fen),
            "vendor": matter.vendor,
            "customer": matter.customer,
            "meter": matter.meter,
            "device": texts.text(f"device.{matter.device}") if matter.device in DEVICES else matter.device,
            "code": matter.code,
            "count": matter.count,
            "todo": texts.text(f"code.{matter.code}") if matter.code in CODES else "",
        }
        told += ["", f"{place:>3}. {texts.text(f'what.{matter.what}', **values)}"]
        told.append(f"     → {texts.text(f'do.{matter.what}', **values)}")
    return told


def read(path: Path) -> list[Matter]:
    """The list of a ledger. Raises LedgerFault L-501."""
    matters = Matters()
    with JournalReader(path) as log:
        for raw in log.kept():
            if raw:
                matters.see(decode(raw))
    return matters.list()


def main(rest: Sequence[str]) -> int:
    """The command. 0: nothing is open; 1: something is; 2: asked wrongly."""
    parser = argparse.ArgumentParser(
        "python -m kiosk matters", description="The attendant's list: what a person must look after. 待办事项"
    )
    parser.add_argument("ledger", type=Path, help="ledger.db of the terminal")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN")
    args = parser.parse_args(rest)
    try:
        matters = read(args.ledger)
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(lines(matters, load_texts(TEXTS, "matters", args.language))) + "\n")
    return 1 if matters else 0


def _time(at_ms: int) -> str:
    civil = civil_time(at_ms, CHINA)
    return f"{civil[:4]}-{civil[4:6]}-{civil[6:8]} {civil[8:10]}:{civil[10:12]}"
