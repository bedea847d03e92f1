"""`kiosk driver new FOLDER [--c]` and `kiosk driver seal FOLDER`: a first folder for a vendor, and its sha256.

``new`` copies ``sample/`` under the vendor's own name: abbreviation, exported names, mark, secret. ``seal`` writes what
is known only of a finished folder: conformance/blank.bin, and the driver's sha256 in vendor.toml.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from kiosk.drivers.manifest import load_manifest
from kiosk.model.errors import ConfigFault

SAMPLE, HEADER = Path(__file__).parent / "sample", Path(__file__).parent / "icard.h"
ABBR = re.compile(r"[a-z][a-z0-9]{2,15}")
CODE = re.compile(r"[0-9A-Fa-f]{4}")
SHA256_LINE = re.compile(r'^(sha256\s*=\s*")[^"]*(")', re.MULTILINE)


def main_new(arguments: Sequence[str], out: TextIO = sys.stdout) -> int:
    """`kiosk driver new …`. Exit status: 0 made · 2 it cannot be made there, under that name."""
    parser = argparse.ArgumentParser("kiosk driver new", description="A copy of the sample vendor, to begin with.")
    parser.add_argument("folder", type=Path, help="to be made; its name is the abbreviation, in lower case")
    parser.add_argument("--c", action="store_true", help="a native driver instead of one in Python")
    parser.add_argument("--code", default="00F0", metavar="HHHH", help="the vendor code, four hex digits")
    given = parser.parse_args(arguments)
    try:
        new(given.folder, native=given.c, code=given.code)
    except ConfigFault as fault:
        out.write(f"{fault}\n")
        return 2
    out.write(f"{given.folder}: a copy of the sample vendor; all of it is yours to change\n")
    return 0


def main_seal(arguments: Sequence[str], out: TextIO = sys.stdout) -> int:
    """`kiosk driver seal …`. Exit status: 0 done · 2 the folder cannot be used."""
    parser = argparse.ArgumentParser("kiosk driver seal", description="Writes the driver's sha256 into vendor.toml.")
    parser.add_argument("folder", type=Path, help="the vendor's folder, vendor.toml in it")
    given = parser.parse_args(arguments)
    try:
        sha256 = seal(given.folder)
    except (ConfigFault, OSError, ValueError) as fault:
        out.write(f"{fault}\n")
        return 2
    out.write(f"sha256 {sha256}\n")
    return 0


def new(folder: Path, *, native: bool, code: str = "00F0") -> None:
    """Copies the sample. ConfigFault F-703: a folder that is there already, or a name that is no abbreviation."""
    name = folder.name
    if not ABBR.fullmatch(name):
        raise ConfigFault("F-703", f"{folder}: the name must be 3 to 16 small letters and digits, a letter first")
    if not CODE.fullmatch(code):
        raise ConfigFault("F-703", f"the vendor code {code!r} is not four hex digits")
    try:
        (folder / "conformance").mkdir(parents=True)
        for part in ("vendor.toml", "conformance/blank.toml", "conformance/blank.hex", "conformance/meter.py"):
            (folder / part).write_text(_renamed(SAMPLE / part, name, code), "utf-8")
        if native:
            shutil.copyfile(HEADER, folder / "icard.h")
            (folder / f"{name}.c").write_text(_renamed(SAMPLE / "smp.c", name, code), "utf-8")
        else:
            (folder / "driver.py").write_text(_renamed(SAMPLE / "driver.py", name, code), "utf-8")
        toml = (folder / "vendor.toml").read_text("utf-8")
        (folder / "vendor.toml").write_text(_of_kind(toml, native, name), "utf-8")
        _write_blank(folder)
        if not native:  # a library has to be built first
            seal(folder)
    except (OSError, ValueError) as fault:
        raise ConfigFault("F-703", f"{folder}: {fault}") from fault


def seal(folder: Path) -> str:
    """Writes blank.bin from blank.hex, where there is one, and the driver's sha256, which it returns.

    ConfigFault F-703 where vendor.toml is wrong, ValueError where it has no line for the sum or blank.hex makes no
    sense, OSError where the driver is not there.
    """
    manifest = load_manifest(folder)
    _write_blank(folder)
    sha256 = hashlib.sha256(manifest.driver.path.read_bytes()).hexdigest()
    file = folder / "vendor.toml"
    file.write_text(with_sha256(file.read_text("utf-8"), sha256), "utf-8")
    return sha256


def with_sha256(toml: str, sha256: str) -> str:
    """A vendor.toml that names this sum instead of its own. ValueError where there is not one line for it."""
    named, found = SHA256_LINE.subn(rf"\g<1>{sha256}\g<2>", toml)
    if found != 1:
        raise ValueError(f'vendor.toml has {found} lines sha256 = "…", not one')
    return named


def image_of(text: str) -> bytes:
    """The image a blank.hex describes. ValueError names the line that makes no sense.

    ``bytes N`` and ``filler BB`` come first, then ``at A  BB BB …   words``; numbers are hexadecimal, # is a comment.
    """
    image = bytearray()
    size = 0
    for line in text.splitlines():
        told = re.fullmatch(
            r"(?:(bytes|filler|at)\s+([0-9A-F]+)((?:\s+[0-9A-F]{2}\b)*)(?:\s{2,}.*)?)?\s*(?:#.*)?", line
        )
        if told is None:
            raise ValueError(f"blank.hex: {line!r} makes no sense")
        what, number, content = told[1], int(told[2] or "0", 16), bytes.fromhex(told[3] or "")
        if what == "bytes":
            size = number
        elif what == "filler":
            image = bytearray((number,)) * size
        elif what == "at":
            if not content or number + len(content) > len(image):
                raise ValueError(f"blank.hex: {line!r} does not fit into {len(image):X} bytes")
            image[number : number + len(content)] = content
    return bytes(image)


def _write_blank(folder: Path) -> None:
    page = folder / "conformance" / "blank.hex"
    if page.is_file():
        (folder / "conformance" / "blank.bin").write_bytes(image_of(page.read_text("utf-8")))


def _renamed(file: Path, name: str, code: str) -> str:
    """The sample's text for another vendor: the mark is the first three letters, so is the secret."""
    tag = name[:3].upper()
    raw = tag.encode()
    changes = {
        'b"SMP\\x01"': f'b"{tag}\\x01"', "'S', 'M', 'P'": ", ".join(f"'{letter}'" for letter in tag),
        "53 4D 50": raw.hex(" ").upper(), "534D50": raw.hex().upper(), '"SMP", layout': f'"{tag}", layout',
        "SMP": name.upper(), "smp": name, "00F0": code.upper(),
    }  # fmt: skip
    text = file.read_text("utf-8")
    for old, mine in changes.items():
        text = text.replace(old, mine)
    return text


def _of_kind(toml: str, native: bool, name: str) -> str:
    if not native:
        return toml
    changes = {
        'kind = "python"                       # or "native"': 'kind = "native"                       # or "python"',
        f'file = "driver.py"                    # or "lib{name}.so"': f'file = "lib{name}.so"',
    }
    for old, mine in changes.items():
        if old not in toml:
            raise ValueError(f"the sample's vendor.toml has no line {old!r}")
        toml = toml.replace(old, mine)
    return toml
