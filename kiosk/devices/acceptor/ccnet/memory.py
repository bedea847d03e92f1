"""What is worth keeping of a CCNET validator over the end of the process: its name and its notes.

A file that was damaged would give notes another value, so it has a check of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.devices.acceptor import kermit
from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.wire import Table

_SIGN = b"ccnet-1"
_IDENTITY_LENGTH = 34
_LENGTH = len(_SIGN) + _IDENTITY_LENGTH + wire.NOTE_TYPES * 5 + 2


@dataclass(frozen=True, slots=True)
class Memory:
    """The answers to IDENTIFY and TABLE; bytes as they came, empty as long as they did not."""

    identity: bytes = b""
    table: bytes = b""

    def parsed(self) -> Table:
        """The notes; none if they are not known."""
        try:
            return wire.parse_table(self.table) if self.table else ()
        except ValueError:
            return ()  # not what a validator says; it will say it again


def encode(memory: Memory) -> bytes:
    """The bytes of a file; none until all is known."""
    if not memory.identity or not memory.table:
        return b""
    kept = _SIGN + memory.identity + memory.table
    return kept + kermit.crc(kept)


def decode(kept: bytes) -> Memory:
    """What ``encode`` was given; a damaged file is as none."""
    if len(kept) != _LENGTH or not kept.startswith(_SIGN) or kermit.crc(kept[:-2]) != kept[-2:]:
        return Memory()
    identity, table = kept[len(_SIGN) :][:_IDENTITY_LENGTH], kept[len(_SIGN) + _IDENTITY_LENGTH : -2]
    return Memory(identity, table)
