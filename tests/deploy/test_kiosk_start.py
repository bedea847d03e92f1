"""The launcher: which program it starts, how it goes back, and that the power may go at any of its steps."""

import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
STEPS = ("replace", "unlink", "symlink_to")  # of pathlib; and os.fsync


class PowerCut(BaseException):
    pass


class Machine:
    """A base tree, releases beside it, and the launcher read as a module."""

    def __init__(self, folder):
        self.base, self.releases = folder / "base", folder / "base" / "releases"
        self.releases.mkdir(parents=True)
        (self.base / "requirements.lock").write_text("kivy==2\n")
        loader = importlib.machinery.SourceFileLoader("kiosk_start", str(DEPLOY / "kiosk-start"))
        self.start = importlib.util.module_from_spec(importlib.util.spec_from_loader("kiosk_start", loader))
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        loader.exec_module(self.start)
        sys.dont_write_bytecode = writes
        self.start.BASE, self.start.RELEASES = self.base, self.releases

    def release(self, name, lock="kivy==2\n"):
        tree = self.releases / name
        (tree / "kiosk").mkdir(parents=True)
        (tree / "kiosk" / "__main__.py").write_text("")
        (tree / "requirements.lock").write_text(lock)
        return self

    def current(self, name):
        (self.releases / "current").unlink(missing_ok=True)
        (self.releases / "current").symlink_to(name)
        return self

    def healthy(self, name):
        (self.releases / "healthy").write_text(f"{name}\n")
        return self

    def says(self, name):
        path = self.releases / name
        return path.read_text().strip() if path.exists() else ""


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_without_a_release_the_tree_that_people_installed_runs(machine):
    assert machine.start.chosen() == ("base", False)


def test_a_release_that_came_up_once_is_started_and_not_counted(machine):
    machine.release("6").current("6").healthy("6")
    assert [machine.start.chosen() for _ in range(5)] == [("6", False)] * 5
    assert machine.says("tries") == ""


@pytest.mark.parametrize("good", ["base", "6"])
def test_a_new_one_that_does_not_come_up_three_times_makes_way(machine, good):
    machine.release("6").release("7").current("7")
    if good != "base":
        machine.healthy(good)
    assert [machine.start.chosen() for _ in range(3)] == [("7", True)] * 3
    assert machine.says("tries") == "7 3" and machine.says("returned") == ""
    assert machine.start.chosen() == (good, False)
    assert (machine.says("returned"), machine.says("tries"), machine.start.current()) == ("7 start", "", good)
    assert machine.start.chosen() == (good, False)


def test_one_that_comes_up_at_the_third_time_stays(machine):
    machine.release("7").current("7")
    assert [machine.start.chosen() for _ in range(3)] == [("7", True)] * 3
    machine.healthy("7")
    assert machine.start.chosen() == ("7", False) and machine.says("returned") == ""


def test_tries_of_another_release_do_not_count(machine):
    machine.release("7").release("8").current("7")
    for _ in range(3):
        machine.start.chosen()
    machine.current("8")
    assert machine.start.chosen() == ("8", True) and machine.says("tries") == "8 1"


def test_a_release_that_is_not_whole_or_needs_other_libraries_is_not_started(machine):
    machine.release("6").release("7", lock="kivy==3\n").current("7").healthy("6")
    assert machine.start.chosen() == ("6", False) and machine.says("returned") == "7 libraries"
    machine.current("8")
    assert machine.start.chosen() == ("6", False) and machine.says("returned") == "8 damaged"
    machine.current("../../somewhere")
    assert machine.start.chosen() == ("6", False)
    (machine.base / "requirements.lock").write_text("kivy==4\n")
    assert machine.start.chosen() == ("base", False), "people have installed other libraries"
    assert machine.says("returned") == "6 libraries" and machine.start.current() == "base"


def cut_at(monkeypatch, at):
    """The power goes at the ``at``-th step from now on; every step before is done."""
    left = [at]

    def dying(real):
        def step(*given, **more):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCut
            return real(*given, **more)

        return step

    for name in STEPS:
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    monkeypatch.setattr(os, "fsync", dying(os.fsync))
    return left


@pytest.mark.parametrize("tries", [0, 1, 3])
def test_the_power_may_go_at_any_step(machine, monkeypatch, tries):
    machine.release("6").release("7").healthy("6")
    ends, cuts = set(), 0
    for at in range(1, 30):
        machine.current("7")
        for name in ("tries", "returned"):
            (machine.releases / name).unlink(missing_ok=True)
        if tries:
            (machine.releases / "tries").write_text(f"7 {tries}\n")
        with monkeypatch.context() as patch:
            left = cut_at(patch, at)
            try:
                machine.start.chosen()
            except PowerCut:
                cuts += 1
            over = left[0] > 0
        assert machine.start.current() in ("6", "7"), "there is always one"
        for _ in range(5):  # it never comes up
            machine.start.chosen()
        ends.add((machine.start.current(), machine.says("returned"), machine.says("tries")))
        if over:
            break
    assert ends == {("6", "7 start", "")} and cuts >= 3


def test_a_full_disk_starts_what_is_known_to_run(machine, monkeypatch):
    machine.release("6").release("7").current("7").healthy("6")
    told = []
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr(os, "execve", lambda path, words, env: told.append((words, env["KIOSK_RELEASE"])))
    monkeypatch.setattr(sys, "argv", ["kiosk-start", "run"])
    machine.start.main()
    assert [name for _, name in told] == ["6"]


SHOW = """#!{python}
import json, os, signal, sys
left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
names = ("PYTHONPATH", "PYTHONSAFEPATH", "KIOSK_RELEASE", "KIOSK_RELEASES")
print(json.dumps([sys.argv[1:], left, *(os.environ[name] for name in names)]))
"""


def test_it_becomes_the_kiosk_with_a_limit_that_outlives_exec(machine, tmp_path):
    machine.release("7").current("7")
    show = tmp_path / "python"
    show.write_text(SHOW.format(python=sys.executable))
    show.chmod(0o755)
    env = os.environ | {"KIOSK_PYTHON": str(show), "KIOSK_RELEASES": str(machine.releases)}
    (machine.releases / "7" / "requirements.lock").write_bytes((DEPLOY.parent / "requirements.lock").read_bytes())

    def started():
        words = [sys.executable, DEPLOY / "kiosk-start", "run", "--config", "k.toml"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    words, left, *told = started()
    assert words == ["-m", "kiosk", "run", "--config", "k.toml"] and 500 < left <= 600
    assert told == [str(machine.releases / "7"), "1", "7", str(machine.releases)]
    machine.healthy("7")
    assert started()[1] == 0, "no limit for one that is known to run"


def test_the_unit_starts_it_again_whatever_happens():
    unit = (DEPLOY / "prepaid-kiosk.service").read_text()
    assert "ExecStart=/opt/prepaid-kiosk/deploy/kiosk-start run --config /etc/prepaid-kiosk/kiosk.toml" in unit
    assert "Restart=always" in unit and "StartLimitIntervalSec=0" in unit
    assert os.access(DEPLOY / "kiosk-start", os.X_OK) and signal.SIGALRM.name == "SIGALRM"
