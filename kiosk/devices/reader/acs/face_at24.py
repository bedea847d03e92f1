"""AT24C01 to C16 in an ACS reader, as its manuals show them: FF 01 page size, FF B0 read, FF D0 write.

The reader cuts a write at the borders of the page it believes in, 8 bytes after each selection; where the chip's is
smaller, the chip rolls over. Not in the manuals and our own choice: 63 00 where the chip does not acknowledge.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.at24 import At24
from kiosk.model.cardport import VirtualCard

OK = bytes.fromhex("9000")
FAILED = bytes.fromhex("6300")
WRONG_LENGTH = bytes.fromhex("6700")
NO_INSTRUCTION = bytes.fromhex("6D00")
PAGE_BYTES = {0x03: 8, 0x04: 16, 0x05: 32, 0x06: 64, 0x07: 128}
PAGE_DEFAULT = 8


class At24Face:
    """See kiosk.devices.reader.acs.face.ChipFace. ``byte_ms``: what a page takes, for a byte is a page's work, too."""

    def __init__(self, chip: VirtualCard, protection_follows: bool, byte_ms: int) -> None:
        assert isinstance(chip, At24)
        del protection_follows  # there is nothing to protect
        self.chip, self.page_ms, self.page = chip, byte_ms, PAGE_DEFAULT

    def command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
        """The answer with SW1 SW2."""
        if instruction == 0x01:
            return self._set_page(p3, data)
        if instruction not in (0xB0, 0xD0):
            return NO_INSTRUCTION
        if instruction == 0xD0 and (len(data) != p3 or not data):
            return WRONG_LENGTH
        if not self.chip.acknowledges(addr):
            return FAILED
        if instruction == 0xB0:
            return self.chip.bus_read(addr, p3 or 256) + OK
        return self._write(addr, data)

    def _set_page(self, p3: int, data: bytes) -> bytes:
        self.chip.atr()  # a dead card does not answer
        if p3 != 1 or len(data) != 1:
            return WRONG_LENGTH
        if data[0] not in PAGE_BYTES:
            return FAILED
        self.page = PAGE_BYTES[data[0]]
        return OK

    def _write(self, addr: int, data: bytes) -> bytes:
        while data:
            room = self.page - addr % self.page
            if not self.chip.acknowledges(addr):
                return FAILED
            self.chip.bus_write(addr, data[:room])
            time.sleep(self.page_ms / 1000)
            addr, data = addr + room, data[room:]
        return OK
