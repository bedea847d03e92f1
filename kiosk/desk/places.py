"""The desk's own widgets: a card with its meter, a note, a coin, a thread for what takes long. Their looks are kv."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.properties import (
    BooleanProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.stencilview import StencilView

from kiosk.model.card import CardReading, Unit
from kiosk.model.energy import Energy
from kiosk.model.errors import KioskError
from kiosk.model.money import Money

if TYPE_CHECKING:
    from kiosk.desk.cards import CustomerCard
    from kiosk.desk.window import Desk

T = TypeVar("T")
STRIPES = ((0.027, 0.227, 0.451, 1), (0.42, 0.17, 0.33, 1), (0.0, 0.32, 0.32, 1), (0.45, 0.25, 0.04, 1))
INKS = {
    500: (0.38, 0.19, 0.48, 1),
    1000: (0.09, 0.27, 0.53, 1),
    2000: (0.43, 0.26, 0.1, 1),
    5000: (0.05, 0.36, 0.22, 1),
    10_000: (0.62, 0.11, 0.15, 1),
}
"""The colours of the renminbi's notes, by fen."""
COINS = {50: (0.71, 0.55, 0.24, 1), 100: (0.55, 0.58, 0.62, 1)}
"""The metals of the coins, by fen."""
FADED = (0.46, 0.31, 0.34, 1)  # a forged one
USE = 500  # one press of "use": 5 yuan or 5 kWh
COUNT_UP_S = 0.9
FALL_S = 0.25


def amount(unit: Unit, value: int, language: str) -> str:
    """So much in the card's unit: ``¥12.30``, ``12.30 度``."""
    if unit is Unit.MONEY:
        return str(Money(value))
    text = str(Energy(value))
    return text.replace("kWh", "度") if language == "zh-CN" else text


class Hands:
    """Does what takes long in a thread of its own, one thing after the other; reports on Kivy's thread."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._failed = failed
        self.busy = 0  # things not reported yet

    def do(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] = lambda _found: None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Does ``work``, then calls ``done`` with what came of it, or ``failed`` with why it did not."""
        self.busy += 1

        def report(future: Future[T]) -> None:
            self.busy -= 1
            fault = future.exception()
            if fault is None:
                done(future.result())
            else:
                (failed or self._failed)(fault)

        def hop(future: Future[T]) -> None:
            if not future.cancelled():
                Clock.schedule_once(lambda _dt: report(future), 0)

        self._pool.submit(work).add_done_callback(hop)

    def finish(self) -> None:
        """Returns when all that was begun is done; the reports come with Kivy's next frame."""
        self._pool.submit(lambda: None).result()

    def close(self) -> None:
        """Begins nothing any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class CardFace(ButtonBehavior, StencilView):
    """The card as one sees it; it slides into the slot below."""

    desk = ObjectProperty(None, allownone=True, rebind=True)
    place = ObjectProperty(None, allownone=True, rebind=True)
    depth = NumericProperty(0.0)  # how far it is in, 0 to 1


class NoteButton(ButtonBehavior, BoxLayout):
    """A note on the desk."""

    ink = ListProperty([0, 0, 0, 1])
    text = StringProperty("")
    under = StringProperty("")
    forged = BooleanProperty(defaultvalue=False)


class CoinButton(ButtonBehavior, StencilView):
    """A coin on the desk; it falls into the slot below, and there is another."""

    desk = ObjectProperty(None, allownone=True, rebind=True)
    fen = NumericProperty(0)
    metal = ListProperty([0, 0, 0, 1])
    depth = NumericProperty(0.0)  # how far it is in, 0 to 1

    def on_release(self) -> None:
        """Thrown in."""
        self.depth = 0.0
        (Animation(depth=1.0, duration=FALL_S, t="in_quad") + Animation(depth=0.0, duration=FALL_S)).start(self)
        self.desk.throw(self.fen)


class CardPlace(BoxLayout):
    """One customer: the card, the meter at home, and what hands do with them."""

    desk = ObjectProperty(None, allownone=True)
    stripe = ListProperty(STRIPES[0])
    inserted = BooleanProperty(defaultvalue=False)
    armed = BooleanProperty(defaultvalue=False)
    lit = BooleanProperty(defaultvalue=False)  # the next thing to do is here
    content = OptionProperty("reading", options=("reading", "unreadable", "known"))
    remaining = NumericProperty(-1)  # what the meter showed last, in the unit; −1: nobody has looked
    shown = NumericProperty(0)  # what it shows now, on the way there
    meter_count = NumericProperty(0)
    credited = NumericProperty(0)  # by the last card put in

    def __init__(self, desk: Desk, card: CustomerCard, number: int) -> None:
        self.card, self.number = card, number
        self._reading: CardReading | None = None
        super().__init__(desk=desk, stripe=STRIPES[number % len(STRIPES)])

    @property
    def waiting(self) -> bool:
        """Whether the card, outside the kiosk, holds what its meter has not taken."""
        return not self.inserted and self._reading is not None and self._reading.pending

    def maker(self, language: str) -> str:
        """The vendor's name."""
        name = self.card.manifest.vendor
        return name.zh if language == "zh-CN" else name.en

    def figure(self, language: str, shown: float) -> str:
        """What the meter's display shows."""
        return amount(self.card.unit, round(shown), language)

    def says(self, language: str, content: str, inserted: bool, armed: bool) -> str:
        """The line under the card."""
        say = self.desk.word
        if armed:
            return str(say(language, "card.armed", bytes=self.desk.tear_bytes))
        if inserted:
            return str(say(language, "card.at-kiosk"))
        read = self._reading
        if content != "known" or read is None:
            return str(say(language, f"card.{content}"))
        value = self._value(read)
        if read.pending and value is not None:
            return str(say(language, "card.pending", count=read.count, amount=amount(self.card.unit, value, language)))
        return str(say(language, "card.empty", count=read.count))

    def _value(self, read: CardReading) -> int | None:
        """Of the last purchase, in the unit."""
        return read.amount_fen if self.card.unit is Unit.MONEY else read.energy_centi_kwh

    def toggle(self) -> None:
        """Into the slot, or out of it."""
        world = self.desk.world
        if self.inserted:
            self.desk.hands.do(world.pull, lambda _none: self.look_at_card())
        else:
            self.desk.hands.do(lambda: world.insert(self.card))

    def look_at_card(self) -> None:
        """Has the vendor's office program read the card, while it is not in the kiosk."""
        self.content = "reading"
        self.desk.hands.do(self._read, self._known, self._unreadable)

    def _read(self) -> CardReading | None:
        return None if self.desk.world.inserted is self.card else self.card.reading()

    def _known(self, reading: CardReading | None) -> None:
        if reading is not None:
            self._reading, self.content = reading, "known"

    def _unreadable(self, _fault: BaseException) -> None:
        self._reading, self.content = None, "unreadable"

    def arm(self) -> None:
        """The card is going to be pulled in the middle of the next write; or not, after all."""
        self.desk.arm(self, not self.armed)

    def into_meter(self, use: int = 0) -> None:
        """Into its meter, out of the kiosk first."""
        self.desk.hands.do(lambda: self._meter(use), lambda found: self._metered(found, use))

    def use_some(self) -> None:
        """Some of what the meter has is used up; one sees it when the card is in."""
        self.into_meter(min(USE, max(0, round(self.remaining))))

    def _meter(self, use: int) -> tuple[CardReading | None, dict[str, int]]:
        world = self.desk.world
        if world.inserted is self.card:
            world.pull()
        try:
            before = self.card.reading()
        except KioskError:
            before = None  # a meter is shown any card
        return before, self.card.meter.insert(self.card.chip, use=use)

    def _metered(self, found: tuple[CardReading | None, dict[str, int]], use: int) -> None:
        before, told = found
        taken = before is not None and before.pending and told["count"] >= before.count
        self.credited = self._value(before) or 0 if before and taken else 0
        self.meter_count, self.remaining = told["count"], told["remaining"]
        Animation.cancel_all(self, "shown")
        Animation(shown=told["remaining"], duration=COUNT_UP_S, t="out_cubic").start(self)
        self.desk.metered(self, took=max(0, round(self.credited)), used=use)
        self.look_at_card()

    def on_inserted(self, *_: object) -> None:
        """The card slides."""
        Animation(depth=1.0 if self.inserted else 0.0, duration=0.35, t="out_quad").start(self.ids.face)
