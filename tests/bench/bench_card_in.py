"""From the card that the reader has noticed to the balance on the screen, held against what the card's wire needs.

    python tests/bench/bench_card_in.py VENDOR

The kiosk's whole terminal runs in this process, with the real pcscd, runner and driver, but for the window: the end is
the ``SaleView`` that shows the account. The limit: the same exchanges with the same card through the same pcscd, with
the same cold reset, by a program that does nothing else. One vendor a process, for a process knows one pcscd.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import bench_driver
from bench_visit import VENDORS, replay_ms
from stage import set_up

from kiosk.app.terminal import Terminal
from kiosk.config import load_config
from kiosk.devices.reader import events as seen
from kiosk.model.clock import SystemClock
from kiosk.sale.view import Screen

VISITS, PATIENCE_S = 15, 20


class Watched(Terminal):
    """A terminal that says when the reader and the screen have something to say."""

    def __init__(self, config):
        self.told = threading.Condition()
        self.screen = None
        self.at_s = {}
        super().__init__(config, SystemClock(), self._shown)

    def _hear_reader(self, event):
        if isinstance(event, seen.CardInserted):
            self.at_s["card"] = time.time()
        super()._hear_reader(event)

    def _shown(self, view):
        with self.told:
            self.screen = view.screen
            self.at_s[view.screen] = time.time()
            self.told.notify_all()

    def wait_for(self, screen):
        with self.told:
            assert self.told.wait_for(lambda: self.screen is screen, PATIENCE_S), f"{self.screen}, not {screen}"


def measure(vendor):
    """Medians in ms: the kiosk's, the wire's, from the card in the slot to its being noticed; and the exchanges."""
    with tempfile.TemporaryDirectory() as name, set_up(Path(name), (VENDORS[vendor],)) as world:
        terminal = Watched(load_config(world.town.config))
        terminal.start()
        terminal.wait_for(Screen.ATTRACT)
        taken = []
        for _ in range(VISITS):
            said = []
            world.slot.before_answer = lambda apdu, said=said: said.append((time.time(), apdu))
            begun = time.time()
            world.insert(world.cards[0])
            terminal.wait_for(Screen.ACCOUNT)
            card, shown = terminal.at_s["card"], terminal.at_s[Screen.ACCOUNT]
            world.pull()
            world.slot.before_answer = None
            terminal.wait_for(Screen.ATTRACT)
            apdus = [apdu for at, apdu in said if card <= at <= shown]
            before = sum(at < card for at, _ in said)
            taken.append(((shown - card) * 1000, replay_ms(world, apdus), (card - begun) * 1000, len(apdus), before))
        terminal.stop()
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def rows():
    """For run.py."""
    for vendor in bench_driver.VENDORS:
        done = subprocess.run([sys.executable, __file__, vendor], capture_output=True, text=True, check=True)
        kiosk, wire, noticed, exchanges, before = json.loads(done.stdout.splitlines()[-1])
        words = f"{kiosk:.1f} ms against {wire:.1f} ms of {exchanges:.0f} exchanges; "
        words += f"before it, {noticed:.0f} ms and {before:.0f} exchanges until the card is noticed"
        yield f"card in to the balance, {vendor}", "card in", kiosk / wire, words


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
