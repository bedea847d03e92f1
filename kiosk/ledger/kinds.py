"""Every kind of entry with its ``data``: what docs/ledger.md tells a reader, a test holds the two together.

``check`` guards the appending side only. Who reads a ledger takes an unknown kind, and keys it does not know, as well
formed (contract 2 §2): a ledger outlives the program that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kiosk.ledger.entry import UINT_MAX, Draft, Entry

OPENED = "log.opened"  # entry 0, and no other
BROUGHT = "balance.brought"  # what an old epoch left
CLOSED = "sale.closed"
VOUCHER = "voucher.issued"
PERIOD = "period.closed"
PERIODS = ("day", "month", "year")
PRUNED = "log.pruned"
EVERYWHERE = frozenset({"any"})


@dataclass(frozen=True, slots=True)
class Kind:
    """The shape of one kind's entries. Types of keys: text, uint, int, bool, bytes, bytes8, sums (text → int)."""

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
    BROUGHT: Kind(
        {"from": "uint"},
        optional={
            "vendor": "text",
            "customer": "text",
            "meter": "text",
            "region": "text",
            "energy": "int",
            "count": "uint",
            "intended": "uint",
            "by": "bytes",
            "made": "uint",
            "voucher": "text",
        },
        accounts=EVERYWHERE,
    ),
    "counter.raised": Kind({"counter": "uint", "chip": "text"}),
    "terminal.started": Kind({"version": "text", "unclean": "bool"}, optional={"since": "uint"}),
    "terminal.stopped": Kind({"why": "text"}),
    PERIOD: Kind(
        {
            "period": "text",
            "name": "text",
            "first": "uint",
            "last": "uint",
            "sales": "uint",
            "sums": "sums",
            "balances": "sums",
            "ever": "sums",
        },
        words={"period": PERIODS},
    ),
    PRUNED: Kind({"below": "uint", "count": "uint", "digest": "bytes", "cosigned": "uint", "time": "uint"}),
    "price.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "customers.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "owed.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "blocked.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "messages.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "vkeys.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "secrets.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "staff.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "settings.installed": Kind(
        {"name": "text", "version": "uint", "sha256": "bytes"}, words={"name": ("enrolled", "all", "own")}
    ),
    "vendor.installed": Kind({"name": "text", "version": "uint", "sha256": "bytes"}),
    "program.installed": Kind({"version": "uint", "sha256": "bytes"}),
    "program.returned": Kind({"version": "uint", "why": "text"}, words={"why": ("start", "damaged", "libraries")}),
    "target.refused": Kind({"name": "text", "sha256": "bytes", "code": "text"}),
    "downlink.stood": Kind({"code": "text"}),
    "card.blocked": Kind(
        {"vendor": "text", "customer": "text", "meter": "text", "count": "uint", "why": "text"},
        words={"why": ("lost", "stolen")},
    ),
    "device.down": Kind({"device": "text", "code": "text"}),
    "device.up": Kind({"device": "text"}, optional={"code": "text", "ms": "uint", "flaps": "uint"}),
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
    "sums": lambda value: type(value) is dict and all(type(each) is int for each in value.values()),
}


def check(draft: Draft) -> None:
    """Holds a draft against the list. Raises AssertionError: a wrong draft is our own mistake, not the world's."""
    wrong = _wrong(draft)
    if wrong:
        raise AssertionError(wrong)


def shaped(fact: Draft | Entry) -> bool:
    """Whether an entry has the shape that the list gives its kind: of another program's nobody knows."""
    return not _wrong(fact)


def _wrong(fact: Draft | Entry) -> str:
    kind = KINDS.get(fact.kind)
    if kind is None:
        return f"no kind {fact.kind!r} in the list"
    types = {**kind.keys, **kind.optional}
    if not kind.keys.keys() <= fact.data.keys() <= types.keys():
        return f"{fact.kind} with keys {sorted(fact.data)}"
    for key, value in fact.data.items():
        if not _FITS[types[key]](value) or value not in kind.words.get(key, (value,)):
            return f"{fact.kind}: {key} is {value!r}, not {types[key]}"
    if kind.sale != "maybe" and (fact.sale is None) is not (kind.sale == "no"):
        return f"{fact.kind} with sale {fact.sale!r}"
    if kind.accounts is not EVERYWHERE and not {account.split(":")[0] for account, _ in fact.post} <= kind.accounts:
        return f"{fact.kind} posts to {fact.post}"
    return ""
