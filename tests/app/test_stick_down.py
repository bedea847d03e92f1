"""A stick from head office at the terminal: what is taken, and what the person there reads."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))

from tuf_office import Publisher

from kiosk.app.stick_down import CODES, bring_down, down_texts
from kiosk.model.codes import CODES as ALL
from kiosk.sync.downlink.offer import read_offer
from kiosk.sync.downlink.round import ON_STICK


@pytest.fixture
def office(tmp_path):
    return Publisher(tmp_path / "hq")


@pytest.fixture
def config(tmp_path, office):
    (tmp_path / "kiosk").mkdir()
    return SimpleNamespace(
        terminal=SimpleNamespace(region="420100", id="0007"),
        tuf_root=office.first_root,
        downlink_folder=tmp_path / "kiosk" / "downlink",
    )


def stick_of(office, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(office.files, folder / ON_STICK)
    return folder


def test_what_is_new_is_taken_and_told_in_both_languages(office, config, tmp_path):
    office.publish(prices=b"price list 1\n", owed=b"owed 1\n")
    stick = stick_of(office, tmp_path / "stick")
    code, told = bring_down(config, stick, "zh-CN")
    assert code == "" and "2 份" in told and "下一位用户起生效" in told
    assert len(read_offer(config.downlink_folder).targets) == 2
    assert bring_down(config, stick, "en") == ("", down_texts("en").text("down.known", version=2))


def test_an_old_stick_is_refused_with_words_and_takes_nothing_back(office, config, tmp_path):
    office.publish(prices=b"price list 1\n")
    old = stick_of(office, tmp_path / "old")
    office.publish(prices=b"price list 2\n")
    bring_down(config, stick_of(office, tmp_path / "stick"), "en")
    before = read_offer(config.downlink_folder).targets
    code, told = bring_down(config, old, "en")
    assert code == "S-631" and told.startswith("[S-631] ") and "Nothing of it was taken" in told
    assert read_offer(config.downlink_folder).targets == before


def test_a_stick_whose_copy_broke_off(office, config, tmp_path):
    stick = stick_of(office, tmp_path / "stick")
    (stick / ON_STICK / "metadata" / "1.targets.json").unlink()
    assert bring_down(config, stick, "en")[0] == "S-633"


def test_a_stick_without_anything_and_a_terminal_without_a_root(office, config, tmp_path):
    assert bring_down(config, tmp_path, "en") == ("", "")
    config.tuf_root = tmp_path / "no-root.json"
    assert bring_down(config, stick_of(office, tmp_path / "stick"), "en") == ("", "")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_end_has_its_sentence(language):
    assert set(CODES) <= set(ALL) and all(f"down.{code}" in down_texts(language) for code in CODES)
