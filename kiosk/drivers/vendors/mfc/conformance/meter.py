"""The MFC meter 明方电表, written from docs/sample-vendors/mfc.md alone, not from driver.py.

The rules of the meter:

1. It takes the purchase on the card whose count is its own + 1, if what remains stays within the hoard limit; all else
   it leaves alone. What is overdrawn is paid from the purchase.
2. It announces the count it is going to have, takes the purchase, and writes its record back last. A card taken away in
   between says that nobody can tell, until it comes again.
3. It knows its state from the card's write-back, so that every copy of a card tells its own story; where that is
   missing or in doubt, from its own memory; a meter nobody has met begins at the count the card was issued with. Shown
   a purchase it has taken before, it believes its memory: a copied card is not credited twice.
4. Another customer's card, or one whose key B is not the meter's, is an illegal insertion: counted, and given back as
   it was. Less than three seconds: nothing happens. Setting and check cards are another tool's.
"""

from __future__ import annotations

import time
from binascii import crc_hqx
from dataclasses import dataclass, replace
from typing import Protocol

SECRET, MARK, EMPTY = bytes.fromhex("4D4643202607"), b"MFC\x01", b"\x00\xff"
CUSTOMER_KINDS, HOARD_LIMIT_GIVEN = (1, 3), 0x01
HEADER, SLOTS, SEALS, METER_SECTOR, ANNOUNCED = 1, (2, 3), 4, 5, 32
REMAINING_MAX = 2**31 - 1


class Card(Protocol):
    """The card in the slot, as contract 1 §6 gives it to Python."""

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly so many bytes."""

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""

    def verify(self, which: int, secret: bytes) -> None:
        """Presents a key."""


@dataclass(frozen=True, slots=True)
class State:
    """What a meter knows of its customer; money in fen."""

    count: int
    remaining: int = 0
    total: int = 0
    illegal: int = 0


MEMORY: dict[bytes, tuple[bytes, State]] = {}
"""Meter number → its customer's number, and what that meter remembers."""


def clock() -> str:
    """The meter's civil time, YYMMDDhhmmss."""
    return time.strftime("%y%m%d%H%M%S", time.localtime())


def insert(icdev: Card, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card at the meter whose number it carries; ``use``: used up since, fen. Raises what the card raises."""
    first, header, told = icdev.read(0, 0, 48), icdev.read(HEADER, 0, 48), icdev.read(METER_SECTOR, 0, 48)
    sealed = first[16:20] == MARK and first[32:].strip(EMPTY)
    if not sealed or not _sound(header) or header[0] not in CUSTOMER_KINDS:
        return {"count": 0, "remaining": 0}
    customer, meter = header[5:15], header[15:25]
    owner, known = MEMORY.get(meter, (customer, None))
    state = _told(told) or known or State(_number(header[25:29]))
    if known and state.count < known.count and state.count + 1 in _purchases(icdev):
        state = known
    if seconds >= 3 and owner != customer:
        assert known is not None
        state = replace(known, illegal=known.illegal + 1)
        MEMORY[meter] = owner, state
    elif seconds >= 3:
        state = replace(
            state, remaining=state.remaining - use, illegal=max(state.illegal, known.illegal if known else 0)
        )
        state = _serve(icdev, header, told, state)
    return {"count": state.count, "remaining": state.remaining}


def _serve(icdev: Card, header: bytes, told: bytes, state: State) -> State:
    """Announces, takes, writes back; remembers what it has taken even when the card is taken away."""
    customer, meter = header[5:15], header[15:25]
    MEMORY[meter] = customer, state
    then = _with_purchase(icdev, header, state)
    try:
        icdev.verify(2 * METER_SECTOR + 1, SECRET)
    except Exception:
        MEMORY[meter] = customer, replace(state, illegal=state.illegal + 1)
        raise
    _write(icdev, told, ANNOUNCED, _sealed(then.count.to_bytes(4), 16))
    MEMORY[meter] = customer, then
    _write(icdev, told, 0, _sealed(_record(then), 32))
    return then


def _told(sector: bytes) -> State | None:
    """What the last meter wrote on this card; None unless record and announcement agree."""
    record, announced = sector[:ANNOUNCED], sector[ANNOUNCED:]
    if not _sound(record) or not _sound(announced) or record[:4] != announced[:4]:
        return None
    remaining = int.from_bytes(record[4:8], signed=True)
    return State(_number(record[:4]), remaining, _number(record[8:16]), _number(record[20:22]))


def _purchases(icdev: Card) -> dict[int, int]:
    """Count → fen of the purchases on the card."""
    seals, found = icdev.read(SEALS, 0, 32), {}
    for slot, sector in enumerate(SLOTS):
        bought = icdev.read(sector, 0, 48)
        if seals[16 * slot :][:16].strip(EMPTY) and _sound(bought):
            found[_number(bought[:4])] = _number(bought[4:8])
    return found


def _with_purchase(icdev: Card, header: bytes, state: State) -> State:
    """The state after the card's next purchase; the same if there is none to take."""
    limit = _number(header[30:34]) if header[29] & HOARD_LIMIT_GIVEN else 0
    count, amount = state.count + 1, _purchases(icdev).get(state.count + 1)
    if amount is None or state.remaining + amount > min(limit or REMAINING_MAX, REMAINING_MAX):
        return state
    return replace(state, count=count, remaining=state.remaining + amount, total=state.total + amount)


def _record(state: State) -> bytes:
    overdraft, status = max(0, -state.remaining), 0
    return (
        state.count.to_bytes(4)
        + state.remaining.to_bytes(4, signed=True)
        + state.total.to_bytes(8)
        + overdraft.to_bytes(4)
        + min(state.illegal, 0xFFFF).to_bytes(2)
        + bytes.fromhex(clock())
        + status.to_bytes(2)
    )


def _sealed(content: bytes, size: int) -> bytes:
    """Filled up to whole blocks, a CRC-16/CCITT-FALSE at their end."""
    body = content.ljust(size - 2, b"\0")
    return body + crc_hqx(body, 0xFFFF).to_bytes(2)


def _sound(raw: bytes) -> bool:
    return raw == _sealed(raw[:-2], len(raw))


def _write(icdev: Card, old: bytes, at: int, content: bytes) -> None:
    """Writes what is not there yet."""
    if old[at : at + len(content)] != content:
        icdev.write(METER_SECTOR, at, content)


def _number(field: bytes) -> int:
    return int.from_bytes(field)
