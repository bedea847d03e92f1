"""A picture of each new screen, for those who are not there: `001-attract-zh-CN.png`,
`002-refused-C-101-zh-CN.png` …"""

from __future__ import annotations

from pathlib import Path

from kivy.clock import Clock
from kivy.core.window import Window

from kiosk.sale.view import SaleView

SETTLE_S = 0.12  # the page is laid out and drawn by then


class Shots:
    """Takes a picture when what the customer is told has changed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = len(list(folder.glob("*.png")))
        self._shown: tuple[object, ...] = ()
        self._waiting = Clock.create_trigger(self._take, SETTLE_S)
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
            self._waiting()

    def _take(self, _dt: float) -> None:
        self._number += 1
        taken = Path(Window.screenshot(name=str(self._folder / f".{self._number}.png")))
        taken.rename(self._folder / f"{self._number:03d}-{self._name}.png")
