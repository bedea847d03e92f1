"""The AT88SC102 vendor: its card to the byte, its meter, and cards pulled while a word is being erased or written."""

import binascii
import copy
import io
from types import SimpleNamespace

import pytest
from rdk_bench import build_script, state_of

from kiosk.devices.reader.acs.at88sc102 import At88sc102Commands
from kiosk.devices.reader.acs.face import AcsFace
from kiosk.devices.reader.acs.select import AT88SC102, select
from kiosk.devices.reader.commands import Choices
from kiosk.devices.reader.ports import PcscCardPort
from kiosk.devices.reader.virtual.at88sc102 import At88sc102
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.model.card import CardType
from kiosk.model.cardport import CardPortError

AN = Person("420100", "001234567890", "20000017")
FIRST, SECOND, THIRD = Bought(1, 5000, 8334), Bought(2, 3000, 5000), Bought(3, 2000, 3333)
SETTINGS = {DI.HOARD_LIMIT: orders.u4(60_000), DI.ALARM_1: orders.u4(500)}
NOT_MINE, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT, DAMAGED, TAKEN = 0x05, 0x0B, 0x0C, 0x0D, 0x0E, 0x13, 0x17
TEARS = (pytest.param("old", marks=pytest.mark.slow), "erased", "part")

OPENED = """
  2  41 58 4E 01                                                mark
  6  01 42 01 00 FF                                             opened, region 420100
 11  00 12 34 56 78 90 20 00 00 17 FF FF                        customer 001234567890, meter 20000017
 23  00 00 00 00 06 00 00 00 00 05 00                           base count, 0401 600.00 kWh, 0402 5.00 kWh
 34  D8 3C A5 5A                                                CRC, seal
"""
PURCHASED = """
 38  00 00 01 00 00 83 34 00 00 50 00                           count 1, 83.34 kWh, 50.00 yuan
 49  20 26 02 15 10 30 01                                       when
 56  AC 20 A5 5A                                                CRC, seal
"""
WRITTEN_BACK = """
 88  00 00 01 00 00 00 83 34 00 00 00 83 34                     count, remaining, total
101  00 00 20 26 02 16 08 30 00                                 illegal insertions, when
110  F1 7F A5 5A                                                CRC, seal
114  00 00 00 01 94 E1                                          announcement, its CRC
"""


class Axn:
    """The finished vendor folder; each has a meter of its own that has met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        self.library = str(self.folder.manifest.driver.path)
        self.meter = load_python(folder / "conformance" / "meter.py")

    def blank(self, image=None):
        return At88sc102(image or self.folder.blank, self.folder.secret)

    def ask(self, card, what, items=None, port=None):
        card.reset()
        driver = NativeDriver(self.library, "AXN", port or card, "api", -1)
        status, answer = driver.answer(1, Frame(what, pack_items(items or {})).encode(), self.folder.password.encode())
        assert status == 0
        return parse(answer, what)

    def do(self, card, what, items=None):
        answer = self.ask(card, what, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        return self.do(card, Command.READ)

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def image_of(*tables):
    """Both zones as those tables say, FF where they say nothing."""
    image = bytearray(b"\xff" * 128)
    for line in "".join(tables).split("\n"):
        if line:
            at, content = int(line[:3]), bytes.fromhex(line[5:].split("   ")[0])
            image[at : at + len(content)] = content
    return bytes(image)


def zones(card):
    return card.read(1, 0, 64) + card.read(2, 0, 64)


def torn(card, after, leaves):
    """A copy of the card that is pulled after so many bytes."""
    other = copy.deepcopy(card)
    other.tear_after, other.tear_leaves = after, leaves
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "axn"
    finished.mkdir()
    script.build(script.SOURCE / "axn", finished)
    return finished


@pytest.fixture
def axn(folder, monkeypatch):
    bench = Axn(folder)
    monkeypatch.setattr(bench.meter, "time", SimpleNamespace(strftime=lambda _form: "20260216083000"))
    return bench


@pytest.fixture
def opened(axn):
    card = axn.blank()
    axn.do(card, Command.OPEN, orders.open_card(AN, settings=SETTINGS))
    return card


@pytest.fixture
def bought(axn, opened):
    axn.do(opened, Command.PURCHASE, orders.purchase(AN, FIRST))
    return opened


@pytest.fixture
def taken(axn, bought):
    axn.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some ten thousand calls: half a minute
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed, 5 not offered, 0 could not be tried" in page.getvalue()  # the five are for meters with keypads
    assert "a real chip can do that too" not in page.getvalue()  # a sample stands every way its chip can be torn


def test_the_card_after_open_is_this_to_the_byte(opened):
    assert zones(opened) == image_of(OPENED)


def test_the_card_after_a_purchase_is_this_to_the_byte(bought):
    assert zones(bought) == image_of(OPENED, PURCHASED)


def test_the_card_after_its_meter_is_this_to_the_byte(taken):
    assert zones(taken) == image_of(OPENED, PURCHASED, WRITTEN_BACK)


def test_records_begin_and_end_with_a_word_and_their_check_is_the_crc_the_page_names(taken):
    image = zones(taken)
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1
    for at, size in ((6, 28), (38, 18), (88, 22), (114, 4)):
        assert (at % 2, size % 2) == (0, 0)
        assert image[at + size : at + size + 2] == binascii.crc_hqx(image[at : at + size], 0xFFFF).to_bytes(2, "big")


def test_the_next_purchase_stands_in_the_other_zone(axn, taken):
    axn.do(taken, Command.PURCHASE, orders.purchase(AN, SECOND))
    image = zones(taken)
    assert image[38:60] == image_of(PURCHASED)[38:60]
    assert image[66:77].hex() == "0000020000500000003000"
    axn.insert(taken)
    axn.do(taken, Command.PURCHASE, orders.purchase(AN, THIRD))
    assert zones(taken)[38:42].hex() == "00000300"


def test_a_purchase_goes_to_the_meter_and_comes_back(axn, opened):
    answer = axn.do(opened, Command.PURCHASE, orders.purchase(AN, FIRST))
    assert (state_of(answer), answer.number(DI.KIND), answer.digits(DI.WHEN)) == ((1, 1), 1, "20260215103001")
    assert axn.insert(opened) == {"count": 1, "remaining": 8334}
    back = axn.read(opened)
    assert (state_of(back), back.number(DI.KIND)) == ((1, 2), 2)
    assert (back.number(DI.METER_COUNT), back.signed(DI.REMAINING)) == (1, 8334)
    assert back.digits(DI.WRITTEN_BACK_AT) == "20260216083000"
    assert axn.ask(opened, Command.REVERSE, orders.reverse(AN, FIRST)).error == TAKEN

    axn.do(opened, Command.PURCHASE, orders.purchase(AN, SECOND))
    assert axn.insert(opened, use=9000) == {"count": 2, "remaining": 8334 - 9000 + 5000}
    assert axn.insert(opened, use=5000) == {"count": 2, "remaining": -666}
    back = axn.read(opened)
    assert (back.signed(DI.REMAINING), back.number(DI.OVERDRAFT), back.number(DI.TOTAL_BOUGHT)) == (-666, 666, 13334)
    axn.do(opened, Command.PURCHASE, orders.purchase(AN, THIRD))
    assert axn.insert(opened) == {"count": 3, "remaining": 3333 - 666}  # what is owed is paid first


# -- the meter keeps its side ------------------------------------------------------------------------------------------


def test_the_meter_takes_nothing_in_less_than_three_seconds(axn, bought):
    before = zones(bought)
    assert axn.insert(bought, seconds=2, use=50) == {"count": 0, "remaining": 0}
    assert zones(bought) == before


def test_a_copy_made_before_the_meter_took_it_is_not_credited_again(axn, bought):
    clone = copy.deepcopy(bought)
    assert axn.insert(bought) == {"count": 1, "remaining": 8334}
    assert axn.insert(clone, use=34) == {"count": 1, "remaining": 8300}
    assert state_of(axn.read(clone)) == (1, 2)


def test_the_meter_neither_jumps_over_a_count_nor_over_its_hoard_limit(axn, taken):
    lost, full = axn.blank(), axn.blank()
    axn.do(lost, Command.REISSUE, orders.reissue(AN, 3, THIRD))
    assert axn.insert(lost) == {"count": 1, "remaining": 8334}
    limit = {DI.HOARD_LIMIT: orders.u4(8334 + SECOND.energy - 1)}
    axn.do(full, Command.REISSUE, orders.reissue(AN, 2, SECOND, limit))  # a new card knows nothing of what remains
    assert axn.insert(full) == {"count": 1, "remaining": 8334}
    assert axn.insert(full, use=1) == {"count": 2, "remaining": 8333 + SECOND.energy}


def test_a_card_with_a_broken_purchase_is_an_illegal_insertion(axn, taken):
    image = bytearray(zones(taken))
    image[41] ^= 0x10
    broken = axn.blank(bytes(image))
    assert axn.ask(broken, Command.READ).error == DAMAGED
    assert axn.insert(broken) == {"count": 1, "remaining": 8334}
    assert zones(broken) == bytes(image)
    axn.insert(taken)
    assert axn.read(taken).number(DI.ILLEGAL_INSERTIONS) == 1


@pytest.mark.parametrize("leaves", TEARS)
def test_a_card_pulled_out_of_the_meter_is_neither_credited_twice_nor_paid_back_as_well(axn, taken, leaves):
    axn.do(taken, Command.PURCHASE, orders.purchase(AN, SECOND))
    remembered = dict(axn.meter.MEMORY)
    seen = set()
    for after in range(100):
        axn.meter.MEMORY.update(remembered)
        card = axn.blank(zones(taken))
        card.tear_after, card.tear_leaves = after, leaves
        try:
            axn.insert(card, use=4)
            break
        except CardPortError:
            credited = axn.meter.MEMORY[AN.meter].count == 2
        count, state = state_of(axn.read(card))
        seen.add((credited, state))
        assert count == 2
        assert state in (1, 3)
        if credited:  # then nothing gives the money back as well
            assert axn.ask(card, Command.REVERSE, orders.reverse(AN, SECOND)).error == NOT_TAKEN
        assert axn.ask(card, Command.PURCHASE, orders.purchase(AN, THIRD)).error == NOT_TAKEN
        assert axn.insert(card, use=0 if credited else 4) == {"count": 2, "remaining": 8334 - 4 + 5000}
        assert state_of(axn.read(card)) == (2, 2)
    assert {(False, 3), (True, 3)} <= seen
    assert after > 20


# -- cards pulled while a word is being erased or written --------------------------------------------------------------


def stories(axn):
    """Each writing command on a card it is for."""
    blank = axn.blank()
    opened = copy.deepcopy(blank)
    axn.do(opened, Command.OPEN, orders.open_card(AN, settings=SETTINGS))
    pending = copy.deepcopy(opened)
    axn.do(pending, Command.PURCHASE, orders.purchase(AN, FIRST))
    taken = copy.deepcopy(pending)
    axn.insert(taken)
    twice = copy.deepcopy(taken)
    axn.do(twice, Command.PURCHASE, orders.purchase(AN, SECOND))
    axn.insert(twice)
    cleared = copy.deepcopy(twice)
    axn.do(cleared, Command.CLEAR, orders.clear(AN, 2))
    return {
        "open": (cleared, Command.OPEN, orders.open_card(AN, FIRST, SETTINGS)),
        "reissue": (blank, Command.REISSUE, orders.reissue(AN, 6, THIRD)),
        "set": (blank, Command.SET, orders.set_card(AN, SETTINGS)),
        "check": (blank, Command.CHECK, orders.check_card(AN.region)),
        "first purchase": (opened, Command.PURCHASE, orders.purchase(AN, FIRST)),
        "second purchase": (taken, Command.PURCHASE, orders.purchase(AN, SECOND)),
        "third purchase": (twice, Command.PURCHASE, orders.purchase(AN, THIRD)),
        "reverse": (pending, Command.REVERSE, orders.reverse(AN, FIRST)),
        "clear": (twice, Command.CLEAR, orders.clear(AN, 2)),
    }


NAMES = ("open", "reissue", "set", "check", "first purchase", "second purchase", "third purchase", "reverse", "clear")


@pytest.mark.parametrize("leaves", TEARS)
@pytest.mark.parametrize("name", NAMES)
def test_a_card_pulled_within_a_word_reads_as_before_or_after(axn, name, leaves):
    start, what, items = stories(axn)[name]
    before = axn.read(start).meaning()
    done = copy.deepcopy(start)
    axn.do(done, what, items)
    after = axn.read(done).meaning()
    for torn_after in range(200):
        card = torn(start, torn_after, leaves)
        answer = axn.ask(card, what, items)
        assert axn.read(card).meaning() in (before, after), f"{name}, pulled after {torn_after} bytes"
        axn.do(card, what, items)
        assert axn.read(card).meaning() == after, f"{name}, pulled after {torn_after} bytes and repeated"
        if answer.ok:
            break
        assert (answer.error, answer.number(DI.CARD_AFTER)) == (0x11, 2)
    assert answer.ok
    assert torn_after > 0


@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
@pytest.mark.parametrize("leaves", TEARS)
def test_an_unused_card_is_opened_however_often_it_is_pulled(axn, fill, leaves):
    unused = axn.blank(fill * 128)
    assert axn.ask(unused, Command.READ).error == NOT_MINE
    opened = copy.deepcopy(unused)
    after = axn.do(opened, Command.OPEN, orders.open_card(AN, FIRST)).meaning()
    for torn_after in range(200):
        card = torn(unused, torn_after, leaves)
        answer = axn.ask(card, Command.OPEN, orders.open_card(AN, FIRST))
        reading = axn.ask(card, Command.READ)
        assert reading.error == NOT_MINE or reading.number(DI.KIND) == 0 or answer.ok
        axn.do(card, Command.OPEN, orders.open_card(AN, FIRST))
        assert axn.read(card).meaning() == after
        if answer.ok:
            break
    assert answer.ok
    assert zones(opened)[:2] + zones(opened)[64:66] == fill * 4  # the access bits are the chip's


# -- what the kit does not try -----------------------------------------------------------------------------------------


def test_what_it_cannot_hold_is_refused_and_not_cut_short(axn, opened):
    tariff = {DI.TARIFF: bytes.fromhex("0000000000001388")}
    long = Person(AN.region, "1" * 13, AN.meter)
    for what, items in (
        (Command.OPEN, orders.open_card(long)),
        (Command.OPEN, orders.open_card(AN, settings=tariff)),
        (Command.OPEN, orders.open_card(AN, settings={DI.HOARD_LIMIT: orders.u4(100_000_000)})),
        (Command.OPEN, orders.open_card(AN, Bought(1, 100_000_000, 5))),
        (Command.SET, orders.set_card(AN, {DI.ALARM_2: orders.u4(5)})),
        (Command.REISSUE, orders.reissue(AN, 1_000_000)),
    ):
        card = axn.blank()
        assert axn.ask(card, what, items).error == OVER_LIMIT
        assert zones(card) == axn.folder.blank
    assert axn.ask(opened, Command.PURCHASE, orders.purchase(AN, FIRST, tariff)).error == OVER_LIMIT
    assert axn.ask(opened, Command.OPEN, orders.open_card(long)).error == NOT_BLANK


def test_the_largest_count_is_the_last(axn):
    card = axn.blank()
    axn.do(card, Command.REISSUE, orders.reissue(AN, 999_998))
    axn.do(card, Command.PURCHASE, orders.purchase(AN, Bought(999_999, 100, 100)))
    axn.insert(card)
    assert state_of(axn.read(card)) == (999_999, 2)
    assert axn.ask(card, Command.PURCHASE, orders.purchase(AN, Bought(1_000_000, 100, 100))).error == OVER_LIMIT


def test_a_byte_that_is_no_digit_under_a_good_check_is_damage(axn, bought):
    image = bytearray(zones(bought))
    image[40] = 0x0A  # the count
    image[56:58] = binascii.crc_hqx(bytes(image[38:56]), 0xFFFF).to_bytes(2, "big")
    assert axn.ask(axn.blank(bytes(image)), Command.READ).error == DAMAGED


def test_it_sells_through_an_acs_reader(axn, opened):
    face = AcsFace(opened)
    line = SimpleNamespace(transmit=face.transmit, atr=face.reset(), t0=False)

    def port():
        face.reset()
        assert select(face.transmit, AT88SC102)
        return PcscCardPort(line, CardType.AT88SC102)

    bought = axn.ask(_Powered(), Command.PURCHASE, orders.purchase(AN, FIRST), port())
    assert (bought.ok, state_of(bought)) == (True, (1, 1))
    assert zones(opened) == image_of(OPENED, PURCHASED)
    axn.meter.insert(port())
    assert zones(opened) == image_of(OPENED, PURCHASED, WRITTEN_BACK)
    assert At88sc102Commands(line, Choices()).tries_left(0) == 4


class _Powered:
    """Stands where a card would be powered afresh; the port was made for one."""

    def reset(self):
        return b""
