"""A whole serial reader of software for the conformance kit: any CardPort in its slot, its line to be lent.

It speaks the published packets alone, as the readers of old libraries do, and says nothing unasked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

from kiosk.devices.link import PtyLine
from kiosk.devices.reader.serial.simulator import SerialReaderSimulator
from kiosk.model.cardport import CardPort


class BenchLine:
    """See above; it lives until ``close``. ConfigFault F-701: no pseudo-terminal can be made."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="reader-"))
        self._line = PtyLine(self._folder / "line")
        self._reader = SerialReaderSimulator(self._line, extended=False, tells=False)
        self._reader.start()

    def show(self, card: CardPort | None) -> None:
        """Puts ``card`` into the slot instead of the one that is there; None: takes it out."""
        if card is None:
            self._reader.remove()
        else:
            self._reader.insert(card)

    @contextlib.contextmanager
    def lend(self, baud: int) -> Iterator[int]:
        """The line for one call; ``baud`` means nothing to it. What is left in it then is thrown away."""
        assert baud > 0
        number = os.open(self._line.path, os.O_RDWR | os.O_NOCTTY)
        try:
            yield number
        finally:
            termios.tcflush(number, termios.TCIOFLUSH)
            os.close(number)

    def close(self) -> None:
        """Ends the reader."""
        self._reader.close()
        self._line.close()
        shutil.rmtree(self._folder, ignore_errors=True)
