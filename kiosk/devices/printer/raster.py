"""Blocks → a picture of black and white dots, as wide as the printer prints: 80 mm paper, 576 dots at 203 dpi.

Text is drawn with the font's own hints and cut at a threshold, so that strokes are two dots wide and edges sharp;
a thermal head knows no grey. Each block becomes a strip of full width; the slip is the strips below each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import segno
from PIL import Image, ImageDraw, ImageFont

from kiosk.devices.printer.layout import Amount, Block, Code, Digits, Heading, Pair, Paragraph, Rule, Space
from kiosk.devices.printer.lines import break_lines
from kiosk.model.errors import ConfigFault

WIDTH = 576  # dots
MARGIN = 16  # dots left and right that stay white
INNER = WIDTH - 2 * MARGIN
BODY, SMALL, TITLE, FIGURE, FIGURE_LABEL = 28, 23, 42, 84, 30  # dots an em
GAP = 24  # between a label and its value, and beside a title
QR_SIDE = 440  # dots, 55 mm: a code is drawn as large as fits here
QR_MODULE_MIN = 4  # dots, 0.5 mm: what a phone reads from thermal paper without care
QUIET_MODULES = 4  # ISO/IEC 18004 §9.1
WHITE, BLACK = 255, 0
INK_BELOW = 160  # grey of an edge that still becomes a dot; 128 leaves thin strokes broken


class Faces:
    """The two cuts of the slip's font, at any size. Raises ConfigFault F-701 if a file is no font."""

    def __init__(self, regular: Path, bold: Path) -> None:
        self._files = {False: regular, True: bold}
        self._sized = cache(self._load)
        for strong in self._files:
            self.face(BODY, strong=strong)

    def face(self, size: int, *, strong: bool) -> ImageFont.FreeTypeFont:
        """The font at a size in dots."""
        return self._sized(size, strong)

    def _load(self, size: int, strong: bool) -> ImageFont.FreeTypeFont:
        file = self._files[strong]
        try:
            # The basic engine is the same on every machine; the other depends on a library found at run time.
            return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            raise ConfigFault("F-701", f"font {file}: {error}") from error


def draw_slip(blocks: Iterable[Block], faces: Faces) -> Image.Image:
    """The picture of a slip: mode '1', ``WIDTH`` dots wide."""
    strips = [_strip(block, faces) for block in blocks]
    paper = Image.new("L", (WIDTH, sum(strip.height for strip in strips)), WHITE)
    top = 0
    for strip in strips:
        paper.paste(strip, (0, top))
        top += strip.height
    return paper.point(lambda grey: WHITE if grey >= INK_BELOW else BLACK).convert("1", dither=Image.Dither.NONE)


def _strip(block: Block, faces: Faces) -> Image.Image:
    match block:
        case Heading():
            return _heading(block, faces)
        case Paragraph():
            return _paragraph(block, faces)
        case Pair():
            return _pair(block, faces)
        case Amount():
            return _amount(block, faces)
        case Digits():
            return _digits(block, faces)
        case Rule():
            return _rule()
        case Code():
            return _code(block.text)
        case Space():
            return _white(block.dots)


def _white(height: int) -> Image.Image:
    return Image.new("L", (WIDTH, height), WHITE)


def _pitch(size: int) -> int:
    """Height of a line of text, in dots."""
    return size * 5 // 4


def _write(strip: Image.Image, xy: tuple[int, int], text: str, font: ImageFont.FreeTypeFont, fill: int = BLACK) -> None:
    """Text with its line's middle at ``y``: so Chinese and Latin, large and small sit level."""
    ImageDraw.Draw(strip).text(xy, text, font=font, fill=fill, anchor="lm")


def _width(text: str, font: ImageFont.FreeTypeFont) -> int:
    return -int(-font.getlength(text) // 1)


def _heading(block: Heading, faces: Faces) -> Image.Image:
    font = faces.face(TITLE, strong=True)
    lines = break_lines(block.text, INNER - GAP, font.getlength)
    pitch, frame = _pitch(TITLE), 8
    strip = _white(len(lines) * pitch + 2 * frame + 8)
    if block.inverse:
        box = (MARGIN, 4, WIDTH - MARGIN - 1, strip.height - 5)
        ImageDraw.Draw(strip).rectangle(box, fill=BLACK)
    for row, line in enumerate(lines):
        x = (WIDTH - _width(line, font)) // 2
        _write(strip, (x, frame + 4 + row * pitch + pitch // 2), line, font, WHITE if block.inverse else BLACK)
    return strip


def _paragraph(block: Paragraph, faces: Faces) -> Image.Image:
    size = SMALL if block.small else BODY
    font = faces.face(size, strong=block.strong)
    lines = break_lines(block.text, INNER, font.getlength)
    pitch = _pitch(size)
    strip = _white(len(lines) * pitch + 4)
    for row, line in enumerate(lines):
        x = (WIDTH - _width(line, font)) // 2 if block.centred else MARGIN
        _write(strip, (x, row * pitch + pitch // 2), line, font)
    return strip


def _pair(block: Pair, faces: Faces) -> Image.Image:
    size = SMALL if block.small else BODY
    font, pitch = faces.face(size, strong=block.strong), _pitch(size)
    labels = break_lines(block.label, INNER // 2, font.getlength)
    room = INNER - GAP - max(_width(line, font) for line in labels)
    values = break_lines(block.value, room, font.getlength)
    strip = _white(max(len(labels), len(values)) * pitch + 2)
    for row, line in enumerate(labels):
        _write(strip, (MARGIN, row * pitch + pitch // 2), line, font)
    for row, line in enumerate(values):
        _write(strip, (WIDTH - MARGIN - _width(line, font), row * pitch + pitch // 2), line, font)
    return strip


def _amount(block: Amount, faces: Faces) -> Image.Image:
    font, label_font = faces.face(FIGURE, strong=True), faces.face(FIGURE_LABEL, strong=True)
    size = FIGURE
    while _width(block.figure, font) > INNER * 2 // 3 and size > BODY:  # a very large amount shrinks, and is never cut
        size -= 4
        font = faces.face(size, strong=True)
    labels = break_lines(block.label, INNER - GAP - _width(block.figure, font), label_font.getlength)
    pitch = _pitch(FIGURE_LABEL)
    strip = _white(max(_pitch(FIGURE), len(labels) * pitch))
    middle = strip.height // 2
    for row, line in enumerate(labels):
        _write(strip, (MARGIN, middle + row * pitch - (len(labels) - 1) * pitch // 2), line, label_font)
    _write(strip, (WIDTH - MARGIN - _width(block.figure, font), middle), block.figure, font)
    return strip


def _digits(block: Digits, faces: Faces) -> Image.Image:
    font, space = faces.face(FIGURE, strong=True), FIGURE // 2
    wide = max(_width(group, font) for group in block.groups)
    columns = max(1, (INNER + space) // (wide + space))
    rows = -(-len(block.groups) // columns)
    columns = -(-len(block.groups) // rows)  # rows of about the same length
    pitch = _pitch(FIGURE)
    strip = _white(rows * pitch + 4)
    left = (WIDTH - columns * wide - (columns - 1) * space) // 2
    for place, group in enumerate(block.groups):
        x, row = left + place % columns * (wide + space), place // columns
        _write(strip, (x, row * pitch + pitch // 2), group, font)
    return strip


def _rule() -> Image.Image:
    strip = _white(20)
    ImageDraw.Draw(strip).rectangle((MARGIN, 9, WIDTH - MARGIN - 1, 10), fill=BLACK)
    return strip


def _code(text: str) -> Image.Image:
    code, module = _fitted(text)
    bits = [WHITE if not dark else BLACK for row in code.matrix_iter(border=QUIET_MODULES) for dark in row]
    side = _side(code)
    picture = Image.new("L", (side, side), WHITE)
    picture.putdata(bits)
    picture = picture.resize((side * module, side * module), Image.Resampling.NEAREST)
    strip = _white(picture.height)
    strip.paste(picture, ((WIDTH - picture.width) // 2, 0))
    return strip


def _side(code: segno.QRCode) -> int:
    """Modules along an edge, quiet zone included."""
    return int(code.symbol_size(border=QUIET_MODULES)[0])


def _fitted(text: str) -> tuple[segno.QRCode, int]:
    """The code and its module in dots: level M if it fits the paper, else L; as large as ``QR_SIDE`` allows."""
    for level in ("m", "l"):
        try:
            code = segno.make_qr(text, error=level, boost_error=False)
        except segno.DataOverflowError:
            continue
        side = _side(code)
        if side * QR_MODULE_MIN <= WIDTH:
            return code, max(QR_MODULE_MIN, QR_SIDE // side)
    raise ValueError(f"{len(text)} characters do not fit a code of {WIDTH} dots")
