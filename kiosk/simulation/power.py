"""The mains: counts what a kiosk does to its disk and its devices, and goes off at one of those operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

When = Literal["before", "within", "after"]


class PowerCut(BaseException):
    """The power is gone, or the process: no code of the kiosk runs on, and none may catch this as a fault."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where it ends. ``within``: the operation is under way, so a part of it may have been done."""

    at: int  # which operation, from 0
    when: When
    kill: bool = False  # only the process dies: the disk keeps all that was written


class Mains:
    """Every operation calls ``begins``, then does its work, then ``ends``."""

    __slots__ = ("cut", "done", "on", "trace")

    def __init__(self, cut: Cut | None = None) -> None:
        self.cut = cut
        self.on = True
        self.done = 0  # operations begun
        self.trace: list[str] | None = None  # told what was done, if somebody asks by setting a list

    def begins(self, what: str, *about: object) -> bool:
        """An operation begins; True if it will be cut off in the middle. Raises PowerCut."""
        if not self.on:
            raise PowerCut
        at, cut = self.done, self.cut
        self.done = at + 1
        if self.trace is not None:
            self.trace.append(" ".join((what, *(str(word).rpartition("/")[2] for word in about))))
        if cut is None or cut.at != at:
            return False
        if cut.when == "before":
            self.off()
        return cut.when == "within"

    def ends(self) -> None:
        """The operation is over. Raises PowerCut."""
        if self.cut is not None and self.cut.at == self.done - 1:
            self.off()

    def off(self) -> None:
        """The power goes. Raises PowerCut."""
        self.on = False
        raise PowerCut
