"""The sample vendor of the old kind: its card to the byte, its meter, and what a bad line may do to its packets."""

import copy
import io
import random
import threading
from types import SimpleNamespace

import pytest
from rdk_bench import LI, HalfWritten, build_script, state_of

from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.bench import BenchLine
from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.devices.reader.virtual.sle4442 import Sle4442
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.native import NativeDriver
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought
from kiosk.drivers.sdk.kit.port import EmptyReader
from kiosk.model.cardport import CardPortError

FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND = Bought(2, 3000, 5000, bytes(15) + b"\2")
THIRD = Bought(3, 2000, 3333, bytes(15) + b"\3")
SETTINGS = {DI.HOARD_LIMIT: orders.u4(60_000), DI.ALARM_2: orders.u4(500)}
NO_CARD, WRONG_TYPE, NOT_TAKEN, OVER_LIMIT, TAKEN = 0x03, 0x04, 0x0C, 0x0E, 0x17
READ_FAILED, FAILED, UNKNOWN = 0x0F, 0x10, 0x11

OPENED = """
 32  59 48 44 31                                                mark
 36  68 01                                                      kind: opened
 38  06 42 01 00 FF                                             region 420100
 43  0D 00 12 34 56 78 90 1F FF FF FF                           customer 0012345678901
 54  08 20 00 00 17 FF FF FF FF FF FF                           meter 20000017
 65  00 00 00 00                                                base count
 69  05 00 00 EA 60 00 00 00 00 00 00 01 F4 00 00 00 00         0401 and 0403 are set: 60000, 500
 86  93 EE                                                      check
"""
PURCHASED = """
 88  68 00 00 00 01 00 00 13 88 00 00 20 8E                     count 1, 5000 fen, 83.34 kWh
101  20 26 02 15 10 30 01                                       when
108  00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F            sale
124  60 D2                                                      check
"""
WRITTEN_BACK = """
164  68 00 00 00 01 00 00 13 88 00 00 00 00 00 00 13 88         count, remaining, total
181  00 00 00 00 00 00 00 00                                    overdraft, illegal insertions
189  20 26 02 16 08 30 00 00 00 00 00                           when, status
200  CD 4C                                                      check
202  00 00 00 01 FF FF FF FE                                    announcement
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


def count_of(check):
    """Docs: the sum, and the sum of the sums on the way, modulo 256."""
    sums = [sum(check[: end + 1]) for end in range(len(check))]
    return bytes((sums[-1] % 256, sum(sums) % 256))


class Yhd:
    """The library in this process, on the line of a serial reader with the card in it; a meter that has met nobody."""

    def __init__(self, folder, line):
        self.folder, self.line = load_folder(folder), line
        self.library = str(self.folder.manifest.driver.path)
        self.meter = load_python(folder / "conformance" / "meter.py")

    def blank(self, kind=Sle4442, image=None):
        return kind(image or self.folder.blank, self.folder.secret)

    def ask(self, card, command, items=None):
        if card is not None:
            card.reset()
        self.line.show(card)
        with self.line.lend(19200) as number:
            driver = NativeDriver(self.library, "YHD", EmptyReader(), "serial", number)
            raw = Frame(command, pack_items(items or {})).encode()
            status, answer = driver.answer(1, raw, self.folder.password.encode())
        assert status == 0
        return parse(answer, command)

    def do(self, card, command, items):
        answer = self.ask(card, command, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        return self.do(card, Command.READ, {})

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)

    @property
    def reader(self):
        return self.line._reader

    def tamper(self, how):
        self.line._line.tamper = how


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "yhd"
    finished.mkdir()
    script.build(script.SOURCE / "yhd", finished)
    return finished


@pytest.fixture
def yhd(folder, monkeypatch):
    line = BenchLine()
    bench = Yhd(folder, line)
    monkeypatch.setattr(bench.meter, "time", SimpleNamespace(strftime=lambda _form: "20260216083000"))
    yield bench
    line.close()


@pytest.fixture
def opened(yhd):
    card = yhd.blank()
    yhd.do(card, Command.OPEN, orders.open_card(LI, settings=SETTINGS))
    return card


@pytest.fixture
def bought(yhd, opened):
    yhd.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    return opened


@pytest.fixture
def taken(yhd, bought):
    yhd.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some 14000 calls through a pseudo-terminal
@pytest.mark.timeout(300)
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    done = command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page, line_maker=BenchLine)
    assert done == 0, page.getvalue()
    assert "0 failed, 5 not offered, 0 could not be tried" in page.getvalue()  # the five are for meters with keypads


def test_the_kit_without_a_serial_reader_says_so(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 2
    assert "access is serial" in page.getvalue()


# -- the card --------------------------------------------------------------------------------------------------------


def test_the_card_after_open_is_this_to_the_byte(opened):
    assert users(opened) == image_of(OPENED)


def test_the_card_after_a_purchase_is_this_to_the_byte(bought):
    assert users(bought) == image_of(OPENED, PURCHASED)


def test_the_card_after_its_meter_is_this_to_the_byte(taken):
    assert users(taken) == image_of(OPENED, PURCHASED, WRITTEN_BACK)


def test_the_check_is_the_one_the_page_names(taken):
    image = taken.read(0, 0, 256)
    for at, size in ((37, 49), (89, 35), (165, 35)):
        assert image[at + size : at + size + 2] == count_of(image[at : at + size])


def test_money_goes_to_the_meter_and_what_is_owed_is_paid_first(yhd, opened):
    assert state_of(yhd.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))) == (1, 1)
    assert yhd.insert(opened, use=0) == {"count": 1, "remaining": 5000}
    assert state_of(yhd.read(opened)) == (1, 2)
    assert yhd.insert(opened, use=5300) == {"count": 1, "remaining": -300}
    back = yhd.read(opened)
    assert (back.signed(DI.REMAINING), back.number(DI.OVERDRAFT), back.number(DI.TOTAL_BOUGHT)) == (-300, 300, 5000)
    yhd.do(opened, Command.PURCHASE, orders.purchase(LI, SECOND))
    assert yhd.insert(opened) == {"count": 2, "remaining": 3000 - 300}
    assert yhd.ask(opened, Command.REVERSE, orders.reverse(LI, SECOND)).error == TAKEN


def test_a_card_that_runs_ahead_is_an_illegal_insertion_and_counted(yhd, taken):
    ahead = yhd.blank()
    yhd.do(ahead, Command.REISSUE, orders.reissue(LI, 3, THIRD))
    for times in (1, 2):
        assert yhd.insert(ahead) == {"count": 1, "remaining": 5000}
        assert yhd.read(ahead).number(DI.ILLEGAL_INSERTIONS) == times
    assert state_of(yhd.read(ahead)) == (3, 1)


def test_a_card_pulled_out_of_the_meter_is_credited_once_and_not_paid_back_as_well(yhd, taken):
    yhd.do(taken, Command.PURCHASE, orders.purchase(LI, SECOND))
    remembered = dict(yhd.meter.MEMORY)
    seen = set()
    for after in range(300):
        yhd.meter.MEMORY.update(remembered)
        card = yhd.blank(HalfWritten, taken.read(0, 0, 256))
        card.tear_after = after
        try:
            yhd.insert(card)
            break
        except CardPortError:
            credited = yhd.meter.MEMORY[LI.meter].count == 2
        count, state = state_of(yhd.read(card))
        seen.add((credited, state))
        assert count == 2
        if credited:
            assert yhd.ask(card, Command.REVERSE, orders.reverse(LI, SECOND)).error in (NOT_TAKEN, TAKEN)
        assert yhd.insert(card) == {"count": 2, "remaining": 8000}
        assert state_of(yhd.read(card)) == (2, 2)
    assert {(False, 3), (True, 3)} <= seen
    assert after > 30


@pytest.mark.parametrize("name", ["open", "purchase", "clear"])
def test_a_card_pulled_within_a_byte_reads_as_before_or_after(yhd, taken, name):
    start, what, items = {
        "open": (yhd.blank(), Command.OPEN, orders.open_card(LI, FIRST, SETTINGS)),
        "purchase": (taken, Command.PURCHASE, orders.purchase(LI, SECOND)),
        "clear": (taken, Command.CLEAR, orders.clear(LI, 1)),
    }[name]
    before = yhd.read(start).meaning()
    done = copy.deepcopy(start)
    yhd.do(done, what, items)
    after = yhd.read(done).meaning()
    for torn_after in range(300):
        card = yhd.blank(HalfWritten, start.read(0, 0, 256))
        card.tear_after = torn_after
        answer = yhd.ask(card, what, items)
        assert yhd.read(card).meaning() in (before, after), f"{name}, pulled after {torn_after} bytes"
        yhd.do(card, what, items)
        assert yhd.read(card).meaning() == after, f"{name}, pulled after {torn_after} bytes and repeated"
        if answer.ok:
            break
        assert (answer.error, answer.number(DI.CARD_AFTER)) == (UNKNOWN, 2)
    assert answer.ok
    assert torn_after > 0


def test_what_it_cannot_hold_is_refused_and_not_left_out(yhd):
    for foreign in ({DI.CT_RATIO: orders.u4(1)}, {DI.TARIFF: bytes.fromhex("0000000000001388")}):
        assert yhd.ask(yhd.blank(), Command.OPEN, orders.open_card(LI, settings=foreign)).error == OVER_LIMIT


# -- the line --------------------------------------------------------------------------------------------------------


def lose(which, direction="to-host", area=None):
    """Swallows the packets numbered ``which`` that go that way (and are of that area)."""
    passed = [0]

    def tamper(way, content):
        if way != direction or (area is not None and content[2] != area):
            return content
        passed[0] += 1
        return b"" if passed[0] - 1 in which else content

    return tamper


def test_it_speaks_the_published_packets_alone_and_reads_before_it_writes(yhd, opened):
    yhd.reader.heard = []
    yhd.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    areas = [packet.area for packet in yhd.reader.heard]
    writes = areas.index(wire.MAIN | wire.WRITE)
    assert areas[:writes] == [wire.STATUS, *[wire.MAIN] * 8, wire.SECURITY, wire.PSC | wire.WRITE]
    assert set(areas[writes:-8]) == {wire.MAIN | wire.WRITE}
    assert areas[-8:] == [wire.MAIN] * 8
    assert {packet.slot for packet in yhd.reader.heard} == {1}


def test_no_card_and_another_chip_and_no_line(yhd):
    assert yhd.ask(None, Command.READ).error == NO_CARD
    assert yhd.ask(Sle4428(), Command.READ).error == WRONG_TYPE
    yhd.reader.extended = True  # a reader that says of any card that it is in
    assert yhd.ask(Sle4428(), Command.READ).error == WRONG_TYPE
    driver = NativeDriver(yhd.library, "YHD", EmptyReader(), "serial", 999)
    status, answer = driver.answer(1, bytes.fromhex("68 11 00 00 11 16"), b"psc=594844")
    assert (status, parse(answer, Command.READ).error) == (0, READ_FAILED)


def test_a_silent_reader_is_said_in_time(yhd, opened):
    yhd.reader.silent = True
    assert yhd.ask(opened, Command.READ).error == READ_FAILED


def test_a_question_whose_answer_is_lost_is_asked_again(yhd, bought):
    yhd.tamper(lose({3}))
    assert state_of(yhd.read(bought)) == (1, 1)


def test_a_write_whose_answer_is_lost_is_not_sent_again_and_the_card_is_unknown(yhd, opened):
    yhd.reader.heard = []
    yhd.tamper(lose({0}, area=wire.MAIN | wire.WRITE))
    answer = yhd.ask(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    yhd.tamper(None)
    assert (answer.error, answer.number(DI.CARD_AFTER)) == (UNKNOWN, 2)
    assert [packet.area for packet in yhd.reader.heard].count(wire.MAIN | wire.WRITE) == 1
    assert state_of(yhd.read(opened)) == (0, 0)  # only a part of it is there
    assert state_of(yhd.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))) == (1, 1)


def test_a_purchase_whose_very_last_answer_is_lost_is_there_when_the_kiosk_asks(yhd, opened):
    whole = copy.deepcopy(opened)
    yhd.reader.heard = []
    yhd.do(whole, Command.PURCHASE, orders.purchase(LI, FIRST))
    writes = [packet.area for packet in yhd.reader.heard].count(wire.MAIN | wire.WRITE)
    yhd.tamper(lose({writes - 1}, area=wire.MAIN | wire.WRITE))
    answer = yhd.ask(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    yhd.tamper(None)
    assert (answer.error, answer.number(DI.CARD_AFTER)) == (UNKNOWN, 2)
    assert state_of(yhd.read(opened)) == (1, 1)
    before = users(opened)
    yhd.do(opened, Command.PURCHASE, orders.purchase(LI, FIRST))  # the same again: nothing is written
    assert users(opened) == before


def test_a_write_that_never_arrived_leaves_the_card_as_it_was(yhd, opened):
    yhd.tamper(lose({0}, "to-device", wire.MAIN | wire.WRITE))
    answer = yhd.ask(opened, Command.PURCHASE, orders.purchase(LI, FIRST))
    assert (answer.error, answer.number(DI.CARD_AFTER)) == (FAILED, 0)


def test_a_secret_whose_answer_is_lost_is_not_presented_again(yhd, opened):
    yhd.folder = load_folder(yhd.folder.manifest.folder)
    wrong = Sle4442(opened.read(0, 0, 256), b"xyz")
    yhd.tamper(lose({0}, area=wire.PSC | wire.WRITE))
    assert yhd.ask(wrong, Command.PURCHASE, orders.purchase(LI, FIRST)).error == READ_FAILED
    assert wrong.tries_left(0) == 2


def test_what_the_reader_says_unasked_and_noise_are_passed_over(yhd, bought):
    said = wire.Packet(wire.NO_CARD, 2, wire.STATUS).encode()
    yhd.tamper(lambda way, content: said + content[:7] + content if way == "to-host" else content)
    assert state_of(yhd.read(bought)) == (1, 1)


@pytest.mark.slow  # a line this bad costs a second for every answer that is lost
def test_on_a_line_of_any_quality_no_purchase_is_told_that_is_not_there(yhd, opened):
    chance = random.Random(20260215)
    quiet = threading.Lock()

    def spoil(_way, content):
        with quiet:
            if chance.random() < 0.02:
                at = chance.randrange(len(content) or 1)
                return content[:at] + bytes((chance.randrange(256),)) + content[at + 1 :]
            return b"" if chance.random() < 0.01 else content

    told = set()
    for _ in range(12):
        card = copy.deepcopy(opened)
        yhd.tamper(spoil)
        answer = yhd.ask(card, Command.PURCHASE, orders.purchase(LI, FIRST))
        yhd.tamper(None)
        told.add(answer.error)
        count, state = state_of(yhd.read(card))
        assert (count, state) in ((0, 0), (1, 1))
        if answer.ok:
            assert count == 1
        elif answer.number(DI.CARD_AFTER) == 0:
            assert users(card) == users(opened)
        yhd.do(card, Command.PURCHASE, orders.purchase(LI, FIRST))
    assert None in told
    assert len(told) > 1
