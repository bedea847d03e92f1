import inspect
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from scene import Scene
from stage import ROOT, Power, set_up

from kiosk.desk.town import lay_out

KEPT = ROOT / "build" / "accidents"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def towns(tmp_path_factory):
    """Towns as an operator lays them out, once for each set of vendors: keys, price list, enrolment."""
    laid = {}

    def town(folders):
        if folders not in laid:
            laid[folders] = tmp_path_factory.mktemp("town")
            lay_out(laid[folders], folders, laid[folders] / "screens")
        return laid[folders]

    return town


@pytest.fixture
def scene(request, tmp_path, towns):
    """Makes the stage of an accident: a world with these vendors' cards, the kiosk running; and keeps what is seen.

    A file's story is told once; a test with a ``part`` adds a chapter to it.
    """
    opened = []
    name = request.path.stem.removeprefix("test_")
    told = inspect.getdoc(request.module)

    def make(*folders, changes="", office=False, part="", start=True):
        shutil.copytree(towns(folders), tmp_path / "town")
        world = set_up(tmp_path / "town", folders, changes)
        opened.append(world)
        world.__enter__()
        if office:
            world.open_office()
        kept = KEPT / (f"{name}-{part}" if part else name)
        shutil.rmtree(kept, ignore_errors=True)
        it = Scene(kept, told, part, world, Power(world, tmp_path))
        opened.append(it)
        if start:
            it.power.start()
        return it

    yield make
    for world in reversed(opened):
        world.__exit__(None, None, None)
