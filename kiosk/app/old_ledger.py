"""An old epoch's ledger, read to its end for what it leaves: verified first, and only believed if it is whole.

Whole means: it verifies under the key that its first entry names, which head office or this machine knows; it holds
everything that head office cosigned of it; a chip that counts agrees with it. A disk image that was put back is not
whole and is left out: then head office's books are used, which bind each debt to its card's count.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kiosk.app.rollback import RAISED, guard_of, seen_by
from kiosk.app.signing import ledger_origin, opened_signer
from kiosk.config import Config
from kiosk.ledger.brought import Brought, corrections
from kiosk.ledger.carry import Carry
from kiosk.ledger.entry import decode
from kiosk.ledger.hardware.chip import Chip
from kiosk.ledger.installed import InForce, Listed
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.kinds import OPENED
from kiosk.ledger.note import Checkpoint, Vkey, parse_cosigned_note
from kiosk.ledger.tree import Frontier
from kiosk.ledger.verify import finish, verify_journal
from kiosk.model.clock import Clock
from kiosk.model.errors import EnrolmentRefused, LedgerFault

OLD_KEYS = "old.vkeys"  # beside a ledger: the keys of the epochs before it, as head office named them


@dataclass(frozen=True, slots=True)
class OldLedger:
    """A ledger read to its end. ``came``: epochs that it had itself brought over."""

    vkey: Vkey
    epoch: int
    rows: tuple[Brought, ...]
    came: frozenset[int]
    counter: int | None  # the last value the chip was raised to, as it says
    lists: tuple[Listed, ...]  # in force at its end


def read_old(path: Path, place: str, cosigned: str, known: Collection[Vkey] | None) -> OldLedger:
    """Reads and verifies an old ledger. ``cosigned``: head office's last cosigned note of this terminal, or "".

    ``known``: keys of old epochs, by head office's word or this machine's own; None: the ledger's is taken for one.
    Raises EnrolmentRefused E-910: it cannot be read, does not verify, lacks what head office has, is another's.
    """
    try:
        with JournalReader(path) as log:
            if known is not None and log.vkey not in known:
                text = f"nobody knows the key of {log.vkey.name} that signed it; `kiosk hq enrol` there takes it"
                raise EnrolmentRefused("E-910", f"{path}: {text}")
            return _read(log, place, cosigned)
    except LedgerFault as fault:
        raise EnrolmentRefused("E-910", f"{path}: {fault.args[0]}") from fault


def _read(log: JournalReader, place: str, cosigned: str) -> OldLedger:
    vkey, epoch = log.vkey, _epoch(log.vkey.name)
    if vkey.name.rpartition("/")[0] != place:
        raise EnrolmentRefused("E-910", f"this is {vkey.name}'s ledger, not one of {place}")
    report = finish(verify_journal(log, [vkey]))
    if not report.good:
        raise EnrolmentRefused("E-910", f"it does not verify: {report.problems[0]}")
    if cosigned:
        _holds(log, report.size, parse_cosigned_note(cosigned)[0])
    carry, in_force, counter = Carry(), InForce(), None
    for _, raw, _ in log.kept_rows(0, report.size):
        if not raw:
            continue  # deleted: nothing rests on it any more
        entry = decode(raw)
        carry.take(entry)
        in_force.take(entry)
        counter = entry.data["counter"] if entry.kind == RAISED else counter
    rows = carry.rows(epoch, sure=True, balances=report.accounts if report.deleted else None)
    came = frozenset(row.epoch for row in carry.came)
    return OldLedger(vkey, epoch, tuple(rows), came, counter, in_force.lists)


def _holds(log: JournalReader, size: int, mark: Checkpoint) -> None:
    """Whether the ledger begins with what head office cosigned of this terminal's newest epoch that it knows."""
    if mark.origin != log.vkey.name:
        if _epoch(mark.origin) > _epoch(log.vkey.name):
            raise EnrolmentRefused("E-910", f"head office knows a newer epoch than {log.vkey.name}")
        return
    if mark.size > size or Frontier(log.leaf_hashes(0, mark.size)).root() != mark.root:
        raise EnrolmentRefused("E-910", "it lacks entries that head office has: an old disk image, or damaged")


def check_chip(config: Config, old: OldLedger) -> None:
    """Raises EnrolmentRefused E-910 where this machine's chip has counted on since that ledger."""
    if not config.chip.counter or old.counter is None:
        return
    now = Chip(config.chip.tcti).counter(config.chip.counter)
    if now not in (old.counter, old.counter - 1):
        raise EnrolmentRefused("E-910", f"the chip counts {now}, this ledger {old.counter}: an old disk image")


def bring_corrections(config: Config, path: Path, clock: Clock) -> list[Brought]:
    """The old ledger is found after all: books the differences to what was brought over, in the ledger at hand.

    Returns them. Raises EnrolmentRefused E-910 for a ledger that is no old epoch of this terminal; LedgerFault, e.g.
    L-506 while the kiosk runs.
    """
    carry, opened = Carry(), []
    signer, guard = opened_signer(config), guard_of(config, clock)
    listeners = (carry.take, lambda entry: opened.append(entry) if entry.kind == OPENED else None)
    with Journal.open(config.journal, signer, clock, seen_by(guard, *listeners)) as journal:
        if guard is not None:
            guard.check(journal)
        prev = opened[0].data["prev"]
        old = read_old(path, config.place, prev, _known(config))
        if old.epoch >= _epoch(ledger_origin(config)):
            raise EnrolmentRefused("E-910", f"{path} is this ledger itself, or a newer one")
        came = [row for row in carry.came if row.epoch == old.epoch]
        rows = corrections(old.rows, came, carry.held)
        journal.append(row.draft() for row in rows)
        return rows


def old_keys(config: Config, path: Path, told: Collection[Vkey]) -> set[Vkey]:
    """Whose ledgers may be read for a new epoch: head office's list, and for the ledger in force this machine's key."""
    known = set(told)
    if path == config.journal:
        with suppress(LedgerFault):  # its key is gone: then head office must know it
            known.add(opened_signer(config).vkey)
    return known


def _known(config: Config) -> set[Vkey]:
    """Keys that head office named: at the enrolment, or in the list that it sends down. Raises LedgerFault L-505."""
    known: set[Vkey] = set()
    for path in (config.home / OLD_KEYS, config.vkeys):
        try:
            known |= {Vkey.parse(line) for line in path.read_text(encoding="ascii").splitlines()}
        except FileNotFoundError:
            continue
        except (OSError, ValueError, LedgerFault) as error:
            raise LedgerFault("L-505", f"{path} cannot be read: {error}") from error
    return known


def _epoch(origin: str) -> int:
    return int(origin.rpartition("/")[2])
