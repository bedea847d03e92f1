"""ccTalk as bytes: frames and headers. No line, no clock.

A frame is ``to length from header data check``. The length counts the data alone. In sum mode the check makes all
bytes add up to 0 modulo 256; in CRC mode it is CRC-16/XMODEM over all but itself, whose low byte stands in the place
of ``from`` and whose high byte is the last. The host asks, one device answers with header 0; there is no message
number, and no encryption here.

Source: "ccTalk Serial Communication Protocol, Generic Specification" 4.6 (public domain), part 1 §7, part 2 §3; the
CRC as Innovative Technology's NV11 manual (GA963-2, section 5) and dotnet-cctalk have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Check = Literal["sum", "crc"]

HOST, COIN_ACCEPTOR, BILL_VALIDATOR = 1, 2, 40  # the usual addresses
OVERHEAD = 5  # bytes of a frame besides its data
DATA_MAX = 252

# What an answer's header says.
REPLY, NAK, BUSY = 0, 5, 6

# What the host asks.
SIMPLE_POLL, POLLING_PRIORITY = 254, 249
MANUFACTURER, CATEGORY, PRODUCT, SERIAL = 246, 245, 244, 242
SELF_CHECK, INHIBITS, MASTER_INHIBIT, ACCEPT_COUNTER = 232, 231, 228, 225
COIN_EVENTS, COIN_ID = 229, 184
BILL_EVENTS, BILL_ID, SCALING, ROUTE, OPERATING_MODE, CURRENCY_REVISION = 159, 157, 156, 154, 153, 145
RESET = 1  # erases the events: known to the voice, never said by the talk

# The data of ROUTE, and of its answer if that is not empty.
RETURN, STACK, HOLD = 0, 1, 255
ESCROW_EMPTY, ROUTE_FAILED = 254, 255
# The bits of OPERATING_MODE.
WITH_STACKER, WITH_ESCROW = 1, 2

KINDS = 16  # of coins or notes a device knows, numbered from 1
KINDS_ALL = bytes((0xFF, 0xFF))


@dataclass(frozen=True, slots=True)
class Frame:
    """One message; ``sender`` is None in CRC mode, which does not say it."""

    to: int
    header: int
    data: bytes = b""
    sender: int | None = HOST


def crc(checked: bytes) -> int:
    """CRC-16/XMODEM (polynomial 1021, seed 0)."""
    register = 0
    for byte in checked:
        register ^= byte << 8
        for _ in range(8):
            register = ((register << 1) ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return register


def encode(to: int, header: int, data: bytes = b"", sender: int = HOST, check: Check = "sum") -> bytes:
    """The frame's bytes. Raises ValueError for more than 252 bytes of data."""
    if len(data) > DATA_MAX:
        raise ValueError(f"a frame carries at most {DATA_MAX} bytes, not {len(data)}")
    if check == "sum":
        frame = bytes((to, len(data), sender, header)) + data
        return frame + bytes((-sum(frame) & 0xFF,))
    register = crc(bytes((to, len(data), header)) + data)
    return bytes((to, len(data), register & 0xFF, header)) + data + bytes((register >> 8,))


def length(begun: bytes) -> int | None:
    """How long the frame is that begins so; None as long as it does not say."""
    return begun[1] + OVERHEAD if len(begun) >= 2 else None


def decode(frame: bytes, check: Check = "sum") -> Frame:
    """Reads a whole frame. Raises ValueError if it is none."""
    if len(frame) < OVERHEAD or length(frame) != len(frame):
        raise ValueError(f"no frame has {len(frame)} bytes with these")
    to, data = frame[0], frame[4:-1]
    if check == "sum":
        if sum(frame) & 0xFF:
            raise ValueError("the bytes do not add up to 0")
        return Frame(to, frame[3], data, frame[2])
    if crc(frame[:2] + frame[3:-1]) != frame[2] | frame[-1] << 8:
        raise ValueError("the CRC is wrong")
    return Frame(to, frame[3], data, None)


def mask(kinds: frozenset[int]) -> bytes:
    """The data of INHIBITS: bit 0 of the first byte is kind 1, and a set bit lets it in."""
    return sum(1 << kind - 1 for kind in kinds).to_bytes(2, "little")


def parse_mask(two: bytes) -> frozenset[int]:
    """The kinds that are let in. Raises ValueError if they are not two bytes."""
    if len(two) != 2:
        raise ValueError(f"a mask has two bytes, not {len(two)}")
    bits = int.from_bytes(two, "little")
    return frozenset(kind for kind in range(1, KINDS + 1) if bits >> kind - 1 & 1)


def serial_number(answer: bytes) -> str:
    """The answer to SERIAL, low byte first, as decimal digits; "" if there was none."""
    return str(int.from_bytes(answer, "little")) if answer else ""


def count(answer: bytes) -> int | None:
    """The answer to ACCEPT_COUNTER, three bytes, low first; None if it was none."""
    return int.from_bytes(answer, "little") if len(answer) == 3 else None


def text(answer: bytes) -> str:
    """An answer of letters; what cannot be printed is a space."""
    return "".join(chr(byte) if 0x20 < byte < 0x7F else " " for byte in answer).strip()


def polling_ms(answer: bytes) -> int | None:
    """The answer to POLLING_PRIORITY: a unit and a number of them; None if it says nothing (part 2, header 249)."""
    units_ms = {1: 1, 2: 10, 3: 1_000}
    if len(answer) != 2 or answer[0] not in units_ms or not answer[1]:
        return None
    return units_ms[answer[0]] * answer[1]
