"""Looks at what the downlink offers, and brings it into force: each list read and held against the ledger here, kept
durable, and handed to the sale, which takes it up between two visits.

What cannot be read, or is older than what is in force, is kept out and recorded; what was in force stays. It says as
well whether the price list is past its last day, and which message of head office is the day's.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiosk.app.cards import CardSlot
from kiosk.app.in_force import InForce, Shelf
from kiosk.app.sent_vendors import PREFIX, SentVendors
from kiosk.app.tokens import TokenMaker
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
    ) -> None:
        """``folder``: the downlink's. ``memory`` is the runner's; only whole values are read from it."""
        self._folder, self._shelf, self._memory, self._who = folder, shelf, memory, who
        self._lists, self._vendors, self._clock, self._post = lists, vendors, clock, post
        self._read: dict[str, NewList | RefusedList] = {}  # target → what was last read of it
        self._posted: Mapping[str, str] = {}

    def look(self) -> None:
        """One look. Raises LedgerFault L-502."""
        self._look_at_prices()
        self._look_at_messages()
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
        if name is None:
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
            return self._checked(vendor, path, read)
        if isinstance(read, RefusedList) or read.content.version > in_force[0] or in_force[1] == raw:
            return read
        if read.content.version == in_force[0]:
            return None  # the same list came as a signed note
        log.warning("%s is version %d, %d is in force", path, read.content.version, in_force[0])
        return RefusedList(path, raw, LIST_CODES[name])

    def _checked(self, vendor: str, path: str, read: NewList) -> NewList | RefusedList | None:
        """A vendor's folder, once it is known whether it conforms."""
        in_force = [digest.hex() for name, (_, digest) in self._memory.lists.items() if name.startswith(PREFIX)]
        try:
            return read if self._vendors.is_good(vendor, read.sha256, in_force) else None
        except ConfigFault as fault:
            log.warning("%s is not served: %s", path, fault)
            self._read[path] = refused = RefusedList(path, read.sha256, fault.code)
            return refused

    def _parsed(self, path: str, name: str, content: bytes, publication: int) -> NewList | RefusedList:
        """Reads a target and keeps it on the shelf."""
        digest = self._shelf.put(content)
        try:
            if name.startswith(PREFIX):
                return NewList(name, digest, OtherList(publication))
            return NewList(name, digest, self._content(name, content.decode(), publication))
        except (KioskError, UnicodeDecodeError) as error:
            log.warning("%s cannot be used: %s", path, error)
            return RefusedList(path, digest, error.code if isinstance(error, KioskError) else LIST_CODES[name])

    def _content(self, name: str, text: str, publication: int) -> Content:
        match name:
            case "vkeys":
                vkeys_in(text, self._who.vkey)
                return OtherList(publication)
            case "secrets":
                sealed = parse_sealed(text)
                if self._who.opener is None:
                    raise ConfigFault("F-715", "this terminal has no sealing key")
                self._who.opener.open(sealed)  # and forget it: whoever needs it opens it again
                return OtherList(sealed.version)
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
    ) -> None:
        """``held``: names of the lists whose file is whole."""
        self.prices = found.prices
        self.messages = found.messages or MessageList()
        self._held, self._cards, self._tokens, self._again = held, cards, tokens, again
        self._vkeys_file, self._shelf = vkeys_file, shelf

    def has(self, name: str) -> bool:
        """Whether the list in force is really here."""
        return name in self._held

    def use(self, lists: tuple[NewList, ...]) -> None:
        """Sells by these from now on: without a restart, but for vendors and their secrets."""
        for each in lists:
            self._held.add(each.name)
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
        if any(each.name == "secrets" or each.name.startswith(PREFIX) for each in lists):
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
}
"""Target → first part of its entry's kind."""
