"""The runner's doors, opened by hand: honest devices over simple things. Each act is an operation of the mains."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Protocol

from kiosk.billing.book import Price
from kiosk.ledger.entry import Draft, Entry
from kiosk.ledger.tree import Frontier
from kiosk.model.card import KeypadCustomer, Unit, Vendor, WriteOrder
from kiosk.sale import events as on
from kiosk.sale.events import CashDevice, Event
from kiosk.sale.state import Outcome
from kiosk.simulation.things import Slip, Tear, Things, digits_for

if TYPE_CHECKING:
    from kiosk.ledger.journal import Journal
    from kiosk.simulation.power import Mains

VENDORS = {
    "0001": Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, True, ("420100",), 100, 500_000),
    "0009": Vendor("0009", "KPD", "数码", "KPD", Unit.ENERGY, False, ("420100",), 100, 500_000, keypad=True),
}
PRICE = Price(5600, 7)
KEYPADS = {number: KeypadCustomer("0009", number, f"7{number}", "420100", 4) for number in ("30000001", "30000002")}
SERIAL = "A-0042"


class PromiseBroken(AssertionError):
    """The kiosk took back what it had said, or did a thing twice, or lost one."""


class House(Protocol):
    """What the doors need of the kiosk behind them."""

    things: Things
    mains: Mains
    random: Random
    journal: Journal
    enabled: frozenset[int]

    def post(self, *events: Event) -> None: ...


class LedgerDoor:
    """Appends, and keeps what was promised: the root of every size that was acknowledged, or found at a start that got
    as far as its first entry: before that nothing is done and nothing told.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._found = house.journal.size, house.journal.root

    def append(self, drafts: Iterable[Draft]) -> list[Entry]:
        """As the journal does."""
        entries = self._house.journal.append(drafts)
        if any(entry.kind in ("note.returned", "note.lost") for entry in entries):
            self._house.things.cash.out_unheard = 0
        journal, roots = self._house.journal, self._house.things.roots
        roots.update((self._found, (journal.size, journal.root)))
        return entries

    def check_promises(self) -> None:
        """Every size once told has the same root still. Raises PromiseBroken."""
        journal, roots = self._house.journal, self._house.things.roots
        told = max(roots, default=0)
        if journal.size < told:
            raise PromiseBroken(f"{told} entries were acknowledged, {journal.size} are there")
        frontier = Frontier()
        for leaf in journal.leaf_hashes(0, told):
            frontier.append(leaf)
            if roots.get(frontier.size, root := frontier.root()) != root:
                raise PromiseBroken(f"two trees of size {frontier.size} were signed")


class CardDoor:
    """The card slot with the vendor's driver behind it."""

    def __init__(self, house: House) -> None:
        self._house = house

    def read(self, session: int) -> None:
        """Always reads."""
        things = self._house.things
        if not things.in_slot or session != things.session:
            self._house.post(on.CardRejected(session, "C-202"))
        else:
            self._house.post(on.CardRead(session, VENDORS["0001"], things.cards[things.in_slot].reading, PRICE))

    def write(self, session: int, vendor: str, order: WriteOrder) -> None:
        """A write that is torn may have landed."""
        house, things = self._house, self._house.things
        torn = house.mains.begins("card: write", order.count, f"{order.amount_fen} fen")
        said: tuple[Event, ...] = (on.WriteFailed(session, "C-202", unchanged=False),)
        if things.in_slot and session == things.session:
            card, tear, things.tear = things.cards[things.in_slot], things.tear, Tear.NO
            lands = tear not in (Tear.LOST, Tear.SNATCHED_LOST) and not (torn and house.random.random() < 0.5)
            done = not lands or card.write(order)
            if tear in (Tear.SNATCHED, Tear.SNATCHED_LOST):
                things.in_slot = ""
                said = (on.WriteFailed(session, "C-202", unchanged=False), on.CardRemoved(session))
            elif tear:
                said = (on.WriteFailed(session, "C-204", unchanged=False),)
            elif done:
                said = (on.CardWritten(session, card.reading),)
            else:
                said = (on.WriteFailed(session, "D-305", unchanged=True),)
        house.mains.ends()
        house.post(*said)


class KeypadDoor:
    """Head office's list, and a vendor's driver that makes digits."""

    def __init__(self, house: House) -> None:
        self._house = house

    def find(self, number: str) -> None:
        """Looks it up."""
        who = KEYPADS.get(number)
        unknown = on.CustomerUnknown(number, "C-116")
        self._house.post(on.CustomerFound(number, VENDORS["0009"], who, PRICE) if who else unknown)

    def make_token(self, vendor: str, order: WriteOrder, when: str) -> None:
        """The same request, the same digits."""
        self._house.mains.begins("token: make", order.count, f"{order.amount_fen} fen")
        digits = digits_for(order, when)
        self._house.things.digits[digits] = order
        self._house.mains.ends()
        self._house.post(on.TokenMade(order.sale, digits))


class NoteDoor:
    """The note acceptor."""

    def __init__(self, house: House) -> None:
        self._house = house

    def enable(self, denominations_fen: frozenset[int], coins_fen: frozenset[int] = frozenset()) -> None:
        """Takes these."""
        self._house.enabled = denominations_fen

    def disable(self) -> None:
        """Takes nothing."""
        self._house.enabled = frozenset()

    def stack(self) -> None:
        """Irrevocable once the note moves."""
        house, cash = self._house, self._house.things.cash
        if house.mains.begins("acceptor: stack", f"{cash.escrow} fen"):
            cash.escrow, cash.moving = None, cash.escrow
        elif cash.escrow is None:
            raise PromiseBroken("STACK without a note in escrow")
        elif house.things.blink:
            house.things.blink = False
            cash.escrow, cash.moving = None, cash.escrow
            house.mains.ends()
            house.post(on.DeviceDown("acceptor", "V-411"))
            cash.comes_up(house.random)
            house.post(on.DeviceUp("acceptor"), *what_it_says(house.things))
            return
        else:
            cash.stack()
        house.mains.ends()
        house.post(on.NoteStacked(cash.box[-1]))

    def give_back(self) -> None:
        """What lies in escrow."""
        house, cash = self._house, self._house.things.cash
        if cash.escrow is None:
            return
        house.mains.begins("acceptor: return", f"{cash.escrow} fen")
        cash.give_back()
        cash.out_unheard += 1
        house.mains.ends()
        house.post(on.NoteReturned())

    def credited(self, device: CashDevice = "acceptor") -> None:
        """It need not say so again."""
        self._house.mains.begins("acceptor: credited")
        self._house.things.cash.untold = None
        self._house.mains.ends()

    def settled(self) -> None:
        """What it said at power-up is recorded: it is reset, and forgets."""
        house, cash = self._house, self._house.things.cash
        house.mains.begins("acceptor: settled")
        if cash.temper == "power-up":
            cash.untold = None
            cash.give_back()
        house.mains.ends()


def what_it_says(things: Things) -> tuple[Event, ...]:
    """An acceptor at power-up, by its temper."""
    cash = things.cash
    if cash.temper == "counts":
        return (on.AcceptorUp("none", total=cash.total, serial=SERIAL),)
    if cash.temper == "power-up":
        where = "validator" if cash.escrow is not None else "stacker" if cash.untold is not None else "none"
        return (on.AcceptorUp(where),)  # type: ignore[arg-type]
    said: list[Event] = [on.AcceptorUp("none")]
    if cash.untold is not None:
        said.append(on.NoteStacked(cash.untold, found=True))
    if cash.escrow is not None:
        said.append(on.NoteEscrowed(cash.escrow, found=True))
    return tuple(said)


class SlipDoor:
    """The receipt printer."""

    def __init__(self, house: House) -> None:
        self._house = house

    def ask(self) -> None:
        """Paper or not."""
        self._house.post(on.PaperReady() if self._house.things.paper else on.DeviceDown("printer", "V-422"))

    def print(self, outcome: Outcome, closing: Entry, language: str) -> None:
        """A slip that is torn may be out."""
        house, sale = self._house, outcome.sale
        torn = house.mains.begins("printer: slip")
        if closing.sale != sale.id:
            raise PromiseBroken("a slip says what no entry proves")
        out = house.things.paper and not (torn and house.random.random() < 0.5)
        if out:
            slip = Slip(sale.id, sale.paid_fen, sale.written_fen, outcome.owed_fen, sale.token)
            house.things.slips.append(slip)
            if sale.token:
                house.things.seen.add(sale.token)
        house.mains.ends()
        house.post(on.Printed(closing.seq) if out else on.PrintFailed(closing.seq, "V-422"))

    def print_unclaimed(self, entry: Entry, language: str) -> None:
        """The slip of money without a sale."""
        house = self._house
        house.mains.begins("printer: unclaimed")
        if house.things.paper:
            house.things.unclaimed.append(entry.seq)
        house.mains.ends()
        house.post(on.UnclaimedPrinted(entry.seq, "" if house.things.paper else "V-422"))

    def print_voucher(self, entry: Entry, language: str) -> None:
        """The slip of a voucher."""
        house = self._house
        house.mains.begins("printer: voucher")
        house.mains.ends()
        house.post(on.VoucherPrinted(entry.seq, "" if house.things.paper else "V-422"))
