"""The samples are the best files of the house: they pass, without advice; a stranger's copy does, too."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kit_bench import InThisProcess, failed, no_cpu_card, verdicts_of

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.sdk import start
from kiosk.drivers.sdk.kit import states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.drivers.sdk.kit.verdict import Outcome
from kiosk.model.errors import ConfigFault

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "add-a-vendor.md"
COMPILE = "cc -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,--no-undefined -o"


def driver_of(folder: Path):
    spec = importlib.util.spec_from_file_location("sample_driver", folder / "driver.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Driver()


def test_the_python_sample_passes_every_rule_without_advice(tmp_path):
    start.new(tmp_path / "abc", native=False)
    folder = load_folder(tmp_path / "abc")
    driver = InThisProcess(driver_of(tmp_path / "abc"))
    verdicts = verdicts_of(Bench(folder, driver, memory_card, no_cpu_card, states.make, images=100))
    assert failed(verdicts) == {}
    assert [each.advice for each in verdicts if each.advice] == []
    offered_not = {each.rule.check.__module__ for each in verdicts if each.outcome is Outcome.NOT_OFFERED}
    assert offered_not == {"kiosk.drivers.sdk.kit.rules_keypad"}


@pytest.mark.parametrize("native", [False, True])
def test_a_new_folder_is_the_vendors_own_from_its_name_to_its_mark(tmp_path, native):
    start.new(tmp_path / "xyzzy", native=native, code="0bad")
    manifest = load_manifest(tmp_path / "xyzzy")
    assert (manifest.vendor.abbr, manifest.vendor.code) == ("XYZZY", "0BAD")
    (mark,) = manifest.cards[0].memory
    assert mark.content == b"XYZ\x01"
    blank = (tmp_path / "xyzzy" / "conformance" / "blank.bin").read_bytes()
    assert blank[32:36] == mark.content
    names = {path.name for path in (tmp_path / "xyzzy").iterdir()}
    assert names == {"vendor.toml", "conformance", *(("xyzzy.c", "icard.h") if native else ("driver.py",))}
    texts = [path.read_text("utf-8") for path in (tmp_path / "xyzzy").rglob("*.*") if path.suffix != ".bin"]
    assert [text for text in texts if re.search(r"SMP|smp|534D50|53 4D 50|00F0", text)] == []
    if native:
        assert manifest.driver.path.name == "libxyzzy.so"
        assert "icard_call XYZZYIcard;" in (tmp_path / "xyzzy" / "xyzzy.c").read_text("utf-8")


@pytest.mark.parametrize("name", ["ABC", "a", "1bc", "ab_c", "abc.d", "a" * 17])
def test_a_name_that_is_no_abbreviation_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(ConfigFault, match="F-703"):
        start.new(tmp_path / name, native=False)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path):
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "driver.py").write_text("mine")
    start.new(tmp_path / "other", native=False)
    with pytest.raises(ConfigFault, match="F-703"):
        start.new(tmp_path / "other", native=False)
    out = io.StringIO()
    (tmp_path / "abc" / "conformance").mkdir()
    assert start.main_new([str(tmp_path / "abc")], out) == 2
    assert (tmp_path / "abc" / "driver.py").read_text() == "mine"
    assert start.main_new([str(tmp_path / "new"), "--code", "12"], out) == 2
    assert "'12' is not four hex digits" in out.getvalue()


def test_seal_names_the_driver_as_it_is_now(tmp_path):
    start.new(tmp_path / "abc", native=False)
    file = tmp_path / "abc" / "driver.py"
    file.write_text(file.read_text("utf-8") + "# changed\n", "utf-8")
    with pytest.raises(ConfigFault, match="D-305"):
        load_manifest(tmp_path / "abc", check_file=True)
    out = io.StringIO()
    assert start.main_seal([str(tmp_path / "abc")], out) == 0
    assert load_manifest(tmp_path / "abc", check_file=True).driver.sha256 in out.getvalue()


def test_seal_tells_what_it_cannot_do(tmp_path):
    start.new(tmp_path / "abc", native=True)
    out = io.StringIO()
    assert start.main_seal([str(tmp_path / "abc")], out) == 2  # nothing is compiled yet
    assert "libabc.so" in out.getvalue()
    (tmp_path / "abc" / "libabc.so").write_bytes(b"\x7fELF")
    (tmp_path / "abc" / "conformance" / "blank.hex").write_text("bytes 2\nfiller FF\nat 09 01\n")
    assert start.main_seal([str(tmp_path / "abc")], out) == 2
    assert "does not fit" in out.getvalue()


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kiosk", "driver", "check", str(folder), "--quick"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=ROOT, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("native", [False, True])
def test_both_samples_pass_in_their_own_process(tmp_path, native):
    start.new(tmp_path / "abc", native=native)
    if native:
        command = [*COMPILE.split(), "libabc.so", "abc.c"]
        subprocess.run(command, cwd=tmp_path / "abc", check=True, capture_output=True)
        start.seal(tmp_path / "abc")
    told = checked(tmp_path / "abc")
    assert told.stdout.endswith("conforms 符合\n"), told.stdout[-3000:]
    assert "advice:" not in told.stdout
    assert told.returncode == 0


def typed() -> list[str]:
    """What docs/add-a-vendor.md has a stranger type, in order."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_the_first_hour_works_as_typed(tmp_path):
    shim = tmp_path / "bin" / "python"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    status, said = [], []
    for line in typed():
        done = subprocess.run(
            line, shell=True, cwd=work, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        status.append(done.returncode)
        said.append(done.stdout + done.stderr)
    wrong = [at for at, code in enumerate(status) if code]
    assert [typed()[at] for at in wrong] == ["python -m kiosk driver check abc --quick --page abc.html"], said
    broken = said[wrong[0]]
    assert "FAIL  §4.11" in broken
    assert "what to do first" in broken
    assert "does not conform" in (work / "abc.html").read_text("utf-8")
    assert [text.endswith("conforms 符合\n") for text in said].count(True) == 3
