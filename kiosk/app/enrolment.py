"""A terminal becomes one of head office's: its key is made, the answer is believed, the new epoch is begun.

What is under way lies in ``enrolling/``: key, request, answer, and at last the ledger. When all of it is whole the
folder becomes ``epoch-<n>/``, and one small file, ``epoch``, is put in place of the old one: that is the moment. A
power cut before it leaves the old ledger in force, and the same command goes on. The old epoch's files are never
touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kiosk.app.old_ledger import OLD_KEYS, OldLedger
from kiosk.app.rollback import guard_of, seen_by
from kiosk.app.signing import make_terminal_key, open_key, opened_signer, sealing_opener
from kiosk.config import Config
from kiosk.ledger.brought import Brought
from kiosk.ledger.enrolment import Answer, Code, is_proven, make_request, put, read_answer, read_request
from kiosk.ledger.files import PlainFiles
from kiosk.ledger.installed import newest
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import sync_folder
from kiosk.ledger.lock import lock_beside
from kiosk.ledger.note import Vkey
from kiosk.model.clock import Clock
from kiosk.model.errors import EnrolmentRefused, LedgerFault
from kiosk.sync.command import head_office_keys

ENROLLING, POINTER, LEDGER = "enrolling", "epoch", "ledger.db"
REQUEST, ANSWER = "request", "answer"
OFFICE_KEYS, OFFICE_SETTINGS = "hq.vkeys", "office-settings.toml"
LIMIT = 16 << 20
_UNDER_WAY = "an enrolment with another code is under way here; `kiosk enrol --forget` ends it"


@dataclass(frozen=True, slots=True)
class Begun:
    """What the new epoch begins with. ``old``: the ledger that was read for it, if one was."""

    vkey: Vkey
    brought: tuple[Brought, ...]
    old: OldLedger | None


class Enrolment:
    """One enrolment, from the code to the new epoch. Raises LedgerFault L-502 where the disk fails."""

    def __init__(self, config: Config, code: Code, clock: Clock) -> None:
        self._config, self._code, self._clock = config, code, clock
        self._base = config.terminal.folder
        self._here = self._base / ENROLLING
        self._files = PlainFiles(self._here)

    def request(self) -> bytes:
        """The request for head office, with keys that are made once; the same bytes for the same code.

        Raises EnrolmentRefused E-909 if another code's answer waits here; LedgerFault L-505 for the key.
        """
        with _disk():
            raw = self._files.read(REQUEST, LIMIT)
            if raw is not None and is_proven(raw, self._code.key):
                return raw
            if self._files.read(ANSWER, LIMIT) is not None:
                raise EnrolmentRefused("E-909", _UNDER_WAY)
            if raw is None:  # what a start left that was cut off is no key that anybody knows
                shutil.rmtree(self._here, ignore_errors=True)
                self._here.mkdir(mode=0o700, parents=True)
                sync_folder(self._base)  # the key must not go with a power cut once its request has gone out
                signer = make_terminal_key(self._config, self._here, self._config.origin(1))
            else:
                signer = open_key(self._config, self._here, self._config.origin(1))
            sealing = sealing_opener(self._config).key.raw
            raw = make_request(self._code, self._config.place, signer, sealing)
            put(self._files, REQUEST, raw)
            return raw

    def believe(self, raw: bytes) -> Answer:
        """Head office's answer, kept if it is proven. Raises EnrolmentRefused E-907."""
        request = self.request()
        answer = read_answer(raw, request, self._code)
        wanted = read_request(request)
        if answer.vkey.key != wanted.key or answer.vkey.name.rpartition("/")[0] != wanted.place or not answer.office:
            raise EnrolmentRefused("E-907", "the answer is for another terminal, or names no key of head office")
        self._same_office(answer)
        with _disk():
            put(self._files, ANSWER, raw)
        return answer

    def answer(self) -> bytes | None:
        """The answer that was kept, if there is one."""
        with _disk():
            return self._files.read(ANSWER, LIMIT)

    def finish(self, answer: Answer, old: OldLedger | None) -> Begun:
        """Begins the new epoch with what is brought over, and with the lists that were in force: it forgets nothing.

        ``old``: the old ledger, read to its end.

        Raises LedgerFault L-505 (key), L-502; EnrolmentRefused E-907 if the key here is not the answer's.
        """
        origin = answer.vkey.name
        signer = open_key(self._config, self._here, origin)
        if signer.vkey != answer.vkey:
            raise EnrolmentRefused("E-907", "the key here is not the one that head office answers to")
        known = {old.epoch, *old.came} if old is not None else set()
        rows = [*(old.rows if old is not None else ()), *(row for row in answer.brought if row.epoch not in known)]
        lists = newest(old.lists if old is not None else (), answer.lists)
        for part in self._here.glob(f"{LEDGER}*"):
            part.unlink()
        epoch = origin.rpartition("/")[2]
        why = "first enrolment" if epoch == "1" else "a new epoch"
        with Journal.create(self._here / LEDGER, signer, origin, answer.prev, why, self._clock) as journal:
            journal.append([*(row.draft() for row in rows), *(listed.draft() for listed in lists)])
        with _disk():
            self._lay_out(answer)
            self._here.rename(self._base / f"epoch-{epoch}")
            put(PlainFiles(self._base), POINTER, f"{epoch}\n".encode())
        self._count()
        return Begun(answer.vkey, tuple(rows), old)

    def _count(self) -> None:
        """Names the chip's counter: once the new ledger is in force, for it outruns the old one."""
        guard = guard_of(self._config, self._clock)
        if guard is not None:
            signer = opened_signer(self._config)
            with Journal.open(self._config.journal, signer, self._clock, seen_by(guard)) as journal:
                guard.check(journal)

    def left_off(self) -> Vkey | None:
        """The epoch that this code has begun here and that is in force: there is nothing left to do.

        One that a power cut kept from being put in force is begun anew: the old ledger may have gone on since.
        An older one than that in force stays what it is, whoever types its code again. Raises EnrolmentRefused E-909.
        """
        with _disk():
            for folder in sorted(self._base.glob("epoch-*")):
                answer = self._answer_in(PlainFiles(folder))
                if answer is None:
                    continue
                if folder == self._config.home:
                    return answer.vkey
                if _epoch_of(folder.name) > _epoch_of(self._config.home.name):
                    if self._here.exists():
                        raise EnrolmentRefused("E-909", _UNDER_WAY)
                    folder.rename(self._here)
                    sync_folder(self._base)
                    return None
        return None

    def _answer_in(self, files: PlainFiles) -> Answer | None:
        """The answer that lies in an epoch's folder, if it was given to this code."""
        request, raw = files.read(REQUEST, LIMIT), files.read(ANSWER, LIMIT)
        if request is None or raw is None or read_request(request).number != self._code.number:
            return None
        try:
            return read_answer(raw, request, self._code)
        except EnrolmentRefused:
            return None  # of another code that had this number

    def _lay_out(self, answer: Answer) -> None:
        """What head office gave beside the keys. The TUF root is taken once: later ones come by TUF itself."""
        put(self._files, OFFICE_KEYS, "".join(f"{vkey}\n" for vkey in answer.office).encode())
        put(self._files, OLD_KEYS, "".join(f"{vkey}\n" for vkey in answer.keys).encode())
        if answer.settings:
            put(self._files, OFFICE_SETTINGS, answer.settings)
        base = PlainFiles(self._base)
        if answer.root and not self._config.tuf_root.exists():
            put(PlainFiles(self._config.tuf_root.parent), self._config.tuf_root.name, answer.root)
        keys = self._config.head_office.vkey_file
        if keys is not None and not keys.exists():
            put(PlainFiles(keys.parent), keys.name, "".join(f"{vkey}\n" for vkey in answer.office).encode())
        base.flush("")

    def _same_office(self, answer: Answer) -> None:
        """A key of head office that a person has laid here before must be the one that answers."""
        keys = self._config.head_office.vkey_file
        if keys is not None and keys.exists() and not set(head_office_keys(keys)) & set(answer.office):
            text = f"{keys} holds another key of head office than the one that answers; if it is an old one, remove it"
            raise EnrolmentRefused("E-907", text)


def forget(config: Config) -> None:
    """Forgets an enrolment that was begun; its code stays used. Raises LedgerFault L-502."""
    with _disk():
        PlainFiles(config.terminal.folder).remove(ENROLLING)


@contextmanager
def at_rest(config: Config) -> Iterator[None]:
    """Keeps everybody from the ledger in force, if there is one. Raises LedgerFault L-506 while the kiosk runs.

    What it sold between the reading of its ledger and the new epoch would be known to one of the two only.
    """
    if not config.journal.exists():
        yield
        return
    try:
        lock = lock_beside(config.journal)
    except LedgerFault as fault:
        raise LedgerFault(fault.code, f"{fault.args[0]}: stop the kiosk first 请先停止售电程序") from fault
    with lock:
        yield


def _epoch_of(folder: str) -> int:
    """The number in the name of an epoch's folder; 0 for the terminal's own, which comes before them all."""
    word, _, number = folder.rpartition("-")
    return int(number) if word == POINTER and number.isascii() and number.isdigit() else 0


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerFault("L-502", f"the enrolment cannot be kept on the disk: {error}") from error
