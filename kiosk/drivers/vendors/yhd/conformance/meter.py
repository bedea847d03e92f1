"""The YHD meter 永恒达电表, as far as its card knows it. Written from docs/sample-vendors/yhd.md alone, not from yhd.c.

The rules of the meter:

1. It takes the newest purchase on the card if its count is the meter's own + 1 and what remains stays within the hoard
   limit. What the customer owes (remaining below zero) is paid from it first.
2. A newest purchase with a count further ahead is not its own next one: an illegal insertion, counted, nothing taken.
3. It announces the count it is going to have, takes the purchase, and writes its record back last. A card pulled in
   between says that nobody can tell, until it comes again.
4. It knows its state from the card's write-back, so that every copy of a card tells its own story; where that is
   missing or in doubt, from its own memory; a meter nobody has met begins at the count the card was issued with.
5. Less than three seconds: nothing happens. Setting and check cards are another tool's; it does not touch them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

SECRET = bytes.fromhex("594844")
MARK = bytes.fromhex("59484431")
BEGINS, NO_RECORD = b"\x68", b"\xff"
CUSTOMER_KINDS = (1, 3)  # opened, reissued
HOARD_LIMIT_SET = 0b0001
HEADER, SLOTS, RECORD, ANNOUNCED = (36, 49), ((88, 35), (126, 35)), (164, 35), 202  # where the 68 is, bytes of content
REMAINING_MAX = 2**31 - 1


class Card(Protocol):
    """The card in the slot, as contract 1 §6 gives it to Python."""

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly so many bytes."""

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""

    def verify(self, which: int, secret: bytes) -> None:
        """Presents a secret."""


@dataclass(frozen=True, slots=True)
class State:
    """What a meter knows of its customer; money in fen, ``remaining`` below zero is owed."""

    count: int
    remaining: int = 0
    total: int = 0
    illegal: int = 0


MEMORY: dict[str, State] = {}
"""Meter number → what that meter remembers."""


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter whose number it carries; ``use`` is what was used up since, in fen.

    Raises what the card raises. What the meter has taken by then it remembers.
    """
    image = icdev.read(0, 0, 256)
    header = _record(image, *HEADER)
    if image[32:36] != MARK or header is None or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    meter = _digits(header[17:28])
    written, announced = _written_back(image), _announced(image)
    told = written if written is not None and written.count == announced else None
    state = told or MEMORY.get(meter) or written or State(max(_number(header[28:32]), announced))
    if seconds < 3:
        return {"count": state.count, "remaining": state.remaining}

    then = _with_card(replace(state, remaining=state.remaining - use), image, header)
    icdev.verify(0, SECRET)
    count = _u4(then.count)
    _write(icdev, image, ANNOUNCED, count + bytes(byte ^ 0xFF for byte in count))
    MEMORY[meter] = then
    _write_back(icdev, image, then)
    return {"count": then.count, "remaining": then.remaining}


def _with_card(state: State, image: bytes, header: bytes) -> State:
    """The state after what the card has: its next purchase, or an illegal insertion, or nothing."""
    purchases = [found for slot in SLOTS if (found := _record(image, *slot)) is not None]
    newest = max(purchases, key=lambda purchase: purchase[0:4], default=None)
    if newest is None or _number(newest[0:4]) <= state.count:
        return state
    if _number(newest[0:4]) > state.count + 1:
        return replace(state, illegal=state.illegal + 1)
    fen = _number(newest[4:8])
    limit = _number(header[33:37]) if header[32] & HOARD_LIMIT_SET else 0
    if state.remaining + fen > (limit or REMAINING_MAX):
        return state
    return State(state.count + 1, state.remaining + fen, state.total + fen, state.illegal)


def _written_back(image: bytes) -> State | None:
    """The last record a meter wrote on this card; None when there is none, or a damaged one."""
    record = _record(image, *RECORD)
    if record is None:
        return None
    remaining = int.from_bytes(record[4:8], "big", signed=True)
    return State(_number(record[0:4]), remaining, _number(record[8:16]), _number(record[20:24]))


def _announced(image: bytes) -> int:
    """The count a meter announced on this card; 0 when it announced none."""
    count, inverted = image[ANNOUNCED : ANNOUNCED + 4], image[ANNOUNCED + 4 : ANNOUNCED + 8]
    return _number(count) if all(a ^ b == 0xFF for a, b in zip(count, inverted, strict=True)) else 0


def _write_back(icdev: Card, image: bytes, state: State) -> None:
    """The 68 away, content and check, the 68 again."""
    at, size = RECORD
    overdraft, status = max(0, -state.remaining), 0
    content = (
        _u4(state.count)
        + state.remaining.to_bytes(4, "big", signed=True)
        + state.total.to_bytes(8, "big")
        + _u4(overdraft)
        + _u4(state.illegal)
        + bytes.fromhex(time.strftime("%Y%m%d%H%M%S"))
        + _u4(status)
    )
    assert len(content) == size
    icdev.write(0, at, NO_RECORD)
    _write(icdev, image, at + 1, content + _check(content))
    icdev.write(0, at, BEGINS)


def _write(icdev: Card, image: bytes, at: int, content: bytes) -> None:
    """Writes what is not there yet."""
    if image[at : at + len(content)] != content:
        icdev.write(0, at, content)


def _record(image: bytes, at: int, size: int) -> bytes | None:
    """A record's content; None unless it begins with 68 and its check holds."""
    content, check = image[at + 1 : at + 1 + size], image[at + 1 + size : at + 3 + size]
    return content if image[at : at + 1] == BEGINS and check == _check(content) else None


def _digits(field: bytes) -> str:
    """Packed BCD behind a byte that says how many digits there are."""
    return field[1:].hex()[: field[0]]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _u4(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _check(content: bytes) -> bytes:
    """The sum, and the sum of the sums on the way."""
    one = other = 0
    for byte in content:
        one = (one + byte) & 0xFF
        other = (other + one) & 0xFF
    return bytes((one, other))
