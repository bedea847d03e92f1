"""What is on the card and in the meter, and whether one can buy."""

from __future__ import annotations

from kivy.properties import StringProperty

from kiosk.sale.events import Cancel, Continue
from kiosk.sale.view import SaleView
from kiosk.screens import wording
from kiosk.screens.page import Choice, Page


class Account(Page):
    """The customer checks that it is their card."""

    prefix = "account"
    title = StringProperty("")
    customer = StringProperty("")
    meter = StringProperty("")
    maker = StringProperty("")
    left = StringProperty("")
    left_name = StringProperty("")
    last = StringProperty("")
    price = StringProperty("")
    blocked = StringProperty("")

    def render(self, view: SaleView) -> None:
        """Figures as the driver read them."""
        reading, vendor = view.reading, view.vendor
        if reading is None or vendor is None:
            return
        self.title = self.say("blocked" if view.code else "title-meter" if view.keypad else "title")
        self.customer = wording.grouped(reading.customer)
        self.meter = wording.grouped(reading.meter)
        self.maker = vendor.name_zh if self.language == "zh-CN" else vendor.name_en
        self.left = self.say("unknown")
        self.left_name = self.say("token" if view.keypad else "remaining")
        if view.keypad:
            self.left = wording.grouped(view.token) if view.token else self.say("last-none")
        if reading.remaining is not None:
            self.left = wording.in_unit(vendor, reading.remaining, self.language)
            if reading.written_back_at:
                self.left = self.say("remaining-at", value=self.left, day=wording.day(reading.written_back_at)[:10])
        self.last = wording.last_purchase(vendor, reading, self.facts.words[self.language], self.language)
        self.price = self.say("price-value", price=wording.price(view.price.per_kwh)) if view.price else ""
        self.blocked = f"{self.explained('what', view.code)} {self.explained('do', view.code)}" if view.code else ""
        if view.owed_fen:
            self.blocked += f" {self.say('owed')} {wording.money(view.owed_fen)}"

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """Out, or on."""
        leave = Choice(self.say("number.leave" if view.keypad else "leave"), Cancel(), main=bool(view.code))
        buy = () if view.code else (Choice(self.say("buy"), Continue(), main=True),)
        return leave, *buy, self.other_language()
