"""A counter for the tests: a terminal with its reader, printer and ledger, and `kiosk card` as a person runs it."""

import subprocess
import sys
from pathlib import Path

from kiosk.desk.cards import blank_card
from kiosk.desk.town import lay_out
from kiosk.devices.link import PtyLine
from kiosk.devices.printer.simulator import PrinterSimulator
from kiosk.devices.reader.pcscd import PrivatePcscd
from kiosk.drivers.driver import Driver
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import Journal, JournalReader
from kiosk.ledger.keys import load_key
from kiosk.model.clock import SystemClock

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / "build" / "vendors"


class Counter:
    def __init__(self, folder, vendors):
        self.vendors = {name: BUILT / name for name in vendors}
        self.town = lay_out(folder, tuple(self.vendors.values()), folder / "screens")
        self.pcscd = PrivatePcscd(self.town.pcscd)
        self.slot = self.pcscd.reader()
        self.line = PtyLine(self.town.printer_line)
        self.printer = PrinterSimulator(self.line, folder / "paper", lambda _path: None)

    def __enter__(self):
        self.pcscd.start()
        self.printer.start()
        return self

    def __exit__(self, *_):
        self.slot.remove()
        self.printer.stop()
        self.line.close()
        self.pcscd.close()

    def blank(self, name):
        """A blank card of the vendor in the reader, in place of another."""
        self.chip, face = blank_card(load_folder(self.vendors[name]))
        self.put(face)
        return self.chip

    def put(self, face):
        self.slot.remove()
        self.slot.insert(face)
        self.face = face

    def card(self, function, *words, answer="yes\n", language="en"):
        """`kiosk card …` by Li Si; the whole process."""
        command = [sys.executable, "-m", "kiosk", "card", function, "--config", self.town.config]
        words = ("--operator", "Li Si", "--wait", "20", "--language", language, *words)
        return subprocess.run(
            [*map(str, command), *map(str, words)], input=answer, capture_output=True, text=True, timeout=90, cwd=ROOT
        )

    def reading(self, name):
        folder = load_folder(self.vendors[name])
        driver = Driver(folder.manifest, folder.password)
        try:
            self.chip.reset()
            return driver.read(self.chip)
        finally:
            driver.close()

    def ledger(self):
        """The terminal's ledger, opened as its program opens it."""
        town = self.town
        signer = load_key(
            town.kiosk / "signing-key.pem", town.folder / "passphrase", "power.example/kiosk/420100/0007/1"
        )
        return Journal.open(town.kiosk / "ledger.db", signer, SystemClock())

    def execute(self, name, command, items):
        """The vendor's driver on the card behind everybody's back."""
        folder = load_folder(self.vendors[name])
        driver = Driver(folder.manifest, folder.password)
        try:
            self.chip.reset()
            return driver.execute(command, items, self.chip)
        finally:
            driver.close()

    def entries(self):
        with JournalReader(self.town.kiosk / "ledger.db") as log:
            return [decode(raw) for raw in log.entries(0, log.size)]

    def kinds(self):
        return [entry.kind for entry in self.entries()[1:]]

    def balance(self, account):
        return sum(fen for entry in self.entries() for name, fen in entry.post if name == account)
