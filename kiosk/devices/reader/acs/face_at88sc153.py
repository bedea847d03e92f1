"""AT88SC153 and AT88SC1608 in an ACS reader, as its manuals show them (ACR38 6.04 §9.3.3 and 9.3.4, ACR1281U §3 and 4).

Trap: the answer to a password is ``90`` and its attempts counter, ``90 FF`` right, ``90 00`` locked.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.at88sc153 import At88Paged, At88sc153
from kiosk.model.cardport import DENIED, LOCKED, CardPortError, VirtualCard

OK = bytes.fromhex("9000")
WRONG_LENGTH = bytes.fromhex("6700")
NO_INSTRUCTION = bytes.fromhex("6D00")
FUSES = 0x80  # the fuses' address on an AT88SC1608
FUSES_OPEN, FUSES_BLOWN = b"\x06", b"\x00"  # FAB is blown by Atmel


class At88PagedFace:
    """See kiosk.devices.reader.acs.face.ChipFace."""

    def __init__(self, chip: VirtualCard, protection_follows: bool, byte_ms: int) -> None:
        assert isinstance(chip, At88Paged)
        self.chip, self.byte_ms = chip, byte_ms
        self._by_instruction = isinstance(chip, At88sc153)

    def command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
        """The answer with SW1 SW2."""
        writes, zone = 0xD0 <= instruction <= 0xD4, self._zone(instruction & 0x0F, addr)
        if (writes or instruction == 0x20) and len(data) != p3:
            return WRONG_LENGTH
        if instruction == 0x20:
            return self._present(addr, data)
        if zone is None or instruction & 0xF0 not in (0xB0, 0xD0):
            return NO_INSTRUCTION
        if zone < 0:
            return (FUSES_BLOWN if self.chip.personalised else FUSES_OPEN) + OK
        if not writes:
            return self.chip.read(zone, addr & 0xFF, p3) + OK
        self.chip.write(zone, addr & 0xFF, data)
        time.sleep(len(data) * self.byte_ms / 1000)
        return OK

    def _zone(self, number: int, addr: int) -> int | None:
        """−1 the fuses; None what the family does not have."""
        last = self.chip.shape.zones
        if self._by_instruction:
            return number if number <= last else -1 if number == last + 1 else None
        if number == 1:
            return -1 if addr & 0xFF == FUSES else last
        return addr >> 8 if number == 0 and addr >> 8 < last else None

    def _present(self, place: int, data: bytes) -> bytes:
        which, secret = (place, data) if self._by_instruction else (data[0], data[1:])
        try:
            self.chip.verify(which, secret)
        except CardPortError as fault:
            if fault.code not in (DENIED, LOCKED):
                raise
        return bytes((0x90, self.chip.read(self.chip.shape.zones, self.chip.shape.counter(which), 1)[0]))
