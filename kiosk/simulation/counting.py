"""What must be true when a world has come to rest: the ledger against the things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.rows import Connect
from kiosk.ledger.tree import Frontier
from kiosk.ledger.verify import finish, verify_journal
from kiosk.simulation.booth import SIGNER
from kiosk.simulation.things import Things


def told_on(path: Path, connect: Connect) -> list[str]:
    """The kinds of all entries, for a story."""
    with JournalReader(path, connect) as log:
        return [_words(decode(raw)) for raw in log.entries(0, log.size)]


def what_is_wrong(things: Things, path: Path, connect: Connect) -> list[str]:
    """Every promise that does not hold, in words; the log is closed, and everybody has gone."""
    with JournalReader(path, connect) as log:
        report = finish(verify_journal(log, [SIGNER.vkey]))
        wrong = [f"the log does not verify: {problem.words}" for problem in report.problems]
        if wrong:
            return wrong
        wrong += _promises(things, log.leaf_hashes(0, log.size))
        entries = [decode(raw) for raw in log.entries(0, log.size)]
    accounts, cash = report.accounts, things.cash
    booked = {prefix: _sum(accounts, prefix) for prefix in ("cash:box", "owed:", "sold:", "unassigned")}
    on_cards = sum(card.credit_fen for card in things.cards.values())
    tokens = _tokens(entries)
    in_digits = sum(entry.data["fen"] for entry in tokens)
    expect = {
        "the box": (sum(cash.box), booked["cash:box"]),
        "what was put in": (things.fed_fen, cash.fen + sum(cash.handed_back)),
        "on cards and in digits": (on_cards + in_digits, -booked["sold:"]),
        "owed": (0, booked["owed:"]),
        "unassigned": (0, booked["unassigned"]),
        "notes unknown": (0, report.kinds.get("note.unknown", 0)),
        "events lost": (0, report.kinds.get("events.lost", 0)),
        "notes in the box, by the acceptor": (cash.total, len(cash.box)),
    }
    wrong += [f"{what}: {is_} and not {should}" for what, (is_, should) in expect.items() if is_ != should]
    lost, excused = report.kinds.get("note.lost", 0), cash.out_forgotten if cash.temper != "counts" else 0
    if lost > excused:  # an acceptor without a counter gave it back, and its word was cut off: that a person must see
        wrong.append(f"{lost} notes are booked as lost, {excused} were given back without a word")
    return wrong + _twice(things, tokens) + _said(things, entries, tokens)


def _promises(things: Things, leaves: list[bytes]) -> list[str]:
    frontier, wrong = Frontier(), []
    if max(things.roots) > len(leaves):
        wrong.append(f"{max(things.roots)} entries were acknowledged, {len(leaves)} are there")
    for leaf in leaves:
        frontier.append(leaf)
        if frontier.size in things.roots and things.roots[frontier.size] != frontier.root():
            wrong.append(f"two trees of size {frontier.size} were signed")
    return wrong


def _tokens(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "write.done" and "token" in entry.data]


def _twice(things: Things, tokens: list[Entry]) -> list[str]:
    wrong = []
    for customer, card in things.cards.items():
        sales = Counter(sale for _, sale, _ in card.credited)
        wrong += [f"card {customer}: a sale credited {n} times" for n in sales.values() if n > 1]
    made = Counter(entry.data["token"] for entry in tokens)
    by_count = Counter((things.digits[digits].meter, things.digits[digits].count) for digits in made)
    wrong += [f"digits recorded {n} times" for n in made.values() if n > 1]
    wrong += [f"meter {meter}: {n} digits for count {count}" for (meter, count), n in by_count.items() if n > 1]
    return wrong


def _said(things: Things, entries: list[Entry], tokens: list[Entry]) -> list[str]:
    closed = {entry.sale: entry.data for entry in entries if entry.kind == "sale.closed"}
    wrong = []
    for slip in things.slips:
        data = closed.get(slip.sale)
        if data is None or (data["paid"], data["written"]) != (slip.paid_fen, slip.written_fen):
            wrong.append(f"a slip says {slip.paid_fen} paid and {slip.written_fen} written, the ledger {data}")
    unknown = things.seen - {entry.data["token"] for entry in tokens}
    return wrong + [f"digits were shown that no entry knows: {digits}" for digits in unknown]


def _sum(accounts: Mapping[str, int], prefix: str) -> int:
    return sum(fen for account, fen in accounts.items() if account.startswith(prefix))


def _words(entry: Entry) -> str:
    money = ", ".join(f"{account} {fen:+}" for account, fen in entry.post)
    return f"{entry.seq} {entry.kind}" + (f" ({money})" if money else "")
