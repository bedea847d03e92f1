"""Every kind of entry with its ``data``: what docs/ledger.md tells a reader, a test holds the two together.

``check`` guards the appending side only. Who reads a ledger takes an unknown kind, and keys it does not know, as well
formed (contract 2 §2): a ledger outlives the program that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kiosk.ledger.entry import UINT_MAX, Draft

OPENED = "log.opened"  # entry 0, and no other
CLOSED = "sale.closed"
VOUCHER = "voucher.issued"
EVERYWHERE = frozenset({"any"})


@dataclass(frozen=True, slots=True)
class Kind:
    """The shape of one kind's entries. Types of keys: text, uint, int, bool, bytes, bytes8."""

    keys: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    accounts: frozenset[str] = frozenset()  # first parts of the accounts it posts to; none: posts nothing
    sale: str = "no"  # whether the entry bears a sale's id: no, yes, maybe
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # texts that come from a closed list


_CARD_WORK = {
    "function": "text",
    "vendor": "text",
    "customer": "text",
    "meter": "text",
    "region": "text",
    "count": "uint",
    "fen": "uint",
    "energy": "uint",
}
_FUNCTIONS = {"function": ("open", "purchase", "reissue", "clear", "set", "check", "reverse")}

_MARK = {"serial": "text", "counter": "uint"}  # the device's own number of the event

KINDS: dict[str, Kind] = {
    OPENED: Kind({"origin": "text", "vkey": "text", "prev": "text", "why": "text"}),
    "balance.brought": Kind({"from": "uint"}, accounts=EVERYWHERE),
    "terminal.started": Kind({"version": "text", "unclean": "bool"}),
    "terminal.stopped": Kind({"why": "text"}),
    "price.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "customers.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "owed.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "device.down": Kind({"device": "text", "code": "text"}),
    "device.up": Kind({"device": "text"}),
    "clock.stepped": Kind({"old": "uint", "new": "uint"}),
    "sale.opened": Kind(
        {
            "vendor": "text",
            "customer": "text",
            "meter": "text",
            "region": "text",
            "count": "uint",
            "unit": "uint",
            "price": "uint",
            "tariff": "uint",
            "limit": "uint",
            "brought": "int",
        },
        optional={"when": "text"},
        sale="yes",
    ),
    "note.escrowed": Kind({"note": "bytes8", "fen": "uint", "device": "text"}, sale="yes"),
    "note.accepted": Kind({"note": "bytes8"}, sale="yes"),
    "note.stacked": Kind(
        {"note": "bytes8", "fen": "uint", "how": "text"},
        optional=_MARK,
        accounts=frozenset({"cash", "owed", "unassigned"}),
        sale="maybe",
        words={"how": ("credit", "power-up", "unsent", "counted", "unasked")},
    ),
    "coin.credited": Kind(
        {"coin": "bytes8", "fen": "uint", "how": "text"},
        optional=_MARK,
        accounts=frozenset({"cash", "owed", "unassigned"}),
        sale="maybe",
        words={"how": ("credit", "unasked")},
    ),
    "note.returned": Kind({"note": "bytes8", "fen": "uint", "why": "text"}, sale="maybe"),
    "note.lost": Kind({"note": "bytes8", "fen": "uint"}, sale="maybe"),
    "note.repeated": Kind({"fen": "uint"}, sale="maybe"),
    "note.unknown": Kind({"device": "text"}),
    "events.lost": Kind({"device": "text", "count": "uint"}, optional=_MARK),
    "device.counted": Kind({"device": "text", "serial": "text", "stacked": "uint"}),
    "fraud.seen": Kind({"device": "text", "what": "text"}),
    "write.intended": Kind({"count": "uint", "fen": "uint", "energy": "uint", "attempt": "uint"}, sale="yes"),
    "write.done": Kind(
        {"count": "uint", "fen": "uint", "energy": "uint", "how": "text"},
        optional={"token": "text", "voucher": "text"},
        accounts=frozenset({"owed", "sold"}),
        sale="yes",
        words={"how": ("written", "found", "token")},
    ),
    "write.failed": Kind(
        {"count": "uint", "code": "text", "card": "text"}, sale="yes", words={"card": ("unchanged", "unknown")}
    ),
    "counter.paid": Kind(
        {"fen": "uint", "bag": "text", "operator": "text"}, accounts=frozenset({"cash", "owed"}), sale="yes"
    ),
    "counter.refunded": Kind(
        {"fen": "uint", "bag": "text", "operator": "text"}, accounts=frozenset({"cash", "owed"}), sale="yes"
    ),
    "card.intended": Kind({**_CARD_WORK, "operator": "text"}, sale="maybe", words=_FUNCTIONS),
    "card.done": Kind(
        {**_CARD_WORK, "how": "text"},
        optional={"bag": "text"},
        accounts=frozenset({"cash", "sold"}),
        sale="maybe",
        words={**_FUNCTIONS, "how": ("written", "found")},
    ),
    "card.failed": Kind(
        {**_CARD_WORK, "code": "text", "card": "text"},
        sale="maybe",
        words={**_FUNCTIONS, "card": ("unchanged", "unknown")},
    ),
    VOUCHER: Kind(
        {
            "no": "text",
            "vendor": "text",
            "customer": "text",
            "meter": "text",
            "region": "text",
            "fen": "uint",
            "energy": "uint",
            "count": "uint",
        },
        accounts=frozenset({"owed", "voucher"}),
    ),
    "voucher.brought": Kind(
        {"no": "text", "region": "text", "fen": "uint", "energy": "uint", "count": "uint"},
        accounts=frozenset({"owed", "voucher"}),
        sale="yes",
    ),
    "voucher.returned": Kind({"no": "text", "fen": "uint"}, accounts=frozenset({"owed", "voucher"}), sale="maybe"),
    "receipt.printed": Kind({"no": "uint"}, optional={"voucher": "text"}, sale="maybe"),
    "receipt.failed": Kind({"no": "uint", "code": "text"}, optional={"voucher": "text"}, sale="maybe"),
    CLOSED: Kind(
        {
            "vendor": "text",
            "customer": "text",
            "meter": "text",
            "paid": "uint",
            "count": "uint",
            "written": "uint",
            "energy": "uint",
            "why": "text",
            "doubt": "bool",
        },
        optional={"kept": "int", "code": "text"},
        sale="yes",
    ),
}

_FITS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: type(value) is str,
    "uint": lambda value: type(value) is int and 0 <= value <= UINT_MAX,
    "int": lambda value: type(value) is int,
    "bool": lambda value: type(value) is bool,
    "bytes": lambda value: type(value) is bytes,
    "bytes8": lambda value: type(value) is bytes and len(value) == 8,
}


def check(draft: Draft) -> None:
    """Holds a draft against the list. Raises AssertionError: a wrong draft is our own mistake, not the world's."""
    kind = KINDS.get(draft.kind)
    if kind is None:
        raise AssertionError(f"no kind {draft.kind!r} in the list")
    types = {**kind.keys, **kind.optional}
    if not kind.keys.keys() <= draft.data.keys() <= types.keys():
        raise AssertionError(f"{draft.kind} with keys {sorted(draft.data)}")
    for key, value in draft.data.items():
        if not _FITS[types[key]](value) or value not in kind.words.get(key, (value,)):
            raise AssertionError(f"{draft.kind}: {key} is {value!r}, not {types[key]}")
    if kind.sale != "maybe" and (draft.sale is None) is not (kind.sale == "no"):
        raise AssertionError(f"{draft.kind} with sale {draft.sale!r}")
    if kind.accounts is not EVERYWHERE and not {account.split(":")[0] for account, _ in draft.post} <= kind.accounts:
        raise AssertionError(f"{draft.kind} posts to {draft.post}")
