"""What comes down and cannot be kept holds up nothing else; a hostile archive is refused, not tried for ever."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_installer import NEW, Kiosk
from test_sent_vendors import tar_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sync"))

from tuf_office import Publisher

from kiosk.app.sent_vendors import unpack
from kiosk.app.stick_down import bring_down
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.sync.downlink import sources
from kiosk.sync.downlink.round import ON_STICK


@pytest.fixture
def kiosk(tmp_path):
    return Kiosk(tmp_path)


def test_a_vendors_folder_that_the_disk_does_not_take_holds_up_no_list(kiosk, monkeypatch):
    def full(*_):
        raise LedgerFault("L-502", "the folder of vendor rdk cannot be unpacked: no room")

    monkeypatch.setattr(kiosk.vendors, "is_good", full)
    kiosk.offer(vendor="a tar", prices=NEW.text())
    assert [each.content for each in kiosk.look()] == [NEW]


@pytest.mark.parametrize(
    "files", [{"rdk/a": b"1", "rdk/a/b": b"2"}, {"rdk/a/b": b"2", "rdk/a": b"1"}, {f"rdk/{'n' * 300}": b"1"}]
)
def test_an_archive_whose_names_cannot_be_is_refused(tmp_path, files):
    """As a fault of the disk it would be unpacked again every two seconds, for ever."""
    with pytest.raises(ConfigFault) as fault:
        unpack(tar_of(**files), "rdk", tmp_path / "to")
    assert fault.value.code == "F-703"


def test_a_stick_that_is_pulled_before_it_is_looked_at_says_so(tmp_path, monkeypatch):
    """What the medium says (EIO) comes as words."""
    office = Publisher(tmp_path / "hq")
    terminal = SimpleNamespace(region="420100", id="0007")
    config = SimpleNamespace(terminal=terminal, tuf_root=office.first_root, downlink_folder=tmp_path / "downlink")
    stick, real = tmp_path / "stick", os.stat

    def gone(path, *given, **more):
        if str(path).startswith(str(stick)):
            raise OSError(5, "Input/output error")
        return real(path, *given, **more)

    monkeypatch.setattr(os, "stat", gone)
    code, said = bring_down(config, stick, "en")
    assert code == "S-633" and said.startswith("[S-633] ")


def test_a_disk_that_is_full_is_not_told_as_a_stick_that_cannot_be_read(tmp_path, monkeypatch):
    office = Publisher(tmp_path / "hq")
    office.publish(prices=b"price list 1\n")
    terminal = SimpleNamespace(region="420100", id="0007")
    config = SimpleNamespace(terminal=terminal, tuf_root=office.first_root, downlink_folder=tmp_path / "downlink")
    shutil.copytree(office.files, tmp_path / "stick" / ON_STICK)

    def full(source, url, part, length, real=sources.Source.bring):
        monkeypatch.setattr(os, "fsync", no_room)
        real(source, url, part, length)

    def no_room(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources.Source, "bring", full)
    code, _ = bring_down(config, tmp_path / "stick", "en")
    assert code == "L-502"
