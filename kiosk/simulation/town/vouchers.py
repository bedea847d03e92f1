"""Vouchers in a town: slips in people's pockets, head office's counter, and the list that goes back to the kiosks.

The counter is head office's real code. What it pays out is counted here, for that money is in no kiosk's ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from kiosk.billing.owed import OwedList, parse_owed
from kiosk.hq import release, vouchers
from kiosk.ledger.entry import Entry
from kiosk.model.errors import LedgerFault
from kiosk.simulation.town.chance import Chance
from kiosk.simulation.town.courier import HeadOffice
from kiosk.simulation.town.people import Customer

OPERATOR = "counter"
NO_LIST = OwedList()


class VoucherDesk:
    """Where people bring their vouchers, and where the list of orders comes from."""

    def __init__(self, office: HeadOffice, chance: Chance) -> None:
        self._office, self._chance = office, chance
        self.paid: Counter[str] = Counter()  # by number: how often its money went over the counter
        self.refused = 0  # tried a second time
        self._lists = [NO_LIST]

    def serve(self, who: Customer) -> None:
        """One customer with all that is in the pocket; some try again what they had."""
        random = self._chance.random
        for no, text in list(who.vouchers.items()):
            if random.random() < 0.7 and self.redeem(text or no, no, random.choice(vouchers.HOW)) == "again":
                self.refused += 1
        if who.vouchers and random.random() < 0.2:
            self._release(random.choice(list(who.vouchers)))

    def redeem(self, said: str, no: str, how: str) -> str:
        """``done``, ``again`` (it was redeemed before) or ``not`` (not here yet, another order waits)."""
        store, now_ms = self._office.store, self._office.clock.utc_ms()
        try:
            voucher = vouchers.read(store, said)
            vouchers.redeem(store, voucher, how, OPERATOR, now_ms)
        except vouchers.AlreadyRedeemed:
            return "again"
        except LedgerFault:
            return "not"
        if how == "cash":
            self.paid[no] += 1
        self._chance.tell(f"voucher {no} is redeemed: {how}")
        return "done"

    def _release(self, no: str) -> bool:
        try:
            release.release(self._office.store, no, OPERATOR, self._office.clock.utc_ms())
        except LedgerFault:
            return False
        self._chance.tell(f"voucher {no} is released")
        return True

    def new_list(self) -> OwedList:
        """Head office's list of now, as a kiosk reads it."""
        listed = vouchers.next_list(self._office.store, self._office.clock.utc_ms())
        self._lists.append(parse_owed(listed.text()))
        return self._lists[-1]

    def some_list(self) -> OwedList | None:
        """What somebody brings to a kiosk: the list of now, an old one, or none, for it was lost on the way."""
        if self._chance.happens("list of vouchers lost"):
            return None
        if self._chance.happens("old list of vouchers brought"):
            return self._chance.random.choice(self._lists)
        return self.new_list()

    def settle(self, *, to_cards: bool) -> bool:
        """When all has come to rest: every voucher that still can be, is redeemed. Whether any was."""
        some = False
        for each in vouchers.standings(self._office.store):
            if each.state == "card" and not to_cards and self._release(each.no):
                some = self.redeem(each.no, each.no, "cash") == "done" or some
            elif each.state == "open":
                first = self.redeem(each.no, each.no, "card") if to_cards else "not"
                some = first == "done" or self.redeem(each.no, each.no, "cash") == "done" or some
        return some

    def states(self) -> dict[str, str]:
        """What head office says of each number."""
        return {each.no: each.state for each in vouchers.standings(self._office.store)}


@dataclass(slots=True)
class VoucherStory:
    """What all ledgers say of one number. Fen; energy in 0.01 kWh."""

    customer: tuple[str, str] = ("", "")  # vendor, number
    fen: int = 0
    centi_kwh: int = 0
    issued: int = 0
    written: int = 0
    returned: int = 0
    balance: int = 0


def stories(entries: Iterable[Entry]) -> dict[str, VoucherStory]:
    """By number."""
    told: defaultdict[str, VoucherStory] = defaultdict(VoucherStory)
    for entry in entries:
        data = entry.data
        for account, fen in entry.post:
            if account.startswith("voucher:"):
                told[account.removeprefix("voucher:")].balance += fen
        if entry.kind == "voucher.issued":
            story = told[data["no"]]
            story.issued += 1
            story.customer, story.fen, story.centi_kwh = (data["vendor"], data["customer"]), data["fen"], data["energy"]
        elif entry.kind == "voucher.returned":
            told[data["no"]].returned += 1
        elif entry.kind == "write.done" and "voucher" in data:
            told[data["voucher"]].written += 1
    return dict(told)


def amiss(no: str, story: VoucherStory, paid: int, state: str, *, honest: bool) -> str:
    """What must not be, in words; "" if all is well. One who copies cards may get an order onto each, which the meter
    takes once and head office is told of.
    """
    ways = story.written + paid
    if story.issued != 1:
        return f"voucher {no} was issued {story.issued} times"
    if ways > 1 and (honest or paid or state != "voucher-twice"):
        return f"voucher {no}: {story.written} times on a card, {paid} times paid out; head office says {state}"
    if story.balance != story.fen * (story.written - 1):
        return f"voucher {no}: written {story.written} times, and the books hold {story.balance} of {story.fen} fen"
    if paid and state != "cash":
        return f"voucher {no} was paid out, and head office says {state}"
    if not ways and state not in ("open", "card"):
        return f"voucher {no} is neither on a card nor paid out, and head office says {state}"
    return ""
