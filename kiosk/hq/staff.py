"""The staff list at head office: kept here for its owner's eyes only, and sealed to each terminal when it is published.

``publish/staff.txt`` in head office's folder, in the form of kiosk/billing/staff.py. Each change raises its version.
With the PINs' hashes in it, it is as secret as a key: it is never published but sealed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kiosk.billing.staff import Person, StaffList, mistakes_in, parse_staff
from kiosk.hq.publish.repository import Repository
from kiosk.hq.store import Store
from kiosk.ledger.keys import sync_folder
from kiosk.ledger.sealing import Sealed, SealingKey, parse_sealed, seal
from kiosk.model import targets
from kiosk.model.errors import ConfigFault, KioskError, LedgerFault

ROSTER, KEYS = Path("publish", "staff.txt"), Path("publish", "sealing-keys")


class Roster:
    """The file. One hand at a time; LedgerFault L-502 where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        """``folder``: head office's."""
        self._path = folder / ROSTER

    def now(self) -> StaffList:
        """As it stands; empty before the first person. Raises ConfigFault F-717 if it is damaged."""
        try:
            return parse_staff(self._path.read_text(encoding="utf-8")) if self._path.exists() else StaffList()
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerFault("L-502", f"{self._path} cannot be read: {error}") from error

    def add(self, person: Person) -> StaffList:
        """One more. Raises ConfigFault F-717: the number or card is somebody's, or the line is wrong."""

        def added(rows: list[Person]) -> list[Person]:
            if any(row.number == person.number for row in rows):
                raise ConfigFault("F-717", f"{person.number} is on the list already; see `kiosk hq staff list`")
            return [*rows, person]

        return self._changed(added)

    def change(self, number: str, changed: Callable[[Person], Person]) -> StaffList:
        """Another line for somebody. Raises ConfigFault F-717: there is no such number, or the line is wrong."""

        def exchanged(rows: list[Person]) -> list[Person]:
            return [changed(row) if row.number == number else row for row in rows]

        self.find(number)
        return self._changed(exchanged)

    def remove(self, number: str) -> StaffList:
        """Takes somebody off. Raises ConfigFault F-717: there is no such number."""
        self.find(number)
        return self._changed(lambda rows: [row for row in rows if row.number != number])

    def find(self, number: str) -> Person:
        """Somebody's line. Raises ConfigFault F-717."""
        person = self.now().find(number)
        if person is None:
            raise ConfigFault("F-717", f"nobody on the list has the number {number}; see `kiosk hq staff list`")
        return person

    def raise_to(self, version: int) -> StaffList:
        """The same list with a higher version."""
        with self._turn():
            return self._written(replace(self.now(), version=version))

    def _changed(self, change: Callable[[list[Person]], list[Person]]) -> StaffList:
        with self._turn():
            before = self.now()
            listed = StaffList(before.version + 1, tuple(change(list(before.rows))))
            mistakes = [f"{row.number}: {each}" for row in listed.rows for each in mistakes_in(row)]
            if mistakes:
                raise ConfigFault("F-717", "; ".join(mistakes))
            return self._written(listed)

    def _written(self, listed: StaffList) -> StaffList:
        text = listed.text()
        parse_staff(text)  # whoever reads it must be able to
        beside = self._path.with_name(f".{self._path.name}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        sync_folder(self._path.parent)
        return listed

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.with_name("staff.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise LedgerFault("L-502", f"{self._path} cannot be written: {error}") from error


def keep_key(folder: Path, file: Path) -> str:
    """Keeps the sealing key of a terminal that was enrolled without a code; whose it is. Raises LedgerFault L-501."""
    try:
        key = SealingKey.parse(file.read_text(encoding="ascii").strip())
        (folder / KEYS).mkdir(parents=True, exist_ok=True)
        (folder / KEYS / f"{key.terminal.replace('/', '_')}.txt").write_text(f"{key}\n", encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerFault("L-501", f"the sealing key {file} cannot be taken: {error}") from error
    return key.terminal


def sealing_keys(folder: Path, store: Store) -> dict[str, SealingKey]:
    """REGION/TERMINAL → the key of every terminal in service: by its enrolment, else as it was given here.

    A terminal that is blocked or retired is not among them.
    """
    keys, served = {}, set()
    logs = store.logs()
    for log in logs:
        if log.retired_ms or log.blocked:
            continue
        terminal = "/".join(log.origin.split("/")[2:4])
        served.add(terminal)
        if log.sealing:
            keys[terminal] = SealingKey.parse(log.sealing)
    for file in sorted((folder / KEYS).glob("*.txt")):
        key = SealingKey.parse(file.read_text(encoding="ascii").strip())
        if key.terminal in served:
            keys.setdefault(key.terminal, key)
    return keys


def sealed_for(repository: Repository, roster: Roster, keys: Mapping[str, SealingKey]) -> dict[str, bytes | None]:
    """What is to be published: the list sealed to each terminal that has not this version; None takes one out, of a
    terminal that is not served any more.

    Raises ConfigFault F-717 for an empty list: no terminal would let anybody in. A terminal that has this version under
    another key (its disk is new) takes only a higher one: then all get one.
    """
    listed = roster.now()
    if not listed.rows:
        raise ConfigFault("F-717", "nobody is on the staff list: begin with `kiosk hq staff add`")
    before = {terminal: _published(repository, terminal) for terminal in keys}
    highest = max((sealed.version for sealed in before.values() if sealed is not None), default=0)
    strange = any(
        sealed is not None and sealed.version == listed.version and sealed.digest != keys[terminal].digest
        for terminal, sealed in before.items()
    )
    if highest > listed.version or strange:
        listed = roster.raise_to(highest + 1)
    changes: dict[str, bytes | None] = {}
    for terminal, key in keys.items():
        sealed = before[terminal]
        if sealed is None or sealed.version != listed.version:
            text = seal(key, listed.version, listed.text().encode()).text()
            changes[targets.for_terminal(terminal, targets.STAFF)] = text.encode("ascii")
    ours = {targets.for_terminal(terminal, targets.STAFF) for terminal in keys}
    theirs = [path for path in repository.paths() if path.endswith(f"/{targets.STAFF}") and path not in ours]
    return changes | dict.fromkeys(theirs)


def _published(repository: Repository, terminal: str) -> Sealed | None:
    content = repository.content(targets.for_terminal(terminal, targets.STAFF))
    try:
        return parse_sealed(content.decode("ascii")) if content is not None else None
    except (KioskError, UnicodeDecodeError):
        return None
