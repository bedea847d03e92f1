"""The little of our own code that a driver's process is given: compiled here, loaded there, no file of ours opened.

So the child starts sooner, needs no right to read the project, and has nothing of ours it could import later.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import marshal

ROOMS = (
    "kiosk",
    "kiosk.model",
    "kiosk.model.cardfault",
    "kiosk.drivers",
    "kiosk.drivers.sdk",
    "kiosk.drivers.sizes",
    "kiosk.drivers.pipe",
    "kiosk.drivers.syscalls",
    "kiosk.drivers.landlock",
    "kiosk.drivers.confine",
    "kiosk.drivers.native",
    "kiosk.drivers.worker",
)
"""Each after those it imports."""

BOOT = """\
import marshal, os, sys
rooms = int(sys.argv[1])
for name, is_package, code in marshal.loads(os.pread(rooms, os.fstat(rooms).st_size, 0)):
    parent, _, last = name.rpartition(".")
    room = sys.modules[name] = type(sys)(name)
    room.__package__ = name if is_package else parent
    if is_package:
        room.__path__ = []
    if parent:
        setattr(sys.modules[parent], last, room)
    exec(code, room.__dict__)
os.close(rooms)
sys.modules["kiosk.drivers.worker"].main(sys.argv[2:])
"""
"""What the child's interpreter is told to run: descriptor of ``packed()``, then the words of ``worker.main``."""


@functools.cache
def packed() -> bytes:
    """The rooms, for this interpreter's own version."""
    rooms = []
    for name in ROOMS:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        loader = spec.loader
        assert isinstance(loader, importlib.machinery.SourceFileLoader)
        rooms.append((name, spec.submodule_search_locations is not None, loader.get_code(name)))
    return marshal.dumps(rooms)
