"""`kiosk demo`: head office, the kiosk and the desk; on a display to play with, or as a scripted visit per vendor."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kiosk.desk.town import lay_out
from kiosk.desk.world import World, has_cards
from kiosk.devices.acceptor.protocols import NOTE_PROTOCOLS
from kiosk.drivers.manifest import load_manifest
from kiosk.model.errors import KioskError

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {
    "pcsc": "no PC/SC reader serves its cards; a reader on a serial line does: --reader serial, make run READER=serial",
    "serial": "a reader on a serial line does not serve CPU cards; leave --reader serial out",
}


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 all went well · 1 something disagrees or does not start."""
    parser = argparse.ArgumentParser("kiosk demo", description="The whole system on this machine.")
    parser.add_argument("--script", action="store_true", help="play a visit per vendor, without a display")
    parser.add_argument("--folder", type=Path, default=ROOT / "build", help="where it works; default: build/")
    parser.add_argument("--vendor", type=Path, action="append", help="one more vendor's folder (may be repeated)")
    parser.add_argument("--reader", choices=("pcsc", "serial"), default="pcsc", help="the kiosk's card reader")
    parser.add_argument("--acceptor", choices=tuple(NOTE_PROTOCOLS), default="ccnet", help="its note acceptor")
    given = parser.parse_args(arguments)
    samples = sorted(path.parent for path in (ROOT / "build" / "vendors").glob("*/vendor.toml"))
    vendors = [*samples, *(given.vendor or ())]
    try:
        for manifest in map(load_manifest, given.vendor or ()):
            if not manifest.keypad and not has_cards(manifest, given.reader):
                sys.stderr.write(f"{manifest.vendor.abbr}: {NEEDS[given.reader]}\n")
                return 1
        if given.script or not os.environ.get("DISPLAY"):
            return _scripted(given.folder / "demo", vendors, given.reader, given.acceptor)
        return _played(given.folder / "world", vendors, given.reader, given.acceptor)
    except (KioskError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _scripted(out: Path, vendors: Sequence[Path], reader: str, acceptor: str) -> int:
    from kiosk.desk import script  # noqa: PLC0415

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    town = lay_out(out / "town", vendors, out / "screens", reader=reader, acceptor=acceptor)
    with World(town, offscreen=True) as world:
        try:
            return script.play(world, out)
        except TimeoutError as error:
            sys.stderr.write(
                f"{error}\n--- kiosk\n{world.kiosk.last_words()}\n--- head office\n{world.office.last_words()}\n"
            )
            return 1


def _played(folder: Path, vendors: Sequence[Path], reader: str, acceptor: str) -> int:
    from kiosk.screens.window import prepare_window  # noqa: PLC0415

    prepare_window(760, 900, left=1040, top=40)
    from kiosk.desk.window import DeskApp  # noqa: PLC0415 - Kivy reads its settings when imported

    shutil.rmtree(folder, ignore_errors=True)  # the cards are new, so is the town
    with World(lay_out(folder, vendors, folder / "screens", reader=reader, acceptor=acceptor)) as world:
        world.open_office()
        world.kiosk.start()
        DeskApp(world).run()
    return 0
