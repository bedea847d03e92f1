"""How the sale ended: what is on the card, what is still owed, where the slip is."""

from __future__ import annotations

from kivy.properties import BooleanProperty, ListProperty, StringProperty

from kiosk.sale.events import Cancel
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page

GREEN, AMBER = (0.0, 0.255, 0.125, 1), (0.325, 0.173, 0.0, 1)


class Done(Page):
    """Good news in green; credit that waits in amber, with what happens to it."""

    prefix = "done"
    icon = StringProperty("tick")
    title = StringProperty("")
    figure = StringProperty("")
    under = StringProperty("")
    text = StringProperty("")
    slip = StringProperty("")
    colour = ListProperty(GREEN)
    long = BooleanProperty(defaultvalue=False)

    def render(self, view: SaleView) -> None:
        """The figures of the closed sale."""
        waiting = view.owed_fen > 0
        self.icon = "look" if waiting else "keys" if view.token else "tick"
        self.colour = AMBER if waiting else GREEN
        made = "" if waiting else view.token
        title = {
            "found": "title-found",
            "owed": "title-owed-token" if view.keypad else "title-owed",
            "doubt": "title-doubt",
        }.get(view.why, "title")
        self.title = self.say("title-token" if made else title)
        paid, energy = (
            wording.money(view.owed_fen if waiting else view.written_fen),
            self.energy(view.written_centi_kwh),
        )
        self.figure = wording.in_rows(made) if made else paid
        self.under = "" if waiting or made else energy
        self.long = bool(made)
        sentences = [self.explained("what", view.code) if view.why == "owed" else ""]
        if made:
            sentences += [f"{paid} · {energy}", self.say("take-token")]
        elif waiting:
            key = "doubt" if view.why == "doubt" else "owed-token" if view.keypad else "owed"
            sentences.append(self.say(key, owed=wording.money(view.owed_fen)))
        else:
            sentences.append(self.say("take"))
        if view.lost_fen:
            sentences.append(self.say("lost", lost=wording.money(view.lost_fen)))
        self.text = "\n".join(sentence for sentence in sentences if sentence)
        self.slip = self._slip(view)

    def _slip(self, view: SaleView) -> str:
        if view.slip:
            return ""
        return self.say("slip-failed", code=view.slip_code) if view.slip_code else self.say("slip-printing")

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out, once the slip has been dealt with."""
        return (Choice(self.say("close"), Cancel(), main=True, enabled=view.may_cancel),)
