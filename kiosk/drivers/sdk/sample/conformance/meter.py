"""The SMP meter 样例电表, as far as its card knows it. Its layout is told in driver.py; no code is taken from there.

It credits a purchase whose count is its own + 1 and which stays within the hoard limit, and is deaf to all else. It
spoils its write-back *before* it credits and writes it whole after that, the seal last: a card pulled in between says
that nobody can tell, until it comes again. Count and remaining are on the card; where that is in doubt, in the meter.
"""

from __future__ import annotations

from typing import Any

SECRET = bytes.fromhex("534D50")
MARK = b"SMP\x01"
HEADER, SLOTS, BACK = (36, 60), ((99, 28), (130, 28)), (161, 16)  # address, bytes of content
SEAL, SPOILT = b"\xa5", b"\x00"
MEMORY: dict[bytes, tuple[int, int, int]] = {}
"""Meter number → count, remaining, total: what each meter remembers."""


def insert(icdev: Any, seconds: int = 3, use: int = 0) -> dict[str, int]:
    """The card in the meter it names; ``use``: used up since, in the unit. Raises what the card raises."""
    image = icdev.read(0, 0, 256)
    header = record(image, HEADER)
    if image[32:36] != MARK or header is None or header[0] not in (1, 3):
        return {"count": 0, "remaining": 0}
    meter, base, limit = header[31:52], number(header[52:56]), number(header[56:60])
    back = record(image, BACK)
    known = None if back is None else (number(back[:4]), signed(back[4:8]), number(back[8:16]))
    count, remaining, total = known or MEMORY.get(meter) or (base, 0, 0)
    if seconds < 3:
        return {"count": count, "remaining": remaining}

    remaining -= use
    icdev.verify(0, SECRET)
    icdev.write(0, BACK[0] + BACK[1] + 2, SPOILT)
    for slot in (record(image, each) for each in SLOTS):
        if slot and number(slot[:4]) == count + 1 and remaining + number(slot[4:8]) <= (limit or 2**31 - 1):
            count, remaining, total = count + 1, remaining + number(slot[4:8]), total + number(slot[4:8])
            break
    MEMORY[meter] = count, remaining, total
    content = count.to_bytes(4, "big") + remaining.to_bytes(4, "big", signed=True) + total.to_bytes(8, "big")
    icdev.write(0, BACK[0], content + crc(content))
    icdev.write(0, BACK[0] + BACK[1] + 2, SEAL)
    return {"count": count, "remaining": remaining}


def record(image: bytes, place: tuple[int, int]) -> bytes | None:
    """A record's content; None unless its seal is there and its CRC holds."""
    at, size = place
    content, check, seal = image[at : at + size], image[at + size : at + size + 2], image[at + size + 2 : at + size + 3]
    return content if seal == SEAL and check == crc(content) else None


def number(field: bytes) -> int:
    """Unsigned, high byte first."""
    return int.from_bytes(field, "big")


def signed(field: bytes) -> int:
    """Signed, high byte first."""
    return int.from_bytes(field, "big", signed=True)


def crc(content: bytes) -> bytes:
    """CRC-16/CCITT-FALSE."""
    value = 0xFFFF
    for byte in content:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value.to_bytes(2, "big")
