"""CCNET as bytes: what is sent, and what the answers mean. No line, no clock.

A frame is ``02 address length body crc crc``. The length counts the whole frame; 0 says that two bytes of length,
high byte first, stand at the head of the body, as frames over 255 bytes need. The check is CRC-16/KERMIT over all
before it, low byte first. The controller asks, the validator answers; each answer with content is acknowledged by
the controller, and one that is not comes again at the next poll.

Source: CashCode, "CashCode NET Interface", MAN_CCNET Rev. 2.3.1 §2, §5 (2002) and Rev. 2.4.3 (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.acceptor.kermit import FrameFinder, crc

SYNC = 0x02
VALIDATOR = 0x03  # the address of a note validator
LENGTH_MAX = 1024  # longer than any frame of a validator: a longer one is noise
NOTE_TYPES = 24

# The controller's commands; also the validator's ACK, NAK and ILLEGAL.
ACK, NAK, ILLEGAL = 0x00, 0xFF, 0x30
RESET, STATUS, SECURITY, POLL, ENABLE = 0x30, 0x31, 0x32, 0x33, 0x34
STACK, RETURN, IDENTIFY, HOLD, TABLE, STATISTICS = 0x35, 0x36, 0x37, 0x38, 0x41, 0x60

# The validator's states and events, the first byte of an answer to POLL.
POWER_UP, POWER_UP_IN_VALIDATOR, POWER_UP_IN_STACKER = 0x10, 0x11, 0x12
INITIALIZING, IDLING, ACCEPTING, STACKING, RETURNING, DISABLED = 0x13, 0x14, 0x15, 0x17, 0x18, 0x19
HOLDING, BUSY, REJECTING = 0x1A, 0x1B, 0x1C
FULL, REMOVED, JAM_IN_VALIDATOR, JAM_IN_STACKER, CHEATED, PAUSE, FAILURE = 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47
ESCROWED, STACKED, RETURNED = 0x80, 0x81, 0x82

STATES = frozenset((*range(0x10, 0x16), *range(0x17, 0x1D), *range(FULL, FAILURE + 1), ESCROWED, STACKED, RETURNED))
# IDENTIFY and TABLE are illegal in any other state.
MAY_BE_ASKED = frozenset((*range(POWER_UP, IDLING), DISABLED, *range(FULL, FAILURE + 1)))

REASONS = {
    0x60: "insertion",
    0x61: "magnetic",
    0x62: "note-left-in-head",
    0x63: "multiplying",
    0x64: "conveying",
    0x65: "identification",
    0x66: "verification",
    0x67: "optic",
    0x68: "inhibited",
    0x69: "capacity",
    0x6A: "operation",
    0x6C: "length",
}

FAILURES = {
    0x50: "stack motor",
    0x51: "transport motor speed",
    0x52: "transport motor",
    0x53: "aligning motor",
    0x54: "cash box at start",
    0x55: "optic canal",
    0x56: "magnetic canal",
    0x5F: "capacitance canal",
}


def encode(body: bytes) -> bytes:
    """The frame that carries ``body``, 1…1016 bytes, to or from a validator."""
    if not 1 <= len(body) <= LENGTH_MAX - 8:
        raise ValueError(f"a frame carries 1…{LENGTH_MAX - 8} bytes, not {len(body)}")
    length = len(body) + 5
    if length <= 0xFF:
        frame = bytes((SYNC, VALIDATOR, length)) + body
    else:
        frame = bytes((SYNC, VALIDATOR, 0)) + (length + 2).to_bytes(2, "big") + body
    return frame + crc(frame)


class Decoder(FrameFinder):
    """Finds frames in a stream of bytes; garbage between and inside them is passed over."""

    def __init__(self) -> None:
        super().__init__(SYNC, _span)


def _span(held: bytes) -> tuple[int, int] | None:
    """Lengths of the head and the whole frame that begins here; (0, 0) if none can; None if more must come."""
    if len(held) >= 2 and held[1] != VALIDATOR:
        return 0, 0
    if len(held) < 3:
        return None
    if held[2]:
        return (3, held[2]) if held[2] >= 6 else (0, 0)
    if len(held) < 5:
        return None
    length = int.from_bytes(held[3:5], "big")
    return (5, length) if 8 <= length <= LENGTH_MAX else (0, 0)


@dataclass(frozen=True, slots=True)
class NoteType:
    """One row of the validator's table: ``value`` × 10^``exponent`` of a country's currency."""

    value: int
    country: str  # three letters as the maker chose them: CNY, CHN, UKR …
    exponent: int

    @property
    def fen(self) -> int | None:
        """In hundredths of the currency; None if it is no whole number of them."""
        over = self.value * 100 * 10 ** max(self.exponent, 0)
        fen, rest = divmod(over, 10 ** max(-self.exponent, 0))
        return None if rest else int(fen)


Table = tuple[NoteType | None, ...]
"""The validator's note types, 24 places, None where there is none."""


def parse_table(answer: bytes) -> Table:
    """Reads the answer to TABLE: 24 × (value, three letters, exponent; bit 7 of it is its sign).

    Raises ValueError for another length or letters that are none.
    """
    if len(answer) != NOTE_TYPES * 5:
        raise ValueError(f"a table has {NOTE_TYPES * 5} bytes, not {len(answer)}")
    rows = [answer[at : at + 5] for at in range(0, len(answer), 5)]
    return tuple(_note_type(row) if row[0] else None for row in rows)


def _note_type(row: bytes) -> NoteType:
    exponent = row[4] & 0x7F
    return NoteType(row[0], row[1:4].decode("ascii"), -exponent if row[4] & 0x80 else exponent)


def encode_table(table: Table) -> bytes:
    """The answer to TABLE."""
    rows = [b"\0" * 5] * NOTE_TYPES
    for place, kind in enumerate(table):
        if kind:
            sign = 0x80 if kind.exponent < 0 else 0
            rows[place] = bytes((kind.value, *kind.country.encode("ascii"), abs(kind.exponent) | sign))
    return b"".join(rows)


def parse_identity(answer: bytes) -> str:
    """Part number (15 bytes) and serial number (12 bytes) with one space between; the asset number is no text.

    Raises ValueError for another length.
    """
    if len(answer) != 34:
        raise ValueError(f"an identification has 34 bytes, not {len(answer)}")
    return " ".join(_printable(answer[a:b]) for a, b in ((0, 15), (15, 27)))


def _printable(field: bytes) -> str:
    return "".join(chr(byte) if 0x20 < byte < 0x7F else " " for byte in field).strip()


def mask(types: frozenset[int]) -> bytes:
    """Three bytes; type 0 is the last bit of the last."""
    return sum(1 << kind for kind in types).to_bytes(3, "big")


def parse_mask(three: bytes) -> frozenset[int]:
    """The types whose bits are set."""
    bits = int.from_bytes(three, "big")
    return frozenset(kind for kind in range(NOTE_TYPES) if bits >> kind & 1)


def enable(types: frozenset[int]) -> bytes:
    """The command that takes notes of these types, all of them by way of escrow; none disables."""
    return bytes((ENABLE,)) + mask(types) * 2
