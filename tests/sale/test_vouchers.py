"""What is owed leaves the kiosk once: as a voucher, and onto its card at whichever kiosk meets it; nobody guesses."""

from dataclasses import replace

import pytest
from voucher_town import BOUND, KEY, NO, Kiosk, Nameless, after_rest, kinds_since
from world import VENDOR, PowerCut

from kiosk.model.card import KeypadCustomer, PurchaseState, WriteOrder
from kiosk.sale import events as on
from kiosk.sale.effects import PrintVoucher, Record
from kiosk.sale.machine import step
from kiosk.sale.state import Done, Owed, Refused, Rules
from kiosk.sale.view import view


def owed_at_the_end():
    """A visit whose write failed three times: the last page, the card still in."""
    kiosk = Kiosk()
    kiosk.write_fails = True
    kiosk.buy(5000, 5000)
    kiosk.write_fails = False
    assert isinstance(kiosk.state.phase, Done) and kiosk.state.books.owed == {KEY: Owed(5000, 8928)}
    return kiosk


# out: a voucher for what is owed


def test_what_is_owed_becomes_a_voucher_and_is_owed_no_more():
    kiosk = owed_at_the_end()
    assert view(kiosk.state).may_voucher
    kiosk.say(on.TakeVoucher())
    issued, told = kiosk.entries[-2:]
    no = issued.data["no"]
    assert (issued.kind, told.kind, told.data["voucher"]) == ("voucher.issued", "receipt.printed", no)
    assert issued.sale is None and no.startswith("0007-") and len(no) == 15
    assert dict(issued.post) == {"owed:0001:1001": 5000, f"voucher:{no}": -5000}
    assert {key: issued.data[key] for key in ("fen", "energy", "count", "region")} == {
        "fen": 5000,
        "energy": 8928,
        "count": 3,
        "region": "420100",
    }
    assert kiosk.slips[-1] == no and kiosk.state.books.owed == {} and kiosk.state.books.issued is None
    shown = view(kiosk.state)
    assert (shown.voucher, shown.owed_fen, shown.slip, shown.may_voucher) == (no, 5000, True, False)


def test_it_is_recorded_before_it_is_printed():
    kiosk = owed_at_the_end()
    _, effects = step(kiosk.state, on.TakeVoucher(), on.Stamp(bytes(16), ""))
    record, act = [each for each in effects if isinstance(each, Record | PrintVoucher)]
    assert [draft.kind for draft in record.drafts] == ["voucher.issued"]
    assert record.drafts[0].data["no"] == act.no == "0007-0000000000"


def test_what_left_on_paper_is_not_written_at_the_next_visit():
    kiosk = owed_at_the_end().say(on.TakeVoucher(), on.Cancel()).pull().insert()
    assert kiosk.phase == "Account" and kiosk.card.credited == {}
    assert view(kiosk.state).owed_fen == 0


def test_a_second_press_makes_no_second_voucher():
    kiosk = owed_at_the_end().say(on.TakeVoucher(), on.TakeVoucher())
    assert [entry.kind for entry in kiosk.entries].count("voucher.issued") == 1


def test_the_count_is_the_cards_own_where_it_was_bought_on_meanwhile():
    kiosk = Kiosk().buy(10_000, 5000).pull()
    kiosk.elsewhere()
    kiosk.write_fails = True
    kiosk.insert().say(on.Finish()).say(on.TakeVoucher())
    assert kiosk.of("voucher.issued")[0].data["count"] == 4


@pytest.mark.parametrize("down", ["printer", "ledger"])
def test_no_voucher_is_offered_that_could_not_be_put_on_paper(down):
    kiosk = owed_at_the_end()
    kiosk.state = replace(kiosk.state, down={down: "V-422"})
    assert not view(kiosk.state).may_voucher
    kiosk.say(on.TakeVoucher())
    assert kiosk.of("voucher.issued") == [] and kiosk.state.books.owed


def test_a_debt_whose_customer_has_gone_is_not_given_to_whoever_stands_there():
    kiosk = Kiosk().buy(10_000, 5000).pull().wait()
    assert isinstance(kiosk.state.phase, Done) and kiosk.state.books.owed
    assert not view(kiosk.state).may_voucher
    before = list(kiosk.entries)
    assert kiosk.say(on.TakeVoucher()).entries == before


def test_a_debt_in_doubt_is_not_given_away():
    kiosk = Kiosk()
    kiosk.tear_next, kiosk.lands = True, True
    kiosk.unreadable = True
    kiosk.buy(5000, 5000)
    for _ in range(5):
        kiosk.wait("read")
    assert kiosk.phase == "Done" and kiosk.state.phase.outcome.why == "doubt"
    assert not view(kiosk.state).may_voucher
    kiosk.say(on.TakeVoucher())
    assert kiosk.of("voucher.issued") == []


def test_a_sale_that_went_well_has_nothing_to_vouch_for():
    kiosk = Kiosk().buy(5000, 5000)
    assert kiosk.phase == "Done" and not view(kiosk.state).may_voucher
    kiosk.say(on.TakeVoucher())
    assert kiosk.of("voucher.issued") == []


def test_a_slip_that_does_not_come_out_leaves_the_number_on_the_screen():
    kiosk = owed_at_the_end()
    kiosk.paper = False
    kiosk.say(on.TakeVoucher())
    shown = view(kiosk.state)
    assert (shown.voucher, shown.slip, shown.slip_code) == (kiosk.of("voucher.issued")[0].data["no"], False, "V-422")
    assert kiosk.entries[-1].kind == "receipt.failed" and kiosk.state.books.issued is None


def test_the_page_stays_until_it_is_read_and_then_the_next_customer_comes():
    kiosk = owed_at_the_end().say(on.TakeVoucher()).pull()
    assert kiosk.timers["visit"] == Rules().done_ms
    assert kiosk.insert().phase == "Account"
    kiosk = owed_at_the_end().say(on.TakeVoucher()).pull().wait()
    assert kiosk.phase == "Idle"


def visit_with_voucher(kiosk):
    kiosk.write_fails = True
    kiosk.buy(5000, 5000).say(on.TakeVoucher(), on.Cancel())


def effects_of(visit, make):
    kiosk = make()
    kiosk.cut_after = 10_000
    visit(kiosk)
    return 10_000 - kiosk.cut_after


@pytest.mark.parametrize("cut_at", range(effects_of(visit_with_voucher, Kiosk)))
def test_the_power_goes_anywhere_and_the_debt_is_in_one_place(cut_at):
    kiosk = Kiosk()
    kiosk.cut_after = cut_at
    with pytest.raises(PowerCut):
        visit_with_voucher(kiosk)
    kiosk.cut()
    kiosk.say(on.DeviceUp("printer"))
    issued = kiosk.of("voucher.issued")
    if issued:
        assert kiosk.slips[-1] == issued[0].data["no"], "a restart prints it"
        assert kiosk.state.books.issued is None and not kiosk.state.books.owed
    after_rest(kiosk)
    vouched = -kiosk.balance("voucher:")
    assert vouched == (5000 if issued else 0)
    assert sum(kiosk.box) == kiosk.card.credit_fen + vouched


# in: onto the card, bound to its count


def with_order(card=None, **changes):
    kiosk = Kiosk(card=card)
    kiosk.listed[KEY] = replace(BOUND, **changes)
    return kiosk


def test_it_is_written_before_anything_else_as_the_purchase_after_the_bound_count():
    kiosk = with_order().insert()
    assert kiosk.card.credited[4][1] == 5000 and kiosk.card.reading.count == 4
    assert kinds_since(kiosk, "sale.opened") == [
        "sale.opened",
        "voucher.brought",
        "write.intended",
        "write.done",
        "sale.closed",
        "receipt.printed",
    ]
    brought, done = kiosk.of("voucher.brought")[0], kiosk.of("write.done")[0]
    assert dict(brought.post) == {"owed:0001:1001": -5000, f"voucher:{NO}": 5000} and brought.sale == done.sale
    assert (done.data["voucher"], done.data["energy"], done.data["count"]) == (NO, 8928, 4)
    assert "kept" not in kiosk.entries[-2].data
    assert kiosk.state.books.brought == {NO} and not kiosk.state.books.owed
    shown = view(kiosk.state)
    assert (shown.written_fen, shown.brought_fen, shown.owed_fen, shown.may_voucher) == (5000, 5000, 0, False)
    assert kiosk.balance("voucher:") == 5000 and kiosk.balance("owed:") == 0


def test_it_is_never_used_again_here_even_if_the_card_says_the_old_count_again():
    kiosk = with_order().insert().pull()
    kiosk.card.reading = replace(kiosk.card.reading, count=3, sale=None)  # reversed at a counter
    assert kiosk.insert().phase == "Account" and len(kiosk.of("voucher.brought")) == 1
    kiosk.cut()
    assert kiosk.state.books.brought == {NO}


@pytest.mark.parametrize("changes", [{"count": 2}, {"count": 4}, {"region": "420200"}])
def test_an_order_that_is_not_exactly_this_cards_stays_where_it_is(changes):
    kiosk = with_order(**changes).insert()
    assert kiosk.phase == "Account" and kiosk.of("voucher.brought") == []


@pytest.mark.parametrize("key", [("0002", "1001", "2001"), ("0001", "1002", "2001"), ("0001", "1001", "2002")])
def test_another_vendors_customers_or_meters_order(key):
    kiosk = Kiosk()
    kiosk.listed[key] = BOUND
    assert kiosk.insert().phase == "Account" and kiosk.of("voucher.brought") == []


@pytest.mark.parametrize("state", [PurchaseState.PENDING, PurchaseState.UNKNOWN])
def test_a_card_that_cannot_take_another_purchase_waits_for_its_meter(state):
    kiosk = Kiosk(vendor=replace(VENDOR, may_stack=False))
    kiosk.listed[KEY] = BOUND
    kiosk.card.reading = replace(kiosk.card.reading, state=state)
    assert kiosk.insert().phase == "Account" and kiosk.of("voucher.brought") == []
    kiosk.pull()
    kiosk.card.reading = replace(kiosk.card.reading, state=PurchaseState.TAKEN)
    assert kiosk.insert().card.credit_fen == 5000


def taken_back(kiosk):
    """The bringing was taken back in the commit that closed the sale, and left nothing behind."""
    records = [record for record in kiosk.records if any(d.kind == "sale.closed" for d in record)]
    closing = [draft.kind for draft in records[-1]]
    closed = records[-1][-1]
    assert closing[-2:] == ["voucher.returned", "sale.closed"] and "kept" not in closed.data
    assert kiosk.balance("voucher:") == kiosk.balance("owed:") == 0
    books = kiosk.state.books
    assert not (books.owed or books.doubts or books.bound or books.brought or books.open or books.unprinted)
    return True


def test_a_write_that_surely_failed_gives_it_back_and_the_customer_is_told():
    kiosk = with_order()
    kiosk.write_fails = True
    kiosk.insert()
    assert taken_back(kiosk) and kiosk.state.phase == Refused("C-203") and kiosk.slips == []
    kiosk.write_fails = False
    kiosk.pull().insert()
    assert kiosk.card.credit_fen == 5000 and kiosk.state.books.brought == {NO}


def test_the_driver_says_surely_not_and_not_worth_another_try():
    kiosk = with_order()
    kiosk.refuses = "C-110"
    kiosk.insert()
    assert taken_back(kiosk) and kiosk.state.phase == Refused("C-110")


def test_the_card_is_gone_before_it_is_written():
    kiosk = with_order()
    kiosk.snatched = "unchanged"
    kiosk.insert()
    assert taken_back(kiosk) and kiosk.phase == "Idle"


def test_the_power_goes_between_bringing_and_intending():
    kiosk = with_order()
    kiosk.stop_before("write.intended")
    with pytest.raises(PowerCut):
        kiosk.insert()
    kiosk.inserted = False
    kiosk.cut()
    assert taken_back(kiosk) and kiosk.phase == "Idle"


def test_a_torn_write_is_read_and_found():
    kiosk = with_order()
    kiosk.tear_next, kiosk.lands = True, True
    kiosk.insert()
    assert kiosk.of("write.done")[0].data["how"] == "found" and kiosk.state.books.brought == {NO}


def test_a_torn_write_that_did_not_land_is_tried_again_on_the_same_count():
    kiosk = with_order()
    kiosk.tear_next, kiosk.lands = True, False
    kiosk.insert()
    assert kiosk.card.credited == {4: (kiosk.of("sale.opened")[0].sale, 5000)} and kiosk.state.books.brought == {NO}


def in_doubt(*, lands, card=None):
    """The card was torn out of the write and never came back in time."""
    kiosk = with_order(card)
    kiosk.snatched, kiosk.lands = "unknown", lands
    kiosk.insert().wait()
    closed = kiosk.of("sale.closed")[0]
    assert closed.data["doubt"] and closed.data["kept"] == -5000
    books = kiosk.state.books
    assert books.bound == {KEY: BOUND} and books.doubts[KEY].count == 4 and not books.brought
    assert not view(kiosk.state).may_voucher
    return kiosk


def test_in_doubt_and_found_at_the_next_visit():
    kiosk = in_doubt(lands=True).insert()
    done = kiosk.of("write.done")[0]
    assert (done.data["how"], done.data["voucher"], done.data["fen"]) == ("found", NO, 5000)
    assert kiosk.card.credit_fen == 5000 and kiosk.balance("owed:") == 0 and kiosk.balance("voucher:") == 5000
    assert kiosk.state.books.brought == {NO} and not (kiosk.state.books.bound or kiosk.state.books.owed)
    assert kiosk.state.phase.outcome.why == "found" and kiosk.state.phase.outcome.owed_fen == 0


def test_in_doubt_and_not_there_at_the_next_visit_is_taken_back_and_brought_afresh():
    kiosk = in_doubt(lands=False)
    before = len(kiosk.entries)
    kiosk.insert()
    assert [entry.kind for entry in kiosk.entries[before:]][:3] == [
        "voucher.returned",
        "sale.opened",
        "voucher.brought",
    ]
    assert kiosk.card.credit_fen == 5000 and kiosk.balance("owed:") == 0 and kiosk.balance("voucher:") == 5000


def test_in_doubt_and_off_the_list_at_the_next_visit_is_taken_back_and_never_written_as_our_own_debt():
    kiosk = in_doubt(lands=False)
    kiosk.listed.clear()
    kiosk.insert()
    assert kiosk.phase == "Account" and kiosk.card.credited == {} and kiosk.balance("voucher:") == 0
    assert not (kiosk.state.books.owed or kiosk.state.books.doubts or kiosk.state.books.bound)


def test_in_doubt_and_the_card_was_bought_on_elsewhere_under_that_count():
    kiosk = in_doubt(lands=False)
    kiosk.elsewhere()
    kiosk.insert()
    assert kiosk.entries[-1].kind == "voucher.returned" and kiosk.phase == "Account"
    assert kiosk.balance("owed:") == kiosk.balance("voucher:") == kiosk.balance("sold:") == 0
    assert not (kiosk.state.books.owed or kiosk.state.books.doubts or kiosk.state.books.bound)


def test_in_doubt_and_bought_on_twice_elsewhere_is_nobodys_guess_and_so_taken_back():
    kiosk = in_doubt(lands=False)
    kiosk.elsewhere()
    kiosk.elsewhere()
    kiosk.insert()
    assert kiosk.entries[-1].kind == "voucher.returned" and not kiosk.state.books.bound


@pytest.mark.parametrize("bought_on", [0, 1])
def test_in_doubt_on_a_card_that_names_no_sale_goes_by_the_count(bought_on):
    kiosk = in_doubt(lands=True, card=Nameless())
    for _ in range(bought_on):
        kiosk.elsewhere()
    kiosk.insert()
    assert kiosk.of("write.done")[0].data["how"] == "found" and kiosk.state.books.brought == {NO}


def test_the_torn_card_comes_back_bought_on_by_another_kiosk():
    """Away, within the visit: the card names another sale under our count, so ours is taken back at once."""
    kiosk = with_order()
    kiosk.snatched, kiosk.lands = "unknown", False
    kiosk.insert()
    assert kiosk.phase == "Away"
    kiosk.elsewhere()
    kiosk.insert()
    assert taken_back(kiosk) and kiosk.phase == "Account", "the visit begins anew"


# beside what this kiosk owes itself


def test_the_voucher_comes_first_for_our_own_debt_is_bound_to_no_count():
    kiosk = owed_at_the_end().say(on.Cancel()).pull()
    kiosk.listed[KEY] = BOUND
    kiosk.insert()
    assert kiosk.of("write.done")[-1].data["voucher"] == NO and kiosk.state.books.owed == {KEY: Owed(5000, 8928)}
    kiosk.say(on.Cancel()).pull().insert()
    assert [fen for _, fen in kiosk.card.credited.values()] == [5000, 5000] and not kiosk.state.books.owed
    assert kiosk.balance("owed:") == 0 and -kiosk.balance("sold:") == 10_000


@pytest.mark.parametrize("lands", [True, False])
def test_our_own_debt_stays_beside_a_voucher_in_doubt(lands):
    kiosk = owed_at_the_end().say(on.Cancel()).pull()
    kiosk.listed[KEY] = replace(BOUND, fen=3000, centi_kwh=5357)
    kiosk.snatched, kiosk.lands = "unknown", lands
    kiosk.insert().wait()
    assert kiosk.state.books.owed == {KEY: Owed(8000, 14_285)} and kiosk.state.books.bound
    kiosk.insert()
    assert kiosk.state.books.owed == {KEY: Owed(5000, 8928)} and not kiosk.state.books.bound
    kiosk.say(on.Cancel()).pull().insert()
    assert sorted(fen for _, fen in kiosk.card.credited.values()) == [3000, 5000] and kiosk.balance("owed:") == 0


def test_our_own_write_in_doubt_is_decided_before_the_voucher_is_written_over_it():
    kiosk = Kiosk(card=Nameless())
    kiosk.snatched, kiosk.lands = "unknown", False
    kiosk.buy(5000, 5000).wait()
    assert kiosk.state.books.doubts
    kiosk.listed[KEY] = BOUND
    kiosk.insert()
    assert kiosk.state.books.brought == {NO} and not kiosk.state.books.doubts
    kiosk.say(on.Cancel()).pull().insert()
    assert kiosk.card.credit_fen == 10_000, "what was paid here was not taken for written"


def test_a_coin_that_rolls_into_a_vouchers_sale_is_owed_by_itself():
    kiosk = with_order()
    kiosk.rolling = 100
    kiosk.insert()
    assert kiosk.card.credited[4][1] == 5000 and kiosk.state.books.owed == {KEY: Owed(100, 178)}
    assert kiosk.state.phase.outcome.owed_fen == 100


def test_a_coin_that_rolls_in_and_the_voucher_goes_back():
    kiosk = with_order()
    kiosk.rolling, kiosk.write_fails = 100, True
    kiosk.insert()
    assert [entry.data["fen"] for entry in kiosk.of("write.intended")] == [5000] * 3, "a voucher is written by itself"
    assert kiosk.of("sale.closed")[0].data["kept"] == -100 and kiosk.balance("voucher:") == 0
    assert kiosk.state.books.owed == {KEY: Owed(100, 178)} and kiosk.state.phase.outcome.why == "owed"


def test_a_coin_that_rolls_in_behind_the_write_has_its_own_energy_and_not_what_was_brought_again():
    """Found with the vouchers: the energy owed after such a coin was that of the whole debt before it, again."""
    kiosk = owed_at_the_end().say(on.Cancel()).pull()
    kiosk.rolling = 100
    kiosk.insert()
    assert kiosk.card.credited[4][1] == 5000 and kiosk.state.books.owed == {KEY: Owed(100, 178)}


# a meter with a keypad


def with_keypad_order():
    kiosk = Kiosk(vendor=replace(VENDOR, keypad=True))
    kiosk.customers["1001"] = KeypadCustomer("0001", "1001", "2001", "420100", 3)
    kiosk.listed[KEY] = BOUND
    return kiosk


def test_digits_are_made_for_a_voucher_too_once():
    kiosk = with_keypad_order().say(on.AskNumber(), on.GiveNumber("1001"))
    assert kiosk.of("write.done")[0].data["voucher"] == NO and view(kiosk.state).token
    kiosk.say(on.Cancel(), on.AskNumber(), on.GiveNumber("1001"))
    assert kiosk.phase == "Account" and len(kiosk.asked) == 1


def test_no_digits_and_the_voucher_goes_back():
    kiosk = with_keypad_order()
    kiosk.token_fails = "C-114"
    kiosk.say(on.AskNumber(), on.GiveNumber("1001"))
    assert taken_back(kiosk) and kiosk.state.phase == Refused("C-114")


def test_an_order_is_told_from_the_card_by_its_order_alone():
    """The law in one place: what the card must say for a bound order to count as ours."""
    from kiosk.sale.writing import is_found

    order, card = WriteOrder(b"s" * 16, "1001", "2001", "420100", 4, 5000, 8928), Kiosk().card.reading
    said = [
        (count, sale, is_found(replace(card, count=count, sale=sale), order, BOUND))
        for count in (3, 4, 5)
        for sale in (None, b"s" * 16, b"x" * 16)
    ]
    assert [(count, sale) for count, sale, found in said if found] == [
        (4, None),
        (4, b"s" * 16),
        (5, None),
        (5, b"s" * 16),
    ]
