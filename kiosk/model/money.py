"""Money: whole fen (0.01 yuan), never a float."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """An amount in whole fen; may be negative. Prints as ``¥12.30``."""

    fen: int

    def __post_init__(self) -> None:
        if type(self.fen) is not int:
            raise TypeError(f"money is whole fen, not {type(self.fen).__name__}")

    @classmethod
    def yuan(cls, yuan: int) -> Money:
        """Whole yuan."""
        return cls(yuan * 100)

    def __add__(self, other: Money) -> Money:
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        return Money(self.fen - other.fen)

    def __neg__(self) -> Money:
        return Money(-self.fen)

    def __bool__(self) -> bool:
        return self.fen != 0

    def __str__(self) -> str:
        sign = "-" if self.fen < 0 else ""
        yuan, fen = divmod(abs(self.fen), 100)
        return f"{sign}¥{yuan}.{fen:02d}"


NOTHING = Money(0)
