"""The State Grid sample vendor on a bench: its folder, its driver in this process, cards, and two meters' eyes."""

import copy
import importlib.util

from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.port import WatchedPort

WANG = Person("420100", "000000100234", "000012345678")
FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND = Bought(2, 3000, 5000, bytes(15) + b"\2")
THIRD = Bought(3, 2000, 3333, bytes(15) + b"\3")
SETTINGS = {
    DI.ALARM_1: orders.u4(2000), DI.ALARM_2: orders.u4(1000), DI.CT_RATIO: orders.u4(1), DI.PT_RATIO: orders.u4(1),
}  # fmt: skip
PARA, WALLET, NOW, LATER, BACK = range(0x81, 0x86)


class Sgc:
    """One finished vendor folder; each has meters of its own that have met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        spec = importlib.util.spec_from_file_location("sgc_driver", self.folder.manifest.driver.path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.driver = self.module.Driver()
        self.meter = load_python(folder / "conformance" / "meter.py")
        self.card_module = load_python(folder / "conformance" / "card.py")
        self.updates = self.verifies = 0

    def blank(self, **how):
        return VirtualCpuCard(self.card_module.Card(**how))

    def ask(self, card, code, items=None, password=None):
        card.reset()
        port = WatchedPort(card)
        raw = Frame(code, pack_items(items or {})).encode()
        answer = parse(self.driver.icard(port, raw, self.folder.password if password is None else password), code)
        self.updates, self.verifies, self.written = port.seen.writes, port.seen.verifies, port.seen.bytes_written
        return answer

    def do(self, card, code, items):
        answer = self.ask(card, code, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        return self.do(card, Command.READ, {})

    def state(self, card):
        answer = self.read(card)
        return answer.number(DI.COUNT), answer.number(DI.STATE)

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def content(card):
    return {name + 0x80: bytes(file) for name, file in card.card._files.items()}


def with_file(card, name, file, at=0):
    other = copy.deepcopy(card)
    other.card._files[name - 0x80][at : at + len(file)] = file
    return other


def pulled(card, after):
    other = copy.deepcopy(card)
    other.tear_after = after
    return other


def hexed(text):
    """A hex dump; words stand behind three spaces."""
    return bytes.fromhex("".join(line.split("   ")[0] for line in (row.strip() for row in text.strip().split("\n"))))


def empty_by_head_and_ratio(back):
    """One firmware's test of "return file is empty": no 68 in front, CT zero."""
    return back[0] != 0x68 and not any(back[5:8])


def empty_by_four_bytes(back):
    """Another's: its first four bytes all 00, or all FF."""
    return back[:4] in (b"\x00" * 4, b"\xff" * 4)


EYES = (empty_by_head_and_ratio, empty_by_four_bytes)


def would_credit(eye, card, bought):
    """Whether a meter that has taken ``bought`` purchases would credit this card."""
    files = content(card)
    count, value = int.from_bytes(files[WALLET][4:]), int.from_bytes(files[WALLET][:4])
    return count == bought + 1 and value > 0 and eye(files[BACK])
