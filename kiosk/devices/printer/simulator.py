"""A receipt printer at the other end of a line: it hears ESC/POS, prints on a picture of paper, and answers.

``on_paper`` hears of each piece of paper that is cut or torn off. It is called with the printer's lock held, so it
hands over and returns.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kiosk.devices.link import PtyLine
from kiosk.devices.printer import commands
from kiosk.devices.printer.wire import DOTS, Sensors
from kiosk.model.clock import SystemClock

PITCH = DOTS // 8
DOTS_A_MM = 8
TICK_MS = 20  # between looks at the line while something is being printed slowly
_BLANK = bytes(PITCH)


class PrinterSimulator:
    """The printer and its paper, in a thread of its own. Controls may be used from any thread."""

    def __init__(
        self, line: PtyLine, folder: Path, on_paper: Callable[[Path], None] | None = None, *, mm_per_second: int = 0
    ) -> None:
        """Pieces of paper become ``receipt-<n>.png`` in ``folder``; 0 mm a second prints at once."""
        self._line = line
        self._folder = folder
        self._on_paper = on_paper
        self._dots_per_second = mm_per_second * DOTS_A_MM
        self._lock = threading.RLock()
        self._sensors = Sensors()
        self._plugged = True
        self._rows_left: int | None = None  # on the roll; None is plenty
        self._commands = commands.Commands()
        self._questions = commands.RealTime()
        self._text = b""
        self._due: deque[bytes] = deque()  # rows to print, before any further command
        self._sheet: list[bytes] = []  # rows that hang out of the slot
        self._pieces: list[Path] = []
        self._clock = SystemClock()
        self._printed_ms = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="printer-simulator", daemon=True)
        self.buffered_max = 0  # bytes that ever waited in its buffer

    def start(self) -> None:
        """Switches it on."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Switches it off; the line stays."""
        self._stopping = True
        self._line.wake()
        self._thread.join()

    @property
    def papers(self) -> tuple[Path, ...]:
        """Every piece so far, oldest first."""
        with self._lock:
            return tuple(self._pieces)

    # What a person does to it.

    def paper_low(self) -> None:
        """The roll grows thin."""
        self._become(paper_low=True)

    def paper_out(self, rows_left: int = 0) -> None:
        """The roll ends after so many more rows: now, or in the middle of a slip."""
        with self._lock:
            self._rows_left = rows_left
            self._become(paper_low=True)
            if not rows_left:
                self._run_out()

    def refill(self) -> None:
        """A new roll; what hung out of the old one is taken away."""
        with self._lock:
            self.tear_off()
            self._rows_left = None
            self._become(paper_low=False, paper_out=False, stopped=False)

    def cover_open(self) -> None:
        """Opens the cover."""
        self._become(cover_open=True)

    def cover_close(self) -> None:
        """Closes it."""
        self._become(cover_open=False)

    def jam_knife(self, *, jammed: bool = True) -> None:
        """The knife sticks, or is free again."""
        self._become(cutter_error=jammed)

    def tear_off(self) -> None:
        """Tears off what hangs out."""
        with self._lock:
            self._drop_piece()

    def unplug(self) -> None:
        """No power: it hears nothing, and forgets what it was doing."""
        with self._lock:
            self._plugged = False
            self._commands.clear()
            self._due.clear()
            self._text = b""

    def plug(self) -> None:
        """Power again."""
        with self._lock:
            self._plugged = True

    def _become(self, **changes: bool) -> None:
        with self._lock:
            sensors = replace(self._sensors, **changes)
            self._sensors = replace(sensors, offline=sensors.paper_out or sensors.fault)
        self._line.wake()

    # What it does by itself.

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                busy = bool(self._due) and not self._sensors.offline
            received = self._line.receive(TICK_MS if busy else None)
            with self._lock:
                if self._plugged:
                    self._hear(received)
                    self._work()

    def _hear(self, received: bytes) -> None:
        for n in self._questions.heard(received):
            self._line.send(bytes((self._sensors.answer(n),)))
        self._commands.receive(received)
        self.buffered_max = max(self.buffered_max, len(self._commands))

    def _work(self) -> None:
        """Prints and obeys until there is nothing to do, or it cannot, or (when slow) the next tick has come."""
        rows_now = self._rows_by_now()
        while not self._sensors.offline:
            while self._due and not self._sensors.offline and rows_now:
                self._print_row(self._due.popleft())
                rows_now -= 1
            if self._due or (command := self._commands.next()) is None:
                return
            self._obey(command)

    def _rows_by_now(self) -> int:
        """Rows that its speed allows since it last printed; at most two ticks' worth, for then it stood still."""
        if not self._dots_per_second:
            return sys.maxsize
        now_ms = self._clock.monotonic_ms()
        rows = min(now_ms - self._printed_ms, 2 * TICK_MS) * self._dots_per_second // 1000
        if rows:
            self._printed_ms = now_ms
        return rows

    def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.Picture():
                self._due.extend(row.ljust(PITCH, b"\0")[:PITCH] for row in commands.rows(command))
            case commands.Feed(dots):
                self._due.extend([_BLANK] * dots)
            case commands.Cut():
                self._drop_piece()
            case commands.Reset():
                self._text = b""
            case commands.Report(1 | 49):
                self._line.send(b"\x03" if self._sensors.paper_low else b"\x00")
            case commands.Report(2 | 50):
                self._line.send(b"\x00")  # the drawer
            case commands.Text(text):
                *lines, self._text = (self._text + text).split(b"\n")
                for line in lines:
                    self._due.extend(_text_rows(line))
            case _:
                pass  # understood, and nothing to see of it

    def _print_row(self, row: bytes) -> None:
        self._sheet.append(row)
        if self._rows_left is not None:
            self._rows_left -= 1
            if self._rows_left <= 0:
                self._run_out()

    def _run_out(self) -> None:
        self._become(paper_out=True, paper_low=True, stopped=bool(self._due or len(self._commands)))

    def _drop_piece(self) -> None:
        if not self._sheet:
            return
        ink = b"".join(self._sheet)
        image = Image.frombytes("1", (DOTS, len(self._sheet)), bytes(byte ^ 0xFF for byte in ink))
        path = self._folder / f"receipt-{len(self._pieces) + 1}.png"
        image.save(path)
        self._sheet = []
        self._pieces.append(path)
        if self._on_paper:
            self._on_paper(path)


def _text_rows(line: bytes) -> list[bytes]:
    """A line of plain text, drawn without modes or code pages."""
    image = Image.new("1", (DOTS, commands.LINE_DOTS), 1)
    ImageDraw.Draw(image).text((0, 2), line.decode("ascii", "replace"), font=ImageFont.load_default(20), fill=0)
    ink = bytes(byte ^ 0xFF for byte in image.tobytes())
    return [ink[at : at + PITCH] for at in range(0, len(ink), PITCH)]
