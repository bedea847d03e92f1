"""The State Grid sample vendor's meter, rule by rule, as its firmware shows them."""

import copy

import pytest
from rdk_bench import build_script
from sgc_bench import BACK, FIRST, PARA, SECOND, SETTINGS, THIRD, WALLET, WANG, Sgc, content, with_file

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.orders import Bought, Person

METER = bytes.fromhex(WANG.meter)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "sgc"
    finished.mkdir()
    script.build(script.SOURCE / "sgc", finished)
    return finished


@pytest.fixture
def sgc(folder, monkeypatch):
    bench = Sgc(folder)
    monkeypatch.setattr(bench.meter, "clock", lambda: "2602160830")
    return bench


@pytest.fixture
def taken(sgc):
    card = sgc.blank()
    sgc.do(card, Command.OPEN, orders.open_card(WANG, FIRST, SETTINGS))
    assert sgc.insert(card) == {"count": 1, "remaining": 5000}
    return card


@pytest.fixture
def pending(sgc, taken):
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    return taken


def test_money_to_the_meter_and_back_and_what_is_owed_paid_first(sgc, pending):
    assert sgc.insert(pending, use=6000) == {"count": 2, "remaining": 2000}
    assert sgc.insert(pending, use=2234) == {"count": 2, "remaining": -234}
    answer = sgc.read(pending)
    assert (answer.signed(DI.REMAINING), answer.number(DI.OVERDRAFT)) == (-234, 234)
    sgc.do(pending, Command.PURCHASE, orders.purchase(WANG, THIRD))
    assert sgc.insert(pending) == {"count": 3, "remaining": THIRD.amount - 234}
    assert sgc.state(pending) == (3, 2)


def test_less_than_three_seconds_nothing(sgc, pending):
    before = content(pending)
    assert sgc.insert(pending, seconds=2, use=5) == {"count": 1, "remaining": 5000}
    assert content(pending) == before


@pytest.mark.parametrize("kind", ["bought", "reissued"])
def test_a_meter_on_the_shelf_takes_opening_cards_only(sgc, kind):
    card = sgc.blank()
    if kind == "bought":
        sgc.do(card, Command.OPEN, orders.open_card(WANG, FIRST))
        sgc.insert(card)
        sgc.do(card, Command.PURCHASE, orders.purchase(WANG, SECOND))
    else:
        sgc.do(card, Command.REISSUE, orders.reissue(WANG, 2, SECOND))
    before = content(card)
    sgc.meter.MEMORY[METER] = sgc.meter.UNOPENED
    assert sgc.insert(card)["error"] == "Err-34"
    assert content(card) == before


def test_an_opening_card_torn_while_reversed_still_opens_its_meter(sgc):
    """Shut, it is written back by a meter that is not opened; it must not become a buying card by that."""
    card = sgc.blank()
    sgc.do(card, Command.OPEN, orders.open_card(WANG, FIRST))
    whole = copy.deepcopy(card)
    sgc.do(whole, Command.REVERSE, orders.reverse(WANG, FIRST))
    told = []
    for after in range(sgc.written):
        sgc.meter.MEMORY.clear()
        torn = copy.deepcopy(card)
        torn.tear_after = after
        sgc.ask(torn, Command.REVERSE, orders.reverse(WANG, FIRST))
        state = sgc.state(torn)
        told.append(sgc.insert(torn).get("error", ""))
        if state[1] == 0:
            sgc.do(torn, Command.PURCHASE, orders.purchase(WANG, FIRST))
            assert content(torn)[PARA][42] == (1 if told[-1] else 2), after
            assert sgc.insert(torn) == {"count": 1, "remaining": 5000}, after
    assert "Err-34" in told


def test_a_meter_that_does_not_know_the_customer_has_not_accepted_the_card(sgc, taken):
    card = sgc.blank()
    sgc.do(card, Command.OPEN, orders.open_card(WANG))
    stranger = bytearray(content(taken)[BACK])
    stranger[17:31] = bytes(14)  # no customer, nothing remaining, count 0
    stranger[47] = sum(stranger[1:47]) & 0xFF
    for back, kind in ((stranger, 1), (content(taken)[BACK], 2)):
        met = with_file(card, BACK, back)
        sgc.do(met, Command.PURCHASE, orders.purchase(WANG, FIRST if kind == 1 else SECOND))
        assert content(met)[PARA][42] == kind


def test_an_opening_card_may_have_count_0_or_1(sgc):
    card = sgc.blank()
    sgc.do(card, Command.OPEN, orders.open_card(WANG, FIRST))
    far = with_file(card, WALLET, bytes.fromhex("0000138800000002"))
    before = content(far)
    assert sgc.insert(far) == {"count": 0, "remaining": 0, "error": "Err-34"}
    assert content(far) == before
    assert sgc.insert(card) == {"count": 1, "remaining": 5000}


def test_another_customers_card_goes_back_untouched(sgc, taken):
    other = sgc.blank()
    sgc.do(other, Command.OPEN, orders.open_card(Person("420100", "000000100999", WANG.meter), FIRST))
    before = content(other)
    assert sgc.insert(other) == {"count": 1, "remaining": 5000, "error": "Err-33"}
    assert content(other) == before


def test_a_reissued_card_replaces_the_lost_one(sgc, pending):
    found = copy.deepcopy(pending)
    again = sgc.blank(serial=b"SGC00002")
    sgc.do(again, Command.REISSUE, orders.reissue(WANG, 2, SECOND))
    assert sgc.insert(again) == {"count": 2, "remaining": 8000}
    assert sgc.insert(found) == {"count": 2, "remaining": 8000, "error": "Err-33"}
    sgc.do(again, Command.PURCHASE, orders.purchase(WANG, THIRD))
    assert content(again)[PARA][42] == 2  # a buying card from now on
    assert sgc.insert(again) == {"count": 3, "remaining": 10_000}


def test_a_reissued_card_with_a_count_too_low_is_adopted_without_credit(sgc, taken):
    low = sgc.blank(serial=b"SGC00003")
    sgc.do(low, Command.REISSUE, orders.reissue(WANG, 0))
    assert sgc.insert(low) == {"count": 1, "remaining": 5000}
    assert sgc.state(low) == (1, 2)
    assert sgc.meter.MEMORY[METER].serial == b"SGC00003"
    sgc.do(low, Command.PURCHASE, orders.purchase(WANG, SECOND))
    assert sgc.insert(low) == {"count": 2, "remaining": 8000}


def test_one_with_a_count_too_high_is_not_and_keeps_its_last(sgc, taken):
    high = sgc.blank(serial=b"SGC00004")
    sgc.do(high, Command.REISSUE, orders.reissue(WANG, 5))
    assert sgc.insert(high) == {"count": 1, "remaining": 5000, "error": "Err-34"}
    assert sgc.state(high) == (5, 0)
    sgc.do(high, Command.PURCHASE, orders.purchase(WANG, Bought(6, 100, 1, bytes(16))))
    assert content(high)[PARA][42] == 3  # the meter has not adopted it
    assert sgc.insert(high)["error"] == "Err-34"


def test_a_count_that_jumps_is_written_back_and_not_credited(sgc, pending):
    jumped = with_file(pending, WALLET, bytes.fromhex("00000BB800000003"))
    assert sgc.insert(jumped) == {"count": 1, "remaining": 5000, "error": "Err-34"}
    assert sgc.state(jumped) == (1, 2)


def test_a_return_file_that_is_not_empty_is_no_purchase(sgc, pending, taken):
    full = with_file(pending, BACK, b"\x68\x00")
    assert sgc.insert(full) == {"count": 1, "remaining": 5000, "error": "Err-34"}
    assert sgc.state(full) == (1, 2)
    sgc.do(full, Command.PURCHASE, orders.purchase(WANG, SECOND))
    assert sgc.insert(full) == {"count": 2, "remaining": 8000}


def test_the_meters_own_hoard_limit_leaves_the_purchase_on_the_card(sgc, pending):
    sgc.meter.HOARD_LIMITS[METER] = 7999
    before = content(pending)
    assert sgc.insert(pending) == {"count": 1, "remaining": 5000, "error": "Err-36"}
    assert content(pending) == before
    assert sgc.insert(pending, use=1) == {"count": 2, "remaining": 7999}


def test_no_meter_holds_more_than_999_999_99(sgc, taken):
    assert sgc.ask(taken, Command.PURCHASE, orders.purchase(WANG, Bought(2, 99_995_000, 1, bytes(16)))).error == 0x0E
    sgc.do(taken, Command.PURCHASE, orders.purchase(WANG, Bought(2, 99_994_999, 1, bytes(16))))
    full = with_file(taken, WALLET, (99_995_000).to_bytes(4))
    assert sgc.insert(full)["error"] == "Err-36"
    assert sgc.insert(taken) == {"count": 2, "remaining": 99_999_999}


def test_only_a_card_that_cannot_prove_itself_is_an_illegal_insertion(sgc, pending, monkeypatch):
    plain = type(pending.card).transmit
    liar = copy.deepcopy(pending)

    def forged(card, apdu):
        return bytes(8) + b"\x90\x00" if card is liar.card and apdu[1] == 0x88 else plain(card, apdu)

    monkeypatch.setattr(type(pending.card), "transmit", forged)
    assert sgc.insert(liar) == {"count": 1, "remaining": 5000, "error": "Err-32"}
    stranger = sgc.blank()
    sgc.do(stranger, Command.OPEN, orders.open_card(Person("420100", "000000100999", WANG.meter)))
    sgc.insert(stranger)
    sgc.insert(pending)
    assert sgc.read(pending).number(DI.ILLEGAL_INSERTIONS) == 1


def test_ratios_come_from_an_opening_card_a_later_tariff_from_any(sgc):
    card = sgc.blank()
    ratio = {DI.CT_RATIO: orders.u4(30), DI.ALARM_1: orders.u4(1)}
    sgc.do(card, Command.OPEN, orders.open_card(WANG, FIRST, ratio))
    sgc.insert(card)
    assert content(card)[BACK][5:11].hex() == "000030000001"
    again = sgc.blank(serial=b"SGC00002")
    later = {DI.TARIFF: bytes.fromhex("0000000000001388"), DI.TARIFF_FROM: b"20260301000000"}
    sgc.do(again, Command.REISSUE, orders.reissue(WANG, 1, settings=later))
    sgc.insert(again)
    assert content(again)[BACK][5:11].hex() == "000030000001"
    assert sgc.meter.MEMORY[METER].tariff[4:8].hex() == "00005000"
