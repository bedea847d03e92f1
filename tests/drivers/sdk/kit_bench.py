"""A bench for tests of the kit: a small SLE4442, a vendor's folder, a driver in this process."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

from kiosk.drivers.sdk.kit import states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.drivers.sdk.kit.rules import RULES, run
from kiosk.drivers.sdk.kit.verdict import Outcome, Verdict
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError
from kiosk.model.errors import DriverFault

HERE = Path(__file__).parent
MANIFEST = """
[vendor]
code = "00F1"
abbr = "TST"
name = {{ zh = "测试", en = "TST" }}

[driver]
kind = "python"
file = "driver.py"
sha256 = "{sha256}"
access = "api"
timeout_ms = 3000

[[card]]
type = "SLE4442"
mark = [{{ zone = 0, addr = 32, hex = "54535431" }}]

[sale]
regions = ["420100"]
amount_min_fen = 100
amount_max_fen = 500000
password = "tst"
"""


class SmallSle4442:
    """256 bytes, three tries, a secret of three bytes; enough of the chip for the kit's own tests."""

    def __init__(self, image: bytes, secret: bytes) -> None:
        self.memory, self.secret, self.tries = bytearray(image), secret, 3
        self.tear_after: int | None = None
        self.protection = bytearray(b"\xff" * 4)
        self.open = self.dead = False

    def __deepcopy__(self, memo: dict) -> SmallSle4442:
        """The kit copies cards thousands of times; this is the quick way."""
        other = copy.copy(self)
        other.memory, other.protection = bytearray(self.memory), bytearray(self.protection)
        return other

    def _alive(self) -> None:
        if self.dead:
            raise CardPortError(IO_FAULT)

    def card_type(self) -> int:
        return 21

    def atr(self) -> bytes:
        return bytes.fromhex("A2131091")

    def reset(self) -> bytes:
        self.open = self.dead = False
        return self.atr()

    def read(self, zone: int, addr: int, length: int) -> bytes:
        self._alive()
        memory = self.memory if zone == 0 else self.protection
        if addr + length > len(memory):
            raise CardPortError(BAD_ARGUMENT)
        return bytes(memory[addr : addr + length])

    def write(self, zone: int, addr: int, data: bytes) -> None:
        self._alive()
        if not self.open:
            raise CardPortError(DENIED)
        memory = self.memory if zone == 0 else self.protection
        for offset, byte in enumerate(data):
            if self.tear_after is not None:
                if self.tear_after == 0:
                    self.dead = True
                    raise CardPortError(IO_FAULT)
                self.tear_after -= 1
            memory[addr + offset] = byte

    def verify(self, which: int, secret: bytes) -> None:
        self._alive()
        if self.tries == 0:
            raise CardPortError(LOCKED)
        if secret != self.secret:
            self.tries -= 1
            raise CardPortError(DENIED)
        self.tries, self.open = 3, True

    def tries_left(self, which: int) -> int:
        self._alive()
        return self.tries

    def transmit(self, apdu: bytes) -> bytes:
        raise CardPortError(BAD_ARGUMENT)

    def image(self) -> bytes:
        return bytes(self.memory) + self.secret + bytes((self.tries,)) + bytes(self.protection)


class InThisProcess:
    """A driver called directly; what a driver process reports as D-301 is any exception here."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def call(self, raw: bytes, port, password: str) -> bytes:
        try:
            return self.driver.icard(port, raw, password)
        except Exception as fault:
            raise DriverFault("D-301", f"{type(fault).__name__}: {fault}") from fault

    def restart(self) -> None:
        self.driver = type(self.driver)()


def small_card(type_name: str, image: bytes, secret: bytes) -> SmallSle4442:
    if type_name != "SLE4442":
        raise ValueError(f"no virtual {type_name} here")
    return SmallSle4442(image, secret)


def no_cpu_card(_card: object) -> SmallSle4442:
    raise AssertionError("the tests' vendor has no CPU card")


def write_folder(folder: Path, meter: str | None = None) -> Path:
    """The vendor's folder, as a vendor would send it."""
    source = (HERE / "tst_driver.py").read_bytes()
    (folder / "conformance").mkdir(parents=True)
    (folder / "driver.py").write_bytes(source)
    (folder / "vendor.toml").write_text(MANIFEST.format(sha256=hashlib.sha256(source).hexdigest()), "utf-8")
    (folder / "conformance" / "blank.toml").write_text('password = "A1B2C3"\nsecret = "A1B2C3"\n')
    (folder / "conformance" / "meter.py").write_text(meter or (HERE / "tst_meter.py").read_text())
    blank = bytes.fromhex("A2131091460B8115").ljust(32, b"\xff") + b"TST1" + b"\xff" * 220
    (folder / "conformance" / "blank.bin").write_bytes(blank)
    return folder


def bench_for(folder: Path, driver, images: int = 200) -> Bench:
    return Bench(load_folder(folder), InThisProcess(driver), small_card, no_cpu_card, states.make, images=images)


def verdicts_of(bench: Bench) -> list[Verdict]:
    return list(run(bench, RULES))


def failed(verdicts: list[Verdict]) -> dict[str, str]:
    """Names of the rules' functions that failed → why."""
    return {each.rule.check.__name__: each.why for each in verdicts if each.outcome is Outcome.FAILED}
