"""Makes finished vendor folders (contract 1 §9) in build/vendors/ from the sample vendors in kiosk/drivers/vendors/.

A native driver is compiled from the folder's C files against icard.h and linked with nothing but the C library; a
Python driver is copied. conformance/blank.hex becomes blank.bin, and the driver's sha256 is written into vendor.toml.
What is up to date is left alone; a folder that is there is a finished one.
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys

from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.sdk.start import image_of, with_sha256
from kiosk.model.errors import ConfigFault

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "kiosk" / "drivers" / "vendors"
TARGET = ROOT / "build" / "vendors"
SDK = ROOT / "kiosk" / "drivers" / "sdk"
COMPILE = (
    "gcc -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,--no-undefined -Wl,--build-id=none"
)


def main(source: pathlib.Path = SOURCE, target: pathlib.Path = TARGET) -> int:
    """Exit status: 0 all are built · 1 at least one cannot be."""
    failures = 0
    for folder in sorted(path.parent for path in source.glob("*/vendor.toml")):
        finished, stamp = target / folder.name, target / f"{folder.name}.built"
        inputs = digest_of(folder, SDK / "icard.h", SDK / "start.py", pathlib.Path(__file__))
        if finished.is_dir() and stamp.is_file() and stamp.read_text() == f"{inputs} {digest_of(finished)}\n":
            continue
        print(f"· building {target.parent.name}/{target.name}/{folder.name}")
        part = target.with_name(f"{target.name}.part") / folder.name
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            build(folder, part)
        except (ConfigFault, OSError, ValueError, subprocess.CalledProcessError) as fault:
            print(f"  {folder}: {getattr(fault, 'stderr', '') or fault}", file=sys.stderr)
            failures += 1
            continue
        target.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(finished, ignore_errors=True)
        part.rename(finished)
        stamp.write_text(f"{inputs} {digest_of(finished)}\n")
    return 1 if failures else 0


def build(folder: pathlib.Path, part: pathlib.Path) -> None:
    """Fills ``part``, an empty folder. Raises ConfigFault, ValueError, OSError, CalledProcessError (the compiler's)."""
    toml = (folder / "vendor.toml").read_text("utf-8")
    (part / "vendor.toml").write_text(with_sha256(toml, "0" * 64), "utf-8")
    driver = load_manifest(part).driver
    if driver.kind == "native":
        sources = sorted(str(path.relative_to(folder)) for path in folder.glob("*.c"))
        command = [*COMPILE.split(), f"-I{SDK}", "-o", str(driver.path), *sources]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    else:
        shutil.copyfile(folder / driver.path.name, driver.path)
    sha256 = hashlib.sha256(driver.path.read_bytes()).hexdigest()
    (part / "vendor.toml").write_text(with_sha256(toml, sha256), "utf-8")
    shutil.copytree(
        folder / "conformance", part / "conformance", ignore=shutil.ignore_patterns("__pycache__", "blank.hex")
    )
    blank = folder / "conformance" / "blank.hex"
    if blank.is_file():
        (part / "conformance" / "blank.bin").write_bytes(image_of(blank.read_text("utf-8")))
    load_manifest(part, check_file=True)


def digest_of(*paths: pathlib.Path) -> str:
    """One digest over files and whole folders, by name and content; what Python compiled is left out."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                digest.update(f"{file.relative_to(path)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
