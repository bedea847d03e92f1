"""The world around one kiosk: what the customer's and the attendant's hands can do.

It touches the kiosk only where the real world does: a real pcscd with a virtual card, serial lines, a touch frame, and
the plug.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from kiosk.desk.cards import CustomerCard, open_card
from kiosk.desk.finger import Finger
from kiosk.desk.keypads import KeypadMeter, hang_up
from kiosk.desk.programs import Program, wait_for_port
from kiosk.desk.serial_slot import SerialSlot
from kiosk.desk.town import Town
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, NOTE_PROTOCOLS
from kiosk.devices.acceptor.simulator import AcceptorSimulator, CoinLook, CoinSimulator
from kiosk.devices.acceptor.validator import Look, Validator
from kiosk.devices.link import PtyLine
from kiosk.devices.printer.simulator import PrinterSimulator
from kiosk.devices.reader.faces import shown_over_pcsc
from kiosk.devices.reader.pcscd import PrivatePcscd
from kiosk.devices.reader.vpcd import VirtualReader
from kiosk.drivers.manifest import Manifest, load_manifest
from kiosk.model.card import CardType

LOOK_S = 0.03  # between looks at what nobody announces, such as a new picture of the screen
CUSTOMERS = (
    ("042010023567", "202600012345"),  # 12 digits each: every sample layout holds that many
    ("042010023888", "202600054321"),
    ("042010024234", "202600067890"),
    ("042010025678", "202600098765"),
)


def has_cards(manifest: Manifest, reader: str = "pcsc") -> bool:
    """Whether a vendor has cards to be played here: old drivers and some families need a reader on a serial line, CPU
    cards PC/SC."""
    if manifest.keypad:
        return False
    if reader == "serial":
        return all(card.type is not CardType.CPU for card in manifest.cards)
    return manifest.driver.access == "api" and all(shown_over_pcsc(card.type) for card in manifest.cards)


class World:
    """Everything that is not the kiosk. ``tell`` hears, in words, what happens; from any thread."""

    def __init__(
        self,
        town: Town,
        tell: Callable[[str], None] = lambda _words: None,
        *,
        offscreen: bool = False,
        validator: Validator | None = None,
    ) -> None:
        self.town, self._tell = town, tell
        self.look, self.coin_look = Look(), CoinLook()
        self._changed = threading.Condition()  # before the simulators, which call back as soon as they are switched on
        environment = {"SDL_VIDEODRIVER": "offscreen"} if offscreen else {}
        self.office = Program(
            "head office",
            town.folder / "hq.log",
            *("hq", "serve", "--data", town.hq, "--listen", f"127.0.0.1:{town.hq_port}"),
        )
        self.kiosk = Program("kiosk", town.folder / "kiosk.log", "run", "--config", town.config, **environment)
        self.pcscd = PrivatePcscd(town.pcscd)
        self.slot: VirtualReader | SerialSlot = self.pcscd.reader()
        if town.reader == "serial":
            self.slot = SerialSlot(town.reader_line)
        self.printer_line = PtyLine(town.printer_line)
        self.printer = PrinterSimulator(self.printer_line, town.folder / "paper", self._paper)
        make_voice = NOTE_PROTOCOLS[town.acceptor].make_voice
        self.acceptor = AcceptorSimulator(
            town.acceptor_line, validator or Validator(), make_voice, on_change=self._notes_changed
        )
        make_voice_of_coins = COIN_PROTOCOLS["cctalk"].make_voice
        self.coins = CoinSimulator(town.coins_line, CoinMachine(), make_voice_of_coins, on_change=self._coins_changed)
        self.finger = Finger("127.0.0.1", town.touch_port)
        self.cards: list[CustomerCard] = []
        self.keypads: list[KeypadMeter] = []
        self.inserted: CustomerCard | None = None

    def __enter__(self) -> World:
        if isinstance(self.slot, SerialSlot):
            self.slot.start()
        else:
            self.pcscd.start()
        self.printer.start()
        with_cards = [folder for folder in self.town.vendors if has_cards(load_manifest(folder), self.town.reader)]
        for number, folder in enumerate(with_cards):
            customer, meter = CUSTOMERS[number % len(CUSTOMERS)]
            self.cards.append(open_card(folder, customer, meter))
        with_keypads = [folder for folder in self.town.vendors if load_manifest(folder).keypad]
        self.keypads = [hang_up(number, folder) for number, folder in enumerate(with_keypads)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in (self.kiosk, self.office):
            program.stop()
        self.slot.remove()
        if isinstance(self.slot, SerialSlot):
            self.slot.close()
        self.acceptor.close()
        self.coins.close()
        self.printer.stop()
        self.printer_line.close()
        self.pcscd.close()

    def open_office(self) -> None:
        """Starts head office; returns when it listens."""
        self.office.start()
        wait_for_port(self.town.hq_port, self.office)

    @property
    def inserted_and_alive(self) -> CustomerCard | None:
        """The card in the slot, unless it was torn out there."""
        return self.inserted if self.slot.occupied else None

    def insert(self, card: CustomerCard) -> None:
        """The card into the kiosk's slot, in place of another one."""
        self.pull()
        card.chip.tear_after = None
        self.slot.insert(card.face)
        self.inserted = card
        self._tell(f"{card.manifest.vendor.abbr} card in")

    def pull(self) -> None:
        """The card out of the slot."""
        if self.inserted is not None:
            self.slot.remove()
            self._tell(f"{self.inserted.manifest.vendor.abbr} card out")
            self.inserted = None

    def tear_write(self, written_bytes: int | None) -> None:
        """The card will be torn out after so many bytes of the next write; None: it will not."""
        if self.inserted is not None:
            self.inserted.chip.tear_after = written_bytes

    def feed(self, fen: int, *, genuine: bool = True) -> bool:
        """A note into the acceptor's mouth; False when it does not open."""
        return self.acceptor.feed(fen) if genuine else self.acceptor.feed_forged(fen)

    def throw(self, fen: int) -> bool:
        """A coin into the slot; False when it is closed, and the coin comes back."""
        was_open = fen in self.coin_look.open_for_fen
        self.coins.feed(fen)
        return was_open

    def box_fen(self) -> int:
        """What is in the boxes for notes and coins, counted by hand."""
        return sum(fen * pieces for fen, pieces in (*self.acceptor.look.box, *self.coins.look.box))

    def papers(self) -> tuple[Path, ...]:
        """The slips, oldest first."""
        return self.printer.papers

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Until the world looks so. TimeoutError names what did not come."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"waited {timeout_s:.0f} s in vain for {what}")
                self._changed.wait(LOOK_S)

    def rest(self) -> None:
        """A moment, or until something moves."""
        with self._changed:
            self._changed.wait(LOOK_S)

    def _notes_changed(self, look: Look) -> None:
        with self._changed:
            self.look = look
            self._changed.notify_all()
        self._tell(f"acceptor: {look.phase.name.lower()}")

    def _coins_changed(self, look: CoinLook) -> None:
        with self._changed:
            self.coin_look = look
            self._changed.notify_all()
        self._tell("coins move")

    def _paper(self, path: Path) -> None:
        with self._changed:
            self._changed.notify_all()
        self._tell(f"slip {path.name}")
