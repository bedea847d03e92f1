"""A contactless reader as a PC meets it, with a virtual MIFARE Classic 1K before it.

PC/SC part 3 §3.2.2 names a status word for each fault; ACS readers answer 63 00 to all of them (ACR122U and ACR1283L
reference manuals). Where keys may be put differs, too: see ``KEY_PLACES``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from kiosk.devices.reader.virtual.mifare import BLOCK, KEY, SECTORS, Mifare1K
from kiosk.model.cardport import DENIED, CardPortError

OK = bytes.fromhex("9000")
FAILED = bytes.fromhex("6300")
WRONG_LENGTH = bytes.fromhex("6700")
NOT_ALLOWED = bytes.fromhex("6982")
NO_FUNCTION = bytes.fromhex("6A81")
NO_BLOCK = bytes.fromhex("6A82")
NO_KEY_PLACE = bytes.fromhex("6988")
NO_INSTRUCTION = bytes.fromhex("6D00")
NO_CLASS = bytes.fromhex("6E00")
PROTOCOL = bytes.fromhex("6981")  # “command incompatible”: the block's other half is missing
KEY_TYPES = {0x60: "A", 0x61: "B"}
KEY_PLACES: Mapping[str, frozenset[bytes]] = {
    "ACR122U": frozenset((b"\x00\x00", b"\x00\x01")),
    "ACR1281U": frozenset((b"\x00\x20", *(bytes((0x20, number)) for number in range(0x20)))),
}
"""P1 P2 of FF 82 a reader takes: 00 with a volatile place, 20 with one it keeps when it is switched off."""


class StorageFace:
    """``reset`` and ``transmit``, as vpcd's other end serves them. ``block_ms``: what writing a block takes."""

    def __init__(self, chip: Mifare1K, reader: str = "ACR122U", block_ms: int = 0, one_fault: bool = True) -> None:
        self.chip, self.block_ms, self.one_fault = chip, block_ms, one_fault
        self._places = KEY_PLACES[reader]
        self._keys: dict[int, bytes] = {}  # the reader's, not the card's: they outlive it

    def reset(self) -> bytes:
        """The field off and on."""
        return self.chip.reset()

    def transmit(self, apdu: bytes) -> bytes:
        """One pseudo-APDU; b"" when the card was taken away."""
        if len(apdu) < 5:
            return WRONG_LENGTH
        if apdu[0] != 0xFF:
            return NO_CLASS
        commands = {0xCA: self._number, 0x82: self._load, 0x86: self._authenticate, 0xB0: self._read, 0xD6: self._write}
        command = commands.get(apdu[1])
        try:
            answer = NO_INSTRUCTION if command is None else command(apdu[2:4], apdu[4], apdu[5:])
        except CardPortError as fault:
            if fault.code != DENIED:
                return b""
            answer = NOT_ALLOWED
        return answer if answer[-2:] == OK or not self.one_fault or command is None else FAILED

    def _number(self, place: bytes, _length: int, _data: bytes) -> bytes:
        """P1 00: the UID; 01: the historical bytes of an ATS, which this card has not."""
        uid = self.chip.uid
        return uid + OK if place == b"\x00\x00" else NO_FUNCTION

    def _load(self, place: bytes, length: int, key: bytes) -> bytes:
        if length != KEY or len(key) != KEY:
            return WRONG_LENGTH
        if place not in self._places:
            return NO_KEY_PLACE
        self._keys[place[1]] = key
        return OK

    def _authenticate(self, place: bytes, length: int, data: bytes) -> bytes:
        if place != b"\x00\x00" or length != 5 or len(data) != 5 or data[:2] != b"\x01\x00" or data[3] not in KEY_TYPES:
            return WRONG_LENGTH
        if data[4] not in self._keys:
            return NO_KEY_PLACE
        if data[2] >= SECTORS * 4:
            return NO_BLOCK
        if not self.chip.authenticate(data[2], KEY_TYPES[data[3]], self._keys[data[4]]):
            self.chip.select()  # the card is silent now; the reader wakes it at once
            return FAILED
        return OK

    def _read(self, place: bytes, length: int, _data: bytes) -> bytes:
        if place[0] or place[1] >= SECTORS * 4:
            return NO_BLOCK
        if length != BLOCK:
            return WRONG_LENGTH
        return self.chip.read_block(place[1]) + OK

    def _write(self, place: bytes, length: int, data: bytes) -> bytes:
        if place[0] or place[1] >= SECTORS * 4:
            return NO_BLOCK
        if length != len(data) or length != BLOCK:
            return PROTOCOL if len(data) < BLOCK else WRONG_LENGTH
        self.chip.write_block(place[1], data)
        time.sleep(self.block_ms / 1000)
        return OK
