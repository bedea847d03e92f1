"""The AXN meter 安信能电表, as far as its card knows it. Written from docs/sample-vendors/axn.md alone, not from axn.c.

The rules of the meter:

1. It takes the newest purchase on the card if its count is the meter's own + 1 and what remains stays within the hoard
   limit; everything else it leaves alone. What is owed (remaining below zero) is paid from the purchase.
2. It announces the count it is going to have, takes the purchase, and writes its record back last. A card pulled in
   between says that nobody can tell, until it comes again.
3. It knows count and remaining from the card's write-back, so that every copy of a card tells its own story; where that
   is missing or in doubt, from its own memory; a meter nobody has met begins at the count the card was issued with.
4. Less than three seconds: nothing happens. Setting and check cards are another tool's; it does not touch them.
5. A card whose records it cannot make sense of is an illegal insertion: it counts it, and says so when it next writes.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

SECRET = bytes.fromhex("4158")
MARK, SEAL, NO_SEAL = bytes.fromhex("41584E01"), b"\xa5\x5a", b"\xff\xff"
CUSTOMER_KINDS = (1, 3)  # opened, reissued
ZONE, ZONES = 64, (1, 2)  # bytes; the card's zones, one after the other in the image
HEADER, SLOTS, RECORD, ANNOUNCED = (6, 28), ((38, 18), (66, 18)), (88, 22), (114, 4)
REMAINING_MAX = 99_999_999  # 0.01 kWh; four bytes of BCD


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
    illegal: int = 0


MEMORY: dict[str, State] = {}
"""Meter number → what that meter remembers."""
ILLEGAL: Counter[str] = Counter()
"""Meter number → illegal insertions not yet written back."""


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter whose number it carries; ``use`` is what was used up since, in 0.01 kWh.

    Raises what the card raises. What the meter has taken by then it remembers.
    """
    image = b"".join(icdev.read(zone, 0, ZONE) for zone in ZONES)
    header = _sealed(image, *HEADER)
    if image[2:6] != MARK or header is None or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    meter = header[11:17].hex().rstrip("f")
    record, announced = _record(image), _announced(image)
    told = record if record is not None and record.count == announced else None
    state = told or MEMORY.get(meter) or record or State(max(_number(header[17:20]), announced))
    if seconds < 3:
        return {"count": state.count, "remaining": state.remaining}
    if _broken(image):
        ILLEGAL[meter] += 1
        return {"count": state.count, "remaining": state.remaining}

    state = replace(state, remaining=state.remaining - use, illegal=state.illegal + ILLEGAL.pop(meter, 0))
    then = _with_purchase(state, image, header)
    icdev.verify(0, SECRET)
    count = _bcd(then.count, 4)
    _write(icdev, image, ANNOUNCED[0], count + _check(count))
    MEMORY[meter] = then
    _write_back(icdev, image, then)
    return {"count": then.count, "remaining": then.remaining}


def _record(image: bytes) -> State | None:
    """The last record a meter wrote on this card; None when there is none, or a damaged one."""
    record = _sealed(image, *RECORD)
    if record is None or not (record[:3] + record[4:15]).hex().isdecimal() or record[3] > 1:
        return None
    sign = -1 if record[3] else 1
    return State(_number(record[:3]), sign * _number(record[4:8]), _number(record[8:13]), _number(record[13:15]))


def _announced(image: bytes) -> int:
    """The count a meter announced on this card; 0 when it announced none."""
    at, size = ANNOUNCED
    count, check = image[at : at + size], image[at + size : at + size + 2]
    return _number(count) if check == _check(count) and count.hex().isdecimal() else 0


def _broken(image: bytes) -> bool:
    """Whether a purchase's seal stands over something that is no purchase."""
    return any(image[at + size + 2 : at + size + 4] == SEAL and _sealed(image, at, size) is None for at, size in SLOTS)


def _with_purchase(state: State, image: bytes, header: bytes) -> State:
    """The state after the card's next purchase; the same if there is none to take."""
    limit = _number(header[20:24]) if header[20:24].hex().isdecimal() else 0
    for at, size in SLOTS:
        slot = _sealed(image, at, size)
        if slot is None or not slot.hex().isdecimal() or _number(slot[:3]) != state.count + 1:
            continue
        energy = _number(slot[3:7])
        if state.remaining + energy <= (limit or REMAINING_MAX):
            return replace(state, count=state.count + 1, remaining=state.remaining + energy, total=state.total + energy)
    return state


def _write_back(icdev: Card, image: bytes, state: State) -> None:
    """Seal off, content and check, seal on."""
    at, size = RECORD
    content = (
        _bcd(state.count, 3)
        + bytes((state.remaining < 0,))
        + _bcd(abs(state.remaining), 4)
        + _bcd(state.total, 5)
        + _bcd(state.illegal, 2)
        + bytes.fromhex(time.strftime("%Y%m%d%H%M%S"))
    )
    _write(icdev, image, at + size + 2, NO_SEAL)
    _write(icdev, image, at, content + _check(content))
    _put(icdev, at + size + 2, SEAL)


def _write(icdev: Card, image: bytes, at: int, content: bytes) -> None:
    """Writes what is not there yet."""
    if image[at : at + len(content)] != content:
        _put(icdev, at, content)


def _put(icdev: Card, at: int, content: bytes) -> None:
    icdev.write(ZONES[at // ZONE], at % ZONE, content)


def _sealed(image: bytes, at: int, size: int) -> bytes | None:
    """A record's content; None unless its seal is there and its check holds."""
    content, check, seal = image[at : at + size], image[at + size : at + size + 2], image[at + size + 2 : at + size + 4]
    return content if seal == SEAL and check == _check(content) else None


def _number(field: bytes) -> int:
    """Packed BCD."""
    return int(field.hex())


def _bcd(value: int, width: int) -> bytes:
    return bytes.fromhex(f"{value % 10 ** (2 * width):0{2 * width}d}")


def _check(content: bytes) -> bytes:
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc.to_bytes(2, "big")
