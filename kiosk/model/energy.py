"""Energy: whole hundredths of a kilowatt-hour, never a float."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Energy:
    """An amount in whole 0.01 kWh; may be negative. Prints as ``89.28 kWh``."""

    centi_kwh: int

    def __post_init__(self) -> None:
        if type(self.centi_kwh) is not int:
            raise TypeError(f"energy is whole 0.01 kWh, not {type(self.centi_kwh).__name__}")

    def __add__(self, other: Energy) -> Energy:
        return Energy(self.centi_kwh + other.centi_kwh)

    def __sub__(self, other: Energy) -> Energy:
        return Energy(self.centi_kwh - other.centi_kwh)

    def __bool__(self) -> bool:
        return self.centi_kwh != 0

    def __str__(self) -> str:
        sign = "-" if self.centi_kwh < 0 else ""
        whole, hundredths = divmod(abs(self.centi_kwh), 100)
        return f"{sign}{whole}.{hundredths:02d} kWh"
