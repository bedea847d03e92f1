"""The price list: what a kilowatt-hour costs, vendor by vendor.

The text that head office signs (contract 2 §7 carries it; until the downlink exists it is a signed file)::

    prepaid-kiosk/prices/v1
    version 7
    0001 5600
    0002 5283

One line a vendor: its code and its single price in 0.0001 yuan per kWh. The signature is checked where the file is
read; this module only gives the text its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
    """A price list: its version, which only rises, and the price of each vendor by code."""

    version: int
    per_kwh: dict[str, int]

    def price(self, vendor: str) -> Price | None:
        """The vendor's price, or None if the list has none."""
        per_kwh = self.per_kwh.get(vendor)
        return None if per_kwh is None else Price(per_kwh, self.version)

    def text(self) -> str:
        """The canonical text that is signed."""
        rows = "".join(f"{code} {per_kwh}\n" for code, per_kwh in sorted(self.per_kwh.items()))
        return f"{HEADING}\nversion {self.version}\n{rows}"


def parse_prices(text: str) -> PriceBook:
    """The price list a text says. Raises ConfigFault F-702 that lists every mistake."""
    lines = text.splitlines()
    mistakes: list[str] = []
    if lines[:1] != [HEADING]:
        mistakes.append(f"line 1: must be {HEADING!r}")
    version = re.fullmatch(r"version ([1-9][0-9]{0,8})", lines[1] if len(lines) > 1 else "")
    if version is None:
        mistakes.append("line 2: must be 'version' and a number from 1")
    per_kwh: dict[str, int] = {}
    for number, line in enumerate(lines[2:], 3):
        row = re.fullmatch(r"([0-9A-F]{4}) ([1-9][0-9]{0,6})", line)
        if row is None or int(row[2]) > PRICE_MAX:
            mistakes.append(f"line {number}: must be a vendor code and a price from 1 to {PRICE_MAX}")
        elif row[1] in per_kwh:
            mistakes.append(f"line {number}: vendor {row[1]} stands twice")
        else:
            per_kwh[row[1]] = int(row[2])
    if mistakes or version is None:
        raise ConfigFault("F-702", "price list: " + "; ".join(mistakes))
    return PriceBook(int(version[1]), per_kwh)
