"""What is left when the power goes: cards, the cash box, the acceptor's own memory, slips in people's hands.

Simple things that keep their own books, so that the kiosk's can be held against them. They know nothing of the kiosk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from random import Random
from typing import Literal

from kiosk.model.card import CardKind, CardReading, PurchaseState, WriteOrder

Temper = Literal["repeats", "power-up", "counts"]
"""What an acceptor still knows after a power cut: the credit that was not confirmed, as SSP and ID003 do; only where
the last note lay, as CCNET does; nothing but its counter."""


class Tear(StrEnum):
    """What the next write of a card does."""

    NO = ""
    LANDS = "lands"  # it is written, and the driver cannot say so
    LOST = "lost"  # it is not
    SNATCHED = "snatched"  # the customer pulls the card out just after
    SNATCHED_LOST = "snatched-lost"  # or just before


@dataclass(slots=True)
class Plastic:
    """A customer's card, and all that was ever credited to it."""

    reading: CardReading
    credited: list[tuple[int, bytes, int]] = field(default_factory=list)  # count, sale, fen

    def write(self, order: WriteOrder) -> bool:
        """As a vendor's driver writes: the next count, or what is there already; False: refused, nothing changed."""
        if order.count == self.reading.count:
            return order.sale == self.reading.sale
        if order.count != self.reading.count + 1:
            return False
        self.credited.append((order.count, order.sale, order.amount_fen))
        self.reading = replace(
            self.reading,
            count=order.count,
            sale=order.sale,
            amount_fen=order.amount_fen,
            energy_centi_kwh=order.energy_centi_kwh,
            state=PurchaseState.PENDING,
        )
        return True

    @property
    def credit_fen(self) -> int:
        """Sum of all credit."""
        return sum(fen for _, _, fen in self.credited)


@dataclass(slots=True)
class CashMachine:
    """A note acceptor and its box."""

    temper: Temper
    box: list[int] = field(default_factory=list)
    handed_back: list[int] = field(default_factory=list)
    escrow: int | None = None
    moving: int | None = None  # the power went while it was being stacked
    untold: int | None = None  # in the box, and not confirmed yet
    total: int = 0  # notes in its life
    out_unheard: int = 0  # notes given back when asked to, and not recorded as such
    out_forgotten: int = 0  # of these, those whose word was lost when the power or the process went

    def stack(self) -> int:
        """The note of the escrow into the box; its value."""
        fen = self.escrow if self.escrow is not None else self.moving
        assert fen is not None, "there is no note to stack"
        self.escrow = self.moving = None
        self.box.append(fen)
        self.untold = fen
        self.total += 1
        return fen

    def give_back(self) -> None:
        """The note to the customer."""
        fen = self.escrow if self.escrow is not None else self.moving
        if fen is not None:
            self.handed_back.append(fen)
        self.escrow = self.moving = None

    def comes_up(self, random: Random) -> None:
        """Its own power is back: a note between escrow and box goes one way or the other."""
        self.out_forgotten, self.out_unheard = self.out_forgotten + self.out_unheard, 0
        if self.moving is not None:
            if random.random() < 0.5:
                self.stack()
            else:
                self.escrow, self.moving = self.moving, None
        if self.temper == "counts":
            self.give_back()
            self.untold = None

    @property
    def fen(self) -> int:
        """All that was ever put in and is not out again."""
        return sum(self.box) + (self.escrow or 0) + (self.moving or 0)


@dataclass(frozen=True, slots=True)
class Slip:
    """What is printed on a slip."""

    sale: bytes
    paid_fen: int
    written_fen: int
    owed_fen: int
    token: str


@dataclass(slots=True)
class Things:
    """Everything outside the disk, and what the world has been told."""

    cash: CashMachine
    cards: dict[str, Plastic]
    in_slot: str = ""  # whose card
    session: int = 0
    paper: bool = True
    tear: Tear = Tear.NO
    blink: bool = False  # the acceptor loses its own power at the next note
    fed_fen: int = 0
    slips: list[Slip] = field(default_factory=list)
    unclaimed: list[int] = field(default_factory=list)  # slips of money without a sale, by entry
    digits: dict[str, WriteOrder] = field(default_factory=dict)  # made
    seen: set[str] = field(default_factory=set)  # digits that a customer has seen
    roots: dict[int, bytes] = field(default_factory=dict)  # size → root hash, once told: a signed promise

    def copy(self) -> Things:
        """The same things once more."""
        cash = self.cash
        return replace(
            self,
            cash=replace(cash, box=cash.box[:], handed_back=cash.handed_back[:]),
            cards={name: replace(card, credited=card.credited[:]) for name, card in self.cards.items()},
            slips=self.slips[:],
            unclaimed=self.unclaimed[:],
            digits=dict(self.digits),
            seen=set(self.seen),
            roots=dict(self.roots),
        )


def new_card(customer: str) -> Plastic:
    """A card that has bought three times."""
    return Plastic(CardReading(CardKind.PURCHASE, "420100", customer, f"7{customer}", 3, PurchaseState.TAKEN))


def digits_for(order: WriteOrder, when: str) -> str:
    """A vendor's driver: the same request, the same 20 digits."""
    words = (order.meter, order.count, order.amount_fen, order.energy_centi_kwh, when)
    return str(int.from_bytes(sha256(repr(words).encode()).digest()[:8], "big") % 10**20).zfill(20)
