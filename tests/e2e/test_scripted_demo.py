"""`make run SCRIPT=1` as the README says, with a third vendor's folder added and no code changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from stage import ROOT

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "drivers" / "sdk"))

from kit_bench import write_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_visit_per_vendor_leaves_what_the_readme_names(tmp_path):
    third = write_folder(tmp_path / "tst")
    command = [sys.executable, "-m", "kiosk", "demo", "--script", "--folder", tmp_path, "--vendor", third]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "demo"
    summary = json.loads((out / "summary.json").read_text())
    assert [visit["vendor"] for visit in summary["visits"]] == ["NLT", "RDK", "TST"]
    assert summary["disagreements"] == [] and summary["balances_fen"]["cash:box"] == 15_000
    for number in (1, 2, 3):
        assert Image.open(out / f"receipt-{number}.png").width == 576
        assert (out / f"receipt-{number}.txt").read_text().startswith("PK1:")
    for name in ("export/checkpoint", "export/checkpoint.hq", "kiosk.vkey", "hq.vkey"):
        assert (out / name).stat().st_size > 50
    shown = {picture.stem.split("-", 1)[1] for picture in (out / "screens").glob("*.png")}
    assert {"attract-zh-CN", "account-zh-CN", "amount-zh-CN", "cash-zh-CN", "done-zh-CN"} <= shown
    keys = ["--key", str(out / "kiosk.vkey")]
    verify = [sys.executable, "-m", "kiosk", "ledger", "verify", str(out / "export"), *keys]
    assert subprocess.run(verify, cwd=ROOT, capture_output=True).returncode == 0
