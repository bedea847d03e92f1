"""``kiosk hq publish program``: a tree becomes a release, versions rise, and what is no such tree is refused."""

import io
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
from test_publish import Staff

from kiosk.billing.program import release_in
from kiosk.model import targets
from kiosk.model.version import FORMAT, VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def staff(tmp_path, capsys):
    staff = Staff(tmp_path, capsys)
    staff.well("publish", "init", "--root-keys", tmp_path / "safe")
    return staff


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "kiosk" / "model").mkdir(parents=True)
    (tree / "kiosk" / "model" / "version.py").write_text('VERSION = "0.2.0"\nFORMAT = 1\n')
    (tree / "kiosk" / "__main__.py").write_text("raise SystemExit('run at head office')\n")
    (tree / "requirements.lock").write_text("kivy==2\n")
    return tree


def names(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_the_projects_own_tree(staff):
    said = staff.well("publish", "program", ROOT, "--version", 3)
    assert f"{targets.PROGRAM}: version 3" in said and "published as version 2" in said
    content = staff.repository.content(targets.PROGRAM)
    release = release_in(content)
    assert (release.version, release.name, release.format) == (3, VERSION, FORMAT)
    assert release.requirements == sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    found = set(names(content))
    assert {"program/kiosk/__main__.py", "program/assets/text/screens.en.toml", "program/deploy/kiosk-start"} <= found
    assert not [name for name in found if "__pycache__" in name or "/tests/" in name or "/build/" in name]
    assert f"{targets.PROGRAM}  {len(content)} bytes, version 3" in staff.well("publish", "status")


def test_versions_rise(staff, tree):
    staff.well("publish", "program", tree, "--version", 3)
    assert "nothing new" in staff.well("publish", "program", tree, "--version", 3)
    (tree / "kiosk" / "more.py").write_text("")
    for version in (2, 3):
        code, said = staff.does("publish", "program", tree, "--version", version)
        assert code == 1 and "F-719" in said and "higher" in said
    assert "version 4" in staff.well("publish", "program", tree, "--version", 4)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("kiosk/model/version.py", 'VERSION = "0.2.0"\n'),
        ("kiosk/model/version.py", "FORMAT = 1\n"),
        ("kiosk/model/version.py", 'VERSION = "0.2\\n0"\nFORMAT = 1\n'),
        ("kiosk/model/version.py", b'\xff VERSION = "0.2.0"'),
        ("kiosk/__main__.py", None),
        ("requirements.lock", None),
    ],
)
def test_what_is_no_tree_of_this_program(staff, tree, file, text):
    (tree / file).unlink()
    if text is not None:
        (tree / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    code, said = staff.does("publish", "program", tree, "--version", 3)
    assert code == 1 and "F-719" in said and staff.published() == []


@pytest.mark.parametrize("version", [0, -1, 1_000_000_000])
def test_a_version_is_a_whole_number(staff, tree, version):
    code, said = staff.does("publish", "program", tree, f"--version={version}")
    assert code == 1 and "F-719" in said
