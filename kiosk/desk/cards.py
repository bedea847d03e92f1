"""The customers' cards and meters of the desk: any vendor's folder serves, for its own driver opens the card (开户)
and its own conformance/meter.py is the meter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from kiosk.devices.reader.faces import face_of
from kiosk.devices.reader.serial.bench import BenchLine
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.vpcd import CardFace
from kiosk.drivers.answer import DriverRefusal
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.driver import Driver
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.sdk.kit.folder import VendorFolder, load_folder, load_python
from kiosk.model.card import CardReading, CardType, Unit
from kiosk.model.cardport import VirtualCard
from kiosk.model.errors import ConfigFault

BYTE_MS = 5  # a memory card takes its time, at the desk, too


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter on the wall, as its vendor wrote it."""

    number: str
    behaviour: ModuleType

    def insert(self, card: VirtualCard, *, use: int = 0) -> dict[str, int]:
        """The card into the meter for three seconds; ``use``: used up since the last time, in the card's unit."""
        card.reset()
        told: dict[str, int] = self.behaviour.insert(card, seconds=3, use=use)
        return told


@dataclass(slots=True)
class CustomerCard:
    """A card somebody owns: the chip, the face it shows to a reader, and the meter it belongs to."""

    manifest: Manifest
    password: str = field(repr=False)
    chip: VirtualCard
    face: CardFace
    customer: str
    meter: Meter
    unit: Unit = Unit.MONEY  # what card and meter count

    def reading(self) -> CardReading:
        """What the vendor's driver reads from it, at the office."""
        with _office(self.manifest, self.password, self.chip) as driver:
            self.chip.reset()
            return driver.read(self.chip)


@contextmanager
def _office(manifest: Manifest, password: str, chip: VirtualCard) -> Iterator[Driver]:
    """The vendor's own selling program at the office; one of the old kind has its own reader there, too."""
    with ExitStack() as undo:
        lend = None
        if manifest.driver.access == "serial":
            line = BenchLine()
            undo.callback(line.close)
            line.show(chip)
            lend = line.lend
        driver = Driver(manifest, password, lend)
        undo.callback(driver.close)
        yield driver


def open_card(path: Path, customer: str, meter: str, region: str = "") -> CustomerCard:
    """A blank card of the vendor, opened for a customer; without a ``region`` in the first one the vendor sells in.

    Raises KioskError if the driver will not.
    """
    folder = load_folder(path)
    chip, face = blank_card(folder)
    behaviour = load_python(folder.conformance / "meter.py")
    card = CustomerCard(folder.manifest, folder.password, chip, face, customer, Meter(meter, behaviour))
    items = {
        DI.REGION: region or folder.manifest.sale.regions[0],
        DI.CUSTOMER: customer,
        DI.METER: meter,
        DI.WHEN: "20261101090000",
        DI.TERMINAL: "office",
    }
    with _office(folder.manifest, folder.password, chip) as driver:
        card.unit = driver.describe().unit
        chip.reset()
        answer = driver.execute(Command.OPEN, items, chip)
    if isinstance(answer, DriverRefusal):
        raise ConfigFault("F-703", f"{path}: the driver does not open its own blank card: {answer}")
    return card


def blank_card(folder: VendorFolder) -> tuple[VirtualCard, CardFace]:
    """A new card as the vendor's conformance/ describes it: the chip, and the face it shows to a reader."""
    if folder.mark.type is CardType.CPU:
        card = VirtualCpuCard(load_python(folder.conformance / "card.py").Card())
        return card, face_of(card)
    chip = memory_card(folder.type_name, folder.blank, folder.secret)
    return chip, face_of(chip, BYTE_MS)
