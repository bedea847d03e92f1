"""Staff's work as a person runs it: real command, real reader, real ledger; cash at the counter adds up to the fen."""

import pytest
from counter_bench import Counter

from kiosk.drivers.contract import DI, Command
from kiosk.ledger.entry import Draft
from kiosk.model.card import CardKind, PurchaseState

pytestmark = pytest.mark.slow
WHO = ("--customer", "042000123456", "--meter", "110023456789")


@pytest.fixture
def counter(tmp_path):
    with Counter(tmp_path, ("rdk", "nlt")) as made:
        yield made


def opened(counter, name="rdk"):
    counter.blank(name)
    done = counter.card("open", *WHO, "--yuan", "50", "--bag", "B1")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("name", ["rdk", "nlt"])
def test_open_with_a_first_purchase(counter, name):
    done = opened(counter, name)
    assert "Take ¥50.00 in cash, into bag B1." in done.stdout and "opening card" in done.stdout
    reading = counter.reading(name)
    assert (reading.kind, reading.count, reading.state) == (CardKind.OPEN, 1, PurchaseState.PENDING)
    assert counter.kinds() == [
        *("sale.opened", "counter.paid", "card.intended", "write.intended"),
        *("write.done", "card.done", "sale.closed", "receipt.printed"),
    ]
    vendor = "0001" if name == "rdk" else "0002"
    assert counter.balance("cash:bag:B1") == 5000 == -counter.balance(f"sold:{vendor}")
    assert counter.balance(f"owed:{vendor}:042000123456") == 0
    assert len(counter.printer.papers) == 1
    assert {entry.data.get("operator") for entry in counter.entries() if entry.kind == "card.intended"} == {"Li Si"}


def test_open_then_purchase_then_reversal_pays_the_cash_back(counter):
    counter.blank("nlt")
    assert counter.card("open", *WHO).returncode == 0
    assert counter.card("purchase", "--yuan", "100", "--bag", "B1").returncode == 0
    assert counter.balance("cash:bag:B1") == 10_000 and counter.reading("nlt").count == 1
    done = counter.card("reverse", "--bag", "B1")
    assert done.returncode == 0 and "Give the customer ¥100.00 in cash." in done.stdout
    assert counter.balance("cash:bag:B1") == 0 == counter.balance("sold:0002")
    assert (counter.reading("nlt").count, counter.reading("nlt").state) == (0, PurchaseState.NONE)
    again = counter.card("reverse", "--bag", "B1", "--count", "1", "--yuan", "100")
    assert again.returncode == 0 and "Give the customer" not in again.stdout
    assert counter.balance("cash:bag:B1") == 0


def test_a_reversal_torn_out_is_ended_by_the_same_order_and_paid_back_once(counter):
    chip = opened(counter) and counter.chip
    chip.tear_after = 0
    done = counter.card("reverse", "--bag", "B1")
    assert done.returncode == 3 and "same order again" in done.stdout
    assert counter.balance("cash:bag:B1") == 5000
    counter.put(counter.face)
    again = counter.card("reverse", "--bag", "B1")
    assert again.returncode == 0 and "an earlier reverse has not ended" in again.stdout
    assert counter.balance("cash:bag:B1") == 0 == counter.balance("sold:0001")
    third = counter.card("reverse", "--bag", "B1", "--count", "1", "--yuan", "50", "--kwh", "89.28")
    assert third.returncode == 0 and counter.balance("cash:bag:B1") == 0


def test_the_power_went_after_the_card_gave_the_purchase_back_and_before_that_was_recorded(counter):
    opened(counter)
    what = {"function": "reverse", "vendor": "0001", "customer": WHO[1], "meter": WHO[3], "region": "420100"}
    data = {**what, "count": 1, "fen": 5000, "energy": 8928, "operator": "Li Si"}
    with counter.ledger() as ledger:
        ledger.append([Draft("card.intended", None, (), data)])
    items = {DI.CUSTOMER: WHO[1], DI.METER: WHO[3], DI.COUNT: 1, DI.AMOUNT: 5000, DI.ENERGY: 8928}
    counter.execute("rdk", Command.REVERSE, {**items, DI.WHEN: "20261125120000", DI.TERMINAL: "0007"})
    assert counter.reading("rdk").count == 0
    done = counter.card("reverse", "--bag", "B1")
    assert done.returncode == 0 and "Give the customer ¥50.00 in cash." in done.stdout, done.stdout + done.stderr
    assert counter.balance("cash:bag:B1") == 0 == counter.balance("sold:0001")


def test_an_opening_torn_out_owes_what_was_paid_and_the_card_can_be_opened_again(counter):
    chip = counter.blank("rdk")
    chip.tear_after = 20
    done = counter.card("open", *WHO, "--yuan", "50", "--bag", "B1")
    assert done.returncode == 3
    assert counter.balance("owed:0001:042000123456") == -5000 and counter.balance("cash:bag:B1") == 5000
    counter.put(counter.face)
    refused = counter.card("open", *WHO, "--yuan", "50", "--bag", "B1")
    assert refused.returncode == 1 and "C-117" in refused.stderr
    assert counter.card("open", *WHO).returncode == 0
    assert counter.reading("rdk").customer == "042000123456"
    assert counter.balance("cash:bag:B1") == 5000


def test_a_refused_purchase_gives_the_cash_back(counter):
    opened(counter)  # its purchase is still pending
    done = counter.card("purchase", "--yuan", "20", "--bag", "B1")
    assert done.returncode == 1 and "C-105" in done.stdout and "Give the customer ¥20.00 in cash." in done.stdout
    assert counter.balance("cash:bag:B1") == 5000 and counter.balance("owed:0001:042000123456") == 0


def test_reissue_clear_set_and_check_move_no_money(counter):
    counter.blank("rdk")
    done = counter.card("reissue", *WHO, "--count", "7", "--yuan", "50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (counter.reading("rdk").kind, counter.reading("rdk").count) == (CardKind.REISSUE, 7)
    refused = counter.card("clear")
    assert refused.returncode == 1 and "C-105" in refused.stdout
    assert counter.card("clear", "--insist").returncode == 0
    assert counter.reading("rdk").kind is CardKind.BLANK
    assert counter.card("set", "--setting", "hoard-limit=1000").returncode == 0
    assert counter.reading("rdk").kind is CardKind.SET and counter.reading("rdk").hoard_limit == 100_000
    assert counter.card("clear").returncode == 0
    assert counter.card("check").returncode == 0
    assert counter.reading("rdk").kind is CardKind.CHECK
    assert all(not entry.post for entry in counter.entries())
    assert counter.kinds().count("card.done") == 5


def test_a_card_of_another_region_is_refused_for_every_function(counter):
    from kiosk.desk.cards import open_card

    card = open_card(counter.vendors["rdk"], "042000123456", "110023456789", region="110000")
    counter.chip, before = card.chip, card.chip.image()
    counter.put(card.face)
    for words in (
        ("read",),
        ("open", *WHO),
        ("purchase", "--yuan", "50", "--bag", "B1"),
        ("reissue", *WHO, "--count", "1"),
        ("clear", "--insist"),
        ("set", "--setting", "hoard-limit=10"),
        ("check",),
        ("reverse", "--bag", "B1"),
    ):
        done = counter.card(*words)
        assert done.returncode == 1 and "C-103" in done.stderr, words
    assert card.chip.image() == before and counter.kinds() == []


def test_without_a_yes_nothing_happens(counter):
    chip = counter.blank("rdk")
    before = chip.image()
    done = counter.card("open", *WHO, answer="no\n", language="zh-CN")
    assert done.returncode == 1 and "没有办理" in done.stdout
    assert chip.image() == before and counter.kinds() == []


def test_a_card_without_a_mark_becomes_the_vendors_only_if_the_operator_says_so(counter):
    from kiosk.devices.reader.acs.face import AcsFace
    from kiosk.devices.reader.virtual.sle4442 import Sle4442
    from kiosk.drivers.sdk.kit.folder import load_folder

    counter.chip = Sle4442(secret=load_folder(counter.vendors["rdk"]).secret)
    counter.put(AcsFace(counter.chip))
    refused = counter.card("open", *WHO)
    assert refused.returncode == 1 and "C-101" in refused.stderr
    done = counter.card("open", *WHO, "--vendor", "rdk")
    assert done.returncode == 0 and "no vendor's mark" in done.stdout, done.stdout + done.stderr
    assert counter.reading("rdk").kind is CardKind.OPEN


def test_a_damaged_card_is_cleared_when_staff_insist(counter):
    opened(counter)
    counter.chip._main[60] ^= 0xFF
    refused = counter.card("clear")
    assert refused.returncode == 2 and "insist" in refused.stderr
    assert counter.card("clear", "--insist").returncode == 0
    assert counter.reading("rdk").kind is CardKind.BLANK


def test_no_card_and_no_operator(counter):
    counter.slot.remove()
    done = counter.card("read", "--wait", "1")
    assert done.returncode == 1 and "C-202" in done.stderr
    done = counter.card("open", "--operator", "")
    assert done.returncode == 2 and "--operator" in done.stderr


def test_while_the_kiosk_has_the_ledger_the_command_says_so(counter):
    with counter.ledger():
        done = counter.card("read")
    assert done.returncode == 1 and "L-506" in done.stderr


def test_what_stops_the_kiosks_selling_stops_the_counter(counter):
    from kiosk.sync.state import SyncStateFile

    chip = counter.blank("rdk")
    before = chip.image()
    state = SyncStateFile(counter.town.kiosk / "sync.db", "power.example/kiosk/420100/0007/1")
    for change, code in (({"stop_selling": True}, "L-503"), ({"stop_selling": False, "quarantined": True}, "L-504")):
        state.change(**change)
        refused = counter.card("open", *WHO, "--yuan", "50", "--bag", "B1")
        assert refused.returncode == 1 and code in refused.stderr
    state.close()
    assert counter.card("read").returncode == 0
    assert chip.image() == before and counter.kinds() == []


def test_a_sale_nobody_knows_the_end_of_is_not_to_be_given_again(counter):
    chip = counter.blank("rdk")
    chip.tear_after = 20
    done = counter.card("open", *WHO, "--yuan", "50", "--bag", "B1")
    assert done.returncode == 3 and "start the kiosk" in done.stdout and "same order again" not in done.stdout
    counter.put(counter.face)
    assert "has not ended" not in counter.card("read").stdout


def test_words_no_card_can_hold_are_asked_wrongly_and_nothing_is_recorded(counter):
    counter.blank("rdk")
    done = counter.card("open", "--customer", "A1", "--meter", "1", "--yuan", "50", "--bag", "B1")
    assert done.returncode == 2 and "0203" in done.stderr and counter.kinds() == []


def test_a_reversal_over_another_waiting_purchase_is_paid_after_a_power_cut(tmp_path):
    """TLY's cards hold several; the driver answers 0D to the repeated call, for the older purchase still waits."""
    with Counter(tmp_path, ("tly",)) as counter:
        opened(counter, "tly")
        assert counter.card("purchase", "--yuan", "20", "--bag", "B1").returncode == 0
        what = {"function": "reverse", "vendor": "0005", "customer": WHO[1], "meter": WHO[3], "region": "420100"}
        with counter.ledger() as ledger:
            data = {**what, "count": 2, "fen": 2000, "energy": 3571, "operator": "Li Si"}
            ledger.append([Draft("card.intended", None, (), data)])
        items = {DI.CUSTOMER: WHO[1], DI.METER: WHO[3], DI.COUNT: 2, DI.AMOUNT: 2000, DI.ENERGY: 3571}
        counter.execute("tly", Command.REVERSE, {**items, DI.WHEN: "20261125120000", DI.TERMINAL: "0007"})
        assert counter.reading("tly").count == 1
        done = counter.card("reverse", "--bag", "B1")
        assert done.returncode == 0 and "Give the customer ¥20.00 in cash." in done.stdout, done.stdout + done.stderr
        assert counter.balance("cash:bag:B1") == 5000 == -counter.balance("sold:0005")
        done = counter.card("reverse", "--bag", "B1")
        assert done.returncode == 0 and counter.balance("cash:bag:B1") == 0
