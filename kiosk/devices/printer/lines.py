"""Breaking text into lines, Chinese and Latin mixed. Pure.

Chinese may break between any two characters, except before closing and after opening punctuation; Latin words, numbers
and amounts stay whole, unless one is wider than the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_OPENING = "（《「『“‘【"
_CLOSING = "，。；：！？、）》」』”’】…"
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"  # CJK, its punctuation, full-width forms
_PIECE = re.compile(
    rf"[{_OPENING}]*(?:(?![{_OPENING}{_CLOSING}])[{_WIDE}]|[^ {_WIDE}{_OPENING}{_CLOSING}]+)?[{_CLOSING}]* *"
)


def break_lines(text: str, width: int, measure: Callable[[str], float]) -> list[str]:
    """The lines of a text, none wider than ``width`` dots by ``measure``; a newline breaks always."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in _fitting(paragraph.strip(), width, measure):
            if line and measure((line + piece).rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines.append(line.rstrip())
    return lines


def _fitting(text: str, width: int, measure: Callable[[str], float]) -> Iterator[str]:
    for piece in _PIECE.findall(text):
        if measure(piece.rstrip()) <= width:
            yield piece
        else:
            yield from piece  # wider than a whole line: characters stand alone
