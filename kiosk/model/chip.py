"""The measures of every memory-card family: zones, the vendor's bytes in them, secrets. One table for the whole house.

Zones and ``which`` are numbered as contract 1 §7 has it; what it leaves to the card is said here. AT88SC102 and
AT88SC1604 have their whole map, at its natural byte addresses, in zone 0, and their application zones once more by
number; ``which`` 1 and 2 of the one and 5 to 8 of the other are erase keys. Sources: docs/driver-contract.md; the
families' data sheets as quoted in docs/card-families.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.model.card import CardType

NO_COUNTER = 255
"""What ``tries_left`` says of a secret that may be tried for ever (MIFARE)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """``size`` bytes, of which ``first`` up to ``end`` are the vendor's; ``end`` 0: none."""

    size: int
    first: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """One family. ``secrets``: which → bytes of that secret. ``tries``: of ``which`` 0 on a new card, 0 without one."""

    zones: Mapping[int, Zone]
    secrets: Mapping[int, int]
    tries: int = 0
    raw_size: int = 0  # another length a whole image may have (MIFARE with its trailers), 0: none

    @property
    def own(self) -> tuple[tuple[int, Zone], ...]:
        """The zones with bytes of the vendor's, in order: what ``conformance/blank.bin`` holds, whole zones."""
        return tuple((number, zone) for number, zone in sorted(self.zones.items()) if zone.end)

    @property
    def image_size(self) -> int:
        """Bytes of ``blank.bin``."""
        return sum(zone.size for _, zone in self.own)

    @property
    def keyed(self) -> bool:
        """Whether nothing at all is read or written before a key is presented, be it a public one (MIFARE)."""
        return self.tries == NO_COUNTER

    @property
    def counts_tries(self) -> bool:
        """Whether presenting a wrong secret costs one of a few tries."""
        return 0 < self.tries < NO_COUNTER


def _eeprom(size: int) -> Chip:
    return Chip({0: Zone(size, 0, size)}, {})


CHIPS: dict[CardType, Chip] = {
    CardType.AT24C01: _eeprom(128),
    CardType.AT24C02: _eeprom(256),
    CardType.AT24C04: _eeprom(512),
    CardType.AT24C08: _eeprom(1024),
    CardType.AT24C16: _eeprom(2048),
    CardType.SLE4442: Chip({0: Zone(256, 32, 256), 1: Zone(4)}, {0: 3}, tries=3),
    CardType.SLE4428: Chip({0: Zone(1024, 32, 1021), 1: Zone(128)}, {0: 2}, tries=8),
    CardType.AT88SC102: Chip({0: Zone(180), 1: Zone(64, 2, 64), 2: Zone(64, 2, 64)}, {0: 2, 1: 6, 2: 4}, tries=4),
    CardType.AT88SC1604: Chip(
        {0: Zone(2009), 1: Zone(1195, 2, 1195), **{number: Zone(256, 2, 256) for number in (2, 3, 4)}},
        dict.fromkeys(range(9), 2),
        tries=8,
    ),
    CardType.AT88SC153: Chip(
        {**{number: Zone(64, 0, 64) for number in range(3)}, 3: Zone(64)}, dict.fromkeys(range(4), 3), tries=8
    ),
    CardType.AT88SC1608: Chip(
        {**{number: Zone(256, 0, 256) for number in range(8)}, 8: Zone(128)},
        dict.fromkeys(range(16), 3),
        tries=8,
    ),
    CardType.MIFARE1K: Chip(
        {sector: Zone(48, 0 if sector else 16, 48) for sector in range(16)},
        dict.fromkeys(range(32), 6),
        tries=NO_COUNTER,
        raw_size=1024,
    ),
}
"""Families with zones; a CPU card has none."""
