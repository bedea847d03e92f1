"""What a driver's process is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """All words of the child's command line; no secret stands there."""

    socket: int
    image: int  # the driver's file, its sha256 checked
    serial: int  # −1: none
    kind: str  # native or python
    abbr: str
    access: str  # api, serial, or none for a vendor without cards

    def words(self) -> list[str]:
        """For the command line."""
        return [str(self.socket), str(self.image), str(self.serial), self.kind, self.abbr, self.access]

    @classmethod
    def from_words(cls, words: list[str]) -> Task:
        """From the command line."""
        end, image, serial, kind, abbr, access = words
        return cls(int(end), int(image), int(serial), kind, abbr, access)
