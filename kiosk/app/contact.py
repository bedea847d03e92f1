"""`kiosk sync status`: how the terminal stands with head office, read while the kiosk runs or does not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta, timezone
from pathlib import Path

from kiosk.config import load_config
from kiosk.ledger.journal import JournalReader
from kiosk.model.clock import SystemClock, civil_time
from kiosk.model.errors import ConfigFault, KioskError
from kiosk.model.texts import Texts, load_texts
from kiosk.sync.state import SyncStateReader
from kiosk.sync.status import KEYS, Standing, lines

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
GOOD, WRONG, USAGE = 0, 1, 2
CHINA_MINUTES = 480


def status_texts(language: str) -> Texts:
    """The sentences. Raises ConfigFault F-701."""
    texts = load_texts(TEXTS, "uplink", language)
    try:
        texts.check(KEYS)
    except KeyError as error:
        raise ConfigFault("F-701", str(error)) from error
    return texts


def main(rest: Sequence[str]) -> int:
    """The command. 0: all is well; 1: something is wrong; 2: asked wrongly, or nothing can be read."""
    args = _parser().parse_args(rest)
    try:
        minutes, url = _place(args)
        texts = status_texts(args.language)
        standing = _standing(args.journal, args.state)
    except KioskError as fault:
        sys.stderr.write(f"{fault}\n")
        return USAGE
    told = lines(standing, texts, lambda at_ms: _time(at_ms, minutes))
    if not url:
        told.append(texts.text("status.no-office"))
    sys.stdout.write("\n".join(told) + "\n")
    return GOOD if standing.well else WRONG


def _standing(journal: Path, state: Path) -> Standing:
    """Raises LedgerFault L-501, L-502."""
    with JournalReader(journal) as log, SyncStateReader(state, log.vkey.name) as reader:
        return Standing(log.vkey.name, reader.state(), reader.work(), log.size, SystemClock().utc_ms())


def _place(args: argparse.Namespace) -> tuple[int, bool]:
    """Takes what is not given from ``--config``; (UTC offset in minutes, is there a head office). ConfigFault F-701."""
    minutes, url = CHINA_MINUTES, True
    if args.config is not None:
        config = load_config(args.config)
        args.journal, args.state = args.journal or config.journal, args.state or config.sync_state
        minutes, url = config.terminal.utc_offset_minutes, bool(config.head_office.url)
    if args.journal is None or args.state is None:
        raise ConfigFault("F-701", "give --config, or both --journal and --state")
    return minutes, url


def _time(at_ms: int, minutes: int) -> str:
    civil = civil_time(at_ms, timezone(timedelta(minutes=minutes)))
    return f"{civil[:4]}-{civil[4:6]}-{civil[6:8]} {civil[8:10]}:{civil[10:12]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m kiosk sync status",
        description="How far head office has this terminal's records, what is wrong, and when it is tried again. "
        "上传进度、故障、下次尝试",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="kiosk.toml; or name the two files below")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="the ledger; only read")
    parser.add_argument("--state", type=Path, metavar="FILE", help="the uplink's state file; only read")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN")
    return parser
