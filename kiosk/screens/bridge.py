"""The hop between the runner's thread and Kivy's: the newest view goes over, older ones are passed by."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kivy.clock import Clock

from kiosk.sale.view import SaleView


class Bridge:
    """``show`` may be called from any thread; ``render`` is called on Kivy's, once for the newest view."""

    def __init__(self, render: Callable[[SaleView], None]) -> None:
        self._render = render
        self._lock = threading.Lock()
        self._newest: SaleView | None = None

    def show(self, view: SaleView) -> None:
        """Hands a view over."""
        with self._lock:
            waiting, self._newest = self._newest is not None, view
        if not waiting:
            Clock.schedule_once(self._hop, 0)

    def _hop(self, _dt: float) -> None:
        with self._lock:
            view, self._newest = self._newest, None
        if view is not None:
            self._render(view)
