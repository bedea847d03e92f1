"""How much to pay: said before the first note is taken."""

from __future__ import annotations

from kivy.properties import StringProperty

from kiosk.billing.quote import energy_for
from kiosk.model.money import Money
from kiosk.sale.events import Cancel, ChooseAmount
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page
from kiosk.screens.widgets import Press

OFFERED_MAX = 5


class Amount(Page):
    """A few amounts with what each buys, and "as much as I put in"."""

    prefix = "amount"
    title = StringProperty("")
    line = StringProperty("")
    most = StringProperty("")

    def render(self, view: SaleView) -> None:
        """One button an amount."""
        self.title, self.line = self.say("title"), self.say("line")
        self.most = self.say("paper") if view.limit_fen else self.say("most", most=wording.money(view.most_fen))
        grid = self.ids.grid
        grid.clear_widgets()
        for fen in view.amounts_fen[:OFFERED_MAX]:
            buys = energy_for(Money(fen), view.price).centi_kwh if view.price else 0
            grid.add_widget(self._offer(view, fen, wording.money(fen), self.energy(buys)))
        grid.add_widget(self._offer(view, view.most_fen, self.say("any"), self.say("any-line")))

    def _offer(self, view: SaleView, fen: int, name: str, buys: str) -> Press:
        text = f"[size=38]{name}[/size]\n[size=24]{buys}[/size]"
        chosen, asked = view.limit_fen == fen, bool(view.limit_fen)
        button = Press(text=text, markup=True, line_height=0.9, main=chosen, disabled=asked)
        button.bind(on_release=lambda *_: self.post(ChooseAmount(fen)))
        return button

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out."""
        return (Choice(self.say("leave"), Cancel(), enabled=view.may_cancel),)
