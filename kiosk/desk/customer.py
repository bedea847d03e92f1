"""A customer made of rules: looks at the kiosk's screen and does what a person would do next, until served.

It knows nothing but what a person sees: the pictures of the screen (their names say which page they show), whether the
note slot is open, what came back, and the slip. So the same customer plays the demo and lives through every accident.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kiosk.desk.cards import CustomerCard
from kiosk.desk.world import World
from kiosk.screens import wording

PLACES = {  # shares of the screen's width and height, from the top left corner
    "leave": (0.2, 0.873),  # of the account, as is "buy"; the count-down makes room for itself at the right
    "buy": (0.5, 0.873),
    "right button": (0.73, 0.873),
    "the button": (0.5, 0.873),
    "¥50": (0.5, 0.394),
}
KEYS = "123456789C0E"  # C: clear, E: erase
KEY_LEFT, KEY_TOP, KEY_ACROSS, KEY_DOWN = 0.6204, 0.2033, 0.1393, 0.1667
"""The number pad's first key, and the way to the next one."""
PATIENCE_S = 40.0  # for the whole kiosk to say something new
VISIT_S = 150.0
AGAIN_S = 2.0  # then one presses again


class Eyes:
    """Looks at the kiosk's screen: the pictures in its folder, in their order."""

    def __init__(self, world: World) -> None:
        self._folder, self._kiosk = world.town.shots, world.kiosk

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._pictures())

    @property
    def page(self) -> str:
        """What the newest one shows, as its name says: ``refused-C-101-zh-CN``; "" while the screen is dark."""
        picture = self.picture
        return "" if picture is None else picture.stem.partition("-")[2]

    @property
    def picture(self) -> Path | None:
        """The newest one; None while the screen is dark. Its words lie beside it as ``.txt``."""
        pictures = self._pictures()
        dark = not pictures or not self._kiosk.running or pictures[-1].stat().st_mtime < self._kiosk.started_s
        return None if dark else pictures[-1]

    @property
    def words(self) -> list[str]:
        """What stands on it, line by line."""
        picture = self.picture
        return [] if picture is None else picture.with_suffix(".txt").read_text(encoding="utf-8").splitlines()

    def since(self, count: int) -> list[str]:
        """What came after the first ``count`` pictures."""
        return [picture.stem.partition("-")[2] for picture in self._pictures()[count:]]

    def _pictures(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.png"))


@dataclass
class Customer:
    """One card, and the notes and coins to be paid in. ``say`` hears what the customer does."""

    world: World
    card: CustomerCard | None  # None: a customer without one (``Caller``)
    notes_fen: tuple[int, ...]
    say: Callable[[str], None] = lambda words: None
    coins_fen: tuple[int, ...] = ()
    pages: list[str] = field(default_factory=list)  # what was seen, in its order
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.eyes = Eyes(self.world)
        self._box_before = self.world.box_fen()
        self._papers_before = len(self.world.papers())
        self._seen = self.eyes.count
        self._acted_s = 0.0
        self._acted_on = ""
        self._begun_s = 0.0
        self._was_in = False
        self._rolled = 0  # coins that have come to rest once the last one thrown has

    @property
    def paid_fen(self) -> int:
        """What of the money is in the cash boxes."""
        return self.world.box_fen() - self._box_before

    @property
    def purse_fen(self) -> int:
        """What is to be paid in, all together."""
        return sum(self.notes_fen) + sum(self.coins_fen)

    @property
    def _all_paid(self) -> bool:
        return self.paid_fen >= self.purse_fen

    def visit(self, may_end: Callable[[], bool] = lambda: False) -> str:
        """From the card in the slot to the card in the hand. The last page seen: ``done…``, or that of a refusal.

        May be called again after a break: a customer who has paid all and sees it on the card leaves (``attract…``).

        ``may_end`` is looked at all the time: True breaks the visit off, with "". TimeoutError when the kiosk says
        nothing new for long.
        """
        self._begun_s = self._acted_s = time.monotonic()
        while True:
            page = self._look()
            if may_end():
                return ""
            if self._was_in and self._all_paid and page.startswith("attract") and self.world.inserted is None:
                return page
            if page.startswith(("done", "refused")) and self._served(page):
                self.world.pull()
                return page
            if time.monotonic() - self._begun_s > VISIT_S:
                raise TimeoutError(f"a visit that does not end: {', '.join(self.pages[-8:])}")
            if time.monotonic() - self._acted_s > PATIENCE_S:
                raise TimeoutError(f"the kiosk shows {page or 'nothing'} and nothing else for {PATIENCE_S:.0f} s")
            if page != self._acted_on or time.monotonic() - self._acted_s > AGAIN_S:
                self._act(page)
            self.world.rest()

    def _look(self) -> str:
        new = self.eyes.since(self._seen)
        self._seen += len(new)
        self.pages += new
        for page in new:
            self.seconds.setdefault(page.partition("-")[0], round(time.monotonic() - self._begun_s, 2))
            self._acted_on, self._acted_s = "", time.monotonic()
        return self.eyes.page

    def _served(self, page: str) -> bool:
        """On the last page the slip is waited for, unless the page says that none comes."""
        if page.startswith("refused"):
            return True
        slip = len(self.world.papers()) > self._papers_before or "-V-42" in page
        return slip and self._all_paid  # else it is the page of whoever was here before

    def _act(self, page: str) -> None:
        kind = page.partition("-")[0]
        if kind in ("attract", "put"):
            if not self._arrive():
                return
        elif kind == "take":
            self.world.pull()
        elif kind == "account":
            self.world.finger.tap(*PLACES["leave" if self._all_paid else "buy"])
        elif kind == "done" and not self._all_paid:
            self.world.finger.tap(*PLACES["the button"])
        elif kind == "amount":
            self.world.finger.tap(*PLACES["¥50"])
        elif kind == "cash":
            if not self._pay():
                return
        else:
            return
        self._acted_on, self._acted_s = page, time.monotonic()

    def _arrive(self) -> bool:
        """The card into the slot; True when something was done."""
        if self.card is None or self.world.inserted_and_alive is self.card:
            return False
        self.say("card in")
        self.world.insert(self.card)
        self._was_in = True
        return True

    def _pay(self) -> bool:
        """The next note or coin, once its slot is open for it; True when something was done."""
        left = self.purse_fen - self.paid_fen
        fen = next((fen for fen in sorted((*self.notes_fen, *self.coins_fen), reverse=True) if fen <= left), None)
        if fen is None:
            if self.coins_fen and not self._shown():
                return False
            self.world.finger.tap(*PLACES["the button"])
            return True
        if fen in self.coins_fen:
            return self._throw(fen)
        if fen not in self.world.look.open_for_fen:
            return False
        self.say(f"a note of {wording.yuan(fen)} yuan")
        return self.world.feed(fen)

    def _shown(self) -> bool:
        """Whether the screen shows all that was paid: while a coin rolls, the kiosk does not know of it."""
        return wording.money(self.paid_fen) in self.eyes.words

    def _throw(self, fen: int) -> bool:
        look = self.world.coin_look
        rolled = sum(pieces for _, pieces in (*look.box, *look.handed_back))
        if fen not in look.open_for_fen or rolled < self._rolled:
            return False
        self._rolled = rolled + 1
        self.say(f"a coin of {wording.yuan(fen)} yuan")
        return self.world.throw(fen)


@dataclass
class Caller(Customer):
    """A customer without a card, who keys in the ``number`` that stands on the contract."""

    number: str = ""

    def _act(self, page: str) -> None:
        kind = page.partition("-")[0]
        if kind != "number":
            super()._act(page)
            return
        self._key_in()
        self._acted_on, self._acted_s = page, time.monotonic()

    def leave(self) -> None:
        """The digits are copied, or on the slip: the page may go."""
        self.world.finger.tap(*PLACES["the button"])

    def _arrive(self) -> bool:
        self.say("no card: the number")
        self._was_in = True
        self.world.finger.tap(*PLACES["the button"])
        return True

    def _key_in(self) -> None:
        for digit in "C" + self.number:
            row, column = divmod(KEYS.index(digit), 3)
            self.world.finger.tap(KEY_LEFT + column * KEY_ACROSS, KEY_TOP + row * KEY_DOWN)
        self.world.finger.tap(*PLACES["right button"])
