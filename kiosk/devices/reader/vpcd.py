"""The other end of the virtual reader: a card that comes and goes, for tests and the desk.

vpcd (vsmartcard's reader driver in pcscd) listens on TCP; to connect is to insert the card, to hang up is to pull it.
Each message is a length of two bytes, high byte first, and that many bytes. One byte is a control code: 0 power off,
1 power on, 2 reset, 4 ask for the ATR, which alone is answered; anything longer is an APDU.

vpcd sends length and body apart, with Nagle's rule on: unless we acknowledge at once, every APDU takes 44 ms.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from kiosk.model.errors import DeviceFault

POWER_OFF, POWER_ON, RESET, ASK_ATR = 0, 1, 2, 4
PORT = 35963  # vpcd's first slot; the next ones follow


class CardFace(Protocol):
    """What can be put into a virtual reader: a CPU card, or a memory chip behind ``AcsFace``."""

    def reset(self) -> bytes:
        """Powered afresh; the ATR."""

    def transmit(self, apdu: bytes) -> bytes:
        """The answer with SW1 SW2; b"" when the card was pulled on the way."""


Dial = Callable[[], socket.socket]
"""A new connection to one slot of vpcd."""


def tcp(port: int = PORT, host: str = "127.0.0.1") -> Dial:
    """The slot of a pcscd in our own network, such as a developer's."""
    return lambda: socket.create_connection((host, port), timeout=5)


class VirtualReader:
    """One slot. ``insert`` and ``remove`` are for one thread at a time; the card is served in a thread of its own."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._line: socket.socket | None = None
        self._server: threading.Thread | None = None
        self._pulled = threading.Event()
        self.delay_ms = 0
        """How long the card thinks about each APDU."""
        self.before_answer: Callable[[bytes], None] | None = None
        """Called with each APDU before the card sees it, in the card's thread; may hold it up."""

    @property
    def occupied(self) -> bool:
        """Whether a card is in; false, too, once it died under a write."""
        return self._line is not None and not self._pulled.is_set()

    def insert(self, card: CardFace) -> None:
        """Puts ``card`` in. DeviceFault V-402 when the slot is taken or nobody listens."""
        if self.occupied:
            raise DeviceFault("V-402", "a card is in the virtual reader already")
        self.remove()
        try:
            line = self._dial()
        except OSError as fault:
            raise DeviceFault("V-402", f"no virtual reader: {fault}") from fault
        line.settimeout(None)
        self._pulled.clear()
        self._line = line
        self._server = threading.Thread(target=self._serve, args=(line, card), name="virtual card", daemon=True)
        self._server.start()

    def remove(self) -> None:
        """Pulls the card, whatever it is doing. No card: nothing happens."""
        self._pulled.set()
        if self._line is not None:
            _hang_up(self._line)
            self._line = None
        if self._server is not None:
            self._server.join(timeout=5)
            self._server = None

    def swap(self, card: CardFace) -> None:
        """Another card so fast that a polling reader may not see the gap."""
        self.remove()
        self.insert(card)

    def _serve(self, line: socket.socket, card: CardFace) -> None:
        atr = card.reset()
        with suppress(OSError):
            while (message := _receive(line)) is not None:
                if len(message) == 1:
                    if message[0] in (POWER_ON, RESET):
                        atr = card.reset()
                    elif message[0] == ASK_ATR:
                        _send(line, atr)
                    continue
                if self.before_answer is not None:
                    self.before_answer(message)
                if self.delay_ms and self._pulled.wait(self.delay_ms / 1000):
                    break
                answer = b"" if self._pulled.is_set() else card.transmit(message)
                if not answer:
                    break
                _send(line, answer)
        self._pulled.set()
        _hang_up(line)


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def _send(line: socket.socket, body: bytes) -> None:
    line.sendall(len(body).to_bytes(2, "big") + body)


def _receive(line: socket.socket) -> bytes | None:
    head = _exactly(line, 2)
    return None if head is None else _exactly(line, int.from_bytes(head, "big"))


def _exactly(line: socket.socket, length: int) -> bytes | None:
    found = b""
    while len(found) < length:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # the kernel forgets it after each use
        more = line.recv(length - len(found))
        if not more:
            return None
        found += more
    return found
