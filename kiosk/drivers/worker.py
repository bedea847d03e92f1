"""The child: loads one vendor's driver and answers frames over its pipe (contract 1 §6).

It holds one socket; calls on the card go back through it to the kiosk, which has the card. A library of the old kind is
handed the reader's serial line with its call, under a number that stays the same, with /dev/null there until then. It
is started with the few rooms of ours that it needs (rooms.py), and nothing else of ours can be imported.

A driver's mistake ends this process; that is its purpose. Messages of a driver's exceptions are not passed on: they
may hold a secret.

The password is here for the call only: the message it came in, a library's copy of it and what a driver presented to
the card are zeros when the call is over. A Python driver gets a ``str``, which cannot be overwritten; its memory is
given back, and what the driver itself kept is the driver's.
"""

from __future__ import annotations

import os
import sys

from kiosk.drivers.confine import confine, limit_time
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.pipe import (
    MESSAGE_MAX,
    NO_LINE,
    Kind,
    Pipe,
    PipeBroken,
    PipeGone,
    Verb,
    pack_card,
    pack_status,
    unpack_call,
    unpack_status,
    wipe,
)
from kiosk.model.cardfault import BAD_ARGUMENT, NO_CARD, CardPortError

TYPE_CHECKING = False  # as typing has it, which is slow to load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Answerer = Callable[[int, bytes, memoryview], tuple[int, bytes]]
    """(handle, request, password) → (status, answer)."""

NONSENSE = 1
"""Status of an answer that is none: not bytes, or too long."""
LAST_WORDS_MAX = 2000
LOAD_MS = 10_000
"""The kiosk waits no longer for READY (host.py)."""


class PipePort:
    """The card, seen from the child: a CardPort (kiosk/model/cardport.py) whose calls travel to the kiosk."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.open = False  # only while a call runs is there a card

    def card_type(self) -> int:
        """Code of the family, 0 = no card."""
        return self._ask(Verb.CARD_TYPE)[0] if self.open else 0

    def atr(self) -> bytes:
        """Answer to reset."""
        return self._ask(Verb.ATR)[1]

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        return self._ask(Verb.READ, zone, addr, length)[1]

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""
        self._ask(Verb.WRITE, zone, addr, content=_raw(data))

    def verify(self, which: int, secret: bytes) -> None:
        """Presents a secret."""
        self._ask(Verb.VERIFY, which, content=_raw(secret))

    def tries_left(self, which: int) -> int:
        """Tries left for a secret."""
        return self._ask(Verb.TRIES_LEFT, which)[0]

    def transmit(self, apdu: bytes) -> bytes:
        """A short APDU."""
        return self._ask(Verb.TRANSMIT, content=_raw(apdu))[1]

    def _ask(
        self, verb: int, first: int = 0, second: int = 0, length: int = 0, content: bytes = b""
    ) -> tuple[int, bytes]:
        if not self.open:
            raise CardPortError(NO_CARD, "there is no card")
        try:
            message = pack_card(verb, first, second, length, content)
        except (ValueError, TypeError) as fault:
            raise CardPortError(BAD_ARGUMENT, str(fault)) from fault
        try:
            self._pipe.send(message)
            if isinstance(message, bytearray):
                wipe(message)  # it may hold a secret
            reply = self._pipe.receive()
            status, answer = unpack_status(reply)
        except PipeBroken:
            os._exit(1)  # the kiosk is gone, and no exception may run through the vendor's code
        if reply[0] != Kind.RESULT:
            os._exit(1)
        if status < 0:
            raise CardPortError(status)
        return status, answer


def _raw(content: bytes) -> bytes:
    if not isinstance(content, bytes | bytearray | memoryview):  # bytes(5) would be five zeros on the card
        raise TypeError(f"bytes are wanted, not {type(content).__name__}")
    return content


def main(words: list[str]) -> NoReturn:
    """The process's life. ``words``: descriptors of socket and driver's file; native or python; abbreviation; access,
    which is none for a vendor without cards. No secret stands there.
    """
    socket, image, kind, abbr, access = words
    pipe = LinePipe(int(socket)) if access == "serial" else Pipe(int(socket))
    port = PipePort(pipe)
    os.environ.clear()
    try:
        confine()
        limit_time(LOAD_MS)
        if kind == "native":
            line = pipe.line if isinstance(pipe, LinePipe) else NO_LINE
            answerer = _native_driver(f"/proc/self/fd/{image}", abbr, port, access, line)
        else:
            answerer = _python_driver(int(image), port)
        limit_time(0)
    except BaseException as fault:  # noqa: BLE001 — the vendor's file may raise anything, SystemExit too
        pipe.send(bytes((Kind.REFUSED,)) + _place_of(fault, mine=isinstance(fault, Refused)))
        os._exit(1)
    finally:
        os.close(int(image))
    pipe.send(bytes((Kind.READY,)))
    serve(pipe, port, answerer)


class LinePipe(Pipe):
    """A pipe through which the reader's line comes with a call; ``line`` is the number the library knows it by.

    It is not taken from it again: the kiosk ends the process when that call is over.
    """

    def __init__(self, end: int) -> None:
        from socket import CMSG_LEN, socket  # slow to load, and here only

        super().__init__(end)
        self._socket, self._room = socket(fileno=end), CMSG_LEN(4)
        self.line = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def receive_into(self, room: bytearray) -> int:
        """As Pipe's; a line that came with the message is in its place."""
        try:
            size, others, _flags, _from = self._socket.recvmsg_into([room], self._room)
        except OSError as fault:
            raise PipeGone(str(fault)) from fault
        if size == 0:
            raise PipeGone("the other end is closed")
        for _level, _type, content in others:
            line = int.from_bytes(content[:4], sys.byteorder)
            os.dup2(line, self.line, inheritable=False)
            os.close(line)
        return size


class Refused(Exception):
    """The driver cannot be used; the message is ours and holds no secret."""


def serve(pipe: Pipe, port: PipePort, answerer: Answerer) -> NoReturn:
    """One call after the other, until the kiosk closes the pipe."""
    room = bytearray(MESSAGE_MAX + 1)
    while True:
        try:
            size = pipe.receive_into(room)
            timeout_ms, handle, password, frame = unpack_call(memoryview(room)[:size])
        except PipeBroken:
            os._exit(0)
        limit_time(timeout_ms)
        port.open = True
        try:
            status, answer = answerer(handle, frame, password)
        except BaseException as fault:  # noqa: BLE001 — a bug of the driver ends its process, SystemExit too
            pipe.send(bytes((Kind.CRASHED,)) + _place_of(fault))
            os._exit(1)
        port.open = False
        wipe(room, size)
        limit_time(0)
        pipe.send(pack_status(Kind.ANSWER, status, answer))


def _native_driver(image: str, abbr: str, port: PipePort, access: str, line: int) -> Answerer:
    try:
        return NativeDriver(image, abbr, port, access, line, views=True).answer
    except (OSError, AttributeError, ValueError) as fault:
        raise Refused(str(fault).replace(image, "the library")) from fault


def _python_driver(image: int, port: PipePort) -> Answerer:
    source = os.pread(image, os.fstat(image).st_size, 0)
    module = type(sys)("driver")
    sys.modules["driver"] = module
    exec(compile(source, "driver.py", "exec"), module.__dict__)  # its sha256 is the manifest's
    driver = module.__dict__["Driver"]()

    def answer(handle: int, frame: bytes, password: memoryview) -> tuple[int, bytes]:
        said: Any = driver.icard(port if handle else 0, frame, str(password, "ascii"))
        if not isinstance(said, bytes | bytearray) or len(said) > MESSAGE_MAX // 2:
            return NONSENSE, b""
        return 0, bytes(said)

    return answer


def _place_of(fault: BaseException, *, mine: bool = False) -> bytes:
    """Which exception and where, without its words: they may hold a secret."""
    if mine:
        return str(fault).encode()[:LAST_WORDS_MAX]
    places = []
    at = fault.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        places.append(f"{code.co_name} {os.path.basename(code.co_filename)}:{at.tb_lineno}")
        at = at.tb_next
    return f"{type(fault).__name__} in {' < '.join(places[:-7:-1])}".encode()[:LAST_WORDS_MAX]
