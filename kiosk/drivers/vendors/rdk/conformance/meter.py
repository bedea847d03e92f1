"""The RDK meter 阿迪克电表, as far as its card knows it. Written from docs/sample-vendors/rdk.md alone.

The rules of the meter:

1. It takes the newest purchase on the card if its count is the meter's own + 1 and what remains stays within the hoard
   limit; everything else it leaves alone.
2. It announces the count it is going to have, takes the purchase, and writes its record back last. A card pulled in
   between says that nobody can tell, until it comes again.
3. It knows count and remaining from the card's write-back, so that every copy of a card tells its own story; where that
   is missing or in doubt, from its own memory; a meter nobody has met begins at the count the card was issued with.
4. Less than three seconds: nothing happens. Setting and check cards are another tool's; it does not touch them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

SECRET = bytes.fromhex("52444B")
MARK = bytes.fromhex("52444B01")
SEAL, NO_SEAL = b"\xa5", b"\xff"
CUSTOMER_KINDS = (1, 3)  # opened, reissued
HOARD_LIMIT_SET = 0b000001
HEADER, SLOTS, RECORD, ANNOUNCED = (36, 57), ((96, 35), (134, 35)), (172, 35), 210
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
    """What a meter knows of its customer; energy in 0.01 kWh."""

    count: int
    remaining: int = 0
    total: int = 0


MEMORY: dict[str, State] = {}
"""Meter number → what that meter remembers."""


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter whose number it carries; ``use`` is what was used up since, in 0.01 kWh.

    Raises what the card raises. What the meter has taken by then it remembers.
    """
    image = icdev.read(0, 0, 256)
    header = _sealed(image, *HEADER)
    if image[32:36] != MARK or header is None or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    meter = _digits(header[17:28])
    record, announced = _record(image), _announced(image)
    told = record if record is not None and record.count == announced else None
    state = told or MEMORY.get(meter) or record or State(max(_number(header[28:32]), announced))
    if seconds < 3:
        return {"count": state.count, "remaining": state.remaining}

    state = replace(state, remaining=state.remaining - use)
    then = _with_purchase(state, image, header)
    icdev.verify(0, SECRET)
    count = _u4(then.count)
    _write(icdev, image, ANNOUNCED, count + _check(count))
    MEMORY[meter] = then
    _write_back(icdev, image, then)
    return {"count": then.count, "remaining": then.remaining}


def _record(image: bytes) -> State | None:
    """The last record a meter wrote on this card; None when there is none, or a damaged one."""
    record = _sealed(image, *RECORD)
    if record is None:
        return None
    return State(_number(record[0:4]), int.from_bytes(record[4:8], "big", signed=True), _number(record[8:16]))


def _announced(image: bytes) -> int:
    """The count a meter announced on this card; 0 when it announced none."""
    count, check = image[ANNOUNCED : ANNOUNCED + 4], image[ANNOUNCED + 4 : ANNOUNCED + 6]
    return _number(count) if check == _check(count) else 0


def _with_purchase(state: State, image: bytes, header: bytes) -> State:
    """The state after the card's next purchase; the same if there is none to take."""
    limit = _number(header[33:37]) if header[32] & HOARD_LIMIT_SET else 0
    for at, size in SLOTS:
        slot = _sealed(image, at, size)
        if slot is None or _number(slot[0:4]) != state.count + 1:
            continue
        energy = _number(slot[8:12])
        if state.remaining + energy <= (limit or REMAINING_MAX):
            return State(state.count + 1, state.remaining + energy, state.total + energy)
    return state


def _write_back(icdev: Card, image: bytes, state: State) -> None:
    """Seal off, content and check, seal on."""
    at, size = RECORD
    overdraft, illegal_insertions, status = max(0, -state.remaining), 0, 0
    content = (
        _u4(state.count)
        + state.remaining.to_bytes(4, "big", signed=True)
        + state.total.to_bytes(8, "big")
        + _u4(overdraft)
        + _u4(illegal_insertions)
        + bytes.fromhex(time.strftime("%Y%m%d%H%M%S"))
        + _u4(status)
    )
    icdev.write(0, at + size + 2, NO_SEAL)
    _write(icdev, image, at, content + _check(content))
    icdev.write(0, at + size + 2, SEAL)


def _write(icdev: Card, image: bytes, at: int, content: bytes) -> None:
    """Writes what is not there yet."""
    if image[at : at + len(content)] != content:
        icdev.write(0, at, content)


def _sealed(image: bytes, at: int, size: int) -> bytes | None:
    """A record's content; None unless its seal is there and its check holds."""
    content, check, seal = image[at : at + size], image[at + size : at + size + 2], image[at + size + 2 : at + size + 3]
    return content if seal == SEAL and check == _check(content) else None


def _digits(field: bytes) -> str:
    """Packed BCD behind a byte that says how many digits there are."""
    return field[1:].hex()[: field[0]]


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def _u4(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _check(content: bytes) -> bytes:
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc.to_bytes(2, "big")
