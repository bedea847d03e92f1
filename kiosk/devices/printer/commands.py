"""ESC/POS as a printer hears it: bytes → commands, for the simulator. Pure.

Written from the command reference and not from ``wire``, and it knows more than the kiosk sends: whatever
python-escpos may send is understood or at least stepped over with its right length.

Real-time questions (DLE EOT n) are heard by ``RealTime`` as they come in, even inside a picture's data; in the stream
of commands they mean nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

DLE, EOT, ESC, FS, GS, LF = 0x10, 0x04, 0x1B, 0x1C, 0x1D, 0x0A
LINE_DOTS = 30  # ESC 2: 1/6 inch at 180 dpi and about as much at 203


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of ``pitch`` bytes, a black dot is 1."""

    pitch: int
    rows: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """White paper, in dots."""

    dots: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The knife."""


@dataclass(frozen=True, slots=True)
class Reset:
    """ESC @."""


@dataclass(frozen=True, slots=True)
class Report:
    """GS r n: answer when everything before is printed."""

    n: int


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, modes forgotten; a line is printed when its line feed comes."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """Understood as far as its length."""

    raw: bytes


Command = Picture | Feed | Cut | Reset | Report | Text | Ignored

# How long the other commands are, prefix included.
_LENGTHS_ESC = {
    **dict.fromkeys(b" !%-3=ADEGJMQRSTUVaEdefrt{Bc", 3),
    **dict.fromkeys(b"2<LSivmuo", 2),
    **dict.fromkeys(b"c", 4),
    **dict.fromkeys(b"p", 5),
    **dict.fromkeys(b"?$\\", 4),
}
_LENGTHS_GS = {**dict.fromkeys(b"!BEHTabfhrw|IV", 3), **dict.fromkeys(b"$LPW\\", 4), **dict.fromkeys(b":", 2)}
_LENGTHS_FS = {**dict.fromkeys(b"!-CW", 3), **dict.fromkeys(b"&.", 2), **dict.fromkeys(b"Sp", 4)}
_QUESTION = re.compile(rb"\x10\x04[\x01-\x04]")
_LENGTHS_DLE = {EOT: 3, 0x05: 3, 0x14: 5}


class RealTime:
    """Hears DLE EOT n, 1 ≤ n ≤ 4, in whatever comes in."""

    def __init__(self) -> None:
        self._tail = b""

    def heard(self, received: bytes) -> list[int]:
        """The n of every question that ended in these bytes."""
        stream = self._tail + received
        self._tail = stream[-2:]
        return [found[0][2] for found in _QUESTION.finditer(stream)]


class Commands:
    """The printer's receive buffer: commands come out in order, each when all its bytes are in."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._stored = Picture(0, b"")  # by GS ( L, until it is told to print

    def __len__(self) -> int:
        """Bytes waiting."""
        return len(self._buffer)

    def receive(self, received: bytes) -> None:
        """More bytes from the line."""
        self._buffer += received

    def clear(self) -> None:
        """As at power-up."""
        self._buffer.clear()

    def next(self) -> Command | None:
        """The next command, or None until more bytes come."""
        if not self._buffer:
            return None
        command, length = self._front(bytes(self._buffer[:8]))
        if length > len(self._buffer) or not length:
            return None
        raw = bytes(self._buffer[:length])
        del self._buffer[:length]
        return command if command is not None else self._meaning(raw)

    def _front(self, front: bytes) -> tuple[Command | None, int]:
        """Length of the command at the front (0: cannot be said yet), and the command where it is text."""
        if front[0] not in (ESC, GS, FS, DLE):
            end = self._buffer.find(b"\n") + 1
            stop = next((at for at, byte in enumerate(self._buffer) if byte in (ESC, GS, FS, DLE)), 0)
            length = min(filter(None, (end, stop)), default=len(self._buffer))
            return Text(bytes(self._buffer[:length]).replace(b"\0", b"")), length
        if len(front) < 2:
            return None, 0
        return None, self._length(front)

    def _length(self, front: bytes) -> int:
        kind = front[1]
        match front[0]:
            case 0x1D if kind == ord("v"):  # GS v 0 m xL xH yL yH d…
                return 8 + _u16(front, 4) * _u16(front, 6) if len(front) == 8 else 0
            case 0x1D if kind in b"(8":  # GS ( x pL pH …; GS 8 L p1…p4 …
                return self._sized(front)
            case 0x1D if kind == ord("k"):
                return self._barcode(front)
            case 0x1D if kind == ord("V"):  # GS V m, or GS V m n from 65 on
                return 0 if len(front) < 3 else 3 if front[2] in (0, 1, 48, 49) else 4
            case 0x1B if kind == ord("*"):  # ESC * m nL nH d…
                return 5 + _u16(front, 3) * (3 if front[2] >= 32 else 1) if len(front) >= 5 else 0
            case 0x1D:
                return _LENGTHS_GS.get(kind, 2)
            case 0x1B:
                return _LENGTHS_ESC.get(kind, 2)
            case 0x1C:
                return _LENGTHS_FS.get(kind, 2)
            case _:
                return _LENGTHS_DLE.get(kind, 1)

    def _sized(self, front: bytes) -> int:
        if front[1] == ord("("):
            return 5 + _u16(front, 3) if len(front) >= 5 else 0
        return 7 + int.from_bytes(front[3:7], "little") if len(front) >= 7 else 0

    def _barcode(self, front: bytes) -> int:
        if len(front) < 4:
            return 0
        return 4 + front[3] if front[2] >= 65 else self._buffer.find(b"\0") + 1  # length byte, or closed by NUL

    def _meaning(self, raw: bytes) -> Command:
        match raw[:2]:
            case b"\x1b@":
                return Reset()
            case b"\x1bJ":
                return Feed(raw[2])
            case b"\x1bd":
                return Feed(raw[2] * LINE_DOTS)
            case b"\x1dv":
                return Picture(_u16(raw, 4), raw[8:])
            case b"\x1dV" | b"\x1bi" | b"\x1bm":
                return Cut()
            case b"\x1dr":
                return Report(raw[2])
            case b"\x1d(" if raw[2:3] == b"L":
                return self._graphics(raw[5:])
            case b"\x1d8" if raw[2:3] == b"L":
                return self._graphics(raw[7:])
            case _:
                return Ignored(raw)

    def _graphics(self, body: bytes) -> Command:
        """GS ( L: function 112 stores ``m fn a bx by c xL xH yL yH d…``, function 50 (or 2) prints what is stored."""
        if body[1:2] == b"p":
            self._stored = Picture((_u16(body, 6) + 7) // 8, body[10:])
        elif body[1:2] in (b"2", b"\x02"):
            return self._stored
        return Ignored(body[:2])


def rows(picture: Picture) -> Iterator[bytes]:
    """The rows of a picture, top down."""
    for at in range(0, len(picture.rows), picture.pitch or 1):
        yield picture.rows[at : at + picture.pitch]


def _u16(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 2], "little")
