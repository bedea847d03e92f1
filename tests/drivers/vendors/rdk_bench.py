"""The native sample vendor on a bench: its folder built afresh, its library called in this process, virtual cards."""

import copy
import importlib.util
import random
from pathlib import Path

from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.model.cardport import IO_FAULT, CardPortError

ROOT = Path(__file__).resolve().parents[3]
LI = Person("420100", "0012345678901", "20000017")
FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND = Bought(2, 3000, 5000, bytes(15) + b"\2")
THIRD = Bought(3, 2000, 3333, bytes(15) + b"\3")


def build_script():
    spec = importlib.util.spec_from_file_location("build_vendors", ROOT / "scripts" / "build_vendors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class HalfWritten(Sle4442):
    """A card that is pulled while a byte is written: chance says which of its zeros are there already."""

    chance = random.Random(20260215)

    def _tear(self, zone, addr, byte):
        old = self._zone(zone, addr, 1)[addr]
        start = 0xFF if byte & ~old else old  # a bit that must rise: the byte is erased first
        self._put(zone, addr, start & (byte | self.chance.randrange(256)))
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while writing")


class Rdk:
    """One finished vendor folder; each has a meter of its own that has met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        self.library = str(self.folder.manifest.driver.path)
        self.meter = load_python(folder / "conformance" / "meter.py")

    def blank(self, kind=Sle4442, image=None):
        return kind(image or self.folder.blank, self.folder.secret)

    def ask(self, card, command, items=None):
        card.reset()
        driver = NativeDriver(self.library, "RDK", card, "api", -1)
        raw = Frame(command, pack_items(items or {})).encode()
        status, answer = driver.answer(1, raw, self.folder.password.encode())
        assert status == 0
        return parse(answer, command)

    def do(self, card, command, items):
        answer = self.ask(card, command, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        answer = self.ask(card, Command.READ)
        assert answer.ok, answer.said
        return answer

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def pulled(card, after):
    """A copy of the card that is pulled after so many bytes."""
    other = copy.deepcopy(card)
    other.tear_after = after
    return other


def state_of(answer):
    """0206 and 0209."""
    return answer.number(DI.COUNT), answer.number(DI.STATE)
