"""AT24C01 to C16 in an OMNIKEY 3x21: FF 30 00 04 measures, 05 read, 06 write.

The reader cuts a write at the borders of the page it was told; a chip with a smaller one rolls over.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.at24 import At24
from kiosk.model.cardport import VirtualCard

OK = bytes.fromhex("9000")
WRONG_LENGTH = bytes.fromhex("6700")
NOT_INITIALISED = bytes.fromhex("6985")  # our own choice
WRONG_DATA = bytes.fromhex("6A80")  # our own choice
NO_SUCH_PLACE = bytes.fromhex("6A82")
NO_INSTRUCTION = bytes.fromhex("6D00")
NO_ACKNOWLEDGEMENT = bytes.fromhex("6F00")  # our own choice
MEASURES, READ, WRITE = 0x0004, 0x0005, 0x0006
WRITE_MAX = 250


class At24Face:
    """See kiosk.devices.reader.omnikey.face.ChipFace."""

    def __init__(self, chip: VirtualCard, raw: str, byte_ms: int) -> None:
        assert isinstance(chip, At24)
        del raw  # the raw bus commands are of no use here
        self.chip, self.page_ms = chip, byte_ms
        self.page = self.size = 0

    def command(self, instruction: int, place: int, data: bytes, expected: int) -> bytes:
        """The answer with SW1 SW2."""
        self.chip.atr()  # a dead card does not answer
        if instruction != 0x30 or place not in (MEASURES, READ, WRITE):
            return NO_INSTRUCTION
        if data[:1] != b"\x01":
            return WRONG_DATA
        if place == MEASURES:
            return self._measures(data)
        if not self.size:
            return NOT_INITIALISED
        addr = int.from_bytes(data[1:5], "big")
        return self._write(addr, data[5:]) if place == WRITE else self._read(addr, data[5:], expected)

    def _measures(self, data: bytes) -> bytes:
        if len(data) != 8:
            return WRONG_LENGTH
        kind, page, address_bytes, size = data[1], data[2], data[3], int.from_bytes(data[4:8], "big")
        if kind != 0 or page not in (4, 8, 16) or address_bytes != 1:
            return WRONG_DATA
        self.page, self.size = page, size
        return OK

    def _read(self, addr: int, length: bytes, expected: int) -> bytes:
        wanted = int.from_bytes(length, "big")
        if len(length) != 4 or not 1 <= wanted <= expected:
            return WRONG_LENGTH
        if addr + wanted > self.size:
            return NO_SUCH_PLACE
        return self.chip.bus_read(addr, wanted) + OK if self.chip.acknowledges(addr) else NO_ACKNOWLEDGEMENT

    def _write(self, addr: int, data: bytes) -> bytes:
        if not 1 <= len(data) <= WRITE_MAX:
            return WRONG_LENGTH
        if addr + len(data) > self.size:
            return NO_SUCH_PLACE
        while data:
            room = self.page - addr % self.page
            if not self.chip.acknowledges(addr):
                return NO_ACKNOWLEDGEMENT
            self.chip.bus_write(addr, data[:room])
            time.sleep(self.page_ms / 1000)
            addr, data = addr + room, data[room:]
        return OK
