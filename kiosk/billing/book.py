"""The price list: what a kilowatt-hour costs, vendor by vendor.

The text that head office signs (contract 2 §7 carries it; a kiosk without a downlink reads it as a signed note)::

    prepaid-kiosk/prices/v1
    version 7
    0001 5600
    0002 5283

One line a vendor: its code and its single price in 0.0001 yuan per kWh. A third line ``until 20271231`` before them is
the list's hard date: the last civil day on which it may be sold by. The signature is checked where the file is read;
this module only gives the text its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from kiosk.billing.heading import version_under
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/prices/v1"
PRICE_MAX = 1_000_000  # 100 yuan per kWh; above it is a slip of the pen


@dataclass(frozen=True, slots=True)
class Price:
    """A single price: 0.0001 yuan per kWh, and the price list it stands in."""

    per_kwh: int
    version: int

    def __str__(self) -> str:
        return f"{self.per_kwh // 10000}.{self.per_kwh % 10000:04d}"


@dataclass(frozen=True, slots=True)
class PriceBook:
    """A price list: its version, which only rises, and the price of each vendor by code.

    ``until``: its last civil day, 8 digits; "" without a hard date.
    """

    version: int
    per_kwh: dict[str, int]
    until: str = ""

    def price(self, vendor: str) -> Price | None:
        """The vendor's price, or None if the list has none."""
        per_kwh = self.per_kwh.get(vendor)
        return None if per_kwh is None else Price(per_kwh, self.version)

    def is_over(self, civil: str) -> bool:
        """Whether nothing may be sold by this list any more at a civil time (its first 8 digits)."""
        return bool(self.until) and civil[:8] > self.until

    def text(self) -> str:
        """The canonical text that is signed."""
        until = f"until {self.until}\n" if self.until else ""
        rows = "".join(f"{code} {per_kwh}\n" for code, per_kwh in sorted(self.per_kwh.items()))
        return f"{HEADING}\nversion {self.version}\n{until}{rows}"


def parse_prices(text: str) -> PriceBook:
    """The price list a text says. Raises ConfigFault F-702 that lists every mistake."""
    lines = text.splitlines()
    mistakes: list[str] = []
    version = version_under(HEADING, lines, mistakes)
    until = re.fullmatch(r"until ([0-9]{8})", lines[2] if len(lines) > 2 else "")
    if until is not None and not _is_day(until[1]):
        mistakes.append("line 3: 'until' must name a day like 20271231")
    per_kwh: dict[str, int] = {}
    first = 3 if until else 2
    for number, line in enumerate(lines[first:], first + 1):
        row = re.fullmatch(r"([0-9A-F]{4}) ([1-9][0-9]{0,6})", line)
        if row is None or int(row[2]) > PRICE_MAX:
            mistakes.append(f"line {number}: must be a vendor code and a price from 1 to {PRICE_MAX}")
        elif row[1] in per_kwh:
            mistakes.append(f"line {number}: vendor {row[1]} stands twice")
        else:
            per_kwh[row[1]] = int(row[2])
    if mistakes:
        raise ConfigFault("F-702", "price list: " + "; ".join(mistakes))
    return PriceBook(version, per_kwh, until[1] if until else "")


def _is_day(digits: str) -> bool:
    try:
        datetime.strptime(digits, "%Y%m%d")  # noqa: DTZ007 - a civil day has no zone
    except ValueError:
        return False
    return True
