"""Vendors' folders that come down: unpacked without harm, checked, served; a bad one is kept out."""

import io
import shutil
import sys
import tarfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest

from kiosk.app.in_force import Shelf
from kiosk.app.sent_vendors import BYTES_MAX, SentVendors, unpack
from kiosk.drivers.registry import load_registry
from kiosk.hq.publish.content import vendor_tar
from kiosk.ledger.entry import Entry
from kiosk.model.errors import ConfigFault
from kiosk.sale.books import Memory

BUILT = Path(__file__).resolve().parents[2] / "build" / "vendors"
PATIENCE_S = 20


class Place:
    def __init__(self, folder, own=()):
        self.folder, self.ends = folder, 0
        self.shelf = Shelf(folder / "lists", folder / "spare")
        self.memory = Memory()
        self.vendors = SentVendors(
            folder / "vendors", own, self.shelf, lambda _: [sys.executable, "-c", f"raise SystemExit({self.ends})"]
        )
        (folder / "vendors").mkdir()

    def verdict(self, name, digest, serving=()):
        """What is found out in the end."""
        over, until = threading.Event(), time.monotonic() + PATIENCE_S
        while (found := self.vendors.is_good(name, digest, serving)) is None:
            assert time.monotonic() < until, "no verdict"
            over.wait(0.02)
        return found

    def in_force(self, name, digest):
        data = {"name": name, "version": 2, "sha256": digest}
        self.memory.see(Entry(0, 0, 1, "vendor.installed", None, (), data))

    def served(self):
        return [manifest.vendor.abbr for manifest in self.vendors.registry(self.memory).manifests]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, (BUILT / "rdk",))


def tar_of(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = member.size or (len(content) if isinstance(content, bytes) else 0)
            tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else bytes(member.size)))
    return buffer.getvalue()


def test_a_folder_that_conforms_is_served_beside_the_ones_of_settings(place):
    path, tar = vendor_tar(BUILT / "nlt")
    assert path == "vendors/nlt.tar" and vendor_tar(BUILT / "nlt")[1] == tar, "always the same bytes"
    digest = place.shelf.put(tar)
    assert place.verdict("nlt", digest) is True
    assert place.served() == ["RDK"], "checked is not in force"
    place.in_force("nlt", digest)
    assert sorted(place.served()) == ["NLT", "RDK"]
    shutil.rmtree(place.folder / "vendors")
    (place.folder / "vendors").mkdir()
    assert sorted(place.served()) == ["NLT", "RDK"], "unpacked again from the shelf"


def test_a_sent_folder_goes_before_settings_own(place):
    digest = place.shelf.put(vendor_tar(BUILT / "rdk")[1])
    assert place.verdict("rdk", digest) is True
    place.in_force("rdk", digest)
    (manifest,) = place.vendors.registry(place.memory).manifests
    assert manifest.folder.parent.parent == place.folder / "vendors"


def test_a_driver_that_does_not_conform_is_kept_out(place):
    place.ends = 1
    with pytest.raises(ConfigFault, match=r"F-703.*does not conform"):
        place.verdict("nlt", place.shelf.put(vendor_tar(BUILT / "nlt")[1]))


def test_a_folder_whose_cards_could_be_taken_for_anothers_is_kept_out(place, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(BUILT / "rdk", twin)
    text = (twin / "vendor.toml").read_text()
    (twin / "vendor.toml").write_text(text.replace('code = "0001"', 'code = "0077"'))
    assert load_registry([twin]).manifests[0].vendor.code == "0077"
    with pytest.raises(ConfigFault, match="F-703"):
        place.vendors.is_good("twin", place.shelf.put(vendor_tar(twin)[1]), ())


def test_what_cannot_be_unpacked_any_more_does_not_stop_the_kiosk(place):
    place.in_force("nlt", sha256(b"gone").digest())
    assert place.served() == ["RDK"]


def link(name, kind, to=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def large():
    member = tarfile.TarInfo("rdk/large")
    member.size = BYTES_MAX + 1
    return member


@pytest.mark.parametrize(
    "files",
    [
        {"rdk/../../outside": b"x"},
        {"/etc/outside": b"x"},
        {"other/vendor.toml": b"x"},
        {"rdk/link": link("rdk/link", tarfile.SYMTYPE, "/etc/passwd")},
        {"rdk/hard": link("rdk/hard", tarfile.LNKTYPE, "rdk/x")},
        {"rdk/device": link("rdk/device", tarfile.CHRTYPE)},
        {"rdk/large": large()},
        {f"rdk/{n}": b"" for n in range(501)},
    ],
    ids=["up", "absolute", "another name", "link", "hard link", "device", "too large", "too many"],
)
def test_a_tar_that_wants_out_of_its_folder(tmp_path, files):
    with pytest.raises(ConfigFault, match="F-703"):
        unpack(tar_of(**files), "rdk", tmp_path / "here")
    assert not (tmp_path / "outside").exists() and not (tmp_path.parent / "outside").exists()


def test_no_tar_at_all(tmp_path):
    with pytest.raises(ConfigFault, match="no tar"):
        unpack(b"nonsense" * 200, "rdk", tmp_path / "here")


def test_head_office_does_not_send_a_folder_whose_driver_is_another(tmp_path):
    folder = tmp_path / "rdk"
    shutil.copytree(BUILT / "rdk", folder)
    (next(folder.glob("*.so"))).write_bytes(b"another")
    with pytest.raises(ConfigFault, match="F-703"):
        vendor_tar(folder)
    with pytest.raises(ConfigFault, match="F-703"):
        vendor_tar(tmp_path / "nowhere")
