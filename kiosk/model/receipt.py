"""The facts of one slip: what it says, not how it looks. Layout is the printer's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReceiptKind = Literal["purchase", "owed", "doubt", "unassigned", "voucher"]
"""Credit is on the card · paid and not on the card · nobody knows yet · notes without a sale · a debt on paper."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One slip. Money in fen, energy in 0.01 kWh; a text that is not known is empty.

    ``paid_fen`` + ``brought_fen`` − ``written_fen`` = ``kept_fen``; the slip shows this sum, and refuses another.
    With kind ``unassigned`` there is no card: vendor, customer and meter are empty and ``kept_fen`` is what was paid.
    """

    kind: ReceiptKind
    language: str  # 'zh-CN' or 'en'
    number: int  # seq of the ledger entry the slip is about
    operator_zh: str
    operator_en: str
    terminal: str  # 终端号
    place_zh: str
    place_en: str
    phone: str  # for help
    printed_at: str  # civil, 14 digits YYYYMMDDhhmmss
    sale_id: str  # hex, shortened for people
    paid_fen: int  # notes in the cash box
    notes: tuple[tuple[int, int], ...] = ()  # (fen, pieces)
    lost_fen: int = 0  # notes whose end nobody knows
    vendor_zh: str = ""
    vendor_en: str = ""
    vendor_code: str = ""  # four hex digits
    customer: str = ""
    meter: str = ""
    written_fen: int = 0
    energy_centi_kwh: int = 0  # of what was written; of a voucher, what was paid for
    price: int = 0  # 0.0001 yuan per kWh
    count: int = 0  # purchase count on the card
    brought_fen: int = 0  # owed to this card before the sale
    kept_fen: int = 0  # still owed after it
    keypad: bool = False  # the meter takes digits by its keypad; there is no card
    token: str = ""  # those digits, once they are made
    remaining: str = ""  # in the meter, with its unit, when the card says so
    code: str = ""  # why the credit is not on the card (docs/errors.md)
    voucher: str = ""  # its number
    qr: str = ""  # contract 2 §4

    def __post_init__(self) -> None:
        if len(self.printed_at) != 14 or not self.printed_at.isdigit():
            raise ValueError(f"printed_at is 14 digits, not {self.printed_at!r}")
        if sum(fen * pieces for fen, pieces in self.notes) != self.paid_fen:
            raise ValueError("the notes do not add up to what was paid")
        if self.paid_fen + self.brought_fen - self.written_fen != self.kept_fen:
            raise ValueError("paid and brought, less written, is not what is kept")

    @property
    def operator(self) -> str:
        """The operator's name in the slip's language."""
        return self.operator_zh if self.language == "zh-CN" else self.operator_en

    @property
    def place(self) -> str:
        """Where the terminal stands, in the slip's language."""
        return self.place_zh if self.language == "zh-CN" else self.place_en

    @property
    def vendor(self) -> str:
        """The vendor's name in the slip's language."""
        return self.vendor_zh if self.language == "zh-CN" else self.vendor_en
