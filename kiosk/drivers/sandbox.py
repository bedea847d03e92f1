"""bubblewrap round a driver's process, where it is installed and the kernel lets it work.

Inside there are processes, a network, a host name and shared memory of the sandbox's own, and a file system that can
only be read: Python, the system's libraries, time zones, /proc of the sandbox, /dev/null and /dev/urandom. No home, no
/tmp, no /run, no /etc, nothing of the kiosk. When the kiosk dies, the kernel ends all that is in it.

An ordinary user's sandbox has a user namespace. Root's has none, and the two capabilities by which confine.py becomes
user nobody and drops them: a user that owns nothing on the machine keeps more out than a namespace in which root is
still the owner of root's files. Not every container allows either; then drivers are shut in by confine.py alone, as
they are within the sandbox, too.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
import sys

from kiosk.drivers.landlock import READABLE

log = logging.getLogger(__name__)

OWN = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session")
AS_ROOT = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
AS_USER = ("--unshare-user", "--cap-drop", "ALL")
DEVICES = ("/dev/null", "/dev/urandom")
NOTHING_ELSE = "limits, Landlock and the system call filter shut them in; names of files and processes can be seen"


def words(python: str) -> tuple[str, ...]:
    """What to put before that interpreter on the command line; nothing where there is no sandbox, which is logged once.

    ``python`` without symbolic links (``interpreter``). Tried once a process.
    """
    return _tried(python, os.geteuid())


def interpreter() -> str:
    """Our own Python, outside any virtual environment."""
    return os.path.realpath(sys.executable)


@functools.cache
def _tried(python: str, user: int) -> tuple[str, ...]:
    program = shutil.which("bwrap")
    if program is None:
        log.warning("drivers run without a sandbox, bubblewrap is not installed: %s", NOTHING_ELSE)
        return ()
    found = (program, *OWN, *(AS_ROOT if user == 0 else AS_USER), *_files(python), "--")
    try:
        probe = [*found, python, "-I", "-S", "-B", "-c", "pass"]
        subprocess.run(probe, env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as fault:
        said = getattr(fault, "stderr", None) or str(fault).encode()
        why = said.decode("utf-8", "replace").strip().partition("\n")[0]
        log.warning("drivers run without a sandbox, bubblewrap does not work here (%s): %s", why, NOTHING_ELSE)
        return ()
    return found


def _files(python: str) -> list[str]:
    """The sandbox's file system, for bubblewrap."""
    places = [place for place in READABLE if place not in DEVICES and os.path.exists(place)]
    places += [python, os.path.dirname(os.path.dirname(os.__file__))]  # a shared libpython lies beside its library
    links = {place: target for place in places if (target := _link_into(place, places))}
    mounted = sorted({place for place in places if place not in links and not _within(place, places)})
    said = []
    for folder in sorted({parent for place in (*mounted, *DEVICES) for parent in _parents(place)}):
        said += ["--perms", "0755", "--dir", folder]  # else user nobody could not go through it
    for place in mounted:
        said += ["--ro-bind", place, place]
    for place, target in links.items():
        said += ["--symlink", target, place]
    for device in DEVICES:
        said += ["--dev-bind", device, device]
    return [*said, "--proc", "/proc", "--remount-ro", "/"]


def _link_into(place: str, places: list[str]) -> str:
    """Where a symbolic link points, if that is one of the other places: /lib is usr/lib."""
    target = os.path.realpath(place)
    return os.readlink(place) if os.path.islink(place) and target in places and target != place else ""


def _within(place: str, places: list[str]) -> bool:
    return any(place.startswith(other.rstrip("/") + "/") and not os.path.islink(other) for other in places)


def _parents(place: str) -> list[str]:
    found = []
    while (place := os.path.dirname(place)) != "/":
        found.append(place)
    return found
