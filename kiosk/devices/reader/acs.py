"""The face an ACS reader (ACR38, ACR39, ACR1281) shows a PC for a memory card: pseudo-APDUs, as in ACS's manuals.

A virtual chip behind it answers as the real pair would. The traps are kept: nothing works before FF A4, a selection
of the wrong family is accepted but reads FF, ``90 00`` after a secret means *locked*, protected bytes drop silently.
"""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.sle44 import MAIN, PROTECTION, Sle44
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, LOCKED, CardPortError

SELECT_BYTE = {CardType.SLE4428: 0x05, CardType.SLE4442: 0x06}
OK = bytes.fromhex("9000")
FAILED = bytes.fromhex("6300")
WRONG_LENGTH = bytes.fromhex("6700")
NOT_VERIFIED = bytes.fromhex("6982")  # our own choice; the manuals do not say
NOT_SELECTED = bytes.fromhex("6985")  # our own choice
OUTSIDE = bytes.fromhex("6B00")
NO_INSTRUCTION = bytes.fromhex("6D00")
NO_CLASS = bytes.fromhex("6E00")
LENGTH_MAX = 255


class AcsFace:
    """``chip`` in an ACS reader. Has the shape vpcd's other end serves: ``reset`` and ``transmit``.

    ``protection_follows``: as the ACR38 of 2006 does, protection bytes follow the data of FF B0 (4 on an SLE4442,
    1 + INT(N / 8) on an SLE4428), and FF B2 reads data without them. ``byte_ms``: what writing a byte takes; a real
    chip needs 2.5 ms to erase and 2.5 ms to write it (Infineon SLE 4432/4442, July 1995).
    """

    def __init__(self, chip: Sle44, protection_follows: bool = False, byte_ms: int = 0) -> None:
        self.chip = chip
        self.protection_follows = protection_follows
        self.byte_ms = byte_ms
        self._selected: int | None = None

    def reset(self) -> bytes:
        """Powered afresh; the selection is lost, too."""
        self._selected = None
        return self.chip.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """One pseudo-APDU; b"" when the card was pulled."""
        if len(apdu) < 5:
            return WRONG_LENGTH
        if apdu[0] != 0xFF:
            return NO_CLASS
        instruction, addr, p3, data = apdu[1], apdu[2] << 8 | apdu[3], apdu[4], apdu[5:]
        try:
            if instruction == 0xA4:
                return self._select(data)
            if self._selected is None:
                return NOT_SELECTED
            if self._selected != SELECT_BYTE[self.chip.chip.type]:
                return self._wrong_family(instruction, p3)
            return self._command(instruction, addr, p3, data)
        except CardPortError as fault:
            return {BAD_ARGUMENT: OUTSIDE, DENIED: NOT_VERIFIED}.get(fault.code, b"")

    def _select(self, data: bytes) -> bytes:
        if len(data) != 1:
            return WRONG_LENGTH
        self.chip.atr()  # a dead card does not answer
        self._selected = data[0]
        return OK

    def _wrong_family(self, instruction: int, length: int) -> bytes:
        self.chip.atr()
        return b"\xff" * length + OK if instruction in (0xB0, 0xB1, 0xB2) else FAILED

    def _command(self, instruction: int, addr: int, p3: int, data: bytes) -> bytes:
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
