"""What head office's answer means, before anything is concluded from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kiosk.ledger.note import SIZE_MAX, Cosigned, Vkey, open_cosigned
from kiosk.model.errors import LedgerFault

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,9})\n")
_PLAIN = (204, 400, 403, 404, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and body as they came, the body cut at a limit. ``retry_after_s``: the wish in its head; 0: none."""

    status: int
    body: bytes = b""
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Signed:
    """200 with both signatures good."""

    note: str  # verbatim
    cosigned: Cosigned

    @property
    def size(self) -> int:
        """Of the checkpoint."""
        return self.cosigned.checkpoint.size


@dataclass(frozen=True, slots=True)
class Size:
    """202 or 409 with head office's size; unsigned, so nothing but the next batch hangs on it."""

    status: int
    size: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A status that says all."""

    status: int


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or none that counts: 5xx, 429, a strange status, a body that does not verify."""

    why: str
    code: str = "S-601"
    retry_after_s: int = 0  # what a 429 or 5xx asks for


Meaning = Signed | Size | Plain | Silence


def meaning(reply: Reply | None, terminal: Vkey, head_offices: Sequence[Vkey]) -> Meaning:
    """What a reply means; None is no reply."""
    if reply is None:
        return Silence("no answer")
    if reply.status == 200:
        try:
            text = reply.body.decode("utf-8")
            return Signed(text, open_cosigned(text, terminal, head_offices))
        except (UnicodeDecodeError, LedgerFault) as fault:
            return Silence(f"200 that does not verify: {fault}", "S-605")
    if reply.status in (202, 409):
        match = _SIZE.fullmatch(reply.body)
        if match is None or int(match[1]) > SIZE_MAX:
            return Silence(f"{reply.status} without a size", "S-605")
        return Size(reply.status, int(match[1]))
    if reply.status in _PLAIN:
        return Plain(reply.status)
    return Silence(f"status {reply.status}", retry_after_s=reply.retry_after_s)
