"""A sample view of every screen a customer can meet: for the gallery, the tests and the translators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from kiosk.billing.book import Price
from kiosk.model.card import CardKind, CardReading, PurchaseState, Unit, Vendor
from kiosk.sale.view import SaleView, Screen

LANGUAGES = ("zh-CN", "en")
VENDOR = Vendor("0001", "RDK", "阿迪克", "RDK", Unit.ENERGY, False, ("420100",), 100, 500_000)
READING = CardReading(
    CardKind.PURCHASE,
    "420100",
    "10023400567",
    "202600012345",
    7,
    PurchaseState.TAKEN,
    amount_fen=5000,
    energy_centi_kwh=8928,
    remaining=12_356,
    meter_count=7,
    written_back_at="20261102101500",
)
KEYPAD_VENDOR = replace(VENDOR, code="0009", abbr="OPG", name_zh="键盘表", name_en="OPG", keypad=True)
TOKEN = "23716100501183194197"
MESSAGE = {
    "zh-CN": "十二月一日起执行新电价，详情见营业厅公告或拨打客户服务热线，不便之处敬请谅解",
    "en": "New prices from 1 December: see the notice at the office or call us, any time",
}
NEW = replace(READING, count=0, state=PurchaseState.NONE, amount_fen=None, energy_centi_kwh=None, remaining=None)


def samples(language: str, now_ms: int) -> Iterator[tuple[str, SaleView]]:
    """(name, view) of every screen; ``now_ms`` is the monotonic time the count-downs count from."""
    base = SaleView(Screen.ATTRACT, language, vendor=VENDOR, reading=READING, price=Price(5600, 7))

    def soon(view: SaleView) -> SaleView:
        return replace(view, deadline_ms=now_ms + 12_000, span_ms=60_000)

    account = replace(base, screen=Screen.ACCOUNT, most_fen=500_000, may_cancel=True, may_finish=True)
    amount = replace(base, screen=Screen.AMOUNT, most_fen=500_000, amounts_fen=(2000, 5000, 10_000, 20_000))
    cash = replace(base, screen=Screen.CASH, limit_fen=10_000, room_fen=10_000, may_cancel=True)
    half = replace(cash, room_fen=5000, paid_fen=5000, notes=(5000,), buys_centi_kwh=8928, may_finish=True)
    done = replace(base, screen=Screen.DONE, why="done", paid_fen=5000, may_cancel=True, count=8)
    written = replace(done, written_fen=5000, written_centi_kwh=8928)
    yield "attract", SaleView(Screen.ATTRACT, language)
    yield "attract-message", SaleView(Screen.ATTRACT, language, message=MESSAGE[language], may_enter_number=True)
    yield "reading", SaleView(Screen.READING, language)
    yield "account", account
    yield "account-new", replace(account, reading=NEW)
    yield "account-soon", soon(account)
    yield "account-pending", replace(account, code="C-105", reading=replace(READING, state=PurchaseState.PENDING))
    yield "account-owed", replace(account, code="C-107", owed_fen=5000)
    yield "account-full", replace(account, code="C-110")
    yield "amount", replace(amount, may_cancel=True)
    yield "amount-paper", replace(amount, limit_fen=5000)
    yield "cash-first", cash
    yield "cash-moving", replace(half, moving=True, may_finish=False)
    yield "cash-half", soon(half)
    yield "cash-rejected", replace(half, notice="note-rejected")
    yield "cash-over", replace(half, notice="over-limit")
    yield "cash-jam", replace(half, code="V-412")
    yield "cash-jam-moving", replace(half, code="V-412", moving=True, may_finish=False)
    yield "cash-jam-lost", replace(half, code="V-412", notice="note-lost", lost_fen=5000)
    yield "cash-closed", replace(cash, code="V-416")
    yield "put-back", soon(replace(half, screen=Screen.PUT_BACK))
    yield "put-back-doubt", replace(half, screen=Screen.PUT_BACK, why="doubt", notice="resumed")
    yield "put-back-no-reader", replace(half, screen=Screen.PUT_BACK, why="doubt", code="V-401")
    yield "put-back-other", replace(half, screen=Screen.PUT_BACK, notice="other-card")
    yield "put-back-resumed", replace(half, screen=Screen.PUT_BACK, notice="resumed")
    yield "writing", replace(half, screen=Screen.WRITING)
    yield "writing-owed", replace(half, screen=Screen.WRITING, brought_fen=5000)
    yield "done-printing", replace(written, may_cancel=False)
    yield "done", replace(written, slip=True)
    yield "done-found", replace(written, why="found", slip=True)
    yield "done-without-slip", replace(written, slip_code="V-422")
    yield from _owed(done)
    yield "done-coin-late", replace(written, owed_fen=100, slip=True, may_voucher=True)
    yield "done-lost", replace(written, lost_fen=5000, slip=True)
    for code in ("C-101", "C-102", "C-103", "C-104", "C-106", "C-108", "C-113", "C-114", "C-205", "D-301", "V-422"):
        yield f"refused-{code}", soon(SaleView(Screen.REFUSED, language, code=code, may_cancel=True))
    yield from _without_a_card(language, base, half, done, written, soon)
    yield "take-card", replace(base, screen=Screen.TAKE_CARD)
    yield from _out_of_service(language)


def _out_of_service(language: str) -> Iterator[tuple[str, SaleView]]:
    """What a customer meets who cannot be served."""
    yield "out-starting", SaleView(Screen.OUT_OF_SERVICE, language)
    yield "out-resuming", SaleView(Screen.OUT_OF_SERVICE, language, paid_fen=5000)
    for code in ("V-402", "V-411", "V-413", "V-422", "L-502", "L-503"):
        yield f"out-{code}", SaleView(Screen.OUT_OF_SERVICE, language, code=code, down={"device": code})
    paid = SaleView(
        Screen.OUT_OF_SERVICE, language, code="L-502", paid_fen=5000, down={"ledger": "L-502"}, notice="ledger"
    )
    yield "out-ledger", replace(paid, paid_fen=0)
    yield "out-ledger-paid", paid


def _owed(done: SaleView) -> Iterator[tuple[str, SaleView]]:
    """Paid and not on the card; and the same as a voucher."""
    yield "done-owed", replace(done, why="owed", code="C-203", owed_fen=5000, slip=True)
    yield "done-doubt", replace(done, why="doubt", code="C-204", owed_fen=5000, slip_code="V-422")
    yield "done-owed-voucher", replace(done, why="owed", code="C-203", owed_fen=5000, slip=True, may_voucher=True)
    voucher = replace(done, why="voucher", owed_fen=5000, voucher="0007-3f2a91c0de", paid_fen=0)
    yield "done-voucher-printing", replace(voucher, may_cancel=False)
    yield "done-voucher", replace(voucher, slip=True)
    yield "done-voucher-failed", replace(voucher, slip_code="V-422")
    long = "north-gate-of-the-riverside-park-3f2a91c0de"
    yield "done-voucher-long", replace(voucher, voucher=long, slip_code="V-422")
    yield "done-voucher-keypad", replace(voucher, keypad=True, slip=True)


def _without_a_card(
    language: str,
    base: SaleView,
    half: SaleView,
    done: SaleView,
    written: SaleView,
    soon: Callable[[SaleView], SaleView],
) -> Iterator[tuple[str, SaleView]]:
    """What a customer meets whose meter has a keypad."""
    keypad = replace(base, vendor=KEYPAD_VENDOR, reading=NEW, keypad=True)
    yield "attract-number", SaleView(Screen.ATTRACT, language, may_enter_number=True)
    yield "number", SaleView(Screen.NUMBER, language, may_finish=True, may_cancel=True)
    yield "number-unknown", replace(soon(SaleView(Screen.NUMBER, language, may_finish=True)), notice="number-unknown")
    yield "account-keypad", replace(keypad, screen=Screen.ACCOUNT, most_fen=300_000, token=TOKEN, may_finish=True)
    yield "cash-keypad", replace(half, vendor=KEYPAD_VENDOR, keypad=True)
    yield "writing-keypad", replace(half, screen=Screen.WRITING, keypad=True)
    yield "done-keypad", replace(written, keypad=True, token=TOKEN, slip=True)
    yield "done-keypad-without-slip", replace(written, keypad=True, token=TOKEN[:12], slip_code="V-422")
    late = replace(written, keypad=True, token=TOKEN, owed_fen=100, slip=True)
    yield "done-keypad-coin-late", replace(late, may_voucher=True)
    owed = replace(done, keypad=True, why="owed", code="C-114", owed_fen=5000, slip=True)
    yield "done-keypad-owed", replace(owed, may_voucher=True)
