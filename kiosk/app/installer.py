"""Looks at what the downlink offers, and brings it into force: each list read and held against the ledger here, kept
durable, and handed to the sale, which takes it up between two visits.

What cannot be read, or is older than what is in force, is kept out and recorded; what was in force stays. It says as
well whether the price list is past its last day, whether lists are still to come before anything is sold (a new epoch
on a new disk), and which message of head office is the day's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiosk.app.cards import CardSlot
from kiosk.app.in_force import InForce, Shelf
from kiosk.app.office_settings import PREFIX as SETTINGS
from kiosk.app.office_settings import SettingsRoad
from kiosk.app.programs import NAME as PROGRAM
from kiosk.app.programs import ProgramRoad
from kiosk.app.sent_vendors import PREFIX, SentVendors
from kiosk.app.staff import open_staff
from kiosk.app.tokens import TokenMaker
from kiosk.app.vendors import opened_secrets
from kiosk.billing.blocked import parse_blocked
from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.customers import CustomerList, parse_customers
from kiosk.billing.messages import MessageList, parse_messages
from kiosk.billing.owed import parse_owed
from kiosk.ledger.note import HEAD_OFFICE, Vkey
from kiosk.ledger.sealing import Opener, parse_sealed
from kiosk.model import targets
from kiosk.model.clock import Clock
from kiosk.model.errors import ConfigFault, KioskError, LedgerFault
from kiosk.sale.arrivals import Content, DownlinkSaid, ListsArrived, MessageOfTheDay, NewList, OtherList, RefusedList
from kiosk.sale.books import Memory
from kiosk.sale.events import DeviceDown, DeviceUp
from kiosk.sale.lists import LIST_CODES
from kiosk.sale.ports import Post
from kiosk.sync.downlink.offer import Offer, read_file, read_offer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Who:
    """The terminal that installs: its public key, and what opens secrets sealed to it (None: it has no such key)."""

    vkey: Vkey
    opener: Opener | None

    @property
    def terminal(self) -> str:
        """REGION/TERMINAL, out of the origin (contract 2 §1)."""
        return "/".join(self.vkey.name.split("/")[2:4])


def vkeys_in(text: str, own: Vkey) -> list[Vkey]:
    """The keys of a published list. Raises ConfigFault F-714 unless this terminal's and a head office's are in it."""
    try:
        found = [Vkey.parse(line) for line in text.removesuffix("\n").split("\n")]
    except LedgerFault as fault:
        raise ConfigFault("F-714", f"list of public keys: {fault.args[0]}") from fault
    if own not in found or all(vkey.type != HEAD_OFFICE for vkey in found):
        raise ConfigFault("F-714", "list of public keys: this terminal's own, or head office's, is not in it")
    return found


class Installer:
    """``look`` is for the watch's thread; nothing here waits for anybody."""

    def __init__(
        self,
        folder: Path,
        shelf: Shelf,
        memory: Memory,
        who: Who,
        lists: Selling,
        vendors: SentVendors,
        clock: Clock,
        post: Post,
        settings: SettingsRoad | None = None,
        programs: ProgramRoad | None = None,
    ) -> None:
        """``folder``: the downlink's. ``memory`` is the runner's; only whole values are read from it."""
        self._settings, self._programs = settings, programs
        self._folder, self._shelf, self._memory, self._who = folder, shelf, memory, who
        self._lists, self._vendors, self._clock, self._post = lists, vendors, clock, post
        self._read: dict[str, NewList | RefusedList] = {}  # target → what was last read of it
        self._posted: Mapping[str, str] = {}

    def look(self) -> None:
        """One look. Raises LedgerFault L-502."""
        self._look_at_prices()
        self._look_at_messages()
        self._post(DeviceDown("lists", "F-716") if self._lists.awaited else DeviceUp("lists"))
        offer = read_offer(self._folder)
        if offer.code != self._memory.downlink:
            self._post(DownlinkSaid(offer.code))
        found = [self._new(path, digest, offer) for path, digest in offer.targets.items()]
        fresh = tuple(each for each in found if each is not None)
        if fresh:
            self._post(ListsArrived(fresh))

    def _new(self, path: str, digest: str, offer: Offer) -> NewList | RefusedList | None:
        """What is to be told of a target; None where it is in force, or known to be of no use."""
        vendor = targets.vendor_in(path)
        known_as = NAMES.get(path.rpartition("/")[2] if path.startswith("terminals/") else path)
        name = PREFIX + vendor if vendor else known_as
        if name is None or (name == PROGRAM and self._programs is None):  # nobody would start another program
            return None
        raw = bytes.fromhex(digest)
        in_force, known = self._memory.lists.get(name, (0, b"")), self._memory.refused.get(path)
        if known == raw or (in_force[1] == raw and self._lists.has(name)):
            return None
        read = self._read.get(path)
        if read is None or read.sha256 != raw:
            try:
                content = read_file(self._folder, digest)
            except LedgerFault as fault:  # the next round fetches it again; other lists do not wait for it
                log.warning("%s: %s", path, fault)
                return None
            self._read[path] = read = self._parsed(path, name, content, offer.version)
        if vendor and isinstance(read, NewList):
            return self._checked(path, read, lambda: self._conforms(vendor, read.sha256))
        if isinstance(read, RefusedList) or read.content.version > in_force[0] or in_force[1] == raw:
            return self._checked(path, read, lambda: self._runs(read)) if name == PROGRAM else read
        if read.content.version == in_force[0]:  # the same list came as a signed note
            return read if name in self._lists.awaited else None
        log.warning("%s is version %d, %d is in force", path, read.content.version, in_force[0])
        return RefusedList(path, raw, _code_of(name))

    def _conforms(self, vendor: str, digest: bytes) -> bool | None:
        in_force = [digest.hex() for name, (_, digest) in self._memory.lists.items() if name.startswith(PREFIX)]
        return self._vendors.is_good(vendor, digest, in_force)

    def _runs(self, read: NewList | RefusedList) -> bool | None:
        assert self._programs is not None, "asked for only where programs come down"
        if isinstance(read, RefusedList):
            return True
        return self._programs.is_good(read.content.version, self._shelf.get(read.sha256))

    def _checked(
        self, path: str, read: NewList | RefusedList, is_good: Callable[[], bool | None]
    ) -> NewList | RefusedList | None:
        """A vendor's folder or a program, once it is known whether it is fit for use here."""
        try:
            return read if is_good() else None
        except LedgerFault as fault:  # the disk: it is tried again, and other lists do not wait for it
            log.warning("%s waits: %s", path, fault)
            return None
        except ConfigFault as fault:
            log.warning("%s is not used: %s", path, fault)
            self._read[path] = refused = RefusedList(path, read.sha256, fault.code)
            return refused

    def _parsed(self, path: str, name: str, content: bytes, publication: int) -> NewList | RefusedList:
        """Reads a target and keeps it on the shelf."""
        digest = self._shelf.put(content)
        try:
            if name.startswith(PREFIX):
                return NewList(name, digest, OtherList(publication))
            if self._programs is not None and name == PROGRAM:
                return NewList(name, digest, OtherList(self._programs.parsed(content).version))
            return NewList(name, digest, self._content(name, content.decode(), publication))
        except (KioskError, UnicodeDecodeError) as error:
            log.warning("%s cannot be used: %s", path, error)
            return RefusedList(path, digest, error.code if isinstance(error, KioskError) else _code_of(name))

    def _content(self, name: str, text: str, publication: int) -> Content:
        match name:
            case "vkeys":
                vkeys_in(text, self._who.vkey)
                return OtherList(publication)
            case "secrets":
                sealed = parse_sealed(text)
                if self._who.opener is None:
                    raise ConfigFault("F-715", "this terminal has no sealing key")
                opened_secrets(self._who.opener.open(sealed))  # and forget it: whoever needs it opens it again
                return OtherList(sealed.version)
            case "staff":
                return OtherList(open_staff(text, self._who.opener).version)
            case "settings/all" | "settings/own":
                if self._settings is None:
                    raise ConfigFault("F-718", "this terminal takes its settings from kiosk.toml alone")
                return OtherList(self._settings.try_on(name.removeprefix(SETTINGS), text).version)
            case _:
                return PARSERS[name](text)

    def _look_at_prices(self) -> None:
        over = self._lists.prices.is_over(self._clock.civil())
        self._post(DeviceDown("prices", "F-711") if over else DeviceUp("prices"))

    def _look_at_messages(self) -> None:
        found = self._lists.messages.on(self._clock.civil())
        words = {"zh-CN": found.zh, "en": found.en} if found else {}
        if words != self._posted:
            self._posted = words
            self._post(MessageOfTheDay(words))


class Selling:
    """Those who sell by the lists; a ``Lists`` of the sale. ``again``: starts the terminal's parts anew."""

    def __init__(
        self,
        found: InForce,
        held: set[str],
        cards: CardSlot,
        tokens: TokenMaker,
        vkeys_file: Path,
        shelf: Shelf,
        again: Callable[[], None],
        use_program: Callable[[int], None] = lambda version: None,
    ) -> None:
        """``held``: names of the lists whose file is whole. ``use_program``: makes way for another release."""
        self._use_program = use_program
        self.prices = found.prices
        self.messages = found.messages or MessageList()
        self.awaited = found.awaited
        self._held, self._cards, self._tokens, self._again = held, cards, tokens, again
        self._vkeys_file, self._shelf = vkeys_file, shelf

    def has(self, name: str) -> bool:
        """Whether the list in force is really here."""
        return name in self._held

    def use(self, lists: tuple[NewList, ...]) -> None:
        """Sells by these from now on: without a restart, but for vendors, their secrets, and settings."""
        for each in lists:
            self._held.add(each.name)
            self.awaited -= {each.name}
            match each.content:
                case PriceBook() as book:
                    self.prices = book
                    self._cards.use_prices(book)
                    self._tokens.use(prices=book)
                case CustomerList() as customers:
                    self._tokens.use(customers=customers)
                case MessageList() as messages:
                    self.messages = messages
                case OtherList() if each.name == "vkeys":
                    write_beside(self._vkeys_file, self._shelf.get(each.sha256))
                case OtherList(version) if each.name == PROGRAM:
                    self._use_program(version)
        if any(each.name == "secrets" or each.name.startswith((PREFIX, SETTINGS)) for each in lists):
            self._again()


def write_beside(path: Path, content: bytes | None) -> None:
    """Public keys as a file, for who reads them from outside; whole, and made again at a start. A full disk is told."""
    try:
        if content is None or (path.exists() and path.read_bytes() == content):
            return
        beside = path.with_name(f".{path.name}")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        log.error("%s cannot be written: %s", path, error)


PARSERS: Mapping[str, Callable[[str], Content]] = {
    "price": parse_prices,
    "customers": parse_customers,
    "owed": parse_owed,
    "blocked": parse_blocked,
    "messages": parse_messages,
}
NAMES = {
    targets.PRICES: "price",
    targets.OWED: "owed",
    targets.BLOCKED: "blocked",
    targets.MESSAGES: "messages",
    targets.VKEYS: "vkeys",
    targets.CUSTOMERS: "customers",
    targets.SECRETS: "secrets",
    targets.STAFF: "staff",
    targets.SETTINGS: "settings/all",
    targets.OWN_SETTINGS: "settings/own",
    targets.PROGRAM: PROGRAM,
}
"""Target → first part of its entry's kind, and of settings whose they are."""


def _code_of(name: str) -> str:
    return LIST_CODES[name.partition("/")[0]]
