"""Cards: what kind of chip, what is on it, and what it means.

Contract 1 (docs/driver-contract.md) is the source of the codes and items.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class CardType(IntEnum):
    """Chip families, contract 1 §7 (decimal; those 明华's chk_card uses, extended)."""

    AT24C01 = 1
    AT24C02 = 2
    AT24C04 = 3
    AT24C08 = 4
    AT24C16 = 5
    SLE4442 = 21
    SLE4428 = 31
    AT88SC102 = 51
    AT88SC1604 = 52
    AT88SC153 = 53
    AT88SC1608 = 54
    CPU = 60
    MIFARE1K = 70


class CardKind(IntEnum):
    """What a card is for, item 0201."""

    BLANK = 0
    OPEN = 1
    PURCHASE = 2
    REISSUE = 3
    SET = 5
    CHECK = 6


class PurchaseState(IntEnum):
    """Whether the meter has taken the last purchase, item 0209."""

    NONE = 0
    PENDING = 1
    TAKEN = 2
    UNKNOWN = 3


class Unit(IntEnum):
    """What a card counts, item 0105."""

    MONEY = 1  # fen
    ENERGY = 2  # 0.01 kWh


@dataclass(frozen=True, slots=True)
class CardReading:
    """What a card says, as its vendor's driver understood it (READ, contract 1 §2).

    ``None`` means the card does not say. Amounts of the unit are fen or 0.01 kWh.
    """

    kind: CardKind
    region: str
    customer: str
    meter: str
    count: int  # last purchase count, 0206
    state: PurchaseState
    amount_fen: int | None = None  # of the last purchase, 0207
    energy_centi_kwh: int | None = None  # 0208
    sale: bytes | None = None  # id of the sale that wrote it, 0504
    written_at: str | None = None  # 14 digits, 0501
    remaining: int | None = None  # in the meter when it wrote back, in the unit, 0301
    meter_count: int | None = None  # 0302
    total_bought: int | None = None  # in the unit, 0303
    written_back_at: str | None = None  # 14 digits, 0306
    hoard_limit: int | None = None  # in the unit, 0 = none, 0401
    pending_fen: int | None = None  # all purchases the meter has not taken, where a card may hold several, 020A
    pending_centi_kwh: int | None = None  # 020B

    @property
    def pending(self) -> bool:
        """Whether a purchase lies on the card that the meter has not taken."""
        return self.state is PurchaseState.PENDING


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor as the rest of the kiosk sees it: no file, no secret."""

    code: str  # four hex digits
    abbr: str
    name_zh: str
    name_en: str
    unit: Unit
    may_stack: bool  # may add a purchase to one the meter has not taken (0106 bit 0)
    regions: tuple[str, ...]
    amount_min_fen: int
    amount_max_fen: int
    keypad: bool = False  # its meters take tokens by a keypad; there is no card (contract 1 §8)


@dataclass(frozen=True, slots=True)
class KeypadCustomer:
    """A customer whose meter has a keypad: found by number, as head office's list has it."""

    vendor: str  # vendor code
    customer: str
    meter: str
    region: str
    count: int  # purchase count when the list was made; a count this terminal has made since is higher


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """One purchase to be written: contract 1's PURCHASE, in our words."""

    sale: bytes  # 16 bytes
    customer: str
    meter: str
    region: str
    count: int  # the count the card has afterwards
    amount_fen: int
    energy_centi_kwh: int
