"""Time that only moves when the simulation moves it."""

from __future__ import annotations

from datetime import timedelta, timezone

from kiosk.model.clock import civil_time

_CHINA = timezone(timedelta(hours=8))
BEGINNING_MS = 1_795_564_800_000  # 2026-11-25 00:00 UTC


class HandClock:
    """A Clock; ``now_ms`` counts from the beginning of the story, through all power cuts."""

    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._set_ms = 0

    def set_by(self, ms: int) -> None:
        """Somebody sets the clock; what has passed does not change."""
        self._set_ms += ms

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return BEGINNING_MS + self.now_ms + self._set_ms

    def monotonic_ms(self) -> int:
        """Milliseconds that never fall."""
        return self.now_ms

    def civil(self) -> str:
        """Civil time, 14 digits."""
        return civil_time(self.utc_ms(), _CHINA)
