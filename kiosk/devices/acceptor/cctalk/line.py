"""One question and its answer on a one-wire line, on which the host hears itself.

Sending and receiving share one wire, so what we say comes back first, and then the answer. An exchange is believed
only if it is whole: our own words unharmed, if they come back at all, and one frame of the device addressed to us.
Nothing is searched for inside damaged bytes: a check of eight bits lets every 256th false frame pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.devices.acceptor.asking import Asking
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.talk import NEVER

Echo = Literal["on", "off", "detect"]
"""Whether the host hears itself: ``on``: an exchange without echo is none; ``detect``: each exchange shows it."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the device is spoken with. Times in ms."""

    check: wire.Check = "sum"
    echo: Echo = "detect"
    address: int = 0  # 0: the usual one of its trade
    answer_ms: int = 100  # from the question to the end of its answer, the echo included


class Line:
    """Who has the word, and what was said."""

    def __init__(self, settings: LineSettings, address: int) -> None:
        """``address``: the trade's usual one, if the settings give none."""
        self._settings = settings
        self._address = settings.address or address
        self._asking = Asking(settings.answer_ms)
        self._sent = self._held = b""

    def ask(self, header: int, data: bytes, now_ms: int) -> bytes:
        """The question's bytes, to be sent now."""
        self._asking.asked(now_ms)
        self._sent, self._held = wire.encode(self._address, header, data, check=self._settings.check), b""
        return self._sent

    def received(self, came: bytes, now_ms: int) -> wire.Frame | None:
        """Bytes came; the answer, once it is whole."""
        if not self._asking.waiting:
            self._asking.listen(now_ms)  # nobody asked for that
            return None
        self._held += came
        rest = self._without_echo()
        span = wire.length(rest) if rest is not None else None
        if rest is None or span is None or len(rest) < span:
            return None
        try:
            frame = wire.decode(rest[:span], self._settings.check)
        except ValueError:
            return None  # the time will run out
        if frame.to != wire.HOST or frame.sender not in (None, self._address):
            return None
        self._asking.answered()
        if len(rest) > span:
            self._asking.listen(now_ms)
        return frame

    def _without_echo(self) -> bytes | None:
        """What came after our own words; None if they are not all back, or had to come and did not."""
        sent, held = self._sent, self._held
        if self._settings.echo != "off" and sent.startswith(held[: len(sent)]):
            return held[len(sent) :] if len(held) >= len(sent) else None
        return None if self._settings.echo == "on" else held

    def may_ask(self, now_ms: int) -> bool:
        """Whether the line is quiet and nothing is awaited."""
        return self._asking.may_ask(now_ms)

    def gave_up(self, now_ms: int) -> bool:
        """Whether the answer did not come in time; true once a question."""
        return self._asking.gave_up(now_ms)

    def forget(self) -> None:
        """The line is new."""
        self._asking.forget()
        self._sent = self._held = b""

    def due_ms(self, next_ms: int) -> int:
        """When something falls due, if the next question is due then."""
        if self._asking.waiting:
            return self._asking.due_ms()
        quiet = self._asking.due_ms()
        return next_ms if quiet == NEVER else max(next_ms, quiet)
