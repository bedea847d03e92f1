"""TLY: its card to the byte, purchases that wait together, the meter that takes them, cards pulled and damaged."""

import copy
import importlib.util
import io
import random

import pytest
from rdk_bench import build_script

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.devices.reader.virtual.sle4428 import Sle4428
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.port import WatchedPort
from kiosk.model.cardport import IO_FAULT, CardPortError

ZHAO = Person("420100", "0012345678901", "20000017")
SECRET, LOCKED, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT, DAMAGED, TAKEN = (
    0x06, 0x07, 0x0B, 0x0C, 0x0D, 0x0E, 0x13, 0x17,
)  # fmt: skip
LIMIT = {DI.HOARD_LIMIT: orders.u4(30_000)}
HEADER = """
    68 01 00 36                                          frame 01, 54 bytes
    01 42 01 00 FF                                       opened; region 420100
    00 12 34 56 78 90 1F FF FF FF                        customer
    20 00 00 17 FF FF FF FF FF FF                        meter
    00 00 00 00                                          base count
    01 00 00 75 30 00 00 00 00 00 00 00 00               0401 is set: 300.00 kWh
    00 00 00 00 00 00 00 00 00 00 00 00
    11 16
"""
FIRST_SLOT = """
    68 02 00 3C                                          frame 02, 60 bytes
    00 00 00 01 00 00 20 8E 00 00 13 88                  count 1, 83.34 kWh, 50.00 yuan
    20 26 02 15 10 30 01                                 when
    00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F      sale
    01 00 00 75 30 00 00 00 00 00 00 00 00               the card's settings
    00 00 00 00 00 00 00 00 00 00 00 00
    44 16
"""
WRITE_BACK = """
    68 11 00 23                                          frame 11, 35 bytes
    00 00 00 02 00 00 34 16                              count 2, 133.34 kWh remain
    00 00 00 00 00 00 34 16 00 00 00 00 00 00 00 00      bought in all; no overdraft, nothing illegal
    20 26 02 16 08 30 00 00 00 00 00                     when; status
    60 16
    68 12 00 04 00 00 00 02 18 16                        announced: 2
"""


def bytes_of(text):
    return bytes.fromhex("".join(line.strip().split("   ")[0] for line in text.strip().split("\n")))


def bought(count, energy=None, amount=None):
    return Bought(count, amount or 1000 * count, energy or 1700 * count, bytes(15) + bytes((count,)))


FIRST, SECOND = Bought(1, 5000, 8334, bytes(range(16))), Bought(2, 3000, 5000, bytes(15) + b"\2")


class HalfWritten(Sle4428):
    """A card that is pulled while a byte is written: chance says which of its zeros are there already."""

    chance = random.Random(20260215)

    def _tear(self, zone, addr, byte):
        old = self._zone(zone, addr, 1)[addr]
        start = 0xFF if byte & ~old else old  # a bit that must rise: the byte is erased first
        self._put(zone, addr, start & (byte | self.chance.randrange(256)))
        self._dead = True
        raise CardPortError(IO_FAULT, "pulled while writing")


class Tly:
    """One finished vendor folder; each has a meter of its own that has met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        spec = importlib.util.spec_from_file_location("tly_driver", self.folder.manifest.driver.path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.driver = module.Driver()
        self.meter = load_python(folder / "conformance" / "meter.py")
        self.seen = None

    def blank(self, kind=Sle4428, image=None):
        return kind(image or self.folder.blank, self.folder.secret)

    def ask(self, card, code, items=None, password=None):
        card.reset()
        port = WatchedPort(card)
        raw = Frame(code, pack_items(items or {})).encode()
        answer = parse(self.driver.icard(port, raw, self.folder.password if password is None else password), code)
        self.seen = port.seen
        return answer

    def do(self, card, code, items):
        answer = self.ask(card, code, items)
        assert answer.ok, answer.said
        return answer

    def buy(self, card, *purchases):
        for each in purchases:
            self.do(card, Command.PURCHASE, orders.purchase(ZHAO, each))
        return card

    def read(self, card):
        return self.do(card, Command.READ, {})

    def state(self, card):
        """0206, 0209, 020A, 020B."""
        answer = self.read(card)
        return tuple(answer.number(di) for di in (DI.COUNT, DI.STATE, DI.PENDING_AMOUNT, DI.PENDING_ENERGY))

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def memory(card, start, end):
    return card.read(0, start, end - start)


def changed(card, at, byte):
    other = copy.deepcopy(card)
    other._main[at] = byte
    return other


def pulled(card, after):
    other = copy.deepcopy(card)
    other.tear_after = after
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "tly"
    finished.mkdir()
    script.build(script.SOURCE / "tly", finished)
    return finished


@pytest.fixture
def tly(folder, monkeypatch):
    bench = Tly(folder)
    monkeypatch.setattr(bench.meter, "clock", lambda: "20260216083000")
    return bench


@pytest.fixture
def opened(tly):
    card = tly.blank()
    tly.do(card, Command.OPEN, orders.open_card(ZHAO, settings=LIMIT))
    return card


@pytest.fixture
def two(tly, opened):
    """Two purchases wait."""
    return tly.buy(opened, FIRST, SECOND)


@pytest.mark.slow  # a real driver process and some 7300 calls: six seconds
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed," in page.getvalue()
    assert " 0 could not be tried" in page.getvalue()


def test_the_card_from_open_to_the_meter_is_this_to_the_byte(tly, opened):
    assert memory(opened, 32, 36) == b"TLY\1"
    assert memory(opened, 36, 96) == bytes_of(HEADER)
    assert memory(opened, 96, 1021) == b"\xff" * 925
    tly.buy(opened, FIRST)
    assert memory(opened, 162, 228) == bytes_of(FIRST_SLOT)
    tly.buy(opened, SECOND)
    tly.insert(opened)
    assert memory(opened, 954, 1005) == bytes_of(WRITE_BACK)
    assert memory(opened, 36, 96) == bytes_of(HEADER)


def test_what_waits_is_summed_and_the_meter_takes_it_all_at_one_visit(tly, opened):
    assert tly.state(opened) == (0, 0, 0, 0)
    tly.buy(opened, FIRST)
    assert tly.state(opened) == (1, 1, 5000, 8334)
    tly.buy(opened, SECOND)
    assert tly.state(opened) == (2, 1, 8000, 13_334)
    reading = tly.read(opened)
    assert (reading.number(DI.AMOUNT), reading.number(DI.ENERGY)) == (3000, 5000)  # of the newest alone
    assert tly.insert(opened) == {"count": 2, "remaining": 13_334}
    assert tly.insert(opened, use=34) == {"count": 2, "remaining": 13_300}
    assert tly.state(opened) == (2, 2, 0, 0)
    tly.buy(opened, bought(3), bought(4))
    assert tly.state(opened) == (4, 1, 7000, 11_900)
    assert tly.insert(opened) == {"count": 4, "remaining": 25_200}


def test_a_repeated_purchase_is_not_added_again(tly, two):
    before = two.image()
    for password in (None, "!"):
        assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, SECOND), password).ok
    assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, FIRST)).error == COUNT
    assert two.image() == before


def test_only_the_newest_is_taken_back_one_after_the_other(tly, two):
    assert tly.ask(two, Command.REVERSE, orders.reverse(ZHAO, FIRST)).error == COUNT
    tly.do(two, Command.REVERSE, orders.reverse(ZHAO, SECOND))
    assert (tly.seen.writes, tly.seen.bytes_written) == (1, 1)
    assert tly.state(two) == (1, 1, 5000, 8334)
    # something still waits, so it is not “nothing pending”: 0D, and the count in READ says that it is gone (§4.5)
    assert tly.ask(two, Command.REVERSE, orders.reverse(ZHAO, SECOND)).error == COUNT
    tly.do(two, Command.REVERSE, orders.reverse(ZHAO, FIRST))
    assert tly.state(two) == (0, 0, 0, 0)
    tly.do(two, Command.REVERSE, orders.reverse(ZHAO, FIRST))
    tly.buy(two, bought(1, 777))
    assert tly.insert(two) == {"count": 1, "remaining": 777}
    assert tly.ask(two, Command.REVERSE, orders.reverse(ZHAO, bought(1, 777))).error == TAKEN


def test_the_hoard_limit_counts_all_that_waits(tly, two):
    """remaining 0 + waiting 133.34 + value ≤ 300.00."""
    over, fits = bought(3, 16_667), bought(3, 16_666)
    assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, over)).error == OVER_LIMIT
    tly.buy(two, fits)
    assert tly.insert(two) == {"count": 3, "remaining": 30_000}
    tly.insert(two, use=30_100)
    assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, bought(4, 30_101))).error == OVER_LIMIT
    tly.buy(two, bought(4, 30_100))
    assert tly.insert(two) == {"count": 4, "remaining": 30_000}  # what was overdrawn is paid first


def test_a_lower_limit_that_comes_with_a_purchase_counts_for_it(tly, two):
    low, items = {DI.HOARD_LIMIT: orders.u4(13_400)}, bought(3, 67)
    assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, items, low)).error == OVER_LIMIT
    tly.do(two, Command.PURCHASE, orders.purchase(ZHAO, bought(3, 66), low))
    assert tly.insert(two) == {"count": 3, "remaining": 13_400}


def test_what_would_pass_the_limit_waits_with_all_behind_it_until_there_is_room(tly, two):
    tly.insert(two)
    again = tly.blank()  # it does not know yet what remains in the meter
    tly.do(again, Command.REISSUE, orders.reissue(ZHAO, 2, settings={DI.HOARD_LIMIT: orders.u4(15_000)}))
    tly.buy(again, bought(3, 1000), bought(4, 9000), bought(5, 100))
    assert tly.insert(again) == {"count": 3, "remaining": 14_334}
    assert tly.state(again) == (5, 1, 9000, 9100)
    assert tly.insert(again, use=8333) == {"count": 3, "remaining": 6001}
    assert tly.insert(again, use=1) == {"count": 4, "remaining": 15_000}
    assert tly.insert(again, use=100) == {"count": 5, "remaining": 15_000}


def test_a_dozen_may_wait_and_the_thirteenth_is_over_the_limit(tly):
    card = tly.blank()
    tly.do(card, Command.OPEN, orders.open_card(ZHAO))
    for count in range(1, 13):
        tly.buy(card, bought(count, 100, 60))
    assert tly.state(card) == (12, 1, 720, 1200)
    before = card.image()
    assert tly.ask(card, Command.PURCHASE, orders.purchase(ZHAO, bought(13, 100))).error == OVER_LIMIT
    assert card.image() == before
    assert tly.insert(card) == {"count": 12, "remaining": 1200}
    for count in range(13, 25):
        tly.buy(card, bought(count, 100, 60))
    assert tly.state(card) == (24, 1, 720, 1200)
    for count in range(24, 12, -1):
        tly.do(card, Command.REVERSE, orders.reverse(ZHAO, bought(count, 100, 60)))
    assert tly.state(card) == (12, 2, 0, 0)
    assert tly.read(card).number(DI.ENERGY) == 100  # the ring never touches the newest the meter has


def test_every_purchase_of_two_rounds_of_the_ring_is_credited_once(tly):
    card, total = tly.blank(), 0
    tly.do(card, Command.OPEN, orders.open_card(ZHAO))
    chance = random.Random(5)
    for count in range(1, 40):
        tly.buy(card, bought(count, 100 + count))
        total += 100 + count
        if chance.random() < 0.3 or tly.read(card).number(DI.PENDING_ENERGY) > 1000:
            assert tly.insert(card) == {"count": count, "remaining": total}
    assert tly.insert(card) == {"count": 39, "remaining": total}


def test_settings_come_with_a_purchase_and_go_with_it(tly, two):
    more = {DI.HOARD_LIMIT: orders.u4(50_000), DI.ALARM_1: orders.u4(900)}
    tly.do(two, Command.PURCHASE, orders.purchase(ZHAO, bought(3, 36_000), more))
    reading = tly.read(two)
    assert (reading.number(DI.HOARD_LIMIT), reading.number(DI.ALARM_1)) == (50_000, 900)
    assert tly.insert(copy.deepcopy(two)) == {"count": 3, "remaining": 49_334}
    tly.do(two, Command.REVERSE, orders.reverse(ZHAO, bought(3, 36_000)))
    reading = tly.read(two)
    assert reading.number(DI.HOARD_LIMIT) == 30_000
    assert DI.ALARM_1 not in reading.items
    tariff = {DI.TARIFF: bytes.fromhex("0100000000002710")}
    assert tly.ask(two, Command.PURCHASE, orders.purchase(ZHAO, bought(3), tariff)).error == OVER_LIMIT


@pytest.mark.parametrize("what", ["third", "reverse", "settings"])
def test_pulled_in_the_middle_of_any_byte_it_reads_as_before_or_after(tly, what):
    card = tly.blank(HalfWritten)
    tly.do(card, Command.OPEN, orders.open_card(ZHAO, settings=LIMIT))
    tly.buy(card, *(bought(count, 100) for count in range(1, 13)))
    tly.insert(card)
    tly.buy(card, bought(13, 100), bought(14, 200))  # the next one goes over an old one
    third = Bought(15, 0x01020304, 300, bytes(range(0x50, 0x60)))
    code, items = {
        "third": (Command.PURCHASE, orders.purchase(ZHAO, third, when=59)),
        "reverse": (Command.REVERSE, orders.reverse(ZHAO, bought(14, 200))),
        "settings": (Command.PURCHASE, orders.purchase(ZHAO, third, {DI.ALARM_2: orders.u4(7)})),
    }[what]
    after = copy.deepcopy(card)
    tly.do(after, code, items)
    total, wanted = tly.seen.bytes_written, [tly.read(each).meaning() for each in (card, after)]
    for written in range(total):
        for _ in range(4):
            torn = pulled(card, written)
            assert tly.ask(torn, code, items).error == 0x11
            torn.reset()
            assert tly.read(torn).meaning() in wanted, written
            if what == "reverse" and tly.state(torn)[0] == 13:
                continue
            tly.do(torn, code, items)
            assert tly.read(torn).meaning() == wanted[1]
    assert total == 1 if what == "reverse" else total > 25


def test_pulled_out_of_the_meter_nothing_is_credited_twice_or_lost(tly, two):
    tly.insert(two)
    tly.buy(two, bought(3, 300), bought(4, 400))
    known = dict(tly.meter.MEMORY)
    refused = {
        Command.PURCHASE: orders.purchase(ZHAO, bought(5)), Command.REVERSE: orders.reverse(ZHAO, bought(4, 400)),
        Command.CLEAR: orders.clear(ZHAO, 4),
    }  # fmt: skip
    for after, remembers in ((after, remembers) for after in range(1 + 10 + 1 + 41) for remembers in (known, {})):
        tly.meter.MEMORY.clear()
        tly.meter.MEMORY.update(remembers)
        card = pulled(two, after)
        with pytest.raises(CardPortError):
            tly.insert(card)
        card.reset()
        assert tly.state(card) == ((4, 1, 7000, 700) if after == 0 else (4, 3, None, None)), after
        for code, items in refused.items() if after else ():
            assert tly.ask(card, code, items).error == NOT_TAKEN
        if after == 0:  # READ says pending, so it must not be the meter's yet
            assert [state.count for _, state in tly.meter.MEMORY.values()] == [2]
        assert tly.insert(card) == {"count": 4, "remaining": 14_034}
        assert tly.state(card) == (4, 2, 0, 0)


def test_a_count_missing_among_those_that_wait_is_damage(tly, two):
    tly.buy(two, bought(3))
    assert tly.ask(changed(two, 96 + 2 * 66 + 65, 0xFF), Command.READ).error == DAMAGED
    assert tly.state(changed(two, 96 + 3 * 66 + 65, 0xFF))[0] == 2  # the newest: as if it had not been bought
    assert tly.ask(changed(two, 96 + 3 * 66 + 65, 0x00), Command.READ).error == DAMAGED
    assert tly.ask(changed(two, 96 + 3 * 66 + 20, 0x55), Command.READ).error == DAMAGED


def test_a_purchase_in_another_ones_slot_is_damage(tly, two):
    other = copy.deepcopy(two)
    other._main[96 + 5 * 66 : 96 + 6 * 66] = two._main[96 + 2 * 66 : 96 + 3 * 66]
    assert tly.ask(other, Command.READ).error == DAMAGED


def test_a_reissued_card_goes_on_and_a_used_one_is_not_reissued(tly, two):
    tly.insert(two)
    again = tly.blank()
    tly.do(again, Command.REISSUE, orders.reissue(ZHAO, 3, bought(3, 900)))
    tly.buy(again, bought(4, 100))
    assert tly.state(again) == (4, 1, 7000, 1000)
    assert tly.ask(again, Command.REISSUE, orders.reissue(ZHAO, 3, bought(3, 900))).error == NOT_BLANK
    assert tly.insert(again) == {"count": 4, "remaining": 14_334}
    behind = tly.blank()
    tly.do(behind, Command.REISSUE, orders.reissue(ZHAO, 2))
    assert tly.insert(behind) == {"count": 4, "remaining": 14_334}
    assert tly.state(behind) == (4, 2, 0, 0)


def test_copies_of_a_bought_card_are_credited_once_whenever_they_were_made(tly, two):
    tly.insert(two)
    tly.buy(two, bought(3, 300), bought(4, 400))
    copies = [copy.deepcopy(two) for _ in range(3)]
    for card in (*copies, two):
        assert tly.insert(card) == {"count": 4, "remaining": 14_034}
        assert tly.state(card) == (4, 2, 0, 0)


def test_illegal_insertions_are_counted_and_leave_the_card_alone(tly, two):
    tly.insert(two)
    stranger = tly.blank()
    tly.do(stranger, Command.OPEN, orders.open_card(Person(ZHAO.region, "777", ZHAO.meter), FIRST))
    before = stranger.image()
    assert tly.insert(stranger) == {"count": 2, "remaining": 13_334}
    assert stranger.image() == before
    foreign = Sle4428(memory(two, 0, 1021) + bytes(3), b"\0\0")
    with pytest.raises(CardPortError):
        tly.insert(foreign)
    assert memory(foreign, 0, 1021) == memory(two, 0, 1021)
    tly.insert(two)
    assert tly.read(two).number(DI.ILLEGAL_INSERTIONS) == 2


def test_the_secret_comes_last_and_never_with_one_try_left(tly, opened):
    items = orders.purchase(ZHAO, FIRST)
    for malformed in ("544C", "psc=544", "psc=544C ", "psc=54４C"):
        assert tly.ask(opened, Command.PURCHASE, items, password=malformed).error == SECRET
    assert opened.tries_left(0) == 8
    for left in range(7, 0, -1):
        assert tly.ask(opened, Command.PURCHASE, items, password="psc=0000").error == SECRET
        assert opened.tries_left(0) == left
    assert tly.ask(opened, Command.PURCHASE, items).error == LOCKED
    assert tly.ask(opened, Command.PURCHASE, orders.purchase(ZHAO, bought(9))).error == COUNT
    assert tly.seen.verifies == 0
    assert opened.tries_left(0) == 1


def test_few_bytes(tly, opened):
    written = []
    for code, items in (
        (Command.PURCHASE, orders.purchase(ZHAO, FIRST)),
        (Command.REVERSE, orders.reverse(ZHAO, FIRST)),
        (Command.PURCHASE, orders.purchase(ZHAO, FIRST)),
        (Command.CLEAR, orders.clear(ZHAO, 1, insist=True)),
    ):
        tly.do(opened, code, items)
        written.append(tly.seen.bytes_written)
    assert written == [66, 1, 1, 1]
    tly.do(opened, Command.OPEN, orders.open_card(ZHAO))
    assert tly.read(opened).meaning() == tly.do(tly.blank(), Command.OPEN, orders.open_card(ZHAO)).meaning()
