"""The vendor without a secret: its card to the byte, its meter, and a page that holds anything when it was pulled."""

import copy
import io
from types import SimpleNamespace

import pytest
from rdk_bench import LI, Rdk, build_script, pulled, state_of

from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.dialects import ACS, OMNIKEY
from kiosk.devices.reader.families import detect
from kiosk.devices.reader.omnikey.face import OmnikeyFace
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.at24 import At24
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.model.card import CardType
from kiosk.model.cardport import CardPortError

FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND = Bought(2, 3000, 5000, bytes(15) + b"\2")
THIRD = Bought(3, 2000, 3333, bytes(15) + b"\3")
ZHANG = Person(LI.region, "0099999999999", LI.meter)
SETTINGS = {DI.HOARD_LIMIT: orders.u4(60_000), DI.ALARM_2: orders.u4(500)}
NOT_MINE, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT, DAMAGED, TAKEN = 0x05, 0x0B, 0x0C, 0x0D, 0x0E, 0x13, 0x17
TEARS = ("erased", "old", "half", "page")

OPENED = """
  0  48 4C 44 01                                                mark
 16  68 01 57                                                   header: 57 bytes of data, L in BCD
 19  01                                                         kind: opened
 20  06 42 01 00 FF                                             region 420100
 25  0D 00 12 34 56 78 90 1F FF FF FF                           customer 0012345678901
 36  08 20 00 00 17 FF FF FF FF FF FF                           meter 20000017
 47  00 00 00 00                                                base count
 51  05 00 00 EA 60 00 00 00 00 00 00 01 F4                     0401 and 0403 are set: 60000, 500
 64  00 00 00 00 00 00 00 00 00 00 00 00
 76  EB 16                                                      CS
 80  A5                                                         seal
"""
PURCHASED = """
 96  68 02 35                                                   slot A: 35 bytes
 99  00 00 00 01 00 00 13 88 00 00 20 8E                        count 1, 5000 fen, 83.34 kWh
111  20 26 02 15 10 30 01                                       when
118  00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F            sale
134  97 16                                                      CS
144  A5                                                         seal
"""
WRITTEN_BACK = """
224  68 11 35                                                   write-back: 35 bytes
227  00 00 00 01 00 00 13 88 00 00 00 00 00 00 13 88            count, remaining, total
243  00 00 00 00 00 00 00 00                                    overdraft, illegal insertions
251  20 26 02 16 08 30 00 00 00 00 00                           when, status
262  13 16                                                      CS
272  A5                                                         seal
288  68 12 04 00 00 00 01 17 16                                 announcement
"""


def image_of(*tables):
    """The card as those tables say, FF where they say nothing."""
    image = bytearray(b"\xff" * 512)
    for line in "".join(tables).split("\n"):
        if line:
            at, content = int(line[:3]), bytes.fromhex(line[5:].split("   ")[0])
            image[at : at + len(content)] = content
    return bytes(image)


class Hld(Rdk):
    """The bench of the RDK sample with this vendor's library on it."""

    def blank(self, kind=At24, image=None):
        return kind(CardType.AT24C04, image or self.folder.blank)

    def ask(self, card, command, items=None):
        card.reset()
        return self.ask_port(card, command, items)

    def ask_port(self, port, command, items=None):
        driver = NativeDriver(self.library, "HLD", port, "api", -1)
        status, answer = driver.answer(1, Frame(command, pack_items(items or {})).encode(), b"")
        assert status == 0
        return parse(answer, command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "hld"
    finished.mkdir()
    script.build(script.SOURCE / "hld", finished)
    return finished


@pytest.fixture
def hld(folder, monkeypatch):
    bench = Hld(folder)
    monkeypatch.setattr(bench.meter, "time", SimpleNamespace(strftime=lambda _form: "20260216083000"))
    return bench


@pytest.fixture
def opened(hld):
    card = hld.blank()
    hld.do(card, Command.OPEN, orders.open_card(LI, settings=SETTINGS))
    return card


@pytest.fixture
def bought(hld, opened):
    hld.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    return opened


@pytest.fixture
def taken(hld, bought):
    hld.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some 14 000 calls: half a minute
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed" in page.getvalue()
    assert "0 could not be tried" in page.getvalue()
    assert "a real chip can do that too" not in page.getvalue()  # a sample stands every way its chip can be torn


# -- the card ----------------------------------------------------------------------------------------------------------


def test_the_card_after_open_is_this_to_the_byte(opened):
    assert opened.image() == image_of(OPENED)


def test_the_card_after_a_purchase_is_this_to_the_byte(bought):
    assert bought.image() == image_of(OPENED, PURCHASED)


def test_the_card_after_its_meter_is_this_to_the_byte(taken):
    assert taken.image() == image_of(OPENED, PURCHASED, WRITTEN_BACK)


def test_the_length_is_one_byte_of_bcd_and_the_sum_begins_at_the_command(taken):
    image = taken.image()
    for at in (16, 96, 224, 288):
        size = int(f"{image[at + 2]:02X}")  # BCD
        assert image[at] == 0x68
        assert image[at + size + 4] == 0x16
        assert sum(image[at + 1 : at + 3 + size]) % 256 == image[at + 3 + size]


def test_a_length_in_binary_is_damage(hld, opened):
    image = bytearray(opened.image())
    image[18] = 57
    image[76] = sum(image[17:76]) % 256
    assert hld.ask(hld.blank(image=bytes(image)), Command.READ).error == DAMAGED


def test_a_purchase_goes_to_the_meter_and_comes_back(hld, opened):
    answer = hld.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    assert state_of(answer) == (1, 1)
    assert answer.number(DI.KIND) == 1

    assert hld.insert(opened) == {"count": 1, "remaining": 5000}
    back = hld.read(opened)
    assert state_of(back) == (1, 2)
    assert (back.number(DI.METER_COUNT), back.signed(DI.REMAINING)) == (1, 5000)
    assert back.digits(DI.WRITTEN_BACK_AT) == "20260216083000"
    assert back.number(DI.KIND) == 2
    assert hld.ask(opened, Command.REVERSE, orders.reverse(LI, FIRST)).error == TAKEN

    hld.do(opened, Command.PURCHASE, orders.purchase(LI, SECOND))
    assert hld.insert(opened, use=6000) == {"count": 2, "remaining": 2000}  # what was overdrawn is paid first
    assert hld.insert(opened, use=2300) == {"count": 2, "remaining": -300}
    back = hld.read(opened)
    assert (back.signed(DI.REMAINING), back.number(DI.OVERDRAFT), back.number(DI.TOTAL_BOUGHT)) == (-300, 300, 8000)


def test_what_it_cannot_hold_is_refused_and_not_left_out(hld, opened):
    tariff = {DI.TARIFF: bytes.fromhex("0000000000001388")}
    for what, items in (
        (Command.OPEN, orders.open_card(LI, settings=tariff)),
        (Command.SET, orders.set_card(LI, {0x04F0: b"\1"})),
    ):
        card = hld.blank()
        assert hld.ask(card, what, items).error == OVER_LIMIT
        assert card.image() == hld.folder.blank
    assert hld.ask(opened, Command.PURCHASE, orders.purchase(LI, FIRST, tariff)).error == OVER_LIMIT
    assert hld.do(opened, Command.READ, tariff).number(DI.COUNT) == 0


def test_the_count_after_the_largest_is_refused(hld):
    card = hld.blank()
    hld.do(card, Command.REISSUE, orders.reissue(LI, 0xFFFFFFFF))
    for count in (0, 1, 0xFFFFFFFF):
        assert hld.ask(card, Command.PURCHASE, orders.purchase(LI, Bought(count, 100, 100))).error == COUNT


def test_anyone_can_forge_such_a_card_and_the_docs_say_so(hld, opened):
    # nothing but arithmetic stands between a stranger and a purchase; docs/sample-vendors/hld.md must not hide it
    forged = bytearray(opened.image())
    purchase = bytearray(image_of(PURCHASED)[96:160])
    purchase[7:11] = orders.u4(50_000)
    purchase[38] = sum(purchase[1:38]) % 256
    forged[96:160] = purchase
    card = hld.blank(image=bytes(forged))
    assert hld.read(card).number(DI.AMOUNT) == 50_000
    assert hld.insert(card) == {"count": 1, "remaining": 50_000}


# -- the meter keeps its side ------------------------------------------------------------------------------------------


def test_the_meter_takes_nothing_in_less_than_three_seconds(hld, bought):
    before = bought.image()
    assert hld.insert(bought, seconds=2, use=50) == {"count": 0, "remaining": 0}
    assert bought.image() == before
    assert hld.insert(bought)["count"] == 1


def test_a_copy_is_not_credited_again_whenever_it_was_made(hld, bought):
    early = copy.deepcopy(bought)
    assert hld.insert(bought) == {"count": 1, "remaining": 5000}
    assert hld.insert(early, use=34) == {"count": 1, "remaining": 4966}
    assert state_of(hld.read(early)) == (1, 2)
    hld.do(early, Command.PURCHASE, orders.purchase(LI, SECOND))
    late = copy.deepcopy(early)  # it has a write-back that knows of count 1 only
    assert hld.insert(early, use=100) == {"count": 2, "remaining": 7866}
    assert hld.insert(late) == {"count": 2, "remaining": 7866}  # by the card alone it would be 7966: credited again
    assert state_of(hld.read(late)) == (2, 2)


def test_the_meter_does_not_jump_over_a_count(hld, taken):
    lost = hld.blank()
    hld.do(lost, Command.REISSUE, orders.reissue(LI, 3, THIRD))
    assert hld.insert(lost) == {"count": 1, "remaining": 5000}
    assert state_of(hld.read(lost)) == (3, 1)


def test_the_meter_refuses_what_its_hoard_limit_forbids_though_the_card_could_not_know(hld, taken):
    other = hld.blank()
    limit = {DI.HOARD_LIMIT: orders.u4(5000 + SECOND.amount - 1)}
    hld.do(other, Command.REISSUE, orders.reissue(LI, 2, SECOND, limit))
    assert hld.insert(other) == {"count": 1, "remaining": 5000}
    assert state_of(hld.read(other)) == (2, 1)
    assert hld.insert(other, use=1) == {"count": 2, "remaining": 4999 + SECOND.amount}


def test_another_customers_card_is_counted_and_not_touched(hld, taken):
    other = hld.blank()
    hld.do(other, Command.REISSUE, orders.reissue(ZHANG, 2, SECOND))
    before = other.image()
    for _ in range(2):
        assert hld.insert(other) == {"count": 1, "remaining": 5000}
    assert other.image() == before
    hld.insert(taken)
    assert hld.read(taken).number(DI.ILLEGAL_INSERTIONS) == 2


def test_the_meter_leaves_setting_and_blank_and_damaged_cards_alone(hld, bought):
    setting, blank = hld.blank(), hld.blank()
    hld.do(setting, Command.SET, orders.set_card(LI, SETTINGS))
    image = bytearray(bought.image())
    image[40] ^= 1
    for card in (setting, blank, hld.blank(image=bytes(image))):
        before = card.image()
        assert hld.insert(card, use=5) == {"count": 0, "remaining": 0}
        assert card.image() == before


@pytest.mark.parametrize("leaves", TEARS)
def test_a_card_pulled_out_of_the_meter_is_neither_credited_twice_nor_paid_back_as_well(hld, taken, leaves):
    hld.do(taken, Command.PURCHASE, orders.purchase(LI, SECOND))
    remembered = dict(hld.meter.MEMORY)
    seen = set()
    for after in range(300):
        hld.meter.MEMORY.update(remembered)
        card = pulled(taken, after)
        card.tear_leaves = leaves
        try:
            hld.insert(card, use=4)
            break
        except CardPortError:
            credited = hld.meter.MEMORY[LI.meter].count == 2
        count, state = state_of(hld.read(card))
        seen.add((credited, state))
        assert count == 2
        assert state in (1, 3)
        if credited:  # then nothing gives the money back as well
            assert state == 3
            assert hld.ask(card, Command.REVERSE, orders.reverse(LI, SECOND)).error == NOT_TAKEN
        assert hld.ask(card, Command.PURCHASE, orders.purchase(LI, THIRD)).error == NOT_TAKEN
        assert hld.insert(card, use=0 if credited else 4) == {"count": 2, "remaining": 5000 - 4 + 3000}
        assert state_of(hld.read(card)) == (2, 2)
    assert (True, 3) in seen
    assert seen & {(False, 1), (False, 3)}
    assert after > 40


# -- a page that holds anything ----------------------------------------------------------------------------------------


def stories(hld):
    """Each writing command on a card it is for."""
    blank = hld.blank()
    opened = copy.deepcopy(blank)
    hld.do(opened, Command.OPEN, orders.open_card(LI, settings=SETTINGS))
    pending = copy.deepcopy(opened)
    hld.do(pending, Command.PURCHASE, orders.purchase(LI, FIRST))
    taken = copy.deepcopy(pending)
    hld.insert(taken)
    twice = copy.deepcopy(taken)
    hld.do(twice, Command.PURCHASE, orders.purchase(LI, SECOND))
    hld.insert(twice)
    return {
        "open": (blank, Command.OPEN, orders.open_card(LI, FIRST, SETTINGS)),
        "reissue": (blank, Command.REISSUE, orders.reissue(LI, 6, THIRD)),
        "set": (blank, Command.SET, orders.set_card(LI, SETTINGS)),
        "check": (blank, Command.CHECK, orders.check_card(LI.region)),
        "first purchase": (opened, Command.PURCHASE, orders.purchase(LI, FIRST)),
        "second purchase": (taken, Command.PURCHASE, orders.purchase(LI, SECOND)),
        "third purchase": (twice, Command.PURCHASE, orders.purchase(LI, THIRD)),
        "reverse": (pending, Command.REVERSE, orders.reverse(LI, FIRST)),
        "clear": (twice, Command.CLEAR, orders.clear(LI, 2)),
    }


NAMES = ("open", "reissue", "set", "check", "first purchase", "second purchase", "third purchase", "reverse", "clear")


@pytest.mark.parametrize("leaves", TEARS)
@pytest.mark.parametrize("name", NAMES)
def test_a_card_pulled_within_a_page_reads_as_before_or_after(hld, name, leaves):
    start, what, items = stories(hld)[name]
    before = hld.read(start).meaning()
    done = copy.deepcopy(start)
    hld.do(done, what, items)
    after = hld.read(done).meaning()
    for torn_after in range(500):
        card = pulled(start, torn_after)
        card.tear_leaves = leaves
        answer = hld.ask(card, what, items)
        where = f"{name}, pulled after {torn_after} bytes, {leaves}"
        reading = hld.read(card).meaning()
        # the older purchase is in the other slot, so nothing at all may be lost
        assert reading in (before, after), where
        hld.do(card, what, items)
        assert hld.read(card).meaning() == after, f"{where}, and repeated"
        if answer.ok:
            break
        assert (answer.error, answer.number(DI.CARD_AFTER)) == (0x11, 2)
    assert answer.ok
    assert torn_after > 0


@pytest.mark.parametrize("leaves", TEARS)
@pytest.mark.parametrize("fill", [0xFF, 0x00])
def test_a_new_card_is_opened_however_often_it_is_pulled(hld, fill, leaves):
    unused = hld.blank(image=bytes((fill,)) * 512)
    assert hld.ask(unused, Command.READ).error == NOT_MINE
    opened = copy.deepcopy(unused)
    after = hld.do(opened, Command.OPEN, orders.open_card(LI, FIRST)).meaning()
    # a card of 00 torn by chance within its first page, mark and all, is nobody's: see the page
    for torn_after in range(4 if (fill, leaves) == (0x00, "half") else 0, 700):
        card = pulled(unused, torn_after)
        card.tear_leaves = leaves
        answer = hld.ask(card, Command.OPEN, orders.open_card(LI, FIRST))
        reading = hld.ask(card, Command.READ)
        assert reading.error == NOT_MINE or reading.number(DI.KIND) == 0 or answer.ok
        hld.do(card, Command.OPEN, orders.open_card(LI, FIRST))
        assert hld.read(card).meaning() == after
        if answer.ok:
            break
    assert answer.ok


def test_a_purchase_costs_few_pages(hld, taken):
    for what, items, pages in (
        (Command.PURCHASE, orders.purchase(LI, SECOND), 4),  # three pages of frame and a seal: 20 ms
        (Command.REVERSE, orders.reverse(LI, SECOND), 1),
        (Command.PURCHASE, orders.purchase(LI, SECOND), 1),  # the frame stands there already
        (Command.REVERSE, orders.reverse(LI, SECOND), 1),
        (Command.CLEAR, orders.clear(LI, 1), 1 + 18),  # to the end of the announcement
        (Command.OPEN, orders.open_card(LI), 4 + 1),
        (Command.CLEAR, orders.clear(LI, 0), 1 + 4),  # nothing but the header is there to be erased
    ):
        before = taken.pages_written
        hld.do(taken, what, items)
        assert taken.pages_written - before == pages


# -- in real readers' words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "face"), [(ACS, AcsFace), (OMNIKEY, OmnikeyFace)])
@pytest.mark.parametrize("page", [8, 16])
def test_behind_both_makers_readers(hld, dialect, face, page):
    chip = At24(CardType.AT24C04, hld.folder.blank, page=page)  # a chip with pages of 8 is sold as the same card

    class Line:
        t0 = True
        atr = chip.atr()
        face_ = face(chip)

        def transmit(self, apdu):
            return self.face_.transmit(apdu)

    def port():
        line = Line()
        line.face_.reset()
        found = detect(line.transmit, line.atr, dialect, Choices())
        return PcscCardPort(line, found, dialect)

    for what, items in (
        (Command.OPEN, orders.open_card(LI, settings=SETTINGS)),
        (Command.PURCHASE, orders.purchase(LI, FIRST)),
    ):
        answer = hld.ask_port(port(), what, items)
        assert answer.ok, answer.said
    assert chip.image() == image_of(OPENED, PURCHASED)
    assert state_of(hld.ask_port(port(), Command.READ)) == (1, 1)
