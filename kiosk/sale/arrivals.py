"""What comes down from head office, as events; and what the sale keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kiosk.billing.blocked import BlockedCard, BlockList
from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList
from kiosk.billing.messages import MessageList
from kiosk.billing.owed import OwedList


@dataclass(frozen=True, slots=True)
class OtherList:
    """What no rule of the sale reads: public keys, sealed secrets, staff, settings, a vendor's folder, a program.
    ``version``: for its entry.
    """

    version: int


Content = PriceBook | CustomerList | OwedList | BlockList | MessageList | OtherList


@dataclass(frozen=True, slots=True)
class NewList:
    """A verified list of head office. ``name``: first part of its entry's kind, ``price`` of ``price.installed``; of a
    vendor's folder ``vendor/rdk``; of settings ``settings/all`` or ``settings/own``.
    """

    name: str
    sha256: bytes
    content: Content


@dataclass(frozen=True, slots=True)
class RefusedList:
    """What head office sent under a name (of the target) cannot be used: ``code`` of kiosk.model.codes."""

    name: str
    sha256: bytes
    code: str


@dataclass(frozen=True, slots=True)
class ListsArrived:
    """All that came down and is not in force yet; those of an earlier event that are not among them are forgotten."""

    lists: tuple[NewList | RefusedList, ...]


@dataclass(frozen=True, slots=True)
class DownlinkSaid:
    """How head office's repository stands: "" well, S-631 it does not verify, S-632 it has expired."""

    code: str


@dataclass(frozen=True, slots=True)
class MessageOfTheDay:
    """The words for the first screen by language; empty for none."""

    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What of it the sale keeps; the list of vouchers stands beside it in the state."""

    blocked: Mapping[tuple[str, str, str], BlockedCard] = field(default_factory=dict)  # by vendor, customer, meter
    waiting: tuple[NewList | RefusedList, ...] = ()  # here, and not in force yet
    in_force: Mapping[str, bytes] = field(default_factory=dict)  # list, or target refused → SHA-256
    downlink: str = ""  # how head office's repository stands: "", S-631, S-632
    message: Mapping[str, str] = field(default_factory=dict)  # of the day, by language
