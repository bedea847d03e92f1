"""Frames that begin with a sign, say how long they are, and end with CRC-16/KERMIT: CCNET's and ID003's.

The check goes over all before it, low byte first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Span = Callable[[bytes], tuple[int, int] | None]
"""Lengths of the head and the whole frame that begins here; (0, 0) if none can; None if more must come."""


def crc(checked: bytes) -> bytes:
    """CRC-16/KERMIT (polynomial 1021 reflected, seed 0), two bytes, low first."""
    register = 0
    for byte in checked:
        register = register >> 8 ^ _STEPS[(register ^ byte) & 0xFF]
    return register.to_bytes(2, "little")


def _step(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
    return register


_STEPS = tuple(_step(byte) for byte in range(256))


class FrameFinder:
    """Finds frames in a stream of bytes; garbage between and inside them is passed over."""

    def __init__(self, sign: int, span: Span) -> None:
        self._sign, self._span = sign, span
        self._held = b""

    def feed(self, came: bytes) -> list[bytes]:
        """The bodies of the frames that are now complete. A frame with a wrong check is none."""
        self._held += came
        return list(self._frames())

    @property
    def begun(self) -> bool:
        """Whether bytes are held that may be the beginning of a frame."""
        return bool(self._held)

    def clear(self) -> None:
        """Forgets the beginning of a frame that will not be finished."""
        self._held = b""

    def _frames(self) -> Iterator[bytes]:
        while self._held:
            start = self._held.find(self._sign)
            if start < 0:
                self._held = b""
                return
            self._held = self._held[start:]
            span = self._span(self._held)
            if span is None:
                return
            head, length = span
            if length > len(self._held):
                return
            frame = self._held[:length]
            if length and crc(frame[:-2]) == frame[-2:]:
                self._held = self._held[length:]
                yield frame[head:-2]
            else:
                self._held = self._held[1:]  # that was no beginning; the next may be
