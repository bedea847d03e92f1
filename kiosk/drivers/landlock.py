"""Which files a driver's process may open: the system's libraries, to read (Linux, userspace-api/landlock.rst).

Landlock needs no privilege and binds root too. The kernel says how much of it there is (its ABI version); what a later
version can refuse besides files, TCP and signals to processes outside, is refused too. A kernel without it is no error:
then the process may read what its user may, and only the file permissions keep it from the ledger.
"""

from __future__ import annotations

import ctypes
import errno
import os

READABLE = (
    os.path.dirname(os.__file__),  # Python's own library
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/urandom",
)
"""What a driver may read: what the C library and Python load as they go, and the civil time's zone."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all machines
_ASK_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILES_BY_VERSION = (0, 0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF)
"""All rights on files that a version knows: from 2 to link elsewhere, from 3 to truncate, from 5 ioctl on devices."""
_TCP_BIND_AND_CONNECT = 3  # from version 4
_SIGNALS_AND_ABSTRACT_SOCKETS = 3  # from version 6


def only_libraries_may_be_read(libc: ctypes.CDLL) -> bool:
    """Whether the kernel could do it; for good. Raises OSError when it can and something fails."""
    try:
        version = _call(libc, _CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError as fault:
        if fault.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):  # EPERM: a container's own filter
            return False
        raise
    words = _refused(version)
    rules = _call(libc, _CREATE_RULESET, (ctypes.c_uint64 * len(words))(*words), 8 * len(words), 0)
    try:
        for place in READABLE:
            _allow(libc, rules, place)
        _call(libc, _RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return True


def _refused(version: int) -> list[int]:
    """The words of struct landlock_ruleset_attr which that version knows."""
    words = [_FILES_BY_VERSION[min(version, len(_FILES_BY_VERSION) - 1)]]
    if version >= 4:
        words.append(_TCP_BIND_AND_CONNECT)
    if version >= 6:
        words.append(_SIGNALS_AND_ABSTRACT_SOCKETS)
    return words


def _allow(libc: ctypes.CDLL, rules: int, place: str) -> None:
    try:
        number = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not every system has every place
        return
    try:
        rights = _READ_FILE | (_READ_DIR if os.path.isdir(place) else 0)
        rule = rights.to_bytes(8, "little") + number.to_bytes(4, "little")  # struct landlock_path_beneath_attr, packed
        _call(libc, _ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(number)


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    """A system call without a name in the C library. Raises OSError."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result
