"""Paying: a large running total, what it buys, what is still taken."""

from __future__ import annotations

from kivy.properties import BooleanProperty, NumericProperty, StringProperty

from kiosk.sale.events import Cancel, Finish
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page


class Cash(Page):
    """Once money is in there is no way out that loses it."""

    prefix = "cash"
    title = StringProperty("")
    paid = StringProperty("")
    buys = StringProperty("")
    limit = StringProperty("")
    accepts = StringProperty("")
    advice = StringProperty("")
    alarm = BooleanProperty(defaultvalue=False)
    share = NumericProperty(0.0)

    def render(self, view: SaleView) -> None:
        """The total is the largest thing on the screen."""
        self.title = self.say("moving" if view.moving else "title-coins" if self.coins(view) else "title")
        self.paid, self.buys = wording.money(view.paid_fen), self.energy(view.buys_centi_kwh)
        room = wording.money(view.room_fen)
        self.limit = self.say("limit", limit=wording.money(view.limit_fen), room=room)
        self.share = min(1.0, view.paid_fen / view.limit_fen) if view.limit_fen else 0.0
        self.accepts = self._taken(view)
        down = self._closed(view) if view.code else ""
        told = [words for words in (self.notice(view), down) if words]
        self.alarm = bool(told)
        self.advice = "\n".join(told) or self.say("no-change")

    def _taken(self, view: SaleView) -> str:
        """What still fits; coins all or none, for one that rolls cannot be told from another."""
        notes = wording.notes([fen for fen in self.facts.denominations_fen if fen <= view.room_fen])
        thrown = self.coins(view)
        coins = wording.notes(thrown) if max(thrown, default=0) <= view.room_fen else ""
        if notes and coins:
            return self.say("accepts-coins", notes=notes, coins=coins)
        if coins:
            return self.say("only-coins", coins=coins)
        return self.say("accepts", notes=notes) if notes else ""

    def _closed(self, view: SaleView) -> str:
        """Why no note is taken, and what becomes of the money."""
        how = "moving" if view.moving else "paid" if view.paid_fen or view.brought_fen else "unpaid"
        return self.say(f"notice.closed-{how}", code=view.code)

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out before the first note, written after it."""
        if view.paid_fen or view.moving:
            key = "finish-token" if view.keypad else "finish"
            out = Choice(self.say(key), Finish(), main=True, enabled=view.may_finish)
        else:
            out = Choice(self.say("leave"), Cancel(), enabled=view.may_cancel)
        return out, self.other_language()
