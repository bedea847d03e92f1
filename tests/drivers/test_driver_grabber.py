"""A driver that tries everything gets nothing, in every way and as every user there is here; its neighbours go on.

The attempts stand in grabber.py and grabber.c, what they aim at in grabber_scene.py.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from driver_bench import SANDBOXED, WAYS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOBODY = 65534
ORDINARY = "an ordinary user"
USERS = ("root", ORDINARY) if os.geteuid() == 0 else (ORDINARY,)
HOW = [(user, way) for user in USERS for way in WAYS]


def a_python_for_everybody():
    """An interpreter that another user may run too."""
    found = [Path(sys.executable).resolve(), Path("/usr/bin/python3")]
    return next(path for path in found if all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("grabber") / "libgrc.so"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    subprocess.run(["gcc", *flags, "-o", built, HERE / "grabber.c"], check=True)
    return built


@pytest.fixture
def public(library):
    """A copy of the kiosk's code, the scene and the library that everybody may read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "kiosk", folder / "kiosk", ignore=shutil.ignore_patterns("__pycache__"))
        for each in ("driver_bench.py", "grabber.py", "grabber_scene.py"):
            shutil.copy(HERE / each, folder)
        shutil.copy(library, folder)
        yield folder


def as_user(user):
    """The words that make a command that user's."""
    if user == "root" or os.geteuid() != 0:
        return []
    words = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    return ["setpriv", *words]


def may_have_a_sandbox(user):
    """Not every kernel lets an ordinary user have one."""
    command = [
        *as_user(user),
        "bwrap",
        "--unshare-user",
        "--unshare-pid",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "true",
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def play(folder, user, way, *library):
    """What the scene says of itself."""
    python = a_python_for_everybody() if as_user(user) else sys.executable
    command = [*as_user(user), str(python), "-B", str(folder / "grabber_scene.py"), str(folder), way, *library]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("user", "way"), HOW, ids=lambda word: word)
@pytest.mark.parametrize("kind", ["python", "native"])
def test_a_driver_that_tries_everything_gets_nothing(public, kind, user, way):
    said = play(public, user, way, *([str(public / "libgrc.so")] if kind == "native" else []))
    assert {what: got for what, got in said["got"].items() if not got.startswith("nothing: ")} == {}
    assert len(said["got"]) > (90 if kind == "python" else 35)
    assert said["got"]["the card outside a call"].endswith("-1")  # there is no card
    assert (said["card calls outside a call"], said["knocked"], said["changed"]) == (0, [], [])
    assert said["same process"], "what was refused did not end it"
    assert said["neighbour"] == "1 A1B2C3 21"
    assert (said["user"] == 0) is (user == "root")
    assert said["sandboxed"] is (way == SANDBOXED and may_have_a_sandbox(user))


@pytest.mark.slow
def test_the_scene_is_real(public):
    """Out of its confinement the driver gets what it wants: else "nothing" would prove nothing."""
    said = play(public, USERS[0], "with all doors open")
    got = {what.split()[0] for what, got in said["got"].items() if got.startswith("got")}
    assert got >= {"read", "listing", "tcp", "udp", "local", "letter", "signalled", "thread", "fork", "watched"}
    assert set(said["knocked"]) == {"tcp", "udp", "file", "abstract", "file letter", "abstract letter"}
