"""A picture of each new screen, for those who are not there: `001-attract-zh-CN.png`,
`002-refused-C-101-zh-CN.png` …, and beside each its words as `….txt`, a line for each label and button."""

from __future__ import annotations

from pathlib import Path

from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.label import Label

from kiosk.sale.view import SaleView

SETTLE_S = 0.12  # the page is laid out by then
FRAMES = 3  # and drawn, icons and all, after so many more frames, however slow the machine is


class Shots:
    """Takes a picture when what the customer is told has changed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = len(list(folder.glob("*.png")))
        self._shown: tuple[object, ...] = ()
        self._waiting = Clock.create_trigger(self._take, SETTLE_S)
        self._next_frame = Clock.create_trigger(self._take, 0)
        self._frames = 0
        self._name = ""

    def look(self, view: SaleView) -> None:
        """Called with every view that was rendered; on Kivy's thread."""
        told = (view.code, view.notice, view.paid_fen, view.moving, view.slip, view.slip_code)
        shown = (view.screen, view.language, *told)
        if shown != self._shown:
            self._shown = shown
            why = "" if view.why == view.screen.value else view.why
            said = (view.screen.value, why, view.notice, view.code or view.slip_code, view.language)
            self._name = "-".join(word for word in said if word)
            self._frames = FRAMES
            self._next_frame.cancel()
            self._waiting()

    def _take(self, _dt: float) -> None:
        if self._frames:
            self._frames -= 1
            self._next_frame()
            return
        self._number += 1
        taken = Path(Window.screenshot(name=str(self._folder / f".{self._number}.png")))
        picture = self._folder / f"{self._number:03d}-{self._name}.png"
        picture.with_suffix(".txt").write_text(words_shown(), encoding="utf-8")
        taken.rename(picture)


def words_shown() -> str:
    """What stands on the screen now, from the top left of each part to its bottom right."""
    labels = [widget for child in Window.children for widget in child.walk() if isinstance(widget, Label)]
    said = [label.text for label in labels if label.opacity and label.width > 1]
    return "".join(f"{words.replace(chr(0xA0), ' ')}\n" for words in said if words.strip())
