"""What the screen shows: an immutable picture of a visit. A screen reads it and posts events; it knows nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from kiosk.billing.book import Price
from kiosk.model.card import CardReading, Vendor
from kiosk.sale.keypad import last_token, sells_tokens
from kiosk.sale.moves import room_fen
from kiosk.sale.state import (
    Account,
    Amount,
    Away,
    Checking,
    Done,
    Entering,
    Idle,
    Leftover,
    Outcome,
    Paying,
    Printing,
    Reading,
    Refused,
    Sale,
    Starting,
    State,
    Vouched,
    Vouching,
    Writing,
)
from kiosk.sale.vouchers import may_have


class Screen(Enum):
    """One for each thing a customer can be asked or told."""

    ATTRACT = "attract"
    NUMBER = "number"  # no card: the customer number is keyed in
    READING = "reading"
    ACCOUNT = "account"
    AMOUNT = "amount"
    CASH = "cash"
    PUT_BACK = "put-back"  # the card is out and money is in
    WRITING = "writing"
    DONE = "done"
    REFUSED = "refused"
    TAKE_CARD = "take-card"
    OUT_OF_SERVICE = "out-of-service"


@dataclass(frozen=True, slots=True)
class SaleView:
    """Amounts in fen and 0.01 kWh; ``deadline_ms`` on the terminal's monotonic clock, None without a count-down."""

    screen: Screen
    language: str
    notice: str = ""  # key of a sentence for the moment: over-limit, note-rejected, note-returned, other-card …
    code: str = ""  # of kiosk.model.codes: why refused, blocked, out of service, owed, or without a slip
    down: Mapping[str, str] = field(default_factory=dict)
    takes_coins: bool = True  # if the kiosk has a place for them
    vendor: Vendor | None = None
    reading: CardReading | None = None
    price: Price | None = None
    most_fen: int = 0
    amounts_fen: tuple[int, ...] = ()
    limit_fen: int = 0
    room_fen: int = 0
    notes: tuple[int, ...] = ()
    paid_fen: int = 0
    brought_fen: int = 0
    lost_fen: int = 0
    buys_centi_kwh: int = 0  # what is paid in buys
    moving: bool = False  # a note is between escrow and cash box
    may_finish: bool = False
    may_cancel: bool = False
    progress: float = 0.0  # of the write, 0 to 1; only ever shown
    why: str = ""  # done, found, owed, doubt
    written_fen: int = 0
    written_centi_kwh: int = 0
    owed_fen: int = 0
    count: int = 0
    keypad: bool = False  # there is no card: the meter takes digits by its keypad
    may_enter_number: bool = False  # some vendor's customers have no card
    token: str = ""  # the digits: just made, or made last for this meter
    slip: bool = False  # the slip came out
    slip_code: str = ""  # why it did not
    may_voucher: bool = False  # what is owed can be had on paper
    voucher: str = ""  # the number of the voucher just issued
    message: str = ""  # head office's, for the first screen
    deadline_ms: int | None = None
    span_ms: int = 0  # of the whole count-down


def view(state: State) -> SaleView:
    """What the screen shows in this state."""
    return _VIEWS[type(state.phase)](state)


def _base(state: State, screen: Screen, **more: object) -> SaleView:
    card = state.card
    more.setdefault("keypad", bool(card and card.keypad))
    return SaleView(
        screen,
        state.language,
        notice=state.notice,
        down=state.down,
        takes_coins=state.no_coins is None,
        vendor=card.vendor if card else None,
        reading=card.reading if card else None,
        price=card.price if card else None,
        **more,  # type: ignore[arg-type]
    )


def _out_of_service(state: State) -> SaleView:
    code = next((code for code in state.down.values() if code), "")
    return _base(state, Screen.OUT_OF_SERVICE, code=code)


def _idle(state: State) -> SaleView:
    if state.down:
        return _out_of_service(state)
    message = state.sent.message.get(state.language, "")
    return _base(state, Screen.ATTRACT, may_enter_number=sells_tokens(state), message=message)


def _entering(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Entering)
    return _base(state, Screen.NUMBER, may_finish=not phase.asked, may_cancel=not phase.asked)


def _reading(state: State) -> SaleView:
    return _base(state, Screen.READING)


def _refused(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Refused)
    return _base(state, Screen.REFUSED, code=phase.code, may_cancel=True)


def _account(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Account)
    owed = state.books.owed.get(state.card.key) if state.card else None
    return _base(
        state,
        Screen.ACCOUNT,
        code=phase.blocked,
        most_fen=phase.most_fen,
        owed_fen=owed.fen if owed else 0,
        token=last_token(state, state.card.key) if state.card else "",
        may_finish=not phase.blocked,
        may_cancel=True,
    )


def _amount(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Amount)
    amounts = tuple(fen for fen in state.rules.amounts_fen if fen <= phase.most_fen)
    return _base(
        state,
        Screen.AMOUNT,
        most_fen=phase.most_fen,
        amounts_fen=amounts,
        limit_fen=phase.chosen_fen,
        may_cancel=not phase.chosen_fen,
    )


def _sale_facts(state: State, sale: Sale) -> dict[str, object]:
    return {
        "notes": sale.notes,
        "paid_fen": sale.paid_fen,
        "brought_fen": sale.brought_fen + sale.voucher_fen,
        "lost_fen": sale.lost_fen,
        "limit_fen": sale.limit_fen,
        "room_fen": room_fen(state, sale),
        "buys_centi_kwh": sale.due_centi_kwh,
        "moving": state.books.note is not None,
    }


def _paying(state: State) -> SaleView:
    phase, sale = state.phase, state.books.open
    assert isinstance(phase, Paying)
    assert sale is not None
    still = state.books.note is None and not phase.finishing
    least = state.card.vendor.amount_min_fen if state.card else 0
    return _base(
        state,
        Screen.CASH,
        code=state.down.get("acceptor") or next((code for code in state.down.values() if code), ""),
        may_finish=still and sale.due_fen >= max(1, least),
        may_cancel=still and sale.due_fen <= 0,
        **_sale_facts(state, sale),
    )


def _away(state: State) -> SaleView:
    """The card is out and money is in; perhaps there is no reader to put it into."""
    sale = state.books.open
    why = "doubt" if sale and sale.order else ""
    facts = _sale_facts(state, sale) if sale else {}
    return _base(state, Screen.PUT_BACK, code=state.down.get("reader", ""), why=why, **facts)


def _of_sale(screen: Screen) -> Callable[[State], SaleView]:
    def shown(state: State) -> SaleView:
        sale = state.books.open
        return _base(state, screen, **(_sale_facts(state, sale) if sale else {}))

    return shown


def _starting(state: State) -> SaleView:
    sale = state.books.open
    facts = _sale_facts(state, sale) if sale else {}
    code = next((code for code in state.down.values() if code), "")
    return _base(state, Screen.OUT_OF_SERVICE, code=code, **facts)


def _outcome_facts(outcome: Outcome) -> dict[str, object]:
    sale = outcome.sale
    return {
        "why": outcome.why,
        "code": outcome.code,
        "notes": sale.notes,
        "paid_fen": sale.paid_fen,
        "brought_fen": sale.brought_fen + sale.voucher_fen,
        "lost_fen": sale.lost_fen,
        "written_fen": sale.written_fen,
        "written_centi_kwh": sale.written_centi_kwh,
        "owed_fen": outcome.owed_fen,
        "count": sale.written_count,
        "keypad": bool(sale.when),
        "token": sale.token,
    }


def _printing(state: State) -> SaleView:
    assert isinstance(state.phase, Printing)
    return _base(state, Screen.DONE, **_outcome_facts(state.phase.outcome))


def _done(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Done)
    facts = _outcome_facts(phase.outcome) | {"may_voucher": may_have(state, phase.outcome) is not None}
    return _base(state, Screen.DONE, slip=not phase.slip, slip_code=phase.slip, may_cancel=True, **facts)


def _vouching(state: State) -> SaleView:
    assert isinstance(state.phase, Vouching)
    issued = state.phase.issued
    return _base(state, Screen.DONE, why="voucher", voucher=issued.no, owed_fen=issued.fen)


def _vouched(state: State) -> SaleView:
    phase = state.phase
    assert isinstance(phase, Vouched)
    facts = {"voucher": phase.issued.no, "owed_fen": phase.issued.fen, "slip_code": phase.slip}
    return _base(state, Screen.DONE, why="voucher", slip=not phase.slip, may_cancel=True, **facts)


_VIEWS: dict[type, Callable[[State], SaleView]] = {
    Starting: _starting,
    Idle: _idle,
    Reading: _reading,
    Entering: _entering,
    Refused: _refused,
    Account: _account,
    Amount: _amount,
    Paying: _paying,
    Away: _away,
    Writing: _of_sale(Screen.WRITING),
    Checking: _of_sale(Screen.WRITING),
    Printing: _printing,
    Done: _done,
    Vouching: _vouching,
    Vouched: _vouched,
    Leftover: lambda state: _base(state, Screen.TAKE_CARD),
}
