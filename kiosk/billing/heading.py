"""How every list of head office begins: which list it is, and its version, which only rises."""

from __future__ import annotations

import re
from collections.abc import Sequence


def version_under(heading: str, lines: Sequence[str], mistakes: list[str]) -> int:
    """The version in the second of a list's lines; 0, and ``mistakes`` says so, where it does not begin as it must."""
    if lines[:1] != [heading]:
        mistakes.append(f"line 1: must be {heading!r}")
    version = re.fullmatch(r"version ([1-9][0-9]{0,8})", lines[1] if len(lines) > 1 else "")
    if version is None:
        mistakes.append("line 2: must be 'version' and a number from 1")
    return int(version[1]) if version else 0
