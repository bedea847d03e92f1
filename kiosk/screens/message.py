"""A page with one message: a picture, a title, a few sentences, perhaps a moving bar."""

from __future__ import annotations

from kivy.properties import BooleanProperty, StringProperty

from kiosk.sale.events import Cancel
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page


class Message(Page):
    """Base of the pages that only say something."""

    icon = StringProperty("")
    title = StringProperty("")
    text = StringProperty("")
    small = StringProperty("")
    busy = BooleanProperty(defaultvalue=False)

    def tell(self, icon: str, title: str, *sentences: str, small: str = "", busy: bool = False) -> None:
        """Shows it; empty sentences fall away."""
        self.icon, self.title, self.small = icon, title, small
        self.text = "\n".join(sentence for sentence in sentences if sentence)
        self.busy = busy

    def on_busy(self, *_: object) -> None:
        """Starts or stops the bar."""
        bar = self.ids.bar
        (bar.run if self.busy else bar.rest)()

    def leave(self) -> None:
        """A page out of sight does not move."""
        self.busy = False


class Reading(Message):
    """The card is being read."""

    prefix = "reading"

    def render(self, view: SaleView) -> None:
        """One sentence and a bar."""
        self.tell("card-in", self.say("title"), self.say("line"), busy=True)


class Writing(Message):
    """The card is being written: it must stay in."""

    prefix = "writing"

    def render(self, view: SaleView) -> None:
        """What is being written, and the one thing not to do."""
        brought = self.say("brought", owed=wording.money(view.brought_fen)) if view.brought_fen else ""
        icon, title = ("keys", "title-token") if view.keypad else ("card-in", "title")
        self.tell(icon, self.say(title), self.say("line"), brought, busy=True)


class PutBack(Message):
    """Money is in and the card is out."""

    prefix = "put-back"

    def render(self, view: SaleView) -> None:
        """What just happened, that the money is safe, then what to do."""
        paid = wording.money(view.paid_fen + view.brought_fen)
        line = self.say("line-doubt" if view.why == "doubt" else "line", paid=paid)
        now = self.say("notice.reader", code=view.code) if view.code else self.notice(view)
        late = "" if view.code else self.say("late")
        self.tell("card-in", self.say("title"), now, line, small=late)

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Nothing is asked; the card is waited for."""
        return (self.other_language(),)


class Refused(Message):
    """The card cannot be used: why, that nothing was charged, what to do now."""

    prefix = "refused"

    def render(self, view: SaleView) -> None:
        """Three sentences and a code."""
        sentences = (self.explained("what", view.code), self.say("money"), self.explained("do", view.code))
        title = self.say("title" if view.code.startswith("C") else "title-kiosk")
        self.tell("stop", title, *sentences, small=self.say("code", code=view.code))

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Only out."""
        return (Choice(self.say("close"), Cancel(), main=True), self.other_language())


class TakeCard(Message):
    """The visit is over and the card is still in."""

    prefix = "take-card"

    def render(self, view: SaleView) -> None:
        """Take it."""
        self.tell("card-out", self.say("title"), self.say("line"))


class OutOfService(Message):
    """The kiosk cannot sell: why, and that the records are safe."""

    prefix = "out-of-service"

    def render(self, view: SaleView) -> None:
        """Starting, recovering, or down with a code for staff."""
        if not view.code:
            title = self.say("title-resuming" if view.paid_fen else "title-starting")
            self.tell("wait", title, self._paid(view), busy=True)
            return
        nothing_in = view.notice == "ledger" and not view.paid_fen  # but perhaps a note in escrow
        what = self.say("notice.ledger") if nothing_in else self.explained("what", view.code)
        sentences = (what, self._paid(view) or self.say("safe"), self.say("line"))
        self.tell("look", self.say("title"), *sentences, small=self.say("code", code=view.code))

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Nothing can be done here; before the sale runs there is nobody to hear a press."""
        return (self.other_language(),) if view.down else ()

    def _paid(self, view: SaleView) -> str:
        return self.say("paid", paid=wording.money(view.paid_fen)) if view.paid_fen else ""
