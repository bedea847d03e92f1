"""``kiosk ledger closings | outages``: tables for people, in their language; read from a journal or an export folder.

Signatures are not checked here, ``kiosk ledger verify`` does that; closings are added up again from the entries.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiosk.ledger.closing import ClosingCheck
from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.export import gone_bundles
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.kinds import PERIOD, PERIODS, shaped
from kiosk.ledger.note import parse_checkpoint_note
from kiosk.ledger.outages import Outage, Outages
from kiosk.ledger.tiles import WIDTH, read_bundle, read_note, tile_path
from kiosk.model.clock import civil_time
from kiosk.model.energy import Energy
from kiosk.model.errors import KioskError, LedgerFault
from kiosk.model.money import Money
from kiosk.model.texts import Texts, load_texts

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
CHINA = timezone(timedelta(hours=8))
YEAR_10000 = 253_402_300_800_000  # UTC ms
LANGUAGES = ("zh-CN", "en")
CLOSING_COLUMNS = ("period", "entries", "sales", "sold", "cash", "owed")
EVER_COLUMNS = {"ever-sold": "sold", "ever-reversed": "reversed", "ever-in": "cash_in", "ever-out": "cash_out"}
OUTAGE_COLUMNS = ("device", "since", "till", "lasted", "why", "entries")


def add_parsers(ledger: Subparsers) -> None:
    """Adds the two to ``kiosk ledger``."""
    closings = ledger.add_parser("closings", help="day, month and year closings, added up again  结账清单")
    closings.add_argument("--period", choices=PERIODS, help="only these")
    closings.set_defaults(run=_run(list_closings))
    outages = ledger.add_parser("outages", help="when a device or the terminal was out  停用清单")
    outages.set_defaults(run=_run(list_outages))
    for parser in (closings, outages):
        parser.add_argument("path", type=Path, help="a journal (.db) or an export folder")
        parser.add_argument("--language", choices=LANGUAGES, default="zh-CN")
        parser.add_argument(
            "--json", action="store_true", help="for programs: one object a line; fen, 0.01 kWh, UTC ms"
        )


def list_closings(arguments: argparse.Namespace, texts: Texts) -> int:
    """The table of closings. 1 if one does not add up."""
    check, rows, wrong = ClosingCheck(), [], []
    for raw in _raws(arguments.path):
        if not raw:
            check.skip()
            continue
        entry = decode(raw)
        if words := check.take(entry):
            wrong.append((entry.seq, words))
        if entry.kind == PERIOD and shaped(entry) and arguments.period in (None, entry.data["period"]):
            rows.append(entry)
    if arguments.json:
        for entry in rows:
            problems = [words for seq, words in wrong if seq == entry.seq]
            _say(json.dumps({"seq": entry.seq, "at": entry.at, **entry.data, "problems": problems}))
        return int(bool(wrong))
    if rows:
        head = [texts.text(f"closing.{name}") for name in (*CLOSING_COLUMNS, *EVER_COLUMNS, "ever-energy")]
        _table(head, [_closing(entry) for entry in rows])
        _say("")
    _say(texts.text("closing.wrong" if wrong else "closing.right" if rows else "closing.none"))
    if check.blind:
        _say(texts.text("closing.unchecked", count=check.blind))
    for seq, words in wrong:
        _say(f"  {seq}: {words}")
    return int(bool(wrong))


def list_outages(arguments: argparse.Namespace, texts: Texts) -> int:
    """The table of outages, in the order in which they ended; those that last come last."""
    outages, found = Outages(), []
    for raw in _raws(arguments.path):
        if raw and (ended := outages.take(decode(raw))) is not None:
            found.append(ended)
    found += outages.open()
    if arguments.json:
        for outage in found:
            _say(json.dumps(asdict(outage)))
        return 0
    if not found:
        _say(texts.text("outage.none"))
        return 0
    _table([texts.text(f"outage.{name}") for name in OUTAGE_COLUMNS], [_outage(each, texts) for each in found])
    _say("")
    _say(texts.text("outage.count", count=len(found)))
    return 0


def _closing(entry: Entry) -> list[str]:
    data, sums = entry.data, entry.data["sums"]
    ever = {name: data["ever"].get(name, 0) for name in (*EVER_COLUMNS.values(), "energy")}
    return [
        data["name"],
        f"{data['first']}–{data['last']}",
        str(data["sales"]),
        str(Money(-_total(sums, "sold"))),
        str(Money(_total(sums, "cash"))),
        str(Money(-_total(data["balances"], "owed"))),
        *(str(Money(ever[name])) for name in EVER_COLUMNS.values()),
        str(Energy(ever["energy"])),
    ]


def _outage(outage: Outage, texts: Texts) -> list[str]:
    device, till = f"device.{outage.device}", outage.to_ms
    why = [texts.text(f"why.{code}") if f"why.{code}" in texts else code for code in outage.codes]
    why += [texts.text("outage.flaps", count=outage.flaps)] if outage.flaps else []
    return [
        texts.text(device) if device in texts else outage.device,
        _time(outage.from_ms),
        texts.text("outage.lasts") if till is None else _time(till),
        "" if outage.lasted_ms is None else _span(outage.lasted_ms, texts),
        ", ".join(why),
        f"{outage.from_seq}–{'' if outage.to_seq is None else outage.to_seq}",
    ]


def _total(sums: Mapping[str, int], first: str) -> int:
    return sum(fen for account, fen in sums.items() if account.split(":")[0] == first)


def _time(at_ms: int) -> str:
    if at_ms >= YEAR_10000:
        return f"{at_ms} ms"
    civil = civil_time(at_ms, CHINA)
    return f"{civil[:4]}-{civil[4:6]}-{civil[6:8]} {civil[8:10]}:{civil[10:12]}:{civil[12:]}"


def _span(ms: int, texts: Texts) -> str:
    seconds = ms // 1_000
    values = {"days": seconds // 86_400, "hours": seconds // 3_600, "minutes": seconds // 60, "seconds": seconds}
    largest = next((name for name, value in values.items() if value), "seconds")
    parts = {**values, "seconds": seconds % 60 if seconds >= 60 else seconds}
    if seconds >= 3_600:
        parts["minutes"] = seconds // 60 % 60
    if seconds >= 86_400:
        parts["hours"] = seconds // 3_600 % 24
    return texts.text(f"time.{largest}", **parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they must be; a Chinese character is two wide."""
    widths = [max(_width(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        _say("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip())


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _raws(path: Path) -> Iterator[bytes]:
    """The entries of a journal or an export, in order. Raises LedgerFault L-501."""
    if path.is_dir():
        note = read_note(path)
        if note is None:
            raise LedgerFault("L-501", f"{path} is no export, or is unfinished")
        size, gone = parse_checkpoint_note(note)[0].size, gone_bundles(PlainFiles(path))
        for index in range(-(-size // WIDTH)):
            if index < gone and not (path / tile_path("entries", index, WIDTH)).exists():
                yield from [b""] * WIDTH
            else:
                yield from read_bundle(path, index, size)
        return
    with JournalReader(path) as log:
        yield from log.kept(0, log.size)


def _run(command: Any) -> Any:
    def run(arguments: argparse.Namespace) -> int:
        try:
            return int(command(arguments, load_texts(TEXTS, "ledger", arguments.language)))
        except KioskError as error:
            sys.stderr.write(f"{_plain(str(error))}\n")
            return 2

    return run


def _plain(line: str) -> str:
    """One line that shows what it says: what an entry holds must not look like our own words."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _say(line: str) -> None:
    sys.stdout.write(_plain(line) + "\n")
