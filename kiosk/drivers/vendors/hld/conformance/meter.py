"""The HLD meter 恒利达电表, as far as its card knows it. Written from docs/sample-vendors/hld.md alone, not from hld.c.

Anyone can write an AT24C04, so the meter's own memory is what keeps a copied card from being credited twice:

1. It takes the newest purchase on the card if its count is the meter's own + 1 and what remains stays within the hoard
   limit; everything else it leaves alone. What was overdrawn is paid first: remaining may be negative.
2. It announces the count it is going to have, takes the purchase, and writes its record back last. A card pulled in
   between says that nobody can tell, until it comes again.
3. It knows count and remaining from the card's write-back, so that every copy of a card tells its own story; but a
   purchase of a count it has taken before makes it believe itself. A meter nobody has met begins at the base count.
4. Another customer's card is an illegal insertion: counted, told on the next card of its own customer, and not touched.
5. Less than three seconds: nothing happens. Setting and check cards are another tool's; it does not touch them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

MARK = bytes.fromhex("484C4401")
SEAL, NO_SEAL = b"\xa5", b"\xff"
CUSTOMER_KINDS = (1, 3)  # opened, reissued
HOARD_LIMIT_SET = 0b000001
REMAINING_MAX = 2**31 - 1


class Card(Protocol):
    """The card in the slot, as contract 1 §6 gives it to Python."""

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly so many bytes."""

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""


@dataclass(frozen=True, slots=True)
class Record:
    """Where a frame stands, its command, how many bytes of data, its seal (0: none)."""

    at: int
    command: int
    size: int
    seal: int = 0


HEADER, SLOTS = Record(16, 0x01, 57, 80), (Record(96, 0x02, 35, 144), Record(160, 0x02, 35, 208))
WRITE_BACK, ANNOUNCED = Record(224, 0x11, 35, 272), Record(288, 0x12, 4)


@dataclass(frozen=True, slots=True)
class State:
    """What a meter knows of its customer; money in fen."""

    count: int
    remaining: int = 0
    total: int = 0
    illegal: int = 0
    customer: str = ""


MEMORY: dict[str, State] = {}
"""Meter number → what that meter remembers."""


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter whose number it carries; ``use`` is what was used up since, in fen.

    Raises what the card raises. What the meter has taken by then it remembers.
    """
    image = icdev.read(0, 0, 304)
    header = _sealed(image, HEADER)
    if image[0:4] != MARK or header is None or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    customer, meter = _digits(header[6:17]), _digits(header[17:28])
    own = MEMORY.get(meter)
    if own is not None and own.customer != customer:
        MEMORY[meter] = replace(own, illegal=own.illegal + (seconds >= 3))
        return {"count": own.count, "remaining": own.remaining}
    state = replace(_state(image, own, _number(header[28:32])), customer=customer)
    if seconds < 3:
        return {"count": state.count, "remaining": state.remaining}

    state = replace(state, remaining=state.remaining - use)
    then = _with_purchase(state, image, header)
    _write(icdev, image, ANNOUNCED, _u4(then.count))
    MEMORY[meter] = then
    _write_back(icdev, image, then)
    return {"count": then.count, "remaining": then.remaining}


def _state(image: bytes, own: State | None, base: int) -> State:
    """Rule 3."""
    record, announced = _record(image), _whole(image, ANNOUNCED)
    told = record if record is not None and announced == _u4(record.count) else None
    newest = max((_number(data[0:4]) for data in _purchases(image)), default=0)
    if own is not None and (told is None or told.count < newest <= own.count):
        return own
    illegal = own.illegal if own is not None else 0
    if told is not None:
        return replace(told, illegal=max(illegal, told.illegal))
    return record or State(max(base, _number(announced or b"\0")), illegal=illegal)


def _record(image: bytes) -> State | None:
    """The last record a meter wrote on this card; None when there is none, or a damaged one."""
    data = _sealed(image, WRITE_BACK)
    if data is None:
        return None
    remaining = int.from_bytes(data[4:8], "big", signed=True)
    return State(_number(data[0:4]), remaining, _number(data[8:16]), _number(data[20:24]))


def _purchases(image: bytes) -> list[bytes]:
    return [data for slot in SLOTS if (data := _sealed(image, slot)) is not None]


def _with_purchase(state: State, image: bytes, header: bytes) -> State:
    """The state after the card's next purchase; the same if there is none to take."""
    limit = _number(header[33:37]) if header[32] & HOARD_LIMIT_SET else 0
    for data in _purchases(image):
        amount = _number(data[4:8])
        if _number(data[0:4]) == state.count + 1 and state.remaining + amount <= (limit or REMAINING_MAX):
            taken = replace(state, count=state.count + 1, remaining=state.remaining + amount)
            return replace(taken, total=state.total + amount)
    return state


def _write_back(icdev: Card, image: bytes, state: State) -> None:
    """Seal off, frame, seal on."""
    overdraft, status = max(0, -state.remaining), 0
    data = (
        _u4(state.count)
        + state.remaining.to_bytes(4, "big", signed=True)
        + state.total.to_bytes(8, "big")
        + _u4(overdraft)
        + _u4(state.illegal)
        + bytes.fromhex(time.strftime("%Y%m%d%H%M%S"))
        + _u4(status)
    )
    icdev.write(0, WRITE_BACK.seal, NO_SEAL)
    _write(icdev, image, WRITE_BACK, data)
    icdev.write(0, WRITE_BACK.seal, SEAL)


def _write(icdev: Card, image: bytes, record: Record, data: bytes) -> None:
    """The frame, if it does not stand there yet."""
    frame = _frame(record, data)
    if image[record.at : record.at + len(frame)] != frame:
        icdev.write(0, record.at, frame)


def _frame(record: Record, data: bytes) -> bytes:
    """68 · command · L, one byte of packed BCD · data · the sum of command, L and data · 16."""
    body = bytes((record.command, record.size // 10 << 4 | record.size % 10)) + data
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _whole(image: bytes, record: Record) -> bytes | None:
    """A frame's data; None unless it is whole."""
    frame = image[record.at : record.at + record.size + 5]
    data = frame[3:-2]
    return data if frame == _frame(record, data) else None


def _sealed(image: bytes, record: Record) -> bytes | None:
    """A record's data; None unless its seal is there and its frame is whole."""
    return _whole(image, record) if image[record.seal : record.seal + 1] == SEAL else None


def _digits(field: bytes) -> str:
    """Packed BCD behind a byte that says how many digits there are."""
    return field[1:].hex()[: field[0]]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _u4(value: int) -> bytes:
    return value.to_bytes(4, "big")
