"""What a slip says, top to bottom: Receipt + Texts → blocks. Pure; how blocks look is ``raster``'s.

The order is the order of a customer's questions: what is this, how much, for which card, is the sum right, what do I
do now, whom do I ask, is it genuine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.model.money import Money
from kiosk.model.receipt import Receipt
from kiosk.model.texts import Texts


@dataclass(frozen=True, slots=True)
class Heading:
    """A centred title; ``inverse``: white on a black bar, for slips that must be kept."""

    text: str
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; wraps. ``centred`` is for single thoughts, not for sentences of several lines."""

    text: str
    strong: bool = False
    small: bool = False
    centred: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A label at the left, its value at the right edge."""

    label: str
    value: str
    strong: bool = False
    small: bool = False


@dataclass(frozen=True, slots=True)
class Amount:
    """The one figure the slip is about, large, at the right edge."""

    label: str
    figure: str


@dataclass(frozen=True, slots=True)
class Digits:
    """A number somebody will key in: as large as the paper allows, in groups that are never torn apart."""

    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the slip."""


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code with its quiet zone, centred."""

    text: str


@dataclass(frozen=True, slots=True)
class Space:
    """White."""

    dots: int


Block = Heading | Paragraph | Pair | Amount | Digits | Rule | Code | Space

_KINDS = ("purchase", "owed", "doubt", "unassigned", "voucher")
_LABELS = (
    *("energy", "price", "vendor", "customer", "meter", "count", "remaining"),
    *(
        "notes",
        "paid",
        "brought",
        "written",
        "written-doubt",
        "written-token",
        "kept-purchase",
        "kept-owed",
        "kept-doubt",
        "lost",
    ),
    *("phone", "time", "place", "record", "sale", "code", "voucher"),
)
_SENTENCES = frozenset({"kept", "terminal"})

KEYS: Mapping[str, frozenset[str]] = {
    **{f"title.{kind}": frozenset[str]() for kind in _KINDS},
    **{f"amount.{kind}": frozenset[str]() for kind in _KINDS},
    **{f"label.{label}": frozenset[str]() for label in _LABELS},
    "value.energy": frozenset({"energy"}),
    "value.price": frozenset({"price"}),
    "value.vendor": frozenset({"vendor", "code"}),
    "value.count": frozenset({"count"}),
    "value.note": frozenset({"yuan", "pieces"}),
    "value.record": frozenset({"terminal", "number"}),
    **{f"say.{kind}": _SENTENCES for kind in _KINDS},
    "title.token": frozenset(),
    "amount.token": frozenset(),
    "label.token": frozenset(),
    "say.token": _SENTENCES,
    "say.owed-token": _SENTENCES,
    "say.voucher-token": _SENTENCES,
    "say.keep": frozenset(),
    "say.keep-voucher": frozenset(),
    "say.scan-voucher": frozenset(),
    "say.lost": frozenset(),
    "say.scan": frozenset(),
}
"""Every text a slip asks for, with the values it gives: for ``Texts.check`` at the start."""


def slip(receipt: Receipt, texts: Texts) -> list[Block]:
    """The blocks of a slip, in the language of ``texts``, which must be the receipt's."""
    if texts.language != receipt.language:
        raise ValueError(f"a slip in {receipt.language} cannot use texts in {texts.language}")
    blocks: list[Block] = [*_head(receipt, texts), *_amount(receipt, texts)]
    for section in (_card(receipt, texts), _sum(receipt, texts), _next(receipt, texts), _record(receipt, texts)):
        if section:
            blocks += [Rule(), *section]
    return blocks + _foot(receipt, texts)


def _head(receipt: Receipt, texts: Texts) -> list[Block]:
    title = Heading(
        texts.text("title.token" if receipt.token else f"title.{receipt.kind}"), inverse=receipt.kind != "purchase"
    )
    return [Space(12), Paragraph(receipt.operator, centred=True), Space(4), title]


def _amount(receipt: Receipt, texts: Texts) -> list[Block]:
    fen = receipt.written_fen if receipt.kind == "purchase" else receipt.kept_fen
    label = "amount.token" if receipt.token else f"amount.{receipt.kind}"
    blocks: list[Block] = [Amount(texts.text(label), str(Money(fen)))]
    if receipt.energy_centi_kwh and receipt.kind == "purchase":
        blocks.append(_energy(receipt, texts, strong=True))
    if receipt.token:
        groups = tuple(_grouped(receipt.token).split())
        blocks += [Rule(), Paragraph(texts.text("label.token"), strong=True, centred=True), Digits(groups)]
    if receipt.voucher:
        blocks += [Pair(texts.text("label.voucher"), receipt.voucher, strong=True)]
    return blocks


def _energy(receipt: Receipt, texts: Texts, *, strong: bool = False) -> Pair:
    shown = f"{receipt.energy_centi_kwh // 100}.{receipt.energy_centi_kwh % 100:02d}"
    return Pair(texts.text("label.energy"), texts.text("value.energy", energy=shown), strong)


def _card(receipt: Receipt, texts: Texts) -> list[Block]:
    blocks: list[Block] = []

    def say(label: str, value: str) -> None:
        if value:
            blocks.append(Pair(texts.text(f"label.{label}"), value))

    if receipt.voucher and receipt.energy_centi_kwh:
        blocks.append(_energy(receipt, texts))
    say("customer", _grouped(receipt.customer))
    say("meter", _grouped(receipt.meter))
    if receipt.vendor:
        say("vendor", texts.text("value.vendor", vendor=receipt.vendor, code=receipt.vendor_code))
    if receipt.price:
        say("price", texts.text("value.price", price=_price(receipt.price)))
    if receipt.count:
        say("count", texts.text("value.count", count=receipt.count))
    say("remaining", receipt.remaining)
    return blocks


def _sum(receipt: Receipt, texts: Texts) -> list[Block]:
    """The notes, then paid (+ brought − written = kept): the customer can add it up."""
    blocks: list[Block] = []
    if receipt.voucher:
        return blocks
    card = receipt.kind != "unassigned"

    def say(label: str, value: str, *, strong: bool = False) -> None:
        blocks.append(Pair(texts.text(f"label.{label}"), value, strong))

    if receipt.notes:
        notes = [texts.text("value.note", yuan=_yuan(fen), pieces=pieces) for fen, pieces in receipt.notes]
        say("notes", "  ".join(notes))
    say("paid", str(Money(receipt.paid_fen)), strong=receipt.kind == "purchase")
    if receipt.brought_fen:
        say("brought", str(Money(receipt.brought_fen)))
    if receipt.kind in ("owed", "doubt") or (card and receipt.written_fen != receipt.paid_fen):
        written = "written-token" if receipt.keypad else "written-doubt" if receipt.kind == "doubt" else "written"
        say(written, str(Money(receipt.written_fen)))
    if receipt.kind in ("owed", "doubt") and receipt.energy_centi_kwh:
        blocks.append(_energy(receipt, texts))
    if card and receipt.kept_fen:
        say(f"kept-{receipt.kind}", str(Money(receipt.kept_fen)), strong=True)
    if receipt.lost_fen:
        say("lost", str(Money(receipt.lost_fen)), strong=True)
    return blocks


def _next(receipt: Receipt, texts: Texts) -> list[Block]:
    values = {"kept": Money(receipt.kept_fen), "terminal": receipt.terminal}
    said = "token" if receipt.token else str(receipt.kind)
    if receipt.keypad and receipt.kind in ("owed", "voucher"):
        said = f"{receipt.kind}-token"
    blocks: list[Block] = [Paragraph(texts.text(f"say.{said}", **values))]
    if receipt.lost_fen:
        blocks.append(Paragraph(texts.text("say.lost")))
    if receipt.kind != "purchase" or receipt.kept_fen or receipt.lost_fen:
        blocks.append(Paragraph(texts.text("say.keep-voucher" if receipt.voucher else "say.keep"), strong=True))
    blocks.append(Pair(texts.text("label.phone"), receipt.phone, strong=True))
    return blocks


def _record(receipt: Receipt, texts: Texts) -> list[Block]:
    """What staff need to find the sale again."""
    rows = {
        "time": _time(receipt.printed_at),
        "place": receipt.place,
        "record": texts.text("value.record", terminal=receipt.terminal, number=receipt.number),
        "sale": receipt.sale_id,
        "code": receipt.code,
    }
    return [Pair(texts.text(f"label.{label}"), value, small=True) for label, value in rows.items() if value]


def _foot(receipt: Receipt, texts: Texts) -> list[Block]:
    if not receipt.qr:
        return [Space(16)]
    scan = texts.text("say.scan-voucher" if receipt.voucher else "say.scan")
    return [Code(receipt.qr), Paragraph(scan, small=True, centred=True), Space(16)]


def _grouped(digits: str) -> str:
    """A long number in groups of four, as people read it out."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def _price(per_kwh: int) -> str:
    return f"{per_kwh // 10_000}.{per_kwh % 10_000:04d}"


def _yuan(fen: int) -> str:
    return str(fen // 100) if fen % 100 == 0 else f"{fen // 100}.{fen % 100:02d}"


def _time(civil: str) -> str:
    return f"{civil[:4]}-{civil[4:6]}-{civil[6:8]} {civil[8:10]}:{civil[10:12]}:{civil[12:]}"
