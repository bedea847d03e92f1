"""A vendor's real driver, called in this process: a simulation cannot wait for children, and wants them to die at a
chosen command. The same bytes go in and come out as through the pipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType

from kiosk.drivers.driver import Driver
from kiosk.drivers.frame import Frame, FrameFault
from kiosk.drivers.manifest import Manifest
from kiosk.drivers.native import NativeDriver
from kiosk.model.cardport import NO_CARD, CardPort, CardPortError
from kiosk.model.errors import DriverFault
from kiosk.simulation.power import PowerCut
from kiosk.simulation.town.chance import Chance

COMMANDS_MAX = 60  # a call that is cut off is cut off at one of its first so many commands to the card
HANDLE, NO_HANDLE = 1, 0


class TiredPort:
    """The card as the driver sees it; from some command on there is no answer any more."""

    def __init__(self) -> None:
        self.card: CardPort | None = None
        self.left = -1  # commands until the end; −1: no end
        self.ended = False

    def _next(self) -> CardPort:
        if self.left == 0:
            self.ended = True
        self.left -= self.left > 0
        if self.card is None or self.ended:
            raise CardPortError(NO_CARD, "there is no card")
        return self.card

    def card_type(self) -> int:
        """As CardPort's."""
        return self._next().card_type()

    def atr(self) -> bytes:
        """As CardPort's."""
        return self._next().atr()

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """As CardPort's."""
        return self._next().read(zone, addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """As CardPort's."""
        self._next().write(zone, addr, bytes(data))

    def verify(self, which: int, secret: bytes) -> None:
        """As CardPort's."""
        self._next().verify(which, bytes(secret))

    def tries_left(self, which: int) -> int:
        """As CardPort's."""
        return self._next().tries_left(which)

    def transmit(self, apdu: bytes) -> bytes:
        """As CardPort's."""
        return self._next().transmit(bytes(apdu))


class SimulatedProcess:
    """In the place of ``DriverProcess``."""

    def __init__(self, manifest: Manifest, chance: Chance | None) -> None:
        self._manifest, self._chance = manifest, chance
        self._port, self._answer = _loaded(manifest)

    def start(self) -> None:
        """It is there."""

    def prepare(self) -> None:
        """It is there."""

    def discard(self) -> None:
        """The next one is a new one: what the driver kept is gone."""
        self._port, self._answer = _loaded(self._manifest)

    close = discard

    def call(self, raw: bytes, port: CardPort | None, password: str, timeout_ms: int | None = None) -> bytes:
        """One call. Raises DriverFault D-301, D-302, D-303; PowerCut."""
        end = self._end_of() if port is not None else ""
        self._port.card, self._port.ended = port, False
        self._port.left = self._chance.random.randrange(COMMANDS_MAX) if end and self._chance else -1
        status, answer = self._answer(HANDLE if port is not None else NO_HANDLE, raw, password.encode())
        if end and self._port.ended:
            if end == "power cut at the card":
                raise PowerCut
            self.discard()
            code = "D-302" if end == "driver too late" else "D-301"
            raise DriverFault(code, f"{self._manifest.vendor.abbr}: {end}")
        if status:
            return b""
        try:
            Frame.decode(answer)
        except FrameFault as fault:
            raise DriverFault("D-303", str(fault)) from fault
        return answer

    def _end_of(self) -> str:
        ends = ("power cut at the card", "driver crashed", "driver too late")
        return next((end for end in ends if self._chance and self._chance.happens(end)), "")


def simulated_driver(manifest: Manifest, password: str, chance: Chance | None) -> Driver:
    """The vendor's driver; without ``chance`` it works as it should (a vendor's office)."""
    driver = Driver(manifest, password)
    driver.process = SimulatedProcess(manifest, chance)  # type: ignore[assignment]
    return driver


Answerer = Callable[[int, bytes, bytes], tuple[int, bytes]]


def _loaded(manifest: Manifest) -> tuple[TiredPort, Answerer]:
    if manifest.driver.kind == "native":
        return _library(
            manifest.driver.path, manifest.vendor.abbr, "none" if manifest.keypad else manifest.driver.access
        )
    port = TiredPort()
    return port, _program(manifest.driver.path, port)


@cache
def _library(file: Path, abbr: str, access: str) -> tuple[TiredPort, Answerer]:
    """A library is in this process once, whoever loads it, and so is what Bind gave it: all kiosks take turns."""
    port = TiredPort()
    return port, NativeDriver(str(file), abbr, port, access, -1).answer


@cache
def _compiled(file: Path) -> CodeType:
    return compile(file.read_bytes(), "driver.py", "exec")


def _program(file: Path, port: TiredPort) -> Answerer:
    module = type(sys)("driver")
    before = sys.modules.get("driver")
    sys.modules["driver"] = module
    try:
        exec(_compiled(file), module.__dict__)
    finally:
        sys.modules.pop("driver", None)
        if before is not None:
            sys.modules["driver"] = before
    driver = module.__dict__["Driver"]()

    def answer(handle: int, frame: bytes, password: bytes) -> tuple[int, bytes]:
        try:
            return 0, driver.icard(port if handle else 0, frame, password.decode())
        except CardPortError:
            return 1, b""  # an exception of the driver's: its process would end

    return answer
