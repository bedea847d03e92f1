"""Head office and a stick: contract 2 §5. Each terminal's folder is taken as one batch by steps 1 to 6 of §6.

What is asked first is what needs the checkpoint only: who speaks, and whether the key signed two histories. Then the
whole folder is read, every bundle and tile, and must make the signed root: a folder with one byte changed is refused,
also where the byte is of entries that are here already. Only then are the new entries read again and taken, under the
log's lock, by the rules of a batch from the network; the root is held against them once more, in the transaction. So
memory does not grow with the ledger, and a refusal keeps nothing.

``checkpoint.hq`` on the stick proves nothing that is new, with one exception: after a restore from an old backup it may
say what this head office has forgotten; then it becomes the floor, as if the terminal had posted it. A bent one is
replaced.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kiosk.hq.office import Answer, Office
from kiosk.hq.store import log_hash
from kiosk.ledger.export import OtherBytes, read_entries_of, read_text, write_by_rename
from kiosk.ledger.files import Below, Files
from kiosk.ledger.note import Checkpoint, parse_checkpoint_note, parse_cosigned_note
from kiosk.ledger.tiles import CHECKPOINT, COSIGNED
from kiosk.model.errors import LedgerFault
from kiosk.sync.batch import Batch

HEX64 = re.compile("[0-9a-f]{64}", re.IGNORECASE)
LOGS_MAX = 10_000  # folders looked at on one stick
_ABOVE = ("prepaid-kiosk", "v1")

SAID = (
    *("taken", "known", "old", "restoring", "unfinished", "unknown", "blocked", "forged", "damaged", "exchanged"),
    "cut",
    *("contrary", "quarantined", "unreadable", "refused"),
)
"""How it ended with one terminal's folder: keys of the texts."""
ANSWERED = ("written", "none", "full", "read-only", "failed")
"""What became of the answer on the stick: keys of the texts."""

_FULL, _READ_ONLY = ("full", "S-611"), ("read-only", "S-612")
_FAILURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _READ_ONLY),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one terminal's folder."""

    name: str  # the ledger's origin; the folder's name where that cannot be known
    said: str  # of SAID
    code: str = ""  # of docs/errors.md; "": well
    size: int = 0  # entries its checkpoint speaks of
    new: int = 0  # entries that were not here before
    held: int = 0  # entries here now
    answer: str = ""  # the cosigned checkpoint to go back, or ""
    answered: str = "none"  # of ANSWERED

    @property
    def log_id(self) -> str:
        """<H>."""
        return log_hash(self.name)


def log_folders(files: Files, folder: str = "", depth: int = 4) -> Iterator[str]:
    """Folders that hold a terminal's export: below a stick's root, ``prepaid-kiosk``, ``v1``, or the folder itself."""
    names = files.names(folder)
    if {CHECKPOINT, "tile"} & {name.lower() for name in names}:
        yield folder
        return
    for name in names:
        if depth and (name.lower() in _ABOVE or HEX64.fullmatch(name)):
            path = f"{folder}/{name}".lstrip("/")
            if HEX64.fullmatch(name):
                yield path
            else:
                yield from log_folders(files, path, depth - 1)


def import_stick(office: Office, files: Files, *, write_back: bool = True) -> Iterator[Told]:
    """Takes every terminal's folder on a stick; yields what became of each.

    ``write_back``: put the answers on the stick. Raises LedgerFault L-502 when head office's own database fails; what
    was told before is taken and stays.
    """
    try:
        folders = list(log_folders(files))[:LOGS_MAX]
    except OSError:
        yield Told("", "unreadable", "S-613")
        return
    for folder in folders:
        own: Files = Below(files, folder) if folder else files
        told = import_log(office, own, folder.rpartition("/")[2])
        if write_back and told.answer:
            told = _answered(own, told)
        yield told


def import_log(office: Office, files: Files, name: str) -> Told:
    """Takes one terminal's folder; ``name`` is the folder's. Raises LedgerFault L-502."""
    try:
        text = read_text(files, CHECKPOINT)
        if text is None:
            return Told(name, "unfinished", "S-613")
        checkpoint, _ = parse_checkpoint_note(text)
    except LedgerFault:
        return Told(name, "damaged", "S-615")
    except OSError:
        return Told(name, "unreadable", "S-613")
    told = Told(checkpoint.origin, "refused", "S-604", checkpoint.size)
    if HEX64.fullmatch(name) and name.lower() != told.log_id:
        return replace(told, said="exchanged", code="S-615")
    if (closed := office.admit(told.log_id)) is not None:
        said = ("unknown", "S-602") if closed.status == 404 else ("blocked", "S-603")
        return replace(told, said=said[0], code=said[1])
    try:
        return _take(office, files, checkpoint, text, told)
    except OSError:
        return replace(told, said="unreadable", code="S-613")


def _take(office: Office, files: Files, checkpoint: Checkpoint, text: str, told: Told) -> Told:
    """Steps 1 to 6. The empty batch at the folder's size asks for steps 1 to 3, and how far head office is."""
    empty = Batch(checkpoint.origin, checkpoint.size, (), text)
    answer = office.take(told.log_id, empty)
    held = checkpoint.size
    if answer.status == 409:
        held = int(answer.body)
    elif answer.status not in (200, 202):
        return _refused(answer, told)
    try:
        for _ in read_entries_of(files, checkpoint, held):
            pass  # every byte, and nothing is kept: a ledger is longer than a memory
    except LedgerFault as fault:
        if fault.code == "L-507":
            return replace(told, said="cut", code="L-507", held=held)
        return replace(told, said="damaged", code="S-615")
    told = replace(told, new=checkpoint.size - held)
    if answer.status == 409:
        _remind(office, files, told, held)
        try:
            answer = office.take_whole(told.log_id, empty, held, _entries(files, checkpoint, held))
        except _Changed:
            return replace(told, said="damaged", code="S-615", new=0)
        if answer.status == 422 and not office.in_quarantine(told.log_id):  # step 5: signed, and yet not our entries'
            return replace(told, said="contrary", code="S-604", new=0)
    return _told(answer, told) if answer.status in (200, 202) else _refused(answer, told)


class _Changed(Exception):
    """The folder is another than when it was read the first time."""


def _entries(files: Files, checkpoint: Checkpoint, held: int) -> Iterator[bytes]:
    """The entries from number ``held`` on, read again. Raises _Changed, OSError."""
    passed = 0
    try:
        for bundle in read_entries_of(files, checkpoint, held):
            yield from bundle[max(0, held - passed) :]
            passed += len(bundle)
    except LedgerFault as fault:
        raise _Changed from fault


def _told(answer: Answer, told: Told) -> Told:
    """Of 200 and 202. Only a 200 goes back, and not one larger than the folder's checkpoint."""
    if answer.status == 202:
        return replace(told, said="restoring", code="", held=int(answer.body))
    size = parse_cosigned_note(answer.body)[0].size
    if size > told.size:
        return replace(told, said="old", code="", new=0, held=size)
    return replace(told, said="taken" if told.new else "known", code="", held=size, answer=answer.body)


def _refused(answer: Answer, told: Told) -> Told:
    said, code = {403: ("forged", "S-615"), 422: ("quarantined", "L-504"), 400: ("damaged", "S-615")}.get(
        answer.status, ("refused", "S-604")
    )
    return replace(told, said=said, code=code, new=0)


def _remind(office: Office, files: Files, told: Told, held: int) -> None:
    """Gives the office its own note of more than it holds: it was restored from an old backup."""
    try:
        text = read_text(files, COSIGNED)
        if text is not None and held < parse_cosigned_note(text)[0].size <= told.size:
            office.take_floor(told.log_id, text)
    except LedgerFault:
        return  # no note; it will be replaced by one


def _answered(files: Files, told: Told) -> Told:
    """Writes the answer back. Where that fails, the records are taken all the same."""
    try:
        if files.read(COSIGNED, len(told.answer.encode())) != told.answer.encode():
            write_by_rename(files, COSIGNED, told.answer.encode())
        return replace(told, answered="written")
    except OtherBytes:
        return replace(told, answered="failed", code="S-615")
    except OSError as error:
        answered, code = _FAILURES.get(error.errno or 0, ("failed", "S-613"))
        return replace(told, answered=answered, code=code)
