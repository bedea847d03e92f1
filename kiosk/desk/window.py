"""The desk's window, beside the kiosk's: the hands of the customer and of the attendant.

It looks at the world ten times a second and tells what is new. What takes long (the slot, a vendor's program, a
program that starts or ends) is done in threads of its own, so that the window never stands still.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.lang import Builder
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.modalview import ModalView

from kiosk.desk.keypad_place import KeypadPlace
from kiosk.desk.places import COINS, FADED, INKS, CardPlace, CoinButton, Hands, NoteButton, amount
from kiosk.desk.sight import JAMS, MOVING, TOLD_PHASES, TRIES, News, Sight, advice, handed_back, news, put_away, see
from kiosk.model.texts import load_texts
from kiosk.screens import widgets, wording
from kiosk.screens.window import ASSETS

if TYPE_CHECKING:
    from kiosk.desk.world import World

LANGUAGES = ("zh-CN", "en")
LINES = 6
LOOK_S = 0.1
WHY = 34  # letters of a fault that fit into a line
TEAR_BYTES = 5  # how far into a write a card is pulled
FORGED_FEN = 10_000
PROTOCOLS = {"ccnet": "CCNET", "ssp": "SSP", "cctalk": "ccTalk", "id003": "ID003"}
KV = (
    "places",
    "cards",
    "keypads",
    "tiles",
    "notes",
    "coins",
    "desk",
    "money",
    "machines",
    "happened",
)  # the desk's rows in their order


def load_furniture() -> None:
    """Loads the kv files, once."""
    screens, desk = Path(widgets.__file__).parent, Path(__file__).parent
    for furniture in (screens / "theme.kv", screens / "widgets.kv", *(desk / f"{name}.kv" for name in KV)):
        path = str(furniture)
        if path not in Builder.files:
            Builder.load_file(path)


class Slip(ModalView):
    """The last slip, large."""

    source = StringProperty("")


class Desk(BoxLayout):
    """Everything on the desk."""

    language = StringProperty("zh-CN")
    sight = ObjectProperty(Sight(), rebind=True)
    now = StringProperty("plug")  # what to do next
    happened = StringProperty("")
    returned_fen = NumericProperty(0)
    box_out = BooleanProperty(defaultvalue=False)
    paper_out = BooleanProperty(defaultvalue=False)
    cover_open = BooleanProperty(defaultvalue=False)
    slip = StringProperty("")
    tried = ObjectProperty(frozenset())
    tear_bytes = TEAR_BYTES

    def __init__(self, world: World) -> None:
        self.world = world
        self._words = {language: load_texts(ASSETS / "text", "desk", language) for language in LANGUAGES}
        self.protocols = f"{PROTOCOLS[world.town.acceptor]} · {PROTOCOLS['cctalk']}"  # of notes and of coins
        self._lines: deque[tuple[str, dict[str, object]]] = deque(maxlen=LINES)
        self._paid = False  # money went in while this card was in
        self.hands, self.plug_hand, self.office_hand = (Hands(self._failed) for _ in range(3))
        super().__init__()
        self.places = [CardPlace(self, card, number) for number, card in enumerate(world.cards)]
        for place in self.places:
            self.ids.cards.add_widget(place)
            place.look_at_card()
        for number, meter in enumerate(world.keypads, len(self.places)):
            self.ids.cards.add_widget(KeypadPlace(self, meter, number))
        for fen, ink in INKS.items():
            self._lay_note(fen, ink)
        self._lay_note(FORGED_FEN, FADED, forged=True)
        for fen, metal in COINS.items():
            self.ids.coins.add_widget(CoinButton(desk=self, fen=fen, metal=list(metal)))
        self.look()

    def _lay_note(self, fen: int, ink: tuple[float, ...], *, forged: bool = False) -> None:
        note = NoteButton(ink=list(ink), text=str(fen // 100), forged=forged)
        note.bind(on_release=lambda _: self.feed(fen, genuine=not forged))
        if forged:
            note.under = self.word(self.language, "money.forged")
            self.bind(language=lambda _, language: setattr(note, "under", self.word(language, "money.forged")))
        self.ids.notes.add_widget(note)

    def close(self) -> None:
        """The desk is left."""
        for hand in (self.hands, self.plug_hand, self.office_hand):
            hand.close()

    # ---- words

    def word(self, language: str, key: str, **values: object) -> str:
        """A sentence; kv names the language, so that it follows it."""
        return self._words[language].text(key, **values)

    def switch_language(self) -> None:
        """The other one."""
        self.language = LANGUAGES[1 - LANGUAGES.index(self.language)]

    def on_language(self, *_: object) -> None:
        """What happened is told anew."""
        self._tell_again()

    def tell(self, key: str, **values: object) -> None:
        """Something happened: a key of ``news``."""
        self._lines.appendleft((f"news.{key}", values))
        self._tell_again()

    def _failed(self, fault: BaseException) -> None:
        why = str(fault).partition("\n")[0] or type(fault).__name__
        self._lines.appendleft(("desk.failed", {"why": why if len(why) <= WHY else f"{why[: WHY - 1]}…"}))
        self._tell_again()

    def _tell_again(self) -> None:
        said = []
        for key, values in self._lines:
            filled = {name: value(self.language) if callable(value) else value for name, value in values.items()}
            said.append(self.word(self.language, key, **filled))
        self.happened = "\n".join(said)

    # ---- looking

    def look(self, _dt: float = 0) -> None:
        """Looks around and says what is new."""
        before, now = self.sight, see(self.world)
        if before.card != now.card:
            self._paid = False
        self._paid = self._paid or bool(put_away(before.look, now.look) or put_away(before.coins, now.coins))
        back_fen = handed_back(before.look, now.look) + handed_back(before.coins, now.coins)
        self.returned_fen = back_fen or self.returned_fen
        self.sight = now
        for each in news(before, now):
            if each.key != "open" or not self._paid:  # some machines close after each note
                self._report(each)
        for place in self.places:
            place.inserted = now.card == place.number
            place.armed = place.armed and place.inserted
        if now.torn and not before.torn:
            torn = self.places[now.card or 0]
            self.hands.do(self.world.pull, lambda _none: torn.look_at_card())
        if now.slips != before.slips:
            self._show_slip()
        self.now = advice(now, paid=self._paid, waiting=any(place.waiting for place in self.places))
        for place in self.places:
            place.lit = {"card": True, "finish": place.inserted, "meter": place.waiting}.get(self.now, False)

    def _report(self, each: News) -> None:
        values: dict[str, object] = {}
        if each.fen is not None:
            values["amount"] = wording.money(each.fen)
        if each.card is not None:
            values["card"] = self.places[each.card].maker
        self.tell(each.key, **values)
        self._try(each.tried)

    def _try(self, which: str) -> None:
        if which in TRIES:
            self.tried = self.tried | {which}

    def ticked(self, language: str, which: str, tried: frozenset[str]) -> str:
        """A line of the five things to try."""
        return f"{'✓' if which in tried else '○'}  {self.word(language, f'try.{which}')}"

    # ---- cards

    def arm(self, place: CardPlace, armed: bool) -> None:
        """The card in the slot is going to be pulled in mid-write, or not."""
        if place.inserted:
            self.world.tear_write(TEAR_BYTES if armed else None)
            place.armed = armed
            self.tell("armed" if armed else "disarmed", bytes=TEAR_BYTES)

    def metered(self, place: CardPlace, *, took: int, used: int) -> None:
        """A meter has had its card."""
        unit = place.card.unit
        if took:
            self.tell("meter-took", amount=lambda language: amount(unit, took, language))
        if used:
            self.tell("used", amount=lambda language: amount(unit, used, language))
        if not took and not used:
            self.tell("meter-same")

    def keyed_in(self, place: KeypadPlace, took: int) -> None:
        """Digits were keyed into a meter."""
        if took:
            self.tell("meter-took", amount=lambda language: amount(place.meter.unit, took, language))
        else:
            self.tell("keypad-refused")

    # ---- money

    def feed(self, fen: int, *, genuine: bool = True) -> None:
        """A note into the mouth."""
        if self.world.feed(fen, genuine=genuine):
            self.returned_fen = 0
        else:
            self.tell("closed")

    def throw(self, fen: int) -> None:
        """A coin into the slot; a closed one lets it roll through."""
        if self.world.throw(fen):
            self.returned_fen = 0
        else:
            self.tell("coin-closed")

    def mouth(self, language: str, sight: Sight) -> str:
        """The state of the acceptor in words."""
        phase = sight.look.phase
        state = "moving" if phase in MOVING else "open" if sight.open else "closed"
        told = f"phase-{phase.name.lower()}"
        return self.word(language, f"news.{told}" if phase in TOLD_PHASES else f"money.{state}")

    def counted(self, language: str, sight: Sight) -> str:
        """The cash box, counted by hand."""
        return self._counted(language, "money.box", sight.look.box)

    def counted_coins(self, language: str, sight: Sight) -> str:
        """The coin box, counted by hand."""
        return self._counted(language, "money.coin-box", sight.coins.box)

    def _counted(self, language: str, key: str, box: tuple[tuple[int, int], ...]) -> str:
        pieces = " ".join(f"{wording.yuan(fen)}×{count}" for fen, count in box if count)
        total = self.word(language, key, amount=wording.money(sum(f * n for f, n in box)))
        return total + (self.word(language, "money.box-pieces", pieces=pieces) if pieces else "")

    def came_back(self, language: str, fen: int) -> str:
        """What the acceptor returned last."""
        return self.word(language, "money.returned" if fen else "money.returned-none", amount=wording.money(fen))

    def jammed(self, sight: Sight) -> bool:
        """Whether a note sticks."""
        return sight.look.phase in JAMS

    def jam(self) -> None:
        """The note that moves sticks; or the one that sticks is freed."""
        if self.jammed(see(self.world)):
            self.world.acceptor.clear_jam()
        elif not self.world.acceptor.jam():
            self.tell("no-jam")

    def take_box(self) -> None:
        """The cash box out, or back in, empty."""
        self.box_out = not self.box_out
        if self.box_out:
            taken = sum(fen * pieces for fen, pieces in self.world.acceptor.take_box().items())
            self.tell("box-out", amount=wording.money(taken))
        else:
            self.world.acceptor.put_box()
            self.tell("box-in")

    # ---- printer

    def _show_slip(self) -> None:
        papers = self.world.papers()
        self.slip = str(papers[-1]) if papers else ""

    def enlarge(self) -> None:
        """The last slip as large as the window."""
        if self.slip:
            Slip(source=self.slip).open()

    def tear_off(self) -> None:
        """What hangs out of the printer."""
        self.world.printer.tear_off()
        self.tell("tear-off")

    def take_paper(self) -> None:
        """The roll out, or a new one in."""
        self.paper_out = not self.paper_out
        if self.paper_out:
            self.world.printer.paper_out()
            self._try("paper")
        else:
            self.world.printer.refill()
        self.tell("paper-out" if self.paper_out else "paper-in")

    def lift_cover(self) -> None:
        """Open, or closed again."""
        self.cover_open = not self.cover_open
        if self.cover_open:
            self.world.printer.cover_open()
        else:
            self.world.printer.cover_close()
        self.tell("cover-open" if self.cover_open else "cover-close")

    # ---- power

    def plug(self) -> None:
        """The kiosk's plug, out or in."""
        kiosk = self.world.kiosk
        if not self.plug_hand.busy:
            self.plug_hand.do(kiosk.pull_plug if kiosk.running else kiosk.start)

    def switch_office(self) -> None:
        """Head office, off or on."""
        if not self.office_hand.busy:
            self.office_hand.do(self.world.office.stop if self.world.office.running else self.world.open_office)


class DeskApp(App):
    """Kivy's main loop around the desk. ``run()`` returns when the window is closed."""

    use_kivy_settings = False

    def __init__(self, world: World) -> None:
        super().__init__()
        self.title = "操作台 · The desk"
        self._world = world

    def build(self) -> Desk:
        """The window's content."""
        load_furniture()
        Window.clearcolor = (0.957, 0.965, 0.973, 1)
        desk = Desk(self._world)
        Clock.schedule_interval(desk.look, LOOK_S)
        return desk

    def on_stop(self) -> None:
        """The window was closed."""
        if self.root is not None:
            Clock.unschedule(self.root.look)
            self.root.close()
