"""AT88SC102: 180 bytes, two application zones of 64, a security code of two bytes (Atmel 1419B of 1999, 1419C of 2008).

=====  =======================  ==========================================================================
bytes  name                     written
=====  =======================  ==========================================================================
0      fabrication zone         never
2      issuer zone              after the code, until the issuer's fuse
10     SC security code         after the code
12     SCAC attempts counter    by the chip: 4 tries (1419C), or 8 (1419B)
14     CPZ code protected zone  after the code; reads only after it
22     AZ1 application zone 1   after the code; its first bit 0: never (mode 2), second 0: reads only after it
86     EZ1 erase key 1          after the code, until the issuer's fuse
92     AZ2 application zone 2   as AZ1
156    EZ2 erase key 2          as EZ1
160    EC2 erase counter        by the chip: one bit for each erase of AZ2 in mode 2, unless the EC2EN fuse is blown
176    MTZ test zone            always
178    MFZ manufacturer's zone  after the code, until the issuer's fuse
=====  =======================  ==========================================================================

Mode 1 (the issuer's fuse is whole): erased by words of two bytes. Mode 2: an application zone is erased as a whole,
with its erase key; a pull then loses the zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kiosk.devices.reader.virtual.at88bits import BitWritten
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, LOCKED, CardPortError
from kiosk.model.chip import NO_COUNTER

SIZE, ZONE = 180, 64
CODE, COUNTER, PROTECTED, TEST = range(10, 12), range(12, 14), range(14, 22), range(176, 178)
ZONES = {1: range(22, 86), 2: range(92, 156)}
KEYS = {1: range(86, 92), 2: range(156, 160)}
ERASES = range(160, 176)  # EC2
TRIES = 4  # 1419C of 2008; 8 in 1419B of 1999
FABRICATION = bytes.fromhex("0F0F")
NEVER_WRITTEN = (range(2), COUNTER, ERASES)
GONE_WITH_THE_FUSE = (range(2, 10), *KEYS.values(), range(178, 180))


def _in(place: int, *runs: range) -> bool:
    return any(place in run for run in runs)


class At88sc102(BitWritten):
    """A virtual AT88SC102 in mode 1. ``memory``: AZ1 and AZ2; ``issued = True`` blows the issuer's fuse."""

    type = CardType.AT88SC102
    tear_ways = ("prefix", *BitWritten.tear_ways)
    origins: ClassVar[Mapping[int, range]] = {0: range(SIZE), **ZONES}
    code, counter = CODE, COUNTER.start

    def __init__(self, memory: bytes | None = None, secret: bytes = b"\xf0\xf0", tries: int = TRIES) -> None:
        memory = b"\xff" * (2 * ZONE) if memory is None else memory
        if len(memory) != 2 * ZONE:
            raise ValueError(f"AT88SC102 has two application zones of {ZONE} bytes")
        super().__init__(SIZE, secret, tries)
        self.counts_erases = True
        """The EC2EN fuse is whole."""
        self._map[:2] = FABRICATION
        for number, run in ZONES.items():
            self._map[run.start : run.stop] = memory[(number - 1) * ZONE : number * ZONE]

    def set_key(self, which: int, key: bytes) -> None:
        """Erase key 1 or 2, as the issuer writes it in mode 1."""
        run = KEYS[which]
        if len(key) != len(run):
            raise ValueError(f"erase key {which} has {len(run)} bytes")
        self._map[run.start : run.stop] = key

    def image(self) -> bytes:
        """The whole map and the fuses."""
        return super().image() + bytes((self.counts_erases,))

    def verify(self, which: int, secret: bytes) -> None:
        """0 the security code, 1 and 2 the erase keys."""
        if which not in KEYS:
            super().verify(which, secret)
            return
        self._alive()
        if len(secret) != len(KEYS[which]):
            raise CardPortError(BAD_ARGUMENT)
        self._keys[which] = bytes(secret)

    def tries_left(self, which: int) -> int:
        """Of erase key 2 what EC2 still has, where it counts."""
        if which not in KEYS:
            return super().tries_left(which)
        self._alive()
        if which == 1 or not self.counts_erases:
            return NO_COUNTER
        return sum(byte.bit_count() for byte in self._map[ERASES.start : ERASES.stop])

    def erase_zone(self, which: int, key: bytes) -> None:
        """The reader presents an erase key and erases; a wrong one changes nothing but EC2. −5 no erase left."""
        self._alive()
        run = ZONES[which]
        if not self._verified or not self.issued or self.locked(run.start):
            return
        if which == 2 and self.counts_erases and not self._spend_erase():
            raise CardPortError(LOCKED, "no erase left")
        if key == bytes(self._map[KEYS[which].start : KEYS[which].stop]):
            self._map[run.start : run.stop] = b"\xff" * len(run)

    def readable(self, place: int) -> bool:
        """Codes and keys show after the code and before the fuse."""
        if _in(place, CODE, *KEYS.values()):
            return self._verified and not self.issued
        if place in PROTECTED:
            return self._verified
        zone = self._zone_of(place)
        return zone is None or not self.issued or self._verified or bool(self._map[zone.start] & 0x40)

    def denied(self, place: int) -> bool:
        """All but the test zone needs the code."""
        return not self._verified and place not in TEST

    def locked(self, place: int) -> bool:
        """In mode 2 what the issuer closed, too."""
        zone = self._zone_of(place)
        closed = zone is not None and not self._map[zone.start] & 0x80
        return _in(place, *NEVER_WRITTEN) or (self.issued and (closed or _in(place, *GONE_WITH_THE_FUSE)))

    def unit(self, place: int) -> range:
        """A word; in mode 2 a whole application zone."""
        zone = self._zone_of(place)
        return zone if zone is not None and self.issued else range(place & ~1, (place & ~1) + 2)

    def may_erase(self, unit: range) -> bool:
        """In mode 2 with the zone's key only; presenting a wrong one costs an erase where they are counted."""
        zone = self._zone_of(unit.start)
        if zone is None or not self.issued:
            return True
        which = next(number for number, run in ZONES.items() if run == zone)
        if which not in self._keys or (which == 2 and self.counts_erases and not self.tries_left(2)):
            return False
        if self._keys[which] == bytes(self._map[KEYS[which].start : KEYS[which].stop]):
            return True
        if which == 2 and self.counts_erases:
            self._spend_erase()
        raise CardPortError(DENIED, "the erase key is wrong")

    def erased(self, unit: range) -> None:
        """EC2."""
        if self.issued and unit == ZONES[2] and self.counts_erases:
            self._spend_erase()

    def _zone_of(self, place: int) -> range | None:
        return next((run for run in ZONES.values() if place in run), None)

    def _spend_erase(self) -> bool:
        counter = next((at for at in ERASES if self._map[at]), None)
        if counter is not None:
            self._burn(counter)
        return counter is not None
