"""What an entry adds to the tables people search: sales, cash, what is owed, events. Pure.

These tables are for finding; the money is in ``booking``. So nothing here refuses an entry: a fact that is not in the
form of docs/ledger.md leaves its field empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kiosk.ledger.entry import FEN_MAX, Entry
from kiosk.ledger.kinds import CLOSED

TEXT_MAX = 64
TOPICS = ("outage", "refusal", "fraud", "doubt", "terminal", "installed")
_KINDS = {  # kind → topic, and the key that says what it is about
    "device.down": ("outage", "device"),
    "write.failed": ("refusal", "card"),
    "card.failed": ("refusal", "function"),
    "receipt.failed": ("refusal", ""),
    "card.blocked": ("refusal", "why"),
    "target.refused": ("refusal", "name"),
    "downlink.stood": ("refusal", ""),
    "program.returned": ("refusal", "why"),
    CLOSED: ("refusal", "why"),  # only if it says why the credit is not on the card
    "fraud.seen": ("fraud", "device"),
    "note.lost": ("doubt", ""),
    "note.unknown": ("doubt", "device"),
    "events.lost": ("doubt", "device"),
    "log.opened": ("terminal", "why"),
    "terminal.started": ("terminal", ""),
    "terminal.stopped": ("terminal", "why"),
    "clock.stepped": ("terminal", ""),
}
INSTALLED = ".installed"
_FIGURES = ("paid", "written", "kept", "energy", "count")


@dataclass(frozen=True, slots=True)
class Opened:
    """A sale begins."""

    sale: str  # hex
    seq: int
    at_ms: int
    vendor: str
    customer: str
    meter: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A sale is closed; money in fen, energy in 0.01 kWh."""

    sale: str  # hex
    seq: int
    at_ms: int
    vendor: str
    customer: str
    meter: str
    paid_fen: int
    written_fen: int
    kept_fen: int
    energy_centi_kwh: int
    count: int
    why: str
    code: str
    doubt: bool


@dataclass(frozen=True, slots=True)
class CashMove:
    """Fen into a box or bag, or out of it."""

    seq: int
    account: str
    fen: int
    at_ms: int
    kind: str
    sale: str


@dataclass(frozen=True, slots=True)
class Happening:
    """A row of events."""

    seq: int
    at_ms: int
    topic: str
    kind: str
    what: str
    code: str
    customer: str
    ended_ms: int = 0


@dataclass(slots=True)
class Debt:
    """What is owed to a customer, as ``Owed`` keeps it: a credit balance counts up."""

    fen: int = 0
    since_ms: int = 0
    seq: int = 0


@dataclass(slots=True)
class Happenings:
    """What some entries of one log add. ``debts`` are moves in order: (vendor, customer, fen, seq, UTC ms)."""

    opened: dict[str, Opened] = field(default_factory=dict)  # the first of a sale counts
    ended: dict[str, Ended] = field(default_factory=dict)  # the last of a sale counts
    cash: list[CashMove] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    ups: list[tuple[int, str, int]] = field(default_factory=list)  # (seq, device, UTC ms)
    debts: list[tuple[str, str, int, int, int]] = field(default_factory=list)

    def take(self, entry: Entry) -> None:
        """Adds one entry that could be booked."""
        sale = entry.sale.hex() if entry.sale is not None else ""
        for account, fen in entry.post:
            head, _, rest = account.partition(":")
            if head == "cash":
                self.cash.append(CashMove(entry.seq, account, fen, entry.at, _cut(entry.kind), sale))
            elif head == "owed":
                vendor, _, customer = rest.partition(":")
                self.debts.append((vendor, customer, -fen, entry.seq, entry.at))
        if sale and entry.kind == "sale.opened":
            self.opened.setdefault(sale, Opened(sale, entry.seq, entry.at, *_who(entry)))
        elif sale and entry.kind == CLOSED:
            self.ended[sale] = _ended(entry, sale)
        elif entry.kind == "device.up":
            self.ups.append((entry.seq, text(entry.data.get("device")), entry.at))
        if (event := _event(entry)) is not None:
            self.events.append(event)


def _event(entry: Entry) -> Happening | None:
    topic, key = _KINDS.get(entry.kind, ("", ""))
    code = text(entry.data.get("code"))
    if entry.kind.endswith(INSTALLED):
        topic, key = "installed", ""
    if not topic or (entry.kind == CLOSED and not code):
        return None
    what = text(entry.data.get(key)) if key else ""
    if entry.kind.endswith(INSTALLED):
        first, name = entry.kind.removesuffix(INSTALLED), text(entry.data.get("name"))
        named = f"settings {name}" if first == "settings" else name or first
        what = f"{named} {number(entry.data.get('version'))}"
    return Happening(entry.seq, entry.at, topic, _cut(entry.kind), _cut(what), code, text(entry.data.get("customer")))


def _ended(entry: Entry, sale: str) -> Ended:
    data = entry.data
    paid, written, kept, energy, count = (number(data.get(key)) for key in _FIGURES)
    why, code, doubt = text(data.get("why")), text(data.get("code")), data.get("doubt") is True
    return Ended(sale, entry.seq, entry.at, *_who(entry), paid, written, kept, energy, count, why, code, doubt)


def _who(entry: Entry) -> tuple[str, str, str]:
    vendor, customer, meter = (text(entry.data.get(key)) for key in ("vendor", "customer", "meter"))
    return vendor, customer, meter


def text(value: Any) -> str:
    """A text that every database keeps, or none: PostgreSQL knows no NUL."""
    return value if type(value) is str and len(value) <= TEXT_MAX and "\0" not in value else ""


def number(value: Any) -> int:
    """A number in the range of money, or 0."""
    return value if type(value) is int and abs(value) <= FEN_MAX else 0


def _cut(kind: str) -> str:
    return kind[:TEXT_MAX].replace("\0", "")


def event_kinds() -> set[str]:
    """Every kind that becomes an event; ``installed`` stands for those that end so."""
    return {*_KINDS, INSTALLED.removeprefix(".")}
