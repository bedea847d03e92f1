"""Folders that are not complete, or of a family without a virtual card: what is wrong stands first and in words."""

from __future__ import annotations

import io

import pytest
from kit_bench import bench_for, failed, no_cpu_card, small_card, verdicts_of, write_folder
from tst_driver import Driver

from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.drivers.sdk.kit.rules import run
from kiosk.drivers.sdk.kit.rules_folder import rule_conformance_files
from kiosk.drivers.sdk.kit.verdict import Outcome, Rule
from kiosk.model.errors import ConfigFault

FILES = (Rule("§9", "files", "文件", rule_conformance_files),)
SECOND_CARD = '[[card]]\ntype = "SLE4428"\nmark = [{ zone = 0, addr = 32, hex = "54535438" }]\n\n[sale]'


def folder_with(tmp_path, **files: str | bytes | None):
    """A good folder but for some files of conformance/; None takes one away."""
    folder = write_folder(tmp_path / "tst")
    for name, content in files.items():
        file = folder / "conformance" / name.replace("_", ".")
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def with_cards(folder, old: str, new: str):
    file = folder / "vendor.toml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"meter_py": None}, ["meter.py", "not there"]),
        ({"blank_bin": None}, ["blank.bin", "not there"]),
        ({"blank_bin": b"\xff" * 1000}, ["256 bytes (SLE4442)", "1000"]),
        ({"blank_bin": b"\xff" * 256}, ["the mark on the blank card"]),
        ({"blank_toml": 'password = "A1B2C3"\nsecret = "A1B2"'}, ["secret", "3 bytes", "2 bytes"]),
        ({"blank_toml": 'password = "A1B2C3"'}, ["secret", "none"]),
        ({"meter_py": "def insert(icdev): pass"}, ["insert(icdev, seconds=3, use=0)", "seconds"]),
        ({"meter_py": "INSERT = 1"}, ["insert(icdev, seconds=3, use=0)", "no such function"]),
        ({"meter_py": "1 / 0"}, ["meter.py", "ZeroDivisionError"]),
    ],
)
def test_what_is_missing_is_the_first_thing_said(tmp_path, files, words):
    (verdict,) = run(bench_for(folder_with(tmp_path, **files), Driver()), FILES)
    assert verdict.outcome is Outcome.FAILED
    assert [word for word in words if word not in verdict.why] == []


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ('password = "A1"\nsecret = "XYZ"', "'secret' must be hex"),
        ('password = "A1"\nsecret = 12', "'secret' must be hex"),
        ("password = 12", "'password'"),
        ('password = "密码"', "'password'"),
        ("password = ", "blank.toml"),
    ],
)
def test_a_blank_toml_that_cannot_be_used_is_told(tmp_path, told, word):
    with pytest.raises(ConfigFault, match=r"blank\.toml") as refused:
        load_folder(folder_with(tmp_path, blank_toml=told))
    assert word in str(refused.value)


def test_conformance_tells_which_of_several_cards_is_tried(tmp_path):
    folder = with_cards(write_folder(tmp_path / "tst"), "[[card]]", SECOND_CARD.replace("[sale]", "[[card]]"))
    bench = bench_for(folder, Driver())
    assert [card.type.name for card in bench.folder.manifest.cards] == ["SLE4428", "SLE4442"]
    assert bench.folder.type_name == "SLE4442"
    assert set(failed(verdicts_of(bench))) == {"rule_describe"}  # 0104 has no SLE4428
    assert any("SLE4428 not tried" in remark for remark in bench.remarks)


def checked(folder, card_maker=small_card) -> tuple[int, str]:
    out = io.StringIO()
    return command.main([str(folder), "--quick"], card_maker, no_cpu_card, out), out.getvalue()


@pytest.mark.parametrize("family", ["AT88SC102", "MIFARE1K"])
def test_families_without_a_bench_are_refused_with_the_reason(tmp_path, family):
    status, said = checked(with_cards(write_folder(tmp_path / "tst"), '"SLE4442"', f'"{family}"'))
    assert status == 2
    assert f"no virtual {family}" in said


def test_so_are_families_the_caller_has_no_chip_of(tmp_path):
    def none(type_name, image, secret):
        raise ValueError(f"no virtual card of the family {type_name}")

    status, said = checked(with_cards(write_folder(tmp_path / "tst"), '"SLE4442"', '"AT24C02"'), none)
    assert status == 2
    assert "no virtual AT24C02" in said


def test_a_driver_that_talks_to_a_reader_itself_cannot_be_tried_here(tmp_path):
    folder = with_cards(write_folder(tmp_path / "tst"), 'access = "api"', 'access = "serial"\nbaud = 9600')
    with_cards(folder, 'kind = "python"\nfile = "driver.py"', 'kind = "native"\nfile = "libtst.so"')
    (folder / "driver.py").rename(folder / "libtst.so")
    status, said = checked(folder)
    assert status == 2
    assert "access is serial" in said
