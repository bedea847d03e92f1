"""SLE4442 and SLE4428 in an OMNIKEY 3x21."""

from __future__ import annotations

import time

from kiosk.devices.reader.virtual.sle44 import MAIN, PROTECTION, Sle44
from kiosk.model.card import CardType
from kiosk.model.cardport import DENIED, LOCKED, CardPortError, VirtualCard

OK = bytes.fromhex("9000")
SHORT = bytes.fromhex("6282")
WRITE_FAILED = bytes.fromhex("6581")
WRONG_LENGTH = bytes.fromhex("6700")
NOT_VERIFIED = bytes.fromhex("6982")
BLOCKED = bytes.fromhex("6983")
NO_SUCH_PLACE = bytes.fromhex("6A82")
NO_INSTRUCTION = bytes.fromhex("6D00")
DIFFERENT = bytes.fromhex("6F00")  # our own choice
NOT_SUPPORTED = bytes.fromhex("9E020003")
RAW_PLACE = 0x076B  # HID's number as a vendor of USB devices


class Sle44Face:
    """See kiosk.devices.reader.omnikey.face.ChipFace."""

    def __init__(self, chip: VirtualCard, raw: str, byte_ms: int) -> None:
        assert isinstance(chip, Sle44)
        self.chip, self.raw, self.byte_ms = chip, raw, byte_ms

    def command(self, instruction: int, place: int, data: bytes, expected: int) -> bytes:
        """The answer with SW1 SW2."""
        self.chip.atr()  # a dead card does not answer
        if instruction == 0xB0 and expected:
            return self._read(self.chip.read(MAIN, 0, self.chip.chip.size), place, expected)
        if instruction == 0x3A and expected:
            bits = bytes(self.chip.protected(at) for at in range(self.chip.chip.protectable))
            return self._read(bits, place, expected)
        if instruction == 0xD6 and data:
            return self._update(place, data)
        if instruction == 0x20 and place == 0:
            return self._verify(data)
        if instruction == 0x30 and place == 0x0003:
            return self._protect(data)
        if instruction == 0x70 and place == RAW_PLACE and self.raw:
            return self._bus(data)
        return NO_INSTRUCTION

    def _read(self, source: bytes, place: int, expected: int) -> bytes:
        if place >= len(source):
            return NO_SUCH_PLACE
        found = source[place : place + expected]
        return found + (OK if len(found) == expected or expected == 256 else SHORT)

    def _update(self, place: int, data: bytes) -> bytes:
        """Byte by byte; it ends at the first that is protected."""
        if place + len(data) > self.chip.chip.size:
            return NO_SUCH_PLACE
        for at, byte in enumerate(data, place):
            self.chip.write(MAIN, at, bytes((byte,)))
            time.sleep(self.byte_ms / 1000)
            if self.chip.read(MAIN, at, 1)[0] != byte:
                return WRITE_FAILED
        return OK

    def _verify(self, secret: bytes) -> bytes:
        if len(secret) != self.chip.chip.secret_length:
            return WRONG_LENGTH
        try:
            self.chip.verify(0, secret)
        except CardPortError as fault:
            if fault.code not in (DENIED, LOCKED):
                raise
            return bytes((0x63, 0xC0 + self.chip.tries_left(0))) if fault.code == DENIED else BLOCKED
        return OK

    def _protect(self, data: bytes) -> bytes:
        """01 00 00, the place, bytes to compare; where it ends early, the place comes before the status."""
        if len(data) < 6 or data[:3] != b"\x01\x00\x00":
            return WRONG_LENGTH
        for at, byte in enumerate(data[5:], data[3] << 8 | data[4]):
            where = at.to_bytes(2, "big")
            if at >= self.chip.chip.protectable:
                return where + NO_SUCH_PLACE
            if self.chip.read(MAIN, at, 1)[0] != byte:
                return where + DIFFERENT
            try:
                self.chip.write(PROTECTION, at // 8, bytes((0xFF & ~(1 << at % 8),)))
            except CardPortError as fault:
                if fault.code != DENIED:
                    raise
                return where + NOT_VERIFIED
        return OK

    def _bus(self, data: bytes) -> bytes:
        """Only what reads the error counter; the secret is never shown."""
        two_wires = self.chip.chip.type == CardType.SLE4442
        if data != bytes.fromhex("A605A003310000" if two_wires else "A605A103CEFD00"):
            return NOT_SUPPORTED + OK
        told = bytes((self.chip.counter, 0, 0, 0)) if two_wires else bytes((self.chip.counter,))
        inner = (b"\xa0" if two_wires else b"\xa1") + bytes((len(told),)) + told
        return (b"\x9d" + inner[1:] if self.raw == "9D" else b"\xbd" + bytes((len(inner),)) + inner) + OK
