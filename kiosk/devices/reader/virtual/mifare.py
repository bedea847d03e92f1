"""MIFARE Classic 1K: 16 sectors of 4 blocks of 16 bytes. A sector's last block is its trailer: keys and access bits.

Source: NXP MF1S50yyX (2011), §8.6 and 8.7. The card opens one sector at a time. A wrong key silences it until it is
selected again, and there is no try counter. A block is written as a whole; pulled meanwhile, it is old or garbage (no
maker says more). Access bits that contradict themselves block their sector for good.

``Mifare1K`` is card *and* reader, since its zones are a port's: what it does with public keys and with the silence is
what the kiosk and a PC/SC reader do (kiosk/devices/reader/storage). The card alone is ``select``, ``authenticate``,
``read_block`` and ``write_block``.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Literal

from kiosk.devices.reader.commands import Choices
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, NO_CARD, CardPortError
from kiosk.model.chip import CHIPS, NO_COUNTER

ATR = bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")  # PC/SC part 3, TCK computed
BLOCK, SECTOR, DATA, SECTORS, KEY = 16, 64, 48, 16, 6  # bytes; sectors in all; bytes of a key
MAKER = bytes.fromhex("4B494F53 1E 08 0400") + bytes(8)  # block 0: UID, its check, SAK, ATQA
TRANSPORT = bytes.fromhex("FF078069")  # access bits of a new card: key A may do all; key B can be read, so is none
BOTH_KEYS = bytes.fromhex("7F078869")  # both keys read and write data; key B alone changes keys, and cannot be read

A, B, AB, NEVER = frozenset("A"), frozenset("B"), frozenset("AB"), frozenset[str]()
DATA_RIGHTS = ((AB, AB), (AB, NEVER), (AB, NEVER), (B, B), (AB, B), (B, NEVER), (AB, B), (NEVER, NEVER))
"""By C1 C2 C3 of a data block: which key may read, which may write (table 8)."""
TRAILER_RIGHTS = (
    (A, A, NEVER, A, A), (A, A, A, A, A), (NEVER, A, NEVER, A, NEVER), (B, AB, B, NEVER, B),
    (B, AB, NEVER, NEVER, B), (NEVER, AB, B, NEVER, NEVER), (NEVER, AB, NEVER, NEVER, NEVER),
    (NEVER, AB, NEVER, NEVER, NEVER),
)  # fmt: skip
"""By C1 C2 C3 of a trailer: who writes key A, reads and writes the access bits, reads and writes key B (table 7)."""


class Mifare1K:
    """A virtual card (``kiosk.model.cardport.VirtualCard``).

    ``memory``: 768 bytes are the data of all sectors, 48 each; ``secret``, six bytes, is then key A and key B of each,
    and both may read and write. 1024 bytes are the whole card with its trailers; ``secret`` is then not looked at.
    ``tear_leaves``: what the block being written holds when the card is pulled in the middle of it; ``prefix`` is what
    contract 1 §6 says of a failed write, and no maker.
    """

    tear_ways = ("prefix", "old", "spoiled")

    def __init__(self, memory: bytes | None = None, secret: bytes | None = None) -> None:
        secret = b"\xff" * KEY if secret is None else secret
        if memory is None:
            trailer = secret + TRANSPORT + b"\xff" * KEY
            memory = b"".join((MAKER if not sector else b"").ljust(DATA, b"\0") + trailer for sector in range(SECTORS))
        if len(memory) == SECTORS * DATA and len(secret) == KEY:
            trailer = secret + BOTH_KEYS + secret
            memory = b"".join(memory[at : at + DATA] + trailer for at in range(0, len(memory), DATA))
        if len(memory) != SECTORS * SECTOR:
            raise ValueError("MIFARE1K has 768 bytes and a secret of 6, or 1024 bytes with all trailers")
        self._memory = bytearray(memory)
        self._public = tuple(bytes.fromhex(key) for key in Choices().public_keys)
        self._open: tuple[int, str] | None = None  # the sector that is open, and the key that opened it: "A" or "B"
        self._verified = self._silent = self._dead = False
        self.tear_after: int | None = None
        self.tear_leaves: Literal["prefix", "old", "spoiled"] = "spoiled"

    # -- the card ------------------------------------------------------------------------------------------------------

    def reset(self) -> bytes:
        """The field off and on."""
        self._open, self._silent = None, False
        if self._dead:
            self._dead, self.tear_after = False, None
        return ATR

    def image(self) -> bytes:
        """All blocks, keys included."""
        return bytes(self._memory)

    @property
    def uid(self) -> bytes:
        """The card's number, read while it is selected."""
        self._alive()
        return bytes(self._memory[:4])

    def select(self) -> None:
        """Wakes a card that fell silent. No sector is open then."""
        self._alive()
        self._open, self._silent = None, False

    def authenticate(self, block: int, which: str, key: bytes) -> bool:
        """Opens the sector of ``block`` with its key ``which``, "A" or "B"; a wrong one silences the card."""
        self._answering()
        sector, trailer = block // 4, self._trailer(block // 4)
        self._open = None
        right = trailer[:KEY] if which == "A" else trailer[-KEY:]
        if key != right or _access(trailer) is None:
            self._silent = True
            return False
        self._open = sector, which
        return True

    def read_block(self, block: int) -> bytes:
        """16 bytes; of a trailer, zeros where it may not be read. −3 where the open sector or its key does not let."""
        rights = self._rights(block)
        content = bytes(self._memory[block * BLOCK : (block + 1) * BLOCK])
        if block % 4 != 3:
            self._demand(rights[0])
            return content
        _, reads_bits, _, reads_b, _ = rights
        self._demand(reads_bits)
        return bytes(KEY) + content[KEY:10] + (content[10:] if self._key in reads_b else bytes(KEY))

    def write_block(self, block: int, content: bytes, own: range = range(BLOCK)) -> None:
        """16 bytes at once; of a trailer, what may be written. −3 as ``read_block``. ``own``: those ``tear_after``
        counts, the others stand there already."""
        rights = self._rights(block)
        if block % 4 == 3:
            writes_a, _, writes_bits, _, writes_b = rights
            old = self._memory[block * BLOCK : (block + 1) * BLOCK]
            parts = ((writes_a, 0, 6), (writes_bits, 6, 10), (writes_b, 10, 16))
            content = b"".join((content if self._key in who else old)[start:end] for who, start, end in parts)
            self._demand(writes_a | writes_bits | writes_b)
        else:
            self._demand(rights[1] if block else NEVER)  # block 0 is the maker's
        self._put(block, content, own)

    # -- the port ------------------------------------------------------------------------------------------------------

    def card_type(self) -> int:
        """70."""
        return CardType.MIFARE1K

    def atr(self) -> bytes:
        """The answer to reset a PC/SC reader makes up."""
        self._alive()
        return ATR

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """A sector's data; one that is not open is tried with the public keys as key A. −3 where none of them opens."""
        self._alive()
        self._check(zone, addr, length, 0)
        if self._open is None or self._open[0] != zone:
            self._verified = False
            if not any(self._authenticate(zone, "A", key) for key in self._public):
                raise CardPortError(DENIED, f"sector {zone} is not open, and no public key opens it")
        first, end = addr // BLOCK, -(-(addr + length) // BLOCK)
        found = b"".join(self.read_block(zone * 4 + block) for block in range(first, end))
        return found[addr - first * BLOCK :][:length]

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Block after block; of one written in part the rest is read first. −3 unless ``verify`` opened the sector."""
        self._alive()
        self._check(zone, addr, len(data), CHIPS[CardType.MIFARE1K].zones[zone].first if 0 <= zone < SECTORS else 0)
        if not self._verified or self._open is None or self._open[0] != zone:
            raise CardPortError(DENIED, "no key was presented for this sector")
        blocks = range(addr // BLOCK, -(-(addr + len(data)) // BLOCK))
        for block in blocks:  # all of them first: after −3 nothing is written
            self._demand(self._rights(zone * 4 + block)[1])
        for block in blocks:
            start, end = max(addr, block * BLOCK), min(addr + len(data), (block + 1) * BLOCK)
            piece, place = data[start - addr : end - addr], start - block * BLOCK
            content = piece
            if len(piece) < BLOCK:
                old = self.read_block(zone * 4 + block)
                content = old[:place] + piece + old[place + len(piece) :]
            self.write_block(zone * 4 + block, content, range(place, place + len(piece)))

    def verify(self, which: int, secret: bytes) -> None:
        """``which``: 2 × sector + 0 for key A, 1 for key B. −3 wrong, −4 no such key. Costs nothing."""
        self._alive()
        if not 0 <= which < 2 * SECTORS or len(secret) != KEY:
            raise CardPortError(BAD_ARGUMENT)
        self._verified = self._authenticate(which // 2, "AB"[which % 2], secret)
        if not self._verified:
            raise CardPortError(DENIED, "the key is wrong")

    def tries_left(self, which: int) -> int:
        """255: a key may be tried for ever."""
        self._alive()
        if not 0 <= which < 2 * SECTORS:
            raise CardPortError(BAD_ARGUMENT)
        return NO_COUNTER

    def transmit(self, apdu: bytes) -> bytes:
        """A memory card knows no APDU: −4."""
        raise CardPortError(BAD_ARGUMENT, "MIFARE Classic takes no APDU")

    # -- within --------------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        """The key that opened the sector; "" for a key B that can be read, for then it is data and opens nothing."""
        assert self._open is not None
        sector, which = self._open
        access = _access(self._trailer(sector))
        return "" if which == "B" and access is not None and TRAILER_RIGHTS[access[3]][3] else which

    def _authenticate(self, sector: int, which: str, key: bytes) -> bool:
        if self._silent:
            self.select()
        return self.authenticate(sector * 4, which, key)

    def _rights(self, block: int) -> tuple[frozenset[str], ...]:
        self._answering()
        access = _access(self._trailer(block // 4))
        if self._open is None or self._open[0] != block // 4 or access is None:
            raise CardPortError(DENIED, "the sector is not open")
        return TRAILER_RIGHTS[access[3]] if block % 4 == 3 else DATA_RIGHTS[access[block % 4]]

    def _demand(self, keys: frozenset[str]) -> None:
        if self._key not in keys:
            raise CardPortError(DENIED, "the sector's access bits do not let this key")

    def _trailer(self, sector: int) -> bytes:
        return bytes(self._memory[sector * SECTOR + DATA : (sector + 1) * SECTOR])

    def _put(self, block: int, content: bytes, own: range) -> None:
        if self.tear_after is not None:
            if self.tear_after < len(own):
                self._tear(block, content, self.tear_after, own.start + self.tear_after)
            self.tear_after -= len(own)
        self._memory[block * BLOCK : (block + 1) * BLOCK] = content

    def _tear(self, block: int, new: bytes, written: int, end: int) -> None:
        """The card is pulled while it writes this block. Garbage is zeros, a mixture of old and new, or chance."""
        at, old = block * BLOCK, bytes(self._memory[block * BLOCK : (block + 1) * BLOCK])
        if self.tear_leaves == "prefix":
            self._memory[at : at + BLOCK] = new[:end] + old[end:]
        elif written and self.tear_leaves == "spoiled":
            chance = random.Random(f"{block}:{written}:{new.hex()}")
            garbage = (bytes(BLOCK), new[:written] + old[written:], chance.randbytes(BLOCK))
            self._memory[at : at + BLOCK] = garbage[written % 3]
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while writing")

    def _check(self, zone: int, addr: int, length: int, first: int) -> None:
        if not 0 <= zone < SECTORS or addr < first or length < 1 or addr + length > DATA:
            raise CardPortError(BAD_ARGUMENT, "outside the sectors' data")

    def _alive(self) -> None:
        if self._dead:
            raise CardPortError(NO_CARD, "the card was pulled")

    def _answering(self) -> None:
        self._alive()
        if self._silent:
            raise CardPortError(IO_FAULT, "the card is silent since a key was wrong")


@lru_cache(maxsize=64)  # asked at every block
def _access(trailer: bytes) -> tuple[int, ...] | None:
    """C1 C2 C3 of the sector's four blocks as one number each; None where bits and inverted bits do not agree."""
    inverted = trailer[6] | (trailer[7] & 0x0F) << 8
    c1, c2, c3 = trailer[7] >> 4, trailer[8] & 0x0F, trailer[8] >> 4
    if inverted != (c1 | c2 << 4 | c3 << 8) ^ 0xFFF:
        return None
    return tuple((c1 >> block & 1) << 2 | (c2 >> block & 1) << 1 | c3 >> block & 1 for block in range(4))
