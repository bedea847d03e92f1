"""Head office publishes a program; the kiosk under its launcher makes way for it between two visits, or goes back."""

import shutil
import subprocess
import sys

import pytest
from stage import ROOT, VENDORS, Customer, entries, nothing_is_lost
from test_lists_come_down import POLL, Publishing, drive, last

from kiosk.desk.programs import call
from kiosk.model.version import VERSION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SUPERVISOR = """
trap 'kill "$kiosk"; wait "$kiosk"; exit' TERM
while :; do "$@" & kiosk=$!; wait "$kiosk"; echo "supervisor: status $?"; done
"""
PATIENCE_S = 120


@pytest.fixture
def place(stage, tmp_path):
    """A kiosk that its supervisor starts again whenever it ends, as systemd does."""
    world, power = stage(VENDORS["rdk"], changes=POLL)
    office, (card,) = Publishing(world), world.cards
    releases = tmp_path / "releases"
    releases.mkdir()
    started = [sys.executable, ROOT / "deploy" / "kiosk-start", "run", "--config", world.town.config]
    loop = ["setpriv", "--pdeathsig", "KILL", "bash", "-c", SUPERVISOR, "supervisor", *map(str, started)]
    world.kiosk._command = loop
    world.kiosk._environment |= {"KIOSK_RELEASES": str(releases), "KIOSK_PYTHON": sys.executable}
    return Place(world, power, office, card, releases)


class Place:
    def __init__(self, world, power, office, card, releases):
        self.world, self.power, self.office, self.card, self.releases = world, power, office, card, releases

    def tree(self, name, **changed):
        """A tree of the project of another version, with more changes: file → (before, after)."""
        tree = self.world.town.folder / f"tree-{name}"
        for part in ("kiosk", "assets"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("requirements.lock", "pyproject.toml"):
            shutil.copyfile(ROOT / part, tree / part)
        changes = {"model/version": (f'VERSION = "{VERSION}"', f'VERSION = "{name}"'), **changed}
        for part, (before, after) in changes.items():
            file = tree / "kiosk" / f"{part}.py"
            text = file.read_text()
            assert text.count(before) == 1
            file.write_text(text.replace(before, after))
        return tree

    def publish(self, tree, version):
        return call("hq", "publish", "program", tree, "--version", version, "--data", self.world.town.hq)

    def versions(self):
        return [entry.data["version"] for entry in entries(self.world) if entry.kind == "terminal.started"]

    def wait(self, found, what):
        self.world.wait_until(found, PATIENCE_S, what)

    def says(self, name):
        path = self.releases / name
        return path.read_text().strip() if path.exists() else ""

    def sells(self):
        assert Customer(self.world, self.card, (5000,)).visit() == "done-zh-CN"
        drive(self.card)


def test_a_new_program_takes_over_between_two_visits(place):
    place.power.start()
    place.wait(lambda: place.says("healthy") == "base", "the first program")
    customer = Customer(place.world, place.card, (5000,))
    assert "programs/program.tar: version 1" in place.publish(place.tree("0.2.0"), 1)
    assert customer.visit() == "done-zh-CN", "meanwhile"
    drive(place.card)
    place.wait(lambda: place.versions()[-1:] == ["0.2.0+1"], "the new program")
    assert place.versions() == [VERSION, "0.2.0+1"]
    told = entries(place.world)
    installed = next(entry for entry in told if entry.kind == "program.installed")
    stopped = [entry for entry in told if entry.kind == "terminal.stopped"]
    assert installed.data["version"] == 1 and stopped[0].data["why"] == "program"
    assert "supervisor: status 75" in place.world.kiosk.log.read_text()
    place.wait(lambda: place.says("healthy") == "1", "the new program has come up")
    place.sells()
    assert nothing_is_lost(place.world, place.card) == 0

    place.world.kiosk.pull_plug()
    place.power.start()
    place.sells()
    assert place.versions()[2:] == ["0.2.0+1"], "over a power cut"
    assert [entry.kind for entry in entries(place.world)].count("program.installed") == 1


def test_a_program_that_does_not_start_is_given_up_and_head_office_hears_of_it(place):
    place.power.start()
    place.wait(lambda: place.says("healthy") == "base", "the first program")
    broken = {"app/terminal": ("        self._thread.start()\n", '        raise SystemExit("broken")\n')}
    place.publish(place.tree("0.3.0", **broken), 4)
    place.wait(lambda: any(e.kind == "program.returned" for e in entries(place.world)), "the way back")
    assert last(place.world, "program.returned") == {"version": 4, "why": "start"}
    assert place.world.kiosk.log.read_text().count("not yet known to run") == 3
    place.sells()
    assert set(place.versions()) == {VERSION} and not (place.releases / "4").exists()
    told = call_matters(place.world)
    assert "F-723" in told and "did not come up" in told
    assert [e.kind for e in entries(place.world)].count("program.installed") == 1, "it is not tried again"
    assert nothing_is_lost(place.world, place.card) == 0


def call_matters(world):
    words = [sys.executable, "-m", "kiosk", "matters", world.town.kiosk / "ledger.db", "--language", "en"]
    return subprocess.run(words, capture_output=True, text=True).stdout
