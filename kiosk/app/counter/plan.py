"""What a piece of staff's work comes to: the driver's command, its items, and the money that changes hands. Pure.

Region isolation is decided here for every function: a card that names another region than the vendor's manifest is
refused, and nothing is issued for a region that is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kiosk.billing.book import Price
from kiosk.billing.quote import energy_for
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.items import Value
from kiosk.drivers.request import NEEDS
from kiosk.model.card import CardReading, Unit, Vendor
from kiosk.model.errors import CardRefused
from kiosk.model.money import Money

FUNCTIONS: dict[str, Command] = {
    "read": Command.READ,
    "open": Command.OPEN,
    "purchase": Command.PURCHASE,
    "reissue": Command.REISSUE,
    "clear": Command.CLEAR,
    "set": Command.SET,
    "check": Command.CHECK,
    "reverse": Command.REVERSE,
}
MAKING = frozenset((Command.OPEN, Command.REISSUE, Command.SET, Command.CHECK))
"""Functions of a blank card, which may carry no vendor's mark yet: the operator may say whose it shall be."""
UNKNOWN = "0"
"""For an item that must be there and is not compared (CLEAR of a damaged card)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator asks for. Money in fen, energy in 0.01 kWh; "" and None: not said."""

    function: str
    operator: str
    vendor: str = ""  # abbreviation
    customer: str = ""
    meter: str = ""
    region: str = ""
    count: int | None = None
    fen: int = 0
    centi_kwh: int | None = None  # of a purchase made before: a sale's is the price list's
    bag: str = ""  # the numbered bag that takes or gives the cash
    insist: bool = False
    proven: bool = False  # a reversal that was cut off and is off the card: only its cash is still to be paid
    settings: Mapping[DI, Value] = field(default_factory=dict)

    @property
    def command(self) -> Command:
        """The driver's command."""
        return FUNCTIONS[self.function]


@dataclass(frozen=True, slots=True)
class Plan:
    """One call of the driver and what it means.

    ``sells``: cash is taken and a sale recorded. ``pays_back_fen``: cash handed out once the purchase is off the card.
    """

    command: Command
    values: Mapping[DI, Value]
    vendor: Vendor
    customer: str
    meter: str
    region: str
    count: int
    fen: int = 0
    centi_kwh: int = 0
    bag: str = ""
    sells: bool = False
    pays_back_fen: int = 0
    price: Price | None = None


def check_region(vendor: Vendor, region: str) -> None:
    """CardRefused C-103 when a card, or what shall be made of it, belongs to another region."""
    if region not in vendor.regions:
        raise CardRefused(
            "C-103", f"region {region or '(none)'}; {vendor.abbr} is served in {', '.join(vendor.regions)}"
        )


def plan(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    """The plan for the card as it was read; None: it carries no mark, or cannot be read.

    Raises CardRefused (C-103 another region, C-112 the card holds no purchase to take back, C-113 no price), ValueError
    with what the operator must say.
    """
    if card is not None and card.region:
        check_region(vendor, card.region)
    made = {
        Command.OPEN: _open,
        Command.PURCHASE: _purchase,
        Command.REISSUE: _reissue,
        Command.CLEAR: _clear,
        Command.SET: _make,
        Command.CHECK: _make,
        Command.REVERSE: _reverse,
    }[asked.command](asked, vendor, card, price)
    if asked.settings and not set(asked.settings) <= NEEDS[asked.command].may | NEEDS[asked.command].some:
        raise ValueError(f"{asked.function} takes no settings")
    return made


def _open(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    values = _new(asked, vendor)
    if not asked.fen:
        return _planned(asked, vendor, values, count=0)
    values |= {DI.COUNT: 1}
    return _sold(asked, vendor, values, price, count=1)


def _purchase(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    card = _must_be_read(card)
    if not asked.fen:
        raise ValueError("say how much is paid (--yuan)")
    count = card.count + 1
    values: dict[DI, Value] = {**_person(card), DI.COUNT: count, **asked.settings}
    if card.region:
        values[DI.REGION] = card.region
    return _sold(_of_card(asked, card), vendor, values, price, count)


def _reissue(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    if asked.count is None:
        raise ValueError("say the purchase count of the lost card (--count)")
    values = _new(asked, vendor) | {DI.COUNT: asked.count}
    if not asked.fen:
        return _planned(asked, vendor, values, asked.count)
    energy = _energy(asked, price)
    values |= {DI.AMOUNT: asked.fen, DI.ENERGY: energy}
    return _planned(asked, vendor, values, asked.count, asked.fen, energy)


def _clear(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    if card is None and not asked.insist:
        raise ValueError("the card cannot be read: insist (--insist), if it shall be cleared all the same")
    customer = (card.customer if card else "") or asked.customer or UNKNOWN
    meter = (card.meter if card else "") or asked.meter or UNKNOWN
    count = card.count if card else asked.count or 0
    values: dict[DI, Value] = {DI.CUSTOMER: customer, DI.METER: meter, DI.COUNT: count}
    if asked.insist:
        values[DI.INSIST] = 1
    said = _of_card(asked, card) if card else asked
    return _planned(said, vendor, values, count)


def _make(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    region = asked.region or vendor.regions[0]
    check_region(vendor, region)
    if asked.command is Command.SET and not asked.settings:
        raise ValueError("say what the setting card shall set (--setting, --price)")
    values: dict[DI, Value] = {DI.REGION: region, **asked.settings}
    if asked.command is Command.SET and asked.meter:
        values[DI.METER] = asked.meter
    return _planned(_in(asked, region), vendor, values, 0)


def _reverse(asked: Asked, vendor: Vendor, card: CardReading | None, price: Price | None) -> Plan:
    card = _must_be_read(card)
    if not asked.bag:
        raise ValueError("say which bag the cash is paid back from (--bag)")
    count = asked.count if asked.count is not None else card.count
    same = count == card.count and not asked.proven  # else it is gone, and an earlier order says what it was
    fen = card.amount_fen if same and card.amount_fen is not None else asked.fen
    energy = card.energy_centi_kwh if same and card.energy_centi_kwh is not None else asked.centi_kwh
    if energy is None:
        energy = energy_for(Money(fen), price).centi_kwh if price else 0
    if not fen:
        raise CardRefused("C-112", "the card does not say what was bought; say the amount (--yuan) from the slip")
    values: dict[DI, Value] = {**_person(card), DI.COUNT: count, DI.AMOUNT: fen, DI.ENERGY: energy}
    made = _planned(_of_card(asked, card), vendor, values, count, fen, energy)
    return replace(made, pays_back_fen=fen)


def _sold(asked: Asked, vendor: Vendor, values: dict[DI, Value], price: Price | None, count: int) -> Plan:
    if price is None:
        raise CardRefused("C-113", f"there is no price for {vendor.abbr}")
    if not asked.bag:
        raise ValueError("say which bag takes the cash (--bag)")
    if asked.centi_kwh is not None:
        raise ValueError("the price list says what a sale buys (no --kwh)")
    if not vendor.amount_min_fen <= asked.fen <= vendor.amount_max_fen:
        low, high = Money(vendor.amount_min_fen), Money(vendor.amount_max_fen)
        raise ValueError(f"{vendor.abbr} sells from {low} to {high} at a time")
    energy = _energy(asked, price)
    values |= {DI.AMOUNT: asked.fen, DI.ENERGY: energy}
    made = _planned(asked, vendor, values, count, asked.fen, energy)
    return replace(made, sells=True, price=price)


def _new(asked: Asked, vendor: Vendor) -> dict[DI, Value]:
    lacking = [name for name in ("customer", "meter") if not getattr(asked, name)]
    if lacking:
        raise ValueError("say " + " and ".join(f"--{name}" for name in lacking))
    region = asked.region or vendor.regions[0]
    check_region(vendor, region)
    return {DI.REGION: region, DI.CUSTOMER: asked.customer, DI.METER: asked.meter, **asked.settings}


def _person(card: CardReading) -> dict[DI, Value]:
    return {DI.CUSTOMER: card.customer or UNKNOWN, DI.METER: card.meter or UNKNOWN}


def _energy(asked: Asked, price: Price | None) -> int:
    if asked.centi_kwh is not None:
        return asked.centi_kwh
    if price is None:
        raise CardRefused("C-113", "there is no price: say the energy (--kwh)")
    return energy_for(Money(asked.fen), price).centi_kwh


def _must_be_read(card: CardReading | None) -> CardReading:
    if card is None:
        raise CardRefused("C-104", "the card carries nothing that could be read")
    return card


def _of_card(asked: Asked, card: CardReading) -> Asked:
    return _in(asked, card.region, card.customer, card.meter)


def _in(asked: Asked, region: str, customer: str = "", meter: str = "") -> Asked:
    return replace(asked, region=region, customer=customer or asked.customer, meter=meter or asked.meter)


def _planned(
    asked: Asked, vendor: Vendor, values: Mapping[DI, Value], count: int, fen: int = 0, centi_kwh: int = 0
) -> Plan:
    region = str(values.get(DI.REGION) or asked.region)
    customer, meter = str(values.get(DI.CUSTOMER, "")), str(values.get(DI.METER, ""))
    return Plan(asked.command, values, vendor, customer, meter, region, count, fen, centi_kwh, asked.bag)


def unit_of(vendor: Vendor) -> str:
    """``yuan`` or ``kWh``: what hoard limit and alarms of this vendor's cards count."""
    return "yuan" if vendor.unit is Unit.MONEY else "kWh"
