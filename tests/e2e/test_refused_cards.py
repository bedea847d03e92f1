"""Cards and drivers that cannot be served: each ends in a page of its own that says so, and nothing is written."""

import copy
import hashlib
import subprocess

import pytest
from stage import ROOT, VENDORS, Customer, entries

from kiosk.desk.cards import open_card
from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.model.cardport import CardPortError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGES = {"crashes": (1, "D-301"), "hangs": (2, "D-302"), "talks nonsense": (3, "D-303")}
MANIFEST = """
[vendor]
code = "{code}"
abbr = "BAD"
name = {{ zh = "坏", en = "Bad" }}
[driver]
kind = "native"
file = "libbad.so"
sha256 = "{sha256}"
access = "api"
timeout_ms = 1500
[[card]]
type = "SLE4428"
mark = [{{ zone = 0, addr = 40, hex = "4241440{behaviour}" }}]
[sale]
regions = ["420100"]
amount_min_fen = 100
amount_max_fen = 500000
password = ""
"""


def bad_vendor(folder, behaviour):
    """A vendor's folder whose native driver misbehaves so."""
    folder.mkdir()
    library = folder / f"lib{'abc'[behaviour - 1]}bad.so"
    abbr, code = f"{'ABC'[behaviour - 1]}BAD", f"00B{behaviour}"
    source = (ROOT / "tests" / "e2e" / "bad_driver.c").read_text().replace("BADIcard", f"{abbr}Icard")
    (folder / "driver.c").write_text(source)
    words = [f"-DBEHAVIOUR={behaviour}", f"-DCODE='{behaviour}'", f"-I{ROOT / 'kiosk' / 'drivers' / 'sdk'}"]
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *words, "-o", library, folder / "driver.c"], check=True)
    sha256 = hashlib.sha256(library.read_bytes()).hexdigest()
    manifest = MANIFEST.format(code=code, sha256=sha256, behaviour=behaviour).replace("BAD", abbr)
    (folder / "vendor.toml").write_text(manifest.replace("libbad.so", library.name))
    return folder


def bad_card(behaviour):
    memory = bytearray(b"\xff" * 1024)
    memory[40:44] = bytes.fromhex(f"4241440{behaviour}")
    return Sle4428(bytes(memory), b"\xff\xff")


def unknown():
    return Sle4442(b"\xff" * 256, b"\xff" * 3)


def locked(chip):
    chip = copy.deepcopy(chip)
    for _ in range(2):
        with pytest.raises(CardPortError):
            chip.verify(0, b"\x00\x01\x02")
    return chip  # with one try left, which is not risked


def test_each_ends_in_a_page_of_its_own(stage, tmp_path):
    bad = [bad_vendor(tmp_path / f"bad{number}", number) for number, _ in PAGES.values()]
    world, power = stage(VENDORS["rdk"], others=bad)
    good = world.cards[0]
    cases = {"C-101": unknown(), "C-106": locked(good.chip), "C-103": of_another_region(good), "C-107": damaged(good)}
    cases |= {code: bad_card(number) for number, code in PAGES.values()}
    power.start()
    eyes = Customer(world, good, ()).eyes
    world.wait_until(lambda: eyes.page.startswith("attract"), 30, "the first page")
    for code, chip in cases.items():
        before = chip.image()
        world.slot.insert(AcsFace(chip))
        world.wait_until(lambda code=code: code in eyes.page, 30, f"the page of {code}")
        assert eyes.page.startswith(("refused", "account")), eyes.page
        world.slot.remove()
        chip.reset()
        assert chip.image() == before, code
        world.wait_until(lambda: eyes.page.startswith("attract"), 30, "the kiosk to be free again")
    assert not [entry for entry in entries(world) if entry.kind.startswith(("sale", "note", "write"))]
    assert Customer(world, good, (2000,)).visit() == "done-zh-CN"  # and the next customer is served


def of_another_region(card):
    """A card like this one, issued elsewhere."""
    return open_card(card.manifest.folder, card.customer, card.meter.number, region="430100").chip


def damaged(card):
    """One bit of the header is wrong."""
    memory = bytearray(card.chip.image()[:256])
    memory[50] ^= 0x01
    return Sle4442(bytes(memory), b"\xff" * 3)
