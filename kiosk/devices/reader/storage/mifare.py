"""MIFARE Classic 1K behind a contactless reader: key FF 82, authentication FF 86, read FF B0, write FF D6.

Sources: PC/SC part 3 §3.2.2; ACS ACR122U, ACR1281U and ACR1283L reference manuals, which answer 63 00 to whatever
fails. A card opens one sector at a time and falls silent after a wrong key; the reader selects it again by itself
before the next command, and no sector is open then.

To read a sector nobody gave a key for, ``Choices.public_keys`` are tried as key A. They are printed in NXP's own
application notes (AN10787: MAD; AN1304/1305: NFC) and on every new card, so whoever knows them knows nothing; the card
has no try counter, so trying them costs nothing; and they never open a sector for writing here. A vendor's own key is
presented by ``verify`` alone.
"""

from __future__ import annotations

from kiosk.devices.reader.apdu import OK
from kiosk.devices.reader.commands import Choices, Connection, check_place, order
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, CardPortError
from kiosk.model.chip import CHIPS, NO_COUNTER

BLOCK, KEY_BYTES = 16, 6
KEY_A, KEY_B = 0x60, 0x61
NOT_ALLOWED = bytes.fromhex("6982")  # “security status not satisfied”
ZONES = CHIPS[CardType.MIFARE1K].zones


class MifareCommands:
    """ChipCommands; see the module."""

    def __init__(self, connection: Connection, choices: Choices) -> None:
        self._connection = connection
        self._public = tuple(bytes.fromhex(key) for key in choices.public_keys)
        self._places = tuple(bytes.fromhex(place) for place in choices.key_places)
        self._loaded: tuple[bytes, bytes] | None = None  # the key in the reader, and the place that took it
        self._open: int | None = None  # the sector the card lets us into
        self._verified = False  # by ``verify``, not by a public key

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """A sector's data. −3 where neither ``verify`` nor a public key opened it."""
        check_place(self._size(zone), addr, length)
        if self._open != zone:
            self._verified = False
            if not any(self._authenticate(zone, KEY_A, key) for key in self._public):
                raise CardPortError(DENIED, f"sector {zone} is not open, and no public key opens it")
        first = addr // BLOCK
        found = b"".join(self._read_block(zone * 4 + block) for block in range(first, -(-(addr + length) // BLOCK)))
        return found[addr - first * BLOCK :][:length]

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Block after block; of one written in part the rest is read first. −3 unless ``verify`` opened the sector."""
        check_place(self._size(zone), addr, len(data))
        if addr < ZONES[zone].first:
            raise CardPortError(BAD_ARGUMENT, "the maker's block")
        if self._open != zone or not self._verified:
            raise CardPortError(DENIED, "no key was presented for this sector")
        written = False
        for block in range(addr // BLOCK, -(-(addr + len(data)) // BLOCK)):
            start, end = max(addr, block * BLOCK), min(addr + len(data), (block + 1) * BLOCK)
            content, place = data[start - addr : end - addr], start - block * BLOCK
            if len(content) < BLOCK:
                old = self._part(zone * 4 + block, written)
                content = old[:place] + content + old[place + len(content) :]
            self._write_block(zone * 4 + block, content)
            written = True

    def verify(self, which: int, secret: bytes) -> None:
        """2 × sector + 0 for key A, 1 for key B. −3 wrong. Never −5: there is no counter."""
        if not 0 <= which < 2 * len(ZONES) or len(secret) != KEY_BYTES:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = self._authenticate(which // 2, KEY_B if which % 2 else KEY_A, secret)
        if not self._verified:
            raise CardPortError(DENIED, "the key is wrong")

    def tries_left(self, which: int) -> int:
        """255."""
        if not 0 <= which < 2 * len(ZONES):
            raise CardPortError(BAD_ARGUMENT)
        return NO_COUNTER

    def still_here(self) -> bool:
        """The card's number (FF CA), for which it needs no key."""
        return self._connection.transmit(bytes.fromhex("FFCA000000"))[-2:] == OK

    def _size(self, zone: int) -> int:
        if zone not in ZONES:
            raise CardPortError(BAD_ARGUMENT, f"no sector {zone}")
        return ZONES[zone].size

    def _authenticate(self, sector: int, kind: int, key: bytes) -> bool:
        """FF 86. Whether the key is right; the sector is open then, and no other."""
        self._open = None
        place = self._load(key)
        answer = self._connection.transmit(bytes.fromhex("FF860000050100") + bytes((sector * 4, kind, place[1])))
        if answer != OK:
            return False
        self._open = sector
        return True

    def _load(self, key: bytes) -> bytes:
        """FF 82: the key into the reader, not onto the card. −2 where no place takes it."""
        if self._loaded is not None and self._loaded[0] == key:
            return self._loaded[1]
        places = self._places if self._loaded is None else (self._loaded[1],)
        self._loaded = None
        for place in places:
            if self._connection.transmit(b"\xff\x82" + place + bytes((KEY_BYTES,)) + key) == OK:
                self._loaded = key, place
                return place
        raise CardPortError(IO_FAULT, "the reader takes no key")

    def _read_block(self, block: int) -> bytes:
        answer = self._connection.transmit(bytes((0xFF, 0xB0, 0x00, block, BLOCK)))
        if answer[-2:] == OK and len(answer) == BLOCK + 2:
            return answer[:-2]
        self._open = None  # a card that refuses leaves its sector
        if answer == NOT_ALLOWED:
            raise CardPortError(DENIED, "the sector's access bits do not let this key read")
        raise CardPortError(IO_FAULT, f"reading block {block} answered {answer[-2:].hex()}")

    def _write_block(self, block: int, content: bytes) -> None:
        try:
            order(self._connection, b"\xff\xd6", block, content)
        except CardPortError:
            self._open = None
            raise

    def _part(self, block: int, written: bool) -> bytes:
        """The block before it is written in part. Never −3 once another block was written."""
        try:
            return self._read_block(block)
        except CardPortError as fault:
            raise CardPortError(IO_FAULT if written else fault.code, str(fault)) from fault
