"""Customers: what they own, and what they do at a kiosk. They see the screen, the slot and their own hands."""

from __future__ import annotations

import copy
import time as wall
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.answer import DriverRefusal
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit.folder import VendorFolder, load_python
from kiosk.model.card import CardType, Unit
from kiosk.model.cardport import CardPortError, VirtualCard
from kiosk.sale import events as on
from kiosk.sale.view import Screen
from kiosk.simulation.clock import HandClock
from kiosk.simulation.town.chance import Chance
from kiosk.simulation.town.station import Station
from kiosk.simulation.town.vendor import simulated_driver

PATIENCE_MS, DARK_MS = 240_000, 90_000
COINS_FEN = (50, 100)
NOTES_FEN = (500, 1000, 2000, 5000, 10_000)
REGION = "420100"
TEAR_BYTES_MAX = 40
TAKES_A_VOUCHER = 0.6


@dataclass
class Customer:
    """A customer with a card and a meter, or with a number and a meter with a keypad."""

    folder: VendorFolder = field(repr=False)
    number: str
    meter_number: str
    unit: Unit
    meter: ModuleType = field(repr=False)
    chip: VirtualCard | None = field(repr=False, default=None)
    honest: bool = True
    copies: list[VirtualCard] = field(default_factory=list)
    used: int = 0  # of what the meter had, in its unit
    digits: list[str] = field(default_factory=list)  # seen, not yet keyed in
    vouchers: dict[str, str] = field(default_factory=dict)  # by number: the QR's text, "" where only the screen said it

    @property
    def vendor(self) -> str:
        """The vendor's code."""
        return self.folder.manifest.vendor.code

    @property
    def least_fen(self) -> int:
        """What the vendor writes at least."""
        return self.folder.manifest.sale.amount_min_fen

    def at_the_meter(self, chip: VirtualCard | None, chance: Chance | None = None) -> int:
        """Card or digits into the meter; gives what it ever credited, in its unit. Nearly all is used up at once."""
        if self.folder.manifest.keypad:
            told = {"remaining": 0}
            for digits in self.digits or ["0"]:
                told = self.meter.enter(self.meter_number, digits)
            self.digits.clear()
            return int(told["remaining"])
        assert chip is not None, "a card meter takes a card"
        chip.tear_after = None
        chip.reset()
        if chance is not None and chance.happens("card torn out of the meter"):
            chip.tear_after = chance.random.randrange(TEAR_BYTES_MAX)
        told = {"remaining": 0}
        with suppress(CardPortError):
            told = self.meter.insert(chip, seconds=3, use=0)
        chip.tear_after = None
        chip.reset()
        return int(told["remaining"])


def customer_of(folder: VendorFolder, at: int, clock: HandClock) -> Customer:
    """The customer number ``at`` of a vendor, with an opened card."""
    number, meter_number = f"{30_000_001 + at:012d}", f"{71_000_001 + at:012d}"
    meter = load_python(folder.conformance / "meter.py")
    if hasattr(meter, "time"):
        meter.time = WallTime(clock)  # type: ignore[attr-defined]
    driver = simulated_driver(folder.manifest, folder.password, None)
    who = Customer(folder, number, meter_number, driver.describe().unit, meter)
    if folder.manifest.keypad:
        return who
    if folder.mark.type is CardType.CPU:
        chip: VirtualCard = VirtualCpuCard(load_python(folder.conformance / "card.py").Card())
    else:
        chip = memory_card(folder.type_name, folder.blank, folder.secret)
    items = {
        DI.REGION: REGION,
        DI.CUSTOMER: number,
        DI.METER: meter_number,
        DI.WHEN: "20261101090000",
        DI.TERMINAL: "office",
    }
    chip.reset()
    opened = driver.execute(Command.OPEN, items, chip)
    assert not isinstance(opened, DriverRefusal), f"{folder.manifest.vendor.abbr} opens no card: {opened}"
    who.chip = chip
    who.at_the_meter(chip)
    return who


class WallTime:
    """The ``time`` that a meter imports: it stamps what it writes, and by the wall's clock no town would come twice."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    def time(self) -> float:
        """Seconds since 1970."""
        return self._clock.utc_ms() / 1000

    def localtime(self) -> wall.struct_time:
        """The civil time."""
        return wall.strptime(self._clock.civil(), "%Y%m%d%H%M%S")

    def strftime(self, form: str, at: wall.struct_time | None = None) -> str:
        """That, written."""
        return wall.strftime(form, self.localtime() if at is None else at)


class Visit:
    """One customer at one kiosk. ``think`` is called again and again; gives the ms until the next time, or None."""

    def __init__(self, who: Customer, station: Station, chance: Chance, others: list[Customer]) -> None:
        self.who, self.station, self._chance, self._others = who, station, chance, others
        random = chance.random
        self.chip = who.chip
        if who.copies and chance.happens("copy used"):
            self.chip, who.honest = random.choice(who.copies), False
        self._notes = [random.choice(NOTES_FEN) for _ in range(random.randint(1, 3))]
        self._coins = [random.choice(COINS_FEN) for _ in range(random.choice((0, 0, 0, 2, 7)))]
        self._begun_ms = station.clock.now_ms
        self._dark_ms = 0
        self._inserted = False
        self._foreign = False
        self._mischief = False  # at most one a visit, so that most visits come to something
        self.calm = False  # only waits for what is owed

    @property
    def _in_slot(self) -> bool:
        inside = self.station.slot.inside
        return inside is not None and inside.chip is self.chip

    def think(self) -> int | None:
        """Looks at the screen and does something."""
        now_ms, screen = self.station.clock.now_ms, self.station.view.screen
        self._dark_ms = (self._dark_ms or now_ms) if screen is Screen.OUT_OF_SERVICE else 0
        tired = now_ms - self._begun_ms > PATIENCE_MS or (self._dark_ms and now_ms - self._dark_ms > DARK_MS)
        if tired:
            return self._leave()
        act = {
            Screen.ATTRACT: self._attract,
            Screen.NUMBER: self._key_in,
            Screen.ACCOUNT: self._account,
            Screen.AMOUNT: self._amount,
            Screen.CASH: self._pay,
            Screen.PUT_BACK: self._put_back,
            Screen.DONE: self._done,
            Screen.REFUSED: self._refused,
            Screen.TAKE_CARD: self._take_card,
        }.get(screen)
        return act() if act is not None else 700

    def _press(self, event: on.Event) -> int:
        if self.station.life is not None:
            self.station.life.post(event)
        return 600

    def _leave(self) -> int | None:
        """Takes the card and goes; there is no next time."""
        if self.station.slot.inside is not None and (self._in_slot or self._foreign):
            self.station.slot.pull()
        view = self.station.view
        self._chance.tell(f"{self.who.number} leaves {self.station.name}: {view.screen.value} {view.code}".rstrip())
        return None

    def _attract(self) -> int | None:
        if self.chip is None:
            if self._inserted and (self.calm or not self._notes):
                return self._leave()
            self._inserted = True
            return self._press(on.AskNumber())
        if self._in_slot:
            return 700  # it will be read
        if self._inserted and (self.calm or not self._notes):
            return self._leave()
        return self._insert()

    def _insert(self) -> int:
        if self.station.slot.inside is None and self.chip is not None:
            self.station.slot.put_in(self.chip)
            self._inserted = True
        return 1_200

    def _key_in(self) -> int:
        if self.station.view.may_finish:
            self._press(on.GiveNumber(self.who.number))
        return 800

    def _account(self) -> int | None:
        view = self.station.view
        if view.code or self.calm or self._chance.happens("walked away"):
            if self.chip is None:
                self._press(on.Cancel())
            return self._leave()
        return self._press(on.Continue())

    def _amount(self) -> int | None:
        view = self.station.view
        if view.limit_fen:
            return 600
        fits = [fen for fen in view.amounts_fen if fen <= view.most_fen]
        if not fits:
            self._press(on.Cancel())
            return self._leave()
        return self._press(on.ChooseAmount(self._chance.random.choice(fits)))

    def _pay(self) -> int | None:
        view, chance = self.station.view, self._chance
        if self.chip is not None and not self._mischief and chance.happens("card pulled while paying"):
            self._mischief = True
            self.station.slot.pull()
            return 900
        if not self._mischief and chance.happens("walked away"):
            return self._leave()
        if view.moving:
            return 500
        if self._notes and view.room_fen >= self._notes[0]:
            if self.station.hands.feed(self._notes[0], self.station.clock.now_ms):
                self._notes.pop(0)
            return 900
        if self._coins and view.room_fen >= self._coins[0]:
            self.station.feed_coin(self._coins.pop(0))
            return 300
        return self._press(on.Finish()) if view.may_finish else self._press(on.Cancel())

    def _put_back(self) -> int | None:
        chance, slot = self._chance, self.station.slot
        if slot.inside is not None:
            if self._foreign:
                slot.pull()
                self._foreign = False
            elif self.station.view.notice in ("unreadable", "other-card") and self._in_slot:
                slot.pull()
            return 900
        if not self.calm and chance.happens("walked away"):
            return self._leave()
        if not self.calm and chance.happens("meter in between"):
            self.who.at_the_meter(self.chip, chance)
        strangers = [other.chip for other in self._others if other.chip is not None and other is not self.who]
        if not self.calm and strangers and chance.happens("other card put back"):
            slot.put_in(chance.random.choice(strangers))
            self._foreign = True
            return 1_500
        return self._insert()

    def _refused(self) -> int | None:
        """Perhaps the card was torn: once more."""
        if self._in_slot:
            self.station.slot.pull()
        if self.chip is None:
            self._press(on.Cancel())
        return self._leave() if self._chance.random.random() < 0.5 else 900

    def _take_card(self) -> int | None:
        """The own card: out, and away. One that somebody left in the slot is taken out of the way."""
        inside = self.station.slot.inside
        if inside is None or self._in_slot or self._foreign:
            return self._leave()
        self.station.slot.pull()
        return 900

    def _done(self) -> int | None:
        view = self.station.view
        if view.token and view.token not in self.who.digits:
            self.who.digits.append(view.token)
        if view.voucher:
            self.who.vouchers.setdefault(view.voucher, self.station.tray.pop(view.voucher, ""))
        self._notes.clear()
        if not (view.slip or view.slip_code):
            return 500
        if view.may_voucher and not self.calm and self._chance.random.random() < TAKES_A_VOUCHER:
            return self._press(on.TakeVoucher())
        if self.chip is None:
            self._press(on.Cancel())
        return self._leave()

    def copy_card(self) -> None:
        """Somebody copies the card."""
        if self.who.chip is not None:
            self.who.copies.append(copy.deepcopy(self.who.chip))
