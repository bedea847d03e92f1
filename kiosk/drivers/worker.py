"""The child: loads one vendor's driver and answers frames over its pipe (contract 1 §6).

It holds one socket and, for a library of the old kind, the reader's serial port; calls on the card go back through
the socket to the kiosk, which has the card. Only the standard library and the few rooms named below are loaded, and
once they are, nothing else of ours can be imported.

A driver's mistake ends this process; that is its purpose. Messages of a driver's exceptions are not passed on: they
may hold a secret.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import kiosk.drivers.sdk  # a Python driver imports CardPortError from there
from kiosk.drivers.confine import confine, limit_time
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.pipe import (
    MESSAGE_MAX,
    Call,
    CardCall,
    Kind,
    Pipe,
    PipeBroken,
    Verb,
    pack_status,
    unpack_status,
)
from kiosk.drivers.task import Task
from kiosk.model.cardport import BAD_ARGUMENT, NO_CARD, CardPortError

NONSENSE = 1
"""Status of an answer that is none: not bytes, or too long."""
LAST_WORDS_MAX = 2000
LOAD_MS = 10_000
"""The kiosk waits no longer for READY (host.py)."""
Answerer = Callable[[int, bytes, bytes], tuple[int, bytes]]
"""(handle, request, password) → (status, answer)."""


class PipePort:
    """The card, seen from the child: a CardPort (kiosk/model/cardport.py) whose calls travel to the kiosk."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.open = False  # only while a call runs is there a card

    def card_type(self) -> int:
        """Code of the family, 0 = no card."""
        return self._ask(CardCall(Verb.CARD_TYPE))[0] if self.open else 0

    def atr(self) -> bytes:
        """Answer to reset."""
        return self._ask(CardCall(Verb.ATR))[1]

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly ``length`` bytes."""
        return self._ask(CardCall(Verb.READ, zone, addr, length))[1]

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """All of ``data``."""
        self._ask(CardCall(Verb.WRITE, zone, addr, content=_raw(data)))

    def verify(self, which: int, secret: bytes) -> None:
        """Presents a secret."""
        self._ask(CardCall(Verb.VERIFY, which, content=_raw(secret)))

    def tries_left(self, which: int) -> int:
        """Tries left for a secret."""
        return self._ask(CardCall(Verb.TRIES_LEFT, which))[0]

    def transmit(self, apdu: bytes) -> bytes:
        """A short APDU."""
        return self._ask(CardCall(Verb.TRANSMIT, content=_raw(apdu)))[1]

    def _ask(self, call: CardCall) -> tuple[int, bytes]:
        if not self.open:
            raise CardPortError(NO_CARD, "there is no card")
        try:
            body = call.pack()
        except ValueError as fault:
            raise CardPortError(BAD_ARGUMENT, str(fault)) from fault
        try:
            self._pipe.send(Kind.CARD, body)
            kind, reply = self._pipe.receive()
            status, content = unpack_status(reply)
        except PipeBroken:
            os._exit(1)  # the kiosk is gone, and no exception may run through the vendor's code
        if kind is not Kind.RESULT:
            os._exit(1)
        if status < 0:
            raise CardPortError(status)
        return status, content


def _raw(content: bytes) -> bytes:
    if not isinstance(content, bytes | bytearray | memoryview):  # bytes(5) would be five zeros on the card
        raise TypeError(f"bytes are wanted, not {type(content).__name__}")
    return bytes(content)


def main(words: list[str]) -> NoReturn:
    """The process's life."""
    task = Task.from_words(words)
    pipe = Pipe(socket.socket(fileno=task.socket))
    port = PipePort(pipe)
    try:
        confine()
        _shut_our_rooms()
        limit_time(LOAD_MS)
        answerer = _load(task, port)
        limit_time(0)
    except BaseException as fault:  # noqa: BLE001 — the vendor's file may raise anything, SystemExit too
        pipe.send(Kind.REFUSED, _place_of(fault, mine=isinstance(fault, Refused)))
        os._exit(1)
    finally:
        os.close(task.image)
    pipe.send(Kind.READY)
    _serve(pipe, port, answerer)


class Refused(Exception):
    """The driver cannot be used; the message is ours and holds no secret."""


def _serve(pipe: Pipe, port: PipePort, answerer: Answerer) -> NoReturn:
    while True:
        try:
            kind, body = pipe.receive()
        except PipeBroken:
            os._exit(0)
        if kind is not Kind.CALL:
            os._exit(1)
        call = Call.unpack(body)
        limit_time(call.timeout_ms)
        port.open = True
        try:
            status, answer = answerer(call.handle, call.frame, call.password)
        except BaseException as fault:  # noqa: BLE001 — a bug of the driver ends its process, SystemExit too
            pipe.send(Kind.CRASHED, _place_of(fault))
            os._exit(1)
        port.open = False
        limit_time(0)
        pipe.send(Kind.ANSWER, pack_status(status, answer))


def _load(task: Task, port: PipePort) -> Answerer:
    image = f"/proc/self/fd/{task.image}"
    if task.kind == "native":
        try:
            native = NativeDriver(image, task.abbr, port, task.access, task.serial)
        except (OSError, AttributeError, ValueError) as fault:
            raise Refused(str(fault).replace(image, "the library")) from fault
        return native.answer
    return _python_driver(image, port)


def _python_driver(image: str, port: PipePort) -> Answerer:
    with open(image, "rb") as file:  # noqa: PTH123 — a descriptor, not a path
        source = file.read()
    module = types.ModuleType("driver")
    sys.modules["driver"] = module
    exec(compile(source, "driver.py", "exec"), module.__dict__)  # its sha256 is the manifest's
    driver = module.__dict__["Driver"]()

    def answer(handle: int, frame: bytes, password: bytes) -> tuple[int, bytes]:
        said: Any = driver.icard(port if handle else 0, frame, password.decode("ascii"))
        if not isinstance(said, bytes | bytearray) or len(said) > MESSAGE_MAX // 2:
            return NONSENSE, b""
        return 0, bytes(said)

    return answer


def _shut_our_rooms() -> None:
    """From here on ``import kiosk.…`` finds only what is loaded, and nothing lies beside it that could be imported."""
    root = str(Path(kiosk.__path__[0]).parent)
    sys.path[:] = [place for place in sys.path if place != root]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "kiosk" and hasattr(module, "__path__"):
            module.__path__ = []


def _place_of(fault: BaseException, *, mine: bool = False) -> bytes:
    """Which exception and where, without its words: they may hold a secret."""
    if mine:
        return str(fault).encode()[:LAST_WORDS_MAX]
    frames = traceback.extract_tb(fault.__traceback__)[-6:]
    where = " < ".join(f"{frame.name} {Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(fault).__name__} in {where}".encode()[:LAST_WORDS_MAX]
