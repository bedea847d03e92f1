"""What AT88SC102 and AT88SC1604 have in common: one map of bits, a security code with a counter, fuses, a slow pen.

A bit is written from 1 to 0 at any time; only an erase brings ones back, and it takes a whole unit: a word, a byte, or,
once the issuer's fuse is blown, a whole application zone. ``write`` is what a reader makes of that: where a bit must
rise, the unit is read, erased and written again. A card pulled in between has lost what was not written again yet; that
is what ``tear_after`` and ``tear_leaves`` are for.

Bytes are as the chip is read bit by bit, first bit highest (Atmel's F0F0 and 0F0F, 明华's marks); ACS readers turn
them round (kiosk.devices.reader.acs.at88sc102). What no source says here is our own choice; docs/card-families.md says
which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

CODE = 0  # ``which`` of the security code
WORD = 2  # bytes; what is erased by its address is no longer
HIDDEN = 0xFF  # what a byte nobody may read reads as; our own choice


def turned(data: bytes) -> bytes:
    """Each byte with its bits the other way round."""
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


class BitWritten:
    """A virtual card (``kiosk.model.cardport.VirtualCard``) over one map of bytes; the two chips say what is where.

    ``tear_leaves`` is what stands in the unit that was being written when the card was pulled: as before (``old``), all
    ones from the torn byte on (``erased``), or the same with half of the torn byte's zeros written (``part``). Where a
    unit is more than a byte, ``prefix`` is the unit as before from the torn byte on, as contract 1 §6 has it.
    """

    type: CardType
    origins: ClassVar[Mapping[int, range]]  # zone → its bytes in the map
    code: range  # the security code
    counter: int  # the byte of its error counter

    tear_ways: tuple[str, ...] = ("old", "erased", "part")

    def __init__(self, size: int, secret: bytes, tries: int) -> None:
        if len(secret) != len(self.code) or not 1 <= tries <= 8:
            raise ValueError(f"{self.type.name} has a security code of {len(self.code)} bytes and 1 to 8 tries")
        self._map = bytearray(b"\xff" * size)
        self._map[self.code.start : self.code.stop] = secret
        self._tries = tries
        self._keys: dict[int, bytes] = {}  # presented since power-on
        self._verified = self._dead = False
        self.issued = False
        """The issuer's fuse is blown: security mode 2."""
        self.tear_after: int | None = None
        self.tear_leaves: Literal["prefix", "old", "erased", "part"] = "erased"
        self.tear_in_verify = False  # pulled between burning the try and restoring it

    # -- what a chip says of itself ----------------------------------------------------------------------------------

    def readable(self, place: int) -> bool:
        """Whether this byte shows."""
        raise NotImplementedError

    def denied(self, place: int) -> bool:
        """Whether writing this byte needs a code that was not presented."""
        raise NotImplementedError

    def locked(self, place: int) -> bool:
        """Whether this byte cannot be written at all, or not this way; writing it changes nothing."""
        raise NotImplementedError

    def unit(self, place: int) -> range:
        """The bytes that are erased together with this one."""
        raise NotImplementedError

    def may_erase(self, unit: range) -> bool:
        """Whether ones may be brought back there now."""
        raise NotImplementedError

    def erased(self, unit: range) -> None:
        """An erase took place (counters)."""

    # -- the face ----------------------------------------------------------------------------------------------------

    def card_type(self) -> int:
        """The family."""
        return self.type

    def atr(self) -> bytes:
        """3B 04 and the card's first four bytes, first bit lowest: ``3B 04 F0 F0 36 96`` was seen on an ACR38."""
        self._alive()
        return b"\x3b\x04" + turned(bytes(self._map[:4]))

    def reset(self) -> bytes:
        """Powered afresh."""
        self._verified, self._keys = False, {}
        if self._dead:
            self._dead, self.tear_after, self.tear_in_verify = False, None, False
        return self.atr()

    def image(self) -> bytes:
        """The whole map and the fuse."""
        return bytes(self._map) + bytes((self.issued,))

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Bytes that may not be read are FF. −4 outside."""
        self._alive()
        start = self._place(zone, addr, length)
        return bytes(self._map[place] if self.readable(place) else HIDDEN for place in range(start, start + length))

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Unit by unit in the order of the addresses. −3 without the code or the erase key, −4 outside."""
        self._alive()
        start = self._place(zone, addr, len(data))
        if any(self.denied(place) for place in range(start, start + len(data))):
            raise CardPortError(DENIED, "no security code was presented")
        pieces = self._pieces(start, data)
        for place, piece in pieces:
            unit = self.unit(place)
            if self._rises(place, piece) and not self.may_erase(unit):
                raise CardPortError(DENIED, "erasing needs the zone's erase key")
        for place, piece in pieces:
            self._put(place, piece)

    def verify(self, which: int, secret: bytes) -> None:
        """The security code: −3 wrong, −5 no try left (after this one, too), −4 no such secret.

        An erase key is kept until an erase needs it: the chip compares it in the same breath as it erases.
        """
        self._alive()
        if which != CODE or len(secret) != len(self.code):
            raise CardPortError(BAD_ARGUMENT)
        if not self.tries_left(CODE):
            raise CardPortError(LOCKED, "no try left")
        self._verified = False
        self._burn(self.counter, self._tries)
        if self.tear_in_verify:
            self._dead = True
            raise CardPortError(IO_FAULT, "pulled while the security code was presented")
        if secret != bytes(self._map[self.code.start : self.code.stop]):
            left = self.tries_left(CODE)
            raise CardPortError(DENIED if left else LOCKED, f"the security code is wrong, {left} tries left")
        self._map[self.counter] = 0xFF
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones among the counter's first bits."""
        self._alive()
        if which != CODE:
            raise CardPortError(BAD_ARGUMENT)
        return (self._map[self.counter] >> (8 - self._tries)).bit_count()

    def transmit(self, apdu: bytes) -> bytes:
        """A memory card knows no APDU: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, "a memory card takes no APDU")

    # -- what a reader does bit by bit -------------------------------------------------------------------------------

    def clear_bits(self, place: int, data: bytes) -> None:
        """Ones to zeros from ``place`` of the map on, nothing else; what may not be written stays."""
        self._alive()
        for at, byte in enumerate(data, self._place(0, place, len(data))):
            if not self.locked(at) and not self.denied(at):
                self._put(at, bytes((byte & self._map[at],)))

    def erase_unit(self, place: int) -> None:
        """Ones in the word or byte of ``place``, where that may be."""
        self._alive()
        self._place(0, place, 1)
        unit = self.unit(place)
        if len(unit) <= WORD and not self.locked(place) and not self.denied(place):
            self._put(unit.start, b"\xff" * len(unit))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _burn(self, counter: int, tries: int = 8) -> None:
        """The first one of a counter falls."""
        for bit in (0x80 >> at for at in range(tries)):
            if self._map[counter] & bit:
                self._map[counter] &= ~bit
                return

    def _alive(self) -> None:
        if self._dead:
            raise CardPortError(NO_CARD, "the card was pulled")

    def _place(self, zone: int, addr: int, length: int) -> int:
        bytes_of_zone = self.origins.get(zone)
        if bytes_of_zone is None or addr < 0 or length < 1 or addr + length > len(bytes_of_zone):
            raise CardPortError(BAD_ARGUMENT, "outside the zone")
        return bytes_of_zone.start + addr

    def _pieces(self, start: int, data: bytes) -> list[tuple[int, bytes]]:
        """``data`` cut where one unit ends."""
        found, at = [], 0
        while at < len(data):
            end = min(self.unit(start + at).stop - start, len(data))
            found.append((start + at, data[at:end]))
            at = end
        return found

    def _rises(self, place: int, piece: bytes) -> bool:
        """Whether any bit must go from 0 to 1."""
        return any(new & ~self._map[at] for at, new in enumerate(piece, place) if not self.locked(at))

    def _put(self, place: int, piece: bytes) -> None:
        """One unit: erased if a bit must rise, then written, or torn on the way."""
        unit = self.unit(place)
        old = bytearray(self._map[unit.start : unit.stop])
        new, rises = bytearray(old), self._rises(place, piece)
        for at, byte in enumerate(piece, place):
            if not self.locked(at):
                new[at - unit.start] = byte
        survived = len(piece)
        if self.tear_after is not None:
            survived = min(self.tear_after, len(piece))
            self.tear_after -= survived
        if survived == len(piece):
            self._map[unit.start : unit.stop] = new
            if rises:
                self.erased(unit)
            return
        torn = place - unit.start + survived
        if rises and self.tear_leaves != "prefix" and (survived or self.tear_leaves != "old"):
            old = bytearray(b"\xff" * len(unit))
            self.erased(unit)
        old[:torn] = new[:torn]
        if self.tear_leaves == "part":
            old[torn] &= new[torn] | 0x0F
        self._map[unit.start : unit.stop] = old
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while writing")
