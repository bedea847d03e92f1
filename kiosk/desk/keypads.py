"""The meters with keypads on the desk's wall: a customer has no card, only a number and a slip with digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kiosk.drivers.manifest import Manifest
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.model.card import KeypadCustomer, Unit

FIRST_CUSTOMER, FIRST_METER = 30_000_001, 71_000_001


@dataclass(frozen=True, slots=True)
class KeypadMeter:
    """A meter as its vendor wrote it (``enter`` of conformance/meter.py), and whose it is."""

    manifest: Manifest
    customer: str
    number: str
    behaviour: ModuleType
    unit: Unit = Unit.ENERGY

    def enter(self, digits: str) -> dict[str, Any]:
        """The digits, keyed in: accepted, count, remaining (0.01 kWh), said."""
        told: dict[str, Any] = self.behaviour.enter(self.number, digits)
        return told


def who_has(number: int, manifest: Manifest) -> KeypadCustomer:
    """The desk's customer number ``number`` (from 0) of that vendor, as head office lists it."""
    customer, meter = str(FIRST_CUSTOMER + number), str(FIRST_METER + number)
    return KeypadCustomer(manifest.vendor.code, customer, meter, manifest.sale.regions[0], 0)


def hang_up(number: int, path: Path) -> KeypadMeter:
    """The meter of ``who_has``. Raises ConfigFault F-703 when the vendor's folder has none."""
    folder = load_folder(path)
    who = who_has(number, folder.manifest)
    behaviour = load_python(folder.conformance / "meter.py")
    return KeypadMeter(folder.manifest, who.customer, who.meter, behaviour)
