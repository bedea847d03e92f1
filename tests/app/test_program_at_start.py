"""A terminal under its launcher: what a start records, when it makes way, and what a tree says of itself."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from test_owed_installed import SETTINGS, Started

from kiosk.__main__ import main
from kiosk.app import self_check
from kiosk.app.programs import ProgramRoad, program_road
from kiosk.app.releases import ROOT, Releases, Running
from kiosk.app.terminal import Terminal
from kiosk.billing.program import Release
from kiosk.config import load_config
from kiosk.ledger.entry import Draft, decode
from kiosk.ledger.journal import JournalReader
from kiosk.model.clock import SystemClock
from kiosk.model.version import FORMAT, VERSION


class Under(Started):
    """The terminal of test_owed_installed, started by a launcher: ``name`` runs."""

    def __init__(self, folder, name="base"):
        super().__init__(folder)
        self.config = folder / "kiosk.toml"
        self.config.write_text(SETTINGS.split("[owed]", maxsplit=1)[0])
        self.releases, self.left = Releases(folder / "releases", name), []
        self.releases.folder.mkdir()
        here = Running(0 if name == "base" else int(name), VERSION, FORMAT, b"")
        road = ProgramRoad(here, self.releases, lambda tree: ["true"])
        self.terminal = Terminal(
            load_config(self.config), SystemClock(), lambda view: None, programs=road, leave=lambda: self.left.append(1)
        )

    def release(self, version):
        tree = self.releases.tree(version)
        tree.mkdir()
        (tree / "program.txt").write_text(Release(version, "0.2.0", FORMAT, "0" * 64).text())

    def installed(self, version):
        for entry in self.journal.append(
            [Draft("program.installed", None, (), {"version": version, "sha256": bytes(32)})]
        ):
            self.memory.see(entry)

    def kinds(self):
        before = self.journal.size
        self.terminal._install_lists(self.journal, self.memory)
        return [entry.kind for entry in self.journal.entries(before, self.journal.size)]


@pytest.fixture
def under(tmp_path):
    terminal = Under(tmp_path)
    yield terminal
    terminal.journal.close()


def test_a_start_takes_up_what_the_power_broke_off_and_makes_way(under):
    under.release(7)
    under.installed(7)
    under.kinds()
    assert under.terminal._leaving and under.releases.is_next(7)


def test_a_start_records_that_the_launcher_went_back(under):
    under.release(7)
    under.installed(7)
    (under.releases.folder / "returned").write_text("7 start\n")
    assert "program.returned" in under.kinds()
    assert not under.terminal._leaving and not under.releases.tree(7).exists()
    assert "program.returned" not in under.kinds()


def test_the_whole_start_ends_in_good_order_for_the_other_one(under):
    under.release(7)
    under.installed(7)
    under.journal.close()
    sold = []
    under.terminal._sell = lambda *given: sold.append(given)
    under.terminal._run()
    assert under.left == [1] and sold == [], "the other one sells"
    with JournalReader(under.folder / "ledger.db") as log:
        *_, last = log.entries(0, log.size)
    assert decode(last).kind == "terminal.stopped" and decode(last).data == {"why": "program"}
    with_ledger = subprocess.run(
        [sys.executable, "-m", "kiosk", "ledger", "verify", under.folder / "ledger.db"], capture_output=True, text=True
    )
    assert with_ledger.returncode == 0, with_ledger.stderr


def test_a_new_one_that_cannot_run_ends_and_does_not_try_again_for_ever(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    under = Under(tmp_path, "7")
    under.journal.close()
    (tmp_path / "prices.note").write_text("no price list")
    under.terminal._run()
    assert under.left == [1], "the launcher counts it"


def test_without_a_launcher_no_program_comes_down(monkeypatch, tmp_path):
    monkeypatch.delenv("KIOSK_RELEASES", raising=False)
    assert program_road(tmp_path) is None
    monkeypatch.setenv("KIOSK_RELEASES", str(tmp_path))
    monkeypatch.setenv("KIOSK_RELEASE", "base")
    assert program_road(tmp_path).is_proven


def test_a_tree_says_whether_it_can_run_here(under, capsys, tmp_path):
    assert self_check.main(["--config", str(under.config)]) == 0
    assert f"{VERSION}: " in capsys.readouterr().out
    assert self_check.main(["--config", str(under.config), "--release", str(ROOT)]) == 1, "it is no release"
    assert self_check.main(["--config", str(under.config), "--release", str(tmp_path)]) == 1
    assert "F-722" in capsys.readouterr().err
    assert self_check.main(["--config", str(tmp_path / "none.toml")]) == 1
    assert "F-701" in capsys.readouterr().err
    under.journal.close()
    (tmp_path / "ledger.db").write_bytes(b"SQLite format 3\0" + bytes(4_000))
    assert self_check.main(["--config", str(under.config)]) == 1, "a ledger that it cannot read"


def test_a_release_is_held_against_the_tree_that_is_meant(under, monkeypatch, tmp_path):
    monkeypatch.setattr(self_check, "running", lambda: Running(7, "0.2.0", FORMAT, b""))
    assert self_check.main(["--config", str(under.config), "--release", str(ROOT)]) == 0
    assert self_check.main(["--config", str(under.config), "--release", str(tmp_path)]) == 1


def test_a_tree_without_fonts_or_texts_says_so(under, monkeypatch, tmp_path):
    monkeypatch.setattr(self_check, "BUILD", "nothing")
    assert self_check.main(["--config", str(under.config)]) == 1
    monkeypatch.undo()
    monkeypatch.setattr(self_check, "TEXTS", ("screens", "poems"))
    assert self_check.main(["--config", str(under.config)]) == 1


def test_the_version_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kiosk", "--version"])
    assert main() == 0 and capsys.readouterr().out == f"{VERSION}\n"
    assert Path(ROOT, "kiosk", "__init__.py").exists()
