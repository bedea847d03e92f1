"""What every page is: it shows a SaleView and names its buttons. A page imports no device and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from kivy.properties import StringProperty
from kivy.uix.boxlayout import BoxLayout

from kiosk.model.texts import Texts
from kiosk.sale.events import ChooseLanguage, Press
from kiosk.sale.view import SaleView
from kiosk.screens import wording


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while customers are served."""

    operator: Mapping[str, str]  # by language
    place: Mapping[str, str]
    phone: str
    denominations_fen: tuple[int, ...]
    words: Mapping[str, Texts]  # by language
    coins_fen: tuple[int, ...] = ()  # none: there is no coin acceptor


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: what it says and which event it posts; what the event says may be known only when it is pressed."""

    text: str
    event: Press | Callable[[], Press]
    main: bool = False
    enabled: bool = True
    narrow: bool = False  # beside the others, not one of them


class Page(BoxLayout):
    """One screen. ``render`` puts a view's figures into the furniture of the page's kv."""

    prefix: ClassVar[str]
    language = StringProperty("zh-CN")

    def __init__(self, facts: Facts, post: Callable[[Press], None]) -> None:
        self.facts = facts
        self.post = post
        super().__init__()

    def show(self, view: SaleView) -> None:
        """Takes the view's language, then renders."""
        self.language = view.language
        self.render(view)

    def render(self, view: SaleView) -> None:
        """Puts the view into the widgets."""
        raise AssertionError(f"{type(self).__name__} does not render")

    def choices(self, view: SaleView) -> tuple[Choice, ...]:
        """The buttons at the foot of the page."""
        return ()

    def other_language(self) -> Choice:
        """The language that is not shown: who cannot read this page needs it here, not on the first one."""
        other = "en" if self.language == "zh-CN" else "zh-CN"
        return Choice(self.say("frame.other-language"), ChooseLanguage(other), narrow=True)

    def enter(self) -> None:
        """The page has come up."""

    def leave(self) -> None:
        """The page goes."""

    def say(self, key: str, **values: object) -> str:
        """A sentence of this page, or of another with its prefix."""
        full = key if "." in key else f"{self.prefix}.{key}"
        return self._unbroken(self.facts.words[self.language].text(full, phone=self.facts.phone, **values))

    def word(self, language: str, key: str) -> str:
        """The same, for kv: the language is named so that kv follows it."""
        return self.facts.words[language].text(f"{self.prefix}.{key}")

    def _unbroken(self, text: str) -> str:
        # Kivy breaks lines at spaces first, which tears Chinese sentences before a figure.
        return text.replace(" ", "\u00a0") if self.language == "zh-CN" else text

    def coins(self, view: SaleView) -> tuple[int, ...]:
        """The coins that can be thrown in now; none without a coin acceptor, or while it is out of order."""
        return self.facts.coins_fen if view.takes_coins else ()

    def energy(self, centi_kwh: int) -> str:
        """Energy in the page's language."""
        return wording.energy(centi_kwh, self.language)

    def notice(self, view: SaleView) -> str:
        """The sentence for the moment, or nothing."""
        return self.say(f"notice.{view.notice}") if view.notice else ""

    def explained(self, part: str, code: str) -> str:
        """What happened, or what to do now, for a code."""
        return self._unbroken(wording.explained(part, code, self.facts.words[self.language], self.facts.phone))
