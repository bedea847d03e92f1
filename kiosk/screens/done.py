"""How the sale ended: what is on the card, what is still owed, where the slip is."""

from __future__ import annotations

from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty

from kiosk.sale.events import Cancel, TakeVoucher
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
    figure_size = NumericProperty(72)

    def render(self, view: SaleView) -> None:
        """The figures of the closed sale."""
        owes = view.owed_fen > 0 and not view.voucher
        waiting = owes and not (view.why == "done" and view.written_fen)  # else a coin came late; the rest is written
        self.icon = "look" if waiting else "keys" if view.token else "tick"
        self.colour = AMBER if waiting else GREEN
        made = "" if waiting else view.token
        title = {
            "found": "title-found",
            "owed": "title-owed-token" if view.keypad else "title-owed",
            "doubt": "title-doubt",
            "voucher": "title-voucher",
        }.get(view.why, "title")
        self.title = self.say("title-token" if made else title, owed=wording.money(view.owed_fen))
        paid, energy = (
            wording.money(view.owed_fen if waiting else view.written_fen),
            self.energy(view.written_centi_kwh),
        )
        self.figure = wording.in_rows(made) if made else paid
        self.under = "" if waiting or made else energy
        self.long = bool(made)
        if view.voucher:
            self.figure, self.under, self.long = wording.voucher(view.voucher), "", True
        self.figure_size = 72 if not self.long else 40 if "-\n" in self.figure else 64
        sentences = [self.explained("what", view.code) if view.why == "owed" else ""]
        if made:
            sentences += [f"{paid} · {energy}", *([] if owes else [self.say("take-token")])]
        elif view.voucher:
            sentences.append(self.say("voucher-token" if view.keypad else "voucher"))
        elif waiting:
            key = "doubt" if view.why == "doubt" else "owed-token" if view.keypad else "owed"
            sentences.append(self.say(key, owed=wording.money(view.owed_fen)))
        else:
            sentences.append(self.say("take"))
        if owes and not waiting:
            sentences.append(self.say("owed-token" if view.keypad else "owed", owed=wording.money(view.owed_fen)))
        if view.may_voucher and not (owes and made):  # with digits and a debt there is room for the button only
            sentences.append(self.say("voucher-offer"))
        if view.lost_fen:
            sentences.append(self.say("lost", lost=wording.money(view.lost_fen)))
        self.text = "\n".join(sentence for sentence in sentences if sentence)
        self.slip = self._slip(view)

    def _slip(self, view: SaleView) -> str:
        if view.slip:
            return ""
        what = "voucher" if view.voucher else "slip"
        return self.say(f"{what}-failed", code=view.slip_code) if view.slip_code else self.say(f"{what}-printing")

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out, once the slip has been dealt with."""
        close = Choice(self.say("close"), Cancel(), main=True, enabled=view.may_cancel)
        paper = (Choice(self.say("voucher-take"), TakeVoucher()),) if view.may_voucher else ()
        return *paper, close, self.other_language()
