"""Not a fen lost at the counter: a card and a driver in memory, a real ledger, and the power goes at every commit."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from counter_world import (
    CUSTOMER,
    KEY,
    METER,
    PRICE,
    UNCHANGED,
    UNKNOWN,
    VENDOR,
    Desk,
    KioskVisit,
    PowerCut,
    assert_head_office_agrees,
    reverse,
    sold,
)

from kiosk.billing.blocked import BlockedCard
from kiosk.drivers.answer import DriverRefusal
from kiosk.drivers.contract import DI, DriverError
from kiosk.hq.booking import Pages
from kiosk.ledger.entry import Draft, encode
from kiosk.model.card import CardKind, CardReading, PurchaseState
from kiosk.model.errors import CardRefused
from kiosk.sale import entries


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.journal.close()


# a reversal -----------------------------------------------------------------------------------------------------------


def test_a_reversal_that_took_effect_unseen_is_paid_although_the_next_try_never_reached_the_card(desk):
    sold(desk).plastic.tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert reverse(desk).unknown and desk.plastic.credit == 0 and desk.handed_fen == 0
    desk.plastic.tears = [DriverRefusal(DriverError.NO_KEY_CARD, "not reached", UNCHANGED)]
    reverse(desk)
    assert desk.handed_fen == 5000 and desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")
    assert not desk.unfinished.orders


def test_a_reversal_over_another_waiting_purchase_is_paid_back_after_a_power_cut(desk):
    """The driver of a stacking card answers 0D to the repeated reversal, for the older purchase still waits."""
    sold(desk).card("purchase", fen=2000, bag="B1")
    desk.plastic.tears = ["power"]
    with pytest.raises(PowerCut):
        reverse(desk)
    assert desk.plastic.credit == 5000
    reverse(desk.restart())
    assert desk.handed_fen == 2000 and desk.balance("cash:bag:B1") == 5000 == -desk.balance("sold:0001")


def test_a_reversal_in_doubt_is_paid_even_when_the_kiosk_has_used_its_count_again(desk):
    sold(desk).plastic.tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert reverse(desk).unknown
    desk.card("purchase", fen=7000, bag="B1")
    assert desk.plastic.last == 1
    reverse(desk)
    assert desk.handed_fen == 5000 and desk.plastic.credit == 7000
    reverse(desk)
    assert desk.handed_fen == 12_000 and desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")


def test_an_order_for_a_purchase_that_never_was_pays_nothing_however_often_it_breaks_off(desk):
    desk.plastic.open(count=7)
    desk.plastic.tears = ["before", "before"]
    for _ in range(3):
        reverse(desk, count=8, fen=5000, centi_kwh=8928)
        desk.restart()
    assert desk.handed_fen == 0 and desk.balance("cash:bag:B1") == 0


def test_a_purchase_in_doubt_here_cannot_be_reversed_until_the_kiosk_has_settled_it(desk):
    """Else the customer has the cash, and the kiosk, finding no credit on the card, writes it again."""
    desk.plastic.open().tears = ["after", DriverRefusal(DriverError.NO_CARD, "pulled", UNKNOWN)]
    assert desk.card("purchase", fen=5000, bag="B1").unknown
    assert KEY in desk.memory.books.doubts and desk.plastic.credit == 5000
    for function in ("reverse", "clear"):
        with pytest.raises(CardRefused) as refused:
            desk.card(function, bag="B1", insist=True)
        assert refused.value.code == "C-117"
    with pytest.raises(CardRefused) as refused:
        desk.card("reissue", customer=CUSTOMER, meter=METER, count=1, fen=5000)
    assert refused.value.code == "C-117"
    assert desk.plastic.credit == 5000 and desk.balance("cash:bag:B1") == 5000


def test_a_sale_that_was_cut_off_is_settled_before_its_card_is_touched(desk):
    desk.plastic.open().tears = ["power"]
    with pytest.raises(PowerCut):
        desk.card("purchase", fen=5000, bag="B1")
    with pytest.raises(CardRefused) as refused:
        reverse(desk.restart())
    assert refused.value.code == "C-117" and desk.plastic.credit == 5000


def test_nothing_is_sold_on_a_card_that_was_reported_lost_but_staff_may_work_on_it(desk):
    desk.plastic.open()
    desk.counter.blocked = {KEY: BlockedCard(*KEY, 0, "lost")}
    with pytest.raises(CardRefused) as refused:
        desk.card("purchase", fen=5000, bag="B1")
    assert refused.value.code == "C-118" and desk.plastic.credit == 0 == desk.balance("cash:bag:B1")
    assert not desk.card("clear").code
    desk.plastic.open()
    desk.counter.blocked = {}
    assert not desk.card("purchase", fen=5000, bag="B1").code


def test_a_card_with_a_reversal_in_doubt_is_not_cleared(desk):
    sold(desk).plastic.tears = ["before", "before"]
    assert reverse(desk).unknown
    with pytest.raises(CardRefused) as refused:
        desk.card("clear", insist=True)
    assert refused.value.code == "C-117"
    reverse(desk)
    assert desk.handed_fen == 5000 and not desk.card("clear").code


@pytest.mark.parametrize("state", ["taken", "none"])
def test_what_is_not_there_to_be_taken_back_reaches_neither_ledger_nor_driver(desk, state):
    desk.plastic.open(count=7 if state == "taken" else 0)
    before = desk.journal.size
    with pytest.raises(CardRefused) as refused:
        reverse(desk, fen=5000)
    assert refused.value.code == "C-112" and desk.journal.size == before


# a sale ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{"customer": "A1"}, {"meter": "1" * 21}, {"region": "420100", "customer": "٣"}])
def test_numbers_that_no_card_can_hold_are_refused_before_anything_is_recorded(desk, words):
    before = desk.journal.size
    with pytest.raises(ValueError, match="item"):
        desk.card("open", **{"customer": CUSTOMER, "meter": METER, **words}, fen=5000, bag="B1")
    assert desk.journal.size == before


def test_the_energy_of_a_sale_is_the_price_lists(desk):
    desk.plastic.open()
    with pytest.raises(ValueError, match="price list"):
        desk.card("purchase", fen=5000, bag="B1", centi_kwh=1_000_000)


@pytest.mark.parametrize(
    ("answers", "card_after", "credit", "refunded"),
    [
        (["", ""], "", 5000, False),
        ([DriverRefusal(DriverError.NOT_BLANK, "0B", UNCHANGED)], "unchanged", 0, True),
        ([DriverRefusal(DriverError.WRITE_FAILED, "10", UNCHANGED)], "unchanged", 0, True),
        (["before", ""], "", 5000, False),
        (["after", ""], "", 5000, False),
        (["before", "before"], "unknown", 0, False),
        (["after", "after"], "unknown", 5000, False),
        ([DriverRefusal(DriverError.READ_BACK, "12", UNKNOWN), ""], "", 5000, False),
        (["after", DriverRefusal(DriverError.WRITE_FAILED, "10", UNCHANGED)], "unknown", 5000, False),
        (["after", DriverRefusal(DriverError.NOT_BLANK, "0B", UNCHANGED)], "unknown", 5000, False),
    ],
)
def test_every_end_of_an_opening_with_a_purchase_adds_up(desk, answers, card_after, credit, refunded):
    desk.plastic.tears = list(answers)
    desk.card("open", customer=CUSTOMER, meter=METER, fen=5000, bag="B1")
    failed = [entry.data["card"] for entry in desk.entries() if entry.kind == "card.failed"]
    assert failed == ([card_after] if card_after else []) and desk.plastic.credit == credit
    assert desk.handed_fen == (5000 if refunded else 0)
    assert desk.balance("cash:bag:B1") == 5000 - desk.handed_fen
    assert (KEY in desk.memory.books.doubts) is (card_after == "unknown")
    assert_head_office_agrees(desk)


def test_a_driver_that_reads_back_another_count_is_not_believed(desk):
    desk.plastic.open()
    execute = desk.plastic.execute
    desk.plastic.execute = lambda *order: {**execute(*order), DI.COUNT: 0}
    ended = desk.card("purchase", fen=5000, bag="B1")
    assert ended.unknown and ended.code == "D-303" and KEY in desk.memory.books.doubts


def test_an_end_that_could_not_be_recorded_is_no_refusal(desk):
    desk.plastic.open()
    desk.full_at = 1
    ended = desk.card("purchase", fen=5000, bag="B1")
    assert ended.unknown and ended.code == "L-502" and ended.hand_out_fen == 0 and desk.plastic.credit == 5000
    desk.restart()
    assert desk.memory.books.open.order.amount_fen == 5000


def test_a_sale_that_the_kiosk_has_closed_is_not_named_as_an_order_to_be_given_again(desk):
    """Given again it would be another purchase, and the customer would pay twice."""
    desk.plastic.open().tears = ["power"]
    with pytest.raises(PowerCut):
        desk.card("purchase", fen=5000, bag="B1")
    sale = desk.restart().memory.books.open
    desk.kiosk(entries.write_done(sale, sale.order, "found"))
    desk.kiosk(entries.sale_closed(desk.memory.books.open, "done", ""))
    assert not desk.unfinished.orders and not desk.restart().unfinished.orders


# the power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_before", [0, 1])
@pytest.mark.parametrize("function", ["open", "purchase"])
def test_the_power_goes_at_each_commit_of_a_sale_and_the_kiosk_settles_it(desk, function, cut_before):
    if function == "purchase":
        desk.plastic.open()
    desk.cut_before = cut_before
    with pytest.raises(PowerCut):
        desk.card(function, customer=CUSTOMER, meter=METER, fen=5000, bag="B1")
    books = desk.restart().memory.books
    paid = desk.balance("cash:bag:B1")
    assert paid == -desk.balance("owed:0001:1001") == desk.plastic.credit == (5000 if cut_before else 0)
    assert (books.open is not None) is bool(cut_before)
    assert not KioskVisit(desk).enabled, "the acceptor took notes for a sale of the counter"
    assert desk.balance("cash:bag:B1") == -desk.balance("sold:0001") == desk.plastic.credit
    assert desk.balance("cash:box") == 0 and desk.balance("owed:0001:1001") == 0
    assert_head_office_agrees(desk)


@pytest.mark.parametrize("cut_before", [0, 1])
def test_the_power_goes_at_each_commit_of_a_reversal_and_it_is_paid_once(desk, cut_before):
    sold(desk)
    desk.cut_before = cut_before
    with pytest.raises(PowerCut):
        reverse(desk)
    reverse(desk.restart())
    assert desk.handed_fen == 5000 and desk.plastic.credit == 0
    assert desk.balance("cash:bag:B1") == 0 == desk.balance("sold:0001")
    with pytest.raises(CardRefused):
        reverse(desk.restart())
    reverse(desk, count=1, fen=5000, centi_kwh=8928)
    assert desk.handed_fen == 5000
    assert_head_office_agrees(desk)


# head office ----------------------------------------------------------------------------------------------------------


def test_head_office_takes_the_energy_of_a_reversal_off_again(desk):
    sold(desk)
    reverse(desk)
    pages = Pages(desk.signer.vkey, 0, 0, {})
    for entry in desk.entries():
        pages.take(encode(entry))
    (day,) = pages.days.values()
    assert (day.sold_fen, day.energy_centi_kwh) == (0, 0)


def test_the_longest_sale_of_the_counter_fits_a_receipt(desk):
    digits, sale = "9" * 20, bytes(range(16))
    big = replace(PRICE, per_kwh=10**9, version=10**9)
    reading = CardReading(CardKind.OPEN, "99999999", digits, digits, 2**32 - 1, PurchaseState.NONE)
    card = SimpleNamespace(vendor=VENDOR, reading=reading, price=big)
    desk.kiosk(entries.sale_opened(sale, card, 9_999_999_999, 0))
    post = (("cash:bag:" + "B" * 64, 9_999_999_999), (f"owed:0001:{digits}", -9_999_999_999))
    desk.kiosk(Draft("counter.paid", sale, post, {"fen": 9_999_999_999, "bag": "B" * 64, "operator": "李" * 32}))
    closed = desk.journal.append([entries.sale_closed(desk.memory.books.open, "cancelled", "C-117")])[0]
    assert len(encode(closed)) < 300
