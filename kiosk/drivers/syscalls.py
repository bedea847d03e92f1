"""The system calls a driver's process is refused, as a filter in the kernel (seccomp, classic BPF).

Refused means EPERM, so a library that only tries goes on living. Numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl
and include/uapi/asm-generic/unistd.h, machines: include/uapi/linux/audit.h; a test compares them with the headers.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

REFUSED: dict[str, tuple[int | None, int | None]] = {
    # a process, a program, a thread
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the network, and the ring that would go round this filter
    "socket": (41, 198),
    "socketpair": (53, 199),  # a datagram socket of a pair can write to any other on the machine
    "connect": (42, 203),
    "bind": (49, 200),
    "io_uring_setup": (425, 425),
    # memory and messages that no limit counts and that outlive the process
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # when others touch their files
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # other processes: signals, memory, descriptors, processors
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    # keys of the kernel, and ways into it
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # files: made, changed, moved, removed, given away (open has its own rule below)
    "creat": (85, None),
    "openat2": (437, 437),
    "open_by_handle_at": (304, 265),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
"""Name → number on x86_64 and on aarch64, where there is one."""
TO_READ_ONLY: dict[str, tuple[int | None, int | None, int]] = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Refused when the flags, the argument so numbered, say more than reading."""
ONLY_ITSELF: dict[str, tuple[int, int, int]] = {
    "kill": (62, 129, 0),
    "tkill": (200, 130, 0),
    "tgkill": (234, 131, 0),
}
"""Refused unless the argument so numbered is this process: abort() must work."""
PRLIMIT64 = (302, 261)  # refused unless its first argument is 0, this process
FCNTL, IOCTL = (72, 25), (16, 29)
_SIGNALS_BY_FCNTL = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel sends signals in our name
_SIGNALS_BY_IOCTL = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_MORE_THAN_READING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_LOAD, _EQUAL, _FROM, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _REFUSE, _ALLOW = (_RETURN, 0, 0, 0x80000000), (_RETURN, 0, 0, 0x00050001), (_RETURN, 0, 0, 0x7FFF0000)
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data, include/uapi/linux/seccomp.h
_X32_BIT = 0x40000000

Step = tuple[int, int, int, int]
"""struct sock_filter: code, steps to skip if true, if false, value."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def refuse_calls(libc: ctypes.CDLL) -> bool:
    """Whether this machine's numbers are known; for good. Raises OSError when the kernel takes no filter."""
    machine = os.uname().machine
    if machine not in MACHINES or sys.maxsize < 1 << 32:  # a 32-bit program on such a machine has other numbers
        return False
    steps = filter_steps(machine, os.getpid())
    program = _Program(len(steps), b"".join(struct.pack("=HBBI", *step) for step in steps))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return True


def filter_steps(machine: str, own_process: int) -> list[Step]:
    """The filter's program."""
    column = list(MACHINES).index(machine)
    steps: list[Step] = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUAL, 1, 0, MACHINES[machine]),
        _KILL,
        (_LOAD, 0, 0, _NUMBER_AT),
        (_FROM, 0, 1, _X32_BIT),
        _REFUSE,
    ]
    for *numbers, argument in TO_READ_ONLY.values():
        steps += _refuse_if(numbers[column], argument, _ANY_BIT, _MORE_THAN_READING)
    for *numbers, argument in ONLY_ITSELF.values():
        steps += _refuse_unless(numbers[column], argument, own_process)
    steps += _refuse_unless(PRLIMIT64[column], 0, 0)
    steps += _refuse_if(FCNTL[column], 1, _EQUAL, *_SIGNALS_BY_FCNTL)
    steps += _refuse_if(IOCTL[column], 1, _EQUAL, *_SIGNALS_BY_IOCTL)
    refused = [numbers[column] for numbers in REFUSED.values() if numbers[column] is not None]
    steps += [(_EQUAL, len(refused) - at, 0, number) for at, number in enumerate(refused) if number is not None]
    return [*steps, _ALLOW, _REFUSE]


def _refuse_if(number: int | None, argument: int, test: int, *values: int) -> list[Step]:
    """Ends the program for that call: refused when the test holds for one of the values."""
    tests: list[Step] = [(test, len(values) - at, 0, value) for at, value in enumerate(values)]
    return _only_for(number, [_argument(argument), *tests, _ALLOW, _REFUSE])


def _refuse_unless(number: int | None, argument: int, value: int) -> list[Step]:
    return _only_for(number, [_argument(argument), (_EQUAL, 0, 1, value), _ALLOW, _REFUSE])


def _only_for(number: int | None, steps: list[Step]) -> list[Step]:
    return [(_EQUAL, 0, len(steps), number), *steps] if number is not None else []


def _argument(number: int) -> Step:
    """Loads an argument's low word; all that are asked for are ints, and both machines have the low word first."""
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * number
