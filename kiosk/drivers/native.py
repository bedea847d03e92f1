"""A native driver through ctypes: the table of callbacks, Bind and the call, as contract 1 §6 has them to the byte."""

from __future__ import annotations

import ctypes
import mmap

from kiosk.drivers.pipe import CARD_BYTES_MAX, PASSWORD_MAX
from kiosk.drivers.sizes import DATA_MAX, FRAME_MAX
from kiosk.model.cardfault import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError

TYPE_CHECKING = False  # as typing has it, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kiosk.model.cardport import CardPort

ANSWER_ROOM = 4096
"""Bytes recvstr has room for."""
_NOTHING = 0  # PROT_NONE

_INT, _UINT, _POINTER, _BYTE = ctypes.c_int32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_ubyte
_CARD_TYPE = ctypes.CFUNCTYPE(_INT, _INT)
_ATR = ctypes.CFUNCTYPE(_INT, _INT, _POINTER, _UINT)
_ACCESS = ctypes.CFUNCTYPE(_INT, _INT, _UINT, _UINT, _POINTER, _UINT)
_VERIFY = ctypes.CFUNCTYPE(_INT, _INT, _UINT, _POINTER, _UINT)
_TRIES_LEFT = ctypes.CFUNCTYPE(_INT, _INT, _UINT)
_TRANSMIT = ctypes.CFUNCTYPE(_INT, _INT, _POINTER, _UINT, _POINTER, _UINT)


class IcdevApi(ctypes.Structure):
    """``icdev_api``."""

    _fields_ = (
        ("size", _UINT),
        ("card_type", _CARD_TYPE),
        ("atr", _ATR),
        ("read", _ACCESS),
        ("write", _ACCESS),
        ("verify", _VERIFY),
        ("tries_left", _TRIES_LEFT),
        ("transmit", _TRANSMIT),
    )


class AnswerRoom:
    """recvstr between two pages nobody may touch: a library that writes behind it dies of its first byte there."""

    def __init__(self) -> None:
        page, libc = mmap.PAGESIZE, ctypes.CDLL(None, use_errno=True)
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        size = -(-ANSWER_ROOM // page) * page  # a page may have 16 KB
        self._memory = mmap.mmap(-1, page + size + page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for fence in (start, start + page + size):
            if libc.mprotect(fence, page, _NOTHING) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")
        self.address = start + page + size - ANSWER_ROOM

    def clear(self) -> None:
        """Zeros, so that no answer is taken for the next."""
        ctypes.memset(self.address, 0, ANSWER_ROOM)

    def answer(self) -> bytes:
        """As many bytes as the frame's length says, a whole frame's at most."""
        length = int.from_bytes(ctypes.string_at(self.address + 2, 2), "big")
        return ctypes.string_at(self.address, min(length, DATA_MAX) + FRAME_MAX - DATA_MAX)


class NativeDriver:
    """One loaded library. ``access`` is api, serial (the old kind, which is given the descriptor ``line``) or none (a
    vendor without cards, where Bind may be missing). ``views``: the port takes a library's bytes where they lie, so
    that no copy of a secret is made here.

    Raises OSError (not loadable), AttributeError (an export is missing), ValueError (Bind refused).
    """

    def __init__(self, path: str, abbr: str, port: CardPort, access: str, line: int, *, views: bool = False) -> None:
        library = ctypes.CDLL(path)
        self._icard = library[f"{abbr}Icard"]
        self._icard.argtypes = (_INT, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_char_p)
        self._icard.restype = _INT
        self._line = line if access == "serial" else None
        self._handle = 0
        self._port = port
        self._taken: Callable[[int | None, int], Any] = _view if views else _copy
        self._room = AnswerRoom()
        self._password = ctypes.create_string_buffer(PASSWORD_MAX + 1)
        self._send = ctypes.create_string_buffer(FRAME_MAX)
        self._api = self._table()  # the library may keep the pointer
        if access == "api" or (access == "none" and hasattr(library, f"{abbr}IcardBind")):
            bind = library[f"{abbr}IcardBind"]
            bind.argtypes, bind.restype = (ctypes.POINTER(IcdevApi),), _INT
            result = bind(ctypes.byref(self._api))
            if result != 0:
                raise ValueError(f"{abbr}IcardBind returned {result}")

    def answer(self, handle: int, frame: bytes, password: bytes | memoryview) -> tuple[int, bytes]:
        """One call: (0, answer) or (what the library returned, b""). The password is gone when it returns.

        ValueError for one that is too long.
        """
        if handle and self._line is not None:
            handle = self._line
        self._handle = handle
        send = self._send if len(frame) <= FRAME_MAX else ctypes.create_string_buffer(frame, len(frame))
        ctypes.memset(send, 0, ctypes.sizeof(send))
        ctypes.memmove(send, frame, len(frame))
        self._room.clear()
        try:
            memoryview(self._password).cast("B")[: len(password)] = memoryview(password)
            result = self._icard(handle, send, self._room.address, self._password)
        finally:
            ctypes.memset(self._password, 0, PASSWORD_MAX + 1)
        return (result, b"") if result != 0 else (0, self._room.answer())

    def _table(self) -> IcdevApi:
        port, taken = self._port, self._taken

        def card_type() -> int:
            return port.card_type()

        def atr(out: int | None, cap: int) -> int:
            return _give(port.atr(), out, cap)

        def read(zone: int, addr: int, out: int | None, length: int) -> int:
            return _give(port.read(zone, addr, length), out, length)

        def write(zone: int, addr: int, content: int | None, length: int) -> int:
            port.write(zone, addr, taken(content, length))
            return length

        def verify(which: int, secret: int | None, length: int) -> int:
            port.verify(which, taken(secret, length))
            return 0

        def transmit(apdu: int | None, length: int, out: int | None, cap: int) -> int:
            return _give(port.transmit(taken(apdu, length)), out, cap)

        return IcdevApi(
            ctypes.sizeof(IcdevApi),
            _CARD_TYPE(self._guarded(card_type)),
            _ATR(self._guarded(atr)),
            _ACCESS(self._guarded(read)),
            _ACCESS(self._guarded(write)),
            _VERIFY(self._guarded(verify)),
            _TRIES_LEFT(self._guarded(port.tries_left)),
            _TRANSMIT(self._guarded(transmit)),
        )

    def _guarded(self, act: Callable[..., int]) -> Callable[..., int]:
        """``act`` as the library calls it: first the handle, and no exception crosses into C."""

        def callback(icdev: int, *arguments: int) -> int:
            try:
                if icdev != self._handle:
                    return BAD_ARGUMENT
                if not icdev:
                    return NO_CARD
                return act(*arguments)
            except CardPortError as fault:
                return fault.code if fault.code < 0 else IO_FAULT
            except Exception:  # noqa: BLE001 — an exception must not run through the vendor's code
                return IO_FAULT

        return callback


def _give(content: bytes, out: int | None, cap: int) -> int:
    if out is None or len(content) > cap:
        raise CardPortError(BAD_ARGUMENT)
    ctypes.memmove(out, content, len(content))
    return len(content)


def _copy(content: int | None, length: int) -> bytes:
    if length > CARD_BYTES_MAX or (content is None and length):
        raise CardPortError(BAD_ARGUMENT)
    return ctypes.string_at(content, length) if content is not None else b""


def _view(content: int | None, length: int) -> bytes | memoryview:
    """As ``_copy``, without the copy: good only until the call on the card returns."""
    if length > CARD_BYTES_MAX or (content is None and length):
        raise CardPortError(BAD_ARGUMENT)
    return memoryview((_BYTE * length).from_address(content)).cast("B") if content is not None and length else b""
