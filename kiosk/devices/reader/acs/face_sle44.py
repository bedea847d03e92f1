"""SLE4442 and SLE4428 in an ACS reader, as its manuals show them.

Traps: ``90 00`` after a secret means *locked*, protected bytes drop silently.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.sle44 import MAIN, PROTECTION, Sle44
from kiosk.model.card import CardType
from kiosk.model.cardport import DENIED, LOCKED, CardPortError, VirtualCard

OK = bytes.fromhex("9000")
WRONG_LENGTH = bytes.fromhex("6700")
OUTSIDE = bytes.fromhex("6B00")
NO_INSTRUCTION = bytes.fromhex("6D00")


class Sle44Face:
    """See kiosk.devices.reader.acs.face.ChipFace."""

    def __init__(self, chip: VirtualCard, protection_follows: bool, byte_ms: int) -> None:
        assert isinstance(chip, Sle44)
        self.chip, self.protection_follows, self.byte_ms = chip, protection_follows, byte_ms

    def command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
        """The answer with SW1 SW2."""
        if instruction in (0xD0, 0xD1, 0x20) and len(data) != p3:
            return WRONG_LENGTH
        if instruction == 0xB0:
            return self._read(addr, p3)
        if instruction == 0xB1:
            return bytes((self.chip.counter,)) + bytes(max(self._counter_length(p3) - 1, 0)) + OK
        if instruction == 0xB2:
            return self._read_protection(addr, p3)
        if instruction == 0xD0:
            self.chip.write(MAIN, addr, data)
            time.sleep(len(data) * self.byte_ms / 1000)
            return OK
        if instruction == 0xD1:
            return self._protect(addr, data)
        if instruction == 0x20:
            return self._present(data)
        return NO_INSTRUCTION

    def _counter_length(self, p3: int) -> int:
        self.chip.atr()
        return 4 if self.chip.chip.type == CardType.SLE4442 else p3

    def _read(self, addr: int, length: int) -> bytes:
        found = self.chip.read(MAIN, addr, length)
        if not self.protection_follows:
            return found + OK
        if self.chip.chip.type == CardType.SLE4442:
            return found + self.chip.read(PROTECTION, 0, 4) + OK
        return found + self._bits(addr, 8 * (1 + length // 8)) + OK

    def _read_protection(self, addr: int, length: int) -> bytes:
        if self.chip.chip.type == CardType.SLE4442:
            return self.chip.read(PROTECTION, 0, 4) + OK if (addr, length) == (0, 4) else OUTSIDE
        if self.protection_follows:
            return self.chip.read(MAIN, addr, length) + OK
        return self._bits(addr, 8 * length) + OK if 1 <= length <= 32 else WRONG_LENGTH

    def _bits(self, addr: int, count: int) -> bytes:
        """Protection bits of ``count`` bytes from ``addr``, low bit first; 1 = may be written."""
        bits = sum(1 << place for place in range(count) if not self.chip.protected(addr + place))
        return bits.to_bytes(count // 8, "little")

    def _protect(self, addr: int, data: bytes) -> bytes:
        """A byte's bit falls if the byte given equals the byte on the card."""
        for place, byte in enumerate(data, addr):
            if self.chip.read(MAIN, place, 1)[0] == byte:
                self.chip.write(PROTECTION, place // 8, bytes((0xFF & ~(1 << place % 8),)))
        return OK

    def _present(self, secret: bytes) -> bytes:
        """90 and the error counter: 07 or FF right, 00 locked."""
        try:
            self.chip.verify(0, secret)
        except CardPortError as fault:
            if fault.code not in (DENIED, LOCKED):
                raise
        return bytes((0x90, self.chip.counter))
