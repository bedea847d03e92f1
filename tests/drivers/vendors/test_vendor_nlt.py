"""The Python sample vendor: its files to the byte, its meter, money there and back, cards pulled and damaged."""

import copy
import importlib.util
import io

import pytest
from rdk_bench import build_script

from kiosk.devices.reader.virtual.blank import memory_card
from kiosk.devices.reader.virtual.cpu import VirtualCpuCard
from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, pack_items
from kiosk.drivers.sdk import command
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.answer import parse
from kiosk.drivers.sdk.kit.folder import load_folder, load_python
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.port import WatchedPort

WANG = Person("420100", "100234", "0012345678")
FIRST = Bought(1, 5000, 8334, bytes(range(16)))
SECOND = Bought(2, 3000, 5000, bytes(15) + b"\2")
THIRD = Bought(3, 2000, 3333, bytes(15) + b"\3")
SETTINGS = {
    DI.HOARD_LIMIT: orders.u4(60_000), DI.ALARM_1: orders.u4(2000), DI.ALARM_2: orders.u4(1000),
    DI.CT_RATIO: orders.u4(1), DI.PT_RATIO: orders.u4(1),
}  # fmt: skip
NOT_MINE, SECRET, LOCKED, OTHER, NOT_BLANK, NOT_TAKEN, COUNT, OVER_LIMIT = (
    0x05,
    0x06,
    0x07,
    0x09,
    0x0B,
    0x0C,
    0x0D,
    0x0E,
)

OPENED = {
    0x81: """
        68 01 00 27 00 80 4E 4C 54 01 00 00 00 00 00 00      head, type, flags, mark; switch time, tariff count
        00 00 20 00 00 00 10 00 00 00 01 00 00 01            alarm 20.00, alarm 10.00, CT 1, PT 1
        00 00 12 34 56 78 00 00 00 10 02 34 01 24 16         meter, customer, kind: opened, CS
    """,
    0x82: "00 " * 74,
    0x85: "00 " * 54,
    0x86: """
        68 86 00 14 06 06 0A 00 42 01 00 00 00 00 00         digits 6, 6, 10; region 420100; base count
        37 00 00 EA 60 00 00 00 00 74 16                     0401 0402 0403 0405 0406 are set; 60000, none; CS
    """,
}
BOUGHT = {
    **OPENED,
    0x82: """
        00 00 13 88 00 00 00 01 00 00 20 8E                  5000 fen, count 1, 83.34 kWh
        20 26 02 15 10 30 01                                 when
        00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F      sale
        60 A5                                                CS, seal
    """ + "00 " * 37,
}  # fmt: skip
TAKEN = {
    **BOUGHT,
    0x85: """
        68 11 00 2B 00 00 00 01 00 00 01                     head, type, CT 1, PT 1
        00 00 12 34 56 78 00 00 00 10 02 34                  meter, customer
        00 00 13 88 00 00 00 01 00 00 00 00                  50.00 yuan, count 1, no overdraft
        00 00 00 00 00 00 00 26 02 16 08 30 AA 16            key, illegal insertions, when, CS
        00 00 00 01 A6                                       count once more, its CS
    """,
}
RETURN_FILE = """
    68 11 00 2B 02 00 00 01 00 00 01 00 00 12 34 56 78 00 00 00 10 02 34 00 00 4D 90 00 00 00 07
    00 00 00 00 00 00 00 00 00 00 02 26 02 15 10 30 FD 16 00 00 00 07 AC
"""


def files_of(table):
    return {name: bytes.fromhex("".join(line.split("   ")[0] for line in text.strip().split("\n")))
            for name, text in ((name, _plain(text)) for name, text in table.items())}  # fmt: skip


def _plain(text):
    return "\n".join(line.strip() for line in text.strip().split("\n"))


class Nlt:
    """One finished vendor folder; each has a meter of its own that has met nobody."""

    def __init__(self, folder):
        self.folder = load_folder(folder)
        spec = importlib.util.spec_from_file_location("nlt_driver", self.folder.manifest.driver.path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.driver = module.Driver()
        self.meter = load_python(folder / "conformance" / "meter.py")
        self.card_module = load_python(folder / "conformance" / "card.py")
        self.updates = 0

    def blank(self):
        return VirtualCpuCard(self.card_module.Card())

    def ask(self, card, code, items=None, password=None):
        card.reset()
        port = WatchedPort(card)
        raw = Frame(code, pack_items(items or {})).encode()
        answer = parse(self.driver.icard(port, raw, self.folder.password if password is None else password), code)
        self.updates, self.verifies = port.seen.writes, port.seen.verifies
        return answer

    def do(self, card, code, items):
        answer = self.ask(card, code, items)
        assert answer.ok, answer.said
        return answer

    def read(self, card):
        return self.do(card, Command.READ, {})

    def state(self, card):
        answer = self.read(card)
        return answer.number(DI.COUNT), answer.number(DI.STATE)

    def insert(self, card, **how):
        card.reset()
        return self.meter.insert(card, **how)


def content(card):
    return {name + 0x80: bytes(file) for name, file in card.card._files.items()}


def with_file(card, name, file):
    other = copy.deepcopy(card)
    other.card._files[name - 0x80][:] = file
    return other


def pulled(card, after):
    other = copy.deepcopy(card)
    other.tear_after = after
    return other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    script = build_script()
    finished = tmp_path_factory.mktemp("vendors") / "nlt"
    finished.mkdir()
    script.build(script.SOURCE / "nlt", finished)
    return finished


@pytest.fixture
def nlt(folder, monkeypatch):
    bench = Nlt(folder)
    monkeypatch.setattr(bench.meter, "clock", lambda: "2602160830")
    return bench


@pytest.fixture
def opened(nlt):
    card = nlt.blank()
    nlt.do(card, Command.OPEN, orders.open_card(WANG, settings=SETTINGS))
    return card


@pytest.fixture
def bought(nlt, opened):
    nlt.do(opened, Command.PURCHASE, orders.purchase(WANG, FIRST))
    return opened


@pytest.fixture
def taken(nlt, bought):
    nlt.insert(bought)
    return bought


@pytest.mark.slow  # a real driver process and some 3900 calls: five seconds
def test_the_conformance_kit_finds_nothing(folder):
    page = io.StringIO()
    assert command.main([str(folder), "--quick"], memory_card, VirtualCpuCard, out=page) == 0, page.getvalue()
    assert " 0 failed," in page.getvalue()
    assert " 0 could not be tried" in page.getvalue()


def test_the_files_after_open_are_these_to_the_byte(opened):
    assert content(opened) == files_of(OPENED)


def test_the_files_after_a_purchase_are_these_to_the_byte(bought):
    assert content(bought) == files_of(BOUGHT)


def test_the_files_after_the_meter_are_these_to_the_byte(taken):
    assert content(taken) == files_of(TAKEN)


def test_a_return_file_as_state_grid_meters_write_it_is_understood(nlt, bought):
    file = bytes.fromhex(RETURN_FILE)
    answer = nlt.read(with_file(bought, 0x85, file))
    assert (answer.signed(DI.REMAINING), answer.number(DI.METER_COUNT)) == (19856, 7)
    assert (answer.number(DI.OVERDRAFT), answer.number(DI.ILLEGAL_INSERTIONS)) == (0, 2)
    assert answer.digits(DI.WRITTEN_BACK_AT) == "20260215103000"


def test_money_to_the_meter_and_back(nlt, bought):
    assert nlt.insert(bought, use=0) == {"count": 1, "remaining": 5000}
    assert nlt.insert(bought, use=1234) == {"count": 1, "remaining": 3766}
    nlt.do(bought, Command.PURCHASE, orders.purchase(WANG, SECOND))
    assert nlt.read(bought).signed(DI.REMAINING) == 3766
    assert nlt.insert(bought, use=6000) == {"count": 2, "remaining": 766}
    assert nlt.insert(bought, use=1000) == {"count": 2, "remaining": -234}
    answer = nlt.read(bought)
    assert (answer.signed(DI.REMAINING), answer.number(DI.OVERDRAFT)) == (-234, 234)
    nlt.do(bought, Command.PURCHASE, orders.purchase(WANG, THIRD))
    assert nlt.insert(bought) == {"count": 3, "remaining": FIRST.amount + SECOND.amount + THIRD.amount - 1234 - 7000}
    assert nlt.state(bought) == (3, 2)


def test_what_is_overdrawn_leaves_more_room_below_the_hoard_limit(nlt, taken):
    nlt.insert(taken, use=5100)
    over = orders.purchase(WANG, Bought(2, 60_101, 1))
    assert nlt.ask(taken, Command.PURCHASE, over).error == OVER_LIMIT
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, Bought(2, 60_100, 1)))
    assert nlt.insert(taken) == {"count": 2, "remaining": 60_000}


def test_no_more_than_a_meter_can_hold_is_sold_without_a_hoard_limit(nlt):
    card = nlt.blank()
    nlt.do(card, Command.OPEN, orders.open_card(WANG))
    assert nlt.ask(card, Command.PURCHASE, orders.purchase(WANG, Bought(1, 100_000_000, 1))).error == OVER_LIMIT
    nlt.do(card, Command.PURCHASE, orders.purchase(WANG, Bought(1, 99_999_999, 1)))
    assert nlt.insert(card) == {"count": 1, "remaining": 99_999_999}


def test_few_updates(nlt, taken):
    seen = []
    for code, items in (
        (Command.PURCHASE, orders.purchase(WANG, SECOND)),
        (Command.REVERSE, orders.reverse(WANG, SECOND)),
        (Command.PURCHASE, orders.purchase(WANG, SECOND)),
        (Command.CLEAR, orders.clear(WANG, 2, insist=True)),
        (Command.OPEN, orders.open_card(WANG)),
    ):
        nlt.do(taken, code, items)
        seen.append(nlt.updates)
    assert seen == [2, 1, 1, 1, 5]  # the same purchase once more only needs its seal
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, FIRST))
    nlt.insert(taken)
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    nlt.insert(taken)
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, THIRD))
    assert nlt.updates == 3  # the oldest record's seal falls first
    assert nlt.read(nlt.blank()).number(DI.KIND) == 0


def test_pulled_out_of_the_meter_at_any_byte_nothing_is_credited_twice_or_lost(nlt, taken):
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    for after in range(1 + 53 + 1):
        card = pulled(taken, after)
        nlt.meter.MEMORY.clear()
        with pytest.raises(Exception, match="pulled"):
            nlt.insert(card)
        assert nlt.state(card) == ((2, 1) if after == 0 else (2, 3))
        if after:
            assert nlt.ask(card, Command.REVERSE, orders.reverse(WANG, SECOND)).error == NOT_TAKEN
        assert nlt.insert(card) == {"count": 2, "remaining": 8000}
        assert nlt.state(card) == (2, 2)


def test_last_does_not_fall_when_the_only_place_that_tells_it_is_damaged(nlt, taken):
    low = nlt.blank()
    nlt.do(low, Command.REISSUE, orders.reissue(WANG, 0))
    nlt.insert(low)
    assert nlt.state(low) == (1, 2)
    for at in range(49):
        file = bytearray(content(low)[0x85])
        file[at] ^= 0x10
        assert nlt.state(with_file(low, 0x85, file)) == (1, 3)


def test_another_meters_write_back_proves_nothing(nlt, taken):
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    stranger = nlt.blank()
    nlt.do(stranger, Command.OPEN, orders.open_card(Person("420100", "100234", "9912345678")))
    nlt.insert(stranger)
    card = with_file(taken, 0x85, content(stranger)[0x85])
    assert nlt.state(card) == (2, 3)
    assert nlt.ask(card, Command.PURCHASE, orders.purchase(WANG, THIRD)).error == OTHER
    assert nlt.ask(card, Command.REVERSE, orders.reverse(WANG, SECOND)).error == OTHER
    assert nlt.ask(card, Command.CLEAR, orders.clear(WANG, 2)).error == NOT_TAKEN
    nlt.do(card, Command.CLEAR, orders.clear(WANG, 2, insist=True))


def test_the_meter_does_not_credit_over_its_hoard_limit_nor_a_count_that_jumps(nlt, opened, taken):
    nlt.do(taken, Command.PURCHASE, orders.purchase(WANG, SECOND))
    jumped = bytearray(content(taken)[0x82])
    jumped[37 + 7], jumped[37 + 35] = 3, jumped[37 + 35] + 1
    card = with_file(taken, 0x82, jumped)
    assert nlt.state(card) == (3, 1)
    assert nlt.insert(card) == {"count": 1, "remaining": 5000}
    assert nlt.state(card) == (3, 1)
    own = bytes.fromhex("68 86 00 14 06 06 0A 00 42 01 00 00 00 00 00 37 00 00 1F 3F 00 00 00 00 88 16")
    card = with_file(taken, 0x86, own)  # 79.99 yuan and no more
    assert nlt.insert(card) == {"count": 1, "remaining": 5000}
    assert nlt.insert(card, use=1) == {"count": 2, "remaining": 7999}


def test_the_meter_gives_another_customers_card_back_untouched(nlt, taken):
    other = nlt.blank()
    nlt.do(other, Command.OPEN, orders.open_card(Person("420100", "777", WANG.meter), FIRST))
    before = content(other)
    assert nlt.insert(other) == {"count": 1, "remaining": 5000}
    assert content(other) == before


def test_a_reissued_card_goes_on_in_the_same_meter(nlt, taken):
    again = nlt.blank()
    nlt.do(again, Command.REISSUE, orders.reissue(WANG, 1))
    assert nlt.state(again) == (1, 0)
    nlt.do(again, Command.CLEAR, orders.clear(WANG, 1))
    nlt.do(again, Command.REISSUE, orders.reissue(WANG, 2, SECOND))
    assert nlt.insert(again) == {"count": 2, "remaining": 8000}
    assert nlt.ask(again, Command.REISSUE, orders.reissue(WANG, 2, SECOND)).error == NOT_BLANK


@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_a_card_of_one_byte_throughout_is_made_an_nlt_card_even_when_pulled(nlt, fill):
    card = nlt.blank()
    for file in card.card._files.values():
        file[:] = bytes((fill,)) * len(file)
    items = orders.open_card(WANG, FIRST, SETTINGS, when=1)
    assert nlt.ask(card, Command.READ).error == NOT_MINE
    assert nlt.ask(card, Command.PURCHASE, orders.purchase(WANG, FIRST)).error == NOT_MINE
    whole = copy.deepcopy(card)
    nlt.do(whole, Command.OPEN, items)
    assert content(whole) == files_of(BOUGHT)
    after = 0
    while nlt.ask(torn := pulled(card, after), Command.OPEN, items).error is not None:
        said = nlt.ask(torn, Command.READ)
        assert said.error == NOT_MINE or said.number(DI.KIND) == 0, after
        nlt.do(torn, Command.OPEN, items)
        assert content(torn) == files_of(BOUGHT), after
        after += 1
    assert after > 100
    stained = with_file(card, 0x85, bytes((fill,)) * 53 + b"\x5a")
    assert nlt.ask(stained, Command.OPEN, items).error == NOT_MINE


def test_the_pin_is_presented_last_and_never_with_one_try_left(nlt, opened):
    items = orders.purchase(WANG, FIRST)
    assert nlt.ask(opened, Command.PURCHASE, items, password="4e4c5420260").error == SECRET
    assert nlt.ask(opened, Command.PURCHASE, items, password="4E4C54202601 ").error == SECRET
    assert opened.card._tries == 3
    assert nlt.ask(opened, Command.PURCHASE, items, password="000000000000").error == SECRET
    assert opened.card._tries == 2
    jump = orders.purchase(WANG, SECOND)
    assert nlt.ask(opened, Command.PURCHASE, jump, password="000000000000").error == COUNT
    assert nlt.verifies == 0
    nlt.ask(opened, Command.PURCHASE, items, password="000000000000")
    assert nlt.ask(opened, Command.PURCHASE, items).error == LOCKED
    assert opened.card._tries == 1
    assert content(opened) == files_of(OPENED)


def test_a_state_grid_card_of_somebody_else_is_not_taken(nlt, opened):
    file = bytearray(content(opened)[0x81])
    file[6:10] = bytes(4)
    file[43] = sum(file[1:43]) & 0xFF
    for code, items in ((Command.READ, {}), (Command.OPEN, orders.open_card(WANG))):
        assert nlt.ask(with_file(opened, 0x81, file), code, items).error == NOT_MINE
        assert nlt.updates == 0


def test_the_card_speaks_t0(nlt):
    card = nlt.card_module.Card()
    select = [bytes.fromhex("00A40000023F00"), bytes.fromhex("00A4000002DF01")]
    assert [card.transmit(apdu).hex() for apdu in select] == ["6106", "6106"]
    assert card.transmit(bytes.fromhex("00C0000006")).hex() == "6f048302df019000"
    assert card.transmit(bytes.fromhex("00B0810000")).hex() == "6c2d"
    assert card.transmit(bytes.fromhex("00B0810004")).hex() == "680100279000"
    assert card.transmit(bytes.fromhex("00D682000100")).hex() == "6982"
    assert card.transmit(bytes.fromhex("0020000100")).hex() == "63c3"
    assert card.reset()[5:].decode() == "NLT00001"
