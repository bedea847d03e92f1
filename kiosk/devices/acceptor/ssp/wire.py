"""SSP as bytes: what is sent, and what the answers mean. No line, no clock, no key.

A packet is ``7F``, then, each 7F of it doubled, ``sequence|address length data crc crc``. The length counts the data.
The check is CRC-16, polynomial 8005, seed FFFF, not reflected, over all between, low byte first. The host asks, the
device answers with the same sequence bit; the bit is the other one for each new question.

Source: Innovative Technology, "SSP Protocol Manual" GA138 (2.2.2), transport layer, generic responses, command and
event tables of the banknote validators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

START, SEALED = 0x7F, 0x7E  # SEALED: the first byte of encrypted data
SEQUENCE = 0x80  # the bit; the rest of the byte is the device's address
DATA_MAX = 255

# Commands.
RESET, INHIBITS, SETUP, VERSION, POLL, REJECT, DISABLE, ENABLE = 0x01, 0x02, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A
SERIAL, SYNC, LAST_REJECT, HOLD = 0x0C, 0x11, 0x17, 0x18
GENERATOR, MODULUS, KEYS, POLL_ACK, EVENT_ACK, COUNTERS = 0x4A, 0x4B, 0x4C, 0x56, 0x57, 0x58

# The first byte of every answer.
OK, UNKNOWN, WRONG_LENGTH, OUT_OF_RANGE, CANNOT, SOFTWARE_ERROR, FAIL, NO_KEY = (
    *(0xF0, 0xF2, 0xF3, 0xF4),
    *(0xF5, 0xF6, 0xF8, 0xFA),
)
ANSWERS = frozenset((OK, UNKNOWN, WRONG_LENGTH, OUT_OF_RANGE, CANNOT, SOFTWARE_ERROR, FAIL, NO_KEY))

# What a poll tells.
READ, CREDIT, REJECTING, REJECTED, STACKING, STACKED = 0xEF, 0xEE, 0xED, 0xEC, 0xCC, 0xEB
SAFE_JAM, UNSAFE_JAM, DISABLED, FULL, FRAUD, BARCODE, BARCODE_STACKED = 0xEA, 0xE9, 0xE8, 0xE7, 0xE6, 0xE5, 0xD1
BOX_IN, BOX_OUT, TO_BOX_AT_START, TO_FRONT_AT_START, PATH_OPEN = 0xE4, 0xE3, 0xE2, 0xE1, 0xE0
WAS_RESET, CHANNELS_OFF, INITIALIZING = 0xF1, 0xB5, 0xB6
MULTIPLIERS = frozenset((1, 10, 100, 1000))
WITH_CHANNEL = frozenset((READ, CREDIT, FRAUD, TO_BOX_AT_START, TO_FRONT_AT_START))
ALONE = frozenset(
    (
        *(REJECTING, REJECTED, STACKING, STACKED, SAFE_JAM, UNSAFE_JAM, DISABLED, FULL, BARCODE, BARCODE_STACKED),
        *(BOX_IN, BOX_OUT, PATH_OPEN, WAS_RESET, CHANNELS_OFF, INITIALIZING),
    )
)

REASONS = {
    0x00: "accepted",
    0x01: "length",
    **dict.fromkeys((0x02, 0x03, 0x04, 0x05, 0x11, 0x12, 0x14, 0x16, 0x17), "verification"),
    0x06: "channel-inhibited",
    0x07: "second-note",
    0x08: "by-host",
    0x09: "ambiguous",
    0x0A: "rear-sensor",
    0x0B: "too-long",
    0x0C: "inhibited",
    0x0D: "slow-mechanism",
    0x0E: "strimming",
    0x0F: "fraud-channel",
    0x10: "no-note",
    0x13: "escrow-timeout",
    0x15: "insertion",
    0x18: "too-fast",
    0x19: "width",
    0x1A: "too-short",
    0x1B: "payout",
    0x1C: "double-note",
    0x1D: "unable-to-stack",
}
"""What LAST_REJECT answers."""
BY_HOST, ESCROW_TIMEOUT, UNABLE_TO_STACK = 0x08, 0x13, 0x1D
INHIBITED, VERIFICATION, INSERTION = 0x0C, 0x02, 0x15


def _row(high: int) -> int:
    register = high << 8
    for _ in range(8):
        register = (register << 1) ^ 0x8005 if register & 0x8000 else register << 1
    return register & 0xFFFF


CRC_ROWS = tuple(_row(high) for high in range(256))


def crc(checked: bytes) -> bytes:
    """CRC-16 (polynomial 8005, seed FFFF, not reflected), two bytes, low first."""
    register = 0xFFFF
    for byte in checked:
        register = (register << 8 & 0xFFFF) ^ CRC_ROWS[register >> 8 ^ byte]
    return register.to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Packet:
    """``head``: the sequence bit and the address; ``data``: 1…255 bytes, a command or an answer."""

    head: int
    data: bytes


def encode(packet: Packet) -> bytes:
    """The packet as it goes over the line."""
    if not 1 <= len(packet.data) <= DATA_MAX:
        raise ValueError(f"a packet carries 1…{DATA_MAX} bytes, not {len(packet.data)}")
    inside = bytes((packet.head, len(packet.data))) + packet.data
    inside += crc(inside)
    return bytes((START,)) + inside.replace(bytes((START,)), bytes((START, START)))


class Decoder:
    """Finds packets in a stream of bytes. A single 7F begins one anew, whatever was under way."""

    def __init__(self) -> None:
        self._inside: bytearray | None = None  # what came since the start
        self._half = False  # the last byte was a 7F that may be one of two

    def feed(self, came: bytes) -> list[Packet]:
        """The packets that are now complete. One with a wrong check is none."""
        return list(self._packets(came))

    def clear(self) -> None:
        """Forgets the beginning of a packet that will not be finished."""
        self._inside, self._half = None, False

    def _packets(self, came: bytes) -> Iterator[Packet]:
        for byte in came:
            if byte == START and (self._inside is None or not self._half):
                self._half = True
                continue
            if self._half:
                self._half = False
                if byte != START:
                    self._inside = bytearray()  # that one was a start
            if self._inside is None:
                continue
            self._inside.append(byte)
            if len(self._inside) >= 2 and len(self._inside) == self._inside[1] + 4:
                whole, self._inside = bytes(self._inside), None
                if whole[1] and crc(whole[:-2]) == whole[-2:]:
                    yield Packet(whole[0], whole[2:-2])


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a poll; ``channel`` None for one that has none, 0 for one that is not known."""

    code: int
    channel: int | None = None


def parse_poll(answer: bytes) -> tuple[list[Told], bool]:
    """The events of an answer to a poll, and whether that is all: an unknown code hides what follows it."""
    told: list[Told] = []
    at = 1
    while at < len(answer):
        code = answer[at]
        if code in ALONE:
            told.append(Told(code))
        elif code in WITH_CHANNEL and at + 1 < len(answer):
            told.append(Told(code, answer[at + 1]))
            at += 1
        else:
            return told, False
        at += 1
    return told, True


LENGTHS = {SERIAL: (5, 5), KEYS: (9, 9), LAST_REJECT: (2, 2), COUNTERS: (22, DATA_MAX), SETUP: (17, DATA_MAX)}
"""Of the answers that say more than OK."""


def fits(question: bytes, answer: bytes) -> bool:
    """Whether ``answer`` can be one to this question, by its length; else it is another question's, come late."""
    if answer[0] != OK:
        return len(answer) <= 2
    if question[0] in (POLL, POLL_ACK):
        told, whole = parse_poll(answer)
        return whole or bool(told)
    least, most = LENGTHS.get(question[0], (1, 1))
    return least <= len(answer) <= most


def encode_poll(told: list[Told]) -> bytes:
    """The answer to a poll."""
    return bytes((OK,)) + b"".join(
        bytes((event.code,) if event.channel is None else (event.code, event.channel)) for event in told
    )


@dataclass(frozen=True, slots=True)
class Channel:
    """``value`` in whole units of the currency, ``fen`` None if the device does not say how many hundredths it is."""

    value: int
    country: str  # ISO 4217, three letters
    fen: int | None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a validator says of itself and its notes; ``channels[0]`` is channel 1."""

    unit: int
    firmware: str
    country: str
    protocol: int
    channels: tuple[Channel, ...]


def parse_setup(answer: bytes) -> Setup:
    """Reads the answer to SETUP. From protocol 6 on each channel has its own country and a value of four bytes.

    A real value multiplier that is no power of ten up to 1000 leaves the values unknown: better no note than a wrong
    one. Raises ValueError for another length or letters that are none.
    """
    if len(answer) < 13 or answer[0] != OK:
        raise ValueError("no setup")
    count = answer[12]
    after = 13 + 2 * count  # the values and securities of the channels
    if len(answer) < after + 4:
        raise ValueError("a setup that is cut off")
    multiplier, real = int.from_bytes(answer[9:12], "big"), int.from_bytes(answer[after : after + 3], "big")
    protocol, country = answer[after + 3], answer[6:9].decode("ascii")
    values = [value * multiplier for value in answer[13 : 13 + count]]
    countries = [country] * count
    if protocol >= 6:
        at = after + 4
        if len(answer) != at + 7 * count:
            raise ValueError("a setup of another length than it says")
        countries = [answer[at + 3 * n : at + 3 * n + 3].decode("ascii") for n in range(count)]
        at += 3 * count
        values = [int.from_bytes(answer[at + 4 * n : at + 4 * n + 4], "little") for n in range(count)]
    elif len(answer) != after + 4:
        raise ValueError("a setup of another length than it says")
    times = real if real in MULTIPLIERS else 0
    channels = tuple(Channel(value, name, value * times or None) for value, name in zip(values, countries, strict=True))
    return Setup(answer[1], answer[2:6].decode("ascii"), country, protocol, channels)


def encode_setup(setup: Setup) -> bytes:
    """The answer to SETUP, for values of whole units of 100."""
    count = len(setup.channels)
    answer = bytes((OK, setup.unit)) + setup.firmware.encode("ascii") + setup.country.encode("ascii")
    answer += (1).to_bytes(3, "big") + bytes((count,)) + bytes(min(row.value, 0xFF) for row in setup.channels)
    answer += bytes((2,)) * count + (100).to_bytes(3, "big") + bytes((setup.protocol,))
    if setup.protocol >= 6:
        answer += b"".join(row.country.encode("ascii") for row in setup.channels)
        answer += b"".join(row.value.to_bytes(4, "little") for row in setup.channels)
    return answer


def parse_serial(answer: bytes) -> str:
    """The serial number in digits. Raises ValueError for another length."""
    if len(answer) != 5:
        raise ValueError(f"an answer with a serial number has 5 bytes, not {len(answer)}")
    return str(int.from_bytes(answer[1:], "big"))


def serial_of(answer: bytes) -> str:
    """The same, "" if the device does not say it."""
    try:
        return parse_serial(answer)
    except ValueError:
        return ""


def parse_counters(answer: bytes) -> int:
    """How many notes were stacked in the device's life, modulo 2^32. Raises ValueError for another length.

    Five counters of four bytes, low byte first: stacked, stored, dispensed, moved from store to stacker, rejected.
    """
    if len(answer) < 22 or answer[1] != 5:
        raise ValueError("no counters")
    return int.from_bytes(answer[2:6], "little")


def encode_counters(stacked: int, rejected: int) -> bytes:
    """The answer to COUNTERS of a device without a note store."""
    five = (stacked, 0, 0, 0, rejected)
    return bytes((OK, len(five))) + b"".join((count % (1 << 32)).to_bytes(4, "little") for count in five)


def inhibits(channels: frozenset[int]) -> bytes:
    """The command that allows these channels, 1…16; a set bit allows."""
    bits = sum(1 << (channel - 1) for channel in channels if 1 <= channel <= 16)
    return bytes((INHIBITS,)) + bits.to_bytes(2, "little")


def parse_inhibits(mask: bytes) -> frozenset[int]:
    """The channels whose bits are set."""
    bits = int.from_bytes(mask, "little")
    return frozenset(bit + 1 for bit in range(8 * len(mask)) if bits >> bit & 1)
