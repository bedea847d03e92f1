"""Vouchers at head office: what a slip says, whether it is genuine, and redeeming it, once.

A voucher is a terminal's entry ``voucher.issued`` with its proof. It is taken from the slip's QR, which stands by
itself: the terminal's ledger may not have arrived. One whose slip did not come out is found by its number, once the
ledger is here. Redeeming makes the one row of that number, in one transaction, on SQLite and PostgreSQL alike: whoever
comes second is told when, how and by whom.

What is redeemed onto the card is an order in the signed list that terminals get (``kiosk.billing.owed``).
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from peewee import Database

from kiosk.billing.owed import NUMBER, OwedList, OwedRow, one_a_card, parse_owed
from kiosk.hq.booking import VoucherFact, amiss
from kiosk.hq.store import Store, log_hash
from kiosk.hq.tables import Log, Published, Redemption, StoredEntry, VoucherEvent
from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.kinds import KINDS, VOUCHER
from kiosk.ledger.note import Vkey
from kiosk.ledger.receipt import VOUCHER_PREFIX, parse_voucher
from kiosk.model.errors import LedgerFault

HOW = ("cash", "card")
OPERATOR_MAX = 64
MINUTE_MS = 60_000
LIST = "owed"
SETTLED_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Voucher:
    """A genuine voucher. Fen, 0.01 kWh, UTC ms; ``row`` is what an order for its card says."""

    log: int
    origin: str
    seq: int
    at_ms: int
    row: OwedRow
    arrived: bool  # the terminal's ledger has brought its entry


@dataclass(frozen=True, slots=True)
class Redeemed:
    """How a number was redeemed."""

    at_ms: int
    how: str  # cash or card
    operator: str
    fen: int


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known about a number. ``state``: open, cash, card (ordered), doubt, written, or what is amiss."""

    no: str
    state: str
    fen: int
    facts: tuple[VoucherFact, ...] = ()
    redeemed: Redeemed | None = None
    origin: str = ""  # of the terminal that issued it; "" while only others speak of it
    customer: str = ""
    meter: str = ""
    at_ms: int = 0  # issued

    @property
    def settled(self) -> bool:
        """Nobody has to do anything any more."""
        return self.state in ("cash", "written")


def read(store: Store, text: str) -> Voucher:
    """The voucher of a QR text, or of a number whose ledger has arrived.

    Raises LedgerFault L-501: not genuine, not known, of a terminal that is blocked, in quarantine or not enrolled.
    """
    text = text.rstrip("\r\n")
    return _by_proof(store, text) if text.startswith(VOUCHER_PREFIX) else _by_number(store, text.strip())


def _by_proof(store: Store, text: str) -> Voucher:
    proof = parse_voucher(text)
    log = store.log(log_hash(proof.origin))
    if log is None:
        raise LedgerFault("L-501", f"{proof.origin} is not enrolled: nobody here can say whether this is genuine")
    entry = proof.verify(Vkey.parse(log.vkey))
    with store.session() as database:
        stored = _stored(database, log.id, entry.seq)
    if stored is not None and stored != proof.raw:
        raise LedgerFault("L-501", f"the ledger of {log.origin} holds another entry {entry.seq}: its key signed two")
    return _checked(log, entry, arrived=stored is not None)


def _by_number(store: Store, no: str) -> Voucher:
    if not NUMBER.fullmatch(no):
        raise LedgerFault("L-501", f"give the QR's text, {VOUCHER_PREFIX}…, or a number like 0007-3f2a91c0de")
    with store.session() as database:
        here = (VoucherEvent.no == no) & (VoucherEvent.what == "issued")
        rows = list(VoucherEvent.select().where(here).execute(database))
        if len(rows) != 1:
            why = "two ledgers issued it" if rows else "no ledger that has arrived speaks of it: take its QR, or wait"
            raise LedgerFault("L-501", f"voucher {no}: {why}")
        log = Log.select().where(Log.id == rows[0].log_id).first(database)
        content = _stored(database, log.id, rows[0].seq)
    assert content is not None, "a projection of nothing"
    return _checked(log, decode(content), arrived=True)


def _stored(database: Database, log: int, seq: int) -> bytes | None:
    row = StoredEntry.select().where((StoredEntry.log == log) & (StoredEntry.seq == seq)).first(database)
    return None if row is None else bytes(row.content)


def _checked(log: Log, entry: Entry, *, arrived: bool) -> Voucher:
    """What the entry says, if it is one of ours in every part, and its terminal is in good standing."""
    if log.blocked or log.quarantined:
        why = "is blocked" if log.blocked else "is in quarantine: look at it first, and lift that"
        raise LedgerFault("L-501", f"{log.origin} {why}; its vouchers are not redeemed")
    data = entry.data
    if any(type(data.get(key)) is not {"text": str, "uint": int}[type_] for key, type_ in KINDS[VOUCHER].keys.items()):
        raise LedgerFault("L-501", "this is not a voucher: its entry is not in form")
    row = OwedRow(*(data[key] for key in ("no", "vendor", "customer", "meter", "region", "fen", "energy", "count")))
    terminal = log.origin.split("/")[3]
    post = {f"owed:{row.vendor}:{row.customer}": row.fen, f"voucher:{row.no}": -row.fen}
    if (
        row.fen <= 0
        or not NUMBER.fullmatch(row.no)
        or row.no.rpartition("-")[0] != terminal
        or dict(entry.post) != post
    ):
        raise LedgerFault("L-501", f"this is not a voucher of {log.origin}: number or amount is not its own")
    return Voucher(log.id, log.origin, entry.seq, entry.at, row, arrived)


def redeem(store: Store, voucher: Voucher, how: str, operator: str, now_ms: int, count: int | None = None) -> None:
    """Redeems it, once. ``count``: the card's last count, where it was bought on since the voucher was made.

    Raises LedgerFault L-501 when it was redeemed before (it says when, how and by whom), when it is to go onto a card
    that no list can name or that has another order waiting, or without an operator's name; L-502 if nothing was stored.
    """
    operator = operator.strip()
    if how not in HOW or not 0 < len(operator) <= OPERATOR_MAX or not operator.isprintable():
        raise LedgerFault("L-501", "say how (cash or card), and who you are")
    row = voucher.row if count is None else replace(voucher.row, count=count)
    if how == "card":
        parse_owed(OwedList(1, (row,)).text())  # ConfigFault F-705 now, and not when the list is made
    ticket = secrets.token_hex(16)
    fields = {"no": row.no, "log": voucher.log, "at_ms": now_ms, "how": how, "operator": operator, "ticket": ticket}
    who = {"vendor": row.vendor, "customer": row.customer, "meter": row.meter, "region": row.region}
    worth = {"fen": row.fen, "energy_centi_kwh": row.centi_kwh, "count": row.count}
    with store.session() as database, store.transaction():
        _refuse_redeemed(database, row.no, "")
        if how == "card" and (other := _waiting(database).get((row.vendor, row.customer, row.meter), row)).no != row.no:
            raise LedgerFault("L-501", f"voucher {other.no} still waits to get onto this card; only one can follow it")
        if amiss_now := _amiss(database, row.no):
            raise LedgerFault("L-501", f"voucher {row.no} is on a card already, without an order ({amiss_now})")
        Redemption.insert({**fields, **who, **worth}).on_conflict_ignore().execute(database)
        _refuse_redeemed(database, row.no, ticket)


class AlreadyRedeemed(LedgerFault):
    """A voucher's number has its row."""

    def __init__(self, no: str, redeemed: Redeemed) -> None:
        super().__init__("L-501", f"voucher {no} was redeemed before, {redeemed.how}, by {redeemed.operator}")
        self.redeemed = redeemed


def _refuse_redeemed(database: Database, no: str, ticket: str) -> None:
    """Raises AlreadyRedeemed if there is a row, and it is not the one of this ticket."""
    found = Redemption.select().where(Redemption.no == no).first(database)
    if found is not None and found.ticket != ticket:
        raise AlreadyRedeemed(no, Redeemed(found.at_ms, found.how, found.operator, found.fen))


def _waiting(database: Database) -> dict[tuple[str, str, str], OwedRow]:
    """The oldest order of each card that no ledger says is written yet."""
    written = VoucherEvent.select(VoucherEvent.no).where(VoucherEvent.what == "written")
    here = (Redemption.how == "card") & Redemption.no.not_in(written)
    rows = Redemption.select().where(here).order_by(Redemption.at_ms, Redemption.no).execute(database)
    orders = (OwedRow(r.no, r.vendor, r.customer, r.meter, r.region, r.fen, r.energy_centi_kwh, r.count) for r in rows)
    return {(row.vendor, row.customer, row.meter): row for row in one_a_card(orders)}


def next_list(store: Store, now_ms: int) -> OwedList:
    """The list to be signed now. Its version goes by the clock, so that a restored head office does not fall back."""
    with store.session() as database, store.transaction():
        last = Published.select().where(Published.name == LIST).first(database)
        version = max(now_ms // MINUTE_MS, (last.version if last else 0) + 1)
        kept = {Published.version: version}
        row = Published.insert(name=LIST, version=version)
        row.on_conflict(conflict_target=[Published.name], update=kept).execute(database)
        return OwedList(version, tuple(_waiting(database).values()))


def amiss_since(database: Database, log: int, seq: int) -> list[tuple[str, str]]:
    """What is wrong with vouchers that a ledger speaks of from ``seq`` on: (key of the alarm's text, number)."""
    here = (VoucherEvent.log == log) & (VoucherEvent.seq >= seq) & (VoucherEvent.what == "written")
    numbers = sorted({row.no for row in VoucherEvent.select().where(here).execute(database)})
    return [(what, no) for no in numbers if (what := _amiss(database, no))]


def _amiss(database: Database, no: str) -> str:
    facts = _facts(VoucherEvent.select().where(VoucherEvent.no == no).execute(database))
    row = Redemption.select().where(Redemption.no == no).first(database)
    return amiss([fact for _, fact in facts], row.how if row else "", row.fen if row else 0)


def _facts(rows: Iterable[Any]) -> list[tuple[int, VoucherFact]]:
    return [
        (row.log_id, VoucherFact(row.seq, row.no, row.what, row.at_ms, row.fen, row.vendor, row.customer, row.meter))
        for row in rows
    ]


def standings(store: Store) -> list[Standing]:
    """Every number that any ledger or any redemption speaks of, newest first."""
    with store.session() as database:
        origins = {row.id: row.origin for row in Log.select().execute(database)}
        redemptions = {row.no: row for row in Redemption.select().execute(database)}
        by_number: defaultdict[str, list[tuple[int, VoucherFact]]] = defaultdict(list)
        for log, fact in _facts(VoucherEvent.select().order_by(VoucherEvent.at_ms).execute(database)):
            by_number[fact.no].append((log, fact))
    found = [
        _standing(no, by_number.get(no, []), redemptions.get(no), origins) for no in by_number.keys() | redemptions
    ]
    return sorted(found, key=lambda each: (-each.at_ms, each.no))


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page of vouchers: every one that waits for something, oldest first; of the settled ones the newest."""

    waiting: tuple[Standing, ...]
    settled: tuple[Standing, ...]
    settled_count: int
    sums: dict[str, tuple[int, int]]  # by state: how many, fen


def sheet(found: list[Standing]) -> Sheet:
    """Sorts what is known of all numbers for the page."""
    waiting = tuple(each for each in reversed(found) if not each.settled)
    settled = [each for each in found if each.settled]
    counts: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in found:
        number, fen = counts[each.state]
        counts[each.state] = number + 1, fen + each.fen
    return Sheet(waiting, tuple(settled[:SETTLED_SHOWN]), len(settled), counts)


def standing(store: Store, no: str) -> Standing | None:
    """One number's."""
    return next((each for each in standings(store) if each.no == no), None)


def _standing(no: str, said: list[tuple[int, VoucherFact]], row: Any | None, origins: dict[int, str]) -> Standing:
    facts = tuple(fact for _, fact in said)
    counted = {what: sum(fact.what == what for fact in facts) for what in ("brought", "returned", "written")}
    redeemed = Redeemed(row.at_ms, row.how, row.operator, row.fen) if row is not None else None
    state = amiss(facts, redeemed.how if redeemed else "", redeemed.fen if redeemed else 0)
    if not state and counted["written"]:
        state = "written"
    if not state and counted["brought"] > counted["returned"]:
        state = "doubt"
    state = state or (redeemed.how if redeemed else "open")
    for log, fact in said:
        if fact.what == "issued":
            who = (origins[log], fact.customer, fact.meter)
            return Standing(no, state, fact.fen, facts, redeemed, *who, fact.at_ms)
    if row is not None:
        who = (origins[row.log_id], row.customer, row.meter)
        return Standing(no, state, row.fen, facts, redeemed, *who, row.at_ms)
    return Standing(no, state, facts[0].fen, facts, at_ms=facts[0].at_ms)
