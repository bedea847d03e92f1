"""The block list: cards that were reported lost or stolen. A kiosk takes no money on them and writes nothing.

The text that head office publishes::

    prepaid-kiosk/blocked/v1
    version 3
    0001 10023400567 202600012345 7 lost
    0001 10023400568 202600012346 0 stolen

One line a card: vendor code, customer number, meter number, count, why. A card says nothing that tells it from its
replacement but its purchase count. So ``count`` is the highest one the lost card can have: cards up to it are refused,
and a replacement that was issued with a higher one is served; 0 refuses every card of this customer and meter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kiosk.billing.heading import version_under
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/blocked/v1"
MISTAKES_TOLD_MAX = 20
WHY = ("lost", "stolen")
_ROW = re.compile(r"([0-9A-F]{4}) ([0-9]{1,20}) ([0-9]{1,20}) (0|[1-9][0-9]{0,8}) (lost|stolen)")


@dataclass(frozen=True, slots=True)
class BlockedCard:
    """One line of the list."""

    vendor: str
    customer: str
    meter: str
    count: int  # cards up to this count are refused; 0: every card
    why: str  # one of WHY

    def stops(self, count: int) -> bool:
        """Whether a card at this purchase count is the one that was reported."""
        return not self.count or count <= self.count


@dataclass(frozen=True, slots=True)
class BlockList:
    """``version`` only rises."""

    version: int = 0
    rows: tuple[BlockedCard, ...] = ()

    def text(self) -> str:
        """The canonical text."""
        rows = sorted(self.rows, key=lambda row: (row.vendor, row.customer, row.meter))
        lines = "".join(f"{row.vendor} {row.customer} {row.meter} {row.count} {row.why}\n" for row in rows)
        return f"{HEADING}\nversion {self.version}\n{lines}"


def parse_blocked(text: str) -> BlockList:
    """The list a text says. Raises ConfigFault F-712 with its first mistakes."""
    lines = text.splitlines()
    mistakes: list[str] = []
    version = version_under(HEADING, lines, mistakes)
    rows: dict[tuple[str, ...], BlockedCard] = {}
    for number, line in enumerate(lines[2:], 3):
        row = _ROW.fullmatch(line)
        if row is None:
            mistakes.append(f"line {number}: must be vendor code, customer, meter, count, lost or stolen")
        elif row.groups()[:3] in rows:
            mistakes.append(f"line {number}: customer {row[2]} with meter {row[3]} stands twice")
        else:
            rows[row.groups()[:3]] = BlockedCard(row[1], row[2], row[3], int(row[4]), row[5])
    if mistakes:
        raise ConfigFault("F-712", "block list: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return BlockList(version, tuple(rows.values()))
