"""The few widgets of our own: a button, a bar, an icon. Looks stand in theme.kv."""

from __future__ import annotations

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.graphics import Color, Ellipse, Line, RoundedRectangle, Triangle
from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.button import Button
from kivy.uix.widget import Widget

BLUE, GREEN, AMBER, RED = (0.027, 0.227, 0.451), (0.0, 0.255, 0.125), (0.325, 0.173, 0.0), (0.45, 0.04, 0.04)
SLIDE_WAY = 26  # how far a card slides, in hundredths of the picture
PALE, WHITE, GOLD = (0.878, 0.914, 0.957), (1, 1, 1), (0.847, 0.663, 0.216)


class Press(Button):
    """A button at least 20 mm high; ``main`` is the one we would press."""

    main = BooleanProperty(defaultvalue=False)


class Bar(Widget):
    """A bar filled from ``start`` to ``end`` (shares of its width)."""

    start = NumericProperty(0.0)
    end = NumericProperty(0.0)

    def run(self) -> None:
        """Moves to and fro: something is being done, and nobody knows how long it takes."""
        Animation.cancel_all(self)
        there = Animation(start=0.75, end=1.0, duration=0.9, t="in_out_sine")
        back = Animation(start=0.0, end=0.25, duration=0.9, t="in_out_sine")
        self.start, self.end = 0.0, 0.25
        both = there + back
        both.repeat = True
        both.start(self)

    def rest(self) -> None:
        """Stops moving."""
        Animation.cancel_all(self)


class Icon(Widget):
    """A picture drawn by us: card, notes, keys, wait, tick, stop, look, slip."""

    kind = StringProperty("")
    slide = NumericProperty(0.0)  # how far the card is out of the slot, 0 to 1

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._later = Clock.create_trigger(self._draw)  # once a frame, when pos and size have both come to rest
        self._drawn_px = 0
        self.bind(pos=self._later, size=self._later, kind=self._later, slide=self._slid)

    def _slid(self, *_: object) -> None:
        if self._slide_px != self._drawn_px:  # less than a pixel is not seen, and costs a whole frame
            self._later()

    @property
    def _slide_px(self) -> int:
        return int(SLIDE_WAY * self.slide * min(self.size) / 100 + 0.5)

    def _draw(self, *_: object) -> None:
        self._drawn_px = self._slide_px
        self.canvas.clear()
        draw = getattr(self, f"_{self.kind.replace('-', '_')}", None)
        if draw is not None and min(self.size) > 0:
            with self.canvas:
                draw(min(self.size) / 100)

    def _disc(self, unit: float, colour: tuple[float, float, float]) -> None:
        Color(*colour)
        Ellipse(pos=(self.center_x - 44 * unit, self.center_y - 44 * unit), size=(88 * unit, 88 * unit))
        Color(*WHITE)

    def _tick(self, unit: float) -> None:
        self._disc(unit, GREEN)
        x, y = self.center
        points = [x - 22 * unit, y, x - 6 * unit, y - 17 * unit, x + 24 * unit, y + 18 * unit]
        Line(points=points, width=4.5 * unit, cap="round", joint="round")

    def _stop(self, unit: float) -> None:
        self._disc(unit, RED)
        x, y, arm = self.center_x, self.center_y, 17 * unit
        Line(points=[x - arm, y - arm, x + arm, y + arm], width=4.5 * unit, cap="round")
        Line(points=[x - arm, y + arm, x + arm, y - arm], width=4.5 * unit, cap="round")

    def _look(self, unit: float) -> None:
        self._disc(unit, AMBER)
        x, y = self.center
        Line(points=[x, y + 22 * unit, x, y - 6 * unit], width=4.5 * unit, cap="round")
        Ellipse(pos=(x - 5 * unit, y - 27 * unit), size=(10 * unit, 10 * unit))

    def _keys(self, unit: float) -> None:
        """A meter: a display and nine keys."""
        x, y = self.center
        Color(*BLUE)
        RoundedRectangle(pos=(x - 34 * unit, y - 46 * unit), size=(68 * unit, 92 * unit), radius=[8 * unit])
        Color(*PALE)
        RoundedRectangle(pos=(x - 25 * unit, y + 14 * unit), size=(50 * unit, 22 * unit), radius=[3 * unit])
        Color(*WHITE)
        for place in range(9):
            left, top = x + (place % 3 - 1) * 18 * unit, y - place // 3 * 15 * unit
            RoundedRectangle(pos=(left - 6 * unit, top - 7 * unit), size=(12 * unit, 10 * unit), radius=[2 * unit])

    def _wait(self, unit: float) -> None:
        self._disc(unit, BLUE)
        x, y = self.center
        Line(points=[x, y + 22 * unit, x, y, x + 16 * unit, y - 8 * unit], width=4 * unit, cap="round", joint="round")

    def _chip_card(self, unit: float, x: float, y: float) -> None:
        Color(*BLUE)
        RoundedRectangle(pos=(x - 44 * unit, y - 28 * unit), size=(88 * unit, 56 * unit), radius=[7 * unit])
        Color(*GOLD)
        RoundedRectangle(pos=(x - 34 * unit, y - 6 * unit), size=(20 * unit, 16 * unit), radius=[3 * unit])
        Color(*WHITE)
        bolt = [x + 20 * unit, y + 20 * unit, x + 6 * unit, y - 3 * unit, x + 19 * unit, y - 1 * unit]
        Triangle(points=bolt)
        Triangle(points=[x + 14 * unit, y - 20 * unit, x + 28 * unit, y + 4 * unit, x + 14 * unit, y + 1 * unit])

    def _card(self, unit: float) -> None:
        self._chip_card(unit, self.center_x, self.center_y)

    def _card_in(self, unit: float) -> None:
        x, y = self.center
        self._chip_card(unit, x, y - (12 + SLIDE_WAY * self.slide) * unit)
        Color(0.2, 0.24, 0.29)
        RoundedRectangle(pos=(x - 50 * unit, y + 6 * unit), size=(100 * unit, 34 * unit), radius=[8 * unit])
        Color(0, 0, 0)
        RoundedRectangle(pos=(x - 46 * unit, y + 6 * unit), size=(92 * unit, 6 * unit), radius=[2 * unit])
        Color(0.36, 0.86, 0.5)
        Ellipse(pos=(x - 4 * unit, y + 22 * unit), size=(8 * unit, 8 * unit))

    def _card_out(self, unit: float) -> None:
        x, y = self.center
        self._card_in(unit)
        Color(*AMBER)
        Line(points=[x, y - 18 * unit, x, y - 46 * unit], width=3.5 * unit, cap="round")
        Triangle(points=[x - 9 * unit, y - 40 * unit, x + 9 * unit, y - 40 * unit, x, y - 50 * unit])

    def _note(self, unit: float) -> None:
        x, y = self.center
        Color(*GREEN)
        RoundedRectangle(pos=(x - 46 * unit, y - 26 * unit), size=(92 * unit, 46 * unit), radius=[4 * unit])
        Color(*WHITE)
        Line(circle=(x, y - 3 * unit, 13 * unit), width=2 * unit)
        Line(points=[x - 5 * unit, y + 4 * unit, x, y - 3 * unit, x + 5 * unit, y + 4 * unit], width=1.4 * unit)
        Line(points=[x, y - 3 * unit, x, y - 12 * unit], width=1.4 * unit)
        Line(points=[x - 5 * unit, y - 6 * unit, x + 5 * unit, y - 6 * unit], width=1.4 * unit)
