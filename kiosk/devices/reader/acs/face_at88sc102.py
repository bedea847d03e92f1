"""AT88SC102 in an ACS reader, as its manuals show it (ACR38 6.04 §9.3.9, ACR1281U §9, ACR3901 §7.2.9).

Traps: each byte's first bit is the lowest; ``90 00`` says only that the reader did what it was told, ``63 00`` that the
counter it was to write in has no one left.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.at88bits import turned
from kiosk.devices.reader.virtual.at88sc102 import At88sc102
from kiosk.model.cardport import DENIED, LOCKED, CardPortError, VirtualCard

OK = bytes.fromhex("9000")
NO_TRY_LEFT = bytes.fromhex("6300")
WRONG_LENGTH = bytes.fromhex("6700")
OUTSIDE = bytes.fromhex("6B00")
NO_INSTRUCTION = bytes.fromhex("6D00")
EC2EN_FUSE, ISSUER_FUSE = bytes.fromhex("05F90101"), bytes.fromhex("06100101")
SECRETS = {0x080A: 0, 0x0056: 1, 0x009C: 2, 0x809C: 2}
"""P1, the counter's bits, and P2, the key's place → ``which``."""


class At88sc102Face:
    """See kiosk.devices.reader.acs.face.ChipFace."""

    def __init__(self, chip: VirtualCard, protection_follows: bool, byte_ms: int) -> None:
        assert isinstance(chip, At88sc102)
        self.chip, self.byte_ms = chip, byte_ms

    def command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
        """The answer with SW1 SW2."""
        if instruction in (0xD0, 0x20, 0x05) and len(data) != p3:
            return WRONG_LENGTH
        if instruction == 0xB0:
            return turned(self.chip.read(0, addr, p3)) + OK
        if instruction == 0xD0:
            self.chip.clear_bits(addr, turned(data))
            time.sleep(len(data) * self.byte_ms / 1000)
            return OK
        if instruction == 0xD2:
            self.chip.erase_unit(addr)
            return OK
        if instruction == 0x20:
            return self._present(addr, turned(data))
        if instruction == 0x05:
            return self._blow(data)
        return NO_INSTRUCTION

    def _present(self, place: int, secret: bytes) -> bytes:
        which = SECRETS.get(place)
        if which is None:
            return OUTSIDE
        if place == 0x009C and self.chip.counts_erases:
            return OK  # without a bit written in EC2 nothing is erased
        if which != 1 and not self.chip.tries_left(which):
            return NO_TRY_LEFT
        if which:
            self.chip.erase_zone(which, secret)
            return OK
        try:
            self.chip.verify(0, secret)
        except CardPortError as fault:
            if fault.code not in (DENIED, LOCKED):
                raise
        return OK

    def _blow(self, fuse: bytes) -> bytes:
        if fuse == ISSUER_FUSE:
            self.chip.issued = True
        elif fuse == EC2EN_FUSE:
            self.chip.counts_erases = False
        else:
            return OUTSIDE
        return OK
