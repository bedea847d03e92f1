"""``kiosk hq import FOLDER``: a stick's records, taken at head office's own machine; the answers go back onto it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from kiosk.hq.folder import opened_store, prepared
from kiosk.hq.keyring import open_signer
from kiosk.hq.office import Office
from kiosk.hq.stick import Told, import_stick
from kiosk.hq.upload import stick_texts
from kiosk.hq.witness import Witness
from kiosk.ledger.files import PlainFiles
from kiosk.model.clock import SystemClock
from kiosk.model.errors import BatchRefused
from kiosk.model.texts import Texts


def add_stick_parsers(commands: Any) -> None:
    """Adds ``import`` to the subparsers of ``kiosk hq``."""
    help_ = "Take the records that a stick brings, and write the answers back onto it."
    parser = prepared(commands.add_parser("import", help=help_, description=help_), _import)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the stick is mounted, or one folder of it")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN")


def lines(told: Told, texts: Texts) -> list[str]:
    """What is said about one terminal's folder."""
    said = texts.text(f"said.{told.said}", **values(told))
    code = f"[{told.code}] " if told.code else ""
    answered = [f"  {texts.text(f'answered.{told.answered}')}"] if told.answer else []
    return [f"{told.name}: {texts.text(f'short.{told.said}')}", f"  {code}{said}", *answered]


def values(told: Told) -> dict[str, object]:
    """What the sentences may use."""
    return {"name": told.name, "code": told.code, "size": told.size, "new": told.new, "held": told.held}


def _import(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        raise BatchRefused("S-613", f"{args.folder} is no folder: is the stick in, and mounted there?")
    clock, texts = SystemClock(), stick_texts(args.language)
    office = Office(opened_store(args), Witness(open_signer(args.data), clock), clock)
    well, found = True, False
    for told in import_stick(office, PlainFiles(args.folder)):
        well, found = well and not told.code, True
        sys.stdout.write("".join(f"{line}\n" for line in lines(told, texts)))
        sys.stdout.flush()
    if not found:
        raise BatchRefused("S-613", f"{args.folder} holds no terminal's records (prepaid-kiosk/v1/…)")
    return 0 if well else 1
