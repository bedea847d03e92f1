"""How figures and codes read, in both languages. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kiosk.model.card import CardReading, PurchaseState, Unit, Vendor
from kiosk.model.energy import Energy
from kiosk.model.money import Money
from kiosk.model.texts import Texts

VOUCHER_ROW = 16  # letters


def money(fen: int) -> str:
    """``¥50.00``; whole yuan without the fen."""
    return str(Money(fen)) if fen % 100 else str(Money(fen))[:-3]


def energy(centi_kwh: int, language: str) -> str:
    """``89.28 度`` or ``89.28 kWh``."""
    text = str(Energy(centi_kwh))
    return text.replace("kWh", "度") if language == "zh-CN" else text


def in_unit(vendor: Vendor, value: int, language: str) -> str:
    """An amount in what the vendor's card counts."""
    return str(Money(value)) if vendor.unit is Unit.MONEY else energy(value, language)


def notes(fen: Sequence[int]) -> str:
    """Notes or coins as yuan: ``5 · 10 · 20``, ``0.5 · 1``."""
    return " · ".join(yuan(each) for each in sorted(fen))


def yuan(fen: int) -> str:
    """One note's or coin's value as it is written on it: ``5``, ``0.5``."""
    whole, rest = divmod(fen, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


def day(civil: str) -> str:
    """``2026-02-15 10:30`` of 14 civil digits."""
    return f"{civil[:4]}-{civil[4:6]}-{civil[6:8]} {civil[8:10]}:{civil[10:12]}"


def price(per_kwh: int) -> str:
    """0.0001 yuan per kWh as yuan, without trailing zeros beyond the fen."""
    text = f"{per_kwh // 10000}.{per_kwh % 10000:04d}"
    return text[:-2] if text.endswith("00") else text


def grouped(digits: str) -> str:
    """A long number in groups of four, as people read it out."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def in_rows(digits: str) -> str:
    """A number to be keyed in: three groups of four a row."""
    groups = grouped(digits).split()
    return "\n".join("  ".join(groups[at : at + 3]) for at in range(0, len(groups), 3))


def voucher(no: str) -> str:
    """A voucher's number, to be written down; the name of its terminal may be long, and is then a row of its own."""
    return no if len(no) <= VOUCHER_ROW else "-\n".join(no.rsplit("-", 1))


def last_purchase(vendor: Vendor, reading: CardReading, texts: Texts, language: str) -> str:
    """What the card says of its last purchase, in the card's unit."""
    value = reading.amount_fen if vendor.unit is Unit.MONEY else reading.energy_centi_kwh
    if value is None:
        return texts.text("account.count", count=reading.count) if reading.count else texts.text("account.last-none")
    shown = in_unit(vendor, value, language)
    if reading.state is PurchaseState.PENDING:
        return texts.text("account.last-pending", value=shown)
    return texts.text("account.last-taken", value=shown) if reading.state is PurchaseState.TAKEN else shown


def explained(part: str, code: str, texts: Texts, phone: str) -> str:
    """The sentence for a code: its own, or its family's; ``part`` is ``what`` (happened) or ``do`` (now)."""
    for key in (f"{part}.{code}", f"{part}.{code[:1]}"):
        if key in texts:
            return texts.text(key, phone=phone)
    return ""
