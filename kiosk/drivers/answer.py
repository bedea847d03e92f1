"""A driver's answer, taken apart strictly: what is not exactly as contract 1 says is nonsense (D-303).

An error answer is a value, ``DriverRefusal``, because it is an expected outcome; ``to_error`` turns it into the house's
own error where a caller cannot go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.drivers.contract import DI, CardAfter, Command, DriverError
from kiosk.drivers.frame import ERROR, SUCCESS, Frame, FrameFault, ItemFault
from kiosk.drivers.items import Values, decode_items
from kiosk.drivers.request import WRITING
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit
from kiosk.model.errors import CardFault, CardRefused, DriverFault, KioskError

ALWAYS = (DI.KIND, DI.REGION, DI.CUSTOMER, DI.METER, DI.COUNT, DI.STATE)
"""The six items READ always gives (§4.1)."""
MAY_COME_LATE = frozenset((DriverError.NO_CARD, DriverError.READ_FAILED, DriverError.INTERNAL))
"""Errors that may come after the first byte was written; without FF03 the card is then unknown."""
NEVER_UNCHANGED = frozenset((DriverError.WRITE_INCOMPLETE, DriverError.READ_BACK))
"""Errors that always leave the card unknown (§4.8), whatever FF03 says."""

HOUSE_CODES: dict[DriverError, str] = {
    DriverError.ITEMS: "D-306",
    DriverError.NOT_SUPPORTED: "C-115",
    DriverError.NO_CARD: "C-202",
    DriverError.WRONG_TYPE: "C-108",
    DriverError.NOT_MINE: "C-101",
    DriverError.SECRET: "C-109",
    DriverError.LOCKED: "C-106",
    DriverError.OTHER_REGION: "C-103",
    DriverError.OTHER_CUSTOMER: "C-111",
    DriverError.NOT_OPENED: "C-104",
    DriverError.NOT_BLANK: "C-104",
    DriverError.NOT_TAKEN: "C-105",
    DriverError.COUNT: "C-112",
    DriverError.OVER_LIMIT: "C-110",
    DriverError.READ_FAILED: "C-201",
    DriverError.WRITE_FAILED: "C-203",
    DriverError.WRITE_INCOMPLETE: "C-204",
    DriverError.READ_BACK: "C-204",
    DriverError.DAMAGED: "C-107",
    DriverError.NO_KEY_CARD: "C-114",
    DriverError.INTERNAL: "D-306",
    DriverError.MISSING: "D-306",
    DriverError.TAKEN: "C-112",
}
"""The drivers' error codes in the house's own (kiosk/model/codes.py)."""


@dataclass(frozen=True, slots=True)
class DriverRefusal:
    """An error answer: FF01, FF02, FF03."""

    code: DriverError
    text: str  # English, for the log
    card_after: CardAfter
    broken: str = ""  # the driver did not say this: the call broke off, D-301, D-302 or D-303

    @property
    def card_unchanged(self) -> bool:
        """Whether the card is surely as it was before the call."""
        return self.card_after is CardAfter.UNCHANGED


@dataclass(frozen=True, slots=True)
class Description:
    """DESCRIBE: who the driver is."""

    vendor_code: str  # four hex digits, capitals
    version: str
    commands: frozenset[int]
    card_types: frozenset[int]
    unit: Unit
    may_stack: bool  # 0106 bit 0


def nonsense(why: str) -> DriverFault:
    """D-303."""
    return DriverFault("D-303", f"the driver's answer makes no sense: {why}")


def one_line(text: str) -> str:
    """A driver's words as a log can hold them: no line breaks, no control characters."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def open_answer(command: Command, raw: bytes) -> Values | DriverRefusal:
    """The items of a success answer, or the refusal. Raises DriverFault D-303."""
    if not raw:
        raise nonsense("there is none")
    try:
        frame = Frame.decode(raw)
        values = decode_items(frame.items())
    except (FrameFault, ItemFault) as fault:
        raise nonsense(str(fault)) from fault
    if frame.command == command | SUCCESS:
        return values
    if frame.command != command | ERROR:
        raise nonsense(f"asked {command:02X}, answered {frame.command:02X}")
    return _refusal(command, values)


def _refusal(command: Command, values: Values) -> DriverRefusal:
    code = values.get(DI.ERROR_CODE)
    if code not in set(DriverError):
        raise nonsense("an error answer without a known error code")
    error = DriverError(int(code))
    told = values.get(DI.CARD_AFTER)
    if told is not None and told not in set(CardAfter):
        raise nonsense(f"FF03 = {told!r}")
    late = command in WRITING and error in MAY_COME_LATE and told is None
    unknown = told == CardAfter.UNKNOWN or error in NEVER_UNCHANGED or late
    after = CardAfter.UNKNOWN if unknown else CardAfter.UNCHANGED
    return DriverRefusal(error, one_line(str(values.get(DI.ERROR_TEXT, ""))), after)


def reading(values: Values) -> CardReading:
    """What the card says. Raises DriverFault D-303 when one of the six items is missing or out of its range."""
    missing = [f"{di:04X}" for di in ALWAYS if di not in values]
    if missing:
        raise nonsense(f"without {', '.join(missing)}")
    if values[DI.KIND] not in set(CardKind) or values[DI.STATE] not in set(PurchaseState):
        raise nonsense(f"0201 = {values[DI.KIND]!r}, 0209 = {values[DI.STATE]!r}")
    return CardReading(
        kind=CardKind(int(values[DI.KIND])),
        region=_text(values, DI.REGION) or "",
        customer=_text(values, DI.CUSTOMER) or "",
        meter=_text(values, DI.METER) or "",
        count=_number(values, DI.COUNT) or 0,
        state=PurchaseState(int(values[DI.STATE])),
        amount_fen=_number(values, DI.AMOUNT),
        energy_centi_kwh=_number(values, DI.ENERGY),
        sale=_bytes(values, DI.SALE),
        written_at=_text(values, DI.WHEN),
        remaining=_number(values, DI.REMAINING),
        meter_count=_number(values, DI.METER_COUNT),
        total_bought=_number(values, DI.TOTAL_BOUGHT),
        written_back_at=_text(values, DI.WRITTEN_BACK_AT),
        hoard_limit=_number(values, DI.HOARD_LIMIT),
        pending_fen=_number(values, DI.PENDING_AMOUNT),
        pending_centi_kwh=_number(values, DI.PENDING_ENERGY),
    )


def description(values: Values) -> Description:
    """Who the driver is. Raises DriverFault D-303 without 0101, 0103 or 0105, or with a unit nobody knows."""
    missing = [f"{di:04X}" for di in (DI.VENDOR_CODE, DI.COMMANDS, DI.UNIT) if di not in values]
    if missing:
        raise nonsense(f"DESCRIBE without {', '.join(missing)}")
    if values[DI.UNIT] not in set(Unit):
        raise nonsense(f"0105 = {values[DI.UNIT]!r}")
    code = (_bytes(values, DI.VENDOR_CODE) or b"").decode("ascii", "replace").upper()
    if any(digit not in "0123456789ABCDEF" for digit in code):
        raise nonsense("0101 is not four hex digits")
    return Description(
        vendor_code=code,
        version=_text(values, DI.DRIVER_VERSION) or "",
        commands=frozenset(_bytes(values, DI.COMMANDS) or b""),
        card_types=frozenset(_bytes(values, DI.CARD_TYPES) or b""),
        unit=Unit(int(values[DI.UNIT])),
        may_stack=bool((_number(values, DI.ABILITIES) or 0) & 1),
    )


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Digits to be typed at a meter with a keypad (§8), and the energy they give where the driver says so."""

    digits: str
    energy_centi_kwh: int | None


def token(values: Values) -> TokenAnswer:
    """PURCHASE's answer of a vendor without cards. Raises DriverFault D-303 when there are no digits."""
    digits = _text(values, DI.TOKEN)
    if not digits:
        raise nonsense("no token (0507)")
    return TokenAnswer(digits, _number(values, DI.ENERGY))


def to_error(refusal: DriverRefusal) -> KioskError:
    """The house's error for a driver's error."""
    if refusal.broken:
        return DriverFault(refusal.broken, refusal.text)
    code = HOUSE_CODES[refusal.code]
    message = f"the driver answered {refusal.code:02X} ({refusal.code.name}): {refusal.text or 'no words'}"
    kind = {"C-1": CardRefused, "C-2": CardFault}.get(code[:3], DriverFault)
    return kind(code, message)


def _number(values: Values, di: DI) -> int | None:
    value = values.get(di)
    return value if isinstance(value, int) else None


def _text(values: Values, di: DI) -> str | None:
    value = values.get(di)
    return value if isinstance(value, str) else None


def _bytes(values: Values, di: DI) -> bytes | None:
    value = values.get(di)
    return value if isinstance(value, bytes) else None
