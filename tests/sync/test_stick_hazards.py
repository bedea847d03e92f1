"""Sticks made by somebody who means harm, and two rounds at once."""

import os
import subprocess
from pathlib import Path

import pytest
from stick_bench import Terminal, answered

from kiosk.ledger.files import PlainFiles
from kiosk.sync import stick as stick_module


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path / "kiosk", size=300)
    yield terminal
    terminal.close()


def deep(top, depth):
    """Folders in folders, deeper than a path may be long: step by step, as a driver of the medium would show them."""
    top.mkdir(parents=True)
    back = os.open(".", os.O_RDONLY)
    try:
        os.chdir(top)
        for _ in range(depth):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.fchdir(back)
        os.close(back)


@pytest.mark.parametrize("where", ["tile", "tile/0", "CHECKPOINT"])
def test_folders_in_folders_are_told_and_not_gone_through(terminal, tmp_path, where):
    stick = tmp_path / "stick"
    deep(stick / terminal.name / where, 1_500)
    try:
        result = terminal.round(PlainFiles(stick))
    finally:
        subprocess.run(["rm", "-rf", str(stick)], check=True)
    assert (result.written.sentence, result.written.code) == ("occupied", "S-614")


def test_two_rounds_at_once_do_not_take_back_what_one_of_them_heard(terminal, tmp_path, monkeypatch):
    """Two sticks in two slots, one with an older answer: what was known is looked at under the lock."""
    older, newer = tmp_path / "older", tmp_path / "newer"
    for stick in (older, newer):
        stick.mkdir()
        terminal.round(PlainFiles(stick))
        answered(terminal, PlainFiles(stick))
        terminal.grow(10)
    second, real = terminal.stick(PlainFiles(newer)), stick_module.SyncStateFile
    taken = []

    def opened(path, origin):
        if not taken:
            taken.append(True)
            taken.append(second.take())
        return real(path, origin)

    monkeypatch.setattr(stick_module, "SyncStateFile", opened)
    terminal.stick(PlainFiles(older)).take()
    assert taken[1].sentence == "ack-new"
    assert terminal.state.cosigned_size == taken[1].values["size"]
