"""`make run SCRIPT=1` as the README says, with one more vendor's folder added and no code changed; a serial reader;
another note acceptor."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from stage import BUILT, KEYPADS, ROOT, VENDORS, Customer, entries, nothing_is_lost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "drivers" / "sdk"))

from kit_bench import write_folder

from kiosk.desk import script
from kiosk.devices.acceptor.ssp.voice import SspVoice
from kiosk.drivers.manifest import load_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTES_FEN, FIRST_FEN = 5000, 4150  # what the script pays in a visit; in the first one, with coins


def abbrs(folders):
    return [load_manifest(folder).vendor.abbr for folder in folders]


def test_a_visit_per_vendor_leaves_what_the_readme_names(tmp_path):
    one_more = write_folder(tmp_path / "tst")
    served = abbrs([*VENDORS.values(), one_more, *KEYPADS.values()])  # cards first
    assert set(abbrs(BUILT.values())) - set(served) == {"YHD"}  # an old driver has no place at a PC/SC reader
    command = [sys.executable, "-m", "kiosk", "demo", "--script", "--folder", tmp_path, "--vendor", one_more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "demo"
    summary = json.loads((out / "summary.json").read_text())
    assert [visit["vendor"] for visit in summary["visits"]] == served
    assert summary["disagreements"] == []
    assert summary["balances_fen"]["cash:box"] == FIRST_FEN + (len(served) - 1) * NOTES_FEN
    for number in range(1, len(served) + 1):
        assert Image.open(out / f"receipt-{number}.png").width == 576
        assert (out / f"receipt-{number}.txt").read_text().startswith("PK1:")
    for name in ("export/checkpoint", "export/checkpoint.hq", "kiosk.vkey", "hq.vkey"):
        assert (out / name).stat().st_size > 50
    shown = {picture.stem.split("-", 1)[1] for picture in (out / "screens").glob("*.png")}
    assert {"attract-zh-CN", "account-zh-CN", "amount-zh-CN", "cash-zh-CN", "done-zh-CN"} <= shown
    keys = ["--key", str(out / "kiosk.vkey")]
    verify = [sys.executable, "-m", "kiosk", "ledger", "verify", str(out / "export"), *keys]
    assert subprocess.run(verify, cwd=ROOT, capture_output=True).returncode == 0


def test_a_visit_with_coins_on_another_protocol(stage, tmp_path):
    world, _ = stage(BUILT["rdk"], acceptor="ssp", office=False)
    out = tmp_path / "demo"
    out.mkdir()
    assert script.play(world, out) == 0
    coins = [entry.data["fen"] for entry in entries(world) if entry.kind == "coin.credited"]
    assert coins == [100, 50] and world.box_fen() == FIRST_FEN
    assert json.loads((out / "summary.json").read_text())["balances_fen"]["cash:box"] == FIRST_FEN
    assert isinstance(world.acceptor.voice, SspVoice) and nothing_is_lost(world, world.cards[0]) == 0


def test_a_card_of_the_old_kind_is_served_at_a_serial_reader(stage):
    world, power = stage(BUILT["yhd"], reader="serial")
    (card,) = world.cards
    power.start()
    assert Customer(world, card, (NOTES_FEN,)).visit() == "done-zh-CN"
    assert card.reading().amount_fen == NOTES_FEN
    assert nothing_is_lost(world, card) == 0
