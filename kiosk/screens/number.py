"""No card: the customer keys in the customer number."""

from __future__ import annotations

from collections.abc import Callable

from kivy.properties import BooleanProperty, StringProperty

from kiosk.sale.events import Cancel, GiveNumber
from kiosk.sale.events import Press as SaleEvent
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Facts, Page
from kiosk.screens.widgets import Press

DIGITS_MAX = 20
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "clear", "0", "erase")


class Number(Page):
    """Twelve large keys, and the number in groups of four as it grows."""

    prefix = "number"
    title = StringProperty("")
    line = StringProperty("")
    number = StringProperty("")
    shown = StringProperty("")
    alarm = BooleanProperty(defaultvalue=False)

    def __init__(self, facts: Facts, post: Callable[[SaleEvent], None]) -> None:
        self._keys: dict[str, Press] = {}
        super().__init__(facts, post)

    def render(self, view: SaleView) -> None:
        """What is keyed in stays: a wrong number is corrected, not begun anew."""
        self.title = self.say("title") if view.may_finish else self.say("finding")
        self.alarm = bool(view.notice)
        self.line = self.notice(view) or self.say("line")
        if not self._keys:
            self._build()
        for key, button in self._keys.items():
            button.text = key if key.isdigit() else self.say(key)
            button.disabled = not view.may_finish

    def _build(self) -> None:
        """Once: a key that is being pressed must not be taken away from under the finger."""
        for key in KEYS:
            button = Press(font_size=38 if key.isdigit() else 28)
            button.bind(on_release=lambda _, key=key: self.press(key))
            self.ids.pad.add_widget(button)
            self._keys[key] = button

    def enter(self) -> None:
        """Each customer begins with an empty line."""
        self.number = ""

    def press(self, key: str) -> None:
        """One key."""
        if key == "clear":
            self.number = ""
        elif key == "erase":
            self.number = self.number[:-1]
        else:
            self.number = (self.number + key)[:DIGITS_MAX]

    def given(self) -> GiveNumber:
        """What has been keyed in by now."""
        return GiveNumber(self.number)

    def on_number(self, *_: object) -> None:
        """In groups, as it stands on paper."""
        self.shown = wording.grouped(self.number)

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out, or look it up."""
        leave = Choice(self.say("leave"), Cancel(), enabled=view.may_cancel)
        return (leave, Choice(self.say("find"), self.given, main=True, enabled=view.may_finish))
