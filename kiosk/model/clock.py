"""Time as a parameter: the machine takes what a Clock says; tests move it by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    """The three times the house uses."""

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970: a claim, may jump."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never fall, for waits."""

    def civil(self) -> str:
        """The terminal's civil time as 14 digits ``YYYYMMDDhhmmss``, as meters keep it."""


class SystemClock:
    """The machine's own clock; civil time is China Standard Time unless told otherwise."""

    def __init__(self, utc_offset_minutes: int = 480) -> None:
        self._zone = timezone(timedelta(minutes=utc_offset_minutes))

    def utc_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds that never fall."""
        return time.monotonic_ns() // 1_000_000

    def civil(self) -> str:
        """Civil time, 14 digits."""
        return civil_time(self.utc_ms(), self._zone)


def civil_time(utc_ms: int, zone: timezone = UTC) -> str:
    """UTC milliseconds as 14 civil digits in ``zone``."""
    return datetime.fromtimestamp(utc_ms // 1000, UTC).astimezone(zone).strftime("%Y%m%d%H%M%S")
