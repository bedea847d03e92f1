"""The list of customers whose meters have keypads: who is served by number at this terminal.

Head office makes one list a terminal, and a customer stands in one list only: a purchase count is counted in one place,
so that two terminals that cannot talk never make two tokens with the same count. The text::

    prepaid-kiosk/customers/v1
    version 3
    0009 30000001 71000001 420100 0

One line a customer: vendor code, customer number, meter number, region, purchase count so far. A customer number
stands in it once, whatever the vendor; so does a meter of a vendor, for it takes each count and each minute once,
whoever pays. The signature is checked where the file is read; this module gives the text its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from kiosk.billing.heading import version_under
from kiosk.model.card import KeypadCustomer
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/customers/v1"
MISTAKES_TOLD_MAX = 20
_ROW = re.compile(r"([0-9A-F]{4}) ([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,8}) (0|[1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class CustomerList:
    """``version`` only rises; ``by_number``: customer number → who it is."""

    version: int = 0
    by_number: Mapping[str, KeypadCustomer] | None = None

    def find(self, number: str) -> KeypadCustomer | None:
        """The customer with this number."""
        return (self.by_number or {}).get(number)

    def text(self) -> str:
        """The canonical text that is signed."""
        rows = sorted((self.by_number or {}).values(), key=lambda who: (who.vendor, who.customer))
        lines = "".join(f"{who.vendor} {who.customer} {who.meter} {who.region} {who.count}\n" for who in rows)
        return f"{HEADING}\nversion {self.version}\n{lines}"


def customers_note(listed: CustomerList) -> str:
    """The text that head office signs for a list: heading, version, SHA-256 of ``text()``."""
    return f"{HEADING}\nversion {listed.version}\nsha256 {sha256(listed.text().encode()).hexdigest()}\n"


def parse_customers(text: str) -> CustomerList:
    """The list a text says. Raises ConfigFault F-704 with its first mistakes."""
    lines = text.splitlines()
    mistakes: list[str] = []
    version = version_under(HEADING, lines, mistakes)
    found: dict[str, KeypadCustomer] = {}
    meters: set[tuple[str, str]] = set()
    for number, line in enumerate(lines[2:], 3):
        row = _ROW.fullmatch(line)
        if row is None:
            mistakes.append(f"line {number}: must be vendor code, customer, meter, region, count")
        elif row[2] in found:
            mistakes.append(f"line {number}: customer {row[2]} stands twice")
        elif (row[1], row[3]) in meters:
            mistakes.append(f"line {number}: meter {row[3]} of vendor {row[1]} stands twice")
        else:
            meters.add((row[1], row[3]))
            found[row[2]] = KeypadCustomer(row[1], row[2], row[3], row[4], int(row[5]))
    if mistakes:
        raise ConfigFault("F-704", "customer list: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return CustomerList(version, found)
