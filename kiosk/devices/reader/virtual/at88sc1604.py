"""AT88SC1604: 2009 bytes, four application zones behind codes of their own, erased byte by byte.

The map is from a public bit-banged driver; no data sheet of Atmel's could be read.

======  =============================  ==========================================================
at      name                           written
======  =============================  ==========================================================
0000    FZ fabrication, 313A           never
0002    IZ issuer's                    after SC, until the issuer's fuse
000A    SC, and its counter            SC after SC; the counter (8 tries) by the chip
000D    CPZ code protected             after SC; reads only after it
0015    SC1, counter · EZ1, counter    codes after SC, until the issuer's fuse; counters by the chip
001B    AZ1, 1195 bytes                see below
04C6    SC2 · EZ2, counter · AZ2, 256  as zone 1, but SC2 to SC4 have no counter
05CB    SC3 · EZ3, counter · AZ3, 256
06D0    SC4 · EZ4, counter · AZ4, 256
07D5    MTZ test zone                  always
07D7    MFZ manufacturer's             after SC, until the issuer's fuse
======  =============================  ==========================================================

Mode 1: SC opens everything. Mode 2, as far as we could gather and otherwise our own choice: an application zone is
written after SC and the zone's own code, and a bit rises only after its erase key, too. The first bit of a zone 0:
never written again, the second 0: reads only after the zone's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kiosk.devices.reader.virtual.at88bits import BitWritten
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, LOCKED, CardPortError
from kiosk.model.chip import NO_COUNTER

SIZE = 2009
CODE, COUNTER, PROTECTED, TEST = range(0x0A, 0x0C), 0x0C, range(0x0D, 0x15), range(0x7D5, 0x7D7)
ZONES = {1: range(0x1B, 0x4C6), 2: range(0x4CB, 0x5CB), 3: range(0x5D0, 0x6D0), 4: range(0x6D5, 0x7D5)}
CODES = {1: 0x15, 2: 0x4C6, 3: 0x5CB, 4: 0x6D0}
ERASE_KEYS = {5: 0x18, 6: 0x4C8, 7: 0x5CD, 8: 0x6D2}
"""``which`` 5 to 8, our own numbers: the erase keys of zones 1 to 4."""
SECRETS = {**CODES, **ERASE_KEYS}
COUNTERS = {1: 0x17, 5: 0x1A, 6: 0x4CA, 7: 0x5CF, 8: 0x6D4}
TRIES = 8
FABRICATION = bytes.fromhex("313A")


class At88sc1604(BitWritten):
    """A virtual AT88SC1604 in mode 1. ``memory``: zones 1 to 4, one after the other."""

    type = CardType.AT88SC1604
    origins: ClassVar[Mapping[int, range]] = {0: range(SIZE), **ZONES}
    code, counter = CODE, COUNTER

    def __init__(self, memory: bytes | None = None, secret: bytes = b"\xff\xff") -> None:
        lengths = [len(run) for run in ZONES.values()]
        memory = b"\xff" * sum(lengths) if memory is None else memory
        if len(memory) != sum(lengths):
            raise ValueError(f"AT88SC1604 has application zones of {lengths} bytes")
        super().__init__(SIZE, secret, TRIES)
        self._map[:2] = FABRICATION
        at = 0
        for run in ZONES.values():
            self._map[run.start : run.stop] = memory[at : at + len(run)]
            at += len(run)

    def set_key(self, which: int, key: bytes) -> None:
        """SC1 to SC4, or an erase key, as the issuer writes it in mode 1."""
        if len(key) != 2:
            raise ValueError("every secret has two bytes")
        self._map[SECRETS[which] : SECRETS[which] + 2] = key

    def verify(self, which: int, secret: bytes) -> None:
        """0 SC, 1 to 4 the zones' codes, 5 to 8 their erase keys."""
        if which not in SECRETS:
            super().verify(which, secret)
            return
        self._alive()
        if len(secret) != 2:
            raise CardPortError(BAD_ARGUMENT)
        counter = COUNTERS.get(which)
        if counter is not None and not self._map[counter]:
            raise CardPortError(LOCKED, "no try left")
        self._keys.pop(which, None)
        if counter is not None:
            self._burn(counter)
        if secret != bytes(self._map[SECRETS[which] : SECRETS[which] + 2]):
            left = self.tries_left(which)
            raise CardPortError(DENIED if left else LOCKED, f"secret {which} is wrong, {left} tries left")
        if counter is not None:
            self._map[counter] = 0xFF
        self._keys[which] = bytes(secret)

    def tries_left(self, which: int) -> int:
        """SC2 to SC4 may be tried for ever."""
        if which not in SECRETS:
            return super().tries_left(which)
        self._alive()
        return self._map[COUNTERS[which]].bit_count() if which in COUNTERS else NO_COUNTER

    def readable(self, place: int) -> bool:
        """Secrets show after SC and before the fuse."""
        if place in CODE or any(at <= place < at + 2 for at in SECRETS.values()):
            return self._verified and not self.issued
        if place in PROTECTED:
            return self._verified
        number = self._zone_of(place)
        if number is None or not self.issued or number in self._keys:
            return True
        return bool(self._map[ZONES[number].start] & 0x40)

    def denied(self, place: int) -> bool:
        """All but the test zone needs SC; in mode 2 a zone needs its own code, too."""
        number = self._zone_of(place)
        foreign = number is not None and self.issued and number not in self._keys
        return foreign or (not self._verified and place not in TEST)

    def locked(self, place: int) -> bool:
        """In mode 2 what the issuer closed, too."""
        number = self._zone_of(place)
        if number is not None:
            return self.issued and not self._map[ZONES[number].start] & 0x80
        secret = any(at <= place < at + 2 for at in SECRETS.values())
        closed = self.issued and (secret or 2 <= place < 0x0A or place >= TEST.stop)
        return place < 2 or place == COUNTER or place in COUNTERS.values() or closed

    def unit(self, place: int) -> range:
        """A byte."""
        return range(place, place + 1)

    def may_erase(self, unit: range) -> bool:
        """In mode 2 with the zone's erase key only."""
        number = self._zone_of(unit.start)
        return number is None or not self.issued or number + 4 in self._keys

    def _zone_of(self, place: int) -> int | None:
        return next((number for number, run in ZONES.items() if place in run), None)
