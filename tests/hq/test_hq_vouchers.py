"""Vouchers at head office: genuine or not, redeemed once, onto a card once, and what two ledgers say of one number."""

import threading

import pytest
from fakes import NOON, ORIGIN, Terminal
from voucher_fakes import CARD, issue, qr, write

from kiosk.billing.owed import OwedRow
from kiosk.hq import vouchers
from kiosk.hq.enrol import change
from kiosk.hq.release import release
from kiosk.hq.reports import fleet
from kiosk.hq.tables import Alarm, Redemption
from kiosk.hq.vouchers import AlreadyRedeemed
from kiosk.model.errors import KioskError

NO = "0007-3f2a91c0de"
ROW = OwedRow(NO, "0001", "10086", "70001", "420100", 5000, 8928, 7)
OTHER = "power.example/kiosk/420100/0008/1"


def redeem(hq, text, how="cash", operator="Li Si", count=None):
    vouchers.redeem(hq.store, vouchers.read(hq.store, text), how, operator, hq.clock.ms, count)


def refused(act, *arguments):
    with pytest.raises(KioskError) as fault:
        act(*arguments)
    return str(fault.value)


def state(hq, no=NO):
    found = vouchers.standing(hq.store, no)
    return found and found.state


@pytest.fixture
def other(hq):
    return hq.enrol(Terminal(OTHER, seed=b"NEVER USE IN A REAL SYSTEM seed2")).open()


# genuine


def test_a_voucher_is_read_before_its_ledger_has_arrived_and_after(hq, terminal):
    issue(terminal.grow(5))
    text = qr(terminal)
    found = vouchers.read(hq.store, text)
    assert (found.row, found.origin, found.seq, found.arrived) == (ROW, ORIGIN, 6, False)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert vouchers.read(hq.store, text + "\n").arrived


@pytest.mark.parametrize("size", [7, 8, 16, 17])
def test_one_that_was_signed_at_a_later_size(hq, terminal, size):
    issue(terminal.grow(5)).grow(20)
    assert vouchers.read(hq.store, qr(terminal, 6, size)).row == ROW


def test_one_signed_by_another_key(hq, terminal):
    forger = issue(Terminal(seed=b"NEVER USE IN A REAL SYSTEM seed9").open())
    assert "not signed by" in refused(vouchers.read, hq.store, qr(forger))


def test_one_of_a_terminal_that_nobody_enrolled(hq):
    stranger = issue(Terminal(OTHER).open(), no="0008-3f2a91c0de")
    assert "not enrolled" in refused(vouchers.read, hq.store, qr(stranger))


@pytest.mark.parametrize("field", ["blocked", "quarantined"])
def test_one_of_a_terminal_that_is_not_in_good_standing(hq, terminal, field):
    text = qr(issue(terminal))
    change(hq.store, ORIGIN, **{field: True})
    said = refused(redeem, hq, text)
    assert "not redeemed" in said and state(hq) is None
    change(hq.store, ORIGIN, **{field: False})
    redeem(hq, text)


def test_a_receipt_is_no_voucher_and_a_voucher_no_receipt(hq, terminal):
    terminal.sell(bytes(16), 0, 0, [5000])
    assert "not a voucher" in refused(vouchers.read, hq.store, qr(terminal))
    assert "give the QR's text" in refused(vouchers.read, hq.store, qr(terminal, prefix="PK1:"))


@pytest.mark.parametrize("letter", [10, 100, 300, -3])
def test_a_letter_read_wrongly(hq, terminal, letter):
    text = list(qr(issue(terminal)))
    text[letter] = "A" if text[letter] != "A" else "B"
    assert "L-501" in refused(vouchers.read, hq.store, "".join(text))


@pytest.mark.parametrize(
    "changes",
    [
        {"no": "0008-3f2a91c0de"},
        {"no": "0007-3F2A91C0DE"},
        {"fen": 0, "energy": 0},
        {"fen": -5000},
        {"region": 420100},
        {"count": "7"},
        {"no": "7"},
    ],
)
def test_an_entry_that_is_not_in_form_is_not_paid_for_its_signature(hq, terminal, changes):
    if "no" in changes or "fen" in changes:
        issue(terminal, **changes)
    else:
        terminal.append(
            "voucher.issued",
            None,
            [("owed:0001:10086", 5000), (f"voucher:{NO}", -5000)],
            no=NO,
            **(CARD | {"fen": 5000, "energy": 1, "count": 7} | changes),
        )
    assert "L-501" in refused(vouchers.read, hq.store, qr(terminal))


def test_an_amount_that_the_postings_do_not_bear_out(hq, terminal):
    post = [("owed:0001:10086", 100), (f"voucher:{NO}", -100)]
    terminal.append("voucher.issued", None, post, no=NO, **CARD, fen=5000, energy=8928, count=7)
    assert "number or amount" in refused(vouchers.read, hq.store, qr(terminal))


def test_one_that_the_arrived_ledger_contradicts(hq, terminal):
    twin = Terminal()
    twin.entries = list(terminal.entries)
    assert hq.post(terminal, issue(terminal, fen=100).batch()).status_code == 200
    assert "its key signed two" in refused(vouchers.read, hq.store, qr(issue(twin)))


def test_by_its_number_once_the_ledger_is_here(hq, terminal):
    issue(terminal)
    assert "no ledger that has arrived" in refused(vouchers.read, hq.store, NO)
    hq.post(terminal, terminal.batch())
    assert vouchers.read(hq.store, NO).row == ROW
    redeem(hq, NO)
    assert "redeemed before" in refused(redeem, hq, qr(terminal))


# once


def test_the_second_is_told_when_how_and_by_whom(hq, terminal):
    text = qr(issue(terminal))
    redeem(hq, text)
    hq.clock.ms += 60_000
    for how in ("cash", "card"):
        with pytest.raises(AlreadyRedeemed) as fault:
            redeem(hq, text, how, "Wang Wu")
        redeemed = fault.value.redeemed
        assert (redeemed.at_ms, redeemed.how, redeemed.operator, redeemed.fen) == (NOON, "cash", "Li Si", 5000)
    assert Redemption.select().count(hq.store.database) == 1 and state(hq) == "cash"


def test_many_at_once_pay_once(hq, terminal):
    text = qr(issue(terminal))
    paid, gate = [], threading.Barrier(6)

    def teller(name):
        gate.wait()
        try:
            redeem(hq, text, "cash", name)
            paid.append(name)
        except AlreadyRedeemed as fault:
            assert fault.redeemed.operator != name

    tellers = [threading.Thread(target=teller, args=(f"teller {n}",)) for n in range(6)]
    for each in tellers:
        each.start()
    for each in tellers:
        each.join()
    assert len(paid) == 1


@pytest.mark.parametrize("operator", ["", "   ", "x" * 65, "a\nb"])
def test_nobody_redeems_without_a_name(hq, terminal, operator):
    text = qr(issue(terminal))
    assert "who you are" in refused(redeem, hq, text, "cash", operator)
    assert state(hq) is None


def test_a_rebuild_of_the_books_forgets_no_redemption(hq, terminal):
    from kiosk.hq.books import rebuild

    text = qr(issue(terminal))
    hq.post(terminal, terminal.batch())
    redeem(hq, text)
    rebuild(hq.store, terminal.hash)
    assert state(hq) == "cash" and "redeemed before" in refused(redeem, hq, text)


# onto a card


def test_the_list_holds_what_is_redeemed_onto_cards_and_is_not_there_yet(hq, terminal, other):
    assert vouchers.next_list(hq.store, NOON).rows == ()
    redeem(hq, qr(issue(terminal)), "card")
    issue(terminal, no="0007-0000000001", customer="10086", meter="70002")
    redeem(hq, qr(terminal), "cash")
    first = vouchers.next_list(hq.store, NOON)
    assert first.rows == (ROW,) and first.version == NOON // 60_000 + 1
    assert vouchers.next_list(hq.store, NOON - 10**9).version == first.version + 1, (
        "never falls, whatever the clock says"
    )
    hq.post(other, write(other, bytes(16), NO).batch())
    assert vouchers.next_list(hq.store, NOON).rows == () and state(hq) == "written"
    assert hq.alarms() == []


def test_a_card_that_was_bought_on_is_bound_to_the_count_it_has_now(hq, terminal):
    redeem(hq, qr(issue(terminal)), "card", count=9)
    assert [row.count for row in vouchers.next_list(hq.store, NOON).rows] == [9]


def test_a_second_voucher_of_the_same_card_waits_for_the_first(hq, terminal, other):
    first, second = qr(issue(terminal)), qr(issue(terminal, no="0007-0000000001"))
    redeem(hq, first, "card")
    assert "only one can follow" in refused(redeem, hq, second, "card")
    hq.post(other, write(other, bytes(16), NO).batch())
    redeem(hq, second, "card", count=8)
    assert [row.no for row in vouchers.next_list(hq.store, NOON).rows] == ["0007-0000000001"]


def test_what_no_list_could_name_is_not_sent_to_a_card(hq, terminal):
    terminal.append(
        "voucher.issued",
        None,
        [("owed:0001:a.b", 5000), (f"voucher:{NO}", -5000)],
        no=NO,
        **(CARD | {"customer": "a.b"}),
        fen=5000,
        energy=8928,
        count=7,
    )
    text = qr(terminal)
    assert "F-705" in refused(redeem, hq, text, "card")
    redeem(hq, text, "cash")


def test_a_voucher_brought_twice_is_an_alarm(hq, terminal, other):
    redeem(hq, qr(issue(terminal)), "card")
    hq.post(other, write(other, bytes(16), NO).batch())
    assert hq.alarms() == []
    hq.post(terminal, write(terminal, bytes([1]) * 16, NO, how="found").batch())
    assert sorted(hq.alarms()) == ["count-twice", "voucher-twice"] and state(hq) == "voucher-twice"
    hq.post(terminal, terminal.grow(1).batch(len(terminal.entries) - 1))
    assert sorted(hq.alarms()) == ["count-twice", "voucher-twice"], "told once"


@pytest.mark.parametrize("how", ["", "cash"])
def test_a_terminal_that_writes_what_nobody_ordered_is_an_alarm(hq, terminal, other, how):
    text = qr(issue(terminal))
    if how:
        redeem(hq, text, how)
    hq.post(other, write(other, bytes(16), NO).batch())
    assert hq.alarms() == ["voucher-unordered"]
    if not how:
        assert "on a card already" in refused(redeem, hq, text)


def test_another_amount_than_the_voucher_is_worth_is_an_alarm(hq, terminal, other):
    redeem(hq, qr(issue(terminal)), "card")
    hq.post(other, write(other, bytes(16), NO, fen=50_000).batch())
    assert hq.alarms() == ["voucher-unordered"]


def test_in_doubt_is_neither_written_nor_an_alarm(hq, terminal, other):
    redeem(hq, qr(issue(terminal)), "card")
    post = [("owed:0001:10086", -5000), (f"voucher:{NO}", 5000)]
    other.append("voucher.brought", bytes(16), post, no=NO, region="420100", fen=5000, energy=8928, count=7)
    hq.post(other, other.batch())
    assert state(hq) == "doubt" and vouchers.next_list(hq.store, NOON).rows == (ROW,)
    back = [("owed:0001:10086", 5000), (f"voucher:{NO}", -5000)]
    other.append("voucher.returned", None, back, no=NO, fen=5000)
    hq.post(other, other.batch(2))
    assert state(hq) == "card" and hq.alarms() == []


@pytest.mark.parametrize(
    "data",
    [{"no": "", "fen": 1}, {"no": "x" * 65, "fen": 1}, {"no": 5, "fen": 1}, {"no": "a", "fen": "1"}, {"no": "a"}],
)
def test_a_voucher_that_says_nonsense_is_parked(hq, terminal, data):
    terminal.append("voucher.returned", None, [], **data)
    assert hq.post(terminal, terminal.batch()).status_code == 200
    assert hq.alarms() == ["parked"]


# the books


def held(hq):
    return {row.terminal: row.held.owed_fen for row in fleet(hq.store, NOON, 7, 10**9).terminals}


def test_the_debt_is_owed_until_it_is_paid_or_on_the_card(hq, terminal, other):
    terminal.sell(bytes(16), 0, 0, [5000, 5000])
    issue(issue(terminal), no="0007-0000000001")
    hq.post(terminal, terminal.batch())
    assert held(hq) == {"0007": 10_000, "0008": 0}
    redeem(hq, "0007-0000000001", "cash")
    assert held(hq) == {"0007": 5000, "0008": 0}
    redeem(hq, NO, "card")
    assert held(hq) == {"0007": 5000, "0008": 0}
    hq.post(other, write(other, bytes(16), NO).batch())
    assert held(hq) == {"0007": 0, "0008": 0} and fleet(hq.store, NOON, 7, 10**9).balanced


# an order that can never be met


def test_an_order_under_a_count_that_another_purchase_used_up_is_released_and_redeemed_again(hq, terminal, other):
    text = qr(issue(terminal))
    redeem(hq, text, "card")
    assert "may still be met" in refused(release, hq.store, NO, "Li Si", NOON)
    hq.post(other, write(other, bytes(16), "", brings=False, fen=700).batch())
    assert f"entry 2 of {OTHER}" in release(hq.store, NO, "Li Si", NOON)
    assert state(hq) is None and vouchers.next_list(hq.store, NOON).rows == ()
    (told,) = Alarm.select().execute(hq.store.database)
    assert told.what == "voucher-released" and "Li Si" in told.detail and NO in told.detail
    redeem(hq, text, "cash")
    assert state(hq) == "cash"


@pytest.mark.parametrize("different", [{"meter": "70002"}, {"count": 8}, {"how": "found"}, {"customer": "10087"}])
def test_what_does_not_prove_that_an_order_is_dead(hq, terminal, other, different):
    redeem(hq, qr(issue(terminal)), "card")
    hq.post(other, write(other, bytes(16), "", brings=False, **different).batch())
    assert "may still be met" in refused(release, hq.store, NO, "Li Si", NOON)


def test_a_count_that_a_reversal_gave_back_proves_nothing(hq, terminal, other):
    redeem(hq, qr(issue(terminal)), "card")
    write(other, bytes(16), "", brings=False)
    work = CARD | {"function": "reverse", "count": 8, "fen": 5000, "energy": 8928, "how": "written", "bag": "B1"}
    other.append("card.done", None, [("cash:bag:B1", -5000), ("sold:0001", 5000)], **work)
    hq.post(other, other.batch())
    assert "may still be met" in refused(release, hq.store, NO, "Li Si", NOON)


def test_a_voucher_that_is_paid_written_or_not_sure_is_not_released(hq, terminal, other):
    redeem(hq, qr(issue(terminal)), "card")
    hq.post(other, write(other, bytes(16), NO).batch())
    assert "on its card" in refused(release, hq.store, NO, "Li Si", NOON)
    redeem(hq, qr(issue(terminal, no="0007-0000000001")), "cash")
    assert "no order" in refused(release, hq.store, "0007-0000000001", "Li Si", NOON)
    assert "who you are" in refused(release, hq.store, NO, " ", NOON)


# the page


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("zh-CN", ("欠款凭证", "未兑付", "已付现金", "现金 · 李四")),
        ("en", ("Vouchers", "Not redeemed", "Paid in cash", "in cash, 李四")),
    ],
)
def test_the_page_lists_what_waits_and_what_is_settled(hq, terminal, lang, words):
    redeem(hq, qr(issue(terminal)), "cash", "李四")
    issue(terminal, no="0007-0000000001", customer="<b>")
    hq.post(terminal, terminal.batch())
    page = hq.client.get(f"/vouchers?lang={lang}").text
    waiting, settled = page.split('id="settled"')
    assert all(word in page for word in words)
    assert "0007-0000000001" in waiting and NO in settled and NO not in waiting
    assert "<b>1" not in page and "&lt;b&gt;" in page
    assert f'href="/vouchers?lang={lang}"' in hq.client.get(f"/?lang={lang}").text


def test_an_empty_page(hq):
    assert "没有待处理的凭证" in hq.client.get("/vouchers?lang=zh-CN").text
