"""ESC/POS as far as this kiosk speaks it: what is sent, and what the answers mean. No line, no clock.

Two questions are asked. ``DLE EOT n`` is answered at once, whatever the printer is doing, and says how it is.
``GS r 1`` waits its turn behind the data before it, so its answer says that these are printed; a printer that has
stopped (paper, cover) never comes to it. Bit 4 tells the answers apart: on in the first, off in the second.

Because ``DLE EOT`` is picked out of the stream wherever it stands, a picture must not contain it (``harmless``).

Source: Epson ESC/POS command reference, DLE EOT, GS r, GS v 0, GS V, ESC @ (the same in the manuals of HPRT TP80,
Citizen PPU-231, Partner RP-330); the data and cut commands are made by python-escpos.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from escpos.printer import Dummy
from PIL import Image

DOTS = 576  # of a line: 72 mm at 8 dots a mm
BAND_ROWS = 24  # two bands fill less than the 4 KiB that small printers buffer, so asking is always possible
WHITE_BAND_ROWS = 255
ASK_DONE = b"\x1dr\x01"  # GS r 1
QUESTIONS = tuple(bytes((0x10, 0x04, n)) for n in (1, 2, 3, 4))  # DLE EOT: printer, offline cause, error, paper
# Fills up a picture that was broken off (in white) and means nothing outside one.
FILLING = bytes(BAND_ROWS * DOTS // 8)


@dataclass(frozen=True, slots=True)
class Sensors:
    """What the four answers to DLE EOT say."""

    offline: bool = False
    cover_open: bool = False
    feeding: bool = False  # by its button
    stopped: bool = False  # printing stopped at the paper's end
    cutter_error: bool = False
    broken: bool = False  # an error that does not go away by itself
    hot: bool = False  # an error that does
    paper_low: bool = False
    paper_out: bool = False

    @property
    def fault(self) -> bool:
        """Cannot print, and paper is not the reason."""
        return self.cover_open or self.cutter_error or self.broken or self.hot

    def answer(self, n: int) -> int:
        """The byte a printer sends for DLE EOT ``n``, 1…4."""
        error = self.cutter_error or self.broken or self.hot
        bits = {
            1: (self.offline, 0x08),
            2: (self.cover_open, 0x04, self.feeding, 0x08, self.stopped, 0x20, error, 0x40),
            3: (self.cutter_error, 0x08, self.broken, 0x20, self.hot, 0x40),
            4: (self.paper_low, 0x0C, self.paper_out, 0x60),
        }[n]
        return 0x12 | sum(bit for on, bit in zip(bits[::2], bits[1::2], strict=True) if on)

    @classmethod
    def understood(cls, answers: bytes) -> Sensors:
        """From the four answers, in the order of ``QUESTIONS``. Raises ValueError if one is not an answer."""
        if len(answers) != 4 or not all(is_status(byte) for byte in answers):
            raise ValueError(f"not four answers to DLE EOT: {answers.hex(' ')}")
        one, two, three, four = answers
        return cls(
            offline=bool(one & 0x08),
            cover_open=bool(two & 0x04),
            feeding=bool(two & 0x08),
            stopped=bool(two & 0x20),
            cutter_error=bool(three & 0x08),
            broken=bool(three & 0x24 or (two & 0x40 and not three & 0x48)),  # some makers say bit 2: mechanical
            hot=bool(three & 0x40),
            paper_low=bool(four & 0x0C),
            paper_out=bool(four & 0x60),
        )


def is_status(byte: int) -> bool:
    """Whether a byte can be an answer to DLE EOT: 0xx1xx10."""
    return byte & 0x93 == 0x12


def is_done(byte: int) -> bool:
    """Whether a byte can be an answer to GS r 1: 0xx0ppnn, n near the end, p no paper."""
    return byte & 0x9F in (0x00, 0x03, 0x0C, 0x0F)


def picture(image: Image.Image) -> Iterator[bytes]:
    """The commands that print a picture of mode '1', at most ``DOTS`` wide: one GS v 0 for each band.

    A band is no wider than its rightmost dot, so white costs little on a slow line.
    """
    if image.mode != "1" or not 0 < image.width <= DOTS or image.width % 8:
        raise ValueError(f"the printer prints black and white, {DOTS} dots wide, not {image.mode} {image.size}")
    for band in _bands(image):
        maker = _maker()
        maker.image(harmless(band), impl="bitImageRaster", fragment_height=WHITE_BAND_ROWS)
        yield bytes(maker.output)


def reset() -> bytes:
    """ESC @: modes as at power-up."""
    maker = _maker()
    maker.hw("INIT")
    return bytes(maker.output)


def cut() -> bytes:
    """GS V 66 0: feeds what is printed past the knife, and cuts but for one point."""
    maker = _maker()
    maker.cut(feed=False)
    return bytes(maker.output)


def _maker() -> Dummy:
    # Any profile that names its width: without one the library writes a complaint to standard output.
    return Dummy(profile="TM-T20II")


def _bands(image: Image.Image) -> Iterator[Image.Image]:
    pitch = image.width // 8
    ink = _ink(image)
    widths = [len(ink[at : at + pitch].rstrip(b"\0")) for at in range(0, len(ink), pitch)]
    top = 0
    while top < image.height:
        end = top + 1
        rows_max = BAND_ROWS if widths[top] else WHITE_BAND_ROWS
        while end < image.height and end - top < rows_max and bool(widths[end]) == bool(widths[top]):
            end += 1
        yield image.crop((0, top, 8 * max(1, *widths[top:end]), end))
        top = end


def _ink(image: Image.Image) -> bytes:
    """Rows of bits, a black dot is 1; PIL has it the other way round."""
    return bytes(byte ^ 0xFF for byte in image.tobytes())


def harmless(image: Image.Image) -> Image.Image:
    """The picture with one dot more wherever its bytes would be a real-time command: DLE EOT, DLE ENQ, DLE DC4."""
    ink = re.sub(rb"\x10(?=[\x04\x05\x14])", b"\x18", _ink(image))
    return Image.frombytes("1", image.size, bytes(byte ^ 0xFF for byte in ink))
