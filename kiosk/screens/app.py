"""The customers' window: a frame with the operator's name, one page at a time, its buttons, and a count-down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

from kiosk.model.clock import Clock as HouseClock
from kiosk.sale.events import MoreTime, Press
from kiosk.sale.view import SaleView, Screen
from kiosk.screens import widgets
from kiosk.screens.account import Account
from kiosk.screens.amount import Amount
from kiosk.screens.attract import Attract
from kiosk.screens.cash import Cash
from kiosk.screens.done import Done
from kiosk.screens.message import OutOfService, PutBack, Reading, Refused, TakeCard, Writing
from kiosk.screens.number import Number
from kiosk.screens.page import Choice, Facts, Page

PAGES: dict[Screen, type[Page]] = {
    Screen.ATTRACT: Attract,
    Screen.NUMBER: Number,
    Screen.READING: Reading,
    Screen.ACCOUNT: Account,
    Screen.AMOUNT: Amount,
    Screen.CASH: Cash,
    Screen.PUT_BACK: PutBack,
    Screen.WRITING: Writing,
    Screen.DONE: Done,
    Screen.REFUSED: Refused,
    Screen.TAKE_CARD: TakeCard,
    Screen.OUT_OF_SERVICE: OutOfService,
}
KV = ("theme", "widgets", "frame", "message", "attract", "number", "account", "amount", "cash", "done")
WARN_MS = 20_000  # the count-down is offered this long before the end
TICK_S = 0.25
NARROW = 170
PAPER = (0.957, 0.965, 0.973, 1)


def load_furniture() -> None:
    """Loads the kv files, once, and has the window wiped in the pages' colour, so that no page need fill it again."""
    Window.clearcolor = PAPER
    folder = Path(__file__).parent
    for name in KV:
        path = str(folder / f"{name}.kv")
        if path not in Builder.files:
            Builder.load_file(path)


class Frame(BoxLayout):
    """What is the same on every page."""

    operator = StringProperty("")
    place = StringProperty("")
    more_time = StringProperty("")
    counting = BooleanProperty(defaultvalue=False)
    left_share = NumericProperty(0.0)
    buttons = ListProperty([])

    def __init__(self, facts: Facts, post: Callable[[Press], None], clock: HouseClock) -> None:
        self._post, self._clock = post, clock
        super().__init__()
        self._page: Page | None = None
        self._view: SaleView | None = None
        self.use(facts)

    def use(self, facts: Facts) -> None:
        """Makes the pages, anew where other facts are in force."""
        self._facts = facts
        self._pages = {screen: page(facts, self._post) for screen, page in PAGES.items()}
        if self._view is not None:
            self.render(self._view)

    def render(self, view: SaleView) -> None:
        """Shows a view."""
        self._view = view
        language = view.language
        self.operator, self.place = self._facts.operator[language], self._facts.place[language]
        page = self._pages[view.screen]
        page.show(view)
        if page is not self._page:
            if self._page is not None:
                self._page.leave()
            self.ids.stage.clear_widgets()
            self.ids.stage.add_widget(page)
            self._page = page
            page.enter()
        self._show_choices(page.choices(view))
        self.tick(0)

    def _show_choices(self, choices: tuple[Choice, ...]) -> None:
        if list(choices) == self.buttons:
            return
        self.buttons = list(choices)
        row = self.ids.buttons
        row.clear_widgets()
        for choice in choices:
            button = widgets.Press(text=choice.text, main=choice.main, disabled=not choice.enabled)
            button.bind(on_release=lambda _, event=choice.event: self._post(event() if callable(event) else event))
            if choice.narrow:
                button.size_hint_x, button.width, button.font_size = None, NARROW, 28
            row.add_widget(button)
        if choices and all(choice.narrow for choice in choices):
            row.add_widget(Widget(), index=len(row.children))  # it stands where it always does

    def tick(self, _dt: float) -> None:
        """The count-down: shown only near the end, with one tap for more time."""
        view = self._view
        if view is None or view.deadline_ms is None:
            self.counting, self.more_time = False, ""
            return
        left_ms = max(0, view.deadline_ms - self._clock.monotonic_ms())
        self.left_share = left_ms / max(1, min(view.span_ms, WARN_MS))
        self.counting = left_ms <= WARN_MS and view.screen is not Screen.DONE
        words = self._facts.words[view.language]
        seconds = words.text("frame.seconds-left", seconds=-(-left_ms // 1000))
        self.more_time = f"{words.text('frame.more-time')}\n{seconds}" if self.counting else ""

    def ask_for_time(self) -> None:
        """The customer wants more time."""
        self._post(MoreTime())


class KioskApp(App):
    """Kivy's main loop around the frame."""

    use_kivy_settings = False

    def __init__(self, facts: Facts, post: Callable[[Press], None], clock: HouseClock) -> None:
        super().__init__()
        self._parts = (facts, post, clock)
        self._first: SaleView | None = None
        self.frame: Frame | None = None
        self.on_first_frame: Callable[[], None] = lambda: None
        self.on_rendered: Callable[[SaleView], None] = lambda view: None

    def build(self) -> Frame:
        """The window's content."""
        load_furniture()
        self.frame = Frame(*self._parts)
        if self._first is not None:
            self.frame.render(self._first)
        Clock.schedule_interval(self.frame.tick, TICK_S)
        Clock.schedule_once(lambda _dt: self.on_first_frame(), 0)
        return self.frame

    def use(self, facts: Facts) -> None:
        """Other facts are in force; on Kivy's thread."""
        self._parts = (facts, *self._parts[1:])
        if self.frame is not None:
            self.frame.use(facts)

    def render(self, view: SaleView) -> None:
        """Shows a view; on Kivy's thread."""
        if self.frame is None:
            self._first = view
            return
        self.frame.render(view)
        self.on_rendered(view)
