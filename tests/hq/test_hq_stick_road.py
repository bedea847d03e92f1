"""The whole road on a stick with the real programs at both ends, and the page in a real browser.

Pictures: build/screens/hq-stick-*.png.
"""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hq_server import Server, kiosk
from playwright.sync_api import sync_playwright

from kiosk.ledger.entry import Draft
from kiosk.ledger.journal import Journal
from kiosk.ledger.keys import KeySigner
from kiosk.model.clock import SystemClock
from kiosk.sync.state import SyncStateReader

pytestmark = pytest.mark.slow

SHOTS = Path(__file__).parents[2] / "build" / "screens"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def run(*words):
    """Runs ``kiosk …``: (exit status, what it printed, what it complained of)."""
    done = subprocess.run([sys.executable, "-m", "kiosk", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class Kiosk:
    def __init__(self, folder, number, count):
        self.origin = f"power.example/kiosk/420100/{number:04d}/1"
        self.folder = folder / f"{number:04d}"
        self.folder.mkdir()
        self.hash = hashlib.sha256(self.origin.encode()).hexdigest()
        key = KeySigner(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), self.origin)
        self.vkey = str(key.vkey)
        self.journal = Journal.create(self.folder / "ledger.db", key, self.origin, "", "first", SystemClock())
        self.grow(count)

    def grow(self, count):
        self.journal.append([Draft("note.repeated", None, (), {"fen": 100}) for _ in range(count)])

    def sync(self, what, stick, keys, language="en"):
        words = ["--journal", self.folder / "ledger.db", "--state", self.folder / "sync.db", "--hq-vkey", keys]
        return run("sync", what, stick, *words, "--language", language)

    @property
    def cosigned(self):
        with SyncStateReader(self.folder / "sync.db", self.origin) as reader:
            return reader.state().cosigned_size


@pytest.fixture
def hq(tmp_path):
    with Server(tmp_path) as server:
        (tmp_path / "hq.vkey").write_text(f"{server.vkey}\n")
        yield server


@pytest.fixture
def kiosks(tmp_path, hq):
    kiosks = [Kiosk(tmp_path, 7, 300), Kiosk(tmp_path, 8, 20)]
    for each in kiosks:
        kiosk("enrol", each.vkey, "--data", hq.folder)
    yield kiosks
    for each in kiosks:
        each.journal.close()


def test_two_terminals_that_never_saw_a_network(hq, kiosks, tmp_path):
    stick, keys = tmp_path / "stick", tmp_path / "hq.vkey"
    stick.mkdir()
    for round_ in range(3):
        for each in kiosks:
            code, said, complaint = each.sync("round", stick, keys)
            assert code == 0 and "SAFE TO REMOVE" in said, said + complaint
        code, said, complaint = run("hq", "import", stick, "--data", hq.folder, "--language", "en")
        assert code == 0 and said.count("The answer is on the stick") == 2, said + complaint
        assert [each.cosigned for each in kiosks] == ([0, 0], [301, 21], [311, 31])[round_]
        for each in kiosks:
            each.grow(10)
    sizes = [row[0] for row in hq.sql("SELECT size FROM logs ORDER BY origin")]
    assert sizes == [321, 41]  # beside the server, which runs on and sees them
    assert hq.client.get(f"/v1/logs/{kiosks[0].hash}/checkpoint").text.split("\n")[1] == "321"
    vkeys = tmp_path / "vkeys"
    vkeys.write_text("\n".join([*(each.vkey for each in kiosks), hq.vkey]))
    code, said, _ = run("ledger", "verify", stick / "prepaid-kiosk/v1" / kiosks[0].hash, "--key", vkeys)
    assert code == 0 and "321 entries, by power.example/ledger-hq/1" in said


def test_what_goes_wrong_is_said_with_a_code(hq, kiosks, tmp_path):
    stick, keys = tmp_path / "stick", tmp_path / "hq.vkey"
    code, said, _ = kiosks[0].sync("round", stick, keys, "zh-CN")
    assert code == 1 and said.startswith("[S-613]") and "没有丢失" in said
    stick.mkdir()
    code, _, complaint = run("hq", "import", stick, "--data", hq.folder)
    assert code == 1 and "S-613" in complaint
    kiosks[0].sync("round", stick, keys)
    bundle = stick / "prepaid-kiosk/v1" / kiosks[0].hash / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"\0")
    code, said, _ = run("hq", "import", stick, "--data", hq.folder)
    assert code == 1 and "[S-615]" in said and "没有留下任何内容" in said
    assert hq.sql("SELECT sum(size) FROM logs") == [(0,)]
    code, said, _ = kiosks[0].sync("export", stick, keys)
    assert code == 0 and "All 301 records are on the stick" in said
    assert run("sync", "round", stick)[0] == 1  # without a word on where the ledger lies
    assert "--journal" in run("sync", "round", stick)[2]


def test_the_page_in_a_browser(hq, kiosks, tmp_path):
    """A zip goes in, the answers come out, are unpacked onto the stick, and the terminals learn of it."""
    stick, keys = tmp_path / "stick", tmp_path / "hq.vkey"
    stick.mkdir()
    for each in kiosks:
        each.sync("round", stick, keys)
    stranger = Kiosk(tmp_path, 9, 1)
    stranger.sync("round", stick, keys)
    stranger.journal.close()
    packed = shutil.make_archive(str(tmp_path / "my stick"), "zip", tmp_path, "stick")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        complaints = []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{hq.url}/")
        page.click("text=U盘导入")
        page.screenshot(path=SHOTS / "hq-stick-page.png", full_page=True)
        page.set_input_files("input[type=file]", packed)
        page.click("form button")
        page.wait_for_selector("#told")
        page.screenshot(path=SHOTS / "hq-stick-told.png", full_page=True)
        rows = page.locator("#told tbody tr")
        told = {row.locator("th").inner_text(): row.locator("td").first.inner_text() for row in rows.all()}
        assert {name.split("/")[3]: said.split()[0] for name, said in told.items()} == {
            "0007": "已收下",
            "0008": "已收下",
            "0009": "未登记",
        }
        with page.expect_download() as download:
            page.click("#answers")
        download.value.save_as(tmp_path / "answers.zip")
        browser.close()
    assert complaints == []
    with zipfile.ZipFile(tmp_path / "answers.zip") as answers:
        answers.extractall(stick)
    for each in kiosks:
        assert each.sync("import", stick, keys)[0] == 0
    assert [each.cosigned for each in kiosks] == [301, 21]
