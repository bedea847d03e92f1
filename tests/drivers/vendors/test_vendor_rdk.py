"""The native sample vendor: its card to the byte, its meter, and cards pulled while a byte is being written."""

import binascii
import copy
import ctypes
import io
from types import SimpleNamespace

import pytest
from rdk_bench import FIRST, LI, SECOND, THIRD, HalfWritten, Rdk, build_script, pulled, state_of

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.native import IcdevApi, NativeDriver
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.model.cardport import CardPortError

SETTINGS = {DI.HOARD_LIMIT: orders.u4(60_000), DI.ALARM_2: orders.u4(500)}
NOT_MINE, NOT_TAKEN, COUNT, OVER_LIMIT, TAKEN = 0x05, 0x0C, 0x0D, 0x0E, 0x17

OPENED = """
 32  52 44 4B 01                                                mark
 36  01                                                         kind: opened
 37  06 42 01 00 FF                                             region 420100
 42  0D 00 12 34 56 78 90 1F FF FF FF                           customer 0012345678901
 53  08 20 00 00 17 FF FF FF FF FF FF                           meter 20000017
 64  00 00 00 00                                                base count
 68  05 00 00 EA 60 00 00 00 00 00 00 01 F4                     0401 and 0403 are set: 60000, 500
 81  00 00 00 00 00 00 00 00 00 00 00 00
 93  4B A0 A5                                                   CRC, seal
"""
PURCHASED = """
 96  00 00 00 01 00 00 13 88 00 00 20 8E                        count 1, 5000 fen, 83.34 kWh
108  20 26 02 15 10 30 01                                       when
115  00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F            sale
131  4B 61 A5                                                   CRC, seal
"""
WRITTEN_BACK = """
172  00 00 00 01 00 00 20 8E 00 00 00 00 00 00 20 8E            count, remaining, total
188  00 00 00 00 00 00 00 00                                    overdraft, illegal insertions
196  20 26 02 16 08 30 00 00 00 00 00                           when, status
207  FD 92 A5                                                   CRC, seal
210  00 00 00 01 94 E1                                          announcement, its CRC
"""


def image_of(*tables):
    """The user's bytes as those tables say, FF where they say nothing."""
    image = bytearray(b"\xff" * 256)
    for line in "".join(tables).split("\n"):
        if line:
            at, content = int(line[:3]), bytes.fromhex(line[5:].split("   ")[0])
            image[at : at + len(content)] = content
    return bytes(image[32:])


def users(card):
    return card.read(0, 32, 224)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "rdk"
    finished.mkdir()
    script.build(script.SOURCE / "rdk", finished)
    return finished


@pytest.fixture
def rdk(folder, monkeypatch):
    bench = Rdk(folder)
    monkeypatch.setattr(bench.meter, "time", SimpleNamespace(strftime=lambda _form: "20260216083000"))
    return bench


@pytest.fixture
def opened(rdk):
    card = rdk.blank()
    rdk.do(card, Command.OPEN, orders.open_card(LI, settings=SETTINGS))
    return card


@pytest.fixture
def bought(rdk, opened):
    rdk.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    return opened


@pytest.fixture
def taken(rdk, bought):
    rdk.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some 7000 calls: five seconds
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert "0 failed, 5 not offered, 0 could not be tried" in page.getvalue()  # the five are for meters with keypads


def test_the_card_after_open_is_this_to_the_byte(opened):
    assert users(opened) == image_of(OPENED)


def test_the_card_after_a_purchase_is_this_to_the_byte(bought):
    assert users(bought) == image_of(OPENED, PURCHASED)


def test_the_card_after_its_meter_is_this_to_the_byte(taken):
    assert users(taken) == image_of(OPENED, PURCHASED, WRITTEN_BACK)


def test_the_check_is_the_crc_the_page_names(taken):
    image = taken.read(0, 0, 256)
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1  # CRC-16/CCITT-FALSE as the catalogues give it
    for at, size in ((36, 57), (96, 35), (172, 35), (210, 4)):
        assert image[at + size : at + size + 2] == binascii.crc_hqx(image[at : at + size], 0xFFFF).to_bytes(2, "big")


def test_a_purchase_goes_to_the_meter_and_comes_back(rdk, opened):
    answer = rdk.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    assert state_of(answer) == (1, 1)
    assert answer.number(DI.KIND) == 1

    assert rdk.insert(opened) == {"count": 1, "remaining": 8334}
    back = rdk.read(opened)
    assert state_of(back) == (1, 2)
    assert (back.number(DI.METER_COUNT), back.signed(DI.REMAINING)) == (1, 8334)
    assert back.digits(DI.WRITTEN_BACK_AT) == "20260216083000"
    assert back.number(DI.KIND) == 2
    assert rdk.ask(opened, Command.REVERSE, orders.reverse(LI, FIRST)).error == TAKEN

    rdk.do(opened, Command.PURCHASE, orders.purchase(LI, SECOND))
    assert rdk.insert(opened, use=9000) == {"count": 2, "remaining": 8334 - 9000 + 5000}
    assert rdk.insert(opened, use=5000) == {"count": 2, "remaining": -666}
    back = rdk.read(opened)
    assert (back.signed(DI.REMAINING), back.number(DI.OVERDRAFT), back.number(DI.TOTAL_BOUGHT)) == (-666, 666, 13334)


def test_the_older_purchase_stays_readable_while_the_next_is_written(rdk, taken):
    rdk.do(taken, Command.PURCHASE, orders.purchase(LI, SECOND))
    reversed_answer = rdk.do(taken, Command.REVERSE, orders.reverse(LI, SECOND))
    assert state_of(reversed_answer) == (1, 2)
    assert reversed_answer.number(DI.ENERGY) == FIRST.energy


# -- the meter keeps its side ------------------------------------------------------------------------------------------


def test_the_meter_takes_nothing_in_less_than_three_seconds(rdk, bought):
    before = users(bought)
    assert rdk.insert(bought, seconds=2, use=50) == {"count": 0, "remaining": 0}
    assert users(bought) == before
    assert rdk.insert(bought)["count"] == 1


def test_a_copy_made_before_the_meter_took_it_is_not_credited_again(rdk, bought):
    clone = copy.deepcopy(bought)
    assert rdk.insert(bought, use=0) == {"count": 1, "remaining": 8334}
    assert rdk.insert(clone, use=34) == {"count": 1, "remaining": 8300}
    assert state_of(rdk.read(clone)) == (1, 2)


def test_the_meter_does_not_jump_over_a_count(rdk, taken):
    lost = rdk.blank()
    rdk.do(lost, Command.REISSUE, orders.reissue(LI, 3, THIRD))
    assert rdk.insert(lost) == {"count": 1, "remaining": 8334}
    assert state_of(rdk.read(lost)) == (3, 1)


def test_the_meter_refuses_what_its_hoard_limit_forbids_though_the_card_could_not_know(rdk, taken):
    other = rdk.blank()
    limit = {DI.HOARD_LIMIT: orders.u4(8334 + SECOND.energy - 1)}
    rdk.do(other, Command.REISSUE, orders.reissue(LI, 2, SECOND, limit))  # a new card knows nothing of what remains
    assert rdk.insert(other) == {"count": 1, "remaining": 8334}
    assert state_of(rdk.read(other)) == (2, 1)
    assert rdk.insert(other, use=1) == {"count": 2, "remaining": 8333 + SECOND.energy}


def test_the_meter_leaves_setting_and_blank_and_damaged_cards_alone(rdk, bought):
    setting, blank = rdk.blank(), rdk.blank()
    rdk.do(setting, Command.SET, orders.set_card(LI, SETTINGS))
    image = bytearray(bought.read(0, 0, 256))
    image[40] ^= 1
    for card in (setting, blank, rdk.blank(image=bytes(image))):
        before = card.image()
        assert rdk.insert(card, use=5) == {"count": 0, "remaining": 0}
        assert card.image() == before


@pytest.mark.parametrize("kind", [Sle4442, HalfWritten])
def test_a_card_pulled_out_of_the_meter_is_neither_credited_twice_nor_paid_back_as_well(rdk, taken, kind):
    rdk.do(taken, Command.PURCHASE, orders.purchase(LI, SECOND))
    remembered = dict(rdk.meter.MEMORY)
    seen = set()
    for after in range(300):
        rdk.meter.MEMORY.update(remembered)
        card = rdk.blank(kind, taken.read(0, 0, 256))
        card.tear_after = after
        try:
            rdk.insert(card, use=4)
            break
        except CardPortError:
            credited = rdk.meter.MEMORY[LI.meter].count == 2
        count, state = state_of(rdk.read(card))
        seen.add((credited, state))
        assert count == 2
        assert state in (1, 2, 3)  # pulled at the very last byte, that byte may be there
        if credited:  # then nothing gives the money back as well
            assert rdk.ask(card, Command.REVERSE, orders.reverse(LI, SECOND)).error in (NOT_TAKEN, TAKEN)
        if state != 2:
            assert rdk.ask(card, Command.PURCHASE, orders.purchase(LI, THIRD)).error == NOT_TAKEN
        assert rdk.insert(card, use=0 if credited else 4) == {"count": 2, "remaining": 8334 - 4 + 5000}
        assert state_of(rdk.read(card)) == (2, 2)
    assert {(False, 3), (True, 3)} <= seen
    assert after > 40


# -- what the kit does not try -----------------------------------------------------------------------------------------


def stories(rdk):
    """Each writing command on a card it is for."""
    blank = rdk.blank()
    opened = copy.deepcopy(blank)
    rdk.do(opened, Command.OPEN, orders.open_card(LI, settings=SETTINGS))
    pending = copy.deepcopy(opened)
    rdk.do(pending, Command.PURCHASE, orders.purchase(LI, FIRST))
    taken = copy.deepcopy(pending)
    rdk.insert(taken)
    twice = copy.deepcopy(taken)
    rdk.do(twice, Command.PURCHASE, orders.purchase(LI, SECOND))
    rdk.insert(twice)
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


@pytest.mark.parametrize("name", NAMES)
def test_a_card_pulled_within_a_byte_reads_as_before_or_after(rdk, name):
    start, what, items = stories(rdk)[name]
    before = rdk.read(start).meaning()
    done = copy.deepcopy(start)
    rdk.do(done, what, items)
    after = rdk.read(done).meaning()
    for torn_after in range(300):
        card = rdk.blank(HalfWritten, start.read(0, 0, 256))
        card.tear_after = torn_after
        answer = rdk.ask(card, what, items)
        assert rdk.read(card).meaning() in (before, after), f"{name}, pulled after {torn_after} bytes"
        rdk.do(card, what, items)
        assert rdk.read(card).meaning() == after, f"{name}, pulled after {torn_after} bytes and repeated"
        if answer.ok:
            break
        assert (answer.error, answer.number(DI.CARD_AFTER)) == (0x11, 2)
    assert answer.ok
    assert torn_after > 0


def test_a_card_full_of_00_is_opened_however_often_it_is_pulled(rdk):
    unused = rdk.blank(image=rdk.folder.blank[:32] + bytes(224))
    assert rdk.ask(unused, Command.READ).error == NOT_MINE
    opened = copy.deepcopy(unused)
    after = rdk.do(opened, Command.OPEN, orders.open_card(LI, FIRST)).meaning()
    for torn_after in range(300):
        for leaves in ("old", "erased"):
            card = pulled(unused, torn_after)
            card.tear_leaves = leaves
            answer = rdk.ask(card, Command.OPEN, orders.open_card(LI, FIRST))
            reading = rdk.ask(card, Command.READ)
            assert reading.error == NOT_MINE or reading.number(DI.KIND) == 0 or answer.ok
            rdk.do(card, Command.OPEN, orders.open_card(LI, FIRST))
            assert rdk.read(card).meaning() == after
    assert answer.ok


def test_what_it_cannot_hold_is_refused_and_not_left_out(rdk, opened):
    tariff = {DI.TARIFF: bytes.fromhex("0000000000001388")}
    for what, items in (
        (Command.OPEN, orders.open_card(LI, settings=tariff)),
        (Command.SET, orders.set_card(LI, {0x04F0: b"\1"})),
    ):
        card = rdk.blank()
        assert rdk.ask(card, what, items).error == OVER_LIMIT
        assert users(card) == users(rdk.blank())
    assert rdk.ask(opened, Command.PURCHASE, orders.purchase(LI, FIRST, tariff)).error == OVER_LIMIT
    assert rdk.do(opened, Command.READ, tariff).number(DI.COUNT) == 0  # of no use to READ: ignored


def test_the_count_after_the_largest_is_refused(rdk):
    card = rdk.blank()
    rdk.do(card, Command.REISSUE, orders.reissue(LI, 0xFFFFFFFF))
    for count in (0, 1, 0xFFFFFFFF):
        request = orders.purchase(LI, orders.Bought(count, 100, 100))
        assert rdk.ask(card, Command.PURCHASE, request).error == COUNT


def test_a_host_that_offers_too_little_is_refused(rdk):
    library = ctypes.CDLL(rdk.library)
    table = NativeDriver(rdk.library, "RDK", rdk.blank(), "api", -1)._api  # a good one, which was taken
    assert library.RDKIcardBind(None) < 0
    assert library.RDKIcardBind(ctypes.byref(IcdevApi(size=ctypes.sizeof(IcdevApi)))) < 0  # long enough, but empty
    table.size = IcdevApi.transmit.offset  # an older host, without the call this driver does not use
    assert library.RDKIcardBind(ctypes.byref(table)) == 0
    table.size = IcdevApi.tries_left.offset
    assert library.RDKIcardBind(ctypes.byref(table)) < 0
