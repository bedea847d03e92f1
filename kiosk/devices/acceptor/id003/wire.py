"""ID003 as bytes: what is sent, and what the answers mean. No line, no clock.

A frame is ``FC length body crc crc``; the length counts the whole frame. The controller asks, the acceptor answers
each question once: a status with a status, an operation with ACK, a setting with its echo, a request with its own
code and what was asked for. Only VEND VALID, the credit point, is acknowledged by the controller, and that has no
answer; until then it is the status again and again. It does not say which note it is of: ESCROW did.

Source: JCM, "ID-003 Communication Specification", ID03-001E Rev. 05 (2004), of which the tables are known through
public hosts (named at the tests' golden frames), not every page of its prose.
"""

from __future__ import annotations

from kiosk.devices.acceptor import kermit

SYNC = 0xFC
LENGTH_MIN, LENGTH_MAX = 5, 0xFF

ACK, INVALID_COMMAND, COMMUNICATION_ERROR = 0x50, 0x4B, 0x4A

# The controller's commands.
STATUS_REQUEST = 0x11
RESET, STACK_1, STACK_2, RETURN, HOLD, WAIT = range(0x40, 0x46)
SET_DENOMINATIONS, SET_SECURITY, SET_MODE, SET_INHIBIT, SET_DIRECTION, SET_OPTIONS = range(0xC0, 0xC6)
DENOMINATIONS, SECURITY, MODE, INHIBITED, DIRECTION, OPTIONS = range(0x80, 0x86)  # asks for what was set
VERSION, BOOT_VERSION, CURRENCY = 0x88, 0x89, 0x8A

# The acceptor's states and events, the first byte of an answer to STATUS_REQUEST.
IDLING, ACCEPTING, ESCROW, STACKING, VEND_VALID, STACKED = range(0x11, 0x17)
REJECTING, RETURNING, HOLDING, DISABLED, INITIALIZING = range(0x17, 0x1C)
POWER_UP, POWER_UP_IN_ACCEPTOR, POWER_UP_IN_STACKER = range(0x40, 0x43)
FULL, OPEN, JAM_IN_ACCEPTOR, JAM_IN_STACKER, PAUSE, CHEATED, FAILURE = range(0x43, 0x4A)

STATES = frozenset((*range(IDLING, INITIALIZING + 1), *range(POWER_UP, COMMUNICATION_ERROR + 1)))
OPERATIONS = frozenset(range(RESET, WAIT + 1))
SETTINGS = frozenset(range(SET_DENOMINATIONS, SET_OPTIONS + 1))

FIRST_KIND = 0x61  # the escrow code of the first denomination; its bit is the first
KINDS_MAX = 16  # two bytes of mask
BARCODE = 0x6F  # the escrow code of a ticket
CHINA = 45  # the specification's number of the country whose notes they are

STATUS = bytes((STATUS_REQUEST,))
INHIBIT_ON, INHIBIT_OFF = bytes((SET_INHIBIT, 1)), bytes((SET_INHIBIT, 0))

REASONS = {
    0x71: "insertion",
    0x72: "magnetic",
    0x73: "note-left-in-head",
    0x74: "multiplying",
    0x75: "conveying",
    0x76: "identification",
    0x77: "verification",
    0x78: "optic",
    0x79: "inhibited",
    0x7B: "operation",
    0x7C: "note-left-in-stacker",
    0x7D: "length",
    0x7E: "colour",
}

FAILURES = {
    0xA2: "stack motor",
    0xA5: "transport motor speed",
    0xA6: "transport motor",
    0xA7: "aligning motor",
    0xAB: "cash box not ready",
    0xAC: "optic canal",
    0xAD: "magnetic canal",
    0xAF: "head removed",
    0xB0: "boot ROM",
    0xB1: "external ROM",
    0xB2: "ROM",
    0xB3: "external ROM writing",
}


def encode(body: bytes) -> bytes:
    """The frame that carries ``body``, 1…251 bytes."""
    if not 1 <= len(body) <= LENGTH_MAX - 4:
        raise ValueError(f"a frame carries 1…{LENGTH_MAX - 4} bytes, not {len(body)}")
    frame = bytes((SYNC, len(body) + 4)) + body
    return frame + kermit.crc(frame)


class Decoder(kermit.FrameFinder):
    """Finds frames in a stream of bytes; garbage between and inside them is passed over."""

    def __init__(self) -> None:
        super().__init__(SYNC, _span)


def _span(held: bytes) -> tuple[int, int] | None:
    if len(held) < 2:
        return None
    return (2, held[1]) if held[1] >= LENGTH_MIN else (0, 0)


def answers(question: bytes, body: bytes) -> bool:
    """Whether ``body`` can be the answer to that question, perhaps a refusal."""
    asked, said = question[0], body[0]
    if asked == STATUS_REQUEST:
        return said in STATES or said == INVALID_COMMAND
    return said in (ACK if asked in OPERATIONS else asked, INVALID_COMMAND, COMMUNICATION_ERROR)


def parse_currency(data: bytes) -> dict[int, int]:
    """The answer to CURRENCY after its code: rows of escrow code, country, value and power of ten, with gaps of 0.

    Gives the Chinese ones: escrow code → fen. Raises ValueError for another length or a code that has no bit.
    """
    if len(data) % 4 or len(data) > KINDS_MAX * 4:
        raise ValueError(f"a currency table has 4 bytes for each of up to {KINDS_MAX} notes, not {len(data)} in all")
    table = {}
    for code, country, value, power in (data[at : at + 4] for at in range(0, len(data), 4)):
        if not FIRST_KIND <= code < FIRST_KIND + KINDS_MAX:
            raise ValueError(f"no note has the escrow code {code:02X}")
        if country == CHINA and value and code != BARCODE and power < 8:
            table[code] = value * 100 * 10**power
    return table


def encode_currency(table: dict[int, int]) -> bytes:
    """The answer to CURRENCY for these Chinese notes. Raises ValueError for a value that it cannot say."""
    rows = []
    for code, fen in sorted(table.items()):
        value, power = divmod(fen, 100)[0], 0
        while value and value % 10 == 0:
            value, power = value // 10, power + 1
        if fen % 100 or not 0 < value <= 0xFF:
            raise ValueError(f"{fen} fen are no value × power of ten in yuan")
        rows.append(bytes((code, CHINA, value, power)))
    return bytes((CURRENCY,)) + b"".join(rows)


def set_denominations(kinds: frozenset[int]) -> bytes:
    """The setting that takes notes of these escrow codes only; a bit that is set forbids."""
    taken = sum(1 << kind - FIRST_KIND for kind in kinds)
    return bytes((SET_DENOMINATIONS,)) + (taken ^ 0xFFFF).to_bytes(2, "little")


def parse_denominations(mask: bytes) -> frozenset[int]:
    """The escrow codes that two bytes of mask take."""
    forbidden = int.from_bytes(mask, "little")
    return frozenset(FIRST_KIND + bit for bit in range(KINDS_MAX) if not forbidden >> bit & 1)


def printable(answer: bytes) -> str:
    """A version as it was answered: model, country, protocol, firmware, date and check, in the maker's own order."""
    return " ".join("".join(chr(byte) if 0x20 < byte < 0x7F else " " for byte in answer).split())
