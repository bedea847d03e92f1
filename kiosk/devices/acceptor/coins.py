"""A coin acceptor as a machine: what it does as time passes and hands touch it. It speaks no protocol.

Time is a parameter: every method that takes ``now_ms`` first lets pass what has become due. Several coins may roll at
once. A coin is looked at, and then the gate opens for it or does not: from there on nobody stops it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Seen = tuple[Literal["credit", "unknown", "inhibited", "string", "backwards", "jam"], int]
"""What the controller notices: a word, and the coin's kind by its place, -1 if there is none."""


@dataclass(frozen=True, slots=True)
class CoinTimings:
    """How long a coin rolls, in ms."""

    look_ms: int = 120  # from the slot to the gate
    fall_ms: int = 180  # from the gate past the credit sensor


@dataclass(slots=True)
class _Coin:
    fen: int
    genuine: bool
    due_ms: int
    past_gate: bool = False


class CoinMachine:
    """One machine, bought without power. Not thread-safe: its owner locks."""

    def __init__(self, kinds_fen: tuple[int, ...] = (10, 50, 100), timings: CoinTimings = CoinTimings()) -> None:
        self.kinds_fen, self.timings = kinds_fen, timings
        self.powered = False
        self.powered_times = 0
        self.box: Counter[int] = Counter()
        self.handed_back: Counter[int] = Counter()
        self.unseen: Counter[int] = Counter()  # in the box; fell there while the power went
        self._open_for: frozenset[int] = frozenset()
        self._rolling: list[_Coin] = []
        self._stuck: _Coin | None = None
        self._seen: list[Seen] = []

    @property
    def jammed(self) -> bool:
        """Whether a coin sticks."""
        return self._stuck is not None

    @property
    def at_rest(self) -> bool:
        """Whether no coin is in it."""
        return not self._rolling and self._stuck is None

    @property
    def open_for_fen(self) -> frozenset[int]:
        """What it takes now."""
        if not self.powered or self.jammed:
            return frozenset()
        return frozenset(self.kinds_fen[kind] for kind in self._open_for)

    @property
    def due_ms(self) -> int | None:
        """When something happens by itself; None if no coin rolls."""
        return min((coin.due_ms for coin in self._rolling), default=None)

    def pass_time(self, now_ms: int) -> None:
        """Lets happen what is due."""
        while self._rolling and min(coin.due_ms for coin in self._rolling) <= now_ms:
            coin = min(self._rolling, key=lambda it: it.due_ms)
            if coin.past_gate:
                self._rolling.remove(coin)
                self.box[coin.fen] += 1
                self._seen.append(("credit", self.kinds_fen.index(coin.fen)))
            else:
                self._looked_at(coin)

    def _looked_at(self, coin: _Coin) -> None:
        kind = self.kinds_fen.index(coin.fen) if coin.genuine and coin.fen in self.kinds_fen else -1
        if kind >= 0 and kind in self._open_for and not self.jammed:
            coin.past_gate, coin.due_ms = True, coin.due_ms + self.timings.fall_ms
            return
        self._seen.append(("unknown" if kind < 0 else "inhibited", kind))
        self._give_back(coin)

    def _give_back(self, coin: _Coin) -> None:
        self._rolling.remove(coin)
        self.handed_back[coin.fen] += 1

    # ---- what the controller does

    def open(self, kinds: frozenset[int], now_ms: int) -> None:
        """Takes these kinds, by their place, from the next look on."""
        self.pass_time(now_ms)
        self._open_for = kinds

    def seen(self) -> list[Seen]:
        """What was noticed since the last call, in order."""
        seen, self._seen = self._seen, []
        return seen

    # ---- what hands do

    def feed(self, fen: int, now_ms: int, genuine: bool = True) -> None:
        """A coin is thrown in; without power, or past a jam, it rolls straight through to the tray."""
        self.pass_time(now_ms)
        if not self.powered or self.jammed:
            self.handed_back[fen] += 1
        else:
            self._rolling.append(_Coin(fen, genuine, now_ms + self.timings.look_ms))

    def string(self, now_ms: int) -> None:
        """Somebody lets a coin in on a string, and it is noticed."""
        self._attempt(("string", -1), now_ms)

    def pull_backwards(self, now_ms: int) -> None:
        """Somebody pulls a coin back past the sensor."""
        self._attempt(("backwards", -1), now_ms)

    def _attempt(self, noticed: Seen, now_ms: int) -> None:
        self.pass_time(now_ms)
        if self.powered:
            self._seen.append(noticed)

    def jam(self, now_ms: int) -> bool:
        """A coin that is still before the gate sticks; those behind it come back. False if none is there."""
        self.pass_time(now_ms)
        before = [coin for coin in self._rolling if not coin.past_gate]
        if not before or not self.powered:
            return False
        self._stuck = before[0]
        self._rolling.remove(self._stuck)
        for coin in before[1:]:
            self._give_back(coin)
        self._seen.append(("jam", -1))
        return True

    def clear_jam(self, now_ms: int) -> None:
        """Somebody frees it: the coin comes back."""
        self.pass_time(now_ms)
        if self._stuck:
            self.handed_back[self._stuck.fen] += 1
            self._stuck = None

    def power_off(self, now_ms: int) -> None:
        """The power goes: a coin past the gate falls into the box unseen, one before it comes back."""
        self.pass_time(now_ms)
        for coin in list(self._rolling):
            if coin.past_gate:
                self._rolling.remove(coin)
                self.box[coin.fen] += 1
                self.unseen[coin.fen] += 1
            else:
                self._give_back(coin)
        self.powered, self._open_for, self._seen = False, frozenset(), []

    def power_on(self, now_ms: int) -> None:
        """The power comes."""
        self.pass_time(now_ms)
        if not self.powered:
            self.powered, self.powered_times = True, self.powered_times + 1
