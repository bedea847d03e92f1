"""`kiosk sync round | import | export FOLDER`: records carried by hand, on a running or a stopped kiosk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kiosk.app.stick_down import bring_down
from kiosk.config import load_config
from kiosk.ledger.export import Progress
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import JournalReader
from kiosk.model.clock import SystemClock
from kiosk.model.errors import ConfigFault, KioskError
from kiosk.model.texts import Texts, load_texts
from kiosk.sync.command import head_office_keys
from kiosk.sync.stick import NOT_TRIED, SENTENCES, Outcome, Round, Stick

TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
WORDS = ("round", "import", "export")
GOOD, WRONG, USAGE = 0, 1, 2
KEYS = {
    **{key if key.startswith("step.") else f"outcome.{key}": values for key, values in SENTENCES.items()},
    "round.done": frozenset[str](),
    "round.not-done": frozenset[str](),
}
"""Every text of a round, with the values it may use."""


def stick_texts(language: str) -> Texts:
    """The sentences of a round. Raises ConfigFault F-701."""
    texts = load_texts(TEXTS, "stick", language)
    try:
        texts.check(KEYS)
    except KeyError as error:
        raise ConfigFault("F-701", str(error)) from error
    return texts


def lines(result: Round, texts: Texts) -> list[str]:
    """What a round says to the person at the terminal."""
    told = [_line(each, texts) for each in (result.taken, result.written) if each is not NOT_TRIED]
    return [*told, texts.text("round.done" if result.carried else "round.not-done")]


def main(rest: Sequence[str]) -> int:
    """The command. 0: well; 1: not, and it says why; 2: asked wrongly."""
    args = _parser().parse_args(rest)
    try:
        _place(args)
        texts = stick_texts(args.language)
        with JournalReader(args.journal) as journal:
            keys = head_office_keys(args.hq_vkey)
            stick = Stick(PlainFiles(args.folder), journal, args.state, keys, SystemClock())
            down = _bring_down(args)
            return _carry(stick, args.what, texts) or down
    except KioskError as fault:
        sys.stderr.write(f"{fault}\n")
        return WRONG


def _bring_down(args: argparse.Namespace) -> int:
    """What head office publishes, if it lies on the stick; said before the records, for "safe to remove" comes last."""
    if args.config is None or args.what == "export":
        return GOOD
    code, told = bring_down(load_config(args.config), args.folder, args.language)
    sys.stdout.write(f"{told}\n" if told else "")
    return WRONG if code else GOOD


def _carry(stick: Stick, what: str, texts: Texts) -> int:
    if what == "import":
        taken = stick.take()
        sys.stdout.write(_line(taken, texts) + "\n")
        return WRONG if taken.code else GOOD
    steps = stick.round() if what == "round" else stick.write()
    while True:
        try:
            _show(next(steps), texts)
        except StopIteration as end:
            result = end.value if isinstance(end.value, Round) else Round(NOT_TRIED, end.value)
            break
    _end_line()
    sys.stdout.write("".join(f"{line}\n" for line in lines(result, texts)))
    return WRONG if result.code else GOOD


def _line(outcome: Outcome, texts: Texts) -> str:
    said = texts.text(f"outcome.{outcome.sentence}", **outcome.values)
    return f"[{outcome.code}] {said}" if outcome.code else said


def _show(progress: Progress, texts: Texts) -> None:
    if sys.stderr.isatty():
        said = texts.text(f"step.{progress.step}", done=progress.done, total=progress.total)
        sys.stderr.write(f"\r\033[K{said}")
        sys.stderr.flush()


def _end_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\n")


def _place(args: argparse.Namespace) -> None:
    """Takes what is not given from ``--config``. Raises ConfigFault F-701."""
    if args.config is not None:
        config = load_config(args.config)
        args.journal, args.state = args.journal or config.journal, args.state or config.sync_state
        # Head office has perhaps another key by now: the list of all keys that it sent names it.
        args.hq_vkey = args.hq_vkey or (config.vkeys if config.vkeys.exists() else config.head_office.vkey_file)
    lacking = [name for name in ("journal", "state", "hq_vkey") if getattr(args, name) is None]
    if lacking:
        named = ", ".join("--" + name.replace("_", "-") for name in lacking)
        raise ConfigFault("F-701", f"{named}: give them, or a --config that names them ([head_office] vkey_file)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m kiosk sync",
        description="Carries the records by hand. round: take head office's answer from the stick, then give it all "
        "records. The kiosk may run meanwhile. U盘携带记录：先收总部回执，再写入全部记录。",
    )
    parser.add_argument("what", choices=WORDS)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the stick is mounted")
    parser.add_argument("--config", type=Path, metavar="FILE", help="kiosk.toml; or name the three files below")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="the ledger; only read")
    parser.add_argument("--state", type=Path, metavar="FILE", help="the uplink's state file")
    parser.add_argument("--hq-vkey", type=Path, metavar="FILE", help="head office's public keys, one a line")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="zh-CN")
    return parser
