"""The list of vouchers to be brought to their cards: what head office owes a card, at whichever kiosk meets it.

Every terminal may hold the same list, so each line is bound to the count its card had: the credit may only become the
purchase after it (docs/decisions/0012). The text::

    prepaid-kiosk/owed/v1
    version 3
    0007-3f2a91c0de 0001 10023400567 202600012345 420100 5000 8928 7

One line a voucher: its number, vendor code, customer number, meter number, region, fen, energy in 0.01 kWh, and the
card's last count. A card stands in it once, for only one credit can follow a count; so does a number. The signature is
checked where the file is read; this module gives the text its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from kiosk.billing.heading import version_under
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/owed/v1"
MISTAKES_TOLD_MAX = 20
NUMBER = re.compile(r"[a-z0-9][a-z0-9-]{0,31}-[0-9a-f]{10}")
_CARD = "([0-9A-F]{4}) ([0-9]{1,20}) ([0-9]{1,20}) ([0-9]{1,8})"
_UINT = "(0|[1-9][0-9]{0,8})"
_ROW = re.compile(f"({NUMBER.pattern}) {_CARD} ([1-9][0-9]{{0,8}}) {_UINT} {_UINT}")


@dataclass(frozen=True, slots=True)
class OwedRow:
    """One voucher and its card. Fen, 0.01 kWh; ``count``: the card's last, to which the order is bound."""

    no: str
    vendor: str
    customer: str
    meter: str
    region: str
    fen: int
    centi_kwh: int
    count: int


@dataclass(frozen=True, slots=True)
class OwedList:
    """``version`` only rises."""

    version: int = 0
    rows: tuple[OwedRow, ...] = ()

    def text(self) -> str:
        """The canonical text that is signed."""
        return f"{HEADING}\nversion {self.version}\n{''.join(map(_line, sorted(self.rows, key=_by_number)))}"


def _line(row: OwedRow) -> str:
    who = f"{row.vendor} {row.customer} {row.meter} {row.region}"
    return f"{row.no} {who} {row.fen} {row.centi_kwh} {row.count}\n"


def _by_number(row: OwedRow) -> str:
    return row.no


def one_a_card(rows: Iterable[OwedRow]) -> tuple[OwedRow, ...]:
    """The first of each card: only one credit can follow a count."""
    found: dict[tuple[str, str, str], OwedRow] = {}
    for row in rows:
        found.setdefault((row.vendor, row.customer, row.meter), row)
    return tuple(found.values())


def owed_note(listed: OwedList) -> str:
    """The text that head office signs for a list: heading, version, SHA-256 of ``text()``."""
    return f"{HEADING}\nversion {listed.version}\nsha256 {sha256(listed.text().encode()).hexdigest()}\n"


def parse_owed(text: str) -> OwedList:
    """The list a text says. Raises ConfigFault F-705 with its first mistakes."""
    lines = text.splitlines()
    mistakes: list[str] = []
    version = version_under(HEADING, lines, mistakes)
    rows: list[OwedRow] = []
    numbers: set[str] = set()
    cards: set[tuple[str, ...]] = set()
    for number, line in enumerate(lines[2:], 3):
        row = _ROW.fullmatch(line)
        if row is None:
            mistakes.append(f"line {number}: must be number, vendor, customer, meter, region, fen, energy, count")
        elif row[1] in numbers:
            mistakes.append(f"line {number}: voucher {row[1]} stands twice")
        elif row.groups()[1:4] in cards:
            mistakes.append(f"line {number}: customer {row[3]} with meter {row[4]} stands twice")
        else:
            numbers.add(row[1])
            cards.add(row.groups()[1:4])
            rows.append(OwedRow(row[1], row[2], row[3], row[4], row[5], int(row[6]), int(row[7]), int(row[8])))
    if mistakes:
        raise ConfigFault("F-705", "list of vouchers: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return OwedList(version, tuple(rows))
