"""What a driver's process may not do. Called in the child, before a byte of the vendor's code runs, and final.

1. Limits: address space, open files, no file of any size, no core, no further process.
2. Where allowed (root): a network namespace of its own, empty; then user nobody, if nobody can read Python's library
   (on a developer's machine it may lie in a home; then the user stays). No capability is left, whoever the user is.
3. No new privileges, not traceable by other processes of the same user.
4. Files (landlock.py): only the system's libraries may be read and nothing written, where the kernel has Landlock. On
   one that has not, the process reads what its user may read; rule 5 holds all the same.
5. System calls (syscalls.py): no process, no program, no thread, no socket, no signal to others, no look into another's
   memory, no file created, written, renamed, removed or given away. They fail with EPERM. On a machine whose call
   numbers are not known there, 1–4 must do.

What is left: the driver may use memory and time up to its limits, read libraries and time zones, ask for names and
sizes of files it cannot open, and write to its pipe and, of the old kind and while a call runs, to the reader's line.
"""

from __future__ import annotations

import ctypes
import os
import resource

from kiosk.drivers.landlock import only_libraries_may_be_read
from kiosk.drivers.syscalls import refuse_calls

ADDRESS_SPACE_BYTES = 512 << 20
OPEN_FILES = 16
SPARE_S = 2  # time of one call beyond its deadline; the kiosk ends it earlier, if the kiosk lives

_CPU_MOST = resource.getrlimit(resource.RLIMIT_CPU)[1]
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITY_VERSION_3 = 0x20080522  # include/uapi/linux/capability.h


def confine() -> None:
    """Closes every door. Raises OSError when one that must close does not."""
    libc = _LIBC
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    root = os.geteuid() == 0
    if root:
        libc.unshare(_CLONE_NEWNET)  # refused in some containers; the filter below refuses sockets anyway
    for limit, value in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    if root and _anybody_can_read(os.__file__):
        _become_nobody()
    _drop_capabilities(libc)
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    only_libraries_may_be_read(libc)
    refuse_calls(libc)


def limit_time(timeout_ms: int) -> None:
    """One call's share from now, in whole seconds, of the processor and of the clock; 0 takes the clock's away again.

    It is for the day the kiosk dies in the middle of a call: a child that spins or sleeps then ends by itself.
    """
    if timeout_ms == 0:
        _LIBC.alarm(0)
        return
    share_s = timeout_ms // 1000 + 1 + SPARE_S
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + share_s
    resource.setrlimit(resource.RLIMIT_CPU, (soft, _CPU_MOST))
    _LIBC.alarm(share_s)


def _anybody_can_read(file: str) -> bool:
    if not os.stat(file).st_mode & 0o004:
        return False
    while file != "/":
        file = os.path.dirname(file)
        if not os.stat(file).st_mode & 0o001:
            return False
    return True


def _become_nobody() -> None:
    nobody = 65534
    os.setgroups([])
    os.setresgid(nobody, nobody, nobody)
    os.setresuid(nobody, nobody, nobody)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)  # 0: this process
    none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, 64 bits in two halves
    if libc.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")
