"""Every vendor this kiosk serves, and the proof that no card can be taken for two of them.

Two marks of one chip family are kept apart by a byte both look at and want different. For memory cards a byte is a
zone and an address. For CPU cards the answer to an APDU is fixed only by everything the card was told since its reset,
so a byte is: the APDUs before, the APDU, a place in the answer. Three APDU histories count as the same:

- byte for byte the same APDUs;
- the same but for READ BINARY by short file identifier (P1 bit 8 set), which moves no directory; such reads of one
  file are compared by their place in the file, whatever their offsets and lengths;
- for a READ BINARY without identifier: the same APDUs before, again compared by place in the file.

All else is taken as able to match on one card, and then the two vendors are refused together (contract 1 §9). That
errs on the safe side: two marks that look at different files of a CPU card can both be on one card, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from kiosk.drivers.answer import Description
from kiosk.drivers.manifest import CardMark, Manifest, MarkApdu, load_manifest
from kiosk.model.card import CardType, Vendor
from kiosk.model.errors import ConfigFault

Place = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """Manifests that can live together, in the order of the configuration."""

    manifests: tuple[Manifest, ...]

    def by_code(self, code: str) -> Manifest:
        """The vendor with that code. KeyError if there is none."""
        for manifest in self.manifests:
            if manifest.vendor.code == code.upper():
                return manifest
        raise KeyError(code)


def load_registry(folders: Iterable[Path], *, check_files: bool = False) -> Registry:
    """All vendors' folders. ConfigFault F-703 lists every mistake of every file, codes and abbreviations used twice,
    and vendors whose marks can both match one card.
    """
    manifests: list[Manifest] = []
    mistakes: list[str] = []
    for folder in folders:
        try:
            manifests.append(load_manifest(folder, check_file=check_files))
        except ConfigFault as fault:
            mistakes += [str(argument) for argument in fault.args]
    for one, other in combinations(manifests, 2):
        mistakes += _conflicts(one, other)
    if mistakes:
        raise ConfigFault("F-703", "\n".join(mistakes))
    return Registry(tuple(manifests))


def vendor_of(manifest: Manifest, description: Description) -> Vendor:
    """The vendor as the rest of the kiosk sees it. ConfigFault F-703 when driver and manifest are not one vendor's."""
    code = manifest.vendor.code
    mistakes = []
    if description.vendor_code != code:
        mistakes.append(f"the driver says its vendor code is {description.vendor_code}, vendor.toml says {code}")
    unserved = [card.type.name for card in manifest.cards if card.type not in description.card_types]
    if unserved and description.card_types:
        mistakes.append(f"the driver does not serve {', '.join(unserved)}")
    if mistakes:
        raise ConfigFault("F-703", f"{manifest.folder}: " + "; ".join(mistakes))
    return Vendor(
        code=code,
        abbr=manifest.vendor.abbr,
        name_zh=manifest.vendor.zh,
        name_en=manifest.vendor.en,
        unit=description.unit,
        may_stack=description.may_stack,
        regions=manifest.sale.regions,
        amount_min_fen=manifest.sale.amount_min_fen,
        amount_max_fen=manifest.sale.amount_max_fen,
        keypad=manifest.keypad,
    )


def can_both_match(one: CardMark, other: CardMark) -> bool:
    """Whether some card can carry both marks, as far as can be told (see the module)."""
    if one.type is not other.type:
        return False
    wanted = _wanted(one)
    return all(wanted.get(place, byte) == byte for place, byte in _wanted(other).items())


def _conflicts(one: Manifest, other: Manifest) -> list[str]:
    names = f"{one.folder} and {other.folder}"
    found = []
    if one.vendor.code == other.vendor.code:
        found.append(f"{names}: both have vendor code {one.vendor.code}")
    if one.vendor.abbr == other.vendor.abbr:
        found.append(f"{names}: both have the abbreviation {one.vendor.abbr}")
    found += [
        f"{names}: one {mine.type.name} card can carry both marks, nothing both look at differs ({_reason(mine)})"
        for mine in one.cards
        for theirs in other.cards
        if can_both_match(mine, theirs)
    ]
    return found


def _reason(mark: CardMark) -> str:
    if mark.type is CardType.CPU:
        return "CPU marks are kept apart only by different answers to the same APDUs since reset"
    return "memory marks are kept apart only by a byte of one zone and address"


def _wanted(mark: CardMark) -> dict[Place, int]:
    """Place → the byte it must have."""
    wanted: dict[Place, int] = {
        (part.zone, part.addr + at): byte for part in mark.memory for at, byte in enumerate(part.content)
    }
    told: list[bytes] = []  # every APDU so far
    moved: list[bytes] = []  # those that may have changed the directory
    for part in mark.cpu:
        history, first = _history(part, tuple(told), tuple(moved))
        wanted |= {(history, first + at): byte for at, byte in enumerate(part.begins)}
        told.append(part.apdu)
        if not _reads_by_identifier(part.apdu):
            moved.append(part.apdu)
    return wanted


def _history(part: MarkApdu, told: tuple[bytes, ...], moved: tuple[bytes, ...]) -> tuple[Place, int]:
    """What fixes the answer, and where in it (or in the file) the answer's first byte stands."""
    apdu = part.apdu
    if _reads_by_identifier(apdu):
        return (moved, apdu[0], apdu[2]), apdu[3]
    if apdu[1] == 0xB0:
        return (told, apdu[0], "current file"), apdu[2] << 8 | apdu[3]
    return (told, apdu), 0


def _reads_by_identifier(apdu: bytes) -> bool:
    return apdu[1] == 0xB0 and bool(apdu[2] & 0x80)
