"""Contract 1 §9: the vendor's folder."""

from __future__ import annotations

import ast
import inspect
import sys
from types import ModuleType
from typing import Any

from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_python
from kiosk.drivers.sdk.kit.rules_card import mark_matches
from kiosk.drivers.sdk.kit.verdict import Blocked, RuleBroken, demand
from kiosk.model.cardport import CardPortError
from kiosk.model.chip import Chip
from kiosk.model.errors import ConfigFault

PYTHON_ALLOWED = "kiosk.drivers.sdk"
C_LIBRARY = ("libc.", "libm.", "libpthread.", "librt.", "libdl.", "ld-linux", "ld-musl", "linux-vdso")

IN_PUBLIC = (
    "; a mark is looked for without a secret (§4.12), so key A of its sector must be a public one: A0A1A2A3A4A5, "
    "FFFFFFFFFFFF or D3F7D3F7D3F7, in blank.bin of 1024 bytes or as secret (docs/add-a-vendor.md, section 6)"
)


def rule_conformance_files(bench: Bench) -> None:
    """blank.toml, and for cards meter.py and blank.bin (memory) or card.py (CPU); the mark matches the blank card."""
    folder = bench.folder
    wanted = ["blank.toml"]
    if folder.type_name:
        wanted += ["meter.py", "card.py" if folder.type_name == "CPU" else "blank.bin"]
    for name in wanted:
        demand((folder.conformance / name).is_file(), "conformance/", name, "it is not there")
    chip = folder.chip
    if chip is not None:
        what = "conformance/blank.bin"
        sizes = (chip.image_size, *((chip.raw_size,) if chip.raw_size else ()))
        wanted_size = " or ".join(map(str, sizes))
        fits = len(folder.blank) in sizes
        demand(fits, what, f"{wanted_size} bytes ({folder.type_name})", f"{len(folder.blank)}", _zones_in_words(chip))
        what, got = "conformance/blank.toml: secret", f"{len(folder.secret)} bytes" if folder.secret else "none"
        # an image with trailers has its keys in it
        fits = len(folder.secret) == chip.secrets.get(0, 0) or len(folder.blank) == chip.raw_size or not chip.secrets
        demand(fits, what, f"{chip.secrets.get(0, 0)} bytes in hex ({folder.type_name})", got)
    if len(folder.manifest.cards) > 1:
        others = [card.type.name for at, card in enumerate(folder.manifest.cards) if at != folder.tried]
        text = f"conformance/ describes a blank {folder.type_name}: [[card]] {', '.join(others)} not tried"
        bench.remarks.append(text)
    if folder.type_name:
        try:
            matches = mark_matches(bench, bench.blank_card())
        except (Blocked, ConfigFault, CardPortError) as fault:
            raise RuleBroken("the blank card of conformance/", "a card that can be read", str(fault)) from fault
        keyed = folder.chip is not None and folder.chip.keyed
        hint = f"vendor.toml and conformance/ must agree{IN_PUBLIC if keyed else ''}"
        demand(matches, "the mark on the blank card", "a match", "none", hint)

    if folder.type_name:
        _meter_fits(_meter(bench), "insert", "def insert(icdev, seconds=3, use=0)", seconds=3, use=0)
    elif (folder.conformance / "meter.py").is_file():
        _meter_fits(_meter(bench), "enter", "def enter(meter, token)", token="")


def _meter(bench: Bench) -> ModuleType:
    try:
        return load_python(bench.folder.conformance / "meter.py")
    except ConfigFault as fault:
        raise RuleBroken("conformance/meter.py", "a module that can be loaded", str(fault)) from fault


def _zones_in_words(chip: Chip) -> str:
    return "zones in order: " + ", ".join(f"zone {number} {zone.size} bytes" for number, zone in chip.own)


def _meter_fits(module: ModuleType, name: str, wanted: str, **arguments: object) -> None:
    """The function that plays the meter can be called as §9, or for keypads docs/add-a-vendor.md, says."""
    what = "conformance/meter.py"
    function: Any = getattr(module, name, None)
    demand(callable(function), what, wanted, "no such function")
    try:
        inspect.signature(function).bind(None, **arguments)
    except TypeError as fault:
        raise RuleBroken(what, wanted, str(fault)) from fault


def rule_stands_alone(bench: Bench) -> None:
    """Python: imports from the standard library and kiosk.drivers.sdk only. Native: loads the C library only."""
    driver = bench.folder.manifest.driver
    path = driver.path
    if driver.kind == "python":
        for name in _imports(path.read_text("utf-8")):
            stands = name == PYTHON_ALLOWED or name.partition(".")[0] in sys.stdlib_module_names
            demand(stands, f"import {name}", "the standard library or kiosk.drivers.sdk", "something else")
    else:
        for name in needed(path.read_bytes()):
            demand(name.startswith(C_LIBRARY), path.name, "no library but the C library", name)


def _imports(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or ".")
    return found


def needed(elf: bytes) -> list[str]:
    """DT_NEEDED of a little-endian ELF file, 32 or 64 bits; [] when it is another kind of file."""
    if elf[:4] != b"\x7fELF" or elf[5] != 1:
        return []
    wide = elf[4] == 2
    word = 8 if wide else 4
    table = _word(elf, 40 if wide else 32, word)
    size, count = (_word(elf, at, 2) for at in ((58, 60) if wide else (46, 48)))
    sections = [elf[table + index * size : table + (index + 1) * size] for index in range(count)]
    found: list[str] = []
    for section in sections:
        if _word(section, 4, 4) != 6:  # SHT_DYNAMIC
            continue
        offset_at, size_at, link_at = (24, 32, 40) if wide else (16, 20, 24)
        at, length = _word(section, offset_at, word), _word(section, size_at, word)
        names = _word(sections[_word(section, link_at, 4)], offset_at, word)
        for entry in range(at, at + length, 2 * word):
            tag, value = _word(elf, entry, word), _word(elf, entry + word, word)
            if tag == 1:  # DT_NEEDED
                start = names + value
                found.append(elf[start : elf.index(b"\0", start)].decode("ascii", "replace"))
    return found


def _word(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
