"""A keypad vendor's finished folder on a bench: its driver in this process, its meter that has met nobody."""

import importlib.util
import io
from pathlib import Path

from rdk_bench import build_script

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person

ROOT = Path(__file__).resolve().parents[3]
ZHAO = Person("420100", "10023409999", "07123456789")
SALE = bytes(range(16))
WHEN = "20261101093000"


class Keypad:
    """One vendor. ``given`` is what the last token gives, 0.01 kWh."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        spec = importlib.util.spec_from_file_location(f"{folder.name}_driver", self.folder.manifest.driver.path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.driver = self.module.Driver()
        self.meter = load_python(folder / "conformance" / "meter.py")
        self.given = None

    def ask(self, code, items, password=None):
        raw = Frame(code, pack_items(items)).encode()
        return parse(self.driver.icard(None, raw, self.folder.password if password is None else password), code)

    def order(self, count, energy, when=WHEN, sale=SALE, person=ZHAO):
        return {**orders.purchase(person, Bought(count, 5000, energy, sale)), DI.WHEN: when.encode()}

    def purchase(self, count, energy, when=WHEN, password=None, **more):
        return self.ask(Command.PURCHASE, self.order(count, energy, when, **more), password)

    def buy(self, count, energy, when=WHEN, **more):
        """The token of a purchase that must succeed."""
        answer = self.purchase(count, energy, when, **more)
        assert answer.ok, answer.said
        self.given = answer.number(DI.ENERGY)
        return answer.digits(DI.TOKEN)

    def enter(self, token, meter=ZHAO.meter):
        return self.meter.enter(meter, token)


def build(tmp_path_factory, name):
    """The finished folder of that vendor."""
    finished = tmp_path_factory.mktemp("vendors") / name
    finished.mkdir()
    build_script().build(ROOT / "kiosk" / "drivers" / "vendors" / name, finished)
    return finished


def no_card(*_asked):
    raise AssertionError("a keypad vendor has no card")


def checked(folder, *options):
    """Exit status and report of `driver check`."""
    page = io.StringIO()
    return command.main([str(folder), *options], no_card, no_card, page), page.getvalue()
