"""What is worth keeping of an ID003 acceptor over the end of the process: its name, its notes, and the one in flight.

VEND VALID does not say which note it is of. The escrow code before it is therefore remembered, from the moment the
note is seen until the machine is at rest again, so that a process that comes up beside a note on its way into the box
knows what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.acceptor import kermit
from kiosk.devices.acceptor.id003 import wire

_SIGN = b"id003-1"


@dataclass(frozen=True, slots=True)
class Memory:
    """``version`` and ``currency``: bytes as they came, without their codes; ``kind``: an escrow code, 0 for none."""

    version: bytes = b""
    currency: bytes = b""
    kind: int = 0

    @property
    def table(self) -> dict[int, int]:
        """Escrow code → fen."""
        return wire.parse_currency(self.currency)


def encode(memory: Memory) -> bytes:
    """The bytes of a file."""
    lengths = bytes((memory.kind, len(memory.version), len(memory.currency)))
    kept = _SIGN + lengths + memory.version + memory.currency
    return kept + kermit.crc(kept)


def decode(kept: bytes) -> Memory:
    """What ``encode`` was given; a damaged file is as none."""
    head = len(_SIGN) + 3
    if not kept.startswith(_SIGN) or len(kept) < head + 2 or kermit.crc(kept[:-2]) != kept[-2:]:
        return Memory()
    kind, version_length, currency_length = kept[len(_SIGN) : head]
    fields = kept[head:-2]
    memory = Memory(fields[:version_length], fields[version_length:], kind)
    return memory if len(memory.currency) == currency_length and holds(memory.currency) else Memory()


def holds(currency: bytes) -> bool:
    """Whether these bytes are a table."""
    try:
        wire.parse_currency(currency)
    except ValueError:
        return False
    return True
