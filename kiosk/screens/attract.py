"""Nobody is here: what this machine does, and how to begin."""

from __future__ import annotations

from kivy.animation import Animation
from kivy.clock import Clock
from kivy.properties import BooleanProperty, StringProperty

from kiosk.sale.events import AskNumber
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page

WAVE_S = 6.0  # the card slides in now and then, so that an idle screen costs little
SLIDE_S = 0.8


class Attract(Page):
    """The first screen; the language is chosen here."""

    prefix = "attract"
    title = StringProperty("")
    line = StringProperty("")
    start = StringProperty("")
    notes = StringProperty("")
    other = StringProperty("")
    message = StringProperty("")  # head office's, of the day: in the place of the line
    tight = BooleanProperty(defaultvalue=False)  # a button stands at the foot

    def render(self, view: SaleView) -> None:
        """The same words for everyone."""
        self.title, self.line, self.start = self.say("title"), self.say("line"), self.say("start")
        notes, coins = wording.notes(self.facts.denominations_fen), wording.notes(self.coins(view))
        self.notes = self.say("notes-coins", notes=notes, coins=coins) if coins else self.say("notes", notes=notes)
        self.other = self.other_language().text
        self.message = view.message
        self.tight = view.may_enter_number

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """The way in without a card, where there is one."""
        return (Choice(self.say("number"), AskNumber()),) if view.may_enter_number else ()

    def enter(self) -> None:
        """The card begins to slide in now and then."""
        self._wave = Clock.schedule_interval(self._slide, WAVE_S)
        self._slide(0)

    def leave(self) -> None:
        """It stops."""
        self._wave.cancel()

    def _slide(self, _dt: float) -> None:
        icon = self.ids.icon
        icon.slide = 1.0
        Animation(slide=0.0, duration=SLIDE_S, t="out_cubic").start(icon)
