"""The requests the kit sends, contract 1 §2, with values any layout should be able to hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kiosk.drivers.contract import DI
from kiosk.drivers.frame import Items

TERMINAL = b"T001"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose card: region, customer number, meter number, as digits."""

    region: str
    customer: str
    meter: str

    def other(self, what: str) -> Person:
        """The same but for one number's last digit; ``what`` is ``region``, ``customer`` or ``meter``."""
        digits: str = getattr(self, what)
        changed = digits[:-1] + str((int(digits[-1]) + 1) % 10)
        return replace(self, **{what: changed})


@dataclass(frozen=True, slots=True)
class Bought:
    """One purchase: count, fen, 0.01 kWh, sale id."""

    count: int
    amount: int
    energy: int
    sale: bytes = bytes(15) + b"\x01"

    def items(self, with_count: bool = True) -> Items:
        """0206 0207 0208 0504."""
        count: Items = {DI.COUNT: u4(self.count)} if with_count else {}
        return {**count, DI.AMOUNT: u4(self.amount), DI.ENERGY: u4(self.energy), DI.SALE: self.sale}


def u4(value: int) -> bytes:
    """Four bytes, high first."""
    return value.to_bytes(4, "big")


def stamp(number: int = 0) -> Items:
    """0501 and 0502; ``number`` makes the time another one."""
    return {DI.WHEN: f"202602151030{number % 60:02d}".encode(), DI.TERMINAL: TERMINAL}


def open_card(person: Person, first: Bought | None = None, settings: Items | None = None, when: int = 0) -> Items:
    """OPEN, with a first purchase or without."""
    return {**_who(person), **(first.items() if first else {}), **(settings or {}), **stamp(when)}


def purchase(
    person: Person, bought: Bought, settings: Items | None = None, with_region: bool = True, when: int = 1
) -> Items:
    """PURCHASE; ``bought.count`` is the count the card has afterwards."""
    region: Items = {DI.REGION: person.region.encode()} if with_region else {}
    return {**region, **_whose(person), **bought.items(), **(settings or {}), **stamp(when)}


def reissue(
    person: Person, count: int, bought: Bought | None = None, settings: Items | None = None, when: int = 2
) -> Items:
    """REISSUE with the count, and with the purchase to be written again or without."""
    again = bought.items(with_count=False) if bought else {}
    return {**_who(person), DI.COUNT: u4(count), **again, **(settings or {}), **stamp(when)}


def clear(person: Person, count: int, insist: bool = False) -> Items:
    """CLEAR; ``insist`` is 0505 = 1."""
    return {**_whose(person), DI.COUNT: u4(count), **({DI.INSIST: b"\1"} if insist else {}), **stamp(3)}


def reverse(person: Person, bought: Bought) -> Items:
    """REVERSE of that purchase."""
    items = {**_whose(person), **bought.items(), **stamp(4)}
    del items[DI.SALE]  # REVERSE has no 0504
    return items


def set_card(person: Person, settings: Items, when: int = 5) -> Items:
    """SET."""
    return {DI.REGION: person.region.encode(), **settings, **stamp(when)}


def check_card(region: str | None = None, when: int = 6) -> Items:
    """CHECK."""
    return {**({DI.REGION: region.encode()} if region else {}), **stamp(when)}


def _whose(person: Person) -> Items:
    return {DI.CUSTOMER: person.customer.encode(), DI.METER: person.meter.encode()}


def _who(person: Person) -> Items:
    return {DI.REGION: person.region.encode(), **_whose(person)}
