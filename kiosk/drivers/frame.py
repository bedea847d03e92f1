"""The frame between kiosk and driver, contract 1 §1 (after GB/T 18460.2 as the Hubei paper describes it).

::

    68 | C (1) | L (2, high first) | DATA (L) | CS (1) | 16        CS = sum mod 256 from C to the last DATA byte

DATA is a run of items ``DI (2) · N (2) · value (N)``. Two kinds of fault are kept apart, because a driver must answer
them differently: the outer frame's (``FrameFault``: no answer) and those inside DATA (``ItemFault``: error 01).
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.drivers.sizes import DATA_MAX, FRAME_MAX

__all__ = ["DATA_MAX", "FRAME_MAX", "Frame", "FrameFault", "ItemFault", "Items", "pack_items", "unpack_items"]

START, END = 0x68, 0x16
SUCCESS, ERROR = 0x80, 0xC0

Items = dict[int, bytes]


class FrameFault(ValueError):
    """The outer frame is wrong: start, end, length, check sum or command."""


class ItemFault(ValueError):
    """DATA is wrong: an item twice or cut short."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: command byte and DATA, its items still packed."""

    command: int
    data: bytes = b""

    def encode(self) -> bytes:
        """The frame's bytes. ValueError if DATA is longer than 2048."""
        if len(self.data) > DATA_MAX:
            raise ValueError(f"DATA has {len(self.data)} bytes, more than {DATA_MAX}")
        body = bytes((self.command,)) + len(self.data).to_bytes(2, "big") + self.data
        return bytes((START,)) + body + bytes((sum(body) & 0xFF, END))

    @classmethod
    def decode(cls, raw: bytes) -> Frame:
        """Exactly one frame. Raises FrameFault."""
        if len(raw) < 6 or raw[0] != START or raw[-1] != END:
            raise FrameFault("not a frame: start, end or length")
        length = int.from_bytes(raw[2:4], "big")
        if length > DATA_MAX or len(raw) != length + 6:
            raise FrameFault(f"length says {length} bytes of DATA, there are {len(raw) - 6}")
        if sum(raw[1:-2]) & 0xFF != raw[-2]:
            raise FrameFault("check sum")
        return cls(raw[1], raw[4:-2])

    def items(self) -> Items:
        """DI → value. Raises ItemFault."""
        return unpack_items(self.data)


def pack_items(items: Items) -> bytes:
    """Items in the order of the mapping."""
    return b"".join(di.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for di, value in items.items())


def unpack_items(data: bytes) -> Items:
    """DI → value. Raises ItemFault for an item twice or cut short."""
    items: Items = {}
    at = 0
    while at < len(data):
        di = int.from_bytes(data[at : at + 2], "big")
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        value = data[at + 4 : at + 4 + size]
        if at + 4 > len(data) or len(value) != size:
            raise ItemFault(f"item {di:04X} is cut short")
        if di in items:
            raise ItemFault(f"item {di:04X} stands twice")
        items[di] = value
        at += 4 + size
    return items
