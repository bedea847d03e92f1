"""A meter with a keypad on the desk's wall: its display, its keys, and the customer's number under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kivy.animation import Animation
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from kiosk.desk.places import COUNT_UP_S, STRIPES, amount
from kiosk.screens import wording
from kiosk.screens.widgets import Press

if TYPE_CHECKING:
    from kiosk.desk.keypads import KeypadMeter
    from kiosk.desk.window import Desk

KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "←", "0", "OK")
DIGITS_MAX = 20


class KeypadPlace(BoxLayout):
    """One customer without a card."""

    desk = ObjectProperty(None, allownone=True)
    meter = ObjectProperty(None, allownone=True)
    stripe = ListProperty(STRIPES[0])
    digits = StringProperty("")
    said = StringProperty("")
    refused = BooleanProperty(defaultvalue=False)
    shown = NumericProperty(0)  # what the meter has, on the way there

    def __init__(self, desk: Desk, meter: KeypadMeter, number: int) -> None:
        self._remaining = 0
        super().__init__(desk=desk, meter=meter, stripe=STRIPES[number % len(STRIPES)])
        for key in KEYS:
            button = Press(text=key, font_size=19, main=key == "OK")
            button.bind(on_release=lambda _, key=key: self.press(key))
            self.ids.pad.add_widget(button)

    def maker(self, language: str) -> str:
        """The vendor's name."""
        name = self.meter.manifest.vendor
        return str(name.zh if language == "zh-CN" else name.en)

    def figure(self, language: str, shown: float) -> str:
        """What the meter's display shows."""
        return amount(self.meter.unit, round(shown), language)

    def grouped(self, digits: str) -> str:
        """As it stands on the slip."""
        return wording.grouped(digits)

    def press(self, key: str) -> None:
        """One key of the meter."""
        if key == "OK":
            self.desk.hands.do(lambda: self.meter.enter(self.digits), self._answered)
        elif key == "←":
            self.digits = self.digits[:-1]
        else:
            self.digits = (self.digits + key)[:DIGITS_MAX]

    def _answered(self, told: dict[str, Any]) -> None:
        taken = told["remaining"] - self._remaining
        self.said, self.refused, self._remaining = told["said"], not told["accepted"], told["remaining"]
        if told["accepted"]:
            self.digits = ""
        Animation.cancel_all(self, "shown")
        Animation(shown=self._remaining, duration=COUNT_UP_S, t="out_cubic").start(self)
        self.desk.keyed_in(self, taken if told["accepted"] else 0)
