"""The staff list: who may open the kiosk's service pages, and what each may do there.

The text that head office keeps, and seals to each terminal (kiosk/ledger/sealing.py): PINs have six digits, so a list
that anybody could read would be tried through in a day or two::

    prepaid-kiosk/staff/v1
    version 3
    1001 attendant,collector - $argon2id$v=19$m=65536,t=3,p=4$…$… 李四 | Li Si
    2001 supervisor 0001:10023400567 $argon2id$v=19$m=65536,t=3,p=4$…$… 王五 | Wang Wu

One line a person: number, roles, the mark of their staff card (``-``: they have none), the PIN's hash
(kiosk/ledger/pins.py), the name in Chinese, `` | ``, in English. What moves money wants two persons, a collector and a
supervisor, say: who asks for them decides that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kiosk.billing.heading import version_under
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/staff/v1"
ROLES = ("attendant", "collector", "technician", "supervisor")
"""值守员, 收款员, 维修员, 主管: looks after the kiosk, empties the box, mends devices, answers for money."""
NO_CARD = "-"
MISTAKES_TOLD_MAX = 20
ROWS_MAX, NAME_MAX = 500, 40
NUMBER = re.compile(r"[0-9]{3,8}")
MARK = re.compile(r"[0-9A-Za-z][0-9A-Za-z:._-]{3,63}")
NAME = re.compile(r"[^\s|\x00-\x1f\x7f](?:[^|\x00-\x1f\x7f]*[^\s|\x00-\x1f\x7f])?")
HASH = re.compile(
    r"\$argon2id\$v=19\$m=([0-9]{4,6}),t=([0-9]{1,2}),p=([0-9]{1,2})\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}"
)
MEMORY_KIB_MAX, PASSES_MAX, LANES_MAX = 262_144, 16, 16
"""A list cannot have a terminal work longer on a PIN than it can afford (RFC 9106 §3.1: m in KiB, t, p)."""
_ROW = re.compile(r"(\S+) (\S+) (\S+) (\S+) (.+?) \| (.+)")


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One line of the list. ``pin``: the hash, a PHC string; it is shown nowhere."""

    number: str
    roles: tuple[str, ...]  # of ROLES, in their order
    pin: str
    zh: str
    en: str
    card: str = ""  # mark of the staff card; "": none

    def text(self) -> str:
        """The line."""
        return f"{self.number} {','.join(self.roles)} {self.card or NO_CARD} {self.pin} {self.zh} | {self.en}\n"

    def name(self, language: str) -> str:
        """In one of the two languages."""
        return self.zh if language == "zh-CN" else self.en


@dataclass(frozen=True, slots=True, repr=False)
class StaffList:
    """``version`` only rises."""

    version: int = 0
    rows: tuple[Person, ...] = ()

    def text(self) -> str:
        """The canonical text."""
        lines = "".join(row.text() for row in sorted(self.rows, key=lambda row: row.number))
        return f"{HEADING}\nversion {self.version}\n{lines}"

    def find(self, number: str) -> Person | None:
        """The person with this number."""
        return next((row for row in self.rows if row.number == number), None)

    def with_card(self, mark: str) -> Person | None:
        """The person whose staff card this is."""
        return next((row for row in self.rows if row.card and row.card == mark), None)


def in_order(roles: Iterable[str]) -> tuple[str, ...]:
    """Roles in their order, each once."""
    named = set(roles)
    return tuple(role for role in ROLES if role in named)


def parse_staff(text: str) -> StaffList:
    """The list a text says. Raises ConfigFault F-717 with its first mistakes; never with a hash."""
    lines = text.split("\n")
    mistakes: list[str] = [] if lines[-1] == "" else ["the last line must end"]
    version = version_under(HEADING, lines, mistakes)
    rows: list[Person] = []
    numbers, cards = set[str](), set[str]()
    for at, line in enumerate(lines[2:-1], 3):
        found = _ROW.fullmatch(line)
        if found is None:
            mistakes.append(f"line {at}: must be number, roles, card or -, PIN's hash, name in Chinese | in English")
            continue
        number, roles, card, pin, zh, en = found.groups()
        row = Person(number, tuple(roles.split(",")), pin, zh, en, "" if card == NO_CARD else card)
        mistakes += [f"line {at}: {each}" for each in mistakes_in(row)]
        if number in numbers or (row.card and row.card in cards):
            mistakes.append(f"line {at}: number {number}, or its card, stands twice")
        numbers.add(number)
        cards.add(row.card)
        rows.append(row)
    if len(rows) > ROWS_MAX:
        mistakes.append(f"more than {ROWS_MAX} persons")
    if mistakes:
        raise ConfigFault("F-717", "staff list: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return StaffList(version, tuple(rows))


def mistakes_in(row: Person) -> list[str]:
    """What is wrong with a person's line, for whoever writes it."""
    mistakes = []
    if not NUMBER.fullmatch(row.number):
        mistakes.append("a staff number has 3 to 8 digits")
    if not row.roles or row.roles != in_order(row.roles):
        mistakes.append(f"roles are of {', '.join(ROLES)}, in this order")
    if row.card and not MARK.fullmatch(row.card):
        mistakes.append("a staff card's mark has 4 to 64 letters, digits and : . _ -")
    if not all(NAME.fullmatch(name) and len(name) <= NAME_MAX for name in (row.zh, row.en)):
        mistakes.append(f"both names, of 1 to {NAME_MAX} letters without |")
    cost = HASH.fullmatch(row.pin)
    if cost is None or not _can_afford(int(cost[1]), int(cost[2]), int(cost[3])):
        mistakes.append("the PIN's hash is no Argon2id hash that a terminal can work out")
    return mistakes


def _can_afford(memory_kib: int, passes: int, lanes: int) -> bool:
    return 8 * lanes <= memory_kib <= MEMORY_KIB_MAX and 1 <= passes <= PASSES_MAX and 1 <= lanes <= LANES_MAX
