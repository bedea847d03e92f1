"""The vendor's folder as the kit needs it: vendor.toml and conformance/, contract 1 §9."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from kiosk.drivers.host import is_password
from kiosk.drivers.manifest import CardMark, Manifest, load_manifest
from kiosk.model.cardport import CardPort, VirtualCard
from kiosk.model.chip import CHIPS, Chip
from kiosk.model.errors import ConfigFault

CardMaker = Callable[[str, bytes, bytes], VirtualCard]
"""(type name, image as in blank.bin, secret) → a virtual chip. Handed in: the kit knows no chip itself."""
CpuCardMaker = Callable[[Any], VirtualCard]
"""(an object of conformance/card.py's class Card) → the same face as the other virtual chips."""


class ReaderLine(Protocol):
    """A serial reader of software, for drivers of the old kind, which talk to the reader themselves."""

    def show(self, card: CardPort | None) -> None:
        """What is in its slot from now on."""

    def lend(self, baud: int) -> AbstractContextManager[int]:
        """As ``LendLine``."""

    def close(self) -> None:
        """Ends it."""


LineMaker = Callable[[], ReaderLine]
"""Handed in, too."""


@dataclass(frozen=True, slots=True)
class VendorFolder:
    """One vendor: its manifest, and what conformance/ adds. It describes one blank card; where vendor.toml has several
    ``[[card]]``, that is the one tried."""

    manifest: Manifest
    password: str
    secret: bytes
    blank: bytes  # its zones (kiosk/model/chip.py), empty for CPU cards and keypads
    tried: int = 0  # which [[card]]

    @property
    def type_name(self) -> str:
        """The card on the bench, as vendor.toml names it; "" for a keypad vendor."""
        return self.mark.type.name if self.manifest.cards else ""

    @property
    def mark(self) -> CardMark:
        """The mark of that card."""
        return self.manifest.cards[self.tried]

    @property
    def chip(self) -> Chip | None:
        """The memory family's measures; None for CPU cards and keypads."""
        return CHIPS.get(self.mark.type) if self.manifest.cards else None

    @property
    def conformance(self) -> Path:
        """The folder with what the kit needs."""
        return self.manifest.folder / "conformance"


def load_folder(path: Path) -> VendorFolder:
    """Reads manifest and conformance/. Raises ConfigFault F-703; a missing conformance file has a rule of its own."""
    manifest = load_manifest(path, check_file=True)
    conformance = manifest.folder / "conformance"
    blank_toml, blank_bin = conformance / "blank.toml", conformance / "blank.bin"
    try:
        told = tomllib.loads(blank_toml.read_text("utf-8")) if blank_toml.is_file() else {}
        blank = blank_bin.read_bytes() if blank_bin.is_file() else b""
    except (OSError, ValueError) as fault:  # a TOMLDecodeError is a ValueError
        raise ConfigFault("F-703", f"{blank_toml}: {fault}") from fault
    password, secret = told.get("password", ""), told.get("secret", "")
    if not isinstance(password, str) or not is_password(password):
        raise ConfigFault("F-703", f"{blank_toml}: 'password' must be printable ASCII, at most 256 characters")
    try:
        key = bytes.fromhex(secret)
    except (TypeError, ValueError) as fault:
        raise ConfigFault("F-703", f"{blank_toml}: 'secret' must be hex digits in quotes, as \"FFFF\"") from fault
    tried = _described(manifest, conformance, len(blank))
    return VendorFolder(manifest, password, key, blank, tried)


def no_bench(type_name: str, path: Path) -> ConfigFault:
    """There is no virtual card of that family."""
    return ConfigFault("F-703", f"{path}: there is no virtual {type_name} to check a driver on yet; nothing was tried")


def _described(manifest: Manifest, conformance: Path, size: int) -> int:
    """Which [[card]] conformance/ has a blank card of: by card.py, or by the length of blank.bin; else the first."""
    names = [card.type.name for card in manifest.cards]
    if "CPU" in names and (conformance / "card.py").is_file():
        return names.index("CPU")
    chips = [CHIPS.get(card.type) for card in manifest.cards]
    return next((at for at, chip in enumerate(chips) if chip and size in (chip.image_size, chip.raw_size or -1)), 0)


def load_python(path: Path) -> ModuleType:
    """A module of conformance/, under a name of its own. Raises ConfigFault F-703."""
    name = f"conformance_{path.parent.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigFault("F-703", f"{path} is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # meter.py may import its neighbours, card.py for one
    try:
        spec.loader.exec_module(module)
    except Exception as fault:
        raise ConfigFault("F-703", f"{path}: {type(fault).__name__}: {fault}") from fault
    finally:
        sys.path.remove(str(path.parent))
    return module
