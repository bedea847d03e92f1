from dataclasses import dataclass
from pathlib import Path

import pytest

from kiosk.devices.link import LinkSettings, PtyLine
from kiosk.devices.printer.host import ReceiptPrinter
from kiosk.devices.printer.simulator import PrinterSimulator


@dataclass
class Bench:
    """A printer on a line, and the kiosk's end of it."""

    line: PtyLine
    simulator: PrinterSimulator
    host: ReceiptPrinter
    settings: LinkSettings
    told: list[Path]

    def impatient(self, print_ms: int = 30_000) -> ReceiptPrinter:
        """The same printer for tests that wait for silence; its line is the fixture's to close."""
        self.host.close()
        self.host = ReceiptPrinter(self.settings, answer_ms=150, print_ms=print_ms)
        return self.host


@pytest.fixture
def bench(tmp_path):
    line = PtyLine(tmp_path / "printer")
    told: list[Path] = []
    simulator = PrinterSimulator(line, tmp_path / "paper", told.append)
    simulator.start()
    settings = LinkSettings(str(line.path), 115200, "V-421")
    bench = Bench(line, simulator, ReceiptPrinter(settings, print_ms=30_000), settings, told)
    yield bench
    bench.host.close()
    simulator.stop()
    line.close()
