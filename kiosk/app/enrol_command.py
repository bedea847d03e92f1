"""`kiosk enrol`: makes a terminal's key and opens its ledger; with a code, head office enrols it at the same time.

Exit status: 0 done, 1 not done (and why), 2 asked wrongly, 3 the request is written and waits for head office.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kiosk.app.enrolment import Begun, Enrolment, at_rest, forget
from kiosk.app.old_ledger import OldLedger, bring_corrections, check_chip, old_keys, read_old
from kiosk.app.rollback import guard_of
from kiosk.app.signing import make_terminal_key
from kiosk.config import Config, load_config
from kiosk.ledger.enrolment import (
    ANSWER_BYTES_MAX,
    ANSWER_FILE,
    REQUEST_FILE,
    Answer,
    fingerprint,
    parse_code,
    put,
    stick_faults,
)
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.journal import Journal
from kiosk.model.clock import SystemClock
from kiosk.model.errors import EnrolmentRefused, KioskError
from kiosk.model.money import Money
from kiosk.model.texts import Texts, load_texts
from kiosk.sync.enrol import ask_office

DONE, NOT_DONE, ASKED_WRONGLY, WAITS = 0, 1, 2, 3
TEXTS = Path(__file__).resolve().parents[2] / "assets" / "text"
FIRST_EPOCH = 1
YES = ("yes", "是")
ABOUT = """Makes this terminal's key and opens its ledger. 建立终端密钥和账本

  kiosk enrol --office https://hq.power.example    with the code from head office (asked for) 用登记码联网登记
  kiosk enrol --stick /media/usb                   the same by stick: run it before and after 用 U 盘登记（前后各一次）
  kiosk enrol                                      without a code: prints the public key 不用登记码：打印公钥
  kiosk enrol bring OLD/ledger.db                  the old ledger was found after all 找到旧账本后补记更正
"""


def main(arguments: Sequence[str]) -> int:
    """The program."""
    given = _parser().parse_args(arguments)
    if given.what not in ("", "bring") or (given.what == "bring") is not bool(given.ledger):
        sys.stderr.write("enrol bring needs the old ledger's file, and there is no other word\n")
        return ASKED_WRONGLY
    try:
        config = load_config(given.config)
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        return ASKED_WRONGLY
    try:
        words = load_texts(TEXTS, "enrol", given.language or config.terminal.language)
        if given.what == "bring":
            return _bring(config, given.ledger, words)
        if given.forget:
            forget(config)
            _say(words, "forgotten")
            return DONE
        if given.code or given.office or given.stick:
            return _Road(config, words, given).go()
        return _by_vkey(config)
    except KioskError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_DONE


def _by_vkey(config: Config) -> int:
    """The road without a code: prints the public key, which a person enrols at head office."""
    config.terminal.folder.mkdir(parents=True, exist_ok=True)
    origin = config.origin(FIRST_EPOCH)
    signer = make_terminal_key(config, config.home, origin)
    clock = SystemClock(config.terminal.utc_offset_minutes)
    with Journal.create(config.journal, signer, origin, "", "first enrolment", clock) as journal:
        guard = guard_of(config, clock)
        if guard is not None:
            guard.check(journal)
    sys.stdout.write(f"{signer.vkey}\n")
    return DONE


class _Road:
    """From the code to the new epoch, on line or by stick."""

    def __init__(self, config: Config, words: Texts, given: argparse.Namespace) -> None:
        self._config, self._words, self._given = config, words, given
        code = given.code
        if code in ("", "-"):
            sys.stderr.write(words.text("code"))
            sys.stderr.flush()
            code = sys.stdin.readline()
        self._code = parse_code(code)
        self._enrolment = Enrolment(config, self._code, SystemClock(config.terminal.utc_offset_minutes))

    def go(self) -> int:
        """The exit status. Raises KioskError."""
        if (vkey := self._enrolment.left_off()) is not None:
            _say(self._words, "origin", origin=vkey.name)
            _say(self._words, "done")
            return DONE
        request = self._enrolment.request()
        raw = self._enrolment.answer() or (self._by_stick(request) if self._given.stick else self._on_line(request))
        if raw is None:
            return WAITS
        answer = self._enrolment.believe(raw)
        if not self._compared(request, raw, answer):
            forget(self._config)
            _say(self._words, "stopped")
            return NOT_DONE
        with at_rest(self._config):
            begun = self._enrolment.finish(answer, self._old(answer))
        self._told(begun)
        return DONE

    def _on_line(self, request: bytes) -> bytes:
        url = self._given.office or self._config.head_office.url
        if not url:
            raise EnrolmentRefused("E-909", "head office's address is missing: --office URL, or [head_office] url")
        _say(self._words, "asking", url=url)
        return ask_office(url, request)

    def _by_stick(self, request: bytes) -> bytes | None:
        """The answer, or the request written; None while it waits."""
        stick, number = PlainFiles(self._given.stick), self._code.number
        with stick_faults():
            answer = stick.read(f"{ANSWER_FILE}-{number}", ANSWER_BYTES_MAX)
            if answer is not None:
                return answer
            name = f"{REQUEST_FILE}-{number}"
            there = stick.read(name, len(request)) == request
            put(stick, name, request)
        _say(self._words, "again" if there else "written", name=name)
        return None

    def _compared(self, request: bytes, raw: bytes, answer: Answer) -> bool:
        _say(self._words, "origin", origin=answer.vkey.name)
        _say(self._words, "fingerprint", fingerprint=fingerprint(request, raw))
        _say(self._words, "compare")
        if self._given.compared:
            return True
        sys.stdout.write(self._words.text("ask"))
        sys.stdout.flush()
        return sys.stdin.readline().strip() in YES

    def _old(self, answer: Answer) -> OldLedger | None:
        """The old ledger: the one that was named, or the one in force here; None where it is not whole."""
        path = self._given.old or (self._config.journal if self._config.journal.exists() else None)
        if path is None:
            return None
        try:
            known = old_keys(self._config, path, answer.keys)
            old = read_old(path, self._config.place, answer.prev, known)
            check_chip(self._config, old)
        except EnrolmentRefused as why:
            if self._given.old:
                raise
            sys.stderr.write(f"{why}\n")
            return None
        return old

    def _told(self, begun: Begun) -> None:
        if not begun.brought:
            _say(self._words, "nothing")
        for epoch in sorted({row.epoch for row in begun.brought}):
            rows = [row for row in begun.brought if row.epoch == epoch]
            debts = [row for row in rows if row.account.startswith("owed:")]
            read = begun.old is not None and epoch in {begun.old.epoch, *begun.old.came}
            _say(
                self._words,
                "brought",
                epoch=epoch,
                money=Money(-sum(row.fen for row in debts)),
                count=len({row.key for row in debts}),
                cash=Money(sum(row.fen for row in rows if row.account.startswith("cash:"))),
                source=self._words.text("disk" if read else "books"),
            )
        _say(self._words, "done")


def _bring(config: Config, ledger: Path, words: Texts) -> int:
    rows = bring_corrections(config, ledger, SystemClock(config.terminal.utc_offset_minutes))
    _say(words, "corrected" if rows else "agree", count=len(rows))
    return DONE


def _say(words: Texts, key: str, **values: object) -> None:
    sys.stdout.write(words.text(key, **values) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "kiosk enrol", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="", help="nothing, or: bring")
    parser.add_argument("ledger", nargs="?", type=Path, help="bring: the old ledger's file")
    parser.add_argument("--config", type=Path, default=Path("kiosk.toml"), help="default: kiosk.toml")
    parser.add_argument(
        "--code", default="", help="from head office; '-' or nothing asks for it (then no list shows it)"
    )
    parser.add_argument("--office", default="", metavar="URL", help="head office; default: [head_office] url")
    parser.add_argument("--stick", type=Path, metavar="FOLDER", help="a stick instead of a network")
    parser.add_argument("--old", type=Path, metavar="FILE", help="the old ledger, if it lies elsewhere")
    parser.add_argument("--compared", action="store_true", help="the fingerprints were compared already; do not ask")
    parser.add_argument("--forget", action="store_true", help="end an enrolment that was begun and not finished")
    parser.add_argument("--language", choices=("zh-CN", "en"), default="")
    return parser
