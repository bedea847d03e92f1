"""Messages of head office for the first screen, each in both languages and with its days.

The text that head office publishes::

    prepaid-kiosk/messages/v1
    version 3
    20261201 20261231 十二月起电价调整 | Prices change in December

One line a message: its first and last civil day, the Chinese words, `` | ``, the English ones; at
most 40 and 80 letters. The first message of the day is shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from kiosk.billing.heading import version_under
from kiosk.model.errors import ConfigFault

HEADING = "prepaid-kiosk/messages/v1"
MISTAKES_TOLD_MAX = 20
ROWS_MAX, ZH_MAX, EN_MAX = 100, 40, 80
_ROW = re.compile(r"([0-9]{8}) ([0-9]{8}) (\S[^|\x00-\x1f\x7f]*?) \| (\S[^|\x00-\x1f\x7f]*)")


@dataclass(frozen=True, slots=True)
class Message:
    """``first`` and ``last``: civil days, 8 digits, both shown."""

    first: str
    last: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class MessageList:
    """``version`` only rises."""

    version: int = 0
    rows: tuple[Message, ...] = ()

    def text(self) -> str:
        """The canonical text."""
        lines = "".join(f"{row.first} {row.last} {row.zh} | {row.en}\n" for row in self.rows)
        return f"{HEADING}\nversion {self.version}\n{lines}"

    def on(self, civil: str) -> Message | None:
        """The message of a civil time (its first 8 digits), if there is one."""
        return next((row for row in self.rows if row.first <= civil[:8] <= row.last), None)


def parse_messages(text: str) -> MessageList:
    """The list a text says. Raises ConfigFault F-713 with its first mistakes."""
    lines = text.split("\n")
    mistakes: list[str] = [] if lines[-1] == "" else ["the last line must end"]
    version = version_under(HEADING, lines, mistakes)
    rows = []
    for number, line in enumerate(lines[2:-1], 3):
        row = _ROW.fullmatch(line)
        if row is None or len(row[3]) > ZH_MAX or len(row[4]) > EN_MAX:
            mistakes.append(f"line {number}: two days, {ZH_MAX} Chinese letters at most, ' | ', {EN_MAX} English ones")
        elif not _are_days(row[1], row[2]):
            mistakes.append(f"line {number}: the days must be like 20261201, the first not after the last")
        else:
            rows.append(Message(row[1], row[2], row[3], row[4]))
    if len(rows) > ROWS_MAX:
        mistakes.append(f"more than {ROWS_MAX} messages")
    if mistakes:
        raise ConfigFault("F-713", "messages: " + "; ".join(mistakes[:MISTAKES_TOLD_MAX]))
    return MessageList(version, tuple(rows))


def _are_days(first: str, last: str) -> bool:
    try:
        for day in (first, last):
            datetime.strptime(day, "%Y%m%d")  # noqa: DTZ007 - a civil day has no zone
    except ValueError:
        return False
    return first <= last
