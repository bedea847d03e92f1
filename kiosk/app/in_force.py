"""The lists that a terminal sells by, and where they lie.

A list that came down is kept under its SHA-256 in ``lists/``; the ledger's last entry of its kind says which one is in
force. So putting a list in force is one commit, and what a restart finds is what was in force before. Lists as signed
notes (kiosk/app/lists.py) are for a terminal without a downlink; where there are both, the higher version counts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from kiosk.app.lists import load_customers, load_owed, load_prices
from kiosk.billing.blocked import BlockList, parse_blocked
from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.customers import CustomerList, parse_customers
from kiosk.billing.messages import MessageList, parse_messages
from kiosk.billing.owed import OwedList, parse_owed
from kiosk.config import Config
from kiosk.ledger.entry import Draft
from kiosk.ledger.keys import sync_folder
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sale.books import Memory
from kiosk.sync.downlink.offer import FILES

log = logging.getLogger(__name__)


class Versioned(Protocol):
    """A list."""

    @property
    def version(self) -> int: ...


L = TypeVar("L", bound=Versioned)
Load = Callable[[int], tuple[L, bytes]]
"""Reads a list and its SHA-256; the lowest version it may have goes in."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is sold by at a start; None where there is no such list yet."""

    prices: PriceBook
    customers: CustomerList | None = None
    owed: OwedList | None = None
    blocked: BlockList | None = None
    messages: MessageList | None = None
    awaited: frozenset[str] = frozenset()  # must come down before anything is sold


NEEDED = frozenset({"price", "customers", "owed", "blocked"})
"""Lists that must not be forgotten: who sells without one sells at another price, to a stolen card, past a debt that is
bound to the card's count, or digits that a meter has had."""


class Shelf:
    """Files by their SHA-256. Written by the terminal only."""

    def __init__(self, folder: Path, spare: Path) -> None:
        """``spare``: where a file is looked for that is not here any more; only read."""
        self._folder, self._spare = folder, spare

    def put(self, content: bytes) -> bytes:
        """Keeps a file, durable when it returns; its SHA-256. Raises LedgerFault L-502."""
        digest = sha256(content)
        path = self._folder / digest.hexdigest()
        beside = path.with_name(f".{path.name}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            raise LedgerFault("L-502", f"a list cannot be kept: {error}") from error
        return digest.digest()

    def get(self, digest: bytes) -> bytes | None:
        """A file, whole; None if it is not here, or damaged."""
        for folder in (self._folder, self._spare):
            with suppress(OSError):
                content = (folder / digest.hex()).read_bytes()
                if sha256(content).digest() == digest:
                    return content
        return None

    def tidy(self, kept: Collection[bytes]) -> None:
        """Forgets all others."""
        names = {digest.hex() for digest in kept}
        with suppress(OSError):  # nothing hangs on it
            for path in self._folder.iterdir():
                if path.name not in names:
                    path.unlink()


def shelf_of(config: Config) -> Shelf:
    """The terminal's shelf."""
    return Shelf(config.lists, config.downlink_folder / FILES)


def at_start(config: Config, memory: Memory, shelf: Shelf) -> tuple[InForce, list[Draft]]:
    """What is in force at a start, and the entries of what came as a file meanwhile.

    A list that the ledger names, and whose file is not here (a new disk after a repair), is ``awaited``. Raises
    ConfigFault F-702, F-704 or F-705: a list is configured that cannot be used, and no other is here or can come down.
    """
    drafts: list[Draft] = []
    awaited: set[str] = set()
    comes_down = config.tuf_root.exists()

    def of(name: str, parse: Callable[[str], L], load: Load[L] | None) -> L | None:
        kept = kept_list(memory, shelf, name, parse)
        try:
            fresh, digest = _from_file(load, kept, memory.version(name))
        except ConfigFault as fault:
            if not comes_down:
                raise
            log.warning("the %s list must come down before anything is sold: %s", name, fault)
            fresh, digest = None, b""
        if fresh is not None and fresh.version != memory.version(name):
            drafts.append(Draft(f"{name}.installed", None, (), {"version": fresh.version, "sha256": digest}))
        found = fresh or kept
        if found is None and comes_down and (name == "price" or (name in NEEDED and memory.version(name))):
            awaited.add(name)
        return found

    prices = of("price", parse_prices, _prices_of(config)) or PriceBook(memory.version("price"), {})
    roll, debts = config.customers, config.owed
    found = InForce(
        prices,
        of("customers", parse_customers, _beside(load_customers, roll.note, roll.file, roll.vkey_file)),
        of("owed", parse_owed, _beside(load_owed, debts.note, debts.file, debts.vkey_file)),
        of("blocked", parse_blocked, None),
        of("messages", parse_messages, None),
    )
    return replace(found, awaited=frozenset(awaited)), drafts


def prices_now(config: Config, memory: Memory, shelf: Shelf) -> PriceBook:
    """The price list in force, for staff's work. Raises ConfigFault F-702."""
    kept = kept_list(memory, shelf, "price", parse_prices)
    book = _from_file(_prices_of(config), kept, memory.version("price"))[0] or kept
    assert book is not None, "no price list, and no fault"
    return book


def kept_list(memory: Memory, shelf: Shelf, name: str, parse: Callable[[str], L]) -> L | None:
    """The list that the ledger says is in force, if it came down and is still whole."""
    version, digest = memory.lists.get(name, (0, b""))
    content = shelf.get(digest) if version else None
    if content is None:
        return None
    try:
        return parse(content.decode())
    except (ConfigFault, UnicodeDecodeError) as error:
        log.error("the %s list in force cannot be read any more: %s", name, error)
        return None


def really_in_force(memory: Memory, shelf: Shelf) -> dict[str, bytes]:
    """What need not come down again: a list whose file is gone must."""
    lists = {name: digest for name, (_, digest) in memory.lists.items() if shelf.get(digest) is not None}
    return {**memory.refused, **lists}


def _prices_of(config: Config) -> Load[PriceBook]:
    files = config.prices
    return lambda least: load_prices(files.file, files.vkey_file, least)


def _beside(
    load: Callable[[Path, Path, Path, int], tuple[L, bytes]], note: Path | None, file: Path | None, vkey: Path | None
) -> Load[L] | None:
    """Reads a list with its note, if settings name both."""
    if note is None or file is None or vkey is None:
        return None
    return lambda least: load(note, file, vkey, least)


def _from_file(load: Load[L] | None, kept: L | None, version: int) -> tuple[L | None, bytes]:
    """The list that lies here as a signed note, if it is newer than the kept one, or there is no kept one."""
    if load is None:
        return None, b""
    if kept is None:
        return load(version)
    try:
        fresh, digest = load(kept.version)
    except ConfigFault as fault:  # an old file beside what came down since
        log.info("not used: %s", fault)
        return None, b""
    return (fresh, digest) if fresh.version > kept.version else (None, b"")
