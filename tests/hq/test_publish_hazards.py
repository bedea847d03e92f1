"""Publishing when the power goes, and onto a stick that is somebody's trap."""

import pytest
from fakes import Clock

from kiosk.hq.publish import keyfiles
from kiosk.hq.publish.command import write_stick
from kiosk.hq.publish.repository import ROLES, Repository

PATH = "messages/messages.txt"


@pytest.fixture
def keys(tmp_path):
    return {name: keyfiles.make(tmp_path / "keys", name) for name in ("root", *ROLES)}


@pytest.fixture
def here(tmp_path, keys):
    made = Repository(tmp_path / "repository", Clock())
    made.begin([keys["root"]], 1, keys)
    made.publish({PATH: b"one"}, keys)
    return made


@pytest.mark.parametrize("name", [".2.root.json", ".3.targets.json", ".3.snapshot.json", ".timestamp.json"])
def test_a_file_that_a_power_cut_left_half_written_is_passed_over(here, keys, name):
    (here.metadata / name).write_bytes(b'{"signed": {"_ty')
    assert here.publish({PATH: b"two"}, keys) == 3
    assert here.content(PATH) == b"two"
    here.renew(keys)


@pytest.mark.parametrize("way", ["prepaid-kiosk", "prepaid-kiosk/v1/tuf", "prepaid-kiosk/v1/tuf/metadata"])
def test_a_stick_with_a_link_leads_nowhere_else(here, tmp_path, way):
    """A stick of another filing system can hold links: what they lead to is neither written nor cleared away."""
    mine = tmp_path / "mine"
    (mine / "metadata").mkdir(parents=True)
    (mine / "hq.db").write_text("the books")
    link = tmp_path / "stick" / way
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    write_stick(here, tmp_path / "stick")
    assert sorted(each.name for each in mine.rglob("*")) == ["hq.db", "metadata"]
    on_stick = tmp_path / "stick" / "prepaid-kiosk" / "v1" / "tuf"
    assert not link.is_symlink() and (on_stick / "metadata" / "timestamp.json").is_file()


def test_a_file_on_the_stick_that_is_a_link_is_not_written_through(here, tmp_path):
    mine = tmp_path / "hq.key"
    mine.write_text("mine")
    metadata = tmp_path / "stick" / "prepaid-kiosk" / "v1" / "tuf" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "timestamp.json").symlink_to(mine)
    write_stick(here, tmp_path / "stick")
    assert mine.read_text() == "mine"
    assert (metadata / "timestamp.json").read_bytes() == (here.metadata / "timestamp.json").read_bytes()


def test_what_the_repository_lacks_goes_from_the_stick_and_nothing_else(here, tmp_path, keys):
    stick = tmp_path / "stick"
    write_stick(here, stick)
    (stick / "prepaid-kiosk" / "v1" / "tuf" / "targets" / "old").mkdir()
    (stick / "prepaid-kiosk" / "v1" / "tuf" / "targets" / "old" / "1.txt").write_text("old")
    (stick / "holiday.jpg").write_text("mine")
    write_stick(here, stick)
    kept = {str(each.relative_to(here.folder)) for each in here.folder.rglob("*") if each.is_file()} - {"lock"}
    to = stick / "prepaid-kiosk" / "v1" / "tuf"
    assert {str(each.relative_to(to)) for each in to.rglob("*") if each.is_file()} == kept
    assert (stick / "holiday.jpg").read_text() == "mine"
