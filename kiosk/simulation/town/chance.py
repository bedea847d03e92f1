"""One seed for everything that happens by chance, and a count of what did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

RATES: Mapping[str, float] = {
    # the kiosk's power, at any effect, any operation of the disk, any byte on the line, any command to a card
    "power cut at an effect": 0.008,
    "power cut at the disk": 0.4,  # once in a life
    "power cut on the line": 0.0003,
    "power cut at the card": 0.004,
    "process killed at an effect": 0.004,
    # the disk
    "disk full": 0.01,
    "fsync failed": 0.01,
    # the card
    "card torn in a write": 0.02,
    "card pulled while read": 0.01,
    "card pulled while paying": 0.05,
    "other card put back": 0.2,
    "card copied": 0.01,
    "copy used": 0.1,
    "meter in between": 0.1,
    "card torn out of the meter": 0.02,
    # the driver
    "driver crashed": 0.01,
    "driver too late": 0.01,
    # cash
    "note forged": 0.03,
    "note pulled": 0.02,
    "note jammed": 0.02,
    "acceptor's power cut": 0.02,
    "string in the acceptor": 0.004,
    "cash box taken out": 0.006,
    "noise on the line": 0.006,
    "bytes lost on the line": 0.006,
    "bytes doubled on the line": 0.004,
    # people and paper
    "walked away": 0.05,
    "paper out": 0.01,
    "clock set": 0.01,
    # vouchers on their way back to a kiosk
    "list of vouchers lost": 0.2,
    "old list of vouchers brought": 0.1,
    # the way to head office
    "request lost": 0.1,
    "answer lost": 0.1,
    "request doubled": 0.05,
    "request kept and delivered late": 0.05,
    "head office down": 0.02,
    "head office restored from a backup": 0.005,
    "no line at all": 0.15,  # of kiosks: what they have to tell travels in a pocket
    # the stick in that pocket
    "stick pulled": 0.2,
    "stick full": 0.05,
    "stick lost": 0.05,
    "old stick brought": 0.1,
}
"""How likely each is, whenever it could happen."""


class Chance:
    """``calm()`` ends all faults: what was begun may be finished."""

    def __init__(self, seed: int | str, rates: Mapping[str, float] = RATES) -> None:
        self.random = Random(seed)
        self.counts: Counter[str] = Counter()
        self._rates = rates
        self._calm = False
        self.story: list[str] | None = None
        self.now_ms = 0

    def happens(self, fault: str) -> bool:
        """Whether it happens now; then it is counted."""
        if not self.lies_ahead(fault):
            return False
        self.happened(fault)
        return True

    def lies_ahead(self, fault: str) -> bool:
        """Whether it will happen; who asks says when it has ``happened``."""
        return self.random.random() < self._rates[fault] and not self._calm

    def happened(self, fault: str) -> None:
        """Counted."""
        self.counts[fault] += 1
        self.tell(fault)

    def tell(self, words: str) -> None:
        """One line of the story, if somebody listens."""
        if self.story is not None:
            self.story.append(f"{self.now_ms / 1000:10.3f} s  {words}")

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._calm = True
