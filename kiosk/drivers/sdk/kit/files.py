"""A CPU card's files, as far as a driver was seen to read and write them.

Contract 1 gives no way to look into conformance/card.py's Card, so the kit learns: the SELECTs before each READ or
UPDATE are its path, and the same APDU with the other instruction reads or writes the same place.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from kiosk.model.cardport import CardPortError, VirtualCard

SELECT, READ_BINARY, READ_RECORD, UPDATE_BINARY, UPDATE_RECORD = 0xA4, 0xB0, 0xB2, 0xD6, 0xDC
UPDATES = frozenset((0xD0, UPDATE_BINARY, 0xD2, UPDATE_RECORD, 0xE2, 0x24, 0x2C, 0xE0, 0xE4, 0xDA))
"""Instructions that change a card: WRITE/UPDATE/APPEND, CHANGE/RESET secret, CREATE/DELETE FILE, PUT DATA."""
VERIFY, EXTERNAL_AUTHENTICATE = 0x20, 0x82  # ISO 7816-4
SECRETS = (VERIFY, EXTERNAL_AUTHENTICATE)
SECURED, MAC = 0x04, 4  # the bit of CLA and the bytes behind the data of an UPDATE with a MAC (PBOC)
OK = b"\x90\x00"


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """A place in a file: the SELECTs since reset, binary or record, and P1 P2."""

    path: tuple[bytes, ...]
    record: bool
    p1: int
    p2: int

    @property
    def in_words(self) -> str:
        """For a report: the READ that reaches it, and the SELECTs before that."""
        path = ", ".join(select.hex() for select in dict.fromkeys(self.path)) or "no SELECT"
        return f"READ {'RECORD' if self.record else 'BINARY'} P1 P2 {self.p1:02X} {self.p2:02X} after {path}"

    @property
    def names_its_file(self) -> bool:
        """Whether P1 P2 hold a short file identifier, so that it need not be selected."""
        return self.p2 >> 3 != 0 if self.record else self.p1 & 0x80 != 0

    def read(self, size: int) -> bytes:
        """The APDU that reads it."""
        return bytes((0, READ_RECORD if self.record else READ_BINARY, self.p1, self.p2, size & 0xFF))

    def update(self, data: bytes) -> bytes:
        """The APDU that writes it, at most 255 bytes."""
        return bytes((0, UPDATE_RECORD if self.record else UPDATE_BINARY, self.p1, self.p2, len(data))) + data


Content = tuple[tuple[Chunk, bytes], ...]
Keys = dict[tuple[tuple[bytes, ...], bytes], None]
"""Secrets the card took, with the SELECTs before them, in the order they were first seen."""


def is_select(apdu: bytes) -> bool:
    """SELECT FILE."""
    return len(apdu) > 1 and apdu[1] == SELECT


def is_update(apdu: bytes) -> bool:
    """An instruction that changes the card."""
    return len(apdu) > 1 and apdu[1] in UPDATES


def is_secret(apdu: bytes) -> bool:
    """VERIFY with a secret in it (without one it asks for the tries), or EXTERNAL AUTHENTICATE."""
    return len(apdu) > 5 and apdu[1] in SECRETS


def is_secured(apdu: bytes) -> bool:
    """An UPDATE with a MAC: the same one is refused the next time, for it begins with the card's challenge."""
    return is_update(apdu) and apdu[0] == SECURED and len(apdu) > 5 + MAC


def written(apdu: bytes) -> int:
    """How many bytes an UPDATE writes; its MAC is not written."""
    size = apdu[4] if len(apdu) > 4 else 0
    return size - MAC if is_secured(apdu) else size


def chunk_of(path: tuple[bytes, ...], apdu: bytes, answered: int) -> tuple[Chunk, int] | None:
    """The place a READ or UPDATE in plain (CLA 00) reached, and its size; None for other APDUs."""
    if len(apdu) < 5 or apdu[0] != 0:
        return None
    instruction, p1, p2 = apdu[1], apdu[2], apdu[3]
    if instruction in (READ_BINARY, READ_RECORD):
        return Chunk(path, instruction == READ_RECORD, p1, p2), answered
    if instruction in (UPDATE_BINARY, UPDATE_RECORD):
        return Chunk(path, instruction == UPDATE_RECORD, p1, p2), apdu[4]
    return None


def read_files(card: VirtualCard, chunks: dict[Chunk, int]) -> Content:
    """What stands in those places now, read on a copy; places that cannot be read are left out."""
    card = copy.deepcopy(card)
    card.tear_after = None
    found: list[tuple[Chunk, bytes]] = []
    for chunk, size in sorted(chunks.items()):
        card.reset()
        try:
            for select in chunk.path:
                card.transmit(select)
            answer = card.transmit(chunk.read(min(size, 255)))
        except CardPortError:
            continue
        if answer[-2:] == OK:
            found.append((chunk, answer[:-2]))
    return tuple(found)
