"""The TLY meter 泰立仪电表, written from docs/sample-vendors/tly.md alone, not from driver.py.

The rules of the meter:

1. It takes every purchase on the card that follows its own count, one after the other, while what remains stays within
   the hoard limit; the first that would pass it waits, and all behind it. What is overdrawn is paid from the purchase.
2. It announces the count it is going to have, takes the purchases, and writes its record back last. A card pulled in
   between says that nobody can tell, until it comes again.
3. It knows its state from the card's write-back, so that every copy of a card tells its own story; where that is
   missing or in doubt, from its own memory; a meter nobody has met begins at the count the card was issued with. Shown
   a purchase it has taken before, it believes its memory: a copied card is not credited twice.
4. Another customer's card, or one whose secret is not the meter's, is an illegal insertion: counted, and given back as
   it was. Less than three seconds: nothing happens. Setting and check cards are another tool's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Protocol

SECRET, MARK = bytes.fromhex("544C"), bytes.fromhex("544C5901")
CUSTOMER_KINDS, HOARD_LIMIT_GIVEN = (1, 3), 0x01
HEADER, RING, SLOTS, SLOT_BYTES, BACK, ANNOUNCED, END = 36, 96, 13, 66, 954, 995, 1005
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
    illegal: int = 0


@dataclass(frozen=True, slots=True)
class Purchase:
    """One on the card. ``limit``: what the meter may hold with it."""

    energy: int
    limit: int


MEMORY: dict[bytes, tuple[bytes, State]] = {}
"""Meter number → its customer's number, and what that meter remembers."""


def clock() -> str:
    """The meter's civil time, YYYYMMDDhhmmss."""
    return time.strftime("%Y%m%d%H%M%S", time.localtime())


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter whose number it carries; ``use``: used up since, 0.01 kWh. Raises what the card raises."""
    image = icdev.read(0, 0, END)
    header = _content(0x01, image[HEADER:RING])
    if image[32:36] != MARK or header is None or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    customer, meter = header[5:15], header[15:25]
    owner, known = MEMORY.get(meter, (customer, None))
    state = _told(image) or known or State(_number(header[25:29]))
    if known and state.count < known.count and _purchase(image, state.count + 1):
        state = known
    if seconds >= 3 and owner != customer:
        assert known is not None
        state = replace(known, illegal=known.illegal + 1)
        MEMORY[meter] = owner, state
    elif seconds >= 3:
        illegal = max(state.illegal, known.illegal if known else 0)
        state = replace(state, remaining=state.remaining - use, illegal=illegal)
        state = _serve(icdev, image, state, (meter, customer))
    return {"count": state.count, "remaining": state.remaining}


def _serve(icdev: Card, image: bytes, state: State, whose: tuple[bytes, bytes]) -> State:
    """Announces, takes, writes back; remembers what it has taken even when the card is pulled."""
    meter, customer = whose
    MEMORY[meter] = customer, state
    try:
        icdev.verify(0, SECRET)
    except Exception:
        MEMORY[meter] = customer, replace(state, illegal=state.illegal + 1)
        raise
    then = _with_purchases(state, image)
    _write(icdev, image, ANNOUNCED, _frame(0x12, then.count.to_bytes(4)))
    MEMORY[meter] = customer, then
    _write(icdev, image, BACK, _frame(0x11, _record(then)))
    return then


def _told(image: bytes) -> State | None:
    """What the last meter wrote on this card; None unless record and announcement agree."""
    record, announced = _content(0x11, image[BACK:ANNOUNCED]), _content(0x12, image[ANNOUNCED:END])
    if record is None or record[:4] != announced:
        return None
    remaining = int.from_bytes(record[4:8], signed=True)
    return State(_number(record[:4]), remaining, _number(record[8:16]), _number(record[20:24]))


def _with_purchases(state: State, image: bytes) -> State:
    """The state after all purchases that can be taken, in their order."""
    while (bought := _purchase(image, state.count + 1)) and state.remaining + bought.energy <= bought.limit:
        energy = bought.energy
        state = replace(state, count=state.count + 1, remaining=state.remaining + energy, total=state.total + energy)
    return state


def _purchase(image: bytes, count: int) -> Purchase | None:
    """The purchase of that count. Its settings are those of the newest on the card, whose word is the last."""
    slots = [image[at : at + SLOT_BYTES] for at in range(RING, BACK, SLOT_BYTES)]
    found = {_number(content[:4]): content for slot in slots if (content := _content(0x02, slot))}
    if count not in found:
        return None
    newest = found[max(found)]
    limit = _number(newest[36:40]) if newest[35] & HOARD_LIMIT_GIVEN else 0
    return Purchase(_number(found[count][4:8]), min(limit or REMAINING_MAX, REMAINING_MAX))


def _record(state: State) -> bytes:
    overdraft, status = max(0, -state.remaining), 0
    return (
        state.count.to_bytes(4)
        + state.remaining.to_bytes(4, signed=True)
        + state.total.to_bytes(8)
        + overdraft.to_bytes(4)
        + state.illegal.to_bytes(4)
        + bytes.fromhex(clock())
        + status.to_bytes(4)
    )


def _frame(code: int, content: bytes) -> bytes:
    body = bytes((code,)) + len(content).to_bytes(2) + content
    return b"\x68" + body + bytes((sum(body) & 0xFF, 0x16))


def _content(code: int, frame: bytes) -> bytes | None:
    """What stands in a frame, None when it is not whole."""
    return frame[4:-2] if frame == _frame(code, frame[4:-2]) else None


def _write(icdev: Card, image: bytes, at: int, frame: bytes) -> None:
    """Its end taken away first and given back last; nothing where it stands there already."""
    if image[at : at + len(frame)] != frame:
        icdev.write(0, at + len(frame) - 1, b"\xff")
        icdev.write(0, at, frame)


def _number(field: bytes) -> int:
    return int.from_bytes(field)
