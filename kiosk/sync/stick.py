"""The terminal and a stick: contract 2 §5. A field worker puts it in; a round takes the answer and gives the records.

Who writes what: the journal is only read, so a round works beside a running kiosk and beside an uplink that sends. What
head office answered goes into a file of the round's own (``state.stick_state``), under that file's lock; kiosk and
uplink read it there. So no file has two writers, and nobody waits for an uplink that is resting.

Laws: an answer counts when both signatures hold, and then like a 200 over the network (§6): recorded if it is larger,
and if this disk does not hold what it says, the selling stops. What lies on a stick and is not on this disk, though
signed by this terminal, is never written over: it may be the only copy. The stick keeps no progress: a lost one costs
nothing, the next one carries everything.

::

    Step, Step, … ──► Round(taken: Outcome, written: Outcome)        sentences: assets/text/stick.<language>.toml
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from kiosk.ledger.export import (
    CHECK,
    LOOK,
    WRITE,
    NoRoom,
    Occupied,
    OtherBytes,
    Progress,
    read_text,
    renew,
    stick_folder,
)
from kiosk.ledger.files import Below, Files
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Checkpoint, Vkey, open_checkpoint, open_cosigned, parse_checkpoint_note
from kiosk.ledger.tiles import CHECKPOINT, COSIGNED
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault
from kiosk.sync.outbox import Outbox
from kiosk.sync.state import SyncState, SyncStateFile, SyncStateReader, stick_state

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one half of a round ended: a sentence, the values in it, and a code when somebody must do something."""

    sentence: str  # key of the texts
    code: str = ""  # of docs/errors.md; "": well
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to. Whatever it says, the stick may be pulled now: nothing is being written any more."""

    taken: Outcome
    written: Outcome

    @property
    def code(self) -> str:
        """The gravest code: "" when all is well."""
        return self.written.code or self.taken.code

    @property
    def carried(self) -> bool:
        """Whether the stick now holds every record, flushed and read back: "safe to remove"."""
        return self.written.sentence in ("written", "unchanged")


Steps = Generator[Progress, None, Outcome]
NOT_TRIED = Outcome("not-written")
SENTENCES: dict[str, frozenset[str]] = {
    **{f"step.{step}": frozenset({"done", "total"}) for step in (LOOK, WRITE, CHECK)},
    **{name: frozenset({"size"}) for name in ("ack-new", "ack-known", "ack-stop", "written", "unchanged")},
    "holds-more": frozenset({"size", "have"}),
    "occupied": frozenset({"name"}),
    **dict.fromkeys(
        ("ack-none", "ack-bad", "not-written", "no-stick", "full", "read-only", "gone", "differs", "ledger"),
        frozenset[str](),
    ),
}
"""Every sentence an outcome or a step may name, with the values it gives."""


class Stick:
    """One terminal's side of one stick. Raises LedgerFault L-502, L-506 only where its own state file fails."""

    def __init__(
        self, files: Files, journal: JournalReader, state: Path, head_offices: Sequence[Vkey], clock: Clock
    ) -> None:
        """``files``: the stick's root. ``state``: the uplink's state file, which is only read."""
        self._files = files
        self._journal = journal
        self._outbox = Outbox(journal)
        self._state = state
        self._head_offices = head_offices
        self._clock = clock
        self._own = Below(files, stick_folder(journal.vkey.name))

    def round(self) -> Generator[Progress, None, Round]:
        """Takes head office's answer, then gives the records: what field staff do at each terminal."""
        taken = self.take()
        if taken.code in ("", "S-605"):  # an answer that is none is replaced; the records go on their way
            return Round(taken, (yield from self.write()))
        return Round(taken, NOT_TRIED)

    def take(self) -> Outcome:
        """Takes head office's answer from the stick, if it brings one."""
        try:
            if wrong := self._cannot_be():
                return wrong
            text = read_text(self._own, COSIGNED)
            return Outcome("ack-none") if text is None else self._hear(text)
        except LedgerFault as fault:
            if fault.code != "L-501":
                raise
            return Outcome("ack-bad", "S-605")
        except OSError as error:
            return _failed(error)

    def write(self) -> Steps:
        """Writes or renews this terminal's folder; what is right already stays. Ends flushed and read back."""
        try:
            if wrong := self._cannot_be() or self._holds_more():
                return wrong
            known, size, sentence = self._known(), 0, "unchanged"
            if known.stop_selling:
                return NOT_TRIED
            for progress in renew(self._own, self._journal, self._newest_answer(known)):
                size = progress.total if progress.step == LOOK else size
                sentence = "written" if progress.step == WRITE else sentence
                yield progress
            for above in ("prepaid-kiosk/v1", "prepaid-kiosk", ""):
                self._files.flush(above)
            return Outcome(sentence, "", {"size": size})
        except LedgerFault as fault:
            return _refused(fault, stick_folder(self._outbox.origin))
        except OSError as error:
            return _failed(error)

    def _hear(self, text: str) -> Outcome:
        cosigned = open_cosigned(text, self._journal.vkey, self._head_offices)
        size = cosigned.checkpoint.size
        with closing(SyncStateFile(stick_state(self._state), self._outbox.origin)) as state:
            known = self._known()  # under the lock: another round may have brought more just now
            if not self._is_here(cosigned.checkpoint):
                state.change(stop_selling=True, problem_code="L-503", evidence=text)
                return Outcome("ack-stop", "L-503", {"size": size})
            if size <= known.cosigned_size:
                return Outcome("ack-known", "", {"size": known.cosigned_size})
            state.change(cosigned_size=size, cosigned_note=text, last_contact_ms=self._clock.utc_ms())
        return Outcome("ack-new", "", {"size": size})

    def _known(self) -> SyncState:
        with SyncStateReader(self._state, self._outbox.origin) as reader:
            return reader.state()

    def _is_here(self, checkpoint: Checkpoint) -> bool:
        """Whether the ledger it speaks of is the beginning of the one on this disk."""
        size = checkpoint.size
        return size <= self._outbox.size and self._outbox.root_at(size) == checkpoint.root

    def _cannot_be(self) -> Outcome | None:
        """No stick, or something in the place of our folders; then nothing is touched."""
        if not self._files.is_folder(""):
            return Outcome("no-stick", "S-613")
        above = ""
        for name in stick_folder(self._outbox.origin).split("/"):
            path = f"{above}/{name}".lstrip("/")
            if not self._files.is_folder(path):
                there = name in (each.lower() for each in self._files.names(above))
                return Outcome("occupied", "S-614", {"name": path}) if there else None
            above = path
        return None

    def _holds_more(self) -> Outcome | None:
        """Signed by this terminal, and not on this disk: then the stick may hold the only copy, and stays as it is."""
        for opened in (self._signed_on_stick, self._answer_on_stick):
            try:
                signed = opened()
            except LedgerFault:
                continue  # torn or forged: nothing that counts
            if signed is not None and not self._is_here(signed):
                return Outcome("holds-more", "S-616", {"size": signed.size, "have": self._outbox.size})
        return None

    def _newest_answer(self, known: SyncState) -> str | None:
        """Head office's newest answer for the stick; None: the stick's own is newer. A forged one is taken away."""
        newest = parse_checkpoint_note(self._journal.newest())[0].size
        try:
            answer = self._answer_on_stick()
        except LedgerFault:
            self._own.remove(COSIGNED)
            answer = None
        own = answer.size if answer else 0
        return known.cosigned_note if own < known.cosigned_size <= newest else None

    def _signed_on_stick(self) -> Checkpoint | None:
        text = read_text(self._own, CHECKPOINT)
        return None if text is None else open_checkpoint(text, self._journal.vkey)

    def _answer_on_stick(self) -> Checkpoint | None:
        text = read_text(self._own, COSIGNED)
        return None if text is None else open_cosigned(text, self._journal.vkey, self._head_offices).checkpoint


def _refused(fault: LedgerFault, folder: str) -> Outcome:
    """What a renewal that did not come to its end means for the person at the terminal."""
    match fault:
        case NoRoom():
            return Outcome("full", "S-611")
        case OtherBytes():
            return Outcome("differs", "S-615")
        case Occupied():
            return Outcome("occupied", "S-614", {"name": folder})
    if isinstance(fault.__cause__, OSError):
        return _failed(fault.__cause__)
    if fault.code == "L-501":
        return Outcome("ledger", "L-501")
    raise fault


def _failed(error: OSError) -> Outcome:
    """What the medium's own complaint means."""
    if error.errno in _FULL:
        return Outcome("full", "S-611")
    return Outcome("read-only", "S-612") if error.errno in _READ_ONLY else Outcome("gone", "S-613")
